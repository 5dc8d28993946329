"""The `.fai` index of a FASTA file, as samtools writes it: where each record's bases stand in the (unpacked) file.

Five columns: name, bases, byte of the first base, bases a line, bytes a line. It works for records all of whose
lines but the last are equally long.
"""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from seqdl_data.dataset import open_bytes
from seqdl_data.errors import InputError, OutputError, UsageError
from seqdl_data.fasta_text import BLANKS, FastaText
from seqdl_data.files import write_bytes
from seqdl_data.ranges import Ranges, open_ranges
from seqdl_data.sources import must_exist, source_name, text_blocks
from seqdl_data.streams import PIECE

NEAR = 1 << 12  # bytes around a record that are looked at to see whether an index fits


class NotIndexable(InputError):
    """A record whose lines differ in length; it can be read from the beginning of the file only."""


class FaiRecord(NamedTuple):
    name: str
    length: int  # bases
    offset: int  # of the first base, in the unpacked file
    line_bases: int
    line_width: int  # bytes of a line, its end included

    def at(self, base: int) -> int:
        """The byte at which a base stands."""
        line, column = divmod(base, self.line_bases or 1)
        return self.offset + line * self.line_width + column

    @property
    def end(self) -> int:
        """The byte after the last base."""
        return self.at(self.length - 1) + 1 if self.length else self.offset


def read_fai(path: str | os.PathLike[str]) -> list[FaiRecord]:
    """The records of a `.fai` file; InputError with the line for anything else."""
    with open_bytes(path) as stream:
        return list(_parsed(stream, os.fspath(path)))


def write_fai(path: str | os.PathLike[str], records: Iterable[FaiRecord]) -> None:
    """Write a `.fai` file, whole or not at all; OutputError if that cannot be done."""
    write_bytes(path, _as_text(records))


def index_fasta(path: str | os.PathLike[str]) -> list[FaiRecord]:
    """The index of a plain or bgzip FASTA file, made by reading it; nothing is written.

    InputError for other gzip and for what read_fasta refuses, letters apart; NotIndexable for uneven lines.
    """
    must_exist(path)
    with open_ranges(path) as ranges:
        if ranges is None:
            raise InputError(f"{source_name(path)}: only a plain or bgzip file has an index; pack it anew with bgzip")
    return list(_scanned(path))


def record_lengths(path: str | os.PathLike[str]) -> Iterator[tuple[str, int]]:
    """Name and length of each record, in the file's order; from FILE.fai if that fits, else from a pass over the file.

    For progress and shards: letters are not looked at. UsageError for standard input, which can be read only once.
    """
    if os.fspath(path) == "-":
        raise UsageError("standard input can be read only once; the lengths in it are not known before")
    must_exist(path)
    return _lengths(path)


def _lengths(path: str | os.PathLike[str]) -> Iterator[tuple[str, int]]:
    with open_ranges(path) as ranges:
        fresh = ranges is not None and _stored(path, ranges, ()) is not None
    if fresh:
        yield from ((record.name, record.length) for record in sorted(read_fai(_beside(path)), key=_by_offset))
        return
    length = 0
    for chunk in FastaText(text_blocks(path), source_name(path)).chunks():
        length += len(chunk.raw.translate(None, BLANKS))
        if chunk.ended:
            yield chunk.record, length
            length = 0


class Index(NamedTuple):
    """Some records of an open file, in its order."""

    ranges: Ranges
    records: dict[str, FaiRecord]

    def raw(self, record: FaiRecord, start: int, end: int) -> Iterator[bytes]:
        """The text of bases [start, end), in blocks of at most 1 MiB."""
        stop = record.at(end - 1) + 1 if end > start else 0
        for at in range(record.at(start), stop, PIECE):
            yield self.ranges.read(at, min(at + PIECE, stop))


@contextmanager
def indexed(path: str | os.PathLike[str], names: Collection[str]) -> Iterator[Index | None]:
    """The file open for reading these records anywhere; names it does not have are left out.

    FILE.fai is used if it is not older than the file and fits it; else the index is made, and written where the
    folder allows that. None for a file that has to be streamed: standard input, gzip that is not bgzip's, and a
    file with uneven lines.
    """
    with open_ranges(path) as ranges:
        records = None
        if ranges is not None:
            records = _stored(path, ranges, names) or _made(path, names)
        if ranges is None or records is None:
            yield None
        else:
            yield Index(ranges, records)


def _stored(path: str | os.PathLike[str], ranges: Ranges, names: Collection[str]) -> dict[str, FaiRecord] | None:
    """The named records of FILE.fai; None if one is missing or anything tells that the index is of another file."""
    beside = _beside(path)
    try:
        if os.stat(beside).st_mtime_ns < os.stat(path).st_mtime_ns:
            return None
        found: dict[str, FaiRecord] = {}
        last: FaiRecord | None = None
        with open_bytes(beside) as stream:
            for record in _parsed(stream, beside):
                last = record if last is None or record.offset >= last.offset else last
                if record.name in names:
                    if record.name in found:
                        return None
                    found[record.name] = record
    except (OSError, InputError):
        return None
    if last is None or len(found) < len(names):
        return None
    if not all(_fits(ranges, record) for record in (last, *found.values())):
        return None
    if ranges.size > last.end + NEAR or ranges.read(last.end, ranges.size).strip(BLANKS):
        return None  # the file goes on after the last record
    return dict(sorted(found.items(), key=lambda item: item[1].offset))


def _fits(ranges: Ranges, record: FaiRecord) -> bool:
    """Whether header, first line and end of the record are where the index says, with a header or nothing after."""
    if record.end > ranges.size:
        return False
    header = ranges.read(max(0, record.offset - NEAR), record.offset)
    header = header[header.rfind(b"\n", 0, -1) + 1 :].lstrip(b"\xef\xbb\xbf")
    words = header[1:].split(None, 1)
    line_end = ranges.read(record.offset + record.line_bases, record.offset + record.line_width)
    rest = ranges.read(record.end, record.end + NEAR)
    following = rest.lstrip(BLANKS)
    return (
        header.startswith(b">")
        and header.endswith(b"\n")
        and bool(words)
        and words[0].decode(errors="backslashreplace") == record.name
        and (record.length <= record.line_bases or line_end in (b"\n", b"\r\n"))
        and (not following or (following.startswith(b">") and (not record.length or rest[:1] in (b"\r", b"\n"))))
    )


def _made(path: str | os.PathLike[str], names: Collection[str]) -> dict[str, FaiRecord] | None:
    try:
        text = _as_text(_scanned(path))  # as text millions of records take little memory
    except NotIndexable:
        return None
    with suppress(OutputError):  # it is made again the next time
        write_bytes(_beside(path), text)
    return {record.name: record for record in _parsed(io.BytesIO(text), _beside(path)) if record.name in names}


def _beside(path: str | os.PathLike[str]) -> str:
    return os.fspath(path) + ".fai"


def _by_offset(record: FaiRecord) -> int:
    return record.offset


def _as_text(records: Iterable[FaiRecord]) -> bytes:
    text = io.BytesIO()
    for record in records:
        text.write("\t".join(map(str, record)).encode() + b"\n")
    return text.getvalue()


def _parsed(lines: Iterable[bytes], name: str) -> Iterator[FaiRecord]:
    for number, line in enumerate(lines, 1):
        try:
            record, *numbers = line.rstrip(b"\r\n").split(b"\t")
            length, offset, line_bases, line_width = map(int, numbers)
            decoded = record.decode()
        except ValueError:
            raise InputError(f"{name}:{number}: expected NAME and four numbers, as in samtools' .fai") from None
        if min(length, offset, line_bases) < 0 or line_width < line_bases or (length and not line_bases):
            raise InputError(f"{name}:{number}: a line of {line_bases} bases in {line_width} bytes cannot be")
        yield FaiRecord(decoded, length, offset, line_bases, line_width)


def _scanned(path: str | os.PathLike[str]) -> Iterator[FaiRecord]:
    name = source_name(path)
    lines: _Lines | None = None
    for chunk in FastaText(text_blocks(path), name).chunks():
        if lines is None:
            lines = _Lines(f"{name}: record {chunk.record}", chunk.offset)
        lines.feed(chunk.raw)
        if chunk.ended:
            yield lines.finish(chunk.record)
            lines = None


class _Lines:
    """The line layout of one record, gathered from its text."""

    def __init__(self, where: str, offset: int) -> None:
        self._where, self._offset = where, offset
        self._length = 0  # bases so far
        self._line_bases = -1  # of the first line, once it is complete
        self._end = -1  # bytes of a line end: 1, or 2 with a carriage return
        self._open = 0  # bytes of the line that has not ended yet
        self._short = False  # whether a line was shorter, so that no base may follow

    def feed(self, raw: bytes) -> None:
        bases = len(raw.translate(None, BLANKS))
        widths = [len(line) for line in raw.split(b"\n")]
        returns = raw.count(b"\r\n")
        last_return = raw.endswith(b"\r")  # before the next record, whose header has taken the "\n"
        if len(raw) != bases + len(widths) - 1 + returns + last_return:
            raise self._uneven("blanks among the bases")
        self._length += bases
        widths[0] += self._open
        self._open = widths.pop() - last_return
        if not widths:
            return
        if returns not in (0, len(widths)) or self._end not in (-1, 2 if returns else 1):
            raise self._uneven("line ends of two kinds")
        self._end = 2 if returns else 1
        self._add([width - 1 for width in widths] if returns else widths)

    def _add(self, lines: list[int]) -> None:
        """Lines that are complete, as their numbers of bases."""
        if self._line_bases < 0:
            self._line_bases = lines[0]
        if not self._short and lines.count(self._line_bases) == len(lines):
            return
        for bases in lines:
            if bases > (0 if self._short else self._line_bases):
                raise self._uneven("lines of different length")
            self._short |= bases < self._line_bases

    def finish(self, name: str) -> FaiRecord:
        if self._open:
            self._add([self._open])
        line_bases = self._line_bases if self._length else 0
        return FaiRecord(name, self._length, self._offset, line_bases, line_bases and line_bases + max(1, self._end))

    def _uneven(self, what: str) -> NotIndexable:
        return NotIndexable(f"{self._where}: {what}, so it cannot be indexed; seqkit seq writes it anew")
