"""How far the writing leans, and where things stand from left to right once that is undone."""

from __future__ import annotations

import numpy as np

from seqdl_vision.page.components import Array, Components
from seqdl_vision.page.lines import TextLine

STEEPEST = 0.7  # columns to the right for each row up
STEPS = 29
ENOUGH = 40_000  # pixels of ink to judge by
STEEP = 0.1  # share of sharpness that a slant of 1 must bring, as most writing is nearly upright


def find_slant(components: Components, lines: list[TextLine]) -> float:
    """Columns that upright strokes go to the right for each row up; the same for the whole page, 0 for upright.

    At the right slant, strokes that were meant to be upright fall into few columns each, so that the sum of the
    squares of the columns' ink is greatest.
    """
    x, y, line = _pixels(components, lines)
    if not len(x):
        return 0.0
    slants = np.linspace(-STEEPEST, STEEPEST, STEPS)
    sharp = np.array([_sharpness(x + slant * y, line) for slant in slants])
    return float(slants[(sharp / sharp[STEPS // 2] - STEEP * np.abs(slants)).argmax()])


def _pixels(components: Components, lines: list[TextLine]) -> tuple[Array, Array, Array]:
    """Columns, rows below the base of their line, and number of the line, of a sample of all pixels of lines."""
    of_line = np.full(len(components) + 1, -1)
    for number, line in enumerate(lines):
        of_line[np.array(line.members) + 1] = number
    rows, columns = np.nonzero(components.labels)
    step = max(1, len(rows) // ENOUGH)
    rows, columns = rows[::step].astype(np.float32), columns[::step].astype(np.float32)
    line = of_line[components.labels[rows.astype(int), columns.astype(int)]]
    kept = line >= 0
    rows, columns, line = rows[kept], columns[kept], line[kept]
    base, slope = np.array([(l.base, l.slope) for l in lines], np.float32).reshape(-1, 2).T
    return columns, rows - base[line] - slope[line] * columns, line


def _sharpness(x: Array, line: Array) -> float:
    column = np.round(x).astype(np.int64)
    column -= column.min()
    counts = np.bincount(line * (column.max() + 1) + column)
    return float(np.square(counts, dtype=np.float64).sum())


def upright_spans(components: Components, line: TextLine, slant: float, members: list[int]) -> Array:
    """(len(members), 2) float64: first column, and that after the last, of each component with the slant undone.

    Rows count from the base of the line, so that all of a line move alike.
    """
    spans = np.empty((len(members), 2))
    for row, n in enumerate(members):
        left, top, right, bottom = components.boxes[n]
        rows, columns = np.nonzero(components.labels[top:bottom, left:right] == n + 1)
        x = left + columns + slant * (top + rows - line.zone((left + right) / 2)[1])
        spans[row] = x.min(), x.max() + 1
    return spans
