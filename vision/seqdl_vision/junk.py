"""Pictures that are no character: half letters, two letters side by side, specks and lines.

A network that has seen them can say so, which is what tells a reader of pages where one letter ends.
"""

from __future__ import annotations

import numpy as np

from seqdl_vision.augment import BOX
from seqdl_vision.kernels import pen, warp

Array = np.ndarray
INK = 0.3  # of full ink, from where a pixel counts as written on


def make_junk(images: Array, count: int, generator: np.random.Generator) -> Array:
    """(count, H, W) float32 of parts and pairs of images (N, H, W) float32 in [0, 1]; N at least 2."""
    return np.stack([_one(images, generator) for _ in range(count)]).reshape(count, *images.shape[1:])


def _one(images: Array, generator: np.random.Generator) -> Array:
    first, second = generator.integers(0, len(images), 2)
    kind = generator.random()
    if kind < 0.35:
        return _part(images[first], generator)
    if kind < 0.85:
        return _pair(images[first], images[second], generator)
    return _scribble(images.shape[1], generator)


def _part(image: Array, generator: np.random.Generator) -> Array:
    """What is left or right of a cut through the middle part of a character, or above or below."""
    ink = _cropped(image)
    if generator.random() < 0.2:
        ink = ink.T
    cut = round(ink.shape[1] * generator.uniform(0.3, 0.7))
    part = _cropped(ink[:, :cut] if generator.random() < 0.5 else ink[:, cut:])
    return _fitted(part if generator.random() < 0.8 else part.T, len(image))


def _pair(left: Array, right: Array, generator: np.random.Generator) -> Array:
    """Two characters side by side, their boxes touching or nearly; one may be smaller or lower."""
    a, b = _cropped(left), _cropped(right)
    gap, drop = int(generator.integers(-3, 4)), int(generator.integers(-4, 5))
    top = max(0, -drop)
    height = max(len(a) + top, len(b) + top + drop)
    sheet = np.zeros((height, max(1, a.shape[1] + b.shape[1] + gap)), np.float32)
    sheet[top : top + len(a), : a.shape[1]] = a[:, : sheet.shape[1]]
    place = sheet[top + drop : top + drop + len(b), max(0, sheet.shape[1] - b.shape[1]) :]
    np.maximum(place, b[:, -place.shape[1] :], out=place)
    return _fitted(_cropped(sheet), len(left))


def _scribble(side: int, generator: np.random.Generator) -> Array:
    """A dot, a line or a wave, of any size."""
    points = np.cumsum(generator.normal(0, generator.uniform(0.5, 6), (generator.integers(1, 8), 2)), axis=0)
    out = np.empty((side, side), np.float32)
    radius, size = np.float32(generator.uniform(0.6, 5)), np.float32(generator.uniform(12, 26))
    ends = np.array([0, len(points)], np.int64)
    pen.draw(points.astype(np.float32), ends, np.eye(2, 5, dtype=np.float32), radius, np.float32(1.5), size, out)
    return out


def _cropped(image: Array) -> Array:
    """The part that is written on; all of it where nothing is."""
    rows, columns = np.flatnonzero((image > INK).any(axis=1)), np.flatnonzero((image > INK).any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else image


def _fitted(ink: Array, side: int) -> Array:
    out = np.empty((side, side), np.float32)
    warp.place(np.ascontiguousarray(ink), 0, 0, *ink.shape, int(BOX), out)
    return out
