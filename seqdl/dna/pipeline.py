"""Scanning: FASTA pieces in, tables of hits out, in one order whatever the pieces and the threads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from seqdl.errors import UsageError
from seqdl.parallel import in_order
from seqdl_data.dataset import open_bytes
from seqdl_data.faidx import record_lengths
from seqdl_data.fasta import Piece, read_fasta
from seqdl_data.hits import Kind
from seqdl_data.regions import Region, merged
from seqdl_data.sources import must_exist
from seqdl_data.streams import GZIP_MAGIC

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray
PIECE = 1 << 18  # bases


class Scanner(Protocol):
    """What finds hits in pieces of sequence.

    `left` and `right` are the flanks it wants around the positions that a piece owns, `beyond` says whether those
    reach out of a region into its record; `piece` is the size that suits it, in bases. `scan` gives a table of
    seqdl_data.hits.hit_schema() with the hits whose `start` the pieces own, ordered by piece, start, strand and name;
    it runs in several threads at once. `describe` is a JSON document of all that decides the hits.
    """

    @property
    def kind(self) -> Kind: ...
    @property
    def left(self) -> int: ...
    @property
    def right(self) -> int: ...
    @property
    def beyond(self) -> bool: ...
    @property
    def piece(self) -> int: ...
    def scan(self, pieces: Sequence[Piece]) -> pa.Table: ...
    def describe(self) -> dict[str, Any]: ...


class Shard(NamedTuple):
    """Part `number`, from 1, of `of` parts."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """ "2/5": the second of five."""
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise UsageError(f"--shard must be i/n with i from 1 to n, such as 2/5, got {text!r}")
        return cls(int(number), int(of))


@dataclass(frozen=True)
class Source:
    """What is read: a FASTA file ("-": standard input), whole or some regions of it, cut on a grid of `piece` bases."""

    path: str
    regions: tuple[Region, ...] | None = None
    piece: int = PIECE
    chosen: bool = False  # the size of the pieces, by the user: no other will do

    def pieces(self, left: int = 0, right: int = 0, beyond: bool = False) -> Iterator[Piece]:
        return read_fasta(self.path, piece=self.piece, left=left, right=right, regions=self.regions, beyond=beyond)

    def with_piece(self, piece: int) -> Source:
        """The same in pieces of another size, unless somebody has chosen one."""
        return self if self.chosen else replace(self, piece=piece)

    def for_scanner(self, scanner: Scanner) -> Iterator[Piece]:
        return self.pieces(scanner.left, scanner.right, scanner.beyond)

    def bases(self) -> int:
        """How many bases there are: from FILE.fai, else a pass over the file."""
        self.refuse_stdin("the number of its bases")
        lengths = record_lengths(self.path)
        if self.regions is None:
            return sum(length for _, length in lengths)
        wanted = merged(self.regions)
        return sum(
            max(0, min(region.end, length) - region.start)
            for name, length in lengths
            for region in wanted.get(name, ())
        )

    def about(self) -> int:
        """About how many bases there are, without a pass over the file; 0 where that does not tell."""
        if self.regions is not None or self.read_once:
            return 0
        with open_bytes(self.path) as stream:
            packed = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        return 0 if packed else os.path.getsize(self.path)

    @property
    def read_once(self) -> bool:
        """Whether this is standard input or a pipe."""
        return self.path == "-" or (os.path.exists(self.path) and not os.path.isfile(self.path))

    def refuse_stdin(self, why: str) -> None:
        """UsageError if this can be read only once."""
        if self.read_once:
            name = "standard input" if self.path == "-" else self.path
            raise UsageError(f"{name}: can be read only once, and {why} must be known before; save it in a file")

    def identity(self) -> dict[str, Any]:
        """What tells this input from another, as a JSON document."""
        must_exist(self.path)
        about: dict[str, Any] = {"path": self.path}
        if not self.read_once:
            stat = os.stat(self.path)
            about = {"path": os.path.abspath(self.path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        return about | {"piece": self.piece, "regions": digest(repr(self.regions).encode()) if self.regions else None}


class Batch(NamedTuple):
    """The hits of some pieces that follow each other."""

    table: pa.Table
    pieces: tuple[int, int]  # their indices, half-open
    bases: int  # that they own


def batches(scanner: Scanner, pieces: Iterable[Piece], together: int = PIECE) -> Iterator[Batch]:
    """The hits of all pieces, in order, found by as many threads as set; short pieces are scanned together."""

    def work(group: list[Piece]) -> Batch:
        bases = sum(piece.own[1] - piece.own[0] for piece in group)
        return Batch(scanner.scan(group), (group[0].index, group[-1].index + 1), bases)

    return in_order(work, groups(pieces, together))


def groups(pieces: Iterable[Piece], together: int) -> Iterator[list[Piece]]:
    """Pieces that follow each other, of about so many bases: 3 million contigs of 200 bases are 2,300 groups."""
    group: list[Piece] = []
    bases = 0
    for piece in pieces:
        group.append(piece)
        bases += 1 + len(piece.codes)
        if bases >= together:
            yield group
            group, bases = [], 0
    if group:
        yield group


def in_shard(pieces: Iterable[Piece], shard: Shard, total: int) -> Iterator[Piece]:
    """The pieces of one shard: each belongs to the shard that its first base lies in, when the bases of all pieces,
    `total` of them, are cut into equal runs."""
    before = 0
    for piece in pieces:
        if min(shard.of - 1, before * shard.of // max(1, total)) == shard.number - 1:
            yield piece
        before += piece.own[1] - piece.own[0]


class Joined(NamedTuple):
    """Pieces one after the other, with one code between them that no window may hold."""

    codes: Array  # (N,) uint8
    first: Array  # (P,) int64: where each piece begins in `codes`
    shift: Array  # (P,) int64: from a place in `codes` to one in the record
    own: Array  # (P, 2) int64

    @classmethod
    def of(cls, pieces: Sequence[Piece]) -> Joined:
        lengths = np.array([len(piece.codes) + 1 for piece in pieces])
        first = np.cumsum(lengths) - lengths
        if len(pieces) == 1:
            codes = pieces[0].codes
        else:
            codes = np.full(lengths.sum(), 4, np.uint8)
            for at, piece in zip(first.tolist(), pieces, strict=True):
                codes[at : at + len(piece.codes)] = piece.codes
        starts = np.array([piece.start for piece in pieces])
        return cls(codes, first, starts - first, np.array([piece.own for piece in pieces]))

    def places(self, position: Array) -> tuple[Array, Array, Array]:
        """For places in `codes`: the piece, the place in its record, and whether the piece owns it."""
        piece = np.searchsorted(self.first, position, "right") - 1
        place = position + self.shift[piece]
        return piece, place, (place >= self.own[piece, 0]) & (place < self.own[piece, 1])


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
