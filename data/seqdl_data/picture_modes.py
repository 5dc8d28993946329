"""A picture that Pillow has read, whatever its pixels are, as grey or coloured bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

Array = np.ndarray
STRIP = 256  # rows that are copied at a time
DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")
ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")


def to_bytes(image: Image.Image, grey: bool) -> tuple[Array, tuple[str, ...]]:
    """Pixels (H, W), or (H, W, 3) of a coloured picture unless `grey` is set, uint8; and what was decided.

    Beside the picture and the result no more than one copy of the picture is held.
    """
    if image.mode in DEEP:
        return _shallow(_array(image)), ("more than 8 bits a pixel, reduced to 8",)
    notes: tuple[str, ...] = ()
    if image.mode in ALPHA or "transparency" in image.info:
        image, notes = _on_white(image)
    wanted = "L" if grey or image.mode in ("1", "L") else "RGB"
    if image.mode not in ("1", "L", "P", "RGB"):
        image = image.convert("RGB")
    return _array(image if image.mode == wanted else image.convert(wanted)), notes


def _on_white(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    from PIL import Image

    image = image.convert("LA" if image.mode in ("1", "L", "LA", "La") else "RGBA")
    alpha = image.getchannel("A")
    plain = Image.new(image.mode[:-1], image.size, "white")
    plain.paste(image.convert(plain.mode), mask=alpha)
    least, _ = alpha.getextrema()
    return plain, () if least == 255 else ("what is transparent is taken for white paper",)


def _array(image: Image.Image) -> Array:
    """The pixels, copied strip by strip: Pillow makes two more copies of what it hands over."""
    wide, high = image.size
    strips = (np.asarray(image.crop((0, top, wide, min(top + STRIP, high)))) for top in range(0, high, STRIP))
    first = next(strips)
    pixels = np.empty((high, *first.shape[1:]), first.dtype)
    pixels[:STRIP] = first
    for number, strip in enumerate(strips, 1):
        pixels[number * STRIP : (number + 1) * STRIP] = strip
    return pixels


def _shallow(levels: Array) -> Array:
    """(H, W) numbers of any kind as bytes: divided by the least power of two that brings the brightest below 256.

    So pictures of 10, 12 or 16 bits are seen at their full brightness. Floats up to 1 are shares of white.
    """
    if levels.dtype.kind == "f":
        levels = np.where(np.isfinite(levels), levels, np.float32(0))
    most = levels.max()
    if levels.dtype.kind == "f" and most <= 1:
        return (levels.clip(0, 1) * 255).round().astype(np.uint8)
    step = 2 ** max(0, int(most).bit_length() - 8)
    return np.asarray(levels.clip(0, None) // step).astype(np.uint8)
