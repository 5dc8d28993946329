"""Where a component may be cut, as letters that touch have to be: more cuts than needed, for the best to be chosen.

A cut follows the seam from above the component to below it that crosses the least ink. Seams through each column at
some heights of the line's zone are compared, and those that are better than their neighbours' are taken.
"""

from __future__ import annotations

import numpy as np

from seqdl_vision.kernels import seams
from seqdl_vision.page.components import Array, Components

WIDEST_INK = 2.2  # strokes that a cut may cross
APART = 0.15  # letter heights between two cuts at least
HEIGHTS = (0.5, 0.2, 0.8)  # of the line's zone, from its base: where seams are compared
SAME = 0.6  # of that distance, between seams that count as one
DRIFT = 0.1  # what a seam's step aside costs, in pixels of ink
LEAST = 1.5  # squares of the stroke's width: a piece of less ink is none


def cut_component(
    components: Components, n: int, zone: tuple[float, float], height: float, slant: float
) -> tuple[list[int], list[float]]:
    """The components that n is cut into, from left to right, and the strokes that each cut between them crosses.

    zone: first and last row of the letters of its line; height: that of a letter. The first piece keeps the number n;
    `components` is changed.
    """
    left, top, right, bottom = components.boxes[n].tolist()
    zone_top, zone_base = zone
    shift = np.round(slant * (np.arange(top, bottom) - zone_base)).astype(int)
    shift -= shift.min()
    ink = np.zeros((bottom - top, right - left + shift.max()), bool)
    rows, columns = np.nonzero(components.labels[top:bottom, left:right] == n + 1)
    ink[rows, columns + shift[rows]] = True
    heights = [int(np.clip(zone_base - share * (zone_base - zone_top), top, bottom - 1)) - top for share in HEIGHTS]
    found = _seams(ink, heights, components.stroke, APART * height)
    numbers, crossed = [n], []
    for path, cost in found:
        beyond = columns + shift[rows] >= path[rows]
        here = components.labels[top + rows, left + columns] == numbers[-1] + 1
        if min((beyond & here).sum(), (~beyond & here).sum()) >= LEAST * components.stroke**2:
            numbers.append(components.split(numbers[-1], top + rows[beyond & here], left + columns[beyond & here]))
            crossed.append(cost)
    return numbers, crossed


def cut_between_lines(components: Components, n: int, first: float, last: float) -> int | None:
    """Cut component n from side to side, along the seam between rows `first` and `last` that crosses the least ink.

    The number of the part below; None where there is none.
    """
    left, top, right, bottom = components.boxes[n].tolist()
    rows, columns = np.nonzero(components.labels[top:bottom, left:right] == n + 1)
    ink = np.zeros((right - left, bottom - top), np.float32)
    ink[columns, rows] = 1
    across, back = np.empty_like(ink), np.empty_like(ink)
    seams.cheapest(ink, np.float32(DRIFT), across)
    seams.cheapest(np.ascontiguousarray(ink[::-1]), np.float32(DRIFT), back)
    middle = len(ink) // 2
    through = across[middle] + back[::-1][middle] - ink[middle]
    upper, lower = np.clip(sorted((round(first), round(last))), top, bottom - 1) - top
    row = int(upper) + int(np.argmin(through[upper : lower + 1]))
    path = _whole_path(across, back, middle, row)
    below = rows >= path[columns]
    if not below.any() or below.all():
        return None
    return components.split(n, top + rows[below], left + columns[below])


def _seams(ink: Array, heights: list[int], stroke: float, apart: float) -> list[tuple[Array, float]]:
    """Paths (H,) int32 from top to bottom with the strokes they cross, from left to right.

    They are the best ones through the places of each of the rows `heights`, one for several that are nearly the same.
    """
    cost = ink.astype(np.float32)
    drift = np.float32(DRIFT)
    down, up = np.empty_like(cost), np.empty_like(cost)
    seams.cheapest(cost, drift, down)
    seams.cheapest(np.ascontiguousarray(cost[::-1]), drift, up)
    found: list[tuple[Array, float]] = []
    for row in heights:
        through = down[row] + up[::-1][row] - cost[row]
        for column in _minima(through, WIDEST_INK * stroke, apart):
            path = _whole_path(down, up, row, column)
            if all(np.abs(path - other).mean() >= SAME * apart for other, _ in found):
                found.append((path, float(through[column]) / stroke))
    return sorted(found, key=lambda each: float(each[0].mean()))


def _whole_path(down: Array, up: Array, row: int, column: int) -> Array:
    """(H,) int32: the columns of the best seam through a pixel; `up` are the costs from the bottom, upside down."""
    above, below = np.empty(row + 1, np.int32), np.empty(len(down) - row, np.int32)
    seams.follow(down, np.float32(DRIFT), row, column, above)
    seams.follow(up, np.float32(DRIFT), len(below) - 1, column, below)
    return np.concatenate([above, below[::-1][1:]])


def _minima(values: Array, limit: float, apart: float) -> list[int]:
    """Middles of the lowest places, none above `limit` or nearer to a lower one than `apart`, nor at either end."""
    inside = np.flatnonzero(values >= 1)
    free = values <= limit
    if len(inside):
        free[: int(inside[0] + apart / 2) + 1] = free[max(0, int(inside[-1] - apart / 2)) :] = False
    waiting, taken = free.copy(), []
    while waiting.any():
        first, last = _plateau(values, int(np.argmin(np.where(waiting, values, np.inf))))
        if free[first : last + 1].all():
            taken.append((first + last) // 2)
            free[max(0, int(first - apart)) : int(last + apart) + 1] = False
        waiting[first : last + 1] = False
        waiting &= free
    return sorted(taken)


def _plateau(values: Array, at: int) -> tuple[int, int]:
    """The first and the last column of the run around `at` that is hardly higher, or lower."""
    low = values <= values[at] + 0.5
    first = last = at
    while first > 0 and low[first - 1]:
        first -= 1
    while last + 1 < len(values) and low[last + 1]:
        last += 1
    return first, last
