"""A scan as a job: written to a file that appears when it is whole, and taken up again where it was stopped."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from seqdl.dna.pipeline import Batch, Scanner, Shard, Source, batches, digest, in_shard
from seqdl.errors import UsageError, unwritable
from seqdl_data.fasta import Piece
from seqdl_data.files import replacing, write_bytes
from seqdl_data.hits import write_hits
from seqdl_data.parts import Parts
from seqdl_data.version import VERSION

if TYPE_CHECKING:
    import pyarrow as pa

EVERY = 10.0  # seconds of work that a kill may cost
ROWS = 1 << 19  # hits in a part, some 60 MB
MANIFEST = "seqdl.scan.shard/1"
Watch = Callable[[int, int], object]  # is given the bases scanned so far, and the hits in them
Say = Callable[[str], object]


def _ignore(*_: object) -> None:
    pass


@dataclass(frozen=True)
class Job:
    """What to scan for, where, and how to write it (`form`: see seqdl_data.hits).

    total: bases, for a shard. reads: files besides the source that must not be written over.
    """

    scanner: Scanner
    source: Source
    form: str
    shard: Shard | None = None
    total: int = 0
    reads: tuple[str, ...] = ()

    def stream(self, target: BinaryIO, watch: Watch = _ignore) -> None:
        """Write the hits as they are found."""
        self._write(target, (batch.table for batch in _watched(self._batches(), watch)))

    def to_file(
        self,
        output: str | os.PathLike[str],
        *,
        restart: bool = False,
        every: float = EVERY,
        watch: Watch = _ignore,
        say: Say = _ignore,
    ) -> None:
        """Write the hits to `output`, whole or not at all, and for a shard `output`.manifest.json.

        Finished work lies in parts beside it, one for each `every` seconds; the same job started again goes on
        behind them, unless told to `restart`. What cannot be replaced, such as /dev/null, is written to at once.
        """
        path = Path(output)
        self._check(path)
        if path.exists() and not path.is_file():
            with replacing(path) as target, target.open("wb") as stream:
                self.stream(stream, watch)
            return
        with Parts(path, self.work(), restart or self.source.read_once) as parts:
            done = parts.done()
            if parts.started_anew:
                say(f"{path}: the unfinished work there was of other options, another input or version: starting anew")
            if done.pieces:
                say(f"{path}: going on behind {done.bases:,} bases, {done.rows:,} hits; --restart begins anew")
            _fill(parts, _watched(self._batches(done.pieces), watch, done.bases, done.rows), every)
            with replacing(path) as temporary, temporary.open("wb") as stream:
                self._write(stream, parts.tables())
            if self.shard is not None:
                write_bytes(f"{path}.manifest.json", self._manifest(path, parts))
            parts.finish()

    def work(self) -> dict[str, Any]:
        """All that decides which hits there are, as a JSON document; the format does not."""
        shard = {} if self.shard is None else {"shard": list(self.shard)}
        return {
            "seqdl_version": VERSION,
            "input": self.source.identity(),
            "scanner": self.scanner.describe(),
            **shard,
        }

    def _batches(self, skip: int = 0) -> Iterator[Batch]:
        """Of all pieces of the job from number `skip` on."""
        pieces: Iterable[Piece] = self.source.for_scanner(self.scanner)
        if self.shard is not None:
            pieces = in_shard(pieces, self.shard, self.total)
        left = (piece for piece in pieces if piece.index >= skip)
        return batches(self.scanner, left, self.source.piece)

    def _write(self, target: BinaryIO, tables: Iterator[pa.Table]) -> None:
        headed = self.shard is None or self.shard.number == 1 or self.form == "parquet"
        source = os.path.basename(self.source.path)
        write_hits(target, self.form, self.scanner.kind, tables, headed=headed, source=source)

    def _manifest(self, path: Path, parts: Parts) -> bytes:
        """What a shard is part of. Shards with one fingerprint belong together."""
        assert self.shard is not None
        whole = {name: value for name, value in self.work().items() if name != "shard"}
        done = parts.done()
        document = {
            "schema": MANIFEST,
            "file": path.name,
            "shard": self.shard.number,
            "of": self.shard.of,
            "fingerprint": digest(json.dumps(whole).encode()),
            "pieces": [parts.first_piece(), done.pieces],
            "bases": done.bases,
            "hits": done.rows,
            "seqdl_version": VERSION,
        }
        return json.dumps(document).encode() + b"\n"

    def _check(self, path: Path) -> None:
        """Say at once what would be found out at the end."""
        if path.is_dir():
            raise unwritable(path, IsADirectoryError(0, "Is a directory"))
        for read in (self.source.path, *self.reads):
            if path.is_file() and os.path.isfile(read) and path.samefile(read):
                raise UsageError(f"{path}: is read by this scan; choose another file to write")


def _watched(found: Iterator[Batch], watch: Watch, bases: int = 0, hits: int = 0) -> Iterator[Batch]:
    watch(bases, hits)
    for batch in found:
        yield batch
        bases, hits = bases + batch.bases, hits + batch.table.num_rows
        watch(bases, hits)


def _fill(parts: Parts, found: Iterator[Batch], every: float) -> None:
    """Put batches into parts: one each `every` seconds, at Ctrl-C and at the end."""
    waiting: list[Batch] = []
    kept = time.monotonic()
    try:
        for batch in found:
            waiting.append(batch)
            rows = sum(each.table.num_rows for each in waiting)
            if rows >= ROWS or time.monotonic() - kept >= every:
                _keep(parts, waiting)
                kept = time.monotonic()
    except KeyboardInterrupt:
        _keep(parts, waiting)
        raise
    _keep(parts, waiting)


def _keep(parts: Parts, waiting: list[Batch]) -> None:
    import pyarrow as pa

    if waiting:
        pieces = (waiting[0].pieces[0], waiting[-1].pieces[1])
        parts.add(pa.concat_tables([each.table for each in waiting]), pieces, sum(each.bases for each in waiting))
        waiting.clear()
