"""Forms: characters with their case, how high they stand in a line, and what labels of a model may be them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqdl_vision.page.components import Array

SMALL_LETTERS = frozenset("acemnorsuvwxz")  # from the baseline to the height of an x
TAILS = frozenset("gpqyj")  # below the baseline
DOTTED = frozenset("ij")
DOT_OVER_OTHERS = 0.15  # how often a dot over a letter belongs to none of i and j
NO_DOT = 0.5  # how often i and j are left without
BARS = {"l": 0.3, "I": 0.2, "i": 0.4, "1": 0.1}  # what an upright stroke is, how often; i mostly with a dot
# Letters and digits of one shape, and how much of what a model gives to one is the other's as well: it learnt both from
# pictures of other hands, whose pens and sizes say more to it than the shape does. The word tells them apart.
LOOKALIKES = {"o0": 0.4, "l1": 0.3, "z2": 0.15, "g9": 0.15, "q9": 0.1, "s5": 0.1, "i1": 0.1, "b6": 0.05}
TAIL = 0.4  # of a capital's height, how far tails go down
HALF_HIGH = frozenset("t")  # between a small letter and a capital


class Forms:
    """The characters that a model with these labels may read, as far as `allowed` has them in either case.

    characters (F,): one string each, sorted; folded (F,) int: the index of the lower-case form of each; digit and
    upper (F,) bool.
    """

    def __init__(self, labels: Sequence[str], allowed: str) -> None:
        wanted = {form for c in allowed for form in (c.lower(), c.upper()) if len(form) == 1}
        self.characters = sorted({c for label in labels for c in label} & wanted)
        self.digit = np.array([c.isdigit() for c in self.characters], bool)
        self.upper = np.array([c.isupper() for c in self.characters], bool)
        index = {c: k for k, c in enumerate(self.characters)}
        self.folded = np.array([index.get(c.lower(), k) for k, c in enumerate(self.characters)], np.int64)
        self.of_labels = np.zeros((len(labels), len(self.characters)), np.float32)
        for row, label in enumerate(labels):
            for c in set(label) & index.keys():
                self.of_labels[row, index[c]] = 1 / len(label)
        self.of_labels = self.of_labels @ self._lookalikes(index)
        self.nothing = np.array([label == "" for label in labels], bool)

    def _lookalikes(self, index: dict[str, int]) -> Array:
        """(F, F): what share of the chances of a form (rows) goes to each."""
        shares = np.eye(len(self), dtype=np.float32)
        for pair, share in LOOKALIKES.items():
            letter, digit = pair[0], pair[1]
            cases = [index[c] for c in (letter, letter.upper()) if c in index]
            if cases and digit in index:
                shares[cases, index[digit]] += share
                shares[index[digit], cases] += share / len(cases)
        return shares / shares.sum(axis=1, keepdims=True)

    def __len__(self) -> int:
        return len(self.characters)

    def chances(self, probabilities: Array) -> Array:
        """(N, F): the probability of each form by probabilities (N, K) of labels; cases share what is of both."""
        return np.asarray(probabilities @ self.of_labels)

    def without_case(self, chances: Array) -> Array:
        """(N, F): chances of a letter in either case, at its folded form; 0 at the other."""
        out = np.zeros_like(chances)
        for k, folded in enumerate(self.folded):
            out[:, folded] += chances[:, k]
        return out

    def as_bars(self, chances: Array) -> Array:
        """(N, F): chances of upright strokes, which look alike whatever is meant, shared out among what they may be."""
        shares = np.array([BARS.get(c, 0) for c in self.characters], chances.dtype)
        bars = np.array([c.lower() in BARS or c in BARS for c in self.characters], bool)
        return np.where(bars, shares * chances[:, bars].sum(axis=1, keepdims=True), chances)

    def dots(self, dotted: Array) -> Array:
        """(N, F): how likely it is of each form to have a dot over it, or none, as dotted (N,) bool says."""
        own = np.array([c in DOTTED for c in self.characters], bool)
        return np.where(dotted[:, None], np.where(own, 1, DOT_OVER_OTHERS), np.where(own, NO_DOT, 1)).astype(np.float32)

    def heights(self, small: float, capital: float, dotted: bool) -> tuple[Array, Array]:
        """(F,) tops above and bottoms below the baseline, given the height of small letters and of capitals."""
        tops = np.full(len(self), capital)
        bottoms = np.zeros(len(self))
        for k, c in enumerate(self.characters):
            if c in SMALL_LETTERS or (c in TAILS and not (c in DOTTED and dotted)) or (c in DOTTED and not dotted):
                tops[k] = small
            if c in HALF_HIGH:
                tops[k] = (small + 2 * capital) / 3
            if c in TAILS:
                bottoms[k] = TAIL * capital
        return tops, bottoms
