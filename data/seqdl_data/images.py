"""Datasets of characters, 28x28 pictures with labels, as Parquet. A row is a character:

    image     784 bytes, row by row; upright, white ink (255) on black (0), in EMNIST's form
    label     index into the dataset's classes; a class is a string of the characters it may be, as "7" or "Cc"
    writer    who wrote it, "" where that is not known
    points    where the pen's way is known: x and y in turn, x to the right and y down, in any unit
    strokes   there too: how many points each stroke of the character has
    split     train, valid or test

A row group holds rows of one split. Where no character of a set has strokes, those two columns are left out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seqdl_data.dataset import SPLITS, DatasetInfo, info_of, open_bytes, open_parquet, parquet_writer
from seqdl_data.errors import InputError
from seqdl_data.files import replacing
from seqdl_data.image_rows import SIDE, ImageSet, from_table, joined, schema_of, to_table
from seqdl_data.strokes import Strokes

if TYPE_CHECKING:
    import pyarrow.parquet as pq

Array = np.ndarray
KIND = "images"
GROUP = 1024  # rows in a row group: 0.8 MB of pixels
POOL = 16  # row groups that are shuffled together


class Part(NamedTuple):
    """What a split will hold: as many rows as `counts` says under "rows", in pieces of any size."""

    counts: dict[str, int]
    pieces: Iterable[ImageSet]


def read_images(path: str | os.PathLike[str], split: str) -> tuple[ImageSet, DatasetInfo]:
    """All characters of a split in the file's order, and the dataset's description.

    InputError for what is not a dataset of images or is damaged. An empty split gives an empty set.
    """
    with _open(path) as (file, info):
        reader = _Reader(path, file, info, split)
        return joined([reader.nothing(), *(reader.rows(group) for group in reader.groups)]), info


def iterate_images(
    path: str | os.PathLike[str], split: str, batch: int, *, seed: int | None = None, epoch: int = 0, start: int = 0
) -> Iterator[ImageSet]:
    """Batches of a split for one epoch, read from the file as they are needed; the last one may be smaller.

    With a seed the order is drawn from (seed, epoch): row groups are shuffled, and the rows of 16 of them together,
    some 13 MB in memory. `start` is the number of batches to leave out, and pools that hold nothing else are not read:
    an epoch that goes on at `start` gives the same batches as one that was never interrupted.
    """
    with _open(path) as (file, info):
        reader = _Reader(path, file, info, split)
        skip, rest = start * batch, None
        for pool in reader.pools(seed, epoch):
            if skip >= pool.rows:
                skip -= pool.rows
                continue
            rows = reader.pool(pool).select(slice(skip, None))
            rest, skip = (rows if rest is None else joined([rest, rows])), 0
            whole = len(rest) // batch * batch
            for at in range(0, whole, batch):
                yield rest.select(slice(at, at + batch))
            rest = rest.select(slice(whole, None))
        if rest is not None and len(rest):
            yield rest


def sample_images(
    path: str | os.PathLike[str],
    split: str,
    count: int,
    random: np.random.Generator,
    labels: Sequence[int] | None = None,
) -> tuple[ImageSet, DatasetInfo]:
    """So many characters of a split, drawn without repetition, sorted by label; of these labels where they are given.

    All there are where they are fewer. Pixels are read only of the row groups that were drawn from.
    """
    with _open(path) as (file, info):
        reader = _Reader(path, file, info, split)
        found = [(group, row) for group in reader.groups for row in reader.rows_of(group, labels)]
        drawn: dict[int, list[int]] = {}
        for at in np.sort(random.permutation(len(found))[:count]):
            group, row = found[at]
            drawn.setdefault(group, []).append(row)
        pieces = (reader.rows(group).select(np.array(rows)) for group, rows in drawn.items())
        some = joined([reader.nothing(), *pieces])
    return some.select(np.argsort(some.labels, kind="stable")), info


def write_images(
    output: str | os.PathLike[str],
    parts: Mapping[str, Part],
    classes: Sequence[str],
    *,
    name: str | None = None,
    source: str = "",
    licence: str = "",
    command: str = "",
) -> DatasetInfo:
    """Write a dataset of characters to the Parquet file `output`; return its description.

    `parts` is by split, and what is not named is empty; `name` is by default that of `output` without ending.
    OutputError when writing fails; then, and when the pieces raise, `output` stays as it was.
    """
    parts = {split: parts.get(split, Part({"rows": 0}, ())) for split in SPLITS}
    info = DatasetInfo(
        name=Path(output).stem if name is None else name,
        kind=KIND,
        counts={split: part.counts for split, part in parts.items()},
        source=source,
        licence=licence,
        command=command,
        classes=tuple(classes),
    )
    with replacing(output) as temporary:
        _write(temporary, parts, info)
    return info


def counts_of(images: ImageSet) -> dict[str, int]:
    """Rows, and the number of writers where they are known."""
    writers = {"writers": len(set(images.writers.tolist()) - {""})}
    return {"rows": len(images)} | (writers if writers["writers"] else {})


class _Pool(NamedTuple):
    groups: list[int]
    rows: int
    order: Array | None


class _Reader:
    """The row groups of one split."""

    def __init__(self, path: str | os.PathLike[str], file: pq.ParquetFile, info: DatasetInfo, split: str) -> None:
        assert split in SPLITS, split
        self.name, self.file, self.info = os.fspath(path), file, info
        self.columns = [name for name in file.schema_arrow.names if name != "split"]
        self.groups = [group for group in range(file.num_row_groups) if self._split(group) == split]

    def _split(self, group: int) -> str:
        found = self.file.read_row_group(group, columns=["split"]).column("split").unique().to_pylist()
        return found[0] if len(found) == 1 else ""

    def nothing(self) -> ImageSet:
        """A set of no characters."""
        strokes = Strokes.none(0) if "points" in self.columns else None
        nobody, images = np.empty(0, object), np.empty((0, SIDE, SIDE), np.uint8)
        return ImageSet(images, np.empty(0, np.int64), self.info.classes, nobody, strokes)

    def rows(self, group: int) -> ImageSet:
        rows = from_table(self.file.read_row_group(group, columns=self.columns), self.info.classes)
        if len(rows) and not 0 <= rows.labels.min() <= rows.labels.max() < len(rows.classes):
            raise InputError(f"{self.name}: labels beyond its {len(rows.classes)} classes; build the dataset again")
        return rows

    def rows_of(self, group: int, labels: Sequence[int] | None) -> list[int]:
        """The numbers of the group's rows that have one of these labels, or of all."""
        if labels is None:
            return list(range(self.file.metadata.row_group(group).num_rows))
        column = self.file.read_row_group(group, columns=["label"]).column("label").to_numpy()
        return np.flatnonzero(np.isin(column, labels)).tolist()

    def pools(self, seed: int | None, epoch: int) -> Iterator[_Pool]:
        """The groups in the order of an epoch, some together, and the order of their rows."""
        random = None if seed is None else np.random.default_rng([seed, epoch])
        groups = self.groups if random is None else [self.groups[at] for at in random.permutation(len(self.groups))]
        for at in range(0, len(groups), POOL):
            some = groups[at : at + POOL]
            rows = sum(self.file.metadata.row_group(group).num_rows for group in some)
            yield _Pool(some, rows, None if random is None else random.permutation(rows))

    def pool(self, pool: _Pool) -> ImageSet:
        rows = joined([self.rows(group) for group in pool.groups])
        return rows if pool.order is None else rows.select(pool.order)


@contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[tuple[pq.ParquetFile, DatasetInfo]]:
    with open_bytes(path) as stream, open_parquet(stream, path) as file:
        info = info_of(file.schema_arrow, path)
        if info is None or info.kind != KIND:
            raise InputError(f"{os.fspath(path)}: not a dataset of characters; `seqdl data list` says how to get one")
        wrong = [
            field.name for field in schema_of("points" in file.schema_arrow.names) if field not in file.schema_arrow
        ]
        if wrong:
            raise InputError(f"{os.fspath(path)}: without {', '.join(wrong)} in our form; build the dataset again")
        yield file, info


def _write(path: Path, parts: Mapping[str, Part], info: DatasetInfo) -> None:
    pieces = {split: iter(part.pieces) for split, part in parts.items()}
    firsts = {split: next(each, None) for split, each in pieces.items()}
    strokes = any(first is not None and first.strokes is not None for first in firsts.values())
    with parquet_writer(path, schema_of(strokes), info, dictionary=("split", "writer")) as writer:
        for split, first in firsts.items():
            rows = 0
            for piece in () if first is None else _in_groups(first, pieces[split]):
                writer.write_table(to_table(piece, split, writer.schema))
                rows += len(piece)
            assert rows == parts[split].counts["rows"], f"{split}: {rows} rows, not {parts[split].counts}"


def _in_groups(first: ImageSet, others: Iterator[ImageSet]) -> Iterator[ImageSet]:
    """The same characters, GROUP at a time."""
    rest = first
    while True:
        whole = len(rest) // GROUP * GROUP
        for at in range(0, whole, GROUP):
            yield rest.select(slice(at, at + GROUP))
        rest, piece = rest.select(slice(whole, None)), next(others, None)
        if piece is None:
            break
        rest = joined([rest, piece])
    if len(rest):
        yield rest
