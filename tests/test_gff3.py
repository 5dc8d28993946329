"""GFF3: transcripts, introns and coding parts from the shapes that annotations come in."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from seqdl_data.errors import InputError
from seqdl_data.gff3 import Coding, Transcript, read_transcripts


def line(kind: str, start: int, end: int, parent: str = "t1", strand: str = "+", phase: str = ".", record: str = "I"):
    """A line of GFF3; 1-based, both ends included."""
    return "\t".join([record, "us", kind, str(start), str(end), ".", strand, phase, f"ID=x;Parent={parent}"])


@pytest.fixture
def read(tmp_path: Path):
    """Transcripts of lines."""

    def read(*lines: str, end: str = "\n") -> list[Transcript]:
        path = tmp_path / "a.gff3"
        path.write_bytes("".join(each + end for each in ("##gff-version 3", *lines)).encode())
        return read_transcripts(path)

    return read


EXONS = line("exon", 1, 10), line("exon", 21, 30), line("exon", 41, 50)


def test_introns_are_the_gaps_between_exons(read) -> None:
    (transcript,) = read(*EXONS)
    assert (transcript.record, transcript.strand) == ("I", "+")
    assert transcript.exons == [(0, 10), (20, 30), (40, 50)]
    assert list(transcript.introns()) == [(10, 20), (30, 40)]
    assert transcript.coding == []


def test_exons_of_the_reverse_strand_may_be_listed_from_their_5_end(read) -> None:
    (transcript,) = read(*(each.replace("+", "-") for each in reversed(EXONS)))
    assert transcript.strand == "-"
    assert list(transcript.introns()) == [(10, 20), (30, 40)]


def test_without_exon_lines_coding_parts_and_utrs_make_the_exons(read) -> None:
    (transcript,) = read(
        line("five_prime_UTR", 1, 4), line("CDS", 5, 10, phase="0"), line("CDS", 21, 27, phase="2"),
        line("three_prime_UTR", 28, 30), line("three_prime_UTR", 41, 50),
    )  # fmt: skip
    assert list(transcript.introns()) == [(10, 20), (30, 40)]
    assert transcript.coding == [Coding(4, 10, 0), Coding(20, 27, 2)]


def test_coding_parts_within_exons_add_no_introns(read) -> None:
    (transcript,) = read(*EXONS, line("CDS", 5, 10, phase="0"), line("CDS", 21, 25, phase="1"))
    assert list(transcript.introns()) == [(10, 20), (30, 40)]


def test_an_exon_of_two_transcripts(read) -> None:
    one, two = read(line("exon", 1, 10, "t1,t2"), line("exon", 21, 30, "t1"), line("exon", 25, 30, "t2"))
    assert [list(each.introns()) for each in (one, two)] == [[(10, 20)], [(10, 24)]]


def test_a_name_on_two_records_is_two_transcripts(read) -> None:
    assert [t.record for t in read(line("exon", 1, 10), line("exon", 21, 30, record="II"))] == ["I", "II"]


@pytest.mark.parametrize("kind", ["intron", "gene", "mRNA", "region"])
def test_other_features_are_passed_over(kind: str, read) -> None:
    assert read(line(kind, 1, 100), EXONS[0])[0].exons == [(0, 10)]


def test_parts_without_parent_or_strand_are_passed_over(read) -> None:
    orphan = EXONS[0].replace("Parent", "Note")
    assert read(orphan, *(line("exon", 1, 10, strand=strand) for strand in (".", "?", "", "+-"))) == []


def test_a_missing_phase_is_0(read) -> None:
    assert read(line("CDS", 1, 10))[0].coding == [Coding(0, 10, 0)]


def test_windows_line_ends(read) -> None:
    assert read(*EXONS, end="\r\n") == read(*EXONS)


def test_sequences_at_the_end_are_not_read(read) -> None:
    assert read(*EXONS, "##FASTA", ">I", "ACGT") == read(*EXONS)


def test_comments_and_empty_lines(read) -> None:
    assert read("#!genome-build x", EXONS[0], "", "###", *EXONS[1:]) == read(*EXONS)


def test_gzip(read, tmp_path: Path) -> None:
    plain = read(*EXONS)
    (tmp_path / "a.gff3.gz").write_bytes(gzip.compress((tmp_path / "a.gff3").read_bytes()))
    assert read_transcripts(tmp_path / "a.gff3.gz") == plain


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("I 1 10", "a.gff3:3: 1 columns where GFF3 has 9"),
        (EXONS[0] + "\tmore", "a.gff3:3: 10 columns"),
        (line("exon", 1, 10).replace("\t10\t", "\tten\t"), "a.gff3:3: start '1' and end 'ten' must be whole numbers"),
        (line("exon", 0, 10), "a.gff3:3: start 0 to end 10 is no interval"),
        (line("exon", 10, 9), "a.gff3:3: start 10 to end 9 is no interval"),
    ],
    ids=["blanks for tabs", "too many columns", "no number", "from 0", "ends before it begins"],
)
def test_a_malformed_line_is_named(bad: str, message: str, read) -> None:
    with pytest.raises(InputError) as error:
        read(EXONS[0], bad)
    assert message in str(error.value)


def test_a_file_without_transcripts(read) -> None:
    assert read() == []


def test_fission_yeasts_introns_are_those_collected_beside_them(shared_data: Path) -> None:
    folder = shared_data / "dna" / "genomes" / "spombe"
    transcripts = read_transcripts(folder / "spombe_I_II.gff3.gz")
    found = {(t.record, start, end, t.strand) for t in transcripts for start, end in t.introns()}
    with gzip.open(folder / "spombe_I_II.introns.bed.gz", "rt") as file:
        rows = [row.split("\t") for row in file.read().splitlines()]
    assert found == {(row[0], int(row[1]), int(row[2]), row[5]) for row in rows}
    assert len(found) == 4370
