"""Where a line's words end: gaps fall into two kinds, those inside words and those between them.

Gaps are measured in letter heights. How wide either kind is depends on the writer: some write letter by letter with
gaps as wide as a letter, and some a row of letters with no words at all. So the gaps of a page are divided where that
explains most of their variance, and the division counts if the kinds lie far apart for their spread.
"""

from __future__ import annotations

import numpy as np

from seqdl_vision.page.components import Array

ENOUGH = 5  # gaps, to know of two kinds
APART = 5.0  # spreads of the narrow gaps between the means of the kinds, at least; what one kind gives stays below 4
LEAST_SPREAD = 0.06  # letter heights
MOST_WORDS = 0.6  # of the gaps are between words at most: words have two letters and more, mostly
ALONE = 2.5  # medians, where there is one kind: a gap beyond is still between words, if it is wider than
USUAL = 0.8  # letter heights


def word_gap(gaps: Array) -> float:
    """The width, in letter heights, above which one of gaps (G,) is between words."""
    gaps = np.maximum(gaps, 0)
    if len(gaps) < ENOUGH:
        return USUAL if len(gaps) < 2 else max(USUAL, 2 * float(gaps.min()))
    values = np.sort(gaps)
    scaled = np.log(1 + values)  # so that one very wide gap does not hide the others
    cut = min(range(1, len(values)), key=lambda k: _variance(scaled[:k]) + _variance(scaled[k:]))
    narrow, wide = values[:cut], values[cut:]
    apart = wide.mean() - narrow.mean() >= APART * max(narrow.std(), LEAST_SPREAD)
    if apart and len(wide) <= MOST_WORDS * len(gaps):
        return float(narrow[-1] + wide[0]) / 2
    return max(ALONE * float(np.median(gaps)), USUAL)


def _variance(values: Array) -> float:
    """Sum of the squares of the distances to the mean."""
    return float(np.square(values - values.mean()).sum())
