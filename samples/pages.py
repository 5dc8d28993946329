"""Make the sample pages: handwriting that nobody wrote, with the hand of hand.py.

    python samples/pages.py

note.jpg is a photo of a note on ruled paper, form.png a scanned form whose boxes hold capitals and digits. The
texts are in note.txt and form.txt.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hand import Hand, line
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, zoom

HERE = Path(__file__).parent
Array = np.ndarray
FINE = 3  # drawn so many times larger, for smooth edges
NOTE = [
    "Dear reader,",
    "this note was written by a program,",
    "stroke by stroke, with a shaking pen.",
    "Please buy 12 eggs, 3 lemons",
    "and a jar of quince jelly.",
]
FORM = ["ANNA VIK", "12 ELM GROVE", "QUINZBURG", "4075", "86-31-902"]


class Sheet:
    """Ink (height, width), 0-1, on a sheet that begins empty."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("L", (width * FINE, height * FINE))
        self.draw = ImageDraw.Draw(self.image)

    def write(self, text: str, x: float, y: float, hand: Hand, pen: float, draw: np.random.Generator) -> None:
        """A line whose baseline begins at x, y; `pen` pixels wide."""
        for _, strokes in line(text, hand, draw):
            for points in strokes:
                self.stroke(points + np.array((x, y)), pen, draw)

    def stroke(self, points: Array, pen: float, draw: np.random.Generator) -> None:
        """Wider and narrower as the pen is pressed, and thin where it is lifted."""
        steps = len(points)
        pressure = 1 + 0.12 * np.sin(np.linspace(0, draw.uniform(2, 6), steps) + draw.uniform(0, 6))
        pressure *= np.clip(np.linspace(2.6, 0.6, steps), 0, 1) * draw.normal(1, 0.05)
        fine = points * FINE
        for (x, y), (to_x, to_y), share in zip(fine, fine[1:], pressure, strict=False):
            width = max(1.0, pen * FINE * share)
            self.draw.line((x, y, to_x, to_y), 255, round(width))
            self.draw.ellipse((to_x - width / 2, to_y - width / 2, to_x + width / 2, to_y + width / 2), 255)

    def ink(self) -> Array:
        size = (self.image.width // FINE, self.image.height // FINE)
        return np.asarray(self.image.resize(size, Image.Resampling.BOX), np.float32) / 255


def mixed(paper: Array, ink: Array, colour: tuple[int, int, int]) -> Array:
    return paper + ink[..., None] * (np.array(colour, np.float32) - paper)


def clouds(shape: tuple[int, int], size: int, draw: np.random.Generator) -> Array:
    """Slow changes (height, width), 0 on average, 1 at most."""
    coarse = draw.normal(0, 0.4, (shape[0] // size + 3, shape[1] // size + 3))
    return zoom(coarse, size, order=3)[: shape[0], : shape[1]].clip(-1, 1).astype(np.float32)


def note(draw: np.random.Generator) -> Image.Image:
    width, height, step, first = 1600, 900, 130, 190
    rules, ink = Sheet(width, height), Sheet(width, height)
    for number in range(-1, 6):
        y = first + number * step
        rules.draw.line((0, (y + 6) * FINE, width * FINE, (y - 8) * FINE), 200, 2 * FINE)
    for number, text in enumerate(NOTE):
        y = first + number * step - 3
        ink.write(text, 90 + draw.uniform(-12, 12), y, Hand(62, slant=0.1), 5.0, draw)
    shape = (height, width)
    across = np.linspace(0, 1, width, dtype=np.float32) + np.linspace(0, 0.6, height, dtype=np.float32)[:, None]
    light = 1.02 - 0.26 * across + 0.05 * clouds(shape, 150, draw)
    paper = np.array((236, 231, 218), np.float32) * np.ones((*shape, 1), np.float32)
    paper = mixed(paper, 0.55 * rules.ink(), (120, 160, 205))
    dense = ink.ink() * (0.9 + 0.1 * clouds(shape, 6, draw))
    photo = gaussian_filter(mixed(paper, dense, (34, 40, 92)) * light[..., None], (0.8, 0.8, 0))
    photo += draw.normal(0, 2.2, shape).astype(np.float32)[..., None]
    return Image.fromarray(photo.clip(0, 255).astype(np.uint8))


def form(draw: np.random.Generator) -> Image.Image:
    width, height, cell, left, first, step = 1240, 800, 74, 70, 60, 140
    frames, ink = Sheet(width, height), Sheet(width, height)
    for row, text in enumerate(FORM):
        top = first + row * step
        for column in range(15 if row < 3 else len(text)):
            x = left + column * cell
            box = [at * FINE for at in (x, top, x + cell, top + 92)]
            frames.draw.rectangle(box, None, 255, 2 * FINE)
        for column, sign in enumerate(text):
            if sign != " ":
                x = left + column * cell + draw.uniform(14, 20)
                ink.write(sign, x, top + 76 + draw.uniform(-3, 3), Hand(60, slant=0.04), 4.4, draw)
    paper = np.full((height, width, 1), 250, np.float32)
    scan = mixed(mixed(paper, frames.ink(), (150,) * 3)[..., :1], ink.ink(), (30,) * 3)[..., 0]
    turned = Image.fromarray(gaussian_filter(scan, 0.6).clip(0, 255).astype(np.uint8))
    turned = turned.rotate(0.7, Image.Resampling.BICUBIC, fillcolor=250)
    return turned.quantize(16)


def main() -> None:
    note(np.random.default_rng(5)).save(HERE / "note.jpg", quality=72)
    form(np.random.default_rng(6)).save(HERE / "form.png", optimize=True)
    for name, lines in (("note", NOTE), ("form", FORM)):
        (HERE / f"{name}.txt").write_text("".join(f"{text}\n" for text in lines))


if __name__ == "__main__":
    main()
