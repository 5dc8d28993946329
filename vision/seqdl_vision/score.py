"""How much of a photo was read right: characters by edit distance, and where words end.

Letters and digits count, whatever their case; spaces and punctuation are left out. A word boundary of the reference
(between words or lines) is found if there is one in the reading at the same place, as the two texts are aligned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqdl.errors import UsageError


@dataclass(frozen=True)
class Score:
    """characters: 1 - character error rate, 0 at the least. boundaries of the reference, `found` and `said` here."""

    characters: float
    boundaries: int
    found: int
    said: int


def score(reference: str, reading: str) -> Score:
    """Compare two texts; UsageError for a reference without a letter or digit."""
    wanted, ends = _split(reference)
    if not wanted:
        raise UsageError(f"the reference {reference[:40]!r} holds no letter or digit to score by")
    got, said = _split(reading)
    costs = _edit_costs(wanted, got)
    met = _aligned(costs, wanted, got)
    found = sum(any((end, other) in met for other in said) for end in ends)
    return Score(max(0.0, 1 - float(costs[-1, -1]) / len(wanted)), len(ends), found, len(said))


def _split(text: str) -> tuple[str, set[int]]:
    """The characters that count, and after how many of them a word ends, the last one left out."""
    characters, ends = "", set()
    for c in text.casefold():
        if c.isalnum():
            characters += c
        elif c.isspace():
            ends.add(len(characters))
    return characters, ends - {0, len(characters)}


def _edit_costs(a: str, b: str) -> np.ndarray:
    """(len(a) + 1, len(b) + 1): edits from the beginnings of one to those of the other."""
    costs = np.zeros((len(a) + 1, len(b) + 1), np.int64)
    costs[:, 0], costs[0] = range(len(a) + 1), range(len(b) + 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            costs[i + 1, j + 1] = min(costs[i, j] + (x != y), costs[i, j + 1] + 1, costs[i + 1, j] + 1)
    return costs


def _aligned(costs: np.ndarray, a: str, b: str) -> set[tuple[int, int]]:
    """The places (characters of a, characters of b) that a best alignment goes through."""
    i, j = len(a), len(b)
    met = {(i, j)}
    while i or j:
        if i and j and costs[i, j] == costs[i - 1, j - 1] + (a[i - 1] != b[j - 1]):
            i, j = i - 1, j - 1
        elif i and costs[i, j] == costs[i - 1, j] + 1:
            i -= 1
        else:
            j -= 1
        met.add((i, j))
    return met
