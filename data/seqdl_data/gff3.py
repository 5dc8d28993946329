"""Transcripts from a GFF3 file: where their exons and coding parts lie."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from seqdl_data.corpus import read_lines
from seqdl_data.errors import InputError

EXONIC = {"exon", "CDS", "five_prime_UTR", "three_prime_UTR"}  # parts of a transcript that stay in the RNA
COLUMNS = 9


class Coding(NamedTuple):
    """A coding stretch, 0-based half-open; phase: bases at its 5' end that belong to a codon begun before it."""

    start: int
    end: int
    phase: int


@dataclass
class Transcript:
    """A transcript on one strand ("+" or "-") of a record. Parts are 0-based half-open, in order of their start."""

    record: str
    strand: str
    exons: list[tuple[int, int]] = field(default_factory=list)
    coding: list[Coding] = field(default_factory=list)

    def introns(self) -> Iterator[tuple[int, int]]:
        """The gaps between exons, in order of their start."""
        for (_, end), (start, _) in zip(self.exons, self.exons[1:], strict=False):
            yield end, start


def read_transcripts(path: str | os.PathLike[str]) -> list[Transcript]:
    """Every transcript of a GFF3 file (plain or gzip) that has exons, in the order of the file.

    A transcript is what `exon`, `CDS` or UTR lines name as their Parent; its exons are the union of those lines,
    so that files without `exon` lines give the same introns. Introns that a file lists by themselves (evidence of
    RNA sequencing, often) are not read. InputError with the line where one cannot be read.
    """
    found: dict[tuple[str, str, str], Transcript] = {}
    for number, line in enumerate(read_lines(path), 1):
        if line.startswith(b"##FASTA"):
            break
        if not line or line.startswith(b"#"):
            continue
        fields = line.decode("utf-8", "replace").split("\t")
        if len(fields) != COLUMNS:
            raise InputError(f"{os.fspath(path)}:{number}: {len(fields)} columns where GFF3 has 9; is it a GFF3 file?")
        record, _, kind, first, last, _, strand, phase, attributes = fields
        if kind not in EXONIC or strand not in ("+", "-"):
            continue
        start, end = _interval(first, last, f"{os.fspath(path)}:{number}")
        for parent in _parents(attributes):
            transcript = found.setdefault((record, parent, strand), Transcript(record, strand))
            transcript.exons.append((start, end))
            if kind == "CDS":
                transcript.coding.append(Coding(start, end, int(phase) if phase in ("0", "1", "2") else 0))
    for transcript in found.values():
        transcript.exons = _merged(transcript.exons)
        transcript.coding.sort()
    return list(found.values())


def _interval(first: str, last: str, place: str) -> tuple[int, int]:
    try:
        start, end = int(first) - 1, int(last)
    except ValueError:
        raise InputError(f"{place}: start {first!r} and end {last!r} must be whole numbers") from None
    if not 0 <= start < end:
        raise InputError(f"{place}: start {first} to end {last} is no interval (1-based, both inclusive)")
    return start, end


def _parents(attributes: str) -> list[str]:
    for attribute in attributes.split(";"):
        name, _, value = attribute.strip().partition("=")
        if name == "Parent":
            return value.split(",")
    return []


def _merged(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted, overlapping and touching ones joined."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(parts):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
