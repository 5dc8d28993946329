"""Many small pictures with a caption each: as one picture, or drawn as characters on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np

Array = np.ndarray
INK = 96  # from this level on a pixel is drawn
HALVES = {"blocks": " \u2580\u2584\u2588", "ascii": " '.|"}  # of neither, the upper, the lower, both pixels of a cell


def sheet(images: Array, captions: Sequence[str], *, columns: int | None = None, scale: int = 2) -> Array:
    """A picture of all images, each with its caption below: (H, W) uint8, black on white.

    images (N, h, w) uint8, white on black; each pixel becomes scale x scale. `columns` is by default what makes the
    sheet somewhat wider than high.
    """
    from PIL import Image, ImageDraw, ImageFont

    count, high, wide = images.shape
    columns = columns or max(1, ceil((2 * count) ** 0.5))
    font = ImageFont.load_default(6 * scale + 2)
    line, gap = 8 * scale + 2, 2 * scale
    cell = (wide * scale + gap, high * scale + line + gap)
    page = Image.new("L", (columns * cell[0] + gap, max(1, ceil(count / columns)) * cell[1] + gap), 255)
    draw = ImageDraw.Draw(page)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left, top = gap + number % columns * cell[0], gap + number // columns * cell[1]
        page.paste(Image.fromarray(255 - image.repeat(scale, 0).repeat(scale, 1)), (left, top))
        draw.text((left + wide * scale // 2, top + high * scale + line // 2), caption, 0, font, anchor="mm")
    return np.asarray(page)


def drawn(images: Array, captions: Sequence[str], *, width: int = 80, style: str = "blocks") -> str:
    """The same as text of at most `width` characters a line (but one image a row at least), two pixels in a cell.

    `style` is "blocks", which needs Unicode, or "ascii".
    """
    halves = np.array(list(HALVES[style]))
    wide = images.shape[2] + 1
    columns = max(1, (width + 1) // wide)
    rows = []
    for start in range(0, len(images), columns):
        some = images[start : start + columns] >= INK
        cells = halves[some[:, ::2] + 2 * some[:, 1::2]]
        rows += [" ".join(caption.center(wide - 1) for caption in captions[start : start + columns]).rstrip()]
        rows += [" ".join("".join(cell) for cell in line).rstrip() for line in cells.swapaxes(0, 1)]
    return "\n".join(rows)
