"""Hits in every format: what stands in them, whether other people's readers agree, how fast they are."""

from __future__ import annotations

import io
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqdl_data import hits
from seqdl_data.dataset import read_info

CODES = np.array([0, 0, 1, 2, 3, 3, 4, 0, 1, 1], np.uint8)  # AACGTTNACC


def table(p: list[float] | None = None, sequence: str = "chr1", name: str = "MA1") -> pa.Table:
    """Two hits of a motif: AACG on +, and ACGT's reverse complement on -."""
    start, end, minus = np.array([0, 1]), np.array([4, 5]), np.array([False, True])
    return hits.hit_table(
        [sequence], np.zeros(2, int), start, end, minus, [name], np.zeros(2, int), np.array([7.25, -1.5]),
        alt_names=["crp"], p_value=np.array(p or [1e-5, 2.5e-4]),
        matched_sequence=hits.matched_sequences(CODES, start, end - start, minus),
    )  # fmt: skip


def sites(names: tuple[str, ...] = ("donor", "acceptor")) -> pa.Table:
    start = np.array([9, 20])
    return hits.hit_table(
        ["chr1"], np.zeros(2, int), start, start + 1, np.array([False, True]), names, np.array([0, 1]),
        np.array([0.9876, 0.5]),
    )  # fmt: skip


def written(form: str, kind: str, *tables: pa.Table, headed: bool = True) -> str:
    stream = io.BytesIO()
    hits.write_hits(stream, form, kind, iter(tables), headed=headed)
    return stream.getvalue().decode()


def test_fimo_tsv() -> None:
    assert written("tsv", "motif", table()).splitlines() == [
        "motif_id\tmotif_alt_id\tsequence_name\tstart\tstop\tstrand\tscore\tp-value\tq-value\tmatched_sequence",
        "MA1\tcrp\tchr1\t1\t4\t+\t7.25\t1e-05\t\tAACG",
        "MA1\tcrp\tchr1\t2\t5\t-\t-1.5\t0.00025\t\tACGT",
    ]


def test_site_tsv() -> None:
    assert written("tsv", "site", sites()).splitlines() == [
        "site_type\tsequence_name\tstart\tstop\tstrand\tprobability",
        "donor\tchr1\t10\t10\t+\t0.9876",
        "acceptor\tchr1\t21\t21\t-\t0.5",
    ]


def test_bed6() -> None:
    assert written("bed", "motif", table()) == "chr1\t0\t4\tMA1\t500\t+\nchr1\t1\t5\tMA1\t360\t-\n"
    assert written("bed", "site", sites()) == "chr1\t9\t10\tdonor\t988\t+\nchr1\t20\t21\tacceptor\t500\t-\n"


def test_bed_scores_fall_with_p_and_stay_in_range() -> None:
    p = np.concatenate([[0.0], np.logspace(-30, 0, 200)])
    zeros = np.zeros(len(p), int)
    many = hits.hit_table(["c"], zeros, zeros, zeros + 1, zeros == 1, ["m"], zeros, p, p_value=p)
    scores = [int(line.split("\t")[4]) for line in written("bed", "motif", many).splitlines()]
    assert scores == sorted(scores, reverse=True)
    assert (scores[0], scores[-1]) == (1000, 0)


def test_gff3() -> None:
    assert written("gff3", "motif", table()).splitlines() == [
        "##gff-version 3",
        "chr1\tseqdl\tnucleotide_motif\t1\t4\t50\t+\t.\t"
        "ID=MA1:chr1:1-4-+;Name=MA1;Alias=crp;score=7.25;pvalue=1e-05;sequence=AACG",
        "chr1\tseqdl\tnucleotide_motif\t2\t5\t36\t-\t.\t"
        "ID=MA1:chr1:2-5--;Name=MA1;Alias=crp;score=-1.5;pvalue=0.00025;sequence=ACGT",
    ]
    kinds = [line.split("\t")[2] for line in written("gff3", "site", sites()).splitlines()[1:]]
    assert kinds == ["five_prime_cis_splice_site", "three_prime_cis_splice_site"]
    kinds = [line.split("\t")[2] for line in written("gff3", "site", sites(("tata", "x"))).splitlines()[1:]]
    assert kinds == ["nucleotide_motif"] * 2


def test_json_lines_have_a_schema_and_every_digit() -> None:
    third = table([1 / 3, 1e-300])
    lines = [json.loads(line) for line in written("json", "motif", third).splitlines()]
    assert lines[0] == {
        "schema": "seqdl.hit/1", "sequence_name": "chr1", "start": 0, "end": 4, "strand": "+", "name": "MA1",
        "alt_name": "crp", "score": 7.25, "p_value": 1 / 3, "q_value": None, "matched_sequence": "AACG",
    }  # fmt: skip
    assert lines[1]["p_value"] == 1e-300
    assert set(json.loads(written("json", "site", sites()).splitlines()[0])) == {
        "schema", "sequence_name", "start", "end", "strand", "name", "score"
    }  # fmt: skip


@pytest.mark.parametrize("form", ["bed", "gff3", "tsv", "json"])
def test_awkward_names_keep_rows_and_columns_apart(form: str) -> None:
    rows = written(form, "motif", table(sequence='a;b=c&d,e%"\\é>', name="x\ty\nz w"), headed=False).splitlines()
    assert len(rows) == 2
    if form == "json":
        assert json.loads(rows[0])["name"] == "x\ty\nz w"
    else:
        assert len(rows[0].split("\t")) == {"bed": 6, "gff3": 9, "tsv": 10}[form]


def test_gff3_in_biopythons_reader(tmp_path: Path) -> None:
    from BCBio import GFF

    path = tmp_path / "x.gff3"
    path.write_text(written("gff3", "motif", table(sequence="a;b=c,1", name="x=1;y&z,%")))
    with path.open() as stream:
        (record,) = GFF.parse(stream)
    first, second = record.features
    assert record.id in ("a;b=c,1", "a%3Bb%3Dc%2C1")  # the reader leaves the first column as it is
    assert (int(first.location.start), int(first.location.end), first.location.strand) == (0, 4, 1)
    assert (int(second.location.start), int(second.location.end), second.location.strand) == (1, 5, -1)
    assert first.qualifiers["Name"] == ["x=1;y&z,%"]
    assert first.qualifiers["sequence"] == ["AACG"]


def test_bed_and_gff3_in_bioframe(tmp_path: Path) -> None:
    import bioframe

    bed, gff = tmp_path / "x.bed", tmp_path / "x.gff3"
    bed.write_text(written("bed", "motif", table()))
    gff.write_text(written("gff3", "motif", table()))
    rows = bioframe.read_table(bed, schema="bed6", schema_is_strict=True)
    assert rows.values.tolist() == [["chr1", 0, 4, "MA1", 500, "+"], ["chr1", 1, 5, "MA1", 360, "-"]]
    assert bioframe.is_bedframe(rows)
    rows = bioframe.read_table(gff, schema="gff", comment="#")
    assert rows[["start", "end", "strand"]].values.tolist() == [[1, 4, "+"], [2, 5, "-"]]


def test_parquet_says_how_it_counts_and_not_when_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with path.open("wb") as stream:
        hits.write_hits(stream, "parquet", "motif", iter([table(), table()]), source="genome.fa")
    read = pq.read_table(path)
    assert read.schema.field("start").metadata[b"coordinates"] == b"0-based, half-open"
    assert read.schema.names == hits.hit_schema().names
    assert read["matched_sequence"].to_pylist() == ["AACG", "ACGT"] * 2
    assert read.to_pandas()["q_value"].isna().all()
    info = read_info(path)
    assert (info.kind, info.source, info.created) == ("hits of motifs", "genome.fa", "")
    assert pq.ParquetFile(path).metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize("form", hits.FORMATS)
def test_the_same_hits_in_other_tables_are_the_same_bytes(form: str) -> None:
    whole = pa.concat_tables([table()] * 7)
    streams = []
    for cuts in ([0, 14], [0, 1, 5, 5, 14]):
        stream = io.BytesIO()
        parts = (whole.slice(a, b - a) for a, b in pairwise(cuts))
        hits.write_hits(stream, form, "motif", parts)
        streams.append(stream.getvalue())
    assert streams[0] == streams[1]


@pytest.mark.parametrize("form", hits.FORMATS)
def test_no_hits_are_a_header(form: str) -> None:
    stream = io.BytesIO()
    hits.write_hits(stream, form, "motif", iter([]))
    if form == "parquet":
        assert pq.read_table(stream).num_rows == 0
    else:
        assert stream.getvalue() == hits.header(form, "motif")


def test_row_groups_are_of_one_size() -> None:
    tables = [table().slice(0, n) for n in (2, 0, 1, 2, 2)]
    assert [group.num_rows for group in hits.row_groups(tables, 3)] == [3, 3, 1]


def test_matched_sequences_of_unequal_widths_and_unknown_bases() -> None:
    found = hits.matched_sequences(CODES, np.array([0, 5, 7]), np.array([2, 3, 3]), np.array([False, True, True]))
    assert found.to_pylist() == ["AA", "TNA", "GGT"]
    assert len(hits.matched_sequences(CODES, *np.zeros((2, 0), int), np.zeros(0, bool))) == 0


def test_a_fifth_of_a_million_hits_takes_less_than_seconds() -> None:
    draw = np.random.default_rng(1)
    start = np.sort(draw.integers(0, 5_000_000, 200_000))
    codes, minus = draw.integers(0, 4, 5_000_020).astype(np.uint8), draw.random(len(start)) < 0.5
    score, zeros = draw.random(len(start)), np.zeros(len(start), int)
    text = hits.matched_sequences(codes, start, zeros + 12, minus)
    rows = hits.hit_table(
        ["c"], zeros, start, start + 12, minus, ["m"], zeros, score, p_value=score / 1e4, matched_sequence=text
    )
    for form in hits.FORMATS:
        began = time.perf_counter()
        hits.write_hits(io.BytesIO(), form, "motif", iter([rows]))
        assert time.perf_counter() - began < 5  # 0.05 to 0.6 s on an idle core
