"""Training pictures made different each time they are seen: redrawn, bent, thickened, spoilt.

Everything random is drawn here from a generator, the kernels only compute: the same pictures whatever the threads.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from seqdl import parallel
from seqdl_data.images import Strokes
from seqdl_vision.kernels import pen, warp
from seqdl_vision.network import pictures

Array = np.ndarray
KNOTS = 5  # of the grid that bends a picture, in each direction
SWING = 0.12  # spread of what the squares of a point's place add to it, where places reach from -1 to 1
BOX = np.float32(24)  # pixels that a character fills, as in EMNIST


@dataclass(frozen=True)
class Augmentation:
    """How far pictures are changed; each figure is the most, or the spread where it says so.

    turn (radians), stretch, slant and bend (pixels) are spreads of normal distributions, shift (pixels) is uniform;
    thick is the share by which strokes take on their neighbours' ink; flips pixels are inverted; with probability
    `spoilt` there is noise, and with the same a bar or a patch is missing.
    """

    turn: float = 0.12
    stretch: float = 0.10
    slant: float = 0.15
    bend: float = 0.7
    shift: float = 2.0
    thick: float = 0.8
    flips: int = 5
    spoilt: float = 0.15

    def __call__(self, images: Array, generator: np.random.Generator) -> Array:
        """(N, H, W) float32 in [0, 1] of images (N, H, W), each changed in its own way; uint8, or float32 in [0, 1]."""
        images = pictures(images)[:, 0]
        bent, out = np.empty_like(images), np.empty_like(images)
        matrices = self._matrices(len(images), images.shape[1:], generator)
        strength = generator.random((len(images), 1, 1, 1), np.float32) * np.float32(2 * self.bend)
        fields = strength * generator.standard_normal((len(images), 2, KNOTS, KNOTS), np.float32)
        amounts = self._draw(generator, len(images), self.thick)

        def work(lo: int, hi: int) -> None:
            warp.bend(images[lo:hi], matrices[lo:hi], fields[lo:hi], bent[lo:hi])
            warp.thicken(bent[lo:hi], amounts[lo:hi], out[lo:hi])

        parallel.run(work, parallel.batch_blocks(len(images)))
        self._spoil(out, generator)
        return flip_pixels(out, generator.integers(0, self.flips + 1, len(out)), generator)

    def scaled(self, strength: float) -> Augmentation:
        """All changes so many times as strong; 0 changes nothing."""
        return replace(self, **{name: type(most)(round(most * strength, 6)) for name, most in asdict(self).items()})

    @staticmethod
    def _draw(generator: np.random.Generator, count: int, most: float) -> Array:
        return generator.uniform(-most, most, count).astype(np.float32)

    def _matrices(self, count: int, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
        """(N, 2, 3) float32: where in the old picture a pixel of the new one comes from, about the middle."""
        linear = turns(count, self.turn, self.stretch, self.slant, generator)
        middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])
        shift = generator.uniform(-self.shift, self.shift, (count, 2))
        offset = middle - linear @ middle + shift
        return np.concatenate([linear, offset[..., None]], axis=2).astype(np.float32)

    def _spoil(self, images: Array, generator: np.random.Generator) -> None:
        noisy = np.flatnonzero(generator.random(len(images)) < self.spoilt)
        for n in noisy:
            noise = generator.standard_normal(images.shape[1:], np.float32) * np.float32(0.15 * generator.random())
            images[n] = np.clip(images[n] + noise, 0, 1)
        for n in np.flatnonzero(generator.random(len(images)) < self.spoilt):
            y, x = generator.integers(0, images.shape[1]), generator.integers(0, images.shape[2])
            height, width = ((2, 28), (28, 2), (6, 6))[generator.integers(3)]
            images[n, y : y + height, x : x + width] = 0


def turns(count: int, turn: float, stretch: float, slant: float, generator: np.random.Generator) -> Array:
    """(N, 2, 2) matrices that turn, stretch and slant, each by a normal distribution of that spread."""
    angle = generator.normal(0, turn, count)
    wide, high = np.exp(generator.normal(0, stretch, (2, count)))
    lean = generator.normal(0, slant, count)
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    shape = np.stack([np.stack([wide, lean], -1), np.stack([np.zeros(count), high], -1)], -2)
    return rotation @ shape


def flip_pixels(images: Array, counts: Array, generator: np.random.Generator) -> Array:
    """images (N, H, W) in [0, 1] with counts (N,) random pixels of each inverted, in place."""
    height, width = images.shape[1:]
    which = np.repeat(np.arange(len(images)), counts)
    y, x = generator.integers(0, height, len(which)), generator.integers(0, width, len(which))
    images[which, y, x] = 1 - images[which, y, x]
    return images


def redraw(strokes: Strokes, which: Array, side: int, generator: np.random.Generator) -> Array:
    """(N, side, side) float32: characters `which` (N,) of the strokes, each with another pen, slant and swing.

    The pen is 1.2 to 4.5 pixels wide, its edge between sharp and as soft as EMNIST's blur makes it.
    """
    out = np.empty((len(which), side, side), np.float32)
    swing = generator.normal(0, SWING, (len(which), 2, 3))
    changes = np.concatenate([turns(len(which), 0.08, 0.18, 0.22, generator), swing], axis=2).astype(np.float32)
    radii = np.exp(generator.uniform(np.log(0.6), np.log(2.25), len(which))).astype(np.float32)
    softness = generator.uniform(0.8, 2.2, len(which)).astype(np.float32)

    def work(lo: int, hi: int) -> None:
        for n in range(lo, hi):
            ends = strokes.stroke_ptr[strokes.char_ptr[which[n]] : strokes.char_ptr[which[n] + 1] + 1]
            points = strokes.points[ends[0] : ends[-1]]
            pen.draw(points, ends - ends[0], changes[n], radii[n], softness[n], BOX, out[n])

    parallel.run(work, parallel.batch_blocks(len(which)))
    return out
