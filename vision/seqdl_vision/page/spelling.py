"""Which forms a word is made of: small letters, a capital first, all capitals, all digits, or anything.

The same shape may be o, O or 0. A word is mostly of one kind, and a page keeps to the kinds it has, so each kind's
best spelling is found and the most probable kind is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqdl.metrics import softmax
from seqdl_vision.page.components import Array
from seqdl_vision.page.forms import Forms

FLOOR = 1e-3  # of a form at its place: one letter that does not fit must not decide for a word of digits
KINDS = ("small", "capital first", "capitals", "digits", "mixed")
PRIOR = np.log([0.55, 0.2, 0.15, 0.04, 0.002])  # of each kind, before the page is known
MIXED = 1.5  # nats for each character of a mixed word, beside its prior
TINY = 1e-12
FREE = 2.0  # words that the prior counts for, beside those of the page


def allowed(forms: Forms, kind: str, length: int) -> Array:
    """(length, F) bool: the forms that a word of a kind may have at each place."""
    letter = ~forms.digit
    rows = {
        "small": letter & ~forms.upper,
        "capital first": letter & ~forms.upper,
        "capitals": letter & forms.upper,
        "digits": forms.digit,
        "mixed": np.ones(len(forms), bool),
    }
    out = np.repeat(rows[kind][None], length, axis=0)
    if kind == "capital first":
        out[0] = letter & forms.upper
    return out


def spellings(forms: Forms, chances: Array) -> tuple[Array, Array]:
    """For chances (N, F) of a word: nats (5,) of its best spelling of each kind, and the spellings (5, N)."""
    logs = np.log(np.maximum(chances, FLOOR))
    scores, picks = np.empty(len(KINDS)), np.empty((len(KINDS), len(chances)), np.int64)
    for row, kind in enumerate(KINDS):
        masked = np.where(allowed(forms, kind, len(chances)), logs, -np.inf)
        picks[row] = masked.argmax(axis=1)
        scores[row] = masked.max(axis=1).sum()
        if kind == "mixed":
            scores[row] -= MIXED * len(chances)
    return scores, picks


@dataclass(frozen=True)
class Spelling:
    """A word's most probable kind, its forms (N,), and how probable each of KINDS is (5,), given word and page."""

    kind: str
    picks: Array
    kinds: Array

    def shares(self, forms: Forms, chances: Array, nothing: Array) -> Array:
        """(N, F): how probable each form is, in either case, beside all others and no character.

        chances (N, F) and nothing (N,) are what the shapes say; a form counts as much as the kinds that allow it.
        """
        out = np.zeros(chances.shape)
        for share, kind in zip(self.kinds, KINDS, strict=True):
            folded = forms.without_case(chances * allowed(forms, kind, len(chances)))
            out += share * folded / (folded.sum(axis=1) + nothing + TINY)[:, None]
        return out[:, forms.folded]


def spell(forms: Forms, words: list[Array]) -> list[Spelling]:
    """The spelling of each word of a page, given its chances (N, F)."""
    found = [spellings(forms, word) for word in words]
    prior = PRIOR
    for _ in range(2):
        kinds = [int((scores + prior).argmax()) for scores, _ in found]
        counts = np.bincount(kinds, minlength=len(KINDS)) + FREE * np.exp(PRIOR)
        prior = np.log(counts / counts.sum())
        prior[-1] = PRIOR[-1]
    return [
        Spelling(KINDS[kind], picks[kind], softmax(scores + prior))
        for kind, (scores, picks) in zip(kinds, found, strict=True)
    ]
