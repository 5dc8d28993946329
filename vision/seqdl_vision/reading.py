"""Many pictures with one model: which they are, and one reading after the other."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np

from seqdl_data.errors import InputError, unreadable
from seqdl_data.pictures import MAX_PIXELS, open_pages
from seqdl_vision.letters import Letters
from seqdl_vision.page.read import ReadOptions, read_page
from seqdl_vision.page.result import Reading

Array = np.ndarray
Debug = Callable[[str, Array], None]
KINDS = "avif bmp gif heic heif jfif jpe jpeg jpg jp2 pbm pgm png pnm ppm tga tif tiff webp"
ENDINGS = frozenset(f".{kind}" for kind in KINDS.split())


@dataclass(frozen=True)
class Found:
    """A picture to read: its path, "-" for standard input, and where below a folder what is made of it goes."""

    path: str
    place: str


def find_pictures(paths: Iterable[str | os.PathLike[str]]) -> list[Found]:
    """The pictures meant, in order; for a folder all in it and below, in natural order (2.jpg before 10.jpg).

    In a folder a picture is what is called one (ENDINGS), hidden files apart. A folder without a picture and a path
    that leads nowhere stay in the list, to be an error where they are read. No two have the same place.
    """
    found: list[Found] = []
    taken: set[str] = set()
    for path in (os.fspath(path) for path in paths):
        inside = _below(path) if os.path.isdir(path) else []
        pairs = [(file, os.path.relpath(file, path)) for file in inside] or [(path, _own_place(path))]
        for file, wanted in pairs:
            place = _free(wanted, taken)
            taken.add(place.casefold())  # file systems may take A and a for the same
            found.append(Found(file, place))
    return found


def read_pictures(
    pictures: Iterable[Found | str | os.PathLike[str]],
    letters: Letters,
    options: ReadOptions | None = None,
    *,
    max_pixels: int = MAX_PIXELS,
    debug: Callable[[Found, int], Debug] | None = None,
) -> Iterator[Reading]:
    """A reading for each page of each picture, in order, as soon as it is there.

    A picture that cannot be read gives a reading with its error, and those after it are read. max_pixels: refuse
    larger ones. debug: called with a picture and the number of its page, gives what to call with each step.
    """
    for found in pictures:
        if not isinstance(found, Found):
            found = Found(os.fspath(found), _own_place(os.fspath(found)))
        number = 1
        try:
            if os.path.isdir(found.path):
                raise InputError(f"{found.path}: there is no picture in this folder")
            for picture in open_pages(found.path, max_pixels=max_pixels):
                number = picture.page
                steps = debug(found, number) if debug else None
                page = read_page(picture.pixels, letters, options or ReadOptions(), debug=steps)
                page = replace(page, notes=(*picture.notes, *page.notes))
                yield Reading(found.path, number, picture.pages, page, picture.pixels, place=found.place)
        except InputError as error:
            yield Reading(found.path, number, error=error, place=found.place)


def _below(folder: str) -> list[str]:
    """All pictures in a folder and those below it."""

    def refuse(error: OSError) -> None:
        raise unreadable(error.filename or folder, error)

    files = []
    for at, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [os.path.join(at, name) for name in names if _is_picture(name)]
    return sorted(files, key=_natural)


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in ENDINGS


def _natural(path: str) -> tuple[list[list[tuple[int, str]]], str]:
    """Numbers in names count as numbers, capitals as small letters; what is equal then, by its bytes."""
    parts = [re.split(r"(\d+)", part.casefold()) for part in PurePath(path).parts]
    return [[(int(bit), "") if bit.isdecimal() else (-1, bit) for bit in part] for part in parts], path


def _own_place(path: str) -> str:
    return "stdin" if path == "-" else Path(path).name or "picture"


def _free(place: str, taken: set[str]) -> str:
    """`place`, or with the first number behind its stem that nobody has."""
    stem, ending = os.path.splitext(place)
    number = 1
    while place.casefold() in taken:
        number += 1
        place = f"{stem}-{number}{ending}"
    return place
