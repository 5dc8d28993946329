"""Datasets of characters from IDX files: MNIST, EMNIST in all its parts, and any other pair or two of such files."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqdl_data.dataset import DatasetInfo, open_bytes
from seqdl_data.errors import InputError, UsageError
from seqdl_data.glyphs import fit_all
from seqdl_data.idx import open_idx, read_idx
from seqdl_data.images import SIDE, ImageSet, Part, write_images
from seqdl_data.official import IdxSet, Release
from seqdl_data.sources import text_blocks
from seqdl_data.streams import plain_pieces

Array = np.ndarray
PathLike = str | os.PathLike[str]
BLOCK = 4096  # images read at a time
FORM = re.compile(r"(?P<part>.*?)[-._](?P<what>images|labels)[-._]idx[13][-._]ubyte(\.gz)?")
TRAIN_WORDS, TEST_WORDS = ("train",), ("test", "t10k", "heldout", "held-out")


class Pair(NamedTuple):
    """Files of images and of their labels."""

    images: Path
    labels: Path


def build_idx_set(
    kind: IdxSet,
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    unchecked: bool = False,
    name: str | None = None,
    source: str = "",
    licence: str = "",
    command: str = "",
) -> DatasetInfo:
    """Write the set `kind`, whose four files or their folder are `paths`, to the Parquet file `output`.

    The numbers of images, their form and their labels must be those of a release of it, and the files those that are
    offered officially, as far as their checksums tell; `unchecked` leaves the checksums out. What was found is added
    to the `source` in the description that is returned. Images are read some thousands at a time.

    InputError for files that are missing, malformed or not of this set; OutputError when writing fails.
    """
    files = _named_files(kind, paths)
    train, test = Pair(*files[:2]), Pair(*files[2:])
    release = _release(kind, _count(train), _count(test))
    found = [release.words] * bool(release.words)
    if kind.sha256:
        found.append(_checked(kind, files, release, unchecked))
    if kind.fitted:
        found.append("fitted to EMNIST's box")
    return write_images(
        output,
        _parts(kind, train, test),
        kind.classes,
        name=name or (kind.name if release is kind.releases[0] else f"{kind.name} ({release.words.split(',')[0]})"),
        source="; ".join([source or kind.source, *found]),
        licence=licence or kind.licence,
        command=command,
    )


def build_idx(
    kind: IdxSet,
    paths: Sequence[PathLike],
    output: PathLike,
    *,
    source: str = "",
    licence: str = "",
    command: str = "",
) -> DatasetInfo:
    """Write any IDX files to `output`: images and labels to train on, and such to test on where there are any.

    Which is which is told by their names: `...train-images-idx3-ubyte`, with test, t10k or heldout for train. A folder
    must hold one set alone. Errors as in `build_idx_set`.
    """
    train, test = _told_by_name(paths)
    kind = replace(kind, valid_last=kind.valid_last or 0)
    parts = _parts(kind, train, test)
    return write_images(output, parts, kind.classes, name=kind.name, source=source, licence=licence, command=command)


def _named_files(kind: IdxSet, paths: Sequence[PathLike]) -> list[Path]:
    """The four files by their official names, which may also be written with a dot, `train-images.idx3-ubyte`."""
    names = _candidates(paths)
    files = []
    for name in kind.files:
        ways = (f"{name}.gz", name) if kind.packed else (name, f"{name}.gz")
        found = next((names[way] for way in ways if way in names), None)
        if found is None:
            raise InputError(f"{_given(paths)}: without {name}[.gz], which {kind.name} needs")
        files.append(found)
    return files


def _candidates(paths: Sequence[PathLike]) -> dict[str, Path]:
    """Files by name: those of `paths`, and those in folders among them."""
    names: dict[str, Path] = {}
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        if path.suffix == ".zip":
            raise InputError(f"{path}: an archive; unpack it, and give the folder of its files")
        inside = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
        names |= {each.name.replace(".idx", "-idx"): each for each in inside}
    return names


def _given(paths: Sequence[PathLike]) -> str:
    return ", ".join(os.fspath(path) for path in paths)


def _told_by_name(paths: Sequence[PathLike]) -> tuple[Pair, Pair | None]:
    found: dict[tuple[str, str], list[Path]] = {}
    for name, path in _candidates(paths).items():
        match = FORM.fullmatch(name)
        if match:
            role = next((role for role, words in _ROLES.items() if any(w in match["part"] for w in words)), "")
            found.setdefault((role, match["what"]), []).append(path)
    for (role, what), files in found.items():
        if not role or len(files) > 1:
            raise UsageError(
                f"{', '.join(map(str, files))}: which are the {what} to train on and which to test on? "
                "One of each, named ...train... and ...test..."
            )
    pairs = {role: [found[key][0] for key in ((role, "images"), (role, "labels")) if key in found] for role in _ROLES}
    if len(pairs["train"]) != 2 or len(pairs["test"]) == 1:
        raise InputError(f"{_given(paths)}: needs ...train-images-idx3-ubyte[.gz] and ...train-labels-idx1-ubyte[.gz]")
    return Pair(*pairs["train"]), Pair(*pairs["test"]) if pairs["test"] else None


_ROLES = {"train": TRAIN_WORDS, "test": TEST_WORDS}


def _count(pair: Pair) -> int:
    """How many images there are; the headers of both files must agree, and be of 28x28 bytes."""
    with open_idx(pair.images) as images, open_idx(pair.labels) as labels:
        if images.shape[1:] != (SIDE, SIDE) or images.dtype != np.uint8:
            raise InputError(f"{pair.images}: {_form(images)}, expected images of 28 x 28 bytes")
        if len(labels.shape) != 1 or labels.dtype != np.uint8:
            raise InputError(f"{pair.labels}: {_form(labels)}, expected a row of bytes, the labels")
        if images.shape[0] != labels.shape[0]:
            raise InputError(f"{pair.labels}: {labels.shape[0]:,} labels for the {images.shape[0]:,} of {pair.images}")
        return images.shape[0]


def _form(file: object) -> str:
    shape, dtype = file.shape, file.dtype  # type: ignore[attr-defined]
    return f"{' x '.join(map(str, shape))} of {dtype.newbyteorder('=')}"


def _release(kind: IdxSet, train: int, test: int) -> Release:
    for release in kind.releases:
        if (release.train, release.test) == (train, test):
            return release
    known = " or ".join(f"{each.train:,} + {each.test:,}" for each in kind.releases)
    raise InputError(
        f"{kind.name}: {train:,} + {test:,} images, but the set has {known}; `seqdl data build idx` takes any others"
    )


def _checked(kind: IdxSet, files: Sequence[Path], release: Release, unchecked: bool) -> str:
    """In words, how far the checksums tell that these are the official files."""
    if unchecked:
        return "checksums not looked at"
    if release is not kind.releases[0]:
        return "no checksums known"
    apart = [path for path in files if kind.packed and path.suffix != ".gz"]
    for number, path in enumerate(files):
        if path not in apart and not is_official(kind, number, path):
            raise InputError(
                f"{path}: not the official file of {kind.name}, its sha256 differs; get it anew, or add --unchecked"
            )
    return "checksums known of the .gz files only" if apart else "official checksums verified"


def is_official(kind: IdxSet, number: int, path: Path) -> bool:
    """Whether the file at `path` is by its sha256 the one of that number in `kind.files`."""
    digest = hashlib.sha256()
    with open_bytes(path) as stream:
        for piece in plain_pieces(stream, str(path)) if kind.packed else text_blocks(path):
            digest.update(piece)
    return digest.hexdigest() == kind.sha256[number]


@dataclass(frozen=True)
class _Side:
    """The train or the test files, and the labels in memory."""

    kind: IdxSet
    pair: Pair
    labels: Array

    def part(self, mine: Array) -> Part:
        """Those of the images where `mine` is set."""
        return Part({"rows": int(mine.sum())}, self._pieces(mine))

    def _pieces(self, mine: Array) -> Iterator[ImageSet]:
        at = 0
        with open_idx(self.pair.images) as file:
            for block in file.items(BLOCK):
                rows = np.flatnonzero(mine[at : at + len(block)])
                if len(rows):
                    images = block[rows].swapaxes(1, 2) if self.kind.transposed else block[rows]
                    images = fit_all(images) if self.kind.fitted else images
                    labels = self.labels[at + rows]
                    yield ImageSet(images, labels, self.kind.classes, np.full(len(rows), "", object))
                at += len(block)


def _side(kind: IdxSet, pair: Pair) -> _Side:
    _count(pair)
    labels = read_idx(pair.labels).astype(np.int64) - kind.first_label
    wrong = np.flatnonzero((labels < 0) | (labels >= len(kind.classes)))
    if len(wrong):
        found, last = labels[wrong[0]] + kind.first_label, kind.first_label + len(kind.classes) - 1
        raise InputError(
            f"{pair.labels}: byte {8 + wrong[0]} is label {found}, expected {kind.first_label} to {last}; another set?"
        )
    return _Side(kind, pair, labels)


def _parts(kind: IdxSet, train: Pair, test: Pair | None) -> dict[str, Part]:
    first = _side(kind, train)
    second = None if test is None else _side(kind, test)
    valid = _valid(kind, len(first.labels), 0 if second is None else len(second.labels))
    parts = {"train": first.part(~valid), "valid": first.part(valid)}
    if second is not None:
        parts["test"] = second.part(np.ones(len(second.labels), bool))
    return parts


def _valid(kind: IdxSet, train: int, test: int) -> Array:
    """Which of the images to train on are to validate on instead."""
    mine = np.zeros(train, bool)
    if kind.valid_every == 1:
        raise UsageError("each image to validate on: none would be left to train on")
    if kind.valid_every:
        mine[kind.valid_every - 1 :: kind.valid_every] = True
        return mine
    last = test if kind.valid_last is None else kind.valid_last
    if not 0 <= last < max(train, 1):
        raise UsageError(f"the last {last:,} of {train:,} images to validate on: none would be left to train on")
    mine[train - last :] = True
    return mine
