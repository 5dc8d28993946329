"""How high letters stand: the baseline, the height of small letters and that of capitals, from letters already read.

A letter whose form is known says where the baseline is, and one of the two heights. With them the same shape can be
told apart by where it stands: o and O, p and P, g and 9, i and l.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqdl_vision.page.components import Array
from seqdl_vision.page.forms import DOTTED, HALF_HIGH, SMALL_LETTERS, TAILS, Forms

SURE = 0.7  # a character read with less does not count
RATIO = 0.62  # of a capital, a small letter's height where the page shows one of the two alone
CLOSEST, FARTHEST = 0.45, 0.85  # bounds of that ratio
SPREAD_TOP, SPREAD_BOTTOM = 0.25, 0.19  # of a capital, how much letters vary
MOST = 3.5  # nats that standing in the wrong place costs at most
NEAREST = 5  # letters that say where the baseline is at a place
FEW = 3  # letters, at which the evidence counts for half
WEIGHT = 1.25  # of that evidence, as letters vary together


@dataclass
class Metrics:
    """In pixels, rows counted down from the line's base: where the baseline is, and heights above it.

    places (N, 2): columns and bottoms of letters that stand on the baseline, from left to right; it goes through the
    median of the nearest few, as few people write straight. weight: how far the evidence counts, less where few
    letters gave it.
    """

    places: Array
    small: float
    capital: float
    weight: float

    def baseline(self, columns: Array) -> Array:
        """(S,) the row of the baseline at each of columns (S,)."""
        return _baseline(self.places, columns)

    def evidence(self, forms: Forms, columns: Array, tops: Array, bottoms: Array, dotted: Array) -> Array:
        """(S, F) nats, at most 0: how well each form fits rows tops (S,) to bottoms (S,) at columns (S,).

        dotted (S,) bool: whether there is a dot over it.
        """
        out = np.empty((len(tops), len(forms)))
        base = self.baseline(columns)
        for dot in (False, True):
            rows = dotted == dot
            form_tops, form_bottoms = forms.heights(self.small, self.capital, dot)
            off_top = ((base - tops)[rows, None] - form_tops) / (SPREAD_TOP * self.capital)
            off_bottom = ((bottoms - base)[rows, None] - form_bottoms) / (SPREAD_BOTTOM * self.capital)
            out[rows] = self.weight * np.maximum(-0.5 * (off_top**2 + off_bottom**2), -MOST)
        return out


def measure(forms: Forms, chosen: Array, sure: Array, columns: Array, tops: Array, bottoms: Array) -> Metrics | None:
    """The metrics of letters chosen (N,) as forms, `sure` (N,) how probable each is, at rows from the line's base.

    columns (N,): their middles. None where nothing is sure enough.
    """
    rows = np.flatnonzero(sure >= SURE)
    characters = [forms.characters[chosen[n]] for n in rows]
    standing = np.array([n for n, c in zip(rows, characters, strict=True) if c not in TAILS], np.int64)
    if not len(standing):
        return None
    places = np.column_stack([columns[standing], bottoms[standing]])
    heights = _baseline(places, columns[rows]) - tops[rows]
    small = [height for height, c in zip(heights, characters, strict=True) if _small(c)]
    capital = [height for height, c in zip(heights, characters, strict=True) if _tall(c)]
    return _completed(places, small, capital, WEIGHT * len(rows) / (len(rows) + FEW))


def _baseline(places: Array, columns: Array) -> Array:
    """(S,) medians of the bottoms of those of places (N, 2) that are nearest to columns (S,)."""
    away = np.abs(places[None, :, 0] - columns[:, None])
    nearest = np.argsort(away, axis=1, kind="stable")[:, :NEAREST]
    return np.asarray(np.median(places[nearest, 1], axis=1))


def _small(character: str) -> bool:
    return character in SMALL_LETTERS or character in TAILS - DOTTED


def _tall(character: str) -> bool:
    return not (character in SMALL_LETTERS or character in TAILS or character in DOTTED or character in HALF_HIGH)


def _completed(places: Array, small: list[float], capital: list[float], weight: float) -> Metrics | None:
    """Metrics from what heights there are, the ratio between the two kept within what people write."""
    if not small and not capital:
        return None
    tall = float(np.median(capital)) if capital else float(np.median(small)) / RATIO
    low = float(np.median(small)) if small else RATIO * tall
    if low > FARTHEST * tall or low < CLOSEST * tall:
        if len(small) > len(capital):
            tall = low / RATIO
        else:
            low = RATIO * tall
    return Metrics(places, max(low, 1.0), max(tall, 1.0), weight)
