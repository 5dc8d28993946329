"""Datasets of characters from a folder of pictures, sorted into folders by what they show: `a/1.png`, `7/x.jpg`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqdl_data.dataset import SPLITS, DatasetInfo
from seqdl_data.errors import InputError, UsageError, unreadable
from seqdl_data.glyphs import fit
from seqdl_data.hands import split_of_writer
from seqdl_data.images import SIDE, ImageSet, Part, write_images
from seqdl_data.official import BYCLASS
from seqdl_data.pictures import open_picture

Array = np.ndarray
PathLike = str | os.PathLike[str]
SPLIT_FOLDERS = {"train": "train", "valid": "valid", "validation": "valid", "val": "valid", "test": "test"}
UPPER, LOWER = ("upper", "uppercase", "caps", "capital"), ("lower", "lowercase", "small")
CASE, LETTER = "|".join(UPPER + LOWER), r"[^\W\d_]"
CASED = re.compile(rf"(?P<before>{CASE})[-_ ](?P<letter>{LETTER})|(?P<other>{LETTER})[-_ ](?P<after>{CASE})", re.I)
SAMPLE = re.compile(r"Sample0(\d\d)")  # Chars74K: 01 to 62 are 0-9, A-Z, a-z
LITTER = ("Thumbs.db", "desktop.ini")
FAINT = 0.2  # of the contrast, below which there is paper
LEAST = 24  # levels between ink and paper


class _Found(NamedTuple):
    path: Path
    character: str
    split: str | None


def build_picture_folder(
    folder: PathLike,
    output: PathLike,
    *,
    split: str | None = None,
    name: str | None = None,
    source: str = "",
    licence: str = "",
    command: str = "",
) -> DatasetInfo:
    """Write the pictures below `folder` to the Parquet file `output`; return the dataset's description.

    A picture shows what the folder it lies in is called, see `class_of`; where the folders in `folder` are train, valid
    (or val) and test, they say the split. Else all goes to `split`; where that is None each picture goes, by its own
    pixels and always the same, to valid (1 in 20), to test (2 in 20) or to train. So equal pictures stay together.

    Each picture is one character, dark on light or light on dark, and is brought into EMNIST's form; one of 28x28
    pixels on black is taken as it is.

    InputError, which names the picture, for one that cannot be read or shows nothing, and for folders that name no
    character; OutputError when writing fails.
    """
    if split not in (None, *SPLITS):
        raise UsageError(f"split {split!r}: expected one of {', '.join(SPLITS)}")
    found = list(_pictures(Path(folder)))
    classes = tuple(sorted({each.character for each in found}))
    images = np.stack([character_in(each.path) for each in found])
    labels = np.array([classes.index(each.character) for each in found], np.int64)
    whole = ImageSet(images, labels, classes, np.full(len(found), "", object))
    splits = np.array(
        [split or each.split or split_of_writer(image.tobytes()) for each, image in zip(found, images, strict=True)]
    )
    parts = {each: whole.select(splits == each) for each in SPLITS}
    return write_images(
        output,
        {each: Part({"rows": len(part)}, [part]) for each, part in parts.items()},
        classes,
        name=name,
        source=source,
        licence=licence,
        command=command,
    )


def class_of(folder: str) -> str | None:
    """The character that a folder's name says, None for none.

    It is the character itself, `a`, `A`, `7`, or an upper and a lower case letter for what may be either, `Aa`; where a
    file system takes `a` and `A` for the same, `A_upper`, `upper_A`, `A_caps`, `a_lower`, `lower_a`, `a_small`;
    and `Sample011`, as in Chars74K.
    """
    if len(folder) == 1:
        return folder if folder.isprintable() and not folder.isspace() else None
    if len(folder) == 2 and folder[0] != folder[1] and folder[0].lower() == folder[1]:
        return folder
    cased, sample = CASED.fullmatch(folder), SAMPLE.fullmatch(folder)
    if cased:
        upper = (cased["before"] or cased["after"]).lower() in UPPER
        letter = cased["letter"] or cased["other"]
        return letter.upper() if upper else letter.lower()
    return BYCLASS[int(sample[1]) - 1] if sample and 1 <= int(sample[1]) <= len(BYCLASS) else None


def character_in(path: PathLike) -> Array:
    """The one character in a picture, (28, 28) uint8 in EMNIST's form; InputError where there is none."""
    grey = open_picture(path, grey=True).pixels
    paper = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    if grey.shape == (SIDE, SIDE) and paper == 0 and grey.max() > LEAST:
        return grey
    ink = np.clip(paper - grey if paper > 127 else grey - paper, 0, None).astype(np.float32)
    most = ink.max()
    if most < LEAST:
        raise InputError(f"{os.fspath(path)}: shows nothing; expected one character, dark on light or light on dark")
    return fit(np.clip(ink - np.float32(FAINT) * most, 0, None))


def _pictures(folder: Path) -> Iterator[_Found]:
    """Every picture, in order of the names; at least one."""
    names = [each.name for each in _inside(folder) if each.is_dir()]
    if names and all(name.lower() in SPLIT_FOLDERS for name in names):
        found = [each for name in names for each in _classes(folder / name, SPLIT_FOLDERS[name.lower()])]
    else:
        found = list(_classes(folder, None))
    if not found:
        raise InputError(f"{folder}: no pictures; expected folders by character, as a/1.png, 7/2.png")
    yield from found


def _classes(folder: Path, split: str | None) -> Iterator[_Found]:
    for below in _inside(folder):
        if not below.is_dir():
            continue
        character = class_of(below.name)
        if character is None:
            raise InputError(f"{below}: names no character; expected folders like a, A_upper, a_lower, Aa or 7")
        for path in _inside(below):
            if path.is_file() and path.name not in LITTER:
                yield _Found(path, character, split)


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    except OSError as error:
        raise unreadable(folder, error) from error
