"""A first look at a photo, at a small scale: where the paper is light, how dark the ink, how large the letters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from seqdl_vision.page.binarise import binarised
from seqdl_vision.page.colour import channel_weights
from seqdl_vision.page.deskew import skew, turned, turning
from seqdl_vision.page.paper import Paper, paper_of, shaded, tile_quantiles
from seqdl_vision.page.parts import TOUCHING, Parts
from seqdl_vision.page.placement import Placement
from seqdl_vision.page.rules import without_rules
from seqdl_vision.page.scale import letter_height, stroke_width
from seqdl_vision.page.strays import no_strokes

Array = np.ndarray

STROKE = 3  # tiles of paper: no stroke is so wide
LARGE, LARGE_STROKE = 0.2, 9  # but where a letter is this share of the longer side, only this wide
FAINT = 0.06  # ink takes away at least this share of the paper's light
NOISES = 6.0  # and this many times the paper's own unevenness
SURE = 10.0  # times: but full ink is darker than any chance
LIGHTEST, LIGHTEST_DEVIATIONS = 0.01, 2.33  # the hundredth of the paper that is lightest lies so far out
STEADY = 1e-3  # no camera sees paper more evenly than this
CORE = 0.8  # full ink is this quantile of what is darker than that
WIDE = 4.0  # stroke widths: what is wider is a shadow
WIDE_LETTER = 1.2  # letter heights: and wider than this, for small letters hold little paper
WINDOW = 1 / 20  # of the picture's longer side: Sauvola's window before the letters' size is known


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


@dataclass(frozen=True)
class _Look:
    """A view through one idea of its paper: the missing light (h, w, C), and the mask of all ink, rules included.

    sure: how many times darker full ink is than the paper is uneven; letter and stroke: as in Survey.
    """

    paper: Paper
    missing: Array
    mask: Array
    sure: float
    letter: float
    stroke: float


def survey(view: Array) -> Survey:
    """What there is to know of a view (h, w, C) float32 before the photo itself is read."""
    look = _look(view, paper_of(view, STROKE))
    if look.letter > LARGE * max(view.shape[:2]):
        look = _look(view, paper_of(view, LARGE_STROKE))
    if look.letter > 0:
        finer = shaded(look.paper, view, max(WIDE * look.stroke, WIDE_LETTER * look.letter))
        look = look if finer is look.paper else _look(view, finer)
    if look.letter == 0 or look.sure < SURE:
        return _nothing(look)
    degrees = skew(look.mask, look.letter)
    matrix, shape = turning(view.shape[0], view.shape[1], degrees)
    level = turned(look.mask * np.uint8(255), matrix, shape) > 127
    stroke = stroke_width(level)
    written = without_rules(level, Placement.of(matrix, 1, view), look.letter, stroke)
    letter = letter_height(Parts.of(written), stroke)
    if letter == 0:
        return _nothing(look)
    places, ruled = (_places(where, matrix, view.shape) for where in (written, level & ~written))
    ink, rules = look.missing[tuple(places.T)], look.missing[tuple(ruled.T)]
    weights = channel_weights(np.median(ink, axis=0), _scatter(rules), unevenness(look.missing, look.paper))
    full = float(np.quantile(ink @ weights, CORE))
    beside = np.zeros(look.mask.shape, bool)
    beside[tuple(ruled.T)] = True
    beside = ndimage.binary_dilation(beside, TOUCHING)
    return Survey(look.paper, weights, full, _darkness(rules @ weights) / full, letter, degrees, places, beside)


def _nothing(look: _Look) -> Survey:
    channels = look.missing.shape[2]
    nowhere = np.zeros((0, 2), int)
    return Survey(look.paper, np.zeros(channels, np.float32), 0.0, 0.0, 0.0, 0.0, nowhere, np.zeros_like(look.mask))


def _look(view: Array, paper: Paper) -> _Look:
    missing = paper.missing(view)
    grey = missing.mean(axis=2)
    inside = paper.inside(grey.shape, 1)
    grey -= np.median(grey[inside] if inside.any() else grey)
    level, noise = contrast(grey, paper)
    if level == 0:
        return _Look(paper, missing, np.zeros(grey.shape, bool), 0.0, 0.0, 0.0)
    scaled = np.clip(grey * np.float32(255 / level) + np.float32(0.5), 0, 255).astype(np.uint8)
    mask = binarised(scaled, 255, WINDOW * max(grey.shape)) & inside
    parts, stroke = Parts.of(mask), stroke_width(mask)
    letter = letter_height(parts, stroke)
    mask = parts.mask(~no_strokes(parts, letter, stroke))
    return _Look(paper, missing, mask, level / noise, letter, stroke)


def contrast(grey: Array, paper: Paper) -> tuple[float, float]:
    """How much light full ink takes away, 0 without any ink, and the deviation of the paper's own (h, w), above 0.

    The paper is as uneven towards the light as towards the dark, and there is no ink there to be mistaken for it.
    """
    inside = grey[paper.inside(grey.shape, 1)]
    if len(inside) == 0:
        return 0.0, 1.0
    rough = float(unevenness(grey[..., None], paper)[0])
    noise = max(rough, -float(np.quantile(inside, LIGHTEST)) / LIGHTEST_DEVIATIONS, STEADY)
    dark = inside[inside > max(FAINT, NOISES * rough)]
    return (float(np.quantile(dark, CORE)) if len(dark) else 0.0), noise


def unevenness(missing: Array, paper: Paper) -> Array:
    """Deviation of the paper of missing (h, w, C) within a tile, that of the median tile of paper: (C,).

    Measured on the bright side, where there is no ink: from a fifth to a half of the pixels is 0.84 deviations.
    """
    bright, middle = (tile_quantiles(missing, paper.tile, q)[paper.here] for q in (0.2, 0.5))
    return np.asarray(np.median(middle - bright, axis=0) / np.float32(0.84))


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
