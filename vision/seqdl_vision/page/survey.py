"""A first look at a photo, at a small scale: where the paper is light, how dark the ink, how large the letters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqdl_vision.page.binarise import binarised
from seqdl_vision.page.colour import channel_weights
from seqdl_vision.page.deskew import skew, turned, turning
from seqdl_vision.page.paper import Paper, paper_of, shaded, tile_quantiles
from seqdl_vision.page.parts import Parts
from seqdl_vision.page.placement import Placement
from seqdl_vision.page.rules import without_rules
from seqdl_vision.page.scale import letter_height, stroke_width

Array = np.ndarray

FAINT = 0.06  # ink takes away at least this share of the paper's light
NOISES = 6.0  # and this many times the paper's own unevenness
CORE = 0.8  # full ink is this quantile of what is darker than that
WIDE = 4.0  # stroke widths: what is wider is a shadow
WIDE_LETTER = 0.6  # letter heights: and wider than this
WINDOW = 1 / 20  # of the picture's longer side: Sauvola's window before the letters' size is known


@dataclass(frozen=True)
class Survey:
    """What a view of few pixels tells of a photo; lengths in pixels of the view.

    weights (C,): how the channels are mixed; level: the missing light of full ink in that mix, 0 where there is no
    ink; rules: how dark the rules are in it, over full ink; letter: height of the letters; degrees: how far the
    lines run down to the right; writing (N, 2): rows and columns where there is ink but no rule.
    """

    paper: Paper
    weights: Array
    level: float
    rules: float
    letter: float
    degrees: float
    writing: Array


def survey(view: Array) -> Survey:
    """What there is to know of a view (h, w, C) float32 before the photo itself is read."""
    paper = paper_of(view)
    missing, mask, letter, stroke = _first_ink(view, paper)
    finer = shaded(paper, view, max(WIDE * stroke, WIDE_LETTER * letter)) if letter else paper
    if finer is not paper:
        paper = finer
        missing, mask, letter, stroke = _first_ink(view, paper)
    degrees = skew(mask, letter)
    matrix, shape = turning(mask.shape[0], mask.shape[1], degrees)
    level = turned(mask * np.uint8(255), matrix, shape) > 127
    stroke = stroke_width(level)
    written = without_rules(level, Placement.of(matrix, 1, view), letter, stroke)
    parts = Parts.of(written)
    letter = letter_height(parts, stroke)
    writing, rules = (_places(where, matrix, view.shape) for where in (written, level & ~written))
    if letter == 0:
        return Survey(paper, np.zeros(view.shape[2], np.float32), 0.0, 0.0, 0.0, degrees, writing[:0])
    ink, ruled = missing[tuple(writing.T)], missing[tuple(rules.T)]
    weights = channel_weights(np.median(ink, axis=0), _scatter(ruled), unevenness(missing, paper.tile))
    full = float(np.quantile(ink @ weights, CORE))
    return Survey(paper, weights, full, _darkness(ruled @ weights) / full, letter, degrees, writing)


def _first_ink(view: Array, paper: Paper) -> tuple[Array, Array, float, float]:
    """The missing light of a view, its ink and rules, and the height and the stroke of its letters."""
    missing = paper.missing(view)
    mask = ink_of_view(missing, paper) & paper.inside(missing.shape, 1)
    stroke = stroke_width(mask)
    return missing, mask, letter_height(Parts.of(mask), stroke), stroke


def ink_of_view(missing: Array, paper: Paper) -> Array:
    """The ink and the rules (h, w) bool of a view's missing light (h, w, C), whatever their colour."""
    grey = missing.mean(axis=2)
    grey -= np.median(grey)
    rough = unevenness(grey[..., None], paper.tile)[0]
    dark = grey[(grey > max(FAINT, NOISES * rough)) & paper.inside(grey.shape, 1)]
    if len(dark) == 0:
        return np.zeros(grey.shape, bool)
    scaled = grey * np.float32(255 / np.quantile(dark, CORE)) + np.float32(0.5)
    return binarised(np.clip(scaled, 0, 255).astype(np.uint8), 255, WINDOW * max(grey.shape))


def unevenness(missing: Array, tile: int) -> Array:
    """Deviation of the paper of missing (h, w, C) within a tile, the median tile's: (C,).

    Measured on the bright side, where there is no ink: from a fifth to a half of the pixels is 0.84 deviations.
    """
    bright, middle = (tile_quantiles(missing, tile, q) for q in (0.2, 0.5))
    return np.asarray(np.median(middle - bright, axis=(0, 1)) / np.float32(0.84))


def _places(where: Array, matrix: Array, shape: tuple[int, ...]) -> Array:
    """Rows and columns (N, 2) in the view of the pixels of a mask of the turned page."""
    y, x = np.nonzero(where)
    columns, rows = np.rint(matrix @ np.stack([x, y, np.ones(len(x))])).astype(int)
    return np.stack([np.clip(rows, 0, shape[0] - 1), np.clip(columns, 0, shape[1] - 1)], axis=1)


def _scatter(missing: Array) -> Array:
    """Mean outer product (C, C) of (N, C)."""
    return missing.T @ missing / max(len(missing), 1)


def _darkness(values: Array) -> float:
    return float(np.quantile(values, CORE)) if len(values) else 0.0
