"""The site in a real browser, from disk: narrow and wide, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("myst_nb")
playwright = pytest.importorskip("playwright.sync_api")

from browser import FAINT, Watch, launched, picture  # noqa: E402

pytestmark = pytest.mark.browser
LOOKS = [(width, scheme) for width in (1280, 360) for scheme in ("light", "dark")]
WIDER = "document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from launched(playwright)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_page_can_be_read(site: Path, browser: Any, width: int, scheme: str) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    watch = Watch(page, site.as_uri())
    faults = []
    for path in sorted(p.relative_to(site) for p in site.rglob("*.html") if "_static" not in p.parts):
        page.goto((site / path).as_uri())
        if page.evaluate(WIDER) > 0:
            faults.append((str(path), "wider than the window", page.evaluate(WIDER)))
        faults += [(str(path), "faint", *found) for found in page.evaluate(FAINT)[:3]]
        picture(page, f"site-{'-'.join(path.with_suffix('').parts)}-{width}-{scheme}")
    assert not faults
    assert not watch.complaints
    assert not watch.strangers


def test_search_works_from_disk(site: Path, browser: Any) -> None:
    page = browser.new_page()
    watch = Watch(page, site.as_uri())
    page.goto((site / "index.html").as_uri())
    page.locator("input.sidebar-search").fill("splice")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Find sites in DNA").last.wait_for()
    assert not watch.complaints


def test_the_theme_can_be_chosen(site: Path, browser: Any) -> None:
    page = browser.new_page(color_scheme="light")
    page.goto((site / "index.html").as_uri())
    colours = set()
    for _ in range(3):
        page.get_by_role("button", name="Toggle Light / Dark / Auto color theme").last.click()
        colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2
