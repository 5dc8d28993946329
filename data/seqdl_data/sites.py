"""Datasets of sites: sequences that say of each base whether a site is there, as Parquet.

A row is a piece of a record's forward strand, at most 64 Ki bases:

    record, start    where it lies (0-based); pieces of a record follow each other
    sequence         letters ACGTN
    labels, reverse_labels        a byte a base: 0 no site (a decoy), 1, 2 ... the classes, 255 nothing is said
    structure, reverse_structure  a byte a base: index into STRUCTURES, 255 nothing is said; null where nothing at all
    split            train, valid or test

Everything is in the order of the forward strand, what is said of the reverse strand too; it is null where a
sequence has one strand alone. A site is the junction before the labelled base, in the strand's own direction: a
donor's first intron base, an acceptor's first exon base.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from seqdl_data.dataset import SPLITS, DatasetInfo, info_of, open_bytes, open_parquet, parquet_writer
from seqdl_data.errors import InputError
from seqdl_data.nucleotides import decode, encode, reverse_complement

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray
KIND = "sites"
ROW = 1 << 16  # bases
GROUP = 64  # rows in a row group
UNSAID = 255
STRUCTURES = ("intergenic", "transcribed", "intron", "coding 0", "coding 1", "coding 2")


class Labels(NamedTuple):
    """What is said of one strand of a sequence, a byte a base in the order of the forward strand."""

    sites: Array
    structure: Array | None


class Piece(NamedTuple):
    """One row."""

    record: str
    start: int
    codes: Array
    forward: Labels
    reverse: Labels | None
    split: str


@dataclass(frozen=True)
class Stretch:
    """One strand of a sequence, read in its own direction: base codes (N,), labels (N,), structure (N,) or None."""

    record: str
    codes: Array
    labels: Array
    structure: Array | None


def read_stretches(path: str | os.PathLike[str], split: str) -> tuple[list[Stretch], DatasetInfo]:
    """Both strands of every sequence of a split, pieces joined, and the dataset's description.

    All of the split is held in memory, some three bytes for each base of each strand. InputError for another
    kind of file.
    """
    with open_bytes(path) as stream, open_parquet(stream, path) as file:
        info = info_of(file.schema_arrow, path)
        if info is None or info.kind != KIND:
            raise InputError(f"{os.fspath(path)}: not a dataset of sites; `seqdl data build splice` makes them")
        missing = set(_schema().names) - set(file.schema_arrow.names)
        if missing:
            raise InputError(f"{os.fspath(path)}: without {', '.join(sorted(missing))}; build the dataset again")
        pieces = (row for group in range(file.num_row_groups) for row in _rows(file.read_row_group(group), split))
        return [strand for run in _runs(pieces) for strand in _strands(run)], info


def write_sites(path: Path, pieces: Iterable[Piece], info: DatasetInfo) -> None:
    """Write the rows to `path`, usually the temporary one of `replacing`."""
    import pyarrow as pa

    with parquet_writer(path, _schema(), info) as writer:
        rows: list[dict[str, object]] = []
        for piece in pieces:
            rows.append(_row(piece))
            if len(rows) == GROUP:
                writer.write_table(pa.Table.from_pylist(rows, schema=writer.schema))
                rows.clear()
        writer.write_table(pa.Table.from_pylist(rows, schema=writer.schema))


def split_of(key: bytes) -> str:
    """The split of a key, always the same: one in ten to test, one to valid, the others to train."""
    return {0: "test", 1: "valid"}.get(zlib.crc32(key) % 10, "train")


def counts_of(pieces: Iterable[Piece], classes: Sequence[str]) -> dict[str, int]:
    """Rows, bases, and for each class how many bases of either strand are labelled so; class 0 are the decoys."""
    rows, bases, found = 0, 0, np.zeros(UNSAID + 1, np.int64)
    for piece in pieces:
        rows, bases = rows + 1, bases + len(piece.codes)
        for labels in (piece.forward, piece.reverse):
            if labels is not None:
                found += np.bincount(labels.sites, minlength=UNSAID + 1)
    names = ("decoys", *(f"{name}s" for name in classes[1:]))
    return {"rows": rows, "bases": bases, **dict(zip(names, found.tolist(), strict=False))}


def _schema() -> pa.Schema:
    import pyarrow as pa

    binary = pa.large_binary()
    return pa.schema(
        [
            pa.field("record", pa.string(), nullable=False),
            pa.field("start", pa.int64(), nullable=False),
            pa.field("sequence", binary, nullable=False),
            pa.field("labels", binary, nullable=False),
            pa.field("structure", binary),
            pa.field("reverse_labels", binary),
            pa.field("reverse_structure", binary),
            pa.field("split", pa.string(), nullable=False),
        ]
    )


def _row(piece: Piece) -> dict[str, object]:
    row: dict[str, object] = {"record": piece.record, "start": piece.start, "split": piece.split}
    row["sequence"] = decode(piece.codes)
    for prefix, labels in (("", piece.forward), ("reverse_", piece.reverse)):
        if labels is not None:
            row[f"{prefix}labels"] = labels.sites.tobytes()
            row[f"{prefix}structure"] = None if labels.structure is None else labels.structure.tobytes()
    return row


def _rows(table: pa.Table, split: str) -> Iterator[Piece]:
    assert split in SPLITS, split
    for row in table.to_pylist():
        if row["split"] != split:
            continue
        forward = _labels(row["labels"], row["structure"])
        reverse = None if row["reverse_labels"] is None else _labels(row["reverse_labels"], row["reverse_structure"])
        yield Piece(row["record"], row["start"], encode(row["sequence"]), forward, reverse, split)


def _labels(sites: bytes, structure: bytes | None) -> Labels:
    return Labels(np.frombuffer(sites, np.uint8), None if structure is None else np.frombuffer(structure, np.uint8))


def _runs(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces that follow each other in one record."""
    run: list[Piece] = []
    for piece in pieces:
        if run and (piece.record != run[-1].record or piece.start != run[-1].start + len(run[-1].codes)):
            yield run
            run = []
        run.append(piece)
    if run:
        yield run


def _strands(run: list[Piece]) -> Iterator[Stretch]:
    record, codes = run[0].record, np.concatenate([piece.codes for piece in run])
    yield Stretch(record, codes, *_joined([piece.forward for piece in run]))
    if run[0].reverse is not None:
        labels, structure = _joined([piece.reverse for piece in run if piece.reverse is not None])
        back = None if structure is None else structure[::-1].copy()
        yield Stretch(record, reverse_complement(codes), labels[::-1].copy(), back)


def _joined(parts: list[Labels]) -> Labels:
    structures = [part.structure for part in parts if part.structure is not None]
    whole = np.concatenate(structures) if len(structures) == len(parts) else None
    return Labels(np.concatenate([part.sites for part in parts]), whole)
