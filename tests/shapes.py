"""Characters of our own for tests: a bar that lies, stands or leans, with a pen's way."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seqdl_data.images import ImageSet, Part, counts_of, write_images
from seqdl_data.strokes import Strokes
from seqdl_vision.augment import redraw

WAYS = {"l": [(5, 0), (5, 10)], "X": [(0, 0), (10, 10)], "7": [(0, 0), (10, 0), (0, 10)]}


def shapes(count: int, seed: int, classes: tuple[str, ...] = tuple(WAYS), strokes: bool = True) -> ImageSet:
    """`count` characters of these classes in turn, each drawn by a pen of its own."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % len(classes)
    ways = [np.array(WAYS[next(c for c in classes[k] if c in WAYS)], np.float32) for k in labels]
    ways = [way + generator.normal(0, 0.6, way.shape).astype(np.float32) for way in ways]
    ends = np.cumsum([0, *map(len, ways)])
    pen = Strokes(np.concatenate(ways), ends, np.arange(count + 1))
    images = np.rint(redraw(pen, np.arange(count), 28, generator) * 255).astype(np.uint8)
    return ImageSet(images, labels, classes, np.full(count, "", object), pen if strokes else None)


def write_shapes(path: Path, classes: tuple[str, ...] = tuple(WAYS), strokes: bool = True, **sizes: int) -> Path:
    """A dataset of them; sizes: how many in train, valid and test (240, 60, 60 by default)."""
    sizes = {"train": 240, "valid": 60, "test": 60} | sizes
    parts = {split: shapes(n, 7 + at, classes, strokes) for at, (split, n) in enumerate(sizes.items()) if n}
    write_images(path, {split: Part(counts_of(part), [part]) for split, part in parts.items()}, classes)
    return path
