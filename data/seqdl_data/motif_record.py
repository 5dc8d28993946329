"""What every motif reader makes, and the checks that all of them share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqdl_data.errors import InputError

BASES = "ACGT"
# What each letter of the IUPAC code stands for; U is T.
IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T",
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
FREQUENCIES_SUM = 1.5  # a matrix whose columns all add up to less holds frequencies, not counts


class MotifRecord(NamedTuple):
    """One motif as its file has it."""

    id: str
    alt: str  # its other name, "" if it has none
    matrix: np.ndarray  # (W, 4) float64, a row for each position, columns A C G T: counts or frequencies, as stored
    sites: float  # the number of sites behind it, 0 where the file does not tell
    background: np.ndarray | None  # (4,) float64, adds up to 1: of the file, if it gives one


class Source(NamedTuple):
    """A motif file in memory."""

    path: str
    lines: list[str]

    @property
    def stem(self) -> str:
        """The file's name without folder and ending: the id of a motif that has no name."""
        name = Path(self.path).name.removesuffix(".gz")
        return "motif" if self.path == "-" else Path(name).stem or name

    def error(self, index: int | None, message: str) -> InputError:
        """The error for line `index` (0-based), or for the whole file."""
        place = "standard input" if self.path == "-" else self.path
        return InputError(f"{place}: {message}" if index is None else f"{place}:{index + 1}: {message}")

    def numbers(self, index: int, words: Sequence[str]) -> list[float]:
        """`words` of line `index` as numbers."""
        try:
            return [float(word) for word in words]
        except ValueError as error:
            raise self.error(index, f"expected numbers, found {' '.join(words)[:40]!r}") from error

    def matrix(self, name: str, rows: Sequence[Sequence[float]], places: Sequence[int] | int) -> np.ndarray:
        """(W, 4) from a row for each position, checked; `places`: the line of each row, or one for all."""
        line = (lambda k: places) if isinstance(places, int) else (lambda k: places[k])
        if not rows:
            raise self.error(line(0) if isinstance(places, int) else None, f"motif {name} has no columns")
        for k, row in enumerate(rows):
            if len(row) != 4:
                raise self.error(line(k), f"motif {name}, position {k + 1}: {len(row)} numbers, expected 4 (A C G T)")
        matrix = np.array(rows, np.float64)
        for fault, bad in (
            ("holds a value that is not finite", ~np.isfinite(matrix).all(axis=1)),
            ("holds a negative value; scores cannot be read, give counts or frequencies", (matrix < 0).any(axis=1)),
            ("is all zeros", ~matrix.any(axis=1)),
        ):
            if bad.any():
                k = int(bad.argmax())
                raise self.error(line(k), f"motif {name}, position {k + 1} {fault}")
        return matrix


def sites_of(matrix: np.ndarray) -> float:
    """The number of sites behind a matrix of counts: the sum of its first column; 0 for frequencies.

    Where the columns of a JASPAR matrix differ in their sums (half of them do), JASPAR's own MEME files name the
    first column's, and the same motif shall get the same scores from either file.
    """
    sums = matrix.sum(axis=1)
    return float(sums[0]) if sums.max() > FREQUENCIES_SUM else 0.0


def letter_row(letter: str) -> list[float]:
    """Frequencies of A C G T for a letter of the IUPAC code (upper case); KeyError for any other."""
    bases = IUPAC[letter]
    return [float(base in bases) / len(bases) for base in BASES]
