"""Ruled lines and frames, found and taken out of the ink without the strokes that cross them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from seqdl_vision.page.frames import framed
from seqdl_vision.page.lines import Segment, segments
from seqdl_vision.page.parts import TOUCHING
from seqdl_vision.page.placement import Placement

Array = np.ndarray

THICK = 0.35  # letter heights: no rule is thicker
THIN_SHARE = 0.3  # of its columns hold nothing but the rule
SLACK = 0.3  # stroke widths: what stands out of a rule by more is a stroke
WINDOW = 2.0  # letter heights, each way: over which the middle and the thickness of a rule are steady
LOW = 35  # per cent of the columns are surely bare


@dataclass(frozen=True)
class Rule:
    """A line along the rows of a mask: in the columns first, first + 1, ... its middle row and its thickness."""

    first: int
    middle: Array
    thickness: Array

    @property
    def columns(self) -> Array:
        return np.arange(self.first, self.first + len(self.middle))


def without_rules(mask: Array, placement: Placement, letter: float, stroke: float) -> Array:
    """mask (H, W) bool without its rules and frames, the strokes that cross them kept.

    placement: where the photo's edges are, at which frames may be cut; letter and stroke: height of the letters and
    width of the strokes, in pixels.
    """
    kept = mask.copy()
    if letter == 0:
        return kept
    across, down = framed(segments(mask, letter), segments(mask.T, letter), letter, placement)
    for lines, picture in (across, kept), (down, kept.T):  # both are views of kept
        for segment in lines:
            rule = followed(picture, segment, letter)
            if rule is not None:
                erase(picture, rule, stroke)
    return kept


def followed(mask: Array, segment: Segment, letter: float) -> Rule | None:
    """The rule at a segment, found to the pixel; None where it is too thick or too few columns hold it alone."""
    columns = np.arange(segment.first, segment.first + len(segment.middle))
    reach = round(THICK * letter) + segment.doubt
    strip, top_row = straightened(mask, segment.middle, columns, reach)
    top, bottom = run_through(strip, np.full(len(columns), reach + 0.5), segment.doubt + 1)
    thin = (bottom > top) & (bottom - top <= THICK * letter)
    if thin.mean() < THIN_SHARE:
        return None
    size = 2 * round(WINDOW * letter) + 1
    thickness = _steady((bottom - top)[thin], columns[thin], columns, size, LOW)
    bare = thin & (bottom - top <= 1.5 * thickness + 1)
    middle = _steady(((top + bottom) / 2 + top_row)[bare], columns[bare], columns, size, 50)
    return Rule(segment.first, middle, thickness)


def _steady(values: Array, places: Array, everywhere: Array, size: int, percent: int) -> Array:
    """A percentile of the values around each place, and between the places a straight line."""
    steady = ndimage.percentile_filter(values.astype(np.float32), percent, size=min(size, 2 * len(values) + 1))
    return np.interp(everywhere, places, steady)


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


def erase(mask: Array, rule: Rule, stroke: float) -> None:
    """Take a rule out of the mask (in place) without the strokes that cross it or run along its edge."""
    half = rule.thickness / 2
    reach = int(np.ceil(half.max() + stroke)) + 1
    strip, top_row = straightened(mask, rule.middle, rule.columns, reach)
    gone = strip & _of_rule(strip, rule.middle - top_row, half, stroke)
    gone |= _crumbs(strip & ~gone, strip)
    row, place = np.nonzero(gone)
    mask[top_row[place] + row, rule.first + place] = False


def _of_rule(strip: Array, middle: Array, half: Array, stroke: float) -> Array:
    """Which pixels of a strip (R, N) along a rule are the rule's.

    Where the ink stands out on one side, what stands out stays, and of the rule so much that a stroke is whole;
    where it does on both, a stroke crosses and all stays. What stands out on this side at one place and on that side
    a little further is a slanted stroke.
    """
    slack = max(1.0, SLACK * stroke)
    top, bottom = run_through(strip, middle, half.max())
    above, below = middle - half - top > slack, bottom - middle - half > slack
    lean = np.ones(2 * int(np.ceil(half.max())) + 1, bool)
    crossing = (above & ndimage.binary_dilation(below, lean)) | (below & ndimage.binary_dilation(above, lean))
    start = np.where(above, np.maximum(middle - half, top + stroke), top)
    end = np.where(below, np.minimum(middle + half, bottom - stroke), bottom)
    rows = np.arange(len(strip))[:, None]
    return (rows >= np.round(start)) & (rows < np.round(end)) & ~crossing & (bottom > top)


def _crumbs(left: Array, strip: Array) -> Array:
    """Which pixels left in a strip are crumbs of the rule: parts that reach neither its first nor its last row."""
    labels, count = ndimage.label(left, TOUCHING)
    crumb = np.ones(count + 1, bool)
    crumb[labels[[0, -1]]] = False
    crumb[0] = False
    return np.asarray(crumb[labels])
