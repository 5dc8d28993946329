"""Ruled lines and frames, found and taken out of the ink without the strokes that cross them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from seqdl_vision.page.scale import runs

Array = np.ndarray

VIEW_LETTER = 12  # rules are looked for in a view whose letters are this high
RUN = 1.5  # letter heights: a rule is made of runs at least this long
GAP = 1.5  # letter heights: a rule may be broken for so long
LONG = 5.0  # letter heights: and is at least so long in all
THICK = 0.35  # letter heights: and no thicker
THIN_SHARE = 0.4  # of its columns hold nothing but the rule


@dataclass(frozen=True)
class Rule:
    """A line along the columns first to last (half-open) of a mask: its top and bottom row (half-open) in each."""

    first: int
    top: Array
    bottom: Array

    @property
    def columns(self) -> Array:
        return np.arange(self.first, self.first + len(self.top))


def without_rules(mask: Array, letter: float, stroke: float) -> Array:
    """mask (H, W) bool without its rules and frames, the strokes that cross them kept."""
    kept = _without_lines(mask, letter, stroke)
    return np.ascontiguousarray(_without_lines(np.ascontiguousarray(kept.T), letter, stroke).T)


def _without_lines(mask: Array, letter: float, stroke: float) -> Array:
    kept = mask.copy()
    for rule in horizontal_rules(mask, letter):
        erase(kept, mask, rule, stroke)
    return kept


def horizontal_rules(mask: Array, letter: float) -> list[Rule]:
    """The rules of a mask (H, W) that run more or less along its rows."""
    factor = max(1, int(letter / VIEW_LETTER))
    view = pooled(mask, factor)
    unit = letter / factor
    lines = _bridged(_long_runs(view, round(RUN * unit)), round(GAP * unit))
    labels, _ = ndimage.label(lines, np.ones((3, 3), bool))
    found = []
    for label, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        if columns.stop - columns.start >= LONG * unit:
            part = labels[rows, columns] == label
            middle = np.average(np.indices(part.shape)[0], axis=0, weights=part) + rows.start
            rule = _followed(mask, (middle + 0.5) * factor, columns.start * factor, factor, letter)
            if rule is not None:
                found.append(rule)
    return found


def pooled(mask: Array, factor: int) -> Array:
    """mask (H, W), smaller: ink where a block of factor x factor pixels holds any; the last blocks may be cut."""
    down, across = -mask.shape[0] % factor, -mask.shape[1] % factor
    mask = np.pad(mask, ((0, down), (0, across)))
    blocks = mask.reshape(mask.shape[0] // factor, factor, mask.shape[1] // factor, factor)
    return np.asarray(blocks.any(axis=(1, 3)))


def _long_runs(mask: Array, length: int) -> Array:
    """mask with only those runs along the rows that are at least that long."""
    starts, ends = runs(mask)
    long = ends - starts >= length
    edges = np.zeros((mask.shape[0], mask.shape[1] + 1), np.int8)
    edges.ravel()[starts[long]] = 1
    edges.ravel()[ends[long]] = -1
    return np.cumsum(edges.ravel(), dtype=np.int8).reshape(edges.shape)[:, :-1] > 0


def _bridged(mask: Array, gap: int) -> Array:
    """mask with the gaps along its rows closed that are shorter than `gap`."""
    starts, ends = runs(mask)
    width = mask.shape[1] + 1
    near = (starts[1:] - ends[:-1] < gap) & (starts[1:] // width == ends[:-1] // width)
    edges = np.zeros((mask.shape[0], width), np.int8)
    edges.ravel()[np.delete(starts, np.flatnonzero(near) + 1)] = 1
    edges.ravel()[np.delete(ends, np.flatnonzero(near))] = -1
    return np.cumsum(edges.ravel(), dtype=np.int8).reshape(edges.shape)[:, :-1] > 0


def _followed(mask: Array, middle: Array, first: int, factor: int, letter: float) -> Rule | None:
    """The rule in the mask itself whose middle, in a view of `factor` times fewer columns, is at these rows.

    None where it is too thick, or where too few columns hold nothing but the rule: then it is writing.
    """
    columns = np.arange(first, min(first + len(middle) * factor, mask.shape[1]))
    guess = np.repeat(middle, factor)[: len(columns)]
    reach = round(THICK * letter) + factor
    strip, top_row = straightened(mask, guess, columns, reach)
    top, bottom = _run_through(strip, reach, factor)
    thin = (bottom > top) & (bottom - top <= THICK * letter)
    if thin.mean() < THIN_SHARE:
        return None
    thickness = float(np.median((bottom - top)[thin]))
    bare = thin & (bottom - top <= 1.5 * thickness + 1)
    centre = (top + bottom) / 2 + top_row
    centre = np.interp(columns, columns[bare], centre[bare])
    centre = ndimage.median_filter(centre, size=2 * round(letter) + 1, mode="nearest")
    half = thickness / 2
    return Rule(first, np.floor(centre - half).astype(int), np.ceil(centre + half).astype(int))


def straightened(mask: Array, middle: Array, columns: Array, reach: int) -> tuple[Array, Array]:
    """Rows middle - reach to middle + reach of each column, (2 reach + 1, N) bool, and each column's first row."""
    top_row = np.round(middle).astype(int) - reach
    rows = top_row + np.arange(2 * reach + 1)[:, None]
    inside = (rows >= 0) & (rows < len(mask))
    return mask[np.clip(rows, 0, len(mask) - 1), columns] & inside, top_row


def _run_through(strip: Array, middle: int, reach: int) -> tuple[Array, Array]:
    """Top and bottom (half-open) of each column's run of ink nearest to the row `middle`, within reach; 0, 0: none."""
    rows = np.arange(len(strip))[:, None]
    distance = np.where(strip, abs(rows - middle), len(strip))
    nearest = distance.argmin(axis=0)
    found = distance.min(axis=0) <= reach
    above = np.where(~strip & (rows < nearest), rows, -1).max(axis=0) + 1
    below = np.where(~strip & (rows > nearest), rows, len(strip)).min(axis=0)
    return np.where(found, above, 0), np.where(found, below, 0)


def erase(kept: Array, mask: Array, rule: Rule, stroke: float) -> None:
    """Take a rule of `mask` out of `kept`, but for the strokes that cross it.

    A stroke crosses where there is ink right above and right below; between the two the rule's pixels stay.
    """
    height = len(mask)
    columns = rule.columns
    above = _ink_beside(mask, rule.top - 1, columns)
    below = _ink_beside(mask, rule.bottom, columns)
    slack = max(1, round(stroke / 2))
    crossing = ndimage.binary_dilation(above, iterations=slack) & ndimage.binary_dilation(below, iterations=slack)
    for column, top, bottom in zip(columns[~crossing], rule.top[~crossing], rule.bottom[~crossing], strict=True):
        kept[max(top, 0) : min(bottom, height), column] = False


def _ink_beside(mask: Array, rows: Array, columns: Array) -> Array:
    inside = (rows >= 0) & (rows < len(mask))
    return mask[np.clip(rows, 0, len(mask) - 1), columns] & inside
