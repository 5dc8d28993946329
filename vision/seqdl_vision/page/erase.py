"""A ruled line taken out of the ink, without the strokes that cross it or stand on it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

from seqdl_vision.page.parts import TOUCHING

Array = np.ndarray

SLACK = 0.3  # stroke widths: what stands out of a rule by more is a stroke
BREAK = 0.6  # stroke widths: a scanner leaves so much paper where a stroke crosses a rule
CRUMB = 0.8  # stroke widths: what stands out no farther and is alone is no writing
HIGHER = 1.2  # stroke widths above a rule the walls of a bowl are wider apart
NARROWER = 0.7  # stroke widths: by so much in all
EACH = 0.1  # stroke widths: and each wall by more than this, where slanted letters lean one way
BOWL = 0.6  # letter heights: no bowl is wider where it meets a rule


@dataclass(frozen=True)
class Rule:
    """A line along the rows of a mask: in the columns first, first + 1, ... its middle row and its thickness."""

    first: int
    middle: Array
    thickness: Array

    @property
    def columns(self) -> Array:
        return np.arange(self.first, self.first + len(self.middle))


def straightened(mask: Array, middle: Array, columns: Array, reach: int) -> tuple[Array, Array]:
    """The rows around the middle of each column, (2 reach + 1, N) bool, and the row of the mask (N,) at their top."""
    top_row = np.floor(middle).astype(int) - reach
    rows = top_row + np.arange(2 * reach + 1)[:, None]
    inside = (rows >= 0) & (rows < len(mask))
    return mask[np.clip(rows, 0, len(mask) - 1), columns] & inside, top_row


def run_through(strip: Array, middle: Array, reach: float) -> tuple[Array, Array]:
    """First row and end of each column's run of ink nearest to the row `middle` (N,), within reach; 0, 0: none."""
    rows = np.arange(len(strip))[:, None]
    distance = np.where(strip, abs(rows + 0.5 - middle), np.inf)
    nearest = distance.argmin(axis=0)
    found = distance.min(axis=0) <= reach + 0.5
    top = np.where(~strip & (rows < nearest), rows, -1).max(axis=0) + 1
    bottom = np.where(~strip & (rows > nearest), rows, len(strip)).min(axis=0)
    return np.where(found, top, 0), np.where(found, bottom, 0)


def erase(mask: Array, rule: Rule, letter: float, stroke: float) -> None:
    """Take a rule out of the mask, in place, but not the strokes that cross it, and mend those that it breaks."""
    half = rule.thickness / 2
    reach = int(np.ceil(half.max() + (SLACK + HIGHER) * stroke)) + 2
    strip, top_row = straightened(mask, rule.middle, rule.columns, reach)
    middle = rule.middle - top_row
    crossing, mended = _crossing(strip, middle, half, stroke)
    bowls = _bowls(strip, middle - half, letter, stroke).astype(int)
    bowls -= _bowls(strip[::-1], len(strip) - middle - half, letter, stroke)
    gone = strip & ~crossing & _of_rule(strip, middle, half, bowls, stroke)
    gone |= _crumbs(strip & ~gone, middle, half + np.maximum(2, CRUMB * stroke))
    for changed, value in (gone, False), (mended & ~gone, True):
        row, place = np.nonzero(changed)
        inside = (top_row[place] + row >= 0) & (top_row[place] + row < len(mask))
        mask[(top_row[place] + row)[inside], rule.first + place[inside]] = value


def _crossing(strip: Array, middle: Array, half: Array, stroke: float) -> tuple[Array, Array]:
    """In which columns (N,) of a strip (R, N) along a rule a stroke crosses it, and the paper (R, N) in its breaks.

    There is ink close by on both sides; that on the other side may be a little further along: a slanted stroke.
    """
    rows = np.arange(len(strip))[:, None]
    slack = max(1.0, SLACK * stroke)
    outside = half + slack + max(1.0, BREAK * stroke)
    above = (strip & (rows >= middle - outside) & (rows < np.floor(middle - half - slack))).any(axis=0)
    below = (strip & (rows < middle + outside) & (rows >= np.ceil(middle + half + slack))).any(axis=0)
    lean = np.ones(2 * int(np.ceil(half.max())) + 1, bool)
    crossing = (above & ndimage.binary_dilation(below, lean)) | (below & ndimage.binary_dilation(above, lean))
    near = strip & (abs(rows + 0.5 - middle) <= outside)
    between = np.logical_or.accumulate(near) & np.logical_or.accumulate(near[::-1])[::-1]
    return crossing, crossing & between & ~strip


def _of_rule(strip: Array, middle: Array, half: Array, bowls: Array, stroke: float) -> Array:
    """Which pixels of a strip (R, N) are the rule's where no stroke crosses.

    Where the ink stands out on one side, what stands out stays, and of the rule so much that a stroke is whole; where
    bowls (N,) is 1 one rests on the rule, and where it is -1 hangs on it: a stroke's width of the rule stays.
    """
    slack = max(1.0, SLACK * stroke)
    top, bottom = run_through(strip, middle, half.max())
    above, below = middle - half - top > slack, bottom - middle - half > slack
    start = np.where(above, np.maximum(middle - half, top + stroke), top)
    end = np.where(below, np.minimum(middle + half, bottom - stroke), bottom)
    start = np.where(bowls > 0, np.maximum(start, middle - half + stroke), start)
    end = np.where(bowls < 0, np.minimum(end, middle + half - stroke), end)
    rows = np.arange(len(strip))[:, None]
    return (rows >= np.round(start)) & (rows < np.round(end)) & (bottom > top)


def _bowls(strip: Array, edge: Array, letter: float, stroke: float) -> Array:
    """In which columns (N,) of a strip the bottom of a bowl is hidden in the rule that begins at the rows `edge`.

    Two strokes come down to the rule and lean towards each other: an o or u, not an n or two letters.
    """
    places = np.arange(strip.shape[1])
    row = np.floor(edge - max(1.0, SLACK * stroke)).astype(int) - 1
    low = strip[np.clip(row, 0, None), places]
    high = strip[np.clip(row - round(HIGHER * stroke), 0, None), places]
    edges = np.flatnonzero(np.diff(low.astype(np.int8)))
    bowls = np.zeros(strip.shape[1], bool)
    for left, right in pairwise(edges):
        if not low[left] or right - left > BOWL * letter:
            continue  # no gap between two strokes, or too wide a one
        wall = np.flatnonzero(high[: left + 1])
        other = np.flatnonzero(high[right + 1 :])
        open_above = not high[left + 1 : right + 1].any()
        if open_above and len(wall) and len(other):
            leans = left - wall[-1], other[0]
            if sum(leans) >= NARROWER * stroke and min(leans) > EACH * stroke and max(leans) <= BOWL * letter:
                bowls[left + 1 : right + 1] = True
    return bowls


def _crumbs(left: Array, middle: Array, reach: Array) -> Array:
    """Which pixels left in a strip are crumbs of the rule: parts that come no farther than `reach` (N,) from it."""
    labels, count = ndimage.label(left, TOUCHING)
    crumb = np.ones(count + 1, bool)
    crumb[labels[abs(np.arange(len(left))[:, None] + 0.5 - middle) > reach]] = False
    crumb[0] = False
    return np.asarray(crumb[labels])
