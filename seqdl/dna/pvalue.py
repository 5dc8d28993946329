"""p-values of motif scores, exact by dynamic programming over integer scores; q-values from them.

The p-value of a score is the chance that a random word, its bases drawn one by one from the background, scores as
much or more. Words are too many to try, scores are not: round each entry of the matrix to 1/1024 bit and the
distribution of the sum follows column by column (Staden, CABIOS 5:89, 1989).

Counted from the best word down: each base costs a deficit of 0 or more, so the words that miss the best score by
at most D never pass through a larger deficit, and D units are all that a p-value of that tail needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqdl.dna.background import UNIFORM, checked
from seqdl.errors import UsageError
from seqdl.kernels.score_distribution import convolve_columns

UNITS = 1024  # to a bit; a power of two, so that scores in units are exact
COARSE = 64  # units to a step of the first, coarse look for a threshold
NEVER = 1 << 40  # the deficit of a base that scores -inf; more than any word's
ROUNDING = 1e-12  # relative: sums of chances that should be equal may differ by this


class ScoreDistribution:
    """How the score of one matrix is distributed over random words.

    scores: (W, 4) float64 bits, columns A C G T, as Motif.scores makes them; -inf is allowed where another base of
    the position has a score. background: four frequencies of A C G T. units: steps to a bit, 1 or more; with a
    power of two sums of scores in units are exact.

    Attribute `scores` is the matrix on that grid. Score words with it, and their p-values have no error: with a power
    of two the sums too are exact, in any order. It differs from the matrix given by at most half a unit in each
    entry, W / (2 units) bits in a score.

    The score of a word by the matrix given may be looked up as well; its p-value is that of a score at most
    (W + 1) / (2 units) bits away. That is little, unless words come in few scores with many words each, as those of
    a consensus do. No p-value is 0: what lies above the best word has the best word's.
    """

    def __init__(self, scores: np.ndarray, background: Any = UNIFORM, units: int = UNITS) -> None:
        scores = np.asarray(scores, np.float64)
        if scores.ndim != 2 or scores.shape[1] != 4 or not len(scores) or not np.isfinite(scores.max(axis=1)).all():
            raise UsageError("scores: expected (positions, 4), at least one finite in each position")
        if units < 1:
            raise UsageError(f"units must be 1 or more, got {units}")
        rounded = np.floor(scores * units + 0.5)
        self.scores = rounded / units
        self.scores.flags.writeable = False
        best = rounded.max(axis=1)
        deficits = np.where(np.isfinite(rounded), best[:, None] - rounded, NEVER).astype(np.int64)
        order = np.argsort(deficits, axis=1, kind="stable")
        self.units = units
        self.best = int(best.sum())  # in units: of the best word
        self._deficits = np.take_along_axis(deficits, order, axis=1)
        self._chances = checked(background)[order]
        largest = np.where(self._deficits < NEVER, self._deficits, 0).max(axis=1)
        # Columns of small deficits first: what they can add up to is short.
        columns = np.argsort(largest, kind="stable")
        self._deficits, self._chances = self._deficits[columns], self._chances[columns]
        self.range = int(largest.sum())  # the largest deficit of a word whose score is finite
        self._tail = np.empty(0)

    def deficits(self, score: np.ndarray | float) -> np.ndarray:
        """int64, how many units each score lies below the best: 0 to range, range + 1 for what no word has (-inf)."""
        missing = self.best - np.floor(np.asarray(score, np.float64) * self.units + 0.5)
        return np.clip(missing, 0, self.range + 1).astype(np.int64)

    def tail(self, deficit: int) -> np.ndarray:
        """(deficit + 1,) or more, float64, read-only: the chance that a word misses the best by at most 0, 1, 2 ...

        Where deficit is above range the last is 1: every word, those that score -inf too.
        """
        if deficit >= len(self._tail):
            grown = min(max(deficit, 2 * len(self._tail)), self.range)
            tail = np.minimum(np.cumsum(_distribution(self._deficits, self._chances, grown)), 1.0)
            self._tail = np.append(tail, 1.0) if grown == self.range else tail
            self._tail.flags.writeable = False
        return self._tail

    def pvalue(self, score: np.ndarray | float) -> np.ndarray:
        """float64 of the same shape: the chance that a random word scores as much or more."""
        deficits = self.deficits(score)
        return self.tail(int(deficits.max(initial=0)))[deficits]

    def threshold(self, p: float) -> float | None:
        """The lowest score in bits whose p-value is at most p, p above 0; None if not even the best word's is.

        It lies half way between the lowest score meant and the next that a word can have, at most (W + 1) / 2 units
        below the former, so that no rounding of sums moves a word across.
        """
        if not p > 0:
            raise UsageError(f"a p-value threshold must be above 0, got {p}")
        limit = p * (1 + ROUNDING)
        tail = self.tail(self._enough(limit))
        within = int(np.searchsorted(tail[: self.range + 1], limit, side="right"))
        if not within:
            return None
        meant = int(np.searchsorted(tail, tail[within - 1]))
        return (self.best - meant - min(within - meant, len(self.scores) + 1) / 2) / self.units

    @property
    def smallest(self) -> float:
        """The p-value of the best word: no threshold below can be met."""
        return float(self.tail(0)[0])

    def _enough(self, p: float) -> int:
        """A deficit within which more than p of all words lie, close to the smallest.

        From the same distribution in coarse steps: with each base's deficit rounded up, a word's is at most what
        its coarse one says, so at least as many words lie within.
        """
        steps = np.minimum(-(-self._deficits // COARSE), NEVER)
        reach = int(np.where(self._deficits < NEVER, steps, 0).max(axis=1).sum())
        tail = np.cumsum(_distribution(steps, self._chances, reach))
        return min(int(np.searchsorted(tail, p, side="right")) * COARSE, self.range)


def _distribution(deficits: np.ndarray, chances: np.ndarray, largest: int) -> np.ndarray:
    """(largest + 1,) the chance of each sum of deficits from 0 to `largest`."""
    out, other = np.empty((2, largest + 1))
    convolve_columns(deficits, chances, out, other)
    return out


def fimo_units(scores: np.ndarray) -> int:
    """The steps to a bit that FIMO rounds this matrix to: a thousand for the range of its entries, 70 or so a bit.

    In these units ScoreDistribution.scores and p-values are FIMO's to the printed digit.
    """
    return int(1000 // (scores.max() - np.floor(scores.min())))


def benjamini_hochberg(pvalues: np.ndarray, counts: np.ndarray, tests: int) -> np.ndarray:
    """(K,) float64: the q-value of each of K p-values, of which counts[k] tests gave the k-th.

    pvalues (K,) in any order, counts (K,) of tests, `tests` the number of all tests, also those not listed. The
    q-value of p is the least share of false discoveries among all tests of p-value P or less, over every P >= p:
    min over P of tests P / number within P (Benjamini and Hochberg, J. R. Stat. Soc. B 57:289, 1995).

    Exact if all tests are listed. If only those with p below some limit are, every q-value below that limit is
    exact: a test beyond cannot bring it down, as tests P / number within P is at least P.
    """
    order = np.argsort(pvalues, kind="stable")
    within = np.cumsum(np.asarray(counts)[order])
    if len(within) and within[-1] > tests:
        raise UsageError(f"{within[-1]} p-values of only {tests} tests")
    shares = np.asarray(pvalues, np.float64)[order] * tests / np.maximum(within, 1)
    q = np.empty(len(shares))
    q[order] = np.minimum(np.minimum.accumulate(shares[::-1])[::-1], 1.0)
    return q
