"""Compile every kernel of reading pages and of changing pictures, for the types that the commands use."""

from __future__ import annotations

import numpy as np

from seqdl_data.strokes import Strokes
from seqdl_vision.augment import Augmentation, redraw
from seqdl_vision.letters import Letters
from seqdl_vision.page.components import find_components
from seqdl_vision.page.cuts import cut_between_lines
from seqdl_vision.page.read import read_page

Array = np.ndarray


def warm_up() -> None:
    """Read a page that was drawn for this, cut one stroke, and change a picture in every way."""
    read_page(drawn_page(), Letters.load())
    cut_between_lines(find_components(np.ones((40, 6), bool), 6.0), 0, 10, 30)
    generator = np.random.default_rng(0)
    strokes = Strokes(np.array([[0, 0], [3, 9]], np.float32), np.array([0, 2]), np.array([0, 1]))
    Augmentation()(redraw(strokes, np.zeros(8, np.int64), 28, generator), generator)


def drawn_page() -> Array:
    """uint8 (H, W, 3): crosses on ruled paper that is turned a little."""
    page = np.full((500, 700, 3), 225, np.uint8)
    for y in range(60, 460, 80):
        for x in range(40, 640, 40):
            top = y + x // 40
            page[top : top + 44, x + 12 : x + 17] = 30
            page[top + 20 : top + 25, x : x + 30] = 30
        for x in range(700):
            page[y + 54 + x // 40 : y + 56 + x // 40, x] = 110
    return page
