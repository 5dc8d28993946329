"""Straight lines in a mask that may be rules: long runs of ink, strung together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from seqdl_vision.page.parts import TOUCHING
from seqdl_vision.page.scale import runs

Array = np.ndarray

VIEW_LETTER = 12  # rules are looked for in a view whose letters are this high
RUN = 1.2  # letter heights: a rule is made of runs at least this long
GAP = 0.5  # letter heights: and may be broken for so long


@dataclass(frozen=True)
class Segment:
    """Columns first, first + 1, ... of a mask and the row (N,) of the line in each, give or take `doubt` pixels."""

    first: int
    middle: Array
    doubt: int

    @property
    def ends(self) -> tuple[float, float, float, float]:
        """x and y where it begins, x and y where it ends."""
        return self.first, self.middle[0], self.first + len(self.middle), self.middle[-1]


def segments(mask: Array, letter: float) -> list[Segment]:
    """Lines of a mask (H, W) more or less along its rows, RUN letter heights long at least."""
    factor = max(1, int(letter / VIEW_LETTER))
    view = pooled(mask, factor)
    unit = letter / factor
    labels, _ = ndimage.label(bridged(long_runs(view, RUN * unit), GAP * unit), TOUCHING)
    found = []
    for label, place in enumerate(ndimage.find_objects(labels), 1):
        rows, columns = np.nonzero(labels[place] == label)
        counts = np.bincount(columns)
        middle = (np.bincount(columns, rows) / counts + place[0].start + 0.5) * factor
        first = place[1].start * factor
        found.append(Segment(first, np.repeat(middle, factor)[: mask.shape[1] - first], factor))
    return found


def pooled(mask: Array, factor: int) -> Array:
    """mask (H, W), smaller: ink where a block of factor x factor pixels holds any; the last blocks may be cut."""
    out = np.zeros((-(-mask.shape[0] // factor), -(-mask.shape[1] // factor)), bool)
    for i in range(factor):
        for j in range(factor):
            part = mask[i::factor, j::factor]
            out[: part.shape[0], : part.shape[1]] |= part
    return out


def long_runs(mask: Array, length: float) -> Array:
    """mask with only those runs along its rows that are at least that long."""
    starts, ends = runs(mask)
    long = ends - starts >= length
    return _drawn(starts[long], ends[long], mask.shape)


def without_long_runs(mask: Array, length: float, thick: float) -> Array:
    """mask without its runs along the rows or the columns of at least that length, but for strokes across them.

    thick: the ink of a column through such a run is the run's if it is shorter than this.
    """
    across, down = long_runs(mask, length), long_runs(mask.T, length).T
    thick_across, thick_down = long_runs(mask.T, thick).T, long_runs(mask, thick)
    return np.asarray(mask & ~(across & ~thick_across) & ~(down & ~thick_down))


def bridged(mask: Array, gap: float) -> Array:
    """mask with the gaps along its rows filled that are shorter than `gap`."""
    starts, ends = runs(mask)
    width = mask.shape[1] + 1
    near = (starts[1:] - ends[:-1] < gap) & (starts[1:] // width == ends[:-1] // width)
    return _drawn(starts[np.append(True, ~near)[: len(starts)]], ends[np.append(~near, True)[: len(ends)]], mask.shape)


def _drawn(starts: Array, ends: Array, shape: tuple[int, ...]) -> Array:
    """The mask whose runs these are, as `runs` gives them."""
    edges = np.zeros(shape[0] * (shape[1] + 1), np.int8)
    edges[starts] = 1
    edges[ends] -= 1
    filled = np.cumsum(edges, dtype=np.int8).reshape(shape[0], shape[1] + 1)
    return np.asarray(filled[:, :-1] > 0)
