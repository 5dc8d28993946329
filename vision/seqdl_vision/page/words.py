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
LEAST = 0.2  # letter heights: a line of its own is not divided at less
ALONE = 2.5  # medians, where there is one kind: a gap beyond is still between words, if it is wider than
USUAL = 0.8  # letter heights


def word_gaps(lines: list[Array]) -> list[float]:
    """For each line of a page the width, in letter heights, above which one of its gaps (G,) is between words.

    It is that of the page; but where a line has no gap so wide, its own, as on forms where hands and print are mixed.
    """
    lines = [np.maximum(gaps, 0) for gaps in lines]
    page = word_gap(np.concatenate([*lines, np.empty(0)]))
    own = [_division(gaps) for gaps in lines]
    return [
        page if limit is None or limit < LEAST or (gaps > page).any() else limit
        for gaps, limit in zip(lines, own, strict=True)
    ]


def word_gap(gaps: Array) -> float:
    """The width above which one of gaps (G,), in letter heights, is between words."""
    if len(gaps) < ENOUGH:
        return USUAL if len(gaps) < 2 else max(USUAL, 2 * float(gaps.min()))
    limit = _division(gaps)
    return max(ALONE * float(np.median(gaps)), USUAL) if limit is None else limit


def _division(gaps: Array) -> float | None:
    """Between the two kinds of gaps; None where there is but one kind."""
    if len(gaps) < ENOUGH:
        return None
    values = np.sort(np.maximum(gaps, 0))
    scaled = np.log(1 + values)  # so that one very wide gap does not hide the others
    cut = min(range(1, len(values)), key=lambda k: _variance(scaled[:k]) + _variance(scaled[k:]))
    narrow, wide = values[:cut], values[cut:]
    apart = wide.mean() - narrow.mean() >= APART * max(narrow.std(), LEAST_SPREAD)
    return float(narrow[-1] + wide[0]) / 2 if apart and len(wide) <= MOST_WORDS * len(values) else None


def _variance(values: Array) -> float:
    """Sum of the squares of the distances to the mean."""
    return float(np.square(values - values.mean()).sum())
