"""The site: every page of it, as files on a disk - links, pictures, chapters, nothing from the network.

It is built once, short; SEQDL_SITE names a folder with a built one to look at that instead.
"""

from __future__ import annotations

import importlib
import re
import shutil
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urlsplit

import jupytext
import pytest
from site_pages import DOCS, ROOT, Html, read, run_build
from test_house import MAY_IMPORT, PUBLIC

import figures

sys.path.append(str(DOCS / "extensions"))
CHAPTERS = sorted(DOCS.glob("chapters/[0-9]*.md"))
LOADED_BY_CSS = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")
FILE_NAME = re.compile(r"\.(png|svg|jpe?g|gif|webp)$")


def pages(site: Path) -> Iterator[tuple[str, Html]]:
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.parts:
            yield str(path.relative_to(site)), read(path)


def is_outside(address: str) -> bool:
    return bool(urlsplit(address).scheme or urlsplit(address).netloc)


def dead(site: Path, page: str, address: str) -> bool:
    """Whether a relative address leads to no file of the site, or to no place in it."""
    parts = urlsplit(address)
    target = site / page if not parts.path else (site / page).parent / unquote(parts.path)
    if parts.path.startswith("/") or not target.resolve().is_relative_to(site.resolve()) or not target.is_file():
        return True
    return bool(parts.fragment) and target.suffix == ".html" and unquote(parts.fragment) not in read(target).ids


def test_every_link_leads_somewhere(site: Path) -> None:
    links = {(page, link) for page, html in pages(site) for link in html.links if not is_outside(link)}
    assert len(links) > 500
    assert not sorted((page, link) for page, link in links if dead(site, page, link))


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<p id="here"><a href="/x.html">')
    seen = [dead(tmp_path, "page.html", link) for link in ("page.html#here", "#here", "#no", "no.html", "/page.html")]
    assert seen == [False, False, True, True, True]


def test_nothing_is_loaded_from_the_network(site: Path) -> None:
    loaded = [(page, each) for page, html in pages(site) for each in html.resources if not each.startswith("data:")]
    assert not [each for each in loaded if is_outside(each[1]) or dead(site, *each)]


def test_no_style_loads_anything_from_the_network(site: Path) -> None:
    styles = {path: LOADED_BY_CSS.findall(path.read_text(encoding="utf-8")) for path in site.rglob("*.css")}
    named = [(path.name, "".join(found)) for path, all_found in styles.items() for found in all_found]
    assert not [(name, found) for name, found in named if is_outside(found) and not found.startswith("data:")]


def test_every_picture_says_what_it_shows(site: Path) -> None:
    alts = [(page, alt) for page, html in pages(site) for alt in html.alts]
    assert alts
    assert not [(page, alt) for page, alt in alts if len(alt.split()) < 3 or FILE_NAME.search(alt)]


def test_every_page_has_one_heading_and_a_language(site: Path) -> None:
    faults = [page for page, html in pages(site) if html.language != "en" or html.headings != 1]
    assert faults in ([], ["search.html"])  # which has its heading where scripts do not run


def test_every_page_is_found_from_the_first_one(site: Path) -> None:
    reached, waiting = set(), {"index.html"}
    while waiting:
        page = waiting.pop()
        reached.add(page)
        found = {((site / page).parent / urlsplit(link).path).resolve() for link in read(site / page).links}
        inside = {str(path.relative_to(site.resolve())) for path in found if path.suffix == ".html" and path.is_file()}
        waiting |= inside - reached
    made_by_sphinx = {"search.html", "genindex.html", "py-modindex.html"}
    assert {page for page, _ in pages(site)} - made_by_sphinx <= reached


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_chapter_is_listed_and_was_executed(site: Path, chapter: Path) -> None:
    page = f"chapters/{chapter.stem}.html"
    assert page in read(site / "index.html").links
    classes = read(site / page).classes
    assert "cell_output" in classes
    assert not {"traceback", "stderr"} & classes


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_picture_that_a_chapter_describes_is_there(site: Path, chapter: Path) -> None:
    cells = jupytext.reads(chapter.read_text(encoding="utf-8"), fmt="md:myst").cells
    described = [cell.metadata.get("mystnb", {}).get("image", {}).get("alt") for cell in cells]
    shown = read(site / f"chapters/{chapter.stem}.html").alts
    assert sorted(filter(None, described)) == sorted(shown)


def test_the_chapters_note_every_figure_of_the_table(site: Path) -> None:
    works = [site.with_name(f"{site.name}-work{kind}") / "docs/chapters/results" for kind in ("-short", "")]
    results = next((work for work in works if work.is_dir()), None)
    if not results:
        pytest.skip("the site was not built here")
    assert "not run" not in figures.table(results)


def words(page: Path) -> str:
    """The text of a page, without its tags."""
    return unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_every_option_of_every_command_is_in_the_reference(site: Path) -> None:
    from command_reference import leaves
    from typer.main import get_command

    from seqdl_cli.main import app

    page, text = read(site / "reference/commands.html"), words(site / "reference/commands.html")
    for path, command in leaves("seqdl", get_command(app)):
        assert path.replace(" ", "-") in page.ids
        shown = [param for param in command.params if not getattr(param, "hidden", False)]
        assert not [name for param in shown for name in param.opts if name.startswith("-") and name not in text]


def test_every_shipped_model_has_its_card(site: Path) -> None:
    from model_cards import shipped

    from seqdl.modelfile import read_metadata

    page, text = read(site / "models.html"), words(site / "models.html")
    files = shipped()
    assert {path.stem for path in files} == {path.stem for path in ROOT.glob("*/**/models/*.safetensors")}
    for path in files:
        card = read_metadata(path)
        assert path.stem in page.ids
        assert card["training"]["command"] in text
        assert card["licence"] in text
        assert (ROOT / "recipes" / f"{'splice-' * (card['kind'] == 'sites')}{path.stem}.toml").is_file()


@pytest.mark.parametrize("root", PUBLIC)
def test_everything_public_is_in_the_reference(site: Path, root: str) -> None:
    ids = set().union(*(read(page).ids for page in (site / "reference").glob("*.html")))
    told = {each.rpartition(".")[2] for each in ids if "." in each}
    library = importlib.import_module(root)
    assert [name for name in library.__all__ if callable(getattr(library, name)) and name not in told] == []


def test_every_module_is_on_the_map(site: Path) -> None:
    text = words(site / "reference/modules.html")
    paths = [
        path.relative_to(ROOT) for name in ("seqdl", "data", "vision", "cli") for path in ROOT.glob(f"{name}/**/*.py")
    ]
    names = [str(path) if path.parts[0] == "seqdl" else str(Path(*path.parts[1:])) for path in paths]
    assert not [name for name in names if name.removesuffix("__init__.py") not in text]


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("What *args and x_ give, `None` too.", ["What \\*args and x\\_ give, ``None``\\  too."]),
        ("A line\nand the next.", ["A line and the next."]),
        ("A table:\n\n    a   1\n    b   2", ["A table\\:", "", ".. code-block:: text", "", "        a   1"]),
        ("from seqdl import dna\ndna.scan()", [".. code-block:: python", "", "    from seqdl import dna"]),
        ("a: 1 -> b: 2   (B, C)\nc: 3   (B,)", [".. code-block:: text", "", "    a: 1 -> b: 2   (B, C)"]),
        ("- not a list", ["\\- not a list"]),
    ],
)
def test_a_docstring_is_shown_as_it_stands(docstring: str, expected: list[str]) -> None:
    from plain_docstrings import as_rest

    assert as_rest(docstring.split("\n"))[: len(expected)] == expected


def test_columns_divided_by_tabs_stand_below_each_other() -> None:
    from real_output import aligned

    assert aligned(["a\tlong\tx", "##", "bcd\te\ty"]) == ["a    long  x", "##", "bcd  e     y"]


def broken(folder: Path, chapter: str) -> Path:
    """Sources of a site with one chapter: so little that it is built in seconds."""
    for name in ("extensions", "_static"):
        shutil.copytree(DOCS / name, folder / name)
    (folder / "chapters").mkdir()
    shutil.copy(DOCS / "conf.py", folder)
    shutil.copy(DOCS / "chapters" / "matplotlibrc", folder / "chapters")
    head = CHAPTERS[0].read_text().split("---\n")[1]
    (folder / "chapters" / "01-one.md").write_text(f"---\n{head}---\n\n# One\n\n{chapter}\n")
    (folder / "index.md").write_text("# Site\n\n```{toctree}\nchapters/01-one\n```\n")
    return folder


@pytest.mark.parametrize(
    ("chapter", "told"),
    [
        ("```{code-cell} python\nraise RuntimeError('of our own making')\n```", ["of our own making"]),
        ("```{run} seqdl score text nothing.txt\n```\n\n[a page](nowhere.md)", ["exit code 3", "nowhere.md"]),
    ],
    ids=["code", "command and link"],
)
def test_a_broken_chapter_ends_the_build_and_is_named(tmp_path: Path, chapter: str, told: list[str]) -> None:
    done = run_build(tmp_path / "site", "--docs", broken(tmp_path / "docs", chapter))
    assert done.returncode != 0
    assert "01-one" in done.stdout + done.stderr
    assert not [words for words in told if words not in done.stdout + done.stderr]
    assert "Traceback" not in done.stderr.split("docs/build.py: error:")[-1]
    assert not (tmp_path / "site").exists()


def test_the_page_on_the_house_says_who_may_import_whom() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `[^|]*` \| ([^|]*) \|", (DOCS / "house.md").read_text(), re.MULTILINE)
    said = {name: set(re.findall(r"`(\w+)`", others)) for name, others in rows}
    said["seqdl_cli"] = set(MAY_IMPORT) - {"seqdl_cli"}  # "all of them"
    assert said == {name: others - {name} for name, others in MAY_IMPORT.items()}
