"""Scans of all requests: a slice of each in turn, those for learned sites through the network together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from seqdl.dna import Motif, read_motifs
from seqdl.dna.motif_scanner import MotifScanner
from seqdl.dna.pipeline import Source, groups
from seqdl.dna.scan import motif_scanner
from seqdl.dna.site_scanner import MIN_PROBABILITY, SiteScanner
from seqdl.errors import InputError, TooLargeError
from seqdl.parallel import get_num_threads, in_order
from seqdl_data.fasta import Piece
from seqdl_data.hits import header, text_rows
from seqdl_data.sources import text_blocks
from seqdl_data.streams import GZIP_MAGIC
from seqdl_serve.messages import ScanJob
from seqdl_serve.models import Models
from seqdl_serve.outbox import Outbox
from seqdl_serve.settings import Limits

SLICE = 0.02  # seconds
GROUP = 1 << 14  # bases of one scan in a turn and thread
TOGETHER = 1 << 15  # bases that go through the network in a turn, of all scans for learned sites


@dataclass
class Scan:
    """A scan that has begun. steps: what prepares it, one next() a little; groups: what is left to be scanned."""

    job: ScanJob
    scanner: MotifScanner | SiteScanner
    steps: Iterator[None]
    groups: Iterator[list[Piece]] = field(default_factory=lambda: iter(()))
    prepared: bool = False
    headed: bool = False


class ScanDesk:
    """The scans of all requests."""

    def __init__(self, models: Models, limits: Limits, outbox: Outbox) -> None:
        self.models, self.limits, self.outbox = models, limits, outbox
        self.scans: dict[int, Scan] = {}

    @property
    def busy(self) -> bool:
        return any(self.outbox.flows(number) for number in self.scans)

    def accept(self, number: int, job: ScanJob) -> None:
        self.outbox.begin(number)
        try:
            scanner = self._scanner(job)
            source = Source(job.path)
            self.scans[number] = Scan(job, scanner, self._prepare(number, source))
        except Exception as error:
            self._end(number, job, error)

    def drop(self, number: int) -> None:
        self.scans.pop(number, None)

    def turn(self) -> None:
        """A slice of each scan whose client takes what it is given."""
        sites: dict[tuple[str, float], list[int]] = {}
        for number, scan in list(self.scans.items()):
            if not self.outbox.flows(number):
                continue
            if not scan.prepared:
                self._advance(number, scan)
            elif isinstance(scan.scanner, SiteScanner):
                sites.setdefault((scan.job.model, scan.scanner.min_probability), []).append(number)
            else:
                self._motif_slice(number, scan)
        for numbers in sites.values():
            self._site_slice(numbers)

    def _scanner(self, job: ScanJob) -> MotifScanner | SiteScanner:
        if job.model:
            chance = MIN_PROBABILITY if job.min_probability is None else job.min_probability
            return SiteScanner(self.models.sites[job.model], chance)
        motifs = read_motifs(job.motifs) if job.motifs else [Motif.from_consensus(word) for word in job.words]
        if len(motifs) > self.limits.motifs:
            raise TooLargeError(f"{len(motifs):,} motifs, above the limit of {self.limits.motifs:,} (--max-motifs)")
        return motif_scanner(motifs, Source(job.path), **dict(job.options))[0]

    def _prepare(self, number: int, source: Source) -> Iterator[None]:
        """Unpack and check the whole input, so that an answer that has begun is one that ends."""
        path = source.path
        with open(path, "rb") as stream:
            packed = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        if packed:
            yield from self._unpack(path)
            source = Source(path + ".plain")
        bases = 0
        for piece in source.pieces():
            bases += piece.own[1] - piece.own[0]
            if bases > self.limits.bases:
                raise _too_many_bases(self.limits)
            yield
        scan = self.scans[number]
        scan.groups = _pieces(scan.scanner, source)
        scan.prepared = True

    def _unpack(self, path: str) -> Iterator[None]:
        """Write what the gzip file holds beside it; TooLargeError before it gets larger than bases may be."""
        most, size = 2 * self.limits.bases + (1 << 20), 0  # names and ends of lines are not counted as bases
        with open(path + ".plain", "wb") as plain:
            for block in text_blocks(path):
                size += len(block)
                if size > most:
                    raise _too_many_bases(self.limits)
                plain.write(block)
                yield

    def _advance(self, number: int, scan: Scan) -> None:
        end = time.perf_counter() + SLICE
        try:
            while time.perf_counter() < end and next(scan.steps, self) is not self:
                pass
        except Exception as error:
            self._end(number, scan.job, error)

    def _motif_slice(self, number: int, scan: Scan) -> None:
        try:
            some = list(islice(scan.groups, get_num_threads()))
            tables = list(in_order(scan.scanner.scan, some))
            self._send(number, scan, tables, some)
        except Exception as error:
            self._end(number, scan.job, error)

    def _site_slice(self, numbers: list[int]) -> None:
        """The next piece of each, some more of them where there are few scans."""
        each = max(1, TOGETHER // (len(numbers) * SiteScanner.piece))
        try:
            found = {number: list(islice(self.scans[number].groups, each)) for number in numbers}
            pieces = [[piece for group in some for piece in group] for some in found.values()]
            scanner = self.scans[numbers[0]].scanner
            assert isinstance(scanner, SiteScanner)
            for number, table in zip(numbers, scanner.scan_together(pieces), strict=True):
                self._send(number, self.scans[number], [table], found[number])
        except Exception as error:
            for number in numbers:
                if number in self.scans:
                    self._end(number, self.scans[number].job, error)

    def _send(self, number: int, scan: Scan, tables: Iterable[Any], some: list[list[Piece]]) -> None:
        job, kind = scan.job, scan.scanner.kind
        rows = [text for table in tables for text in text_rows(job.form, kind, table)]
        if not scan.headed:
            rows, scan.headed = [header(job.form, kind), *rows], True
        bases = sum(piece.own[1] - piece.own[0] for group in some for piece in group)
        if bases or any(rows):
            self.outbox.part(number, b"".join(rows), bases)
        if not some:
            self._end(number, job)

    def _end(self, number: int, job: ScanJob, error: Exception | None = None) -> None:
        self.drop(number)
        if isinstance(error, InputError):  # its message names a file that the client does not know
            shown = str(error).replace(job.path + ".plain", job.name).replace(job.path, job.name)
            error = type(error)(shown.replace(job.motifs, "motifs") if job.motifs else shown)
        self.outbox.end(number, error)


def _pieces(scanner: MotifScanner | SiteScanner, source: Source) -> Iterator[list[Piece]]:
    """Small pieces for short turns."""
    piece = scanner.piece if isinstance(scanner, SiteScanner) else min(scanner.piece, GROUP)
    return groups(replace(source, piece=piece).for_scanner(scanner), piece)


def _too_many_bases(limits: Limits) -> TooLargeError:
    return TooLargeError(f"more than {limits.bases:,} bases, the limit (--max-bases); scan with `seqdl scan`")
