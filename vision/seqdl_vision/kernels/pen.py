"""Pen strokes drawn with a round pen."""

from __future__ import annotations

import math

import numpy as np

from seqdl.kernels.jit import kernel


@kernel
def draw(points, strokes, change, radius, softness, size, out):  # type: ignore[no-untyped-def]
    """Draw one character, as large as fits the middle `size` pixels of out, its aspect kept.

    points (P, 2) float32, x right and y down; strokes (S + 1,) int64, where each stroke begins in them; change (2, 5)
    float32: what of x, y, x^2, xy and y^2 makes the new x and y, the old ones reaching from -1 to 1 along the longer
    side; radius and softness (the width of the edge) in pixels; out (H, W) float32, 0 to 1.
    """
    out[:] = 0
    if len(points) == 0:
        return
    moved = np.empty_like(points)
    changed(points, change, moved)
    x0, x1, y0, y1 = moved[:, 0].min(), moved[:, 0].max(), moved[:, 1].min(), moved[:, 1].max()
    extent = max(x1 - x0, y1 - y0)
    half = points.dtype.type(0.5)
    scale = (size - 2 * radius) / extent if extent > 0 else points.dtype.type(1)
    middle_y = half * points.dtype.type(out.shape[0] - 1) - half * scale * (y0 + y1)
    middle_x = half * points.dtype.type(out.shape[1] - 1) - half * scale * (x0 + x1)
    for p in range(len(points)):
        moved[p, 0] = moved[p, 0] * scale + middle_x
        moved[p, 1] = moved[p, 1] * scale + middle_y
    for s in range(len(strokes) - 1):
        for p in range(strokes[s], strokes[s + 1]):
            end = min(p + 1, strokes[s + 1] - 1)  # the last point is a dot
            segment(moved[p], moved[end], radius, softness, out)


@kernel
def changed(points, change, moved):  # type: ignore[no-untyped-def]
    """moved (P, 2): the points, brought to -1 to 1, turned, stretched and bent as `change` (2, 5) says."""
    x0, x1, y0, y1 = points[:, 0].min(), points[:, 0].max(), points[:, 1].min(), points[:, 1].max()
    half, one = points.dtype.type(0.5), points.dtype.type(1)
    reach = half * max(x1 - x0, y1 - y0)
    scale = one / reach if reach > 0 else one
    for p in range(len(points)):
        x, y = (points[p, 0] - half * (x0 + x1)) * scale, (points[p, 1] - half * (y0 + y1)) * scale
        for axis in range(2):
            c = change[axis]
            moved[p, axis] = c[0] * x + c[1] * y + c[2] * x * x + c[3] * x * y + c[4] * y * y


@kernel
def segment(a, b, radius, softness, out):  # type: ignore[no-untyped-def]
    """Lay the line from a to b (x, y) over out (H, W): 1 within `radius`, falling to 0 over `softness`."""
    reach = radius + softness
    height, width = out.shape
    left, right = max(0, math.floor(min(a[0], b[0]) - reach)), min(width - 1, math.ceil(max(a[0], b[0]) + reach))
    top, bottom = max(0, math.floor(min(a[1], b[1]) - reach)), min(height - 1, math.ceil(max(a[1], b[1]) + reach))
    dx, dy = b[0] - a[0], b[1] - a[1]
    square = dx * dx + dy * dy
    one, zero, half = out.dtype.type(1), out.dtype.type(0), out.dtype.type(0.5)
    for i in range(top, bottom + 1):
        y = out.dtype.type(i) - a[1]
        for j in range(left, right + 1):
            x = out.dtype.type(j) - a[0]
            along = min(one, max(zero, (x * dx + y * dy) / square)) if square > 0 else zero
            far_x, far_y = x - along * dx, y - along * dy
            distance = math.sqrt(far_x * far_x + far_y * far_y)
            ink = min(one, max(zero, (radius - distance) / softness + half))
            out[i, j] = max(out[i, j], ink)
