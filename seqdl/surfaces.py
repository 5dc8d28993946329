"""Surfaces over a plane, and the path that an optimiser takes downhill on one of them.

A surface is a function of a point: a Tensor (2,) that holds x and y gives its height, a Tensor of one number; an array
(2, ...) of many points, such as np.stack(np.meshgrid(xs, ys)), gives theirs (...). Anything else that is such a
function will do for `descend` too.

>>> from seqdl import optim
>>> descend(valley, (1, 0.5), lambda point: optim.SGD(point, lr=0.1), steps=1)
array([[ 1. ,  0.5],
       [ 0.9, -0.5]])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from seqdl.nn.module import Parameter
from seqdl.optim import Optimizer

Array = np.ndarray
Surface = Callable[[Any], Any]


def valley(point: Any, steepness: float = 20.0) -> Any:
    """(x² + steepness y²) / 2, lowest at (0, 0): a straight valley, steep across and flat along x.

    Plain gradient descent with the rate r takes x to (1 - r) x and y to (1 - r steepness) y at each step.
    """
    x, y = point[0], point[1]
    return (x * x + steepness * (y * y)) / 2


def rosenbrock(point: Any) -> Any:
    """(1 - x)² + 100 (y - x²)², lowest at (1, 1): a valley that is narrow and bent.

    H. H. Rosenbrock, An automatic method for finding the greatest or least value of a function, 1960. He started at
    (-1.2, 1).
    """
    x, y = point[0], point[1]
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def saddle(point: Any) -> Any:
    """x² / 2 + y⁴ / 4 - y² / 2: a saddle at (0, 0) between two hollows, lowest at (0, -1) and (0, 1), height -1/4.

    Y. Nesterov, Introductory Lectures on Convex Optimization, 2004, example 1.2.2: from (1, 0) gradient descent ends on
    the saddle.
    """
    x, y = point[0], point[1]
    return x * x / 2 + y**4 / 4 - y * y / 2


def himmelblau(point: Any) -> Any:
    """(x² + y - 11)² + (x + y² - 7)²: four hollows of height 0, one at (3, 2).

    D. M. Himmelblau, Applied Nonlinear Programming, 1972.
    """
    x, y = point[0], point[1]
    return (x * x + y - 11) ** 2 + (x + y * y - 7) ** 2


def descend(
    surface: Surface,
    start: Sequence[float],
    make_optimiser: Callable[[list[Parameter]], Optimizer],
    steps: int,
) -> Array:
    """(steps + 1, 2) float64: the start, and the point after each step of an optimiser.

    make_optimiser gets a list of the one parameter (2,) float64 that is to be moved. A path that leaves for infinity
    ends in values that are not finite. ValueError for a start that is not two numbers, or for steps below 0.
    """
    point = Parameter(np.array(start, np.float64))
    if point.shape != (2,):
        raise ValueError(f"descend: the start must be two numbers, got shape {point.shape}")
    optimiser = make_optimiser([point])
    path = np.empty((steps + 1, 2))
    path[0] = point.data
    with np.errstate(over="ignore", invalid="ignore"):
        for n in range(steps):
            optimiser.zero_grad()
            surface(point).backward()
            optimiser.step()
            path[n + 1] = point.data
    return path
