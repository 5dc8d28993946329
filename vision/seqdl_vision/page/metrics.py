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
SPREAD_TOP, SPREAD_BOTTOM = 0.22, 0.18  # of a capital, how much letters vary
MOST = 1.9  # nats that standing in the wrong place costs at most
FEW = 3  # letters, at which the evidence counts for half
WEIGHT = 0.85  # of that evidence, as letters vary together


@dataclass
class Metrics:
    """In pixels: `rise` from a line's base to the baseline of its letters (downwards), heights above the baseline.

    weight: how far the evidence counts, less where few letters gave it.
    """

    rise: float
    small: float
    capital: float
    weight: float

    def evidence(self, forms: Forms, tops: Array, bottoms: Array, dotted: Array) -> Array:
        """(S, F) nats, at most 0: how well each form fits rows tops (S,) to bottoms (S,), counted from the line's base.

        dotted (S,) bool: whether there is a dot over it.
        """
        out = np.empty((len(tops), len(forms)))
        for dot in (False, True):
            rows = dotted == dot
            form_tops, form_bottoms = forms.heights(self.small, self.capital, dot)
            off_top = (self.rise - tops[rows, None] - form_tops) / (SPREAD_TOP * self.capital)
            off_bottom = (bottoms[rows, None] - self.rise - form_bottoms) / (SPREAD_BOTTOM * self.capital)
            out[rows] = self.weight * np.maximum(-0.5 * (off_top**2 + off_bottom**2), -MOST)
        return out


def measure(forms: Forms, chosen: Array, sure: Array, tops: Array, bottoms: Array) -> Metrics | None:
    """The metrics of letters chosen (N,) as forms, `sure` (N,) how probable each is, at rows from the line's base.

    None where nothing is sure enough.
    """
    rows = np.flatnonzero(sure >= SURE)
    characters = [forms.characters[chosen[n]] for n in rows]
    standing = [n for n, c in zip(rows, characters, strict=True) if c not in TAILS]
    if not standing:
        return None
    rise = float(np.median(bottoms[standing]))
    height = {n: rise - tops[n] for n in rows}
    small = [height[n] for n, c in zip(rows, characters, strict=True) if _small(c)]
    capital = [height[n] for n, c in zip(rows, characters, strict=True) if _tall(c)]
    return _completed(rise, small, capital, WEIGHT * len(rows) / (len(rows) + FEW))


def _small(character: str) -> bool:
    return character in SMALL_LETTERS or character in TAILS - DOTTED


def _tall(character: str) -> bool:
    return not (character in SMALL_LETTERS or character in TAILS or character in DOTTED or character in HALF_HIGH)


def _completed(rise: float, small: list[float], capital: list[float], weight: float) -> Metrics | None:
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
    return Metrics(rise, max(low, 1.0), max(tall, 1.0), weight)
