"""One look at a view of a photo, given its paper: what is ink, how sure that is, how large the letters are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from seqdl_vision.page.binarise import binarised
from seqdl_vision.page.paper import Paper, tile_quantiles
from seqdl_vision.page.parts import Parts
from seqdl_vision.page.placement import Placement
from seqdl_vision.page.scale import letter_height, stroke_width
from seqdl_vision.page.straight import without_long_runs
from seqdl_vision.page.strays import no_strokes

Array = np.ndarray

FAINT = 0.06  # ink takes away at least this share of the paper's light
NOISES = 6.0  # and this many times the paper's own unevenness
CORE = 0.8  # full ink is this quantile of what is darker than that
LIGHTEST, LIGHTEST_DEVIATIONS = 0.01, 2.33  # the hundredth of the paper that is lightest lies so far out
STEADY = 1e-3  # no camera sees paper more evenly than this
WINDOW = 1 / 20  # of the picture's longer side: Sauvola's window before the letters' size is known
LONG, SLENDER = 1 / 16, 20.0  # of the longer side, and stroke widths: a run so long is a rule's
EDGE = 1.5  # stroke widths: what follows the picture's edge and is no thicker may be a rule


@dataclass(frozen=True)
class Look:
    """The missing light (h, w, C) of a view, and the mask (h, w) of its ink, rules included, whatever their colour.

    sure: how many times darker full ink is than the paper is uneven; letter: height of the letters, 0 without any;
    stroke: width of the strokes.
    """

    paper: Paper
    missing: Array
    mask: Array
    sure: float
    letter: float
    stroke: float

    @classmethod
    def at(cls, view: Array, paper: Paper) -> Self:
        """view (h, w, C) float32."""
        missing = paper.missing(view)
        grey = missing.mean(axis=2)
        inside = paper.inside(grey.shape, 1)
        grey -= np.median(grey[inside] if inside.any() else grey)
        level, noise = contrast(grey, paper)
        if level == 0:
            return cls(paper, missing, np.zeros(grey.shape, bool), 0.0, 0.0, 0.0)
        scaled = np.clip(grey * np.float32(255 / level) + np.float32(0.5), 0, 255).astype(np.uint8)
        mask = binarised(scaled, 255, WINDOW * max(grey.shape)) & inside
        stroke, parts = stroke_width(mask), Parts.of(mask)
        letter = height_among_rules(mask, stroke)
        mask = parts.mask(~no_strokes(parts, letter, stroke, Placement.of(np.eye(2, 3), 1, view), EDGE))
        return cls(paper, missing, mask, level / noise, letter, stroke)


def height_among_rules(mask: Array, stroke: float) -> float:
    """Typical height of the letters of a mask (h, w), though rules may join them all; that of the rules if alone."""
    length = max(LONG * max(mask.shape), SLENDER * stroke)
    letters = without_long_runs(mask, length, 2 * stroke + 1)
    return letter_height(Parts.of(letters), stroke) or letter_height(Parts.of(mask), stroke)


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
