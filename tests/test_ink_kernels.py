"""The kernels between photo and ink against their slow twins in naive.py, whole and cut into blocks of rows."""

from __future__ import annotations

from collections.abc import Callable

import naive
import numpy as np
import pytest

from seqdl_vision.kernels import ink

Array = np.ndarray
BLOCKS = [(0, 5), (5, 6), (6, 1000)]


def picture(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).integers(0, 256, shape, dtype=np.uint8)


def spots(*shape: int, share: float = 0.5) -> Array:
    return np.random.default_rng([1, *shape]).random(shape) < share


def in_blocks(work: Callable[[int, int], None], rows: int) -> None:
    for lo, hi in BLOCKS:
        work(min(lo, rows), min(hi, rows))


def rounded(ours: Array, exact: Array) -> None:
    """Ours is the exact value rounded, either way where it lies between."""
    assert ours.dtype == np.uint8
    assert abs(ours - exact.clip(0, 255)).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_block_means(size: int, channels: int) -> None:
    photo = picture(11, 17, channels)
    out = np.full((11 // size, 17 // size, channels), np.nan, np.float32)
    in_blocks(lambda lo, hi: ink.block_means(photo, out, lo, hi), len(out))
    trimmed = photo[: len(out) * size, : out.shape[1] * size]
    expected = trimmed.reshape(len(out), size, out.shape[1], size, channels).mean(axis=(1, 3))
    np.testing.assert_allclose(out, expected, rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("grid", [(1, 1), (2, 3), (4, 5)])
def test_absorbed(size: int, grid: tuple[int, int]) -> None:
    photo = picture(14, 22, 3)
    scales = np.random.default_rng(2).uniform(0.2, 0.5, (*grid, 4)).astype(np.float32)
    scales[..., 3] = 255 * scales[..., :3].sum(axis=2)  # white paper comes to nothing
    out = np.empty((14 // size, 22 // size), np.uint8)
    in_blocks(lambda lo, hi: ink.absorbed(photo, scales, 5, out, lo, hi), len(out))
    rounded(out, naive.absorbed(photo, scales, 5, size))


@pytest.mark.parametrize("linear", [np.eye(2), [[0.98, -0.2], [0.2, 0.98]], [[0.5, 0], [0, 0.5]]], ids=str)
def test_resampled(linear: Array) -> None:
    image = picture(12, 15)
    inverse = np.column_stack([linear, [-1.3, 2.1]]).astype(np.float32)
    out = np.empty((13, 18), np.uint8)
    in_blocks(lambda lo, hi: ink.resampled(image, inverse, out, lo, hi), len(out))
    rounded(out, naive.resampled(image, inverse, out.shape))


@pytest.mark.parametrize("reach", [1, 3, 40])
@pytest.mark.parametrize("shape", [(9, 14), (1, 20), (20, 1), (1, 1)])
def test_sauvola(reach: int, shape: tuple[int, int]) -> None:
    grey, settings = picture(*shape), np.array([200, 80, 0.4, 60], np.float32)
    out = np.empty(shape, bool)
    in_blocks(lambda lo, hi: ink.sauvola(grey, reach, settings, out, lo, hi), len(out))
    threshold = naive.sauvola_threshold(grey, reach, settings)
    sure = abs(grey - threshold) > 1e-3
    assert (out == (grey > threshold))[sure].all()


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("longest", [2, 30])
def test_stroke_widths(step: int, longest: int) -> None:
    mask = spots(13, 21, share=0.7)
    out = np.zeros(longest + 1, np.int64)
    ink.stroke_widths(mask, step, out)
    np.testing.assert_array_equal(out, naive.stroke_widths(mask, step, longest))


@pytest.mark.parametrize("reach", [1, 2])
def test_soft_edged(reach: int) -> None:
    grey, mask = picture(14, 19), spots(14, 19, share=0.4)
    written = np.where(spots(14, 20)[:, 1:], mask, picture(14, 19, seed=3) < 9)
    full = picture(256)
    out = np.full(grey.shape, 77, np.uint8)
    in_blocks(lambda lo, hi: ink.soft_edged(grey, mask, written, reach, full, out, lo, hi), len(out))
    np.testing.assert_array_equal(out, naive.soft_edged(grey, mask, written, reach, full))
