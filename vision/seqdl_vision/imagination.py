"""The picture that excites a label most: gradient ascent on the pixels, through the network, from almost nothing.

Left to itself that finds noise. What makes it find a character: each step looks at copies that are turned, stretched
and moved a little, the gradient is smoothed like the strokes of a pen, and ink costs (Olah, Mordvintsev, Schubert 2017,
"Feature visualization", on transformations, smoothing and penalties).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter

from seqdl import nn, parallel
from seqdl.tensor import Tensor
from seqdl_vision.augment import turns
from seqdl_vision.letters import Letters
from seqdl_vision.network import SIDE, pictures
from seqdl_vision.tiles import Line, Tile, save_png, sheet

Array = np.ndarray
COPIES = 2  # of a picture in a step
TURN, STRETCH, SLANT, SHIFT = 0.12, 0.1, 0.1, 1.5  # of the copies: as in Augmentation
WIDE, NARROW = 1.5, 0.6  # pixels, the smoothing at the beginning and at the end
RATE, INERTIA = 0.2, 0.8
COSTS = (
    0.2,
    0.4,
)  # of ink, from half-way on: the least and the most of the starts, in root mean squares of the gradient
NEARLY = 0.9  # of the best start's probability: then that with less ink is taken
LEAST, MOST = -0.3, 1.6  # how far a pixel may go beyond paper and ink
AT_ONCE = 128  # pictures
ACROSS = 8  # in a row of a sheet


class Imagined(NamedTuple):
    """A picture (28, 28) uint8 that excites a label, and the probability that the model gives that label for it."""

    label: str
    image: Array
    probability: float


@dataclass(frozen=True)
class Imagination:
    """How to look: so many steps, from so many starts. Ink costs each start more than the one before; of the pictures
    that are nearly as likely as the likeliest, that with the least ink is taken.
    """

    steps: int = 120
    starts: int = 4
    seed: int = 1


def imagine(
    letters: Letters,
    labels: Sequence[str],
    how: Imagination | None = None,
    tell: Callable[[float], None] = lambda share: None,
) -> list[Imagined]:
    """For each of these labels of the model the picture that excites it most; the same for the same seed.

    tell: called with the share of the work that is done.
    """
    how = how or Imagination()
    which = np.array([letters.labels.index(label) for label in labels])
    best: list[Imagined] = []
    at_once = max(1, AT_ONCE // (COPIES * how.starts))
    with _frozen(letters.network), parallel.single_threaded_blas():
        for at in range(0, len(which), at_once):
            some = which[at : at + at_once]
            images = _ascend(
                letters.network,
                np.repeat(some, how.starts),
                how,
                lambda share, at=at, part=len(some): tell((at + part * share) / len(which)),  # type: ignore[misc]
            )
            starts = images.reshape(len(some), how.starts, SIDE, SIDE)
            best += [_best(letters, *each) for each in zip(some.tolist(), starts, strict=True)]
    return best


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """No gradients for the weights inside."""
    parameters = [each for each in network.parameters() if each.requires_grad]
    for parameter in parameters:
        parameter.requires_grad = False
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad = True


def _ascend(network: nn.Module, labels: Array, how: Imagination, tell: Callable[[float], None]) -> Array:
    """(N, 28, 28) float32: a picture for each of the labels (N,)."""
    generator = np.random.default_rng(how.seed)
    x: Array = _smooth(generator.standard_normal((len(labels), SIDE, SIDE), np.float32), 2) + np.float32(0.1)
    velocity: Array = np.zeros_like(x)
    cost = np.tile(np.linspace(*COSTS, how.starts, dtype=np.float32), len(labels) // how.starts)[:, None, None]
    for step in range(how.steps):
        share = step / how.steps
        width = WIDE + (NARROW - WIDE) * share
        gradient = _smooth(_gradient(network, _ink(x, width), labels, generator), width)
        gradient /= np.sqrt(np.square(gradient).mean(axis=(1, 2), keepdims=True)) + np.float32(1e-9)
        velocity = np.float32(INERTIA) * velocity + np.float32(1 - INERTIA) * gradient
        rise = velocity - np.float32(min(1, 2 * share)) * cost
        x = np.clip(x + np.float32(RATE * (1 - 0.8 * share)) * rise, LEAST, MOST)
        tell((step + 1) / how.steps)
    return _ink(x, NARROW)


def _smooth(images: Array, width: float) -> Array:
    return gaussian_filter(images, (0, width, width), mode="constant")


def _ink(x: Array, width: float) -> Array:
    return np.clip(_smooth(x, width), 0, 1)


def _gradient(network: nn.Module, images: Array, labels: Array, generator: np.random.Generator) -> Array:
    """(N, 28, 28): where more ink would raise the logit of each picture's label, the mean over changed copies of it."""
    count = COPIES * len(images)
    forth = turns(count, TURN, STRETCH, SLANT, generator)
    middle = np.full(2, (SIDE - 1) / 2)
    offset = middle - forth @ middle + generator.uniform(-SHIFT, SHIFT, (count, 2))
    x = Tensor(pictures(_moved(np.tile(images, (COPIES, 1, 1)), forth, offset)), requires_grad=True)
    network(x)[np.arange(count), np.tile(labels, COPIES)].sum().backward()
    assert x.grad is not None
    back = np.linalg.inv(forth)
    moved = _moved(x.grad[:, 0], back, -(back @ offset[..., None])[..., 0])
    return moved.reshape(COPIES, *images.shape).mean(axis=0)


def _moved(images: Array, matrices: Array, offsets: Array) -> Array:
    """Each picture with what it has at matrix @ place + offset in every place."""
    moved = [affine_transform(*each, order=1) for each in zip(images, matrices, offsets, strict=True)]
    return np.stack(moved).astype(np.float32)


def _best(letters: Letters, label: int, images: Array) -> Imagined:
    """Of the pictures (S, 28, 28), in full ink, the one to show."""
    full = np.maximum(images.max(axis=(1, 2), keepdims=True), np.float32(1e-6))
    inked = np.rint(255 * images / full).astype(np.uint8)
    chances = letters.probabilities(inked)[:, label]
    likely = np.flatnonzero(chances >= NEARLY * chances.max())
    start = likely[inked[likely].sum(axis=(1, 2), dtype=np.int64).argmin()]
    return Imagined(letters.labels[label], inked[start], float(chances[start]))


def save_sheet(path: str | os.PathLike[str], found: Sequence[Imagined]) -> None:
    """Write the pictures, side by side with what they are, as a PNG file; OutputError if that fails."""
    scale = 4 if len(found) > 1 else 10
    tiles = [Tile(each.image, [Line(f"{each.label or 'none'}  {each.probability:.1%}")]) for each in found]
    save_png(path, sheet(tiles, ACROSS, scale))
