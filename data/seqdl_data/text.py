"""A text dataset: the bytes of a corpus as Parquet rows, cut once and for all into train, valid and test."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fractions import Fraction
from os import PathLike
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from seqdl_data.corpus import read_pieces
from seqdl_data.dataset import SPLITS, DatasetInfo, parquet_writer
from seqdl_data.errors import InputError, UsageError
from seqdl_data.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ROW = 1 << 16  # bytes of text in a row; the last row of a split has fewer
GROUP = 256  # rows in a row group, 16 MiB: what a reader or writer holds at a time


def build_text(
    paths: Sequence[str | PathLike[str]],
    output: str | PathLike[str],
    *,
    name: str | None = None,
    valid_fraction: float = 0.1,
    test_fraction: float = 0.0,
    source: str = "",
    licence: str = "",
    command: str = "",
    stdin: BinaryIO | None = None,
) -> DatasetInfo:
    """Write the corpus at `paths` (see `read_pieces`) to the Parquet file `output`; return its description.

    Rows are `text` (bytes, up to 64 KiB, cut anywhere) and `split`, in the order of the corpus: the first
    bytes are train, then come valid and test. Both fractions are of the bytes, at least 0 and together below
    1; train has int(n * (1 - valid - test)) of n bytes. `name` is by default that of `output` without ending.

    Memory stays the same for a corpus of any size, but its plain bytes are first copied to a nameless file in
    the folder of `output`, which needs the space.
    UsageError for fractions out of range or an output inside a folder that is read, InputError for a corpus
    that is empty, missing or damaged, OutputError when writing fails; then `output` stays as it was.
    """
    _check_fractions(valid_fraction, test_fraction)
    _check_apart(paths, output)
    pieces = read_pieces(paths, stdin=stdin)
    # Not in /tmp, which is often memory. The spool has no name, so even a kill leaves nothing behind.
    with replacing(output) as temporary, TemporaryFile(dir=temporary.parent) as spool:
        total = _spool(pieces, spool)
        if not total:
            raise InputError(f"{', '.join(os.fspath(path) for path in paths)}: no text, every file is empty")
        sizes = split_sizes(total, valid_fraction, test_fraction)
        info = DatasetInfo(
            name=Path(output).stem if name is None else name,
            kind="text",
            counts={split: {"rows": -(-size // ROW), "bytes": size} for split, size in sizes.items()},
            source=source,
            licence=licence,
            command=command,
        )
        with parquet_writer(temporary, _schema(), info) as writer:
            for split, size in sizes.items():
                _write_split(writer, spool, split, size)
    return info


def split_sizes(total: int, valid_fraction: float, test_fraction: float) -> dict[str, int]:
    """How many of `total` bytes go to each split."""
    # As decimals: in floats 1 - 0.8 - 0.1 is a little under 0.1, and 10 bytes would leave none to train.
    valid, test = Fraction(str(valid_fraction)), Fraction(str(test_fraction))
    ends = (int(total * (1 - valid - test)), int(total * (1 - test)), total)
    return dict(zip(SPLITS, (ends[0], ends[1] - ends[0], ends[2] - ends[1]), strict=True))


def _check_fractions(valid: float, test: float) -> None:
    if not (valid >= 0 and test >= 0 and valid + test < 1):
        raise UsageError(
            f"valid fraction {valid} and test fraction {test}: each must be at least 0, and their sum below 1"
        )


def _check_apart(paths: Sequence[str | PathLike[str]], output: str | PathLike[str]) -> None:
    """A second build would read the first one's output, and valid would turn up in train."""
    target = Path(output).resolve()
    for path in paths:
        if os.path.isdir(path) and target.is_relative_to(Path(path).resolve()):
            raise UsageError(f"{os.fspath(output)}: lies in {os.fspath(path)}, which is read; put it elsewhere")


def _spool(pieces: Iterable[bytes], spool: BinaryIO) -> int:
    total = sum(spool.write(piece) for piece in pieces)
    spool.seek(0)
    return total


def _write_split(writer: pq.ParquetWriter, spool: BinaryIO, split: str, size: int) -> None:
    import pyarrow as pa

    for start in range(0, size, ROW * GROUP):
        group = spool.read(min(ROW * GROUP, size - start))
        rows = [group[at : at + ROW] for at in range(0, len(group), ROW)]
        writer.write_table(pa.table({"text": rows, "split": [split] * len(rows)}, schema=writer.schema))


def _schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [pa.field("text", pa.large_binary(), nullable=False), pa.field("split", pa.string(), nullable=False)]
    )
