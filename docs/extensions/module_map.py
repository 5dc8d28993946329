"""The directive `modules`: every module of a package with the first sentence of its docstring, from the files."""

from __future__ import annotations

import ast
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import Directive


class Modules(Directive):
    """`{modules} FOLDER`: a list of the modules in a folder of the source, each with what it is."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        settings = self.state.document.settings
        folder = Path(settings.env.config.seqdl_root) / self.arguments[0]
        listed = nodes.definition_list(classes=["options"])
        for path in sorted(folder.rglob("*.py")):
            said = ast.get_docstring(ast.parse(path.read_text())) or ""
            named = nodes.term("", "", nodes.literal(text=_name(path, folder)))
            what = nodes.paragraph(text=" ".join(said.split("\n\n")[0].replace("`", "").split()))
            listed += nodes.definition_list_item("", named, nodes.definition("", what))
        return [listed]


def _name(path: Path, folder: Path) -> str:
    """page/ink.py for a module, page/ for a package."""
    inside = path.relative_to(folder.parent)
    return f"{inside.parent}/" if path.name == "__init__.py" else str(inside)


def setup(app: object) -> dict[str, bool]:
    app.add_directive("modules", Modules)  # type: ignore[attr-defined]
    return {"parallel_read_safe": True}
