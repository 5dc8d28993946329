"""Marks that stand on their own: full stops, commas, apostrophes and hyphens told by their place and shape."""

from __future__ import annotations

from seqdl_vision.page.components import BOTTOM, LEFT, RIGHT, TOP, Array
from seqdl_vision.page.lines import TextLine

# In letter heights, rows counted down from the baseline.
LONG = 0.2  # a hyphen is this wide at least, and
FLAT = 2.0  # times as wide as high,
HYPHEN = (-0.75, -0.15)  # its middle between these rows;
LOW = (-0.2, 0.45)  # the middle of a full stop or comma,
HIGH = -0.6  # and that of an apostrophe above this
HANGS = 0.12  # a comma ends lower than this
WIDEST = 0.35  # a full stop or comma is not wider
LEAST = 0.6  # strokes that a mark measures either way: less is a speck


def sign(box: Array, line: TextLine, base: float, stroke: float) -> str | None:
    """What a mark with this box is; None for a speck. base: the row of the baseline below it."""
    width, height = float(box[RIGHT] - box[LEFT]), float(box[BOTTOM] - box[TOP])
    middle = ((box[TOP] + box[BOTTOM]) / 2 - base) / line.height
    if min(width, height) < LEAST * stroke:
        return None
    if width >= LONG * line.height and width >= FLAT * height:
        return "-" if HYPHEN[0] <= middle <= HYPHEN[1] else None
    if width > WIDEST * line.height:
        return None
    if LOW[0] <= middle <= LOW[1]:
        return "," if (box[BOTTOM] - base) / line.height > HANGS and height > 1.2 * width else "."
    return "'" if middle < HIGH else None
