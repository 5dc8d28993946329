"""Pages of pen strokes drawn for the tests: where the ink is, is known."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

Array = np.ndarray
Line = list[tuple[float, float]]

# Lines in a unit box, x right and y down; the last row goes below the line of writing.
LETTERS: dict[str, list[Line]] = {
    "A": [[(0, 1), (0.4, 0), (0.8, 1)], [(0.2, 0.6), (0.6, 0.6)]],
    "E": [[(0.6, 0), (0, 0), (0, 1), (0.6, 1)], [(0, 0.5), (0.5, 0.5)]],
    "H": [[(0, 0), (0, 1)], [(0.6, 0), (0.6, 1)], [(0, 0.5), (0.6, 0.5)]],
    "L": [[(0, 0), (0, 1), (0.5, 1)]],
    "N": [[(0, 1), (0, 0), (0.6, 1), (0.6, 0)]],
    "O": [[(0.3 + 0.3 * np.cos(t), 0.5 + 0.5 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 25)]],
    "U": [[(0, 0), (0, 0.7), (0.1, 0.93), (0.3, 1), (0.5, 0.93), (0.6, 0.7), (0.6, 0)]],
    "n": [[(0, 0.3), (0, 1)], [(0, 0.5), (0.2, 0.3), (0.5, 0.4), (0.55, 1)]],
    "i": [[(0, 0.4), (0, 1)], [(0, 0.1), (0.02, 0.12)]],
    "y": [[(0, 0.3), (0.25, 0.9)], [(0.5, 0.3), (0.1, 1.5)]],
    ".": [[(0, 0.97), (0.02, 0.99)]],
}
PARTS = {"i": 2}  # parts that do not touch; 1 for the others


def write(words: list[str], shape: tuple[int, int], letter: float = 40, pen: float = 4) -> Array:
    """Share of ink (H, W) float32, 0 to 1: a line of letters for each of the words, one below the other."""
    canvas = Image.new("L", (shape[1] * 2, shape[0] * 2))  # drawn twice as large, for soft edges
    draw = ImageDraw.Draw(canvas)
    for row, word in enumerate(words):
        for column, name in enumerate(word):
            left, top = letter * (1 + 1.3 * column), letter * (1 + 2 * row)
            for line in LETTERS.get(name, []):
                _stroke(draw, [(2 * (left + letter * x), 2 * (top + letter * y)) for x, y in line], 2 * pen)
    return np.asarray(canvas.reduce(2), np.float32) / 255


def _stroke(draw: ImageDraw.ImageDraw, points: Line, width: float) -> None:
    draw.line(points, fill=255, width=round(width), joint="curve")
    for x, y in points:
        draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)


def on_paper(ink: Array, pen: tuple[int, ...] = (40, 40, 50), paper: tuple[int, ...] = (228, 226, 218)) -> Array:
    """The ink (H, W) on paper of even light: a photo (H, W, 3) float32."""
    share = ink[..., None]
    return np.asarray(share * np.float32(pen) + (1 - share) * np.float32(paper))


def in_light(photo: Array, light: Array | float = 1.0, noise: float = 0.0) -> Array:
    """A photo (H, W, 3) uint8 taken in a light (H, W), with normal noise of so many levels."""
    lit = photo * np.asarray(light, np.float32)[..., None]
    return (lit + np.random.default_rng(4).normal(0, noise, photo.shape)).clip(0, 255).astype(np.uint8)


def turned(photo: Array, degrees: float) -> Array:
    """A photo uint8 turned so that its lines run down to the right; paper of its corner's colour outside."""
    corner = tuple(int(v) for v in photo[0, 0])
    return np.asarray(Image.fromarray(photo).rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=corner))
