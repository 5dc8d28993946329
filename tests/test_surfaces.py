"""Surfaces: their known points, and paths of optimisers against closed forms."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from seqdl import Tensor, gradcheck, optim, surfaces
from seqdl.surfaces import descend, himmelblau, rosenbrock, saddle, valley

ALL = [valley, rosenbrock, saddle, himmelblau]
LOWEST = [
    (valley, (0, 0), 0),
    (rosenbrock, (1, 1), 0),
    (saddle, (0, 1), -0.25),
    (saddle, (0, -1), -0.25),
    (himmelblau, (3, 2), 0),
    (himmelblau, (-2.805118, 3.131312), 0),
    (himmelblau, (-3.779310, -3.283186), 0),
    (himmelblau, (3.584428, -1.848127), 0),
]


def sgd(**options):
    return lambda point: optim.SGD(point, **options)


@pytest.mark.parametrize(("surface", "point", "height"), LOWEST)
def test_lowest_points_have_the_known_height_and_no_slope(surface, point, height) -> None:
    at = Tensor(np.array(point, float), requires_grad=True)
    value = surface(at)
    value.backward()
    assert value.item() == pytest.approx(height, abs=1e-9)
    np.testing.assert_allclose(at.grad, 0, atol=1e-4)


@pytest.mark.parametrize(
    ("surface", "point", "height"),
    [(valley, (2, 1), 12), (rosenbrock, (-1.2, 1), 24.2), (saddle, (1, 2), 2.5), (himmelblau, (0, 0), 170)],
)
def test_heights_by_hand(surface, point, height) -> None:
    assert surface(np.array(point, float)) == pytest.approx(height)


@pytest.mark.parametrize("surface", ALL)
def test_slopes_match_finite_differences(surface) -> None:
    gradcheck(surface, Tensor(np.array([0.7, -1.3])))


@pytest.mark.parametrize("surface", ALL)
def test_a_grid_of_points_gives_the_height_of_each(surface) -> None:
    grid = np.stack(np.meshgrid([-1.0, 0.5, 2.0], [0.25, 3.0]))
    heights = surface(grid)
    assert heights.shape == (2, 3)
    assert heights[1, 2] == surface(Tensor(np.array([2.0, 3.0]))).item()


def test_sgd_in_the_valley_follows_its_closed_form() -> None:
    path = descend(valley, (2, 1), sgd(lr=0.08), steps=30)
    shrink = np.array([1 - 0.08, 1 - 0.08 * 20])
    np.testing.assert_allclose(path, np.array([2, 1]) * shrink ** np.arange(31)[:, None], rtol=1e-12)


def test_momentum_in_the_valley_follows_its_recurrence() -> None:
    path = descend(valley, (2, 1), sgd(lr=0.05, momentum=0.8), steps=30)
    for axis, curvature in enumerate((1, 20)):
        step = np.array([[1 - 0.05 * curvature, -0.05 * 0.8], [curvature, 0.8]])  # of position and velocity
        start = np.array([path[0, axis], 0])
        expected = [(np.linalg.matrix_power(step, n) @ start)[0] for n in range(31)]
        np.testing.assert_allclose(path[:, axis], expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("surface", ALL)
def test_momentum_zero_is_plain_descent(surface) -> None:
    plain, zero = (descend(surface, (0.5, 0.5), sgd(lr=1e-3, **m), steps=20) for m in ({}, {"momentum": 0.0}))
    np.testing.assert_array_equal(plain, zero)


def test_the_first_step_of_adam_is_as_long_as_its_rate_in_each_direction() -> None:
    path = descend(rosenbrock, (-1.2, 1), lambda point: optim.Adam(point, lr=0.1, eps=0), steps=1)
    np.testing.assert_allclose(path[1] - path[0], [0.1, 0.1], rtol=1e-6)


def test_plain_descent_from_the_crest_ends_on_the_saddle() -> None:
    np.testing.assert_allclose(descend(saddle, (1, 0), sgd(lr=0.1), steps=200)[-1], 0, atol=1e-8)
    np.testing.assert_allclose(descend(saddle, (1, 1e-3), sgd(lr=0.1), steps=200)[-1], [0, 1], atol=1e-6)


def test_a_rate_too_high_leaves_for_infinity_without_a_warning() -> None:
    path = descend(rosenbrock, (-1.2, 1), sgd(lr=1.0), steps=20)
    assert not np.isfinite(path[-1]).any()


def test_no_steps_is_the_start_alone() -> None:
    np.testing.assert_array_equal(descend(valley, (3, 4), sgd(), steps=0), [[3, 4]])


@pytest.mark.parametrize(("start", "steps"), [((1, 2, 3), 5), (1.0, 5), ((1, 2), -2)])
def test_what_is_no_start_or_no_number_of_steps(start, steps) -> None:
    with pytest.raises(ValueError, match=r"two numbers|negative"):
        descend(valley, start, sgd(), steps)


def test_the_example_in_the_docstring_is_true() -> None:
    assert doctest.testmod(surfaces) == (0, 2)
