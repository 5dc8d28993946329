"""Ruled lines and frames, found and taken out of the ink without the strokes that cross them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from seqdl_vision.page.erase import Rule, erase, run_through, straightened
from seqdl_vision.page.frames import framed
from seqdl_vision.page.parts import weighted_median
from seqdl_vision.page.placement import Placement
from seqdl_vision.page.scale import runs
from seqdl_vision.page.straight import Segment, segments

Array = np.ndarray

THICK = 0.35  # letter heights: no rule is thicker
THIN_SHARE = 0.3  # of its columns hold nothing but the rule
COVERED = 0.7  # of its columns hold ink at all
SOLID = 1.0  # letter heights: most of them in runs so long, which the feet of printed letters side by side are not
STRAIGHT = 0.5  # of its thickness: it strays from a smooth line by no more, typically
WINDOW = 2.0  # letter heights, each way: over which the middle and the thickness of a rule are steady
LOW = 35  # per cent of the columns are surely bare


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
                erase(picture, rule, letter, stroke)
    return kept


def followed(mask: Array, segment: Segment, letter: float) -> Rule | None:
    """The rule at a segment, found to the pixel; None where it is too thick, too broken or too crooked for one."""
    columns = np.arange(segment.first, segment.first + len(segment.middle))
    reach = round(THICK * letter) + segment.doubt
    strip, top_row = straightened(mask, segment.middle, columns, reach)
    top, bottom = run_through(strip, np.full(len(columns), reach + 0.5), segment.doubt + 1)
    thin = (bottom > top) & (bottom - top <= THICK * letter)
    covered = bottom > top
    starts, ends = runs(covered[None])
    solid = weighted_median(ends - starts, ends - starts) >= SOLID * letter
    if thin.mean() < THIN_SHARE or covered.mean() < COVERED or not solid:
        return None
    size = 2 * round(WINDOW * letter) + 1
    thickness = _steady((bottom - top)[thin], columns[thin], columns, size, LOW)
    bare = thin & (bottom - top <= 1.5 * thickness + 1)
    found = ((top + bottom) / 2 + top_row)[bare]
    middle = _steady(found, columns[bare], columns, size, 50)
    if np.median(abs(found - middle[bare])) > max(1, STRAIGHT * np.median(thickness)):
        return None
    return Rule(segment.first, middle, thickness)


def _steady(values: Array, places: Array, everywhere: Array, size: int, percent: int) -> Array:
    """A percentile of the values around each place, and between the places a straight line."""
    steady = ndimage.percentile_filter(values.astype(np.float32), percent, size=min(size, 2 * len(values) + 1))
    return np.interp(everywhere, places, steady)
