"""A first look at a photo, at a small scale: where the paper is light, how dark the ink, how large the letters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from seqdl_vision.page.colour import channel_weights
from seqdl_vision.page.deskew import has_lines, skew, turned, turning
from seqdl_vision.page.look import CORE, Look, height_among_rules, unevenness
from seqdl_vision.page.paper import Paper, paper_of, shaded
from seqdl_vision.page.parts import TOUCHING, Parts
from seqdl_vision.page.placement import Placement
from seqdl_vision.page.rules import without_rules
from seqdl_vision.page.scale import letter_height

Array = np.ndarray

STROKE = 3  # tiles of paper: no stroke is so wide
LARGE, LARGE_STROKE = 0.2, 9  # but where a letter is this share of the longer side, only this wide
SURE = 10.0  # times: but full ink is darker than any chance
WIDE = 4.0  # stroke widths: what is wider is a shadow
WIDE_LETTER = 1.2  # letter heights: and wider than this, for small letters hold little paper


@dataclass(frozen=True)
class Survey:
    """What a view of few pixels tells of a photo; lengths in pixels of the view.

    weights (C,): how the channels are mixed; level: the missing light of full ink in that mix, 0 where there is no
    ink; rules: how dark the rules are in it, over full ink; letter: height of the letters; degrees: how far the
    lines run down to the right; writing (N, 2): rows and columns where there is ink but no rule; ruled (h, w) bool: the
    view's pixels in or beside a rule.
    """

    paper: Paper
    weights: Array
    level: float
    rules: float
    letter: float
    degrees: float
    writing: Array
    ruled: Array


def survey(view: Array) -> Survey:
    """What there is to know of a view (h, w, C) float32 before the photo itself is read."""
    look = Look.at(view, paper_of(view, STROKE))
    if look.letter > LARGE * max(view.shape[:2]):
        look = Look.at(view, paper_of(view, LARGE_STROKE))
    if look.letter > 0:
        finer = shaded(look.paper, view, max(WIDE * look.stroke, WIDE_LETTER * look.letter))
        look = look if finer is look.paper else Look.at(view, finer)
    if look.sure < SURE:
        return _nothing(look)
    degrees = skew(look.mask, look.stroke)
    matrix, level = _level(look.mask, degrees)
    letter = height_among_rules(level, look.stroke)
    if degrees and not has_lines(look.mask, letter):
        degrees = 0.0
        matrix, level = _level(look.mask, degrees)
    written = without_rules(level, Placement.of(matrix, 1, view), letter, look.stroke)
    letter = letter_height(Parts.of(written), look.stroke)
    if letter == 0:
        return _nothing(look)
    return _colours(look, letter, degrees, *(_places(m, matrix, view.shape) for m in (written, level & ~written)))


def _level(mask: Array, degrees: float) -> tuple[Array, Array]:
    """A mask turned back by its skew, after the matrix that leads from there to here."""
    matrix, shape = turning(mask.shape[0], mask.shape[1], degrees)
    return matrix, turned(mask * np.uint8(255), matrix, shape) > 127


def _colours(look: Look, letter: float, degrees: float, writing: Array, ruled: Array) -> Survey:
    """The survey of a view whose ink and whose rules are at these rows and columns (N, 2) and (M, 2)."""
    ink, rules = look.missing[tuple(writing.T)], look.missing[tuple(ruled.T)]
    weights = channel_weights(np.median(ink, axis=0), _scatter(rules), unevenness(look.missing, look.paper))
    full = float(np.quantile(ink @ weights, CORE))
    beside = np.zeros(look.mask.shape, bool)
    beside[tuple(ruled.T)] = True
    beside = ndimage.binary_dilation(beside, TOUCHING)
    return Survey(look.paper, weights, full, _darkness(rules @ weights) / full, letter, degrees, writing, beside)


def _nothing(look: Look) -> Survey:
    channels = look.missing.shape[2]
    nowhere = np.zeros((0, 2), int)
    return Survey(look.paper, np.zeros(channels, np.float32), 0.0, 0.0, 0.0, 0.0, nowhere, np.zeros_like(look.mask))


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
