"""Splice sites as a dataset: from a genome with its annotation, from exon-intron-exon lines, from UCI's windows.

Classes: 1 donor (the first base of an intron), 2 acceptor (the first base after one). Decoys are every other GT
or GC as a donor's beginning and every other AG before an acceptor; of other bases nothing is said. A junction that
is annotated counts whatever its letters.
"""

from __future__ import annotations

import os
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seqdl_data.corpus import read_lines
from seqdl_data.dataset import SPLITS, DatasetInfo
from seqdl_data.errors import InputError, UsageError
from seqdl_data.faidx import record_lengths
from seqdl_data.fasta import read_fasta
from seqdl_data.files import replacing
from seqdl_data.gff3 import Transcript, read_transcripts
from seqdl_data.nucleotides import BAD, UNKNOWN, A, C, G, T, encode, reverse_complement
from seqdl_data.sites import KIND, ROW, UNSAID, Labels, Piece, counts_of, split_of, write_sites

Array = np.ndarray
CLASSES = ("none", "donor", "acceptor")
DONOR, ACCEPTOR = 1, 2
TRANSCRIBED, INTRON, CODING = 1, 2, 3  # see sites.STRUCTURES
UCI_LABELS = {"N": 0, "EI": DONOR, "IE": ACCEPTOR}
UCI_WIDTH, UCI_JUNCTION = 60, 30
EIE_EXON = 50
MOST_CUT = 41  # bases, below which an exon-intron-exon line loses at either end
WORD = 32  # bases that tell where in a genome a line comes from: 64 bits


@dataclass(frozen=True)
class Genome:
    """A FASTA file and its GFF3 annotation."""

    fasta: str | os.PathLike[str]
    gff3: str | os.PathLike[str]


@dataclass(frozen=True)
class Split:
    """Which records go where. Without `valid` it is the last part of each record that is not in `test`."""

    test: frozenset[str] = frozenset()
    valid: frozenset[str] = frozenset()
    valid_fraction: float = 0.1

    def cuts(self, record: str, length: int) -> Iterator[tuple[str, int, int]]:
        """The parts of a record, (split, start, end)."""
        if record in self.test or record in self.valid:
            yield ("test" if record in self.test else "valid"), 0, length
            return
        edge = length if self.valid else int(length * (1 - self.valid_fraction))
        yield "train", 0, edge
        yield "valid", edge, length


def build_splice(
    output: str | os.PathLike[str],
    *,
    genomes: Sequence[Genome] = (),
    eie: Sequence[str | os.PathLike[str]] = (),
    uci: Sequence[str | os.PathLike[str]] = (),
    split: Split | None = None,
    name: str | None = None,
    source: str = "",
    licence: str = "",
    command: str = "",
) -> DatasetInfo:
    """Write a dataset of splice sites to the Parquet file `output`; return its description.

    Introns are the gaps between a transcript's exons, on either strand. Whole records go to a split, or the last
    part of each (see Split). Lines of exon, intron, exon are split by their gene, 8 : 1 : 1; beside a genome all are
    for training, as what is measured and calibrated shall be as in a genome, and those that occur in its valid or
    test part are left out. Windows are split by their sequence, so that repeats stay together.

    UsageError for no source at all and for a record in `split` that no genome has; InputError for files that are
    missing or malformed; OutputError when writing fails.
    """
    split = split or Split()
    if not (genomes or eie or uci):
        raise UsageError("nothing to build from: give --fasta and --gff3, --eie or --uci")
    _check_split(split, genomes)
    words: list[Array] = []  # of what is held out
    pieces: list[Piece] = []  # all at once, as whoever trains on them holds them too
    for genome in genomes:
        pieces += genome_pieces(genome, split, words if eie else None)
    held_out = np.unique(np.concatenate(words)) if words else np.empty(0, np.uint64)
    for path in eie:
        pieces += eie_pieces(path, held_out if genomes else None)
    for path in uci:
        pieces += uci_pieces(path)
    info = DatasetInfo(
        name=Path(output).stem if name is None else name,
        kind=KIND,
        counts={each: counts_of((p for p in pieces if p.split == each), CLASSES) for each in SPLITS},
        source=source,
        licence=licence,
        command=command,
        classes=CLASSES,
    )
    with replacing(output) as temporary:
        write_sites(temporary, pieces, info)
    return info


def _check_split(split: Split, genomes: Sequence[Genome]) -> None:
    if not 0 <= split.valid_fraction < 1:
        raise UsageError(f"valid fraction {split.valid_fraction}: must be at least 0 and below 1")
    if split.test & split.valid:
        raise UsageError(f"{', '.join(sorted(split.test & split.valid))}: named for test and for valid; choose one")
    known = {record for genome in genomes for record, _ in record_lengths(genome.fasta)}
    unknown = sorted((split.test | split.valid) - known)
    if unknown:
        raise UsageError(f"no record named {', '.join(unknown)} to hold out; there are {', '.join(sorted(known)[:20])}")


def _check_annotation(genome: Genome, transcripts: Mapping[str, Sequence[Transcript]], lengths: dict[str, int]) -> None:
    """The two files must belong together."""
    if not any(record in lengths for record in transcripts):
        raise InputError(
            f"{os.fspath(genome.gff3)}: annotates no record of {os.fspath(genome.fasta)}; "
            f"{', '.join(list(transcripts)[:3])} there, {', '.join(list(lengths)[:3])} here"
        )
    for record, each in transcripts.items():
        last = max(t.exons[-1][1] for t in each)
        if record in lengths and last > lengths[record]:
            raise InputError(
                f"{os.fspath(genome.gff3)}: record {record} has an exon that ends at {last}, "
                f"its sequence at {lengths[record]}; another assembly?"
            )


def genome_pieces(genome: Genome, split: Split, held_out: list[Array] | None = None) -> Iterator[Piece]:
    """The rows of a genome, both strands labelled; words of its valid and test parts are added to `held_out`."""
    transcripts: dict[str, list[Transcript]] = defaultdict(list)
    for transcript in read_transcripts(genome.gff3):
        transcripts[transcript.record].append(transcript)
    lengths = dict(record_lengths(genome.fasta))
    _check_annotation(genome, transcripts, lengths)
    cuts = {record: list(split.cuts(record, length)) for record, length in lengths.items()}
    marks: dict[str, _Annotation] = {}
    for piece in read_fasta(genome.fasta, piece=ROW, left=2, right=WORD):
        if piece.record not in marks:
            marks = {piece.record: _Annotation(transcripts[piece.record])}
        for part, lo, hi in cuts[piece.record]:
            start, end = max(lo, piece.own[0]), min(hi, piece.own[1])
            if start >= end:
                continue
            codes = piece.codes
            own = slice(start - piece.start, end - piece.start)
            forward, reverse = marks[piece.record].labels(codes, piece.start)
            yield Piece(piece.record, start, codes[own], _cut(forward, own), _cut(reverse, own), part)
            if held_out is not None and part != "train":
                here = codes[own.start : min(own.stop + WORD - 1, hi - piece.start)]  # not what is trained on
                for strand in (here, reverse_complement(here)):
                    held_out.append(_words(strand))


class _Annotation:
    """The transcripts of one record, to be found by position."""

    def __init__(self, transcripts: Sequence[Transcript]) -> None:
        self.transcripts = transcripts
        self.by_bin: dict[int, list[int]] = defaultdict(list)
        for number, transcript in enumerate(transcripts):
            for at in range((transcript.exons[0][0] - 1) // ROW, transcript.exons[-1][1] // ROW + 1):
                self.by_bin[at].append(number)

    def labels(self, codes: Array, start: int) -> tuple[Labels, Labels]:
        """Of the forward and of the reverse strand, for bases that begin at `start`."""
        end = start + len(codes)
        bins = range(start // ROW, (end - 1) // ROW + 1)
        numbers = {number for at in bins for number in self.by_bin[at]}
        near = [self.transcripts[number] for number in sorted(numbers)]  # in the file's order, of which the last wins
        forward = _labels(codes, start, [t for t in near if t.strand == "+"])
        back = [_mirrored(t) for t in near if t.strand == "-"]
        reverse = _labels(reverse_complement(codes), -end, back)
        return forward, Labels(reverse.sites[::-1], reverse.structure[::-1])  # type: ignore[index]


def _mirrored(t: Transcript) -> Transcript:
    """A transcript of the reverse strand in that strand's direction: position p becomes -p."""
    exons = [(-end, -start) for start, end in reversed(t.exons)]
    coding = [c._replace(start=-c.end, end=-c.start) for c in reversed(t.coding)]
    return Transcript(t.record, "+", exons, coding)


def _labels(codes: Array, start: int, transcripts: Sequence[Transcript]) -> Labels:
    """Of one strand in its own direction; transcripts in the same coordinates as `start`."""
    sites, structure = decoys(codes), np.zeros(len(codes), np.uint8)

    def paint(lo: int, hi: int, value: int, over: bool) -> None:
        part = structure[max(lo - start, 0) : max(hi - start, 0)]
        part[slice(None) if over else part == 0] = value

    def mark(at: int, label: int) -> None:
        if 0 <= at - start < len(sites) and sites[at - start] in (0, UNSAID):
            sites[at - start] = label

    for transcript in transcripts:
        for lo, hi in transcript.exons:
            paint(lo, hi, TRANSCRIBED, over=False)
    for transcript in transcripts:
        for lo, hi in transcript.introns():
            paint(lo, hi, INTRON, over=True)
            mark(lo, DONOR)
            mark(hi, ACCEPTOR)
    for transcript in transcripts:
        for coding in transcript.coding:
            for shift in range(3):  # bases of the codons' first, second and third place
                first = coding.start + (coding.phase + shift) % 3
                first += -(-(start - first) // 3) * 3 if first < start else 0
                structure[first - start : max(coding.end - start, 0) : 3] = CODING + shift
    return Labels(sites, structure)


def decoys(codes: Array) -> Array:
    """0 where a donor could begin (GT, GC) or an acceptor's exon (after AG), 255 elsewhere; (N,) uint8."""
    return np.where(donor_candidates(codes) | acceptor_candidates(codes), 0, UNSAID).astype(np.uint8)


def donor_candidates(codes: Array) -> Array:
    """(..., N) bool: GT or GC begins here."""
    found = np.zeros(codes.shape, bool)
    found[..., :-1] = (codes[..., :-1] == G) & ((codes[..., 1:] == T) | (codes[..., 1:] == C))
    return found


def acceptor_candidates(codes: Array) -> Array:
    """(..., N) bool: AG ends before this base."""
    found = np.zeros(codes.shape, bool)
    found[..., 2:] = (codes[..., :-2] == A) & (codes[..., 1:-1] == G)
    return found


def eie_pieces(path: str | os.PathLike[str], held_out: Array | None = None) -> Iterator[Piece]:
    """Rows of a file with lines `exon intron exon count gene`, the exons 50 bases each.

    Both exons lose 0 to 40 bases of their far ends, as many as a line's checksum says: else a network would count
    from where a line begins and ends instead of reading it.
    Split by gene; where `held_out` is given, all are to train but those that have one of its words (N,) uint64, sorted.
    """
    for number, line in enumerate(read_lines(path), 1):
        fields = line.split()
        if len(fields) != 5 or len(fields[0]) != EIE_EXON or len(fields[2]) != EIE_EXON:
            raise InputError(f"{os.fspath(path)}:{number}: expected 50 bases, an intron, 50 bases, a count and a gene")
        codes = _bases(b"".join(fields[:3]), f"{os.fspath(path)}:{number}")
        if held_out is not None and _any_in(_words(codes), held_out):
            continue
        drawn = zlib.crc32(line)
        front, back = drawn % MOST_CUT, drawn // MOST_CUT % MOST_CUT
        codes = codes[front : len(codes) - back]
        donor, acceptor = EIE_EXON - front, EIE_EXON - front + len(fields[1])
        sites, structure = decoys(codes), np.full(len(codes), UNSAID, np.uint8)
        sites[donor], sites[acceptor] = DONOR, ACCEPTOR
        structure[donor:acceptor] = INTRON
        split = split_of(fields[4]) if held_out is None else "train"
        yield Piece(_name(fields[4]), 0, codes, Labels(sites, structure), None, split)


def uci_pieces(path: str | os.PathLike[str]) -> Iterator[Piece]:
    """Rows of UCI's splice-junction file, `class, name, sequence` with 60 bases, the junction in the middle.

    EI is a donor, IE an acceptor (the set's own description swaps the words in one place).
    """
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        fields = [part.strip() for part in line.split(b",")]
        label = UCI_LABELS.get(fields[0].decode("ascii", "replace"))
        if len(fields) != 3 or label is None or len(fields[2]) != UCI_WIDTH:
            raise InputError(f"{os.fspath(path)}:{number}: expected EI, IE or N, a name, and 60 bases")
        codes = _bases(fields[2], f"{os.fspath(path)}:{number}")
        sites = np.full(UCI_WIDTH, UNSAID, np.uint8)
        sites[UCI_JUNCTION] = label
        yield Piece(_name(fields[1]), 0, codes, Labels(sites, None), None, split_of(fields[2]))


def _name(field: bytes) -> str:
    return field.decode(errors="backslashreplace")


def _bases(letters: bytes, place: str) -> Array:
    codes = encode(letters)
    if (codes == BAD).any():
        raise InputError(f"{place}: {chr(letters[int(codes.argmax())])!r} is no letter of DNA")
    return codes


def _words(codes: Array) -> Array:
    """Every word of WORD known bases as a number, uint64."""
    count = max(0, len(codes) - WORD + 1)
    words: Array = np.zeros(count, np.uint64)
    known = np.ones(count, bool)
    for shift in range(WORD):
        base = codes[shift : shift + count]
        words = (words << np.uint64(2)) | (base & 3)
        known &= base < UNKNOWN
    return words[known]


def _any_in(words: Array, those: Array) -> bool:
    """Whether any of the words is among `those`, which are sorted."""
    at = np.searchsorted(those, words)
    inside = at < len(those)
    return bool((those[at[inside]] == words[inside]).any())


def _cut(labels: Labels, own: slice) -> Labels:
    assert labels.structure is not None
    return Labels(labels.sites[own], labels.structure[own])
