"""Parts of the ink that are no writing: edges, blots, shadows, specks."""

from __future__ import annotations

import numpy as np

from seqdl_vision.page.parts import Parts, weighted_median
from seqdl_vision.page.placement import Placement

Array = np.ndarray

ALONG_EDGE = 1.0  # letter heights: what follows the picture's edge for longer is the edge of something
BESIDE = 1.5  # pixels: so near the photo's edge is at it, for it may lie between pixels
BLOT = 3.5  # stroke widths: what is larger than a letter and thicker is no stroke
CRISP = 0.55  # of the typical stroke's step from ink to paper: what has less is a shadow, a crease, show-through
DOT = 0.3  # stroke widths, squared: the dot of an i covers at least this
SMALL = 0.4  # letter heights: a part no larger either way is a dot or a speck
DOTS = 8  # so many in a row are a dotted line
NEAR = 1.0  # letter heights: a dot is no farther from a letter


def written_parts(
    parts: Parts, grey: Array, on_paper: Array, letter: float, stroke: float, placement: Placement
) -> Array:
    """Which parts (N,) are writing.

    grey (H, W) uint8: how much ink; on_paper (N,): which parts may be writing; placement: where the photo's edges are.
    """
    edge = outline(parts.labels > 0)
    kept = on_paper & ~_no_strokes(parts, edge, letter, stroke, placement) & (parts.pixels >= DOT * stroke**2)
    steps = _steps(parts, edge, grey, stroke)
    kept &= steps >= CRISP * weighted_median(steps[kept], parts.pixels[kept])
    small = parts.sizes <= SMALL * letter
    kept &= ~_leaders(parts, kept & small, letter, stroke)
    return kept & (~small | _near(parts, kept & ~small, NEAR * letter))


def no_strokes(parts: Parts, letter: float, stroke: float, placement: Placement, thicker: float = 0) -> Array:
    """Which parts (N,) are a blot, larger than a letter and thicker than any stroke, or follow the photo's edge.

    thicker: stroke widths; what follows the edge and is not thicker than this may be something else. A stroke has
    two pixels of outline for each pixel of its length.
    """
    return _no_strokes(parts, outline(parts.labels > 0), letter, stroke, placement, thicker)


def _no_strokes(
    parts: Parts, edge: tuple[Array, Array], letter: float, stroke: float, placement: Placement, thicker: float = 0
) -> Array:
    rows, columns = edge
    thickness = 2 * parts.pixels / np.maximum(parts.count((rows, columns)), 1)
    beside = placement.to_edge(columns + 0.5, rows + 0.5) < BESIDE
    along = parts.count((rows[beside], columns[beside])) > ALONG_EDGE * letter
    stroke = max(stroke, 2)  # a line of one pixel measures as two
    blot = (thickness > BLOT * stroke) & (parts.sizes > letter)
    return np.asarray(blot | (along & (thickness > thicker * stroke)))


def _leaders(parts: Parts, small: Array, letter: float, stroke: float) -> Array:
    """Which of the small parts (N,) are dots or dashes of a dotted line: many, level, side by side."""
    dotted = np.zeros(len(parts.pixels), bool)
    order = np.flatnonzero(small)
    middles = (parts.tops + parts.bottoms) / 2
    while len(order) >= DOTS:
        level = order[abs(middles[order] - middles[order[0]]) <= stroke]
        level = level[np.argsort(parts.lefts[level])]
        breaks = np.flatnonzero(parts.lefts[level[1:]] - parts.rights[level[:-1]] > letter) + 1
        for row in np.split(level, breaks):
            dotted[row] = len(row) >= DOTS
        order = np.setdiff1d(order, level)
    return dotted


def outline(mask: Array) -> tuple[Array, Array]:
    """Rows and columns of the pixels of a mask that have paper above, below, left or right of them."""
    rows, columns = np.nonzero(mask)
    inner = (rows > 0) & (rows < mask.shape[0] - 1) & (columns > 0) & (columns < mask.shape[1] - 1)
    flat, place, width = mask.ravel(), rows * mask.shape[1] + columns, mask.shape[1]
    for step in (-width, width, -1, 1):
        inner &= flat.take(place + step, mode="clip")
    return rows[~inner], columns[~inner]


def _steps(parts: Parts, edge: tuple[Array, Array], grey: Array, stroke: float) -> Array:
    """The mean step of grey across the outline of each part: from the darkest to the lightest within half a stroke."""
    rows, columns = edge
    reach = max(1, round(stroke / 2))
    darkest = lightest = _at(grey, rows, columns)
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1), (0, -1), (-1, 0), (-1, -1), (-1, 1)):
        there = _at(grey, rows + down * reach, columns + right * reach)
        darkest, lightest = np.maximum(darkest, there), np.minimum(lightest, there)
    of = parts.labels[rows, columns]
    total = np.bincount(of, darkest - lightest, minlength=len(parts.pixels) + 1)[1:]
    return total / np.maximum(np.bincount(of, minlength=len(parts.pixels) + 1)[1:], 1)


def _at(grey: Array, rows: Array, columns: Array) -> Array:
    return grey[np.clip(rows, 0, grey.shape[0] - 1), np.clip(columns, 0, grey.shape[1] - 1)].astype(np.int16)


def _near(parts: Parts, letters: Array, distance: float) -> Array:
    """Which parts (N,) are within that distance of any of the letters."""
    near = np.zeros(len(parts.pixels), bool)
    for letter in np.flatnonzero(letters):
        down = np.maximum(parts.tops[letter] - parts.bottoms, parts.tops - parts.bottoms[letter])
        across = np.maximum(parts.lefts[letter] - parts.rights, parts.lefts - parts.rights[letter])
        near |= np.maximum(down, across) <= distance
    return near
