"""The picture of one character, brought into the form of EMNIST's images or of MNIST's: 28x28, white ink on black.

EMNIST (Cohen, Afshar, Tapson, van Schaik 2017, section II): pictures of 128x128 pixels with a letter some 50 pixels
tall are blurred (Gaussian, sigma 1), cropped to what is not black, fitted into a square with their aspect ratio kept,
given a border, reduced to 28x28 by bicubic interpolation, and stretched to 0..255. The letter with its blurred edge,
2 sigma on each side, fills 24x24. Here all that is relative to the ink's longer side, so that a pen of any width and a
picture of any resolution come out alike.

MNIST (LeCun et al. 1998): fitted into 20x20 with the aspect ratio kept, its centre of mass put into the middle.

Each axis is one matrix product: the weights of blurring and reducing together, (28, n) for n pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

Array = np.ndarray
SIDE = 28


class Form(NamedTuple):
    """box: pixels that the ink's longer side fills; sigma: of the blur, in shares of that side; side: of what is made;
    by_mass: put the centre of mass into the middle instead of the centre of the box."""

    box: float
    sigma: float
    side: int
    by_mass: bool


LETTER = 50  # pixels, the longer side of a letter in the pictures that EMNIST was made from
FORMS = {
    "emnist": Form(24 / (1 + 4 / LETTER), 1 / LETTER, SIDE, by_mass=False),
    "mnist": Form(20, 0, 20, by_mass=True),
}
LARGE = 192  # pixels: a longer side that is reduced by a whole number first, to half of this at least


def fit(ink: Array, form: str = "emnist") -> Array:
    """The character in `ink`, as a (28, 28) uint8 image in the form "emnist" or "mnist".

    ink (h, w), bool, uint8 or float: how much ink, 0 for none, in any unit; it is cropped to where there is at least
    half as much as anywhere. Of no ink at all comes a black image.
    """
    return fit_all([ink], form)[0]


def fit_all(inks: Iterable[Array], form: str = "emnist") -> Array:
    """The same for many characters of any sizes: (N, 28, 28) uint8, some 15,000 a second where they are 50 pixels."""
    images = [_fit(ink, FORMS[form]) for ink in inks]
    return np.stack(images) if images else np.empty((0, SIDE, SIDE), np.uint8)


def _fit(ink: Array, form: Form) -> Array:
    if ink.ndim != 2:
        raise ValueError(f"ink {ink.shape}: expected (h, w)")
    most = ink.max(initial=0)
    if most <= 0:
        return np.zeros((SIDE, SIDE), np.uint8)
    ink = _cropped(ink, most)
    longer = max(ink.shape)
    if longer >= LARGE:
        step = longer // (LARGE // 2)
        ink, longer = _reduced(ink, step), longer / step
    down, across = (_weights(pixels, longer, form) for pixels in ink.shape)
    image = down @ ink.astype(np.float32) @ across.T
    image *= np.float32(255) / image.max()
    levels = np.rint(image.clip(0, 255)).astype(np.uint8)
    return _centred(levels) if form.by_mass else levels


def _cropped(ink: Array, most: float) -> Array:
    strong = ink >= most / 2
    rows, columns = np.flatnonzero(strong.any(1)), np.flatnonzero(strong.any(0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _reduced(ink: Array, step: int) -> Array:
    """The mean of each step x step pixels; what is missing to whole ones is added as paper, half on each side."""
    missing = [-pixels % step for pixels in ink.shape]
    ink = np.pad(ink, [(each // 2, each - each // 2) for each in missing])
    high, wide = ink.shape
    return ink.reshape(high // step, step, wide // step, step).mean((1, 3), dtype=np.float32)


@lru_cache(maxsize=2048)
def _weights(pixels: int, longer: float, form: Form) -> Array:
    """(side, pixels) float32: how much each pixel of one axis counts for each pixel of the image.

    `longer` is how many pixels come to fill the form's box. Blurring, then bicubic reduction as below; the two are one
    matrix. Outside of the ink there is paper on either side.
    """
    scale = form.box / longer  # pixels of the image in a pixel of the ink
    centres = (np.arange(form.side) + 0.5 - form.side / 2) / scale + pixels / 2
    margin = int(form.side / scale) + 4
    positions = np.arange(-margin, pixels + margin) + 0.5
    reduction = _cubic((positions - centres[:, None]) * min(scale, 1))
    reduction /= reduction.sum(1, keepdims=True)
    blur = _gaussian(form.sigma * longer)
    reach = margin - len(blur) // 2
    weights = sum(share * reduction[:, reach + at : reach + at + pixels] for at, share in enumerate(blur))
    weights = np.ascontiguousarray(weights, np.float32)
    weights.flags.writeable = False  # it is kept
    return weights


def _gaussian(sigma: float) -> Array:
    """The weights of a blur up to 3 sigma on either side, (odd,); 1 alone for no blur."""
    reach = math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2) if sigma else np.ones(1)
    return np.asarray(weights / weights.sum())


def _cubic(x: Array) -> Array:
    """Keys' cubic with a = -1/2, the bicubic kernel."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _centred(image: Array) -> Array:
    """A small image in the middle of 28x28 by its centre of mass, to the nearest pixel, but all of it."""
    total = int(image.sum(dtype=np.int64))
    whole = np.zeros((SIDE, SIDE), np.uint8)
    room = SIDE - len(image)
    steps = np.arange(len(image))
    top, left = (
        min(max(round(SIDE / 2 - float(image.sum(axis, dtype=np.int64) @ steps) / total), 0), room) for axis in (1, 0)
    )
    whole[top : top + len(image), left : left + len(image)] = image
    return whole
