"""A corpus as a stream of bytes: files, folders, standard input; plain, gzip or Parquet, told by content."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from seqdl_data.dataset import (
    PARQUET_MAGIC,
    SPLITS,
    DatasetInfo,
    info_of,
    is_parquet,
    open_bytes,
    open_parquet,
    stored_info,
)
from seqdl_data.errors import InputError, UsageError, unreadable
from seqdl_data.streams import GZIP_MAGIC, PIECE, cut, plain_pieces, standard_input, unzipped

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH = 256  # Parquet rows at a time; 16 MiB of a text dataset
TEXT_TYPES = {"string", "large_string", "string_view", "binary", "large_binary", "binary_view"}


def read_pieces(
    paths: Sequence[str | PathLike[str]], *, split: str | None = None, stdin: BinaryIO | None = None
) -> Iterator[bytes]:
    """The bytes of a corpus, in order, in pieces of 1 byte to 1 MiB.

    Each path is a file (any bytes; gzip and Parquet are recognised by their first bytes, not by name), a
    folder (every file below it in the order of their paths, without hidden ones) or `-` for standard input.
    Files follow each other without a separator. Of Parquet the column `text` is read, or the only column of
    strings or bytes; rows without a value are skipped and each other row ends in a newline.

    A text dataset made by seqdl gives its text byte for byte; there `split` ("train", "valid" or "test")
    selects rows. `split` with any other input is a UsageError. `stdin` stands in for sys.stdin.buffer.

    InputError for a file that is missing, unreadable or damaged, and for an empty folder; the missing are
    reported at once, the damaged when reading gets there.
    """
    if split is not None and split not in SPLITS:
        raise UsageError(f"no split {split!r}; choose one of {', '.join(SPLITS)}")
    files = [file for path in paths for file in _files(os.fspath(path))]
    return chain.from_iterable(_read(file, split, stdin) for file in files)


def read_lines(path: str | PathLike[str]) -> Iterator[bytes]:
    """The lines of a file, plain or gzip, without their ends (LF or CRLF); errors as for read_pieces."""
    rest = b""
    for piece in read_pieces([path]):
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.rstrip(b"\r") for line in lines)
    if rest:
        yield rest.rstrip(b"\r")


def has_splits(path: str | PathLike[str]) -> bool:
    """Whether `path` is a text dataset made by seqdl, with fixed splits; False for what is not a file."""
    if os.fspath(path) == "-" or not os.path.isfile(path):
        return False
    with open_bytes(path) as stream:
        info = stored_info(stream, path) if is_parquet(stream) else None
    return info is not None and info.kind == "text"


def _files(path: str) -> list[str]:
    try:
        folder = path != "-" and stat.S_ISDIR(os.stat(path).st_mode)
        files = _files_below(path) if folder else [path]
    except OSError as error:
        raise unreadable(error.filename or path, error) from error
    if not files:
        raise InputError(f"{path}: no files in this folder (hidden ones do not count)")
    return files


def _files_below(folder: str) -> list[str]:
    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return [str(path) for path in sorted(found) if path.is_file()]


def _raise(error: OSError) -> None:
    raise error


def _read(path: str, split: str | None, stdin: BinaryIO | None) -> Iterator[bytes]:
    if path == "-":
        yield from _stream_pieces(stdin or standard_input(), "standard input", split)
    else:
        with open_bytes(path) as stream:
            yield from _stream_pieces(stream, path, split)


def _stream_pieces(stream: BinaryIO, name: str, split: str | None) -> Iterator[bytes]:
    pieces = plain_pieces(stream, name)
    head = next(pieces, b"")
    if head.startswith(PARQUET_MAGIC):
        yield from _parquet_pieces(stream, name, split)
        return
    _refuse_split(name, split)
    if head.startswith(GZIP_MAGIC):
        yield from unzipped(chain([head], pieces), name)
    elif head:
        yield head
        yield from pieces


def _refuse_split(name: str, split: str | None) -> None:
    if split is not None:
        raise UsageError(f"{name}: has no split {split!r}; only a file from `seqdl data build text` has splits")


def _parquet_pieces(stream: BinaryIO, name: str, split: str | None) -> Iterator[bytes]:
    if not stream.seekable():
        raise InputError(f"{name}: Parquet cannot come through a pipe; give the file itself")
    with open_parquet(stream, name) as file:
        info = info_of(file.schema_arrow, name)
        if info is None:
            _refuse_split(name, split)
            yield from _foreign_rows(file, name)
        elif info.kind == "text":
            yield from _checked(_dataset_rows(file, split), info, split, name)
        else:
            raise InputError(f"{name}: a dataset of kind {info.kind!r}, where text is needed")


def _checked(rows: Iterator[bytes], info: DatasetInfo, split: str | None, name: str) -> Iterator[bytes]:
    """The rows; InputError after the last if they are not as many bytes as the metadata promises."""
    missing = sum(count.get("bytes", 0) for each, count in info.counts.items() if split in (None, each))
    for row in rows:
        missing -= len(row)
        yield row
    if missing:
        raise InputError(f"{name}: its text is not the one its metadata describes; build the dataset again")


def _dataset_rows(file: pq.ParquetFile, split: str | None) -> Iterator[bytes]:
    import pyarrow.compute as pc

    if not {"text", "split"} <= set(file.schema_arrow.names):
        return  # somebody has dropped columns; the caller sees that bytes are missing
    for group in range(file.num_row_groups):
        # The few bytes of the split column tell whether to decompress the text at all.
        here = file.read_row_group(group, columns=["split"], use_threads=False)["split"]
        if split is not None and split not in here.unique().to_pylist():
            continue
        for rows in file.iter_batches(BATCH, row_groups=[group], use_threads=False):
            wanted = rows if split is None else rows.filter(pc.equal(rows["split"], split))
            yield from wanted["text"].to_pylist()


def _foreign_rows(file: pq.ParquetFile, name: str) -> Iterator[bytes]:
    column = _text_column(file.schema_arrow, name)
    for rows in file.iter_batches(BATCH, columns=[column], use_threads=False):
        lines = (row if row.endswith(b"\n") else row + b"\n" for row in _as_bytes(rows.column(0)))
        yield from cut(b"".join(lines), PIECE)


def _as_bytes(column: pa.Array) -> list[bytes]:
    import pyarrow as pa

    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    return plain.cast(pa.large_binary()).drop_null().to_pylist()


def _text_column(schema: pa.Schema, name: str) -> str:
    texts = [field.name for field in schema if _is_text(field.type)]
    if "text" in texts:
        return "text"
    if len(texts) == 1:
        return texts[0]
    columns = ", ".join(f"{field.name} ({field.type})" for field in schema)
    raise InputError(f"{name}: cannot tell which column is the text; call it `text`. Columns: {columns}")


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return str(kind.value_type if pa.types.is_dictionary(kind) else kind) in TEXT_TYPES
