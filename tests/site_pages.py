"""What the tests of the site share: it is built once, short, and each page is read into what can be checked of it."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LINKS = {"a": "href"}
RESOURCES = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
BUILT_WITHOUT = {"OPENBLAS_CORETYPE", "PYTHONPATH"}
AS_CI_SETS = {"MPLBACKEND": "Agg", "FORCE_COLOR": "1"}  # with which pictures would be lost, and colours printed


def run_build(output: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """docs/build.py --short, as CI runs it."""
    command = [sys.executable, DOCS / "build.py", "--short", "-o", output, *options]
    environment = {name: value for name, value in os.environ.items() if name not in BUILT_WITHOUT} | AS_CI_SETS
    return subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=600, env=environment, check=False
    )


class Html(HTMLParser):
    """A page: its links, what it loads, its pictures, the ids that a link may point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.resources: list[str] = []
        self.alts: list[str] = []
        self.ids: set[str] = set()
        self.classes: set[str] = set()
        self.language = ""
        self.headings = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attrs}
        self.ids |= {about.get("id", ""), about.get("name", "")}
        self.classes |= set(about.get("class", "").split())
        self.headings += tag == "h1"
        if tag == "html":
            self.language = about.get("lang", "")
        if tag == "img":
            self.alts.append(about.get("alt", ""))
        if tag in LINKS and LINKS[tag] in about:
            self.links.append(about[LINKS[tag]])
        if tag in RESOURCES and RESOURCES[tag] in about:
            self.resources.append(about[RESOURCES[tag]])


@cache
def read(page: Path) -> Html:
    """The page in a file; read once, however many link to it."""
    return Html(page.read_text(encoding="utf-8"))
