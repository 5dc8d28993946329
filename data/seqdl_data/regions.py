"""Regions of a genome: `chr:a-b` of the command line, and BED files, also of introns."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from seqdl_data.errors import InputError, UsageError
from seqdl_data.sources import must_exist, source_name, text_blocks

END = sys.maxsize  # as `end` of a region: wherever the record ends
LINE_LIMIT = 1 << 20  # bytes
SPAN = re.compile(r"(?P<name>\{.+\}|.+):(?P<start>[\d,]+)-(?P<end>[\d,]*)")


class Region(NamedTuple):
    """Bases [start, end) of a record, 0-based; `end` is END for "to the end of the record"."""

    record: str
    start: int = 0
    end: int = END

    def __str__(self) -> str:
        span = "" if self.end == END else str(self.end)
        return self.record if self[1:] == (0, END) else f"{self.record}:{self.start + 1}-{span}"


class Intron(NamedTuple):
    """Bases [start, end) of a record, 0-based, that are cut out of a message read on `strand`, "+" or "-"."""

    record: str
    start: int
    end: int
    strand: str

    @property
    def donor(self) -> int:
        """The last base of the exon before it, as a hit of `dna.scan` has it in `start`."""
        return self.start - 1 if self.strand == "+" else self.end

    @property
    def acceptor(self) -> int:
        """The first base of the exon after it, as a hit of `dna.scan` has it in `start`."""
        return self.end if self.strand == "+" else self.start - 1

    @property
    def sites(self) -> tuple[tuple[str, int, str, str], ...]:
        """Donor and acceptor, each as a hit's (sequence_name, start, strand, name)."""
        ends = (("donor", self.donor), ("acceptor", self.acceptor))
        return tuple((self.record, at, self.strand, name) for name, at in ends)


def parse_region(text: str) -> Region:
    """The region written as `chr:a-b` (1-based, both included; commas allowed), `chr:a-` or `chr`.

    A name with colons needs nothing special unless it ends like a span: `{chr1:1-9}` and `{chr1:1-9}:2-3` say
    what the name is. UsageError for no name, and for a span that begins at 0 or ends before it begins.

    >>> parse_region("chr2:1,001-2,000")
    Region(record='chr2', start=1000, end=2000)
    """
    span = SPAN.fullmatch(text)
    name = span["name"] if span else text
    name = name[1:-1] if name.startswith("{") and name.endswith("}") else name
    if not name:
        raise UsageError("an empty region; write NAME:START-END, such as chr1:1001-2000")
    if not span:
        return Region(name)
    try:
        start = int(span["start"].replace(",", "")) - 1
        end = int(span["end"].replace(",", "")) if span["end"] else END
    except ValueError:  # nothing but commas
        start = end = -1
    if not 0 <= start < end:
        raise UsageError(f"region {text!r}: positions count from 1 and the start is not above the end")
    return Region(name, start, end)


def read_bed(path: str | os.PathLike[str], *, stdin: BinaryIO | None = None) -> list[Region]:
    """The intervals of a BED file (three columns or more; plain, gzip or `-`), in its order.

    Blank lines, comments, `track` and `browser` lines are skipped, and so are intervals of length 0, which hold no
    base. InputError with the line for anything else, and for a file without intervals.
    """
    found = [_interval(words, where) for where, words in _rows(path, stdin)]
    return [region for region in found if region.start < region.end]


def read_introns(path: str | os.PathLike[str], *, stdin: BinaryIO | None = None) -> list[Intron]:
    """The introns of a BED file with a strand in its sixth column, in its order; otherwise as `read_bed`.

    InputError also for a strand that is neither + nor -.
    """
    found = []
    for where, words in _rows(path, stdin):
        strand = words[5].decode(errors="backslashreplace") if len(words) > 5 else ""
        if strand not in ("+", "-"):
            raise InputError(f"{where}: expected the intron's strand, + or -, in column 6, found {strand!r}")
        found.append(Intron(*_interval(words, where), strand))
    return [intron for intron in found if intron.start < intron.end]


def _rows(path: str | os.PathLike[str], stdin: BinaryIO | None) -> Iterator[tuple[str, list[bytes]]]:
    """file:line and the columns, of the lines that hold an interval; InputError where there is none."""
    must_exist(path)
    name, empty = source_name(path), True
    for number, line in enumerate(_lines(text_blocks(path, stdin), name), 1):
        words = [word.strip() for word in (line.split(b"\t") if b"\t" in line else line.split())]
        if not any(words) or words[0].startswith(b"#") or words[0].split()[:1] in ([b"track"], [b"browser"]):
            continue
        empty = False
        yield f"{name}:{number}", words
    if empty:
        raise InputError(f"{name}: no intervals; BED lines with NAME START END are needed")


def _lines(blocks: Iterable[bytes], name: str) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        if len(rest) > LINE_LIMIT:
            raise InputError(f"{name}: a line of more than 1 MiB; is this a BED file?")
        yield from lines
    yield rest


def _interval(words: list[bytes], where: str) -> Region:
    try:
        name, start, end = words[0].decode(errors="backslashreplace"), int(words[1]), int(words[2])
    except (IndexError, ValueError):
        found = b"\t".join(words)[:40].decode("ascii", "replace")
        raise InputError(f"{where}: expected NAME START END, found {found!r}") from None
    if not 0 <= start <= end or not name:
        raise InputError(f"{where}: interval {name} {start} {end}: starts count from 0, no end is below its start")
    return Region(name, start, end)


def merged(regions: Iterable[Region]) -> dict[str, list[Region]]:
    """The regions of each record, sorted, overlapping ones merged (those that only touch stay apart).

    UsageError for a region that begins below 0 or holds no base.
    """
    found: dict[str, list[Region]] = {}
    for region in sorted(regions):
        if not 0 <= region.start < region.end:
            raise UsageError(f"region {region.record} [{region.start}, {region.end}): holds no base")
        known = found.setdefault(region.record, [])
        if known and region.start < known[-1].end:
            known[-1] = known[-1]._replace(end=max(known[-1].end, region.end))
        else:
            known.append(region)
    return found
