"""The directive `run`: a command of seqdl, run when the site is built, and what it printed.

    ```{run} seqdl ocr samples/note.jpg -o read.png
    :picture: read.png
    :alt: The note with a box around each character
    ```

The commands of a page run one after the other in one folder of their own, which holds a copy of samples/. Options:
`picture` and `alt`: show a file that the command made. `lines`: so many lines of the output, then "..."; 0 for none.
`status`: the exit code that is meant, 0 by default; any other ends the build. `stderr`: show that too.

Where only some chapters are built (SEQDL_CHAPTERS) commands are shown, not run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

TIMEOUT = 300  # seconds
PROGRAM = 'exec {python} -m seqdl_cli.main "$@"\n'


class Run(SphinxDirective):
    """Run a command and show it with its output."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {
        "picture": directives.path,
        "alt": directives.unchanged_required,
        "lines": directives.nonnegative_int,
        "status": directives.nonnegative_int,
        "stderr": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        command = self.arguments[0]
        shown: list[nodes.Node] = [nodes.literal_block(command, command, language="sh")]
        if os.environ.get("SEQDL_CHAPTERS"):
            return shown
        folder = self._folder()
        printed = self._printed(command, folder)
        if printed:
            shown.append(nodes.literal_block(printed, printed, language="text", classes=["printed"]))
        if "picture" in self.options:
            shown.append(self._picture(folder))
        return shown

    def _folder(self) -> Path:
        """The folder of this page, made at its first command."""
        folder = Path(self.env.doctreedir).parent / "commands" / self.env.docname
        if self.env.temp_data.get("ran_in") != str(folder):
            self.env.temp_data["ran_in"] = str(folder)
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(Path(self.config.seqdl_root) / "samples", folder / "samples")
            _write_program(folder / ".bin" / "seqdl")
        return folder

    def _printed(self, command: str, folder: Path) -> str:
        programs = (folder / ".bin").resolve()
        environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if "stderr" in self.options else subprocess.PIPE,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode != self.options.get("status", 0):
            raise self.error(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr or ''}")
        lines = done.stdout.replace(f"{self.config.seqdl_root}/", "").rstrip("\n").split("\n")
        most = self.options.get("lines", len(lines))
        return "\n".join(aligned([*lines[:most], *(["..."] if 0 < most < len(lines) else [])]))

    def _picture(self, folder: Path) -> nodes.Node:
        """The file that the command made, copied to where the page's pictures are looked for."""
        made = folder / self.options["picture"]
        copied = Path(self.env.srcdir) / "made" / f"{self.env.docname.replace('/', '-')}-{made.name}"
        copied.parent.mkdir(exist_ok=True)
        shutil.copy(made, copied)
        return nodes.image(uri=f"/made/{copied.name}", alt=self.options["alt"])


def aligned(lines: list[str]) -> list[str]:
    """Lines whose columns are divided by tabs, with blanks instead, so that the columns stand below each other."""
    rows = [line.split("\t") for line in lines]
    columns = zip_longest(*(row[:-1] for row in rows), fillvalue="")
    widths = [max(map(len, column)) for column in columns]
    return ["  ".join([*map(str.ljust, row[:-1], widths), row[-1]]) for row in rows]


def _write_program(path: Path) -> None:
    """`seqdl` for the shell: this Python's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + PROGRAM.format(python=sys.executable))
    path.chmod(0o755)


def setup(app: Any) -> dict[str, bool]:
    app.add_config_value("seqdl_root", "", "env")
    app.add_directive("run", Run)
    return {"parallel_read_safe": True}
