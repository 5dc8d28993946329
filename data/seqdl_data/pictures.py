"""Pictures of any kind, from files, bytes or standard input, as upright arrays of bytes; read by Pillow.

Every file that cannot be read, is damaged or is too large is an InputError, of one line; Pillow's own warnings and
errors do not reach the user. What was decided on the way is in a picture's notes.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from seqdl_data.errors import InputError, TooLargeError, unreadable
from seqdl_data.picture_modes import to_bytes
from seqdl_data.streams import standard_input

if TYPE_CHECKING:
    from PIL import Image

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else its errors go to stderr where nobody logs
Array = np.ndarray
Source = str | os.PathLike[str] | bytes
MAX_PIXELS = 120_000_000
FORMATS = ("PNG", "JPEG", "MPO", "TIFF", "GIF", "BMP", "DIB", "WEBP", "PPM", "JPEG2000", "AVIF")  # none runs programs
KINDS = "PNG, JPEG, TIFF, GIF, BMP, WebP, PPM, JPEG 2000 or AVIF"
HEIF = re.compile(rb"....ftyp(hei[cfmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL)
ORIENTATION, SUBFILE, REDUCED = 0x0112, 254, 1  # EXIF and TIFF tags; a page that is another one made smaller


@dataclass(frozen=True)
class Picture:
    """One picture, or one page: pixels (H, W) grey or (H, W, 3) red, green, blue, uint8, upright."""

    pixels: Array
    notes: tuple[str, ...] = ()
    page: int = 1
    pages: int = 1


def open_picture(source: Source, *, max_pixels: int = MAX_PIXELS, grey: bool = False) -> Picture:
    """The picture in a file, in standard input ("-") or in bytes; of several pages or frames the first.

    It is turned as its EXIF orientation says. 16 bits and more are reduced to 8 by a power of two, so that the
    brightest pixel just fits; what is transparent shows white paper. Grey pictures come as (H, W), coloured ones as
    (H, W, 3), or all as (H, W) where `grey` is set. `max_pixels` is asked before anything is decoded.

    InputError for what is missing, a folder, empty, damaged, of a kind that is not read, or larger than `max_pixels`.
    """
    pages = open_pages(source, max_pixels=max_pixels, grey=grey)
    first = next(pages)
    pages.close()
    if first.pages == 1:
        return first
    return Picture(first.pixels, (*first.notes, f"page 1 of {first.pages}"), 1, first.pages)


def open_pages(source: Source, *, max_pixels: int = MAX_PIXELS, grey: bool = False) -> Generator[Picture, None, None]:
    """All pages of a picture in turn, see `open_picture`: those of a TIFF; of any other kind there is one."""
    name = _name(source)
    with _stream(source, name) as stream, _opened(stream, name, max_pixels) as image:
        with _plainly(name, max_pixels):
            frames = _frames(image)
        for page, frame in enumerate(frames, 1):
            place = name if len(frames) == 1 else f"{name}: page {page}"
            with _plainly(place, max_pixels):
                pixels, notes = _read(image, frame, place, max_pixels, grey)
            yield Picture(pixels, notes, page, len(frames))


def _name(source: Source) -> str:
    if isinstance(source, bytes):
        return "picture"
    return "standard input" if os.fspath(source) == "-" else os.fspath(source)


@contextmanager
def _stream(source: Source, name: str) -> Iterator[BinaryIO]:
    """The bytes of the picture, to be read in any order."""
    if isinstance(source, bytes) or name == "standard input":
        yield BytesIO(source if isinstance(source, bytes) else standard_input().read())
        return
    if Path(name).is_dir():
        raise InputError(f"{name}: a folder, expected a picture")
    try:
        with Path(name).open("rb") as file:
            yield file if file.seekable() else BytesIO(file.read())
    except OSError as error:
        raise unreadable(name, error) from error


@contextmanager
def _opened(stream: BinaryIO, name: str, max_pixels: int) -> Iterator[Image.Image]:
    """The picture with its header read alone."""
    from PIL import Image, UnidentifiedImageError

    with _plainly(name, max_pixels):
        Image.init()
        start = stream.read(16)
        stream.seek(0)
        if not start:
            raise InputError(f"{name}: empty, 0 bytes")
        try:
            image = Image.open(stream, formats=[each for each in FORMATS if each in Image.OPEN])
        except UnidentifiedImageError as error:
            raise InputError(f"{name}: {_unidentified(start)}") from error
    with image:
        yield image


def _unidentified(start: bytes) -> str:
    if HEIF.match(start):
        return "HEIC is not read; convert it to JPEG or PNG"
    if start.startswith(b"%PDF"):
        return "a PDF, not a picture; make pictures of its pages, at 200 to 300 dpi"
    return f"not a picture, or damaged at its beginning; expected {KINDS}"


def _frames(image: Image.Image) -> list[int]:
    """The numbers of the frames that are pages of their own."""
    if image.format != "TIFF":
        return [0]
    pages, frame = [], 0
    while True:
        try:
            image.seek(frame)
            tags = image.tag_v2  # type: ignore[attr-defined]
        except EOFError:
            break
        except Exception:  # of a damaged file; the pages before can be read
            pages.append(frame)
            break
        if frame == 0 or not int(tags.get(SUBFILE, 0)) & REDUCED:
            pages.append(frame)
        frame += 1
    image.seek(0)
    return pages


def _read(image: Image.Image, frame: int, place: str, max_pixels: int, grey: bool) -> tuple[Array, tuple[str, ...]]:
    notes = []
    if frame:
        image.seek(frame)
    elif getattr(image, "is_animated", False) and image.format not in ("TIFF", "MPO"):
        notes.append("animated, its first frame is read")
    wide, high = image.size
    if not wide or not high:
        raise InputError(f"{place}: {wide} x {high} pixels, nothing to read")
    if wide * high > max_pixels:
        raise _too_large(place, f"{wide:,} x {high:,}", max_pixels)
    with _no_talk() if image.format == "TIFF" else nullcontext():
        image.load()
    turn = _orientation(image)  # after loading: that of a TIFF has been obeyed by then
    pixels, more = to_bytes(image, grey)
    return np.ascontiguousarray(TURNS[turn](pixels)), (*notes, *more)


def _transposed(pixels: Array) -> Array:
    return pixels.swapaxes(0, 1)


TURNS = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: _transposed,
    6: lambda pixels: _transposed(pixels)[:, ::-1],
    7: lambda pixels: _transposed(pixels)[::-1, ::-1],
    8: lambda pixels: _transposed(pixels)[::-1],
}


def _orientation(image: Image.Image) -> int:
    """How the camera was held, 1 to 8; 1, upright, where nothing or nonsense is said."""
    try:
        turn = image.getexif().get(ORIENTATION, 1)
    except Exception:  # whatever is wrong with the EXIF data, the picture itself can be read
        return 1
    return turn if turn in TURNS else 1


def _too_large(place: str, size: str, max_pixels: int) -> TooLargeError:
    limit = f"above the limit of {max_pixels:,}; make it smaller or raise the limit (--max-pixels)"
    return TooLargeError(f"{place}: {size} pixels, {limit}")


@contextmanager
def _no_talk() -> Iterator[None]:
    """libtiff tells the terminal what is wrong; nobody can stop it but by taking its stderr away for that moment."""
    try:
        kept = os.dup(2)
    except OSError:  # closed, so nothing is heard anyway
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


_lock = threading.Lock()  # Pillow's limit and Python's warnings are the whole process's


@contextmanager
def _plainly(place: str, max_pixels: int) -> Iterator[None]:
    """What Pillow raises becomes an InputError, what it warns of is dropped, and its limit is ours."""
    from PIL import Image

    with _lock, warnings.catch_warnings(action="ignore"):
        theirs = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = -(-max_pixels // 2)  # it raises from twice as many on
        try:
            yield
        except InputError:
            raise
        except Image.DecompressionBombError as error:
            found = re.search(r"\d+", str(error))
            raise _too_large(place, f"{int(found[0]):,}" if found else "too many", max_pixels) from error
        except MemoryError as error:
            raise InputError(f"{place}: not enough memory for its pixels; make it smaller") from error
        except Exception as error:  # its readers raise whatever bad bytes lead them to, from IndexError to struct.error
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(f"{place}: damaged, or of a kind that is not read: {reason}") from error
        finally:
            Image.MAX_IMAGE_PIXELS = theirs
