"""What every seqdl dataset is: a Parquet file (zstd) that says in its schema metadata what it holds.

The metadata is one JSON document under the key `seqdl`, written from a DatasetInfo. Splits are fixed in the
file, as a column `split`, so that two people who read it report the same figure.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seqdl_data.errors import InputError, unreadable
from seqdl_data.version import VERSION

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

KEY = b"seqdl"
PARQUET_MAGIC = b"PAR1"
SCHEMA_VERSION = 1
SPLITS = ("train", "valid", "test")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class DatasetInfo:
    """What a dataset says of itself. `counts` gives for each split its rows, its bytes for a text, its bases and
    sites for DNA; `classes` names the labels.
    """

    name: str
    kind: str
    counts: dict[str, dict[str, int]]
    source: str = ""
    licence: str = ""
    command: str = ""
    classes: tuple[str, ...] = ()
    version: int = SCHEMA_VERSION
    seqdl_version: str = VERSION
    created: str = field(default_factory=_now)  # ISO 8601, UTC


def read_info(path: str | os.PathLike[str]) -> DatasetInfo:
    """What the dataset at `path` says of itself; only the end of the file is read.

    InputError when it cannot be read, is not Parquet or damaged, not made by seqdl, or made by a newer seqdl.
    """
    with open_bytes(path) as stream:
        if not is_parquet(stream):
            raise InputError(f"{os.fspath(path)}: not a Parquet file; `seqdl data build` makes datasets")
        info = stored_info(stream, path)
    if info is None:
        raise InputError(f"{os.fspath(path)}: Parquet, but not made by seqdl; `seqdl data build` makes datasets")
    return info


def provenance(path: str | os.PathLike[str], info: DatasetInfo) -> dict[str, Any]:
    """What a model's card says of the dataset at `path` that it was trained on."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    facts = {"name": info.name, "source": info.source, "licence": info.licence, "command": info.command}
    return {"sha256": digest, "counts": info.counts, **facts}


def stored_info(stream: BinaryIO, name: str | os.PathLike[str]) -> DatasetInfo | None:
    """The DatasetInfo in an open Parquet file, None if seqdl did not make it; `name` is for messages."""
    with open_parquet(stream, name) as file:
        return info_of(file.schema_arrow, name)


def info_of(schema: pa.Schema, name: str | os.PathLike[str]) -> DatasetInfo | None:
    """The DatasetInfo in the metadata of an Arrow schema, None if there is none; `name` is for messages."""
    stored = (schema.metadata or {}).get(KEY)
    return None if stored is None else _parsed(stored, os.fspath(name))


def _parsed(stored: bytes, name: str) -> DatasetInfo:
    try:
        fields: dict[str, Any] = json.loads(stored)
        if fields["version"] > SCHEMA_VERSION:
            raise InputError(f"{name}: made by seqdl {fields.get('seqdl_version')}, newer than {VERSION}; upgrade")
        fields["classes"] = tuple(fields.get("classes", ()))  # which the first text datasets did not have
        return DatasetInfo(**{each.name: fields[each.name] for each in dataclasses.fields(DatasetInfo)})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{name}: damaged `seqdl` metadata ({error}); build the dataset again") from error


def open_bytes(path: str | os.PathLike[str]) -> BinaryIO:
    """The file at `path`, open for reading bytes; InputError if that cannot be done."""
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise unreadable(path, error) from error


def is_parquet(stream: BinaryIO) -> bool:
    """Whether a seekable file that stands at its beginning starts as Parquet does; it is wound back."""
    magic = stream.read(len(PARQUET_MAGIC))
    stream.seek(0)
    return magic == PARQUET_MAGIC


@contextmanager
def open_parquet(stream: BinaryIO, name: str | os.PathLike[str]) -> Iterator[pq.ParquetFile]:
    """A ParquetFile that verifies page checksums; what Arrow raises inside the block becomes InputError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(stream, buffer_size=1 << 20, page_checksum_verification=True) as file:
            yield file
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last from damaged names of columns
        reason = str(error).partition("\n")[0]
        raise InputError(f"{os.fspath(name)}: damaged Parquet, or a kind we cannot read: {reason}") from error


@contextmanager
def parquet_writer(
    target: Path | BinaryIO, schema: pa.Schema, info: DatasetInfo, dictionary: Sequence[str] = ("split",)
) -> Iterator[pq.ParquetWriter]:
    """A ParquetWriter for a dataset; `target` is usually the temporary path of `replacing`, or an open stream.

    The columns named in `dictionary` alone are dictionary coded: a payload that never repeats would only cost memory.
    """
    import pyarrow.parquet as pq

    described = schema.with_metadata({KEY: json.dumps(dataclasses.asdict(info)).encode()})
    # A handle of our own: Arrow refuses names that are not UTF-8.
    with (
        target.open("wb") if isinstance(target, Path) else nullcontext(target) as stream,
        pq.ParquetWriter(
            stream, described, compression="zstd", use_dictionary=list(dictionary), write_page_checksum=True
        ) as writer,
    ):
        yield writer
