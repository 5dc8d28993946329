"""Where a component may be cut, as letters that touch have to be: more cuts than needed, for the best to be chosen.

A cut follows the seam from above the component to below it that crosses the least ink. Seams through each column in
the middle of the line's zone are compared, and those that are better than their neighbours' are taken.
"""

from __future__ import annotations

import numpy as np

from seqdl_vision.kernels import seams
from seqdl_vision.page.components import BOTTOM, LEFT, RIGHT, TOP, Array, Components
from seqdl_vision.page.lines import TextLine

WIDEST_INK = 2.2  # strokes that a cut may cross
APART = 0.15  # letter heights between two cuts at least
DRIFT = 0.1  # what a seam's step aside costs, in pixels of ink
LEAST = 1.5  # squares of the stroke's width: a piece of less ink is none


def cut_component(components: Components, n: int, line: TextLine, slant: float) -> tuple[list[int], list[float]]:
    """The components that n is cut into, from left to right, and the strokes that each cut between them crosses.

    The first piece keeps the number n; `components` is changed.
    """
    left, top, right, bottom = components.boxes[n].tolist()
    zone_top, zone_base = line.zone((left + right) / 2)
    shift = np.round(slant * (np.arange(top, bottom) - zone_base)).astype(int)
    shift -= shift.min()
    ink = np.zeros((bottom - top, right - left + shift.max()), bool)
    rows, columns = np.nonzero(components.labels[top:bottom, left:right] == n + 1)
    ink[rows, columns + shift[rows]] = True
    middle = int(np.clip((zone_top + zone_base) / 2, top, bottom - 1)) - top
    found = _seams(ink, middle, components.stroke, APART * line.height)
    numbers, crossed = [n], []
    for path, cost in found:
        beyond = columns + shift[rows] >= path[rows]
        here = components.labels[top + rows, left + columns] == numbers[-1] + 1
        if min((beyond & here).sum(), (~beyond & here).sum()) >= LEAST * components.stroke**2:
            numbers.append(_renumbered(components, top + rows[beyond & here], left + columns[beyond & here]))
            crossed.append(cost)
    for number in numbers:
        _measure(components, number, (left, top, right, bottom))
    return numbers, crossed


def _renumbered(components: Components, rows: Array, columns: Array) -> int:
    """A new component of these pixels, its box still to be measured."""
    number = len(components)
    components.labels[rows, columns] = number + 1
    components.boxes = np.concatenate([components.boxes, components.boxes[:1]])
    components.areas = np.concatenate([components.areas, [len(rows)]])
    return number


def _measure(components: Components, n: int, box: tuple[int, int, int, int]) -> None:
    """Box and area of component n, which lies inside `box`."""
    left, top, right, bottom = box
    rows, columns = np.nonzero(components.labels[top:bottom, left:right] == n + 1)
    components.boxes[n] = (
        left + columns.min(),
        top + rows.min(),
        left + columns.max() + 1,
        top + rows.max() + 1,
    )
    components.areas[n] = len(rows)


def _seams(ink: Array, middle: int, stroke: float, apart: float) -> list[tuple[Array, float]]:
    """Paths (H,) int32 from top to bottom with the strokes they cross, from left to right."""
    cost = ink.astype(np.float32)
    drift = np.float32(DRIFT)
    down, up = np.empty_like(cost), np.empty_like(cost)
    seams.cheapest(cost, drift, down)
    seams.cheapest(np.ascontiguousarray(cost[::-1]), drift, up)
    through = down[middle] + up[::-1][middle] - cost[middle]
    found = []
    for column in _minima(through, WIDEST_INK * stroke, apart):
        path = np.empty(len(ink), np.int32)
        seams.follow(down, drift, middle, column, path)
        seams.follow(up, drift, len(ink) - 1 - middle, column, path[::-1])
        found.append((path, float(through[column]) / stroke))
    return found


def _minima(values: Array, limit: float, apart: float) -> list[int]:
    """Middles of the lowest places, none above `limit` or nearer to a lower one than `apart`, nor at either end."""
    columns = np.arange(len(values))
    taken: list[int] = []
    free = values <= limit
    rise = np.diff(values)
    inside = np.flatnonzero(values >= 1)
    if len(inside):
        free &= (columns > inside[0] + apart / 2) & (columns < inside[-1] - apart / 2)
    while free.any():
        least = values[free].min()
        runs = np.flatnonzero(free & (values <= least + 0.5))
        first = runs[0]
        last = first + int(np.argmax(np.append(np.diff(runs), 2) > 1))
        taken.append(int((first + last) // 2))
        free &= (columns < first - apart) | (columns > last + apart)
    del rise
    return sorted(taken)
