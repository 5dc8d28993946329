"""The sample pages: made by their script, and read by the model that ships."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path

import pytest

from seqdl_vision import Letters, read_pictures
from seqdl_vision.letters import model_path

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
PAGES = {"note": "note.jpg", "form": "form.png"}


@pytest.mark.parametrize("name", PAGES)
def test_a_sample_page_is_small(name: str) -> None:
    assert (SAMPLES / PAGES[name]).stat().st_size < 150_000


@pytest.mark.parametrize("name", PAGES)
def test_a_sample_page_is_read(name: str) -> None:
    if not model_path(None).exists():
        pytest.skip("no model of characters is shipped")
    (reading,) = read_pictures([SAMPLES / PAGES[name]], Letters.load())
    read = reading.result().text.lower()
    written = (SAMPLES / f"{name}.txt").read_text().lower()
    assert read.count("\n") == written.count("\n")
    assert SequenceMatcher(None, read, written, autojunk=False).ratio() > 0.9
