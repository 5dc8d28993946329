"""The picture that excites a label most: gradient ascent on the pixels, through the network, from a pale cloud.

Left to itself that finds noise. What makes it find a character: each step looks at copies that are turned, stretched
and moved a little; the gradient is smoothed, at first so far that only the large shape can change; and ink costs, more
where there is much of it, so that it stays in strokes. Transformations, smoothing and penalties are those of Olah,
Mordvintsev, Schubert, "Feature visualization", 2017.
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
from seqdl.metrics import softmax
from seqdl.tensor import Tensor
from seqdl_vision.augment import turns
from seqdl_vision.letters import Letters
from seqdl_vision.network import SIDE, pictures
from seqdl_vision.tiles import Line, Tile, save_png, sheet

Array = np.ndarray
COPIES = 2  # of a picture in a step
TURN, STRETCH, SLANT, SHIFT = 0.12, 0.1, 0.1, 1.5  # of the copies: as in Augmentation
WIDE, NARROW = 2.5, 0.6  # pixels, the smoothing at the beginning and at the end
RATE, INERTIA = 0.2, 0.8
COSTS = (0.05, 0.2)  # of ink, from half-way on, the first start's and the last's, in root mean squares of the gradient
CROWD, CROWDED, AROUND = 8, 0.3, 2.5  # cost where more than so much of the surroundings, in pixels, is ink
CLOUD, SPREAD, ROUGHNESS = 0.4, 7, 0.15  # ink in the middle at the start, how far it reaches, how uneven it is
TRIALS = 16  # copies by which the pictures of several starts are judged
LEAST, MOST = -0.1, 1.1  # how far a pixel may go beyond paper and ink
BORDER = 2  # pixels
ACROSS = 8  # in a row of a sheet


class Imagined(NamedTuple):
    """A picture (28, 28) uint8 that excites a label, and the probability that the model gives that label for it."""

    label: str
    image: Array
    probability: float


@dataclass(frozen=True)
class Imagination:
    """How to look: so many steps, from so many starts, of which ink costs each more than the one before."""

    steps: int = 120
    starts: int = 6
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
    how, found = how or Imagination(), []
    with _frozen(letters.network), parallel.single_threaded_blas():
        for number, label in enumerate(labels):
            generator, which = np.random.default_rng(how.seed), letters.labels.index(label)
            clouds = _clouds(how.starts, generator)
            for step, now in enumerate(_ascent(letters.network, which, clouds, how.steps, generator), 1):
                tell((number + step / how.steps) / len(labels))
                images = now
            found.append(_best(letters, which, _ink(images, NARROW), generator))
    return found


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


def _ascent(network: nn.Module, label: int, x: Array, steps: int, generator: np.random.Generator) -> Iterator[Array]:
    """What becomes of x (S, 28, 28) float32, step by step."""
    velocity: Array = np.zeros_like(x)
    cost = np.linspace(*COSTS, len(x), dtype=np.float32)[:, None, None]
    for step in range(steps):
        share = step / steps
        width = WIDE + (NARROW - WIDE) * min(1.0, 1.25 * share)
        ink = _ink(x, width)
        gradient = _smooth(_gradient(network, ink, label, generator), width)
        gradient /= np.sqrt(np.square(gradient).mean(axis=(1, 2), keepdims=True)) + np.float32(1e-9)
        velocity = np.float32(INERTIA) * velocity + np.float32(1 - INERTIA) * gradient
        crowd = np.maximum(_smooth(ink, AROUND) - np.float32(CROWDED), 0)
        rise = velocity - np.float32(min(1.0, 2 * share)) * cost - np.float32(CROWD) * crowd
        x = _with_border(np.clip(x + np.float32(RATE * (1 - 0.8 * share)) * rise, LEAST, MOST))
        yield x


def _clouds(count: int, generator: np.random.Generator) -> Array:
    """(N, 28, 28) float32, each uneven in its own way."""
    noise = _smooth(generator.standard_normal((count, SIDE, SIDE), np.float32), 3)
    distance = np.arange(SIDE, dtype=np.float32) - np.float32((SIDE - 1) / 2)
    slope = np.exp(-np.square(distance) / np.float32(2 * SPREAD**2))
    return np.float32(CLOUD) * slope[:, None] * slope + noise * np.float32(ROUGHNESS / noise.std())


def _smooth(images: Array, width: float) -> Array:
    return gaussian_filter(images, (0, width, width), mode="constant")


def _ink(x: Array, width: float) -> Array:
    """The pictures that x stands for."""
    return _with_border(np.clip(_smooth(x, width), 0, 1))


def _with_border(images: Array) -> Array:
    """The same with a border of paper, as in all that the network was taught."""
    inside = (slice(None), slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    out = np.zeros_like(images)
    out[inside] = images[inside]
    return out


def _gradient(network: nn.Module, images: Array, label: int, generator: np.random.Generator) -> Array:
    """(N, 28, 28): where more ink would raise the log-odds of the label, the mean over changed copies of each."""
    matrices, offsets = _changes(COPIES * len(images), generator)
    x = Tensor(pictures(_moved(np.tile(images, (COPIES, 1, 1)), matrices, offsets)), requires_grad=True)
    logits = network(x)
    logits.backward(_rise_of_log_odds(logits.data, label))
    assert x.grad is not None
    back = np.linalg.inv(matrices)
    moved = _moved(x.grad[:, 0], back, -(back @ offsets[..., None])[..., 0])
    return moved.reshape(COPIES, *images.shape).mean(axis=0)


def _changes(count: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """(N, 2, 2) and (N, 2): matrix and offset of where in a picture the pixels of its copies come from."""
    matrices = turns(count, TURN, STRETCH, SLANT, generator)
    middle = np.full(2, (SIDE - 1) / 2)
    return matrices, middle - matrices @ middle + generator.uniform(-SHIFT, SHIFT, (count, 2))


def _rise_of_log_odds(logits: Array, label: int) -> Array:
    """(N, K): the gradient of log(p / (1 - p)), p being the probability of the label. It never fades, as that of the
    probability would, and counts what the others gain, as that of the logit alone would not.
    """
    others = logits.astype(np.float64)
    others[:, label] = -np.inf
    rise = -softmax(others)
    rise[:, label] = 1
    return rise


def _moved(images: Array, matrices: Array, offsets: Array) -> Array:
    """Each picture with what it has at matrix @ place + offset in every place."""
    moved = [affine_transform(*each, order=1) for each in zip(images, matrices, offsets, strict=True)]
    return np.stack(moved).astype(np.float32)


def _best(letters: Letters, label: int, images: Array, generator: np.random.Generator) -> Imagined:
    """Of the pictures (S, 28, 28), in full ink, the one whose changed copies are the label most surely, on average."""
    full = images / np.maximum(images.max(axis=(1, 2), keepdims=True), np.float32(1e-6))
    copies = _moved(np.repeat(full, TRIALS, axis=0), *_changes(TRIALS * len(full), generator))
    steady = letters.probabilities(copies)[:, label].reshape(len(full), TRIALS).mean(axis=1)
    image = np.rint(255 * full[steady.argmax()]).astype(np.uint8)
    return Imagined(letters.labels[label], image, float(letters.probabilities(image[None])[0, label]))


def save_sheet(path: str | os.PathLike[str], found: Sequence[Imagined]) -> None:
    """Write the pictures, side by side with what they are, as a PNG file; OutputError if that fails."""
    scale = 4 if len(found) > 1 else 10
    tiles = [Tile(each.image, [Line(f"{each.label or 'none'}  {each.probability:.1%}")]) for each in found]
    save_png(path, sheet(tiles, ACROSS, scale))
