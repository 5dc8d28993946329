"""A text on the colours of its surprisal, as HTML."""

from __future__ import annotations

import numpy as np

from seqdl.text import coloured_html
from seqdl.text.vocabulary import ByteVocabulary


def html_of(text: str, bits: list[float]) -> str:
    nats = np.array(bits, np.float32) * np.log(2)
    return coloured_html(ByteVocabulary(), np.frombuffer(text.encode(), np.uint8), nats)


def test_what_was_expected_is_green_and_a_surprise_red() -> None:
    found = html_of("abc", [0.0, 8.0])
    assert '>a<span style="background:rgb(120,255,120)">b</span>' in found
    assert '<span style="background:rgb(255,120,120)">c</span>' in found


def test_text_is_escaped_and_lines_stay() -> None:
    found = html_of("a<\n&", [1.0, 1.0, 1.0])
    assert "&lt;" in found
    assert "\n</span>" in found
    assert "&amp;" in found
    assert "white-space:pre-wrap" in found


def test_a_character_of_two_bytes_has_one_colour() -> None:
    assert html_of("aä", [4.0, 4.0]).count("<span") == 1
