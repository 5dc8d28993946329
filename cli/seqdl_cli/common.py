"""What several commands share."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqdl_data.errors import InputError, UsageError, unreadable
from seqdl_data.streams import standard_input

if TYPE_CHECKING:
    import numpy as np

Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        "-t",
        min=1,
        show_default="all cores",
        help="Most threads to use, BLAS included. 1 or more.",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option("--model", metavar="FILE", show_default="the shipped one", help="Model file, or a run's folder."),
]
Output = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where the result goes; - is stdout.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing on stderr but errors.")]

TOML_TYPES = {"int": ("int",), "float": ("float", "int"), "str": ("str",), "bool": ("bool",)}


def start(threads: int | None, quiet: bool = False) -> None:
    """Before any work: bound the threads, and announce the compilation if there is going to be one."""
    from seqdl.kernels.jit import announce_compilation
    from seqdl.parallel import set_num_threads

    if threads is not None:
        set_num_threads(threads)
    if not quiet:
        announce_compilation()


def command_line() -> str:
    """The command as typed, to be stored with what it makes."""
    return shlex.join(["seqdl", *sys.argv[1:]])


def say(message: str, quiet: bool = False) -> None:
    """Talk goes to stderr."""
    if not quiet:
        print(f"seqdl: {message}", file=sys.stderr, flush=True)


def shown(text: str) -> str:
    """Text of a model or a user's file for a terminal, without the characters that would drive it."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text.expandtabs())


def printable(letters: str) -> bool:
    """Whether standard output can hold these letters; not every terminal knows Unicode."""
    try:
        letters.encode(sys.stdout.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def drawn_for_terminal(images: np.ndarray, captions: Sequence[str]) -> str:
    """Characters (N, 28, 28) uint8 as text with their captions, as wide as the terminal."""
    from seqdl_data.sheets import HALVES, drawn

    style = "blocks" if printable(HALVES["blocks"]) else "ascii"
    return drawn(images, captions, width=shutil.get_terminal_size().columns, style=style)


def read_bytes(source: str) -> bytes:
    """The content of a file, or of standard input for "-"."""
    if source == "-":
        return standard_input().read()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise unreadable(source, error) from error


def write_output(output: str, pieces: Callable[[Callable[[str], Any]], None]) -> None:
    """Run `pieces`, which is given a function that writes text: to stdout as it comes, or to a whole file."""
    if output == "-":
        pieces(_to_stdout)
        return
    from seqdl_data.files import replacing

    with replacing(output) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        pieces(file.write)


def _to_stdout(text: str) -> None:
    sys.stdout.buffer.write(text.encode())
    sys.stdout.buffer.flush()


def load_recipe(path: Path | None) -> dict[str, Any]:
    """The options in a recipe, a TOML file of names and values; InputError where it is not one."""
    import tomllib

    if path is None:
        return {}
    try:
        recipe = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable recipe: {error}") from error
    return {name.replace("-", "_"): value for name, value in recipe.items()}


def settings_from(options: dict[str, Any], recipe: dict[str, Any], *defaults: Any) -> list[Any]:
    """Dataclasses like `defaults`, with values from options (None: not given), else from the recipe."""
    values = recipe | {name: value for name, value in options.items() if value is not None}
    fields = {name: field for each in defaults for name, field in each.__dataclass_fields__.items()}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise UsageError(f"the recipe has unknown options: {', '.join(unknown)}")
    for name, value in recipe.items():
        expected = TOML_TYPES[fields[name].type.removesuffix(" | None")]
        if type(value).__name__ not in expected:
            raise UsageError(f"the recipe has {name} = {value!r}, expected {' or '.join(expected)}")
    return [
        replace(each, **{name: value for name, value in values.items() if name in each.__dataclass_fields__})
        for each in defaults
    ]
