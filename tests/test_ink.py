"""From photo to ink: pages drawn here, whose ink is known, and the real photos."""

from __future__ import annotations

import numpy as np
import pytest

from seqdl_vision.page.ink import find_ink

Array = np.ndarray


@pytest.mark.parametrize(
    "page",
    [
        np.zeros((1, 1), np.uint8),
        np.full((3, 5, 3), 200, np.uint8),
        np.full((1, 500), 255, np.uint8),
        np.zeros((300, 400), np.uint8),
        np.full((300, 400, 3), 255, np.uint8),
        np.full((300, 400), 128, np.uint8),
        np.random.default_rng(0).normal(170, 8, (300, 400, 3)).astype(np.uint8),
    ],
    ids=["1x1", "tiny", "one row", "black", "white", "grey", "noise"],
)
def test_a_page_without_writing_has_no_ink(page: Array) -> None:
    ink = find_ink(page)
    assert ink.mask.shape == ink.grey.shape == page.shape[:2]
    assert not ink.mask.any()
    assert not ink.grey.any()
    assert (ink.stroke, ink.notes) == (0.0, ("no ink",))


def test_a_black_block_on_the_paper_is_divided_by_no_zero() -> None:
    """Numpy's warnings, which tests turn into errors, would reach the user's terminal."""
    page = np.full((295, 246, 3), (236, 232, 225), np.uint8)
    page[6:33, 40:43] = page[8:33, 8:11] = 30
    page[11:51, 106:161] = 0
    find_ink(page)
