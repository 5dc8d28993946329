"""What the tests of pages share: a browser, and what went wrong in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def launched(playwright: Any) -> Iterator[Any]:
    """A browser while a fixture lasts, started by playwright.sync_api; skips the tests where there is none."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser here: {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


def picture(page: Any, name: str) -> None:
    """Keep what a page looks like, all of it, where somebody wants to see it."""
    folder = os.environ.get("SEQDL_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


class Watch:
    """What a page complains of, and whom it asks."""

    def __init__(self, page: Any, address: str) -> None:
        self.complaints: list[str] = []
        self.strangers: list[str] = []
        page.on("console", lambda m: m.type in ("error", "warning") and self.complaints.append(m.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("requestfailed", lambda r: self.complaints.append(f"failed: {r.url} {r.failure}"))
        page.on("request", lambda r: self._see(r.url, address))

    def _see(self, url: str, address: str) -> None:
        if not url.startswith((f"{address}/", f"blob:{address}/", "data:")):
            self.strangers.append(url)


# Text that stands out too little from what is behind it: [text, ratio]. Levels are those of WCAG 2.
FAINT = """() => {
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const parse = (colour) => {
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    return [...pixel.getImageData(0, 0, 1, 1).data];
  };
  const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, alpha] = parse(getComputedStyle(at).backgroundColor);
      if (alpha > 230) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(element instanceof SVGElement ? style.fill : style.color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    if (ratio < (size >= 24 ? 3 : 4.5)) found.push([walker.currentNode.data.slice(0, 30), ratio]);
  }
  return found;
}"""

CONTROLS = {
    "button",
    "checkbox",
    "combobox",
    "link",
    "radio",
    "slider",
    "spinbutton",
    "tab",
    "tabpanel",
    "textbox",
    "region",
    "group",
    "application",
    "img",
    "image",
}


def nameless_controls(page: Any) -> list[str]:
    """What has no accessible name, in the browser's own tree of accessibility."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    return [
        f"{node['role']['value']} {node.get('backendDOMNodeId')}"
        for node in nodes
        if not node.get("ignored") and node["role"]["value"] in CONTROLS and not node.get("name", {}).get("value")
    ]
