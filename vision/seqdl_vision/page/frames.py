"""Which lines are rules: the long ones, and short ones that close a frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqdl_vision.page.placement import Placement
from seqdl_vision.page.straight import Segment

Array = np.ndarray

LONG = 5.0  # letter heights: a line so long is a rule, whatever it touches
SIDE = 1.8  # letter heights: a line across, both ends of which meet others, is a frame's
CORNER = 0.25  # letter heights: how near lines come that meet


def framed(
    across: list[Segment], down: list[Segment], letter: float, placement: Placement
) -> tuple[list[Segment], list[Segment]]:
    """Those lines across, and those down (in a transposed mask), that are rules or sides of frames."""
    across = [segment for segment in across if len(segment.middle) >= SIDE * letter]
    lines, columns = _ends(across), _swapped(_ends(down))  # x, y where it begins and where it ends
    near = CORNER * letter
    cut, cut_down = (_at_edge(e, placement, near) for e in (lines, columns))
    long, long_down = (abs(e[:, 2:] - e[:, :2]).max(axis=1, initial=0) >= LONG * letter for e in (lines, columns))
    kept, kept_down = np.ones(len(lines), bool), np.ones(len(columns), bool)
    while True:
        closed = long | _closed(*_meets(lines, columns[kept_down], near), cut)
        closed_down = long_down | _closed(*_meets(_swapped(columns), _swapped(lines[kept]), near), cut_down)
        if (closed == kept).all() and (closed_down == kept_down).all():
            break
        kept, kept_down = kept & closed, kept_down & closed_down
    return [s for s, k in zip(across, kept, strict=True) if k], [s for s, k in zip(down, kept_down, strict=True) if k]


def _ends(segments: Sequence[Segment]) -> Array:
    return np.array([segment.ends for segment in segments], float).reshape(-1, 4)


def _swapped(lines: Array) -> Array:
    """Lines (N, 4) with x and y in each other's place."""
    return lines[:, [1, 0, 3, 2]]


def _at_edge(lines: Array, placement: Placement, near: float) -> Array:
    """Which ends (N, 2) of lines (N, 4) are at the edge of the photo."""
    return np.stack([placement.to_edge(*lines[:, i : i + 2].T) < near for i in (0, 2)], axis=1)


def _meets(lines: Array, crossing: Array, near: float) -> tuple[Array, Array]:
    """Which ends (N, 2) of lines (N, 4) across meet any of the lines (M, 4) down, and which do so where that ends."""
    meets, corners = np.zeros((2, len(lines), 2), bool)
    x0, y0, x1, y1 = crossing.T
    for end in range(2):
        x, y = lines[:, 2 * end, None], lines[:, 2 * end + 1, None]
        at = x0 + np.clip((y - y0) / np.maximum(y1 - y0, 1), 0, 1) * (x1 - x0)
        touching = (y > y0 - near) & (y < y1 + near) & (abs(x - at) < near)
        meets[:, end] = touching.any(axis=1)
        corners[:, end] = (touching & ((abs(y - y0) < near) | (abs(y - y1) < near))).any(axis=1)
    return meets, corners


def _closed(meets: Array, corners: Array, cut: Array) -> Array:
    """Which lines (N,) are a side of a frame: they meet others at both ends, or are cut there by the photo's edge.

    One of the ends must be a corner, where the other line ends too: a letter may well reach from rule to rule.
    """
    return corners.any(axis=1) & (meets | cut).all(axis=1)
