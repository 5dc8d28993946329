"""The one FASTA reader of the house: records in overlapping pieces, whole or some regions of them.

A piece *owns* positions: whoever looks for windows reports those that begin (or are centred) at an owned position,
and sees enough of the flanks to judge them. Each position is owned once, so nothing is lost or found twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import count
from typing import BinaryIO, NamedTuple

import numpy as np

from seqdl_data.errors import InputError, UsageError
from seqdl_data.faidx import FaiRecord, Index, indexed
from seqdl_data.fasta_text import BLANKS, FastaText, bad_letter
from seqdl_data.nucleotides import BAD, CODES
from seqdl_data.regions import END, Region, merged
from seqdl_data.sources import must_exist, source_name, text_blocks
from seqdl_data.streams import PIECE


class Piece(NamedTuple):
    record: str  # name: the first word after >
    start: int  # 0-based position in the record of codes[0]
    codes: np.ndarray  # uint8 (N,): A0 C1 G2 T3 U3, any other IUPAC letter 4; a fresh array
    own: tuple[int, int]  # half-open, in record coordinates: the positions this piece answers for
    index: int  # type: ignore[assignment]  # hides tuple.index; 0, 1, 2 ... in the order of the stream
    last: bool  # the last piece of its record (or region)


def read_fasta(
    path: str | os.PathLike[str],
    *,
    piece: int = PIECE,
    left: int = 0,
    right: int = 0,
    regions: Sequence[Region] | None = None,
    beyond: bool = False,
    stdin: BinaryIO | None = None,
) -> Iterator[Piece]:
    """The records of a FASTA file in pieces, in the file's order; memory is bounded by a few pieces.

    `path` is a file or `-` for standard input (`stdin` stands in for sys.stdin.buffer), plain, gzip or bgzip as its
    content tells. Own ranges are cut at multiples of `piece` in record coordinates; codes cover them plus up to
    `left` bases before and `right` after, as far as the record reaches. A record without bases gives one Piece that
    owns (0, 0).

    With `regions` only these are read: sorted by the file's order, overlapping ones merged, own ranges cut at the
    same multiples. Flanks stop at the region's ends, or with `beyond` reach into the record around it. Plain and
    bgzip files are read through FILE.fai, which is written if there is none that fits and the folder allows it;
    others are streamed and filtered.

    Upper and lower case are equal, U is T, all IUPAC letters are legal, blanks and empty lines do not count.
    InputError with file, line, record and 1-based position for any other letter, gaps included; for text before the
    first `>`, a record without a name, two of one name, an empty file, a file of another kind, truncated gzip, and
    a region outside its record: when reading gets there. A missing file is reported at once, as is wrong use
    (UsageError).
    """
    if piece < 1 or left < 0 or right < 0:
        raise UsageError(f"pieces of {piece} bases with flanks of {left} and {right}: at least 1, 0 and 0 are needed")
    must_exist(path)
    if regions is not None and not regions:
        return iter(())
    cutting = _Cutting(piece, left, right, beyond)
    if regions is None:
        return _streamed(FastaText(text_blocks(path, stdin), source_name(path)), cutting)
    return _regions(path, merged(regions), cutting, stdin)


class _Cutting(NamedTuple):
    piece: int
    left: int
    right: int
    beyond: bool


class _Cell(NamedTuple):
    """A piece to be: it owns [start, end) and wants the bases [low, high), clipped to the record."""

    start: int
    end: int
    low: int
    high: int
    last: bool


def _cells(regions: Sequence[Region], cutting: _Cutting) -> Iterator[_Cell]:
    """The cells of regions of one record, in order; `end` and `high` never fall. Endless if a region is."""
    piece, left, right, beyond = cutting
    for _, start, stop in regions:
        first, limit = (0, END) if beyond else (start, stop)
        while start < stop:
            end = min(stop, (start // piece + 1) * piece)
            yield _Cell(start, end, max(first, start - left), min(limit, end + right), end == stop)
            start = end


class _Cutter:
    """Makes pieces of the codes of one record as they pass by."""

    def __init__(self, regions: Sequence[Region], cutting: _Cutting, numbers: Iterator[int], length: int = 0) -> None:
        """`length`: how many bases of the record have passed already; no cell wants one of them."""
        self.length = length
        self._record = regions[0].record
        self._cells = _cells(regions, cutting)
        self._numbers = numbers
        self._held = bytearray()  # the codes of positions [length - len(held), length)
        self._cell = next(self._cells, None)

    def feed(self, codes: bytes) -> Iterator[Piece]:
        self._held += codes
        self.length += len(codes)
        # A cell that is not known to be the last waits for one base more, to see whether it is.
        while (cell := self._cell) and self.length >= cell.high and (cell.last or self.length > cell.end):
            yield self._next_piece(cell)
        self._forget()

    def finish(self) -> Iterator[Piece]:
        """What is left when the record, or the range of it that was read, has ended."""
        while (cell := self._cell) and (cell.start < self.length or cell.start == 0):
            yield self._next_piece(cell)

    def _next_piece(self, cell: _Cell) -> Piece:
        at = self.length - len(self._held)
        end = min(cell.end, self.length)
        # Of a bytearray's slice numpy makes a fresh array that can be written to.
        codes = np.frombuffer(self._held[cell.low - at : cell.high - at], np.uint8)
        self._cell = next(self._cells, None)
        last = cell.last or end == self.length
        return Piece(self._record, cell.low, codes, (cell.start, end), next(self._numbers), last)

    def _forget(self) -> None:
        """Drop what no cell will want."""
        low = self._cell.low if self._cell else self.length
        del self._held[: max(0, low - (self.length - len(self._held)))]


def _streamed(text: FastaText, cutting: _Cutting, wanted: dict[str, list[Region]] | None = None) -> Iterator[Piece]:
    numbers = count()
    cutter: _Cutter | None = None
    missing = set(wanted or ())
    regions: Sequence[Region] = ()
    for chunk in text.chunks():
        if cutter is None:
            missing.discard(chunk.record)
            regions = [Region(chunk.record)] if wanted is None else wanted.get(chunk.record, [])
            if not regions:
                continue
            codes = text.codes(chunk, 0)
            if chunk.ended and wanted is None and len(codes) <= cutting.piece:  # the usual case of millions of contigs
                array = np.frombuffer(bytearray(codes), np.uint8)
                yield Piece(chunk.record, 0, array, (0, len(codes)), next(numbers), True)
                continue
            cutter = _Cutter(regions, cutting, numbers)
        else:
            codes = text.codes(chunk, cutter.length)
        yield from cutter.feed(codes)
        if chunk.ended:
            _must_fit(regions, cutter.length, text.name)
            yield from cutter.finish()
            cutter = None
    if wanted and missing:
        raise _unknown(wanted[min(missing)][0], text.name)


def _regions(
    path: str | os.PathLike[str], wanted: dict[str, list[Region]], cutting: _Cutting, stdin: BinaryIO | None
) -> Iterator[Piece]:
    with indexed(path, wanted.keys()) as index:
        if index is None:
            yield from _streamed(FastaText(text_blocks(path, stdin), source_name(path)), cutting, wanted)
            return
        name = source_name(path)
        for regions in wanted.values():
            if regions[0].record not in index.records:
                raise _unknown(regions[0], name)
            _must_fit(regions, index.records[regions[0].record].length, name)
        numbers = count()
        for record in index.records.values():
            for region in wanted[record.name]:
                yield from _fetched(index, record, region, cutting, numbers, name)


def _fetched(
    index: Index, record: FaiRecord, region: Region, cutting: _Cutting, numbers: Iterator[int], name: str
) -> Iterator[Piece]:
    """The pieces of one region, of whose record only this part is read."""
    stop = min(region.end, record.length)
    start = max(0, region.start - cutting.left) if cutting.beyond else region.start
    end = min(record.length, stop + cutting.right) if cutting.beyond else stop
    cutter = _Cutter([region._replace(end=stop) if stop else region], cutting, numbers, length=start)
    for raw in index.raw(record, start, end):
        codes = raw.translate(CODES, BLANKS)
        if BAD in codes:
            raise bad_letter(name, record.name, cutter.length + codes.index(BAD), raw)
        yield from cutter.feed(codes)
    if cutter.length != end:
        raise InputError(f"{name}: record {record.name} is not as {name}.fai describes it; delete that file")
    yield from cutter.finish()


def _must_fit(regions: Sequence[Region], length: int, name: str) -> None:
    for region in regions:
        if (region.end != END and region.end > length) or (region.start and region.start >= length):
            raise InputError(f"{name}: record {region.record} has {length} bases; region {region} reaches beyond")


def _unknown(region: Region, name: str) -> InputError:
    advice = "names are the first word after >"
    if region.end != END:
        advice += f"; a name that ends like a span goes in braces: {{{region}}}"
    return InputError(f"{name}: no record {region.record!r}; {advice}")
