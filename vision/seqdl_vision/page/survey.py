"""A first look at a photo, at a small scale: where the paper is light, how dark the ink, how large the letters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqdl_vision.page.binarise import binarised
from seqdl_vision.page.deskew import skew
from seqdl_vision.page.flatten import Paper, paper_of, tile_quantiles
from seqdl_vision.page.scale import boxes_of, letter_height, stroke_width

Array = np.ndarray

FAINT = 0.06  # ink takes away at least this share of the paper's light
NOISES = 6.0  # and this many times the paper's own unevenness
CORE = 0.8  # full ink is this quantile of what is darker than that


@dataclass(frozen=True)
class Survey:
    """What a view of `factor` times fewer pixels each way tells of a photo; lengths in pixels of the view.

    weights (C,): how the channels are mixed; level: the missing light of full ink, 0 where there is no ink; letter:
    height of the letters; degrees: how far the lines run down to the right; grey and mask: the view's ink.
    """

    paper: Paper
    weights: Array
    level: float
    letter: float
    stroke: float
    degrees: float
    grey: Array
    mask: Array


def survey(view: Array) -> Survey:
    """What there is to know of a view (h, w, C) float32 before the photo itself is read."""
    paper = paper_of(view)
    missing = paper.missing(view)
    weights = np.full(view.shape[2], 1 / view.shape[2], np.float32)
    grey = missing @ weights
    grey -= np.median(grey)
    dark = grey[grey > max(FAINT, NOISES * unevenness(grey, paper.tile))]
    if len(dark) == 0:
        return Survey(paper, weights, 0.0, 0.0, 0.0, 0.0, _as_bytes(grey, 1.0), np.zeros(grey.shape, bool))
    level = float(np.quantile(dark, CORE))
    grey = _as_bytes(grey, level)
    mask = binarised(grey, 255, max(view.shape[:2]) / 20)
    _, boxes, pixels = boxes_of(mask)
    letter = letter_height(boxes, pixels, mask.shape)
    return Survey(paper, weights, level, letter, stroke_width(mask), skew(mask, letter), grey, mask)


def unevenness(grey: Array, tile: int) -> float:
    """Deviation of the paper of grey (h, w) within a tile, the median tile's.

    Measured on the bright side, where there is no ink: from a fifth to a half of the pixels is 0.84 deviations.
    """
    bright, middle = (tile_quantiles(grey[..., None], tile, q) for q in (0.2, 0.5))
    return float(np.median(middle - bright)) / 0.84


def _as_bytes(grey: Array, level: float) -> Array:
    return np.clip(grey * np.float32(255 / level) + np.float32(0.5), 0, 255).astype(np.uint8)
