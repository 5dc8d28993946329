"""The way of a pen: characters of strokes of points, as three flat arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray


@dataclass(frozen=True)
class Strokes:
    """The strokes of N characters.

    points (P, 2) float32: x to the right, y down, in any unit; stroke_ptr (S + 1,) int64: stroke s has the points from
    stroke_ptr[s] up to stroke_ptr[s + 1]; char_ptr (N + 1,) int64: character n has the strokes from char_ptr[n] up to
    char_ptr[n + 1]. A character without strokes has none.
    """

    points: Array
    stroke_ptr: Array
    char_ptr: Array

    def __len__(self) -> int:
        return len(self.char_ptr) - 1

    def of(self, number: int) -> list[Array]:
        """The strokes of one character, each (n, 2)."""
        ends = self.stroke_ptr[self.char_ptr[number] : self.char_ptr[number + 1] + 1]
        return [self.points[lo:hi] for lo, hi in pairwise(ends)]

    def select(self, characters: Array) -> Strokes:
        """Those of the characters with these numbers, in their order."""
        strokes, char_ptr = _taken(self.char_ptr, characters)
        points, stroke_ptr = _taken(self.stroke_ptr, strokes)
        return Strokes(self.points[points], stroke_ptr, char_ptr)

    @staticmethod
    def none(characters: int) -> Strokes:
        """Of so many characters, none of which has a stroke."""
        return Strokes(np.empty((0, 2), np.float32), np.zeros(1, np.int64), np.zeros(characters + 1, np.int64))

    @staticmethod
    def joined(parts: Sequence[Strokes]) -> Strokes:
        """All characters of the parts in turn; there must be a part at least."""
        return Strokes(
            np.concatenate([part.points for part in parts]),
            _pointers(np.concatenate([np.diff(part.stroke_ptr) for part in parts])),
            _pointers(np.concatenate([np.diff(part.char_ptr) for part in parts])),
        )

    def to_columns(self) -> dict[str, Any]:
        """As the columns `points` and `strokes` of a dataset, a row a character."""
        import pyarrow as pa

        ends = 2 * self.stroke_ptr[self.char_ptr]
        sizes = np.diff(self.stroke_ptr)
        return {
            "points": pa.ListArray.from_arrays(ends.astype(np.int32), self.points.astype(np.float32).ravel()),
            "strokes": pa.ListArray.from_arrays(self.char_ptr.astype(np.int32), sizes.astype(np.int32)),
        }

    @staticmethod
    def from_columns(table: pa.Table) -> Strokes:
        points = table.column("points").combine_chunks()
        strokes = table.column("strokes").combine_chunks()
        return Strokes(
            points.flatten().to_numpy().reshape(-1, 2),
            _pointers(strokes.flatten().to_numpy()),
            _pointers(strokes.value_lengths().to_numpy()),
        )


def _pointers(sizes: Array) -> Array:
    """Where things of these sizes begin, and where the last one ends, when they stand one after another."""
    pointers = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=pointers[1:])
    return pointers


def _taken(pointers: Array, rows: Array) -> tuple[Array, Array]:
    """Numbers of all elements of these rows in turn, and the pointers of what they make."""
    sizes = np.diff(pointers)[rows]
    ends = _pointers(sizes)
    numbers = np.arange(ends[-1]) + np.repeat(pointers[:-1][rows] - ends[:-1], sizes)
    return numbers, ends
