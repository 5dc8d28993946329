"""Scans of all requests: a slice of each in turn, those for learned sites through the network together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from seqdl.dna import Motif, read_motifs
from seqdl.dna.motif_scanner import MotifScanner
from seqdl.dna.pipeline import Source, groups
from seqdl.dna.scan import motif_scanner
from seqdl.dna.site_scanner import MIN_PROBABILITY, SiteScanner
from seqdl.dna.sitemodel import BLOCK
from seqdl.errors import InputError, TooLargeError
from seqdl.parallel import get_num_threads, in_order
from seqdl_data.fasta import Piece
from seqdl_data.hits import header, text_rows
from seqdl_data.sources import text_blocks
from seqdl_data.streams import GZIP_MAGIC
from seqdl_serve.messages import ScanJob
from seqdl_serve.models import Models
from seqdl_serve.outbox import NotWanted, Outbox
from seqdl_serve.settings import Limits

SLICE = 0.02  # seconds that a turn of one scan should take
SITE_PIECE = 16 * BLOCK  # bases that go through the network in a turn, in 0.1 s: fewer take hardly less time
SMALLEST, LARGEST = 1 << 12, 1 << 18  # bases of a piece that is scanned for motifs
WORK = 1 << 24  # bases of a piece, times motifs
MOST = 64  # pieces for each thread in a turn


@dataclass
class Scan:
    """A scan that has begun. steps: what prepares it, one next() a little; groups: what is left to be scanned."""

    job: ScanJob
    scanner: MotifScanner | SiteScanner
    steps: Iterator[None]
    groups: Iterator[list[Piece]] = field(default_factory=lambda: iter(()))
    prepared: bool = False
    headed: bool = False
    many: int = 1  # pieces for each thread in its next turn


class ScanDesk:
    """The scans of all requests; `meanwhile` is called between the passes of a network, which take longest."""

    def __init__(self, models: Models, limits: Limits, outbox: Outbox, meanwhile: Callable[[], None]) -> None:
        self.models, self.limits, self.outbox, self.meanwhile = models, limits, outbox, meanwhile
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
        sites: list[int] = []
        for number, scan in list(self.scans.items()):
            if not self.outbox.flows(number):
                continue
            if not scan.prepared:
                self._advance(number, scan)
            elif isinstance(scan.scanner, SiteScanner):
                sites.append(number)
            else:
                self._motif_slice(number, scan)
        if sites:
            self._site_slice(sites)

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
        start = time.perf_counter()
        try:
            some = list(islice(scan.groups, scan.many * get_num_threads()))
            tables = list(in_order(scan.scanner.scan, some))
            self._send(number, scan, tables, some)
        except Exception as error:
            self._end(number, scan.job, error)
        share = SLICE / (time.perf_counter() - start)
        scan.many = max(1, min(MOST, 2 * scan.many, int(scan.many * share)))

    def _site_slice(self, numbers: list[int]) -> None:
        """The next piece of as many scans as fill the network, all with the model and threshold of the first."""
        first = self.scans[numbers[0]]
        assert isinstance(first.scanner, SiteScanner)
        alike = [n for n in numbers if _key(self.scans[n]) == _key(first)]
        found: dict[int, list[Piece]] = {}

        def tick() -> None:
            self.meanwhile()
            if not any(number in self.scans for number in found):
                raise NotWanted

        try:
            for number in alike:
                found[number] = next(self.scans[number].groups, [])
                if sum(map(_bases, found.values())) >= SITE_PIECE:
                    break
            tables = first.scanner.scan_together(list(found.values()), tick)
        except NotWanted:
            return
        except Exception as error:
            for number in found or alike[:1]:
                self._end(number, first.job, error)
            return
        for (number, group), table in zip(found.items(), tables, strict=True):
            if number in self.scans:
                scan = self.scans.pop(number)
                self.scans[number] = scan  # the others come first next time
                self._send(number, scan, [table], [group] if group else [])

    def _send(self, number: int, scan: Scan, tables: Iterable[Any], some: list[list[Piece]]) -> None:
        job, kind = scan.job, scan.scanner.kind
        rows = [text for table in tables for text in text_rows(job.form, kind, table)]
        if not scan.headed:
            rows, scan.headed = [header(job.form, kind), *rows], True
        bases = sum(map(_bases, some))
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
    """Pieces that take a few milliseconds, short records together."""
    if isinstance(scanner, SiteScanner):
        piece = SITE_PIECE
    else:
        piece = min(scanner.piece, max(SMALLEST, min(LARGEST, WORK // len(scanner.ids))))
    return groups(replace(source, piece=piece).for_scanner(scanner), piece)


def _key(scan: Scan) -> tuple[str, float]:
    """Scans for sites that go through the network together have the same."""
    assert isinstance(scan.scanner, SiteScanner)
    return scan.job.model, scan.scanner.min_probability


def _bases(group: list[Piece]) -> int:
    return sum(piece.own[1] - piece.own[0] for piece in group)


def _too_many_bases(limits: Limits) -> TooLargeError:
    return TooLargeError(f"more than {limits.bases:,} bases, the limit (--max-bases); scan with `seqdl scan`")
