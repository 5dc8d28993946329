"""Changed, redrawn and made-up pictures: kernels against slow twins, and what comes out of them."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest

from seqdl import parallel
from seqdl_data.images import Strokes
from seqdl_vision.augment import Augmentation, flip_pixels, redraw
from seqdl_vision.junk import make_junk
from seqdl_vision.kernels import pen, warp

IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], np.float32)


def blobs(count: int, side: int = 28) -> np.ndarray:
    """Smooth pictures of two strokes each."""
    generator = np.random.default_rng(3)
    rows, columns = np.mgrid[:side, :side]
    out = np.zeros((count, side, side), np.float32)
    for image in out:
        for y, x in generator.uniform(min(6, side / 2), side - 6 if side > 12 else side, (2, 2)):
            image += np.exp(-((rows - y) ** 2 / 30 + (columns - x) ** 2 / 6)).astype(np.float32)
    return out.clip(0, 1)


def cross() -> Strokes:
    """One character of two strokes, then one dot."""
    points = np.array([[0, 0], [10, 10], [10, 0], [0, 10], [5, 5]], np.float32)
    return Strokes(points, np.array([0, 2, 4, 5]), np.array([0, 2, 3]))


def test_bend_equals_its_slow_twin() -> None:
    generator = np.random.default_rng(1)
    images = generator.random((3, 9, 7), np.float32)
    matrices = (IDENTITY + generator.normal(0, 0.3, (3, 2, 3))).astype(np.float32)
    fields = generator.normal(0, 1, (3, 2, 4, 4)).astype(np.float32)
    out = np.full_like(images, np.nan)
    warp.bend(images, matrices, fields, out)
    np.testing.assert_allclose(out, naive.bend(images, matrices, fields), atol=2e-5)
    assert out.dtype == np.float32


def test_bend_by_nothing_changes_nothing_and_by_a_step_moves() -> None:
    images, still = blobs(2), np.zeros((2, 2, 5, 5), np.float32)
    out = np.empty_like(images)
    warp.bend(images, np.stack([IDENTITY] * 2), still, out)
    np.testing.assert_array_equal(out, images)
    step = IDENTITY + np.array([[0, 0, 1], [0, 0, -2]], np.float32)  # from one to the right and two above
    warp.bend(images, np.stack([step] * 2), still, out)
    np.testing.assert_allclose(out[:, 2:, :-1], images[:, :-2, 1:], atol=1e-6)


def test_thicken_equals_its_slow_twin() -> None:
    images, amounts = blobs(5, 16), np.array([-1, -0.4, 0, 0.3, 1], np.float32)
    out = np.full_like(images, np.nan)
    warp.thicken(images, amounts, out)
    np.testing.assert_allclose(out, naive.thicken(images, amounts), atol=1e-6)


@pytest.mark.parametrize(("height", "width"), [(30, 10), (7, 20), (24, 24), (1, 1)])
def test_place_fills_the_box_and_keeps_the_aspect(height: int, width: int) -> None:
    image = np.ones((40, 40), np.float32)
    out = np.full((28, 28), np.nan, np.float32)
    warp.place(image, 3, 5, height, width, 24, out)
    rows, columns = np.flatnonzero((out > 0.5).any(axis=1)), np.flatnonzero((out > 0.5).any(axis=0))
    scale = 24 / max(height, width)
    assert len(rows) == pytest.approx(height * scale, abs=1.5)
    assert len(columns) == pytest.approx(width * scale, abs=1.5)
    np.testing.assert_allclose(out, out[::-1, ::-1], atol=1e-5)  # in the middle


def test_a_pen_stroke_equals_its_slow_twin() -> None:
    a, b = np.array([3.2, 4.1], np.float32), np.array([9.7, 8.3], np.float32)
    for start, end in ((a, b), (b, a), (a, a)):
        out = np.zeros((14, 13), np.float32)
        pen.segment(start, end, np.float32(1.3), np.float32(1.5), out)
        np.testing.assert_allclose(out, naive.pen_stroke(start, end, 1.3, 1.5, out.shape), atol=1e-5)


def test_points_change_by_a_polynomial_of_their_places() -> None:
    points = np.array([[0, 0], [8, 0], [8, 4], [2, 1]], np.float32)
    change = np.array([[1, 0.5, 0.1, 0, 0.2], [0, 1, 0, 0.3, 0]], np.float32)
    moved = np.full_like(points, np.nan)
    pen.changed(points, change, moved)
    x, y = points[:, 0] / 4 - 1, (points[:, 1] - 2) / 4
    np.testing.assert_allclose(moved[:, 0], x + 0.5 * y + 0.1 * x * x + 0.2 * y * y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(moved[:, 1], y + 0.3 * x * y, rtol=1e-5, atol=1e-6)


def test_a_drawn_character_fills_the_box_whatever_its_size() -> None:
    strokes = cross()
    for scale in (0.01, 1, 1000):
        out = np.full((28, 28), np.nan, np.float32)
        ends = strokes.stroke_ptr[:3]
        points = (strokes.points[:4] * scale).astype(np.float32)
        pen.draw(points, ends, np.eye(2, 5, dtype=np.float32), np.float32(1), np.float32(1), np.float32(24), out)
        written = np.flatnonzero((out > 0.5).any(axis=1))
        assert (written[0], written[-1]) in {(2, 25), (3, 24)}
        np.testing.assert_allclose(out, out.T, atol=1e-4)


def test_redrawn_characters_differ_in_pen_but_not_in_kind() -> None:
    pictures = redraw(cross(), np.array([0, 0, 0, 1]), 28, np.random.default_rng(1))
    assert pictures.shape == (4, 28, 28)
    assert pictures.min() >= 0
    assert pictures.max() <= 1
    assert len({round(float(p.sum())) for p in pictures[:3]}) == 3
    assert 0 < pictures[3].sum() < 40  # a dot of the pen's size
    assert all(p[13:15, 13:15].max() > 0.4 for p in pictures)


def test_the_same_seed_changes_pictures_the_same_way_on_any_number_of_threads() -> None:
    before, changed = parallel.get_num_threads(), []
    try:
        for threads in (1, 2):
            parallel.set_num_threads(threads)
            changed.append(Augmentation()(blobs(9), np.random.default_rng(5)))
    finally:
        parallel.set_num_threads(before)
    np.testing.assert_array_equal(*changed)
    assert changed[0].shape == (9, 28, 28)
    assert changed[0].dtype == np.float32
    assert 0 <= changed[0].min() < changed[0].max() <= 1


def test_no_strength_changes_nothing() -> None:
    nothing = Augmentation().scaled(0)
    assert nothing == Augmentation(turn=0, stretch=0, slant=0, bend=0, shift=0, thick=0, flips=0, spoilt=0)
    images = blobs(4)
    np.testing.assert_allclose(nothing(images, np.random.default_rng(1)), images, atol=1e-5)


def test_pictures_of_bytes_are_changed_as_the_same_pictures_in_shares() -> None:
    images = np.rint(blobs(4) * 255).astype(np.uint8)
    of_bytes, of_shares = (
        Augmentation()(each, np.random.default_rng(3)) for each in (images, images / np.float32(255))
    )
    np.testing.assert_array_equal(of_bytes, of_shares)


def test_flips_invert_so_many_pixels_of_each_picture() -> None:
    images = np.zeros((50, 28, 28), np.float32)
    flip_pixels(images, np.full(50, 5), np.random.default_rng(1))
    flipped = images.sum(axis=(1, 2))
    assert flipped.max() <= 5
    assert flipped.mean() > 4.8  # the same pixel twice is rare


def test_junk_is_as_large_as_a_character_and_not_empty() -> None:
    junk = make_junk(blobs(6), 200, np.random.default_rng(2))
    assert junk.shape == (200, 28, 28)
    written = np.array([np.count_nonzero(p > 0.3) for p in junk])
    assert np.mean(written > 3) > 0.95
    extents = [max(np.ptp(np.nonzero(p > 0.2), axis=1)) for p in junk if (p > 0.2).any()]
    assert math.isclose(np.median(extents), 23, abs_tol=2)


def test_junk_of_empty_pictures_is_no_error() -> None:
    assert make_junk(np.zeros((2, 28, 28), np.float32), 20, np.random.default_rng(2)).shape == (20, 28, 28)
