"""Datasets of characters from NumPy archives: other people's hands, with or without the way of their pen."""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import replace
from string import ascii_lowercase, ascii_uppercase

import numpy as np

from seqdl_data.dataset import SPLITS, DatasetInfo, open_bytes
from seqdl_data.errors import InputError, UsageError
from seqdl_data.glyphs import fit_all
from seqdl_data.images import SIDE, ImageSet, Part, counts_of, write_images
from seqdl_data.official import DIGITS, LETTERS
from seqdl_data.strokes import Strokes

Array = np.ndarray
PathLike = str | os.PathLike[str]
UNKNOWN_WRITER = 65535
SHARES = 20  # of the writers: one to valid, two to test


def build_hands(
    path: PathLike,
    output: PathLike,
    *,
    pen: bool = False,
    split: str | None = None,
    merged: bool = False,
    fitted: bool = False,
    name: str | None = None,
    source: str = "",
    licence: str = "",
    command: str = "",
) -> DatasetInfo:
    """Write the characters of a NumPy archive to the Parquet file `output`; return its description.

    The archive holds `images` (N, 28, 28) uint8, upright, white on black, and what they are: `char` (ASCII), or
    `labels` with `case`, "u" or "l" (1 is a or A), or `labels` alone: digits 0 to 9, or with `merged` letters 1 to 26
    whose case is not known. `writer` is a number, with `writer_names` an index into them, 65535 not known. With `pen`
    it holds the pen's way too: `points` (P, 2), `stroke_ptr` into them, `char_ptr` into the strokes, see Strokes.

    All goes to `split`; where that is None it is split by writer, always the same: of 20 writers, about one goes to
    valid, two to test. Where no writer is known, characters take the writer's place, each by its own pixels.
    `knn_agree` counts neighbours of the same label: where it is 0 the label is doubtful, and the character is not
    trained on; valid and test keep it, so that their figures are not better than the data. `fitted` brings each image
    into the box of EMNIST's letters, see seqdl_data.glyphs, as pages are read.

    InputError for an archive that is missing, damaged or of another form; OutputError when writing fails.
    """
    if split not in (None, *SPLITS):
        raise UsageError(f"split {split!r}: expected one of {', '.join(SPLITS)}")
    arrays = _arrays(path, pen)
    images = _image_set(path, arrays, pen, merged)
    where = np.full(len(images), split, object) if split else _splits(images)
    if fitted:
        images = replace(images, images=fit_all(images.images))
    doubtful = arrays.get("knn_agree", np.ones(len(images))) == 0
    where[(where == "train") & doubtful] = ""
    parts = {}
    for each in SPLITS:
        rows = images.select(np.flatnonzero(where == each))
        parts[each] = Part(counts_of(rows), [rows])
    return write_images(output, parts, images.classes, name=name, source=source, licence=licence, command=command)


def split_of_writer(writer: str | bytes) -> str:
    """The split of everything that one person wrote."""
    key = writer if isinstance(writer, bytes) else writer.encode()
    return {0: "valid", 1: "test", 2: "test"}.get(zlib.crc32(key) % SHARES, "train")


def _splits(images: ImageSet) -> Array:
    splits = [
        split_of_writer(writer or image.tobytes()) for writer, image in zip(images.writers, images.images, strict=True)
    ]
    return np.array(splits, object)


def _arrays(path: PathLike, pen: bool) -> dict[str, Array]:
    """The arrays in an archive, by name, with as many items as there are images."""
    try:
        with open_bytes(path) as stream, zipfile.ZipFile(stream):  # which np.load would leave open where it fails
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
    except InputError:
        raise
    except Exception as error:  # NumPy raises whatever bad bytes lead it to, from TypeError to MemoryError
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{os.fspath(path)}: not a NumPy archive (.npz) of arrays, or damaged: {reason}") from error
    _check(path, arrays, pen)
    return arrays


def _check(path: PathLike, arrays: dict[str, Array], pen: bool) -> None:
    needed = ["images", *(("points", "stroke_ptr", "char_ptr") if pen else ())]
    missing = [name for name in needed if name not in arrays]
    if missing or not {"labels", "char"} & set(arrays):
        raise InputError(
            f"{os.fspath(path)}: without {', '.join(missing) or 'labels or char'}; has {', '.join(arrays)}"
        )
    shape = arrays["images"].shape
    if shape[1:] != (SIDE, SIDE) or arrays["images"].dtype != np.uint8:
        raise InputError(f"{os.fspath(path)}: images {shape} {arrays['images'].dtype}, expected (N, 28, 28) uint8")
    for name in ("labels", "char", "case", "writer", "knn_agree"):
        if name in arrays and arrays[name].shape != shape[:1]:
            raise InputError(f"{os.fspath(path)}: {name} {arrays[name].shape}, expected ({shape[0]},), one an image")


def _image_set(path: PathLike, arrays: dict[str, Array], pen: bool, merged: bool) -> ImageSet:
    names = _characters(path, arrays, merged)
    classes = tuple(sorted(set(names)))
    index = {name: number for number, name in enumerate(classes)}
    labels = np.array([index[name] for name in names], np.int64)
    strokes = _strokes(path, arrays) if pen else None
    return ImageSet(arrays["images"], labels, classes, _writers(path, arrays), strokes)


def _characters(path: PathLike, arrays: dict[str, Array], merged: bool) -> list[str]:
    """The class of each image."""
    if "char" in arrays:
        return [chr(code) for code in arrays["char"].tolist()]
    labels = arrays["labels"].tolist()
    cases = arrays["case"].tolist() if "case" in arrays else None
    alphabets = {"u": tuple(ascii_uppercase), "l": tuple(ascii_lowercase)}
    try:
        if cases is not None:
            return [alphabets[case][_index(label - 1)] for case, label in zip(cases, labels, strict=True)]
        return [LETTERS[_index(label - 1)] if merged else DIGITS[_index(label)] for label in labels]
    except (KeyError, IndexError) as error:
        raise InputError(
            f"{os.fspath(path)}: labels from {min(labels)} to {max(labels)}, expected "
            + (
                "1 to 26 and case u or l"
                if cases is not None
                else "1 to 26"
                if merged
                else "0 to 9, or --merged letters"
            )
        ) from error


def _index(number: int) -> int:
    if number < 0:
        raise IndexError(number)
    return number


def _writers(path: PathLike, arrays: dict[str, Array]) -> Array:
    if "writer" not in arrays:
        return np.full(len(arrays["images"]), "", object)
    numbers = arrays["writer"].tolist()
    if "writer_names" not in arrays:
        return np.array(["" if number == UNKNOWN_WRITER else str(number) for number in numbers], object)
    names = arrays["writer_names"].tolist()
    if numbers and not 0 <= min(numbers) <= max(numbers) < len(names):
        raise InputError(f"{os.fspath(path)}: writers up to {max(numbers)}, but {len(names)} writer_names")
    return np.array([names[number] for number in numbers], object)


def _strokes(path: PathLike, arrays: dict[str, Array]) -> Strokes:
    points = arrays["points"]
    strokes, characters = arrays["stroke_ptr"].astype(np.int64), arrays["char_ptr"].astype(np.int64)
    sound = (
        points.ndim == 2
        and points.shape[1] == 2
        and len(characters) == len(arrays["images"]) + 1
        and _runs(characters, len(strokes) - 1)
        and _runs(strokes, len(points))
    )
    if not sound:
        raise InputError(f"{os.fspath(path)}: points, stroke_ptr, char_ptr do not fit each other or the images")
    return Strokes(points.astype(np.float32), strokes, characters)


def _runs(pointers: Array, end: int) -> bool:
    """Whether the pointers run from 0 up to `end`."""
    return bool(pointers.ndim == 1 and len(pointers) and pointers[0] == 0 and pointers[-1] == end) and bool(
        (np.diff(pointers) >= 0).all()
    )
