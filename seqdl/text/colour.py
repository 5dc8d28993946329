"""A colour for each surprisal."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator

import numpy as np

from seqdl.text.vocabulary import Vocabulary

MOST_BITS = 8.0


def coloured_spans(vocabulary: Vocabulary, symbols: np.ndarray, nats: np.ndarray) -> Iterator[tuple[str, str | None]]:
    """(text, "rgb(r,g,b)" or None) for each character; the first symbol was not scored and has no colour.

    A character of several bytes has the sum of their surprisals; bytes that are not UTF-8 become U+FFFD.
    """
    pending, bits = b"", 0.0
    for symbol, surprise in zip(symbols.tolist(), [math.nan, *nats.tolist()], strict=True):
        pending += vocabulary.decode([symbol])
        bits += surprise / math.log(2)
        if _is_cut(pending):
            continue
        yield pending.decode("utf-8", "replace"), None if math.isnan(bits) else colour(bits)
        pending, bits = b"", 0.0
    if pending:
        yield pending.decode("utf-8", "replace"), None


def coloured_html(vocabulary: Vocabulary, symbols: np.ndarray, nats: np.ndarray) -> str:
    """A text as a block of HTML, each character on its colour; symbols and nats as a Score has them."""
    parts = [
        html.escape(text) if colour is None else f'<span style="background:{colour}">{html.escape(text)}</span>'
        for text, colour in coloured_spans(vocabulary, symbols, nats)
    ]
    style = "white-space:pre-wrap;padding:0.6em;background:#fff;color:#111"  # dark on light, whatever the page is
    return f'<pre style="{style}">{"".join(parts)}</pre>'


def _is_cut(data: bytes) -> bool:
    """Whether the bytes could be the beginning of one UTF-8 character."""
    first = data[0]
    length = 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2 if first >= 0xC2 else 1
    return len(data) < length and all(0x80 <= byte < 0xC0 for byte in data[1:])


def colour(bits: float) -> str:
    """Green at 0 bits, yellow at 4, red from 8 on."""
    share = min(max(bits / MOST_BITS, 0.0), 1.0)
    red, green = min(1.0, 2 * share), min(1.0, 2 * (1 - share))
    return f"rgb({120 + round(135 * red)},{120 + round(135 * green)},120)"
