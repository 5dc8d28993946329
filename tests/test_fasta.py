"""FASTA in: every awkward file decided, pieces that cover each base once, regions, indexes, messages of bad input."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from Bio import bgzf
from Bio.SeqIO.FastaIO import SimpleFastaParser
from hypothesis import given, settings
from hypothesis import strategies as st

from seqdl_data.errors import InputError, UsageError
from seqdl_data.faidx import FaiRecord, NotIndexable, index_fasta, read_fai, record_lengths, write_fai
from seqdl_data.fasta import Piece, read_fasta
from seqdl_data.regions import END, Intron, Region, merged, parse_region, read_bed, read_introns

LETTERS = "ACGTURYSWKMBDHVNacgturyswkmbdhvn"


@pytest.fixture(autouse=True, scope="module")
def small_and_fast() -> Iterator[None]:
    """Some disks take 50 ms to sync, and hundreds of tiny indexes are written here; tiny texts come in many blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqdl_data.files._sync", lambda path: None)
        patch.setattr("seqdl_data.sources.HEAD", 20)
        yield


def encoded(sequence: str) -> bytes:
    """The slow twin of the code table."""
    return bytes({"A": 0, "C": 1, "G": 2, "T": 3, "U": 3}.get(letter, 4) for letter in sequence.upper())


class Dribble(io.RawIOBase):
    """A stream that gives at most `step` bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self._data, self._step = io.BytesIO(data), step

    def read(self, size: int = -1) -> bytes:
        return self._data.read(self._step if size < 0 else min(size, self._step))


def piped(data: bytes, step: int = 1 << 20, **options: object) -> list[Piece]:
    return list(read_fasta("-", stdin=Dribble(data, step), **options))  # type: ignore[arg-type]


def records(pieces: list[Piece]) -> dict[str, bytes]:
    """The sequence of each record, put together from what the pieces own; what they own is checked on the way."""
    found: dict[str, bytes] = {}
    for number, piece in enumerate(pieces):
        assert piece.index == number
        assert piece.codes.dtype == np.uint8
        assert piece.codes.flags.writeable
        start, end = piece.own
        assert start == len(found.get(piece.record, b""))
        found[piece.record] = found.get(piece.record, b"") + bytes(piece.codes[start - piece.start : end - piece.start])
    return found


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def bgzipped(path: Path, content: bytes) -> Path:
    with bgzf.BgzfWriter(path, "wb") as stream:
        stream.write(content)
    return path


def message(data: bytes, **options: object) -> str:
    with pytest.raises(InputError) as caught:
        piped(data, **options)
    return str(caught.value)


# The awkward files: how many records and bases, or what the message says after the file's name.
ACCEPTED = {
    "biopython__NC_001802.fna": (1, 9181),
    "biopython__NC_001802lc.fna": (1, 9181),  # lower case
    "biopython__NC_001802x.fna": (1, 9181),
    "biopython__NC_005816.fna": (1, 9609),
    "biopython__centaurea.nu": (1, 1002),  # CRLF
    "biopython__f002": (3, 1517),  # merged headers, parted by ^A
    "biopython__ls_orchid.fasta": (94, 67518),
    "biopython__multi.fna": (3, 24),
    "biopython__sequence.fa": (6, 1723),
    "biopython__wisteria.nu": (1, 2551),  # CRLF in all lines but the first
    "pyfaidx__chr17.hg19.part.fa": (1, 40000),  # one line
    "pyfaidx__gene.bed12.fasta": (1, 1073),
    "pyfaidx__issue_83.fasta": (2, 179),
    "samtools__toy.fa": (2, 85),
    "samtools__xx.fa": (2, 45),
    "seqkit__contigs.fa": (9, 54),
    "seqkit__hairpin.fa.gz": (28645, 2949871),  # RNA
    "seqkit__sana_ground.fas": (12, 7147),
}
REFUSED = {
    "biopython__NC_005816.gb": ": a GenBank file, not FASTA; convert it",
    "biopython__aster_pearson.pro": ":1: expected >NAME before the first sequence, found 'Some header'",
    "biopython__dups.fasta": ":10: a second record named alpha;",
    "biopython__fa01": ":2: record AK1H_ECOLI/1-378, position 2: 'P' is not a letter of DNA; this looks like protein",
    "biopython__sequence.littleendian.2bit": ": a 2bit file, not FASTA; convert it: twoBitToFa",
    "dnaio__missingextension.gz": ": a FASTQ file, not FASTA; convert it",
    "dnaio__simple.fasta": ":2: record first_sequence, position 2: 'E' is not a letter of DNA; this looks like",
    "dnaio__simple.fasta.gz": ":2: record first_sequence, position 2: 'E' is not a letter of DNA; this looks like",
    "dnaio__with_comment.fasta": ":1: expected >NAME before the first sequence, found '# a comment'",
    "samtools__depad.001.fa": ":2: record ref1, position 16: '*' is not a letter of DNA; a gap, pad or stop",
    "samtools__dict.fa": ":60: record chr9_whitespace, position 210: '\\x02' is not a letter of DNA; only the IUPAC",
    "seqkit__blank.fx": ": nothing but blanks; FASTA is needed",
    "seqkit__blank1.fx": ": nothing but blanks; FASTA is needed",
    "seqkit__empty.fx": ": empty; FASTA is needed",
    "seqkit__empty_id_and_seq.fa": ":6: a record without a name",
    "seqkit__empty_id_and_seq2.fa": ":5: a record without a name",
    "seqkit__hairpin.fa.xz": ": xz-compressed; decompress it first: xz -dc ",
    "seqkit__hairpin.fa.zst": ": zstd-compressed; decompress it first: zstd -dc ",
    "seqkit__titin.fas": ":2: record sp|Q9I7U4|TITIN_DROME, position 2: 'Q' is not a letter of DNA; this looks like",
}


def test_every_awkward_file_is_decided(shared_data: Path) -> None:
    assert {path.name for path in (shared_data / "dna/awkward").iterdir()} == ACCEPTED.keys() | REFUSED.keys()


@pytest.mark.parametrize("name", ACCEPTED)
def test_awkward_file_is_read_as_biopython_reads_it(shared_data: Path, name: str) -> None:
    path = shared_data / "dna/awkward" / name
    with gzip.open(path, "rt") if name.endswith(".gz") else path.open() as text:
        theirs = {title.split()[0]: encoded(sequence) for title, sequence in SimpleFastaParser(text)}
    ours = records(list(read_fasta(path, piece=1000, left=3, right=5)))
    assert list(ours.items()) == list(theirs.items())
    assert (len(ours), sum(map(len, ours.values()))) == ACCEPTED[name]
    assert list(record_lengths(path)) == [(name, len(codes)) for name, codes in ours.items()]


@pytest.mark.parametrize("name", REFUSED)
def test_awkward_file_is_refused_with_a_message(shared_data: Path, name: str) -> None:
    path = shared_data / "dna/awkward" / name
    with pytest.raises(InputError) as caught:
        list(read_fasta(path))
    assert str(caught.value).startswith(f"{path}{REFUSED[name]}")


# Properties: any text layout and any way to cut it give back the same sequence.
NAMES = st.text(st.characters(categories=("L", "N", "P"), codec="utf-8"), min_size=1, max_size=6)
GENOMES = st.dictionaries(NAMES, st.text(LETTERS, max_size=30), min_size=1, max_size=6)


@st.composite
def layouts(draw: st.DrawFn, genome: dict[str, str]) -> bytes:
    """FASTA text of a genome with lines, line ends, blanks and comments to headers as people write them."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    width = draw(st.integers(1, 40))
    ragged = draw(st.booleans())
    lines = []
    for name, sequence in genome.items():
        lines.append(
            ">" + draw(st.sampled_from(["", " "])) + name + draw(st.sampled_from(["", " and more", "\tx > y", "  "]))
        )
        at = 0
        while at < len(sequence):
            step = draw(st.integers(1, 40)) if ragged else width
            blank = draw(st.sampled_from(["", " ", "\t"])) if ragged else ""
            lines.append(blank + sequence[at : at + step] + blank)
            at += step
        lines += [""] * draw(st.integers(0, 2))
    text = end.join(lines) + draw(st.sampled_from(["", end]))
    return (draw(st.sampled_from(["", "\ufeff", end])) + text).encode()


CUTS = st.fixed_dictionaries({"piece": st.integers(1, 40), "left": st.integers(0, 50), "right": st.integers(0, 50)})


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_layout_cut_any_way_gives_the_same_sequence(data: st.DataObject) -> None:
    genome = data.draw(GENOMES)
    text, cuts, step = data.draw(layouts(genome)), data.draw(CUTS), data.draw(st.integers(1, 30))
    packed = data.draw(st.booleans())
    pieces = piped(gzip.compress(text) if packed else text, step, **cuts)
    assert records(pieces) == {name: encoded(sequence) for name, sequence in genome.items()}
    for piece in pieces:
        start, end = piece.own
        whole = encoded(genome[piece.record])
        assert piece.start == max(0, start - cuts["left"])
        assert bytes(piece.codes) == whole[piece.start : end + cuts["right"]]
        assert start % cuts["piece"] == 0
        assert end == min(start + cuts["piece"], len(whole))
        assert piece.last == (end == len(whole))


def expected(genome: dict[str, str], wanted: list[Region], piece: int, left: int, right: int, beyond: bool) -> list:
    """The slow twin of reading regions: (record, start, codes, own, last) of each piece."""
    pieces = []
    for name, sequence in genome.items():
        owners: dict[int, int] = {}  # position: number of its region, overlapping ones as one
        here = sorted((r.start, min(r.end, len(sequence))) for r in wanted if r.record == name)
        for number, (start, end) in enumerate(here):
            region = owners.get(start, number)
            owners.update(dict.fromkeys(range(start, end), region))
        for _, group in itertools.groupby(owners, key=owners.__getitem__):
            region_own = list(group)
            first, after = (0, len(sequence)) if beyond else (region_own[0], region_own[-1] + 1)
            for _, cell in itertools.groupby(region_own, key=lambda at: at // piece):
                own = list(cell)
                low, high = max(first, own[0] - left), min(after, own[-1] + 1 + right)
                codes = encoded(sequence)[low:high]
                pieces.append((name, low, codes, (own[0], own[-1] + 1), own[-1] == region_own[-1]))
    return pieces


def plain(pieces: list[Piece]) -> list:
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    return [(p.record, p.start, bytes(p.codes), p.own, p.last) for p in pieces]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_regions_are_slices_however_the_file_is_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    genome = {name: sequence for name, sequence in data.draw(GENOMES).items() if sequence} or {"a": "ACGT"}
    text, cuts, beyond = data.draw(layouts(genome)), data.draw(CUTS), data.draw(st.booleans())
    wanted = []
    for name in data.draw(st.lists(st.sampled_from(list(genome)), min_size=1, max_size=8)):
        start = data.draw(st.integers(0, len(genome[name]) - 1))
        wanted.append(Region(name, start, data.draw(st.integers(start + 1, len(genome[name])) | st.just(END))))
    folder = tmp_path_factory.mktemp("regions")
    twin = expected(genome, wanted, **cuts, beyond=beyond)
    options = {**cuts, "regions": wanted, "beyond": beyond}
    assert plain(piped(text, data.draw(st.integers(1, 30)), **options)) == twin
    for path in (put(folder / "a.fa", text), bgzipped(folder / "a.fa.gz", text)):
        assert plain(list(read_fasta(path, **options))) == twin  # type: ignore[arg-type]
        assert plain(list(read_fasta(path, **options))) == twin  # type: ignore[arg-type]  # from the .fai now


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_index_is_written_for_even_lines_and_gives_the_offsets(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    genome = data.draw(GENOMES)
    text = data.draw(layouts(genome))
    path = put(tmp_path_factory.mktemp("index") / "a.fa", text)
    try:
        index = index_fasta(path)
    except NotIndexable:
        return  # the layouts with blanks or ragged lines
    assert [(each.name, each.length) for each in index] == [(name, len(s)) for name, s in genome.items()]
    for record in index:
        found = "".join(chr(text[record.at(base)]) for base in range(record.length))
        assert found == genome[record.name]


# Sources
TEXT = b">one first\nACGTAC\nGTNNRY\nAC\n>two\n\n>three\nUUUUUU\nacgtac\n"
SEQUENCES = {"one": "ACGTACGTNNRYAC", "two": "", "three": "UUUUUUacgtac"}
CODES = {name: encoded(sequence) for name, sequence in SEQUENCES.items()}


def test_plain_gzip_members_and_bgzip_are_told_by_content(tmp_path: Path) -> None:
    members = gzip.compress(TEXT[:20]) + gzip.compress(b"") + gzip.compress(TEXT[20:])
    for path in (put(tmp_path / "a.gz", TEXT), put(tmp_path / "b", members), bgzipped(tmp_path / "c.fa", TEXT)):
        assert records(list(read_fasta(path, piece=4))) == CODES
        assert records(piped(path.read_bytes(), piece=4)) == CODES


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT)))
    assert records(list(read_fasta("-"))) == CODES


def test_closed_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="standard input is closed"):
        list(read_fasta("-"))


def test_record_without_bases_gives_one_piece_that_owns_nothing() -> None:
    (piece,) = (piece for piece in piped(TEXT) if piece.record == "two")
    assert piece.own == (0, 0)
    assert piece.last
    assert not len(piece.codes)


def test_name_that_is_not_utf8_is_kept_apart() -> None:
    assert list(records(piped(b">\xe9a x\nA\n>\xeaa\nC\n"))) == ["\\xe9a", "\\xeaa"]


def test_blanks_before_the_name_do_not_count(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fa", b"> chr1 5000:55000\nACGT\n>\tchr2\nGG\n")
    for _ in range(2):
        assert list(records(list(read_fasta(path, regions=[Region("chr2"), Region("chr1")])))) == ["chr1", "chr2"]
    assert (tmp_path / "a.fa.fai").read_bytes() == b"chr1\t4\t18\t4\t5\nchr2\t2\t30\t2\t3\n"


def test_missing_file_and_wrong_use_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.fa: cannot read: No such file"):
        read_fasta(tmp_path / "gone.fa")
    with pytest.raises(InputError, match="a folder; give one file"):
        read_fasta(tmp_path)
    with pytest.raises(UsageError, match="pieces of 0 bases"):
        read_fasta("-", piece=0)


# Bad input
BAD = {
    b">a\nAC-GT\n": ":2: record a, position 3: '-' is not a letter of DNA; a gap, pad or stop",
    b">a\nAC.GT\n": ":2: record a, position 3: '.' is not a letter of DNA; a gap",
    b">a\nACGT\n\n GX": ":4: record a, position 6: 'X' is not a letter of DNA; write N for a masked base",
    b">a\nACGT\n>b\nAC\r\nMKLE\n": ":5: record b, position 5: 'L' is not a letter of DNA; this looks like protein",
    b">a\nAC\n;note\nGT\n": ":3: record a, position 3: ';' is not a letter of DNA; take out comment lines",
    b">a\nAC\n >b\nGT\n": ":3: record a, position 3: '>' is not a letter of DNA; a record must begin its line",
    b">a\nAC\x00GT\n": ":2: record a, position 3: '\\x00' is not a letter of DNA; only the IUPAC letters",
    b">a\nAC\xc3\xa9\n": ":2: record a, position 3: 'Ã' is not a letter of DNA",
    b"\nACGTNN\n>a\nA\n": ":2: expected >NAME before the first sequence, found 'ACGTNN'; put a line with >NAME",
    b";old\n>a\nA\n": ":1: expected >NAME before the first sequence, found ';old'; take out comment lines",
    b"chr1\t1\t2\n": ":1: expected >NAME before the first sequence, found 'chr1\\t1\\t2'; is this FASTA?",
    b">a\nA\n>\nA\n": ":3: a record without a name",
    b">a\nA\n> \t\nA\n": ":3: a record without a name; give it one after the >",
    b">a\nA\n>": ":3: a record without a name",
    b">a x\nA\n>b\n>a y\n": ":4: a second record named a; names are the first word after >",
    b">a\rACGT\r>b\rA\r": ": lines end in single carriage returns",
    b">" + b"x" * (3 << 20): ": a header line of more than 1 MiB",
    b"": ": empty;",
    b" \n\n": ": nothing but blanks;",
    "\ufeff".encode("utf-16-le") + ">a\nA\n".encode("utf-16-le"): ": UTF-16 text; save it as plain text",
    b"@r1\nACGT\n+\nIIII\n": ": a FASTQ file, not FASTA",
    b"@HD\tVN:1.6\n": ": a SAM file, not FASTA",
    b"<!DOCTYPE html>": ": HTML or XML, not FASTA; was the download an error page?",
    b"##gff-version 3\n": ": a GFF file, not FASTA",
    b"PAR1....": ": a Parquet file, not FASTA",
    b"PK\x03\x04...": ": a zip archive; decompress it first: unzip -p FILE | seqdl scan -",
    bz2.compress(TEXT): ": bzip2-compressed; decompress it first: bzip2 -dc FILE | seqdl scan -",
    lzma.compress(TEXT): ": xz-compressed; decompress it first: xz -dc FILE | seqdl scan -",
    gzip.compress(gzip.compress(TEXT)): ": gzip inside gzip",
    gzip.compress(b""): ": empty;",
    gzip.compress(TEXT)[:-9]: ": gzip data ends too early, at byte",
    gzip.compress(TEXT)[:10] + b"\xff" * 40: ": damaged gzip",
}


@pytest.mark.parametrize("data", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_bad_input_is_told_with_its_place(data: bytes, step: int) -> None:
    if len(data) > 1000 and step < 1000:
        pytest.skip("slow")
    assert message(data, step=step).startswith("standard input" + BAD[data])


def test_place_of_a_fault_deep_in_a_file(tmp_path: Path) -> None:
    lines = [b">a", *[b"ACGT" * 15] * 50_000, b">b x", *[b"ACGTACGTAC"] * 60_000, b"ACGTJ"]
    path = put(tmp_path / "a.fa", b"\n".join(lines))
    with pytest.raises(InputError, match=rf"a\.fa:{len(lines)}: record b, position 600005: 'J'"):
        list(read_fasta(path, piece=10_000))


def test_header_sign_that_begins_a_block_but_not_a_line_is_a_fault() -> None:
    head = b">a\n" + b"A" * 29
    assert "position 30: '>'" in message(head + b">GT\n", step=32)
    assert list(records(piped(head + b"\n>GT\n", step=33))) == ["a", "GT"]


def test_bgzip_cut_between_members_is_not_taken_for_whole(tmp_path: Path) -> None:
    whole = bgzipped(tmp_path / "a.gz", b">a\n" + b"ACGT\n" * 50_000).read_bytes()
    cut = put(tmp_path / "cut.gz", whole[:-28])  # the end mark is an empty member of 28 bytes
    for regions in (None, [Region("a", 249_990, 250_000)]):
        with pytest.raises(InputError, match="without its end mark"):
            list(read_fasta(cut, regions=regions))


# Regions
def test_region_is_parsed() -> None:
    assert parse_region("chr2:1,001-2,000") == ("chr2", 1000, 2000)
    assert parse_region("chr2:5-5") == ("chr2", 4, 5)
    assert parse_region("chr2:5-") == ("chr2", 4, END)
    assert parse_region("chr2") == ("chr2", 0, END)
    assert parse_region("HLA:A*01:02-03:7-9") == ("HLA:A*01:02-03", 6, 9)
    assert parse_region("chr17:6010-31420(-)") == ("chr17:6010-31420(-)", 0, END)
    assert parse_region("{chr1:1-9}") == ("chr1:1-9", 0, END)
    assert parse_region("{chr1:1-9}:2-3") == ("chr1:1-9", 1, 3)


@pytest.mark.parametrize("text", ["", "{}", "a:0-5", "a:9-3", "a:,-5", "{}:1-2"])
def test_wrong_region_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError, match="region"):
        parse_region(text)


@pytest.mark.parametrize("text", ["a", "a:5-", "a:1001-2000"])
def test_region_prints_as_it_is_written(text: str) -> None:
    assert str(parse_region(text)) == text


def test_bed_is_read_plain_and_packed(tmp_path: Path) -> None:
    text = b"# x\nbrowser position a\ntrack name=x\na\t0\t5\tgene\t0\t+\r\n\nb 7 9\na\t3\t3\n"
    for path in (put(tmp_path / "a.bed", text), put(tmp_path / "a.gz", gzip.compress(text))):
        assert read_bed(path) == [("a", 0, 5), ("b", 7, 9)]
    assert read_bed("-", stdin=io.BytesIO(text)) == [("a", 0, 5), ("b", 7, 9)]


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (read_bed, b"a\t1\t2\na\t5\n", ":2: expected NAME START END, found 'a\\\\t5'"),
        (read_bed, b"a\tx\t2\n", ":1: expected NAME START END"),
        (read_bed, b"a\t9\t2\n", ":1: interval a 9 2"),
        (read_bed, b"a\t-1\t2\n", ":1: interval a -1 2"),
        (read_bed, b"# nothing\n", ": no intervals"),
        (read_bed, b"", ": no intervals"),
        (read_introns, b"a\t1\t9\n", ":1: expected the intron's strand, \\+ or -, in column 6, found ''"),
        (read_introns, b"a\t1\t9\t.\t0\t+\na\t1\t9\t.\t0\t.\n", ":2: .* found '.'"),
        (read_introns, b"a\tx\t9\t.\t0\t+\n", ":1: expected NAME START END"),
        (read_introns, b"# nothing\n", ": no intervals"),
    ],
)
def test_wrong_bed_is_told_with_its_line(tmp_path: Path, read: Callable[..., object], text: bytes, says: str) -> None:
    with pytest.raises(InputError, match=rf"x\.bed{says}"):
        read(put(tmp_path / "x.bed", text))


def test_introns_are_read_with_their_strand(tmp_path: Path) -> None:
    path = put(tmp_path / "x.bed", b"# x\na\t10\t20\tGT-AG\t1\t+\na 30 45 . 0 - more\na\t5\t5\t.\t0\t+\n")
    assert read_introns(path) == [Intron("a", 10, 20, "+"), Intron("a", 30, 45, "-")]


def test_sites_of_an_intron_are_the_bases_beside_it_in_the_strands_order() -> None:
    # exon 0-4, intron 5-9, exon from 10 on
    assert Intron("a", 5, 10, "+").sites == (("a", 4, "+", "donor"), ("a", 10, "+", "acceptor"))
    assert Intron("a", 5, 10, "-").sites == (("a", 10, "-", "donor"), ("a", 4, "-", "acceptor"))


def test_overlapping_regions_are_merged_and_touching_ones_are_not() -> None:
    regions = [Region("b", 5, 9), Region("a", 0, 3), Region("b", 0, 6), Region("b", 9, END), Region("b", 1, 2)]
    assert merged(regions) == {"a": [("a", 0, 3)], "b": [("b", 0, 9), ("b", 9, END)]}


@pytest.mark.parametrize("kind", ["plain", "bgzip", "gzip"])
@pytest.mark.parametrize(
    ("region", "says"),
    [
        (Region("one", 3, 15), r"record one has 14 bases; region one:4-15 reaches beyond"),
        (Region("two", 0, 1), r"record two has 0 bases; region two:1-1 reaches beyond"),
        (Region("one", 14), r"record one has 14 bases; region one:15- reaches beyond"),
        (Region("four", 3, 5), r"no record 'four'; names are the first word after >; .* goes in braces: \{four:4-5\}"),
        (Region("four"), r"no record 'four'; names are"),
    ],
)
def test_region_that_is_not_there_is_an_error(tmp_path: Path, kind: str, region: Region, says: str) -> None:
    path = tmp_path / "a.fa"
    if kind == "bgzip":
        bgzipped(path, TEXT)
    else:
        put(path, TEXT if kind == "plain" else gzip.compress(TEXT))
    for _ in range(2):
        with pytest.raises(InputError, match=rf"a\.fa: {says}"):
            list(read_fasta(path, regions=[region]))


def test_whole_records_and_none_as_regions(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fa", TEXT)
    assert records(list(read_fasta(path, regions=[Region("three"), Region("two")], piece=5))) == {
        "two": b"",
        "three": CODES["three"],
    }
    assert list(read_fasta(path, regions=[])) == []


def test_bad_letter_in_a_region_is_told_and_one_outside_is_not_seen(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fa", b">a\nACGTAC\nGJACGT\n")
    assert len(list(read_fasta(path, regions=[Region("a", 0, 7)]))) == 1
    with pytest.raises(InputError, match=r"a\.fa: record a, position 8: 'J'"):
        list(read_fasta(path, regions=[Region("a", 5, 9)], beyond=True))


# The index
INDEX = [FaiRecord("one", 14, 11, 6, 7), FaiRecord("two", 0, 33, 0, 0), FaiRecord("three", 12, 41, 6, 7)]


def test_index_is_that_of_samtools(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fa", TEXT)
    assert index_fasta(path) == INDEX
    assert index_fasta(bgzipped(tmp_path / "a.gz", TEXT)) == INDEX
    assert index_fasta(put(tmp_path / "b.fa", TEXT.replace(b"\n", b"\r\n")))[0] == FaiRecord("one", 14, 12, 6, 8)
    assert not (tmp_path / "a.fa.fai").exists()
    write_fai(tmp_path / "x.fai", INDEX)
    assert (tmp_path / "x.fai").read_bytes() == b"one\t14\t11\t6\t7\ntwo\t0\t33\t0\t0\nthree\t12\t41\t6\t7\n"
    assert read_fai(tmp_path / "x.fai") == INDEX


def test_reading_regions_writes_the_index(tmp_path: Path) -> None:
    for path in (put(tmp_path / "a.fa", TEXT), bgzipped(tmp_path / "a.gz", TEXT)):
        list(read_fasta(path, regions=[Region("one", 2, 4)]))
        assert read_fai(f"{path}.fai") == INDEX


@pytest.mark.parametrize(
    "text",
    [
        b">a\nACG\nACGT\n",
        b">a\nACGT\n\nACGT\n",
        b">a\nACG\r\nACGT\nACG\n>b\n",
        b">a\nACGT\nACGT\r\n",
        b">a\nAC GT\n",
        b">a\n\nA\n",
    ],
)
def test_uneven_lines_are_streamed(tmp_path: Path, text: bytes) -> None:
    path = put(tmp_path / "a.fa", text)
    with pytest.raises(NotIndexable, match="record a: "):
        index_fasta(path)
    (piece,) = read_fasta(path, regions=[Region("a", 0, 1)])
    assert bytes(piece.codes) == b"\0"
    assert not (tmp_path / "a.fa.fai").exists()


def test_index_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fa", TEXT)
    (tmp_path / "a.fa.fai").mkdir()
    assert records(list(read_fasta(path, regions=[Region("three")]))) == {"three": CODES["three"]}


def test_plain_gzip_and_standard_input_have_no_index(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.gz: only a plain or bgzip file has an index"):
        index_fasta(put(tmp_path / "a.gz", gzip.compress(TEXT)))
    with pytest.raises(UsageError, match="read only once"):
        record_lengths("-")


OTHERS = {
    "another width": b">one first\nACGTACG\nTNNRYAC\n>two\n\n>three\nUUUUUU\nacgtac\n",
    "another width, as many lines": b">one first\nACGTA\nCGTNN\nRYAC\n>two\n\n>three\nUUUUUU\nacgtac\n",
    "longer": TEXT + b"AA\n",
    "shorter": TEXT[:-4],
    "one more record": TEXT + b">four\nA\n",
    "another name": TEXT.replace(b"three", b"other"),
    "a base more before": TEXT.replace(b"\nAC\n", b"\nACG\n"),
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("older", [True, False], ids=["older", "newer"])
def test_index_of_another_file_gives_no_wrong_base(tmp_path: Path, other: str, older: bool) -> None:
    path = put(tmp_path / "a.fa", OTHERS[other])
    write_fai(f"{path}.fai", INDEX)
    os.utime(f"{path}.fai", (0, 0) if older else None)
    right = records(piped(OTHERS[other]))
    assert list(record_lengths(path)) == [(name, len(codes)) for name, codes in right.items()]
    for name in right:
        assert records(list(read_fasta(path, regions=[Region(name)]))) == {name: right[name]}
    write_fai(f"{path}.fai", INDEX)
    os.utime(f"{path}.fai", (0, 0) if older else None)
    (piece,) = read_fasta(path, regions=[Region("one", 5, 7)])
    assert bytes(piece.codes) == right["one"][5:7]


@pytest.mark.parametrize(
    "damage", [b"", b"one\t14\n", b"one\t14\t11\t0\t0\n", b"one\t9\t1%s\t6\t7\n" % (b"0" * 30), b"\xff\n"]
)
def test_damaged_index_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    path = put(tmp_path / "a.fa", TEXT)
    fai = put(tmp_path / "a.fa.fai", damage)
    assert records(list(read_fasta(path, regions=[Region("one")]))) == {"one": CODES["one"]}
    assert read_fai(fai) == INDEX


def test_damaged_index_has_a_message(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.fai:2: expected NAME and four numbers"):
        read_fai(put(tmp_path / "a.fai", b"one\t14\t11\t6\t7\nx\n"))


def test_index_with_its_records_in_another_order_is_used_in_the_file_s(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fa", TEXT)
    write_fai(f"{path}.fai", INDEX[::-1])
    assert list(records(list(read_fasta(path, regions=[Region("three"), Region("one")])))) == ["one", "three"]
    assert [name for name, _ in record_lengths(path)] == ["one", "two", "three"]
    assert read_fai(f"{path}.fai") == INDEX[::-1]


def test_blanks_that_samtools_counts_as_columns_give_no_wrong_base(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fa", b">a\nACGTA CATGC\nGGGGG\n")
    write_fai(f"{path}.fai", [FaiRecord("a", 15, 3, 10, 12)])
    (piece,) = read_fasta(path, regions=[Region("a", 6, 8)])
    assert bytes(piece.codes) == encoded("AT")


def test_lines_that_the_index_does_not_expect_are_told(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fa", TEXT.replace(b"ACGTAC\nGTNNRY\nAC\n", b"ACGTAC\nGTNNR\nYAC\n"))
    write_fai(f"{path}.fai", INDEX)
    with pytest.raises(InputError, match=r"record one is not as .*a\.fa\.fai describes it; delete that file"):
        list(read_fasta(path, regions=[Region("one", 11, 12)]))
    os.utime(f"{path}.fai", (0, 0))
    (piece,) = read_fasta(path, regions=[Region("one", 11, 12)])
    assert bytes(piece.codes) == encoded("Y")


def test_region_of_a_bgzip_file_reads_only_its_members(tmp_path: Path) -> None:
    sequence = np.random.default_rng(5).choice(list(b"ACGT"), 3_000_000).astype(np.uint8).tobytes()
    path = bgzipped(tmp_path / "a.gz", b">a\n" + sequence + b"\n")
    list(read_fasta(path, regions=[Region("a", 0, 1)]))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 100] = bytes(100)
    stamp = path.stat().st_mtime_ns
    path.write_bytes(data)
    os.utime(path, ns=(stamp, stamp))
    (piece,) = read_fasta(path, regions=[Region("a", 2_800_000, 2_900_000)], piece=1 << 22)
    assert bytes(piece.codes) == encoded(sequence[2_800_000:2_900_000].decode())
    with pytest.raises(InputError, match="damaged gzip"):
        list(read_fasta(path, regions=[Region("a", 1_000_000, 2_000_000)]))


# Size
class Generated(io.RawIOBase):
    """A contig of 60 Mb that exists nowhere as a whole."""

    def __init__(self, width: int) -> None:
        line = (b"ACGTTGCAAC" * (width // 10))[:width] + b"\n"
        self._blocks = iter(itertools.chain([b">a\n"], itertools.repeat(line * max(1, 500_000 // width), 120)))

    def read(self, size: int = -1) -> bytes:
        return next(self._blocks, b"")


@pytest.mark.parametrize("width", [60, 500_000])
@pytest.mark.parametrize("regions", [None, [Region("a", 1000, 50_000_000)]])
def test_memory_does_not_grow_with_the_record(width: int, regions: list[Region] | None) -> None:
    pieces = read_fasta("-", stdin=Generated(width), piece=1 << 16, left=100, right=100, regions=regions)  # type: ignore[arg-type]
    tracemalloc.start()
    owned = sum(piece.own[1] - piece.own[0] for piece in pieces)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert owned == (49_999_000 if regions else 120 * (500_000 // width) * width)
    assert peak < 8 << 20


def contigs(number: int) -> Iterator[bytes]:
    return (b">contig%d\n%s\n" % (n, b"ACGTTGCAAC" * 20) for n in range(number))


def test_a_hundred_thousand_short_contigs_take_no_time(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fa", b"".join(contigs(100_000)))
    begin = time.perf_counter()
    assert sum(len(piece.codes) for piece in read_fasta(path, left=30, right=30)) == 20_000_000
    assert time.perf_counter() - begin < 4  # 0.4 s on the machine this was written on


def test_a_region_of_many_contigs_is_found_by_the_index(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fa", b"".join(contigs(20_000)))
    wanted = [Region(f"contig{n}", 10, 20) for n in range(0, 20_000, 10)]
    assert [piece.record for piece in read_fasta(path, regions=wanted)] == [region.record for region in wanted]
    assert plain(list(read_fasta(path, regions=wanted))) == plain(piped(path.read_bytes(), regions=wanted))
