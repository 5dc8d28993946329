"""Seams: ways from the top of a picture to its bottom that cross as little ink as they can."""

from __future__ import annotations

from seqdl.kernels.jit import kernel


@kernel
def cheapest(ink, drift, costs):  # type: ignore[no-untyped-def]
    """costs (H, W) float32: filled with that of the best seam from the top to each pixel, the pixel's own included.

    ink (H, W) float32: what it costs to enter a pixel. drift: what a step to the left or right costs beside that.
    """
    height, width = ink.shape
    for j in range(width):
        costs[0, j] = ink[0, j]
    for i in range(1, height):
        for j in range(width):
            least = costs[i - 1, j]
            if j > 0:
                least = min(least, costs[i - 1, j - 1] + drift)
            if j + 1 < width:
                least = min(least, costs[i - 1, j + 1] + drift)
            costs[i, j] = least + ink[i, j]


@kernel
def follow(costs, drift, row, column, path):  # type: ignore[no-untyped-def]
    """path[:row + 1] int32: the column, in each row, of the best seam from the top to (row, column)."""
    width = costs.shape[1]
    path[row] = column
    for i in range(row - 1, -1, -1):
        best, least = column, costs[i, column]
        for near in (column - 1, column + 1):
            if 0 <= near < width and costs[i, near] + drift < least:
                best, least = near, costs[i, near] + drift
        column = best
        path[i] = column
