"""The directive `commands`: every command of `seqdl` with its help and its options, from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive

EXAMPLE = "Example: "


class Commands(Directive):
    """A section for each command that does something, in the order of `seqdl --help`."""

    def run(self) -> list[nodes.Node]:
        from typer.main import get_command

        from seqdl_cli.main import app

        sections = [_section(path, command) for path, command in leaves("seqdl", get_command(app))]
        for section in sections:
            self.state.document.note_explicit_target(section)  # so that pages link to it: [...](#seqdl-scan)
        return sections


def leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", {})
    if not children:
        yield path, command
    for name, child in children.items():
        yield from leaves(f"{path} {name}", child)


def _section(path: str, command: Any) -> nodes.section:
    section = nodes.section(ids=[nodes.make_id(path)], names=[nodes.make_id(path)])
    section += nodes.title(path, path)
    section += nodes.literal_block(path, _usage(path, command), language="text")
    section += [_paragraph(words) for words in command.help.strip().split("\n\n")]
    section += _options(command)
    return section


def _usage(path: str, command: Any) -> str:
    words = [path, "[OPTIONS]"]
    for param in command.params:
        if param.param_type_name == "argument":
            word = _metavar(param) + ("..." if param.nargs == -1 else "")
            words.append(word if param.required else f"[{word}]")
    return " ".join(words)


def _paragraph(words: str) -> nodes.Node:
    words = " ".join(words.split())
    if words.startswith(EXAMPLE):
        return nodes.literal_block(words, words.removeprefix(EXAMPLE), language="sh")
    paragraph = nodes.paragraph()
    for number, span in enumerate(words.split("`")):
        paragraph += nodes.literal(span, span) if number % 2 else nodes.Text(span)
    return paragraph


def _options(command: Any) -> nodes.definition_list:
    listed = nodes.definition_list(classes=["options"])
    for param in command.params:
        if getattr(param, "hidden", False):
            continue
        named = nodes.term("", "", nodes.literal(text=_name(param)))
        listed += nodes.definition_list_item("", named, nodes.definition("", nodes.paragraph(text=_help(param))))
    return listed


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        return _metavar(param)
    names = ", ".join(sorted([*param.opts, *param.secondary_opts], key=len))
    return names if param.is_flag else f"{names} {_metavar(param)}"


def _metavar(param: Any) -> str:
    """What stands for the value: as the command has it, else the parameter's own name."""
    return param.metavar or param.name.upper()


def _help(param: Any) -> str:
    return f"{param.help or ''} {_default(param)}".strip()


def _default(param: Any) -> str:
    shown, value = getattr(param, "show_default", False), param.default
    if isinstance(shown, str):
        return f"Default: {shown}."
    if not shown or param.required or value is None or isinstance(value, bool) or callable(value):
        return ""
    return f"Default: {value}." if value not in ("", [], ()) else ""


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}
