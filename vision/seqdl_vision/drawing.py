"""The picture with what was read drawn into it: a box around each character, below it the letter and how sure.

Colours go from red (0%) over yellow to green (100%). What is less sure than the threshold has a thick box and a dark
label, so that it is found without seeing colours. The photo is paled, and enlarged or shrunk until its letters are of
a size at which the labels can be read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from seqdl_vision.page.result import Box, Character, Page
from seqdl_vision.tiles import save_png

Array = np.ndarray
Colour = tuple[int, int, int]
SMALLEST, LARGEST = 36, 72  # pixels that a letter is high in the picture drawn, as far as MOST_PIXELS permits
MOST_PIXELS = 30_000_000
LABEL = 44  # pixels that a label needs in either direction
SMALLEST_FONT, LARGEST_FONT = 9.0, 14.4  # of the confidence; its letter's is half as large again
DESCENT, WIDTH = 1.2, 0.62  # how far a line of the font reaches down, and how wide a digit is, in sizes
VEIL = (255, 255, 255, 190)  # under labels, so that letters which they cover can be seen
PALE = 0.4  # how far the photo goes towards white
LOW, MIDDLE, HIGH = (214, 40, 40), (226, 158, 0), (34, 139, 60)


def annotate(photo: Array, page: Page, unsure: float = 0.5) -> Image.Image:
    """`photo`, uint8 (H, W) or (H, W, 3), with what `page` says of it; below `unsure` a character is marked."""
    scale = _scale(page)
    image = _with_margin(_paled(photo, scale), page, scale)
    pen = _Pen(ImageDraw.Draw(image, "RGBA"), image.width, scale, unsure)
    lines = [[character for word in line.words for character in word.characters] for line in page.lines]
    for line, below in zip(lines, _room_below(lines), strict=True):
        for character in line:
            pen.box(character)
        for character, beside in zip(line, _room_beside(line), strict=True):
            pen.label(character, beside, below)
    return image


def steps_into(folder: str | os.PathLike[str]) -> Callable[[str, Array], None]:
    """What to call with the name and the picture of a step, bool or uint8: it becomes a PNG file in `folder`."""

    def write(name: str, picture: Array) -> None:
        grey_or_colour = picture * np.uint8(255) if picture.dtype == bool else picture
        save_png(Path(folder, f"{name}.png"), Image.fromarray(grey_or_colour))

    return write


def colour(confidence: float) -> Colour:
    """Red at 0, yellow at 0.5, green at 1."""
    first, second, share = (LOW, MIDDLE, 2 * confidence) if confidence < 0.5 else (MIDDLE, HIGH, 2 * confidence - 1)
    share = min(1.0, max(0.0, share))
    r, g, b = (round(x + share * (y - x)) for x, y in zip(first, second, strict=True))
    return r, g, b


@dataclass(frozen=True)
class _Pen:
    draw: ImageDraw.ImageDraw
    width: int  # of the picture drawn on
    scale: float
    unsure: float

    def box(self, character: Character) -> None:
        left, top, right, bottom = self._corners(character.box)
        width = 3 if character.confidence < self.unsure else 1
        self.draw.rectangle((left, top, max(left, right), max(top, bottom)), None, colour(character.confidence), width)

    def label(self, character: Character, beside: float, below: float) -> None:
        """The letter, and below it the confidence in percent, in the middle under the box."""
        left, _, right, bottom = self._corners(character.box)
        percent = f"{100 * character.confidence:.0f}"
        fits = min(self.scale * beside / (WIDTH * len(percent)), self.scale * below / (2.5 * DESCENT))
        size = min(LARGEST_FONT, max(SMALLEST_FONT, fits))
        ink, paper = colour(character.confidence), VEIL
        if character.confidence < self.unsure:
            ink, paper = (255, 255, 255), (*LOW, 255)
        x, y = min(max((left + right) / 2, LABEL / 2), self.width - LABEL / 2), bottom + 2
        for text, height in ((character.text, 1.5 * size), (percent, size)):
            font = ImageFont.load_default(height)
            around = self.draw.textbbox((x, y), text, font, anchor="ma")
            self.draw.rectangle((around[0] - 1, y, around[2] + 1, y + DESCENT * height), paper)
            self.draw.text((x, y), text, ink, font, anchor="ma")
            y += DESCENT * height

    def _corners(self, box: Box) -> tuple[float, float, float, float]:
        """Where to draw it; the last column and row belong to the box."""
        left, top, right, bottom = (self.scale * at for at in (box.left, box.top, box.right, box.bottom))
        return left, top, right - 1, bottom - 1


def _scale(page: Page) -> float:
    """By how much to enlarge the picture: that its letters get a size, and it not too large."""
    heights = [character.box.height for character in page.characters]
    typical = max(1.0, median(heights)) if heights else SMALLEST
    wanted = SMALLEST / typical if typical < SMALLEST else min(1.0, LARGEST / typical)
    return min(wanted, math.sqrt(MOST_PIXELS / (page.width * page.height)))


def _paled(photo: Array, scale: float) -> Image.Image:
    table = [round(value + PALE * (255 - value)) for value in range(256)]
    image = Image.fromarray(photo)
    image = image.convert("RGB") if image.mode != "RGB" else image
    if scale != 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BICUBIC if scale > 1 else Image.Resampling.BOX)
    return image.point(table * 3)


def _with_margin(image: Image.Image, page: Page, scale: float) -> Image.Image:
    """With white below and to the right where the last labels would not fit."""
    lowest = max((character.box.bottom for character in page.characters), default=0)
    size = (max(image.width, LABEL), max(image.height, round(lowest * scale) + LABEL if lowest else 0))
    if size == image.size:
        return image
    larger = Image.new("RGB", size, (255, 255, 255))
    larger.paste(image)
    return larger


def _room_beside(characters: Sequence[Character]) -> list[float]:
    """How wide the label of each may be: to the middles of its neighbours."""
    middles = [(character.box.left + character.box.right) / 2 for character in characters]
    gaps = [abs(b - a) for a, b in pairwise(middles)]
    ends = [math.inf, *gaps, math.inf]
    return [min(before, after) for before, after in pairwise(ends)]


def _room_below(lines: Sequence[Sequence[Character]]) -> list[float]:
    """How high the labels of each line may be: from its letters down to those of the next line."""
    bottoms = [median(character.box.bottom for character in line) for line in lines]
    tops = [median(character.box.top for character in line) for line in lines[1:]]
    gaps = [top - bottom for bottom, top in zip(bottoms, tops, strict=False)]
    return [*(gap if gap > 0 else math.inf for gap in gaps), *[math.inf] * min(1, len(lines))]
