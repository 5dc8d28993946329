"""Sheets of small pictures with words under them, and the pen and paper that every picture of ours is made with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from seqdl_data.files import replacing

Array = np.ndarray
PAPER, INK, PALE = "#ffffff", "#222222", "#8a8a8a"
GOOD, BAD = "#2066b0", "#c62f2a"
MARGIN, GAP = 16, 10  # pixels around a sheet, and between its tiles
WORDS, TITLE = 13, 18  # pixels, sizes of letters


class Line(NamedTuple):
    """A line of words under a picture."""

    text: str
    colour: str = INK


class Tile(NamedTuple):
    """picture (h, w) uint8 grey or (h, w, 3) uint8 colours; the lines below it."""

    picture: Array
    lines: Sequence[Line] = ()


@cache
def font(size: int) -> Any:
    """The letters that Pillow brings along, so high in pixels."""
    return ImageFont.load_default(size)


def enlarged(picture: Array, scale: int) -> Image.Image:
    """A picture with each pixel as a square of `scale` pixels, in colours."""
    image = Image.fromarray(np.ascontiguousarray(picture)).convert("RGB")
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def sheet(tiles: Iterable[Tile | Array], columns: int, scale: int = 1, title: str = "") -> Image.Image:
    """The tiles in rows of so many, the pixels of each enlarged `scale` times; a picture alone is a tile too."""
    shown = [tile if isinstance(tile, Tile) else Tile(tile) for tile in tiles]
    columns = max(1, min(columns, len(shown)))
    width = max([scale * tile.picture.shape[1] for tile in shown] + [_width(tile.lines) for tile in shown], default=1)
    high = max((scale * tile.picture.shape[0] for tile in shown), default=1)
    high_words = max((len(tile.lines) for tile in shown), default=0) * (WORDS + 3)
    top = MARGIN + (TITLE + GAP if title else 0)
    rows = -(-len(shown) // columns)
    page = (
        max(columns * (width + GAP) - GAP, int(font(TITLE).getlength(title))) + 2 * MARGIN,
        top + rows * (high + high_words + GAP) - GAP + MARGIN,
    )
    paper = Image.new("RGB", page, PAPER)
    draw = ImageDraw.Draw(paper)
    draw.text((MARGIN, MARGIN - 3), title, INK, font(TITLE))
    for number, tile in enumerate(shown):
        row, column = divmod(number, columns)
        x, y = MARGIN + column * (width + GAP), top + row * (high + high_words + GAP)
        paper.paste(enlarged(tile.picture, scale), (x, y))
        for n, line in enumerate(tile.lines):
            draw.text((x, y + high + 1 + n * (WORDS + 3)), line.text, line.colour, font(WORDS))
    return paper


def _width(lines: Sequence[Line]) -> int:
    return max((int(font(WORDS).getlength(line.text)) + 1 for line in lines), default=0)


def signed(values: Array, most: float | None = None) -> Array:
    """(h, w, 3) uint8 for any values (h, w): white at 0, full red at `most`, full blue at minus that; by default the
    largest there is.
    """
    most = float(np.abs(values).max(initial=0)) if most is None else most
    share = np.clip(values / max(most, 1e-12), -1, 1)
    colour = np.where(share[..., None] >= 0, ImageColor.getrgb(BAD), ImageColor.getrgb(GOOD))
    return np.rint(255 + (colour - 255) * np.abs(share)[..., None]).astype(np.uint8)


def grey(values: Array, most: float | None = None) -> Array:
    """(h, w) uint8 for values (h, w) of 0 or more: black at 0, white at `most`, by default the largest there is."""
    most = float(values.max(initial=0)) if most is None else most
    return np.rint(255 * np.clip(values / max(most, 1e-12), 0, 1)).astype(np.uint8)


def save_png(path: str | os.PathLike[str], image: Image.Image) -> None:
    """Write a picture, whole or not at all; OutputError if that fails."""
    with replacing(path) as temporary:
        image.save(temporary, format="PNG")
