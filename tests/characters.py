"""What the tests of character datasets share: small IDX files and sets of characters."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from seqdl_data.images import ImageSet, Part, write_images
from seqdl_data.strokes import Strokes

SIDE = 28


def idx(array: np.ndarray) -> bytes:
    """An array of bytes as IDX writes it."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def random_images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE), np.uint8)


def write_pair(folder: Path, stem: str, images: np.ndarray, labels: np.ndarray, packed: bool = True) -> None:
    """`stem`-images-idx3-ubyte and `stem`-labels-idx1-ubyte, with .gz where packed."""
    for name, array in ((f"{stem}-images-idx3-ubyte", images), (f"{stem}-labels-idx1-ubyte", labels)):
        content = idx(array.astype(np.uint8))
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(content, 1, mtime=0) if packed else content)


def some_characters(count: int, strokes: bool = False, seed: int = 0) -> ImageSet:
    """Characters of three classes by two writers; their first pixel counts them."""
    random = np.random.default_rng(seed)
    images = random_images(count, seed)
    images[:, 0, 0], images[:, 0, 1] = np.arange(count) % 256, np.arange(count) // 256
    writers = np.array([["anna", ""][number % 2] for number in range(count)], object)
    pen = some_strokes(random.integers(0, 4, count), random) if strokes else None
    return ImageSet(images, random.integers(0, 3, count), ("a", "Bb", "7"), writers, pen)


def some_strokes(strokes: np.ndarray, random: np.random.Generator) -> Strokes:
    """So many strokes for each character, of 1 to 5 points each."""
    char_ptr = np.append(0, np.cumsum(strokes)).astype(np.int64)
    stroke_ptr = np.append(0, np.cumsum(random.integers(1, 6, char_ptr[-1]))).astype(np.int64)
    return Strokes(random.random((int(stroke_ptr[-1]), 2), np.float32), stroke_ptr, char_ptr)


def write_characters(path: Path, **splits: ImageSet) -> Path:
    """A dataset of these splits."""
    classes = next(iter(splits.values())).classes
    write_images(path, {split: Part({"rows": len(each)}, [each]) for split, each in splits.items()}, classes)
    return path


def numbers(characters: ImageSet) -> list[int]:
    """Which ones of `some_characters` these are."""
    return (characters.images[:, 0, 0] + 256 * characters.images[:, 0, 1].astype(int)).tolist()
