"""Scans of all requests: a slice of each in turn, those for learned sites through the network together."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
NAP = 0.002  # seconds between two looks whether a scanner is made
HITS = 1 << 16  # of all motifs in a piece, where each fits at each base; a client that does not read holds one piece
PART = 1 << 18  # bytes of a part
LONGEST_NAME = 1_000  # characters: the name of a sequence stands in each hit
WIDEST = 200  # positions of a motif: its p-values take time that grows with the square


@dataclass
class Scan:
    """A scan that has begun. steps: what prepares it, one next() a little; groups: what is left to be scanned;
    found: what its client has not been given yet, with the bases behind it."""

    job: ScanJob
    steps: Iterator[None]
    scanner: MotifScanner | SiteScanner | None = None
    groups: Iterator[list[Piece]] = field(default_factory=lambda: iter(()))
    found: deque[tuple[bytes, int]] = field(default_factory=deque)
    headed: bool = False
    done: bool = False
    many: int = 1  # pieces for each thread in its next turn


class ScanDesk:
    """The scans of all requests; `meanwhile` is called between the passes of a network, which take longest."""

    def __init__(self, models: Models, limits: Limits, outbox: Outbox, meanwhile: Callable[[], None]) -> None:
        self.models, self.limits, self.outbox, self.meanwhile = models, limits, outbox, meanwhile
        self.scans: dict[int, Scan] = {}
        self.maker = ThreadPoolExecutor(1, "seqdl-scanner")  # of scanners: 2,000 motifs take seconds

    @property
    def busy(self) -> bool:
        return any(self.outbox.flows(number) for number in self.scans)

    def accept(self, number: int, job: ScanJob) -> None:
        self.outbox.begin(number)
        self.scans[number] = Scan(job, self._prepare(number, job))

    def drop(self, number: int) -> None:
        self.scans.pop(number, None)

    def turn(self) -> None:
        """A slice of each scan whose client takes what it is given."""
        sites: list[int] = []
        for number, scan in list(self.scans.items()):
            if not self.outbox.flows(number):
                continue
            if scan.found or scan.done:
                self._pour(number, scan)
            elif scan.scanner is None:
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
        widest = max(len(motif) for motif in motifs)
        if widest > WIDEST:
            raise TooLargeError(f"a motif of {widest:,} positions, above the limit of {WIDEST}")
        return motif_scanner(motifs, Source(job.path), **dict(job.options))[0]

    def _prepare(self, number: int, job: ScanJob) -> Iterator[None]:
        """Make the scanner, unpack and check the whole input, so that an answer that has begun is one that ends."""
        making = self.maker.submit(self._scanner, job)
        try:
            while not making.done():
                time.sleep(NAP)
                yield
        finally:
            making.cancel()
        scanner, source, path = making.result(), Source(job.path), job.path
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
            if len(piece.record) > LONGEST_NAME:
                raise TooLargeError(f"a sequence's name of more than {LONGEST_NAME:,} characters; shorten it")
            yield
        scan = self.scans[number]
        scan.groups = _pieces(scanner, source)
        scan.scanner = scanner

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
            assert scan.scanner is not None
            self._keep(scan, in_order(scan.scanner.scan, some), some)
            self._pour(number, scan)
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
                self._keep(scan, [table], [group] if group else [])
                self._pour(number, scan)

    def _keep(self, scan: Scan, tables: Iterable[Any], some: list[list[Piece]]) -> None:
        """The rows of these tables, which are the hits of some pieces; no pieces: the scan is done."""
        job, scan.done = scan.job, not some
        assert scan.scanner is not None
        kind = scan.scanner.kind
        rows = b"".join(text for table in tables for text in text_rows(job.form, kind, table))
        if not scan.headed:
            rows, scan.headed = header(job.form, kind) + rows, True
        bases = sum(map(_bases, some))
        blocks = [rows[at : at + PART] for at in range(0, len(rows), PART)] or [b""] * (bases > 0)
        scan.found += zip(blocks, [bases] + [0] * len(blocks), strict=False)

    def _pour(self, number: int, scan: Scan) -> None:
        """Give the client what is there, as far as it takes it."""
        while scan.found and self.outbox.flows(number):
            self.outbox.part(number, *scan.found.popleft())
        if scan.done and not scan.found:
            self._end(number, scan.job)

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
        work = max(SMALLEST, min(LARGEST, WORK // len(scanner.ids)))
        piece = min(scanner.piece, work, max(64, HITS // (scanner.strands * len(scanner.ids))))
    return groups(replace(source, piece=piece).for_scanner(scanner), piece)


def _key(scan: Scan) -> tuple[str, float]:
    """Scans for sites that go through the network together have the same."""
    assert isinstance(scan.scanner, SiteScanner)
    return scan.job.model, scan.scanner.min_probability


def _bases(group: list[Piece]) -> int:
    return sum(piece.own[1] - piece.own[0] for piece in group)


def _too_many_bases(limits: Limits) -> TooLargeError:
    return TooLargeError(f"more than {limits.bases:,} bases, the limit (--max-bases); scan with `seqdl scan`")
