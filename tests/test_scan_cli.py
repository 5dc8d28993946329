"""`seqdl scan` from end to end: every hit points at its bases, options do what they say, FIMO agrees."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import false_discovery_control
from typer.testing import CliRunner

from seqdl import dna, parallel
from seqdl.dna.network import SiteNetwork
from seqdl.dna.pvalue import ScoreDistribution
from seqdl.dna.sitemodel import SiteKind, SiteModel
from seqdl_cli.main import app

ROOT = Path(__file__).resolve().parent.parent
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")
MEME = """MEME version 4

ALPHABET= ACGT

Background letter frequencies
A 0.3 C 0.2 G 0.2 T 0.3

MOTIF one first
letter-probability matrix: alength= 4 w= 6 nsites= 30
0.7 0.1 0.1 0.1
0.1 0.1 0.7 0.1
0.1 0.6 0.2 0.1
0.1 0.1 0.1 0.7
0.7 0.1 0.1 0.1
0.0 0.9 0.1 0.0

MOTIF palindrome
letter-probability matrix: alength= 4 w= 4 nsites= 20
0.85 0.05 0.05 0.05
0.05 0.85 0.05 0.05
0.05 0.05 0.85 0.05
0.05 0.05 0.05 0.85
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """genome.fa, contigs with lower case, N and U, one empty, one shorter than a motif; library.meme."""
    folder = tmp_path_factory.mktemp("scan")
    draw = np.random.default_rng(8)
    letters = np.frombuffer(b"ACGTacgt" * 5 + b"NRU", np.uint8)
    with (folder / "genome.fa").open("wb") as file:
        for name, size in (("chr1", 30_000), ("chr2", 0), ("chr3", 3), ("chr4", 2_000)):
            text = draw.choice(letters, size).tobytes()
            if name == "chr4":  # where the motifs are at home
                text = b"".join(text[at : at + 10] + b"AGCTACACGT" for at in range(0, size, 10))
            file.write(b">%s of the test\n" % name.encode())
            file.writelines(text[at : at + 60] + b"\n" for at in range(0, size, 60))
    (folder / "library.meme").write_text(MEME)
    return folder


Scan = Callable[..., str]


@pytest.fixture
def scan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Scan:
    """What `seqdl scan genome.fa OPTIONS` prints, in the folder; it must succeed."""
    monkeypatch.chdir(folder)
    before = parallel.get_num_threads()

    def run(*options: object, genome: str = "genome.fa", library: bool = True, stdin: bytes = b"") -> str:
        words = ["scan", genome, *(["--motifs", "library.meme"] if library else []), *map(str, options)]
        done = CliRunner().invoke(app, words, input=stdin, prog_name="seqdl")
        parallel.set_num_threads(before)
        assert done.exit_code == 0, done.stderr
        run.stderr = done.stderr  # type: ignore[attr-defined]
        return done.stdout

    return run


def sequences(path: Path) -> dict[str, str]:
    records = [record.split("\n", 1) for record in path.read_text().split(">")[1:]]
    return {head.split()[0]: body.replace("\n", "").upper().replace("U", "T") for head, body in records}


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def bases(genome: dict[str, str], name: str, start: int, end: int, strand: str) -> str:
    found = genome[name][start:end]
    return found if strand == "+" else found.translate(COMPLEMENT)[::-1]


def naive_hits(genome: dict[str, str], thresh: float) -> list[tuple[Any, ...]]:
    """(contig, start, strand, motif, score, p) by trying every window, in order."""
    motifs = dna.read_motifs("library.meme")
    background = motifs[0].background
    found = []
    for name, text in genome.items():
        codes = np.array(["ACGT".find(letter) for letter in text])
        codes[codes < 0] = 4
        for m, motif in enumerate(motifs):
            distribution = ScoreDistribution(motif.scores(background), background)
            for strand, matrix in (("+", distribution.scores), ("-", distribution.scores[::-1, ::-1])):
                for at in range(len(codes) - len(matrix) + 1):
                    window = codes[at : at + len(matrix)]
                    if window.max(initial=0) < 4:
                        score = matrix[np.arange(len(matrix)), window].sum()
                        found.append((name, at, strand, m, motif.id, score, distribution))
    places = list(genome)
    found = [(*hit[:5], hit[5], float(hit[6].pvalue(hit[5]))) for hit in found]
    kept = [hit for hit in found if hit[6] <= thresh * (1 + 1e-9)]
    kept.sort(key=lambda hit: (places.index(hit[0]), hit[1], hit[2] == "-", hit[3]))
    return [(hit[0], hit[1], hit[2], hit[4], hit[5], hit[6]) for hit in kept]


def test_hits_are_those_of_trying_every_window(scan: Scan) -> None:
    scan("--thresh", 0.005, "-o", "x.parquet", "-q")
    read = pq.read_table("x.parquet")
    names = ("sequence_name", "start", "strand", "name", "score", "p_value")
    ours = list(zip(*(read[name].to_pylist() for name in names), strict=True))
    wanted = naive_hits(sequences(Path("genome.fa")), 0.005)
    assert len(wanted) > 100
    assert [hit[:4] for hit in ours] == [hit[:4] for hit in wanted]
    np.testing.assert_allclose([hit[4:] for hit in ours], [hit[4:] for hit in wanted], rtol=1e-12)


@pytest.mark.parametrize("form", ["tsv", "bed", "gff3", "json", "parquet"])
def test_coordinates_of_every_hit_point_at_its_bases(form: str, scan: Scan) -> None:
    import bioframe

    genome = sequences(Path("genome.fa"))
    output = f"hits.{form}"
    scan("--thresh", 0.005, "-o", output)
    matched = [row["matched_sequence"] for row in rows(scan("--thresh", 0.005))]
    assert len(matched) > 100
    if form == "tsv":
        read = rows(Path(output).read_text())
        table = [(row["sequence_name"], int(row["start"]) - 1, int(row["stop"]), row["strand"]) for row in read]
    elif form == "bed":
        read = bioframe.read_table(output, schema="bed6")
        table = list(read[["chrom", "start", "end", "strand"]].itertuples(index=False, name=None))
    elif form == "gff3":
        read = bioframe.read_table(output, schema="gff", comment="#")
        read["start"] -= 1
        table = list(read[["chrom", "start", "end", "strand"]].itertuples(index=False, name=None))
    elif form == "json":
        documents = [json.loads(line) for line in Path(output).read_text().splitlines()]
        table = [(d["sequence_name"], d["start"], d["end"], d["strand"]) for d in documents]
    else:
        read = pq.read_table(output).to_pandas()
        table = list(read[["sequence_name", "start", "end", "strand"]].itertuples(index=False, name=None))
    assert [bases(genome, *hit) for hit in table] == matched


def test_same_bytes_for_threads_pieces_stdin_and_file(scan: Scan, folder: Path) -> None:
    whole = scan("--thresh", 0.01, "-t", 1)
    assert whole.count("\n") > 200
    for options in (["-t", 2], ["-t", 2, "--piece", 100], ["--piece", 1 << 20], ["-t", 1, "--piece", 7]):
        assert scan("--thresh", 0.01, *options) == whole
    assert scan("--thresh", 0.01, genome="-", stdin=(folder / "genome.fa").read_bytes()) == whole
    scan("--thresh", 0.01, "-o", "x.tsv")
    assert Path("x.tsv").read_text() == whole
    assert not Path(".x.tsv.parts").exists()


def test_regions_leave_out_what_does_not_lie_in_them(scan: Scan) -> None:
    whole = rows(scan("--thresh", 0.01))
    inside = [
        row for row in whole
        if row["sequence_name"] == "chr1" and int(row["start"]) > 5000 and int(row["stop"]) <= 9000
    ]  # fmt: skip
    assert rows(scan("--thresh", 0.01, "--region", "chr1:5,001-9,000")) == inside
    Path("r.bed").write_text("chr1\t5000\t7000\nchr1\t6990\t9000\n")
    assert rows(scan("--thresh", 0.01, "--bed", "r.bed", "--piece", 333)) == inside
    both = rows(scan("--thresh", 0.01, "--region", "chr4", "--region", "chr1:5,001-9,000"))
    assert both == inside + [row for row in whole if row["sequence_name"] == "chr4"]


def test_shards_put_together_are_the_whole(scan: Scan) -> None:
    whole = scan("--thresh", 0.01, "--format", "gff3")
    parts = []
    for number in (1, 2, 3):
        scan("--thresh", 0.01, "--shard", f"{number}/3", "-o", f"part{number}.gff3", "--piece", 1000)
        parts.append(Path(f"part{number}.gff3").read_text())
        assert json.loads(Path(f"part{number}.gff3.manifest.json").read_text())["schema"] == "seqdl.scan.shard/1"
    assert "".join(parts) == whole


def test_norc_and_max_strand(scan: Scan) -> None:
    both = rows(scan("--thresh", 0.01))
    assert rows(scan("--thresh", 0.01, "--norc")) == [row for row in both if row["strand"] == "+"]
    best: dict[tuple[str, ...], dict[str, str]] = {}
    for row in both:
        place = (row["sequence_name"], row["start"], row["motif_id"])
        if place not in best or float(row["score"]) > float(best[place]["score"]):
            best[place] = row
    assert len(best) < len(both)
    assert rows(scan("--thresh", 0.01, "--max-strand")) == [row for row in both if row in best.values()]


def test_skip_matched_sequence_and_text(scan: Scan) -> None:
    with_it, without = rows(scan("--text")), rows(scan("--skip-matched-sequence"))
    assert [row | {"matched_sequence": ""} for row in with_it] == without


@pytest.mark.parametrize("options", [[], ["--norc"], ["--max-strand", "--piece", 500]], ids=str)
def test_q_values_are_benjamini_hochbergs_over_all_places(scan: Scan, options: list[str]) -> None:
    everything = naive_hits(sequences(Path("genome.fa")), 1)
    tested = [hit for hit in everything if "--norc" not in options or hit[2] == "+"]
    wanted = {}
    for motif in ("one", "palindrome"):
        hits = [hit for hit in tested if hit[3] == motif]
        if "--norc" in options:  # measured against one strand's background: no matter, that of the file is even
            assert {hit[2] for hit in hits} == {"+"}
        q = false_discovery_control([hit[5] for hit in hits])
        wanted |= {hit[:4]: value for hit, value in zip(hits, q, strict=True) if value <= 0.6}
    scan("--qv-thresh", 0.6, "-o", "q.parquet", *options)
    read = pq.read_table("q.parquet").to_pylist()
    ours = {(row["sequence_name"], row["start"], row["strand"], row["name"]): row["q_value"] for row in read}
    assert len(ours) > 20
    assert set(ours) <= set(wanted)
    if "--max-strand" not in options:
        assert set(ours) == set(wanted)
    np.testing.assert_allclose(list(ours.values()), [wanted[key] for key in ours], rtol=1e-9)
    few = rows(scan("--qv-thresh", 0.6, "--thresh", 1e-3, *options))
    assert 0 < len(few) < len(ours)
    assert all(float(row["p-value"]) <= 1e-3 for row in few)


def test_backgrounds(scan: Scan) -> None:
    assert scan("--thresh", 0.01) == scan("--thresh", 0.01, "--bfile", "--motif--")
    Path("bg").write_text("A 0.25\nC 0.25\nG 0.25\nT 0.25\n")
    uniform = scan("--thresh", 0.01, "--bfile", "--uniform--")
    assert uniform == scan("--thresh", 0.01, "--bfile", "bg")
    assert uniform != scan("--thresh", 0.01)
    text = "".join(sequences(Path("genome.fa")).values())
    counts = {letter: text.count(letter) + 1 for letter in "ACGT"}
    Path("bg").write_text("".join(f"{letter} {n / sum(counts.values()):.15f}\n" for letter, n in counts.items()))
    assert scan("--thresh", 0.01, "--bfile", "--input--") == scan("--thresh", 0.01, "--bfile", "bg")


def test_consensus_words_and_pseudocounts(scan: Scan) -> None:
    found = rows(scan("--consensus", "GATWC", "--consensus", "TTTAAA", "--thresh", 0.003, library=False))
    assert {row["motif_id"] for row in found} == {"GATWC", "TTTAAA"}
    genome = sequences(Path("genome.fa"))
    palindromes = sum(text.startswith("TTTAAA", at) for text in genome.values() for at in range(len(text)))
    assert sum(row["matched_sequence"] == "TTTAAA" for row in found) == 2 * palindromes
    assert scan("--motif-pseudo", 5, "--thresh", 0.001) != scan("--thresh", 0.001)


def test_formats_by_ending_and_by_name(scan: Scan) -> None:
    for ending, form in ((".gff", "gff3"), (".jsonl", "json"), (".txt", "tsv"), (".hits", "tsv"), (".bed", "bed")):
        scan("-o", f"x{ending}")
        assert Path(f"x{ending}").read_text() == scan("--format", form)
    scan("-o", "x.bed", "--format", "tsv")
    assert Path("x.bed").read_text() == scan()


def test_a_threshold_out_of_reach_is_said_and_no_error(scan: Scan) -> None:
    assert scan("--thresh", 1e-9).count("\n") == 1
    assert "2 of 2 motifs can have no hit" in scan.stderr  # type: ignore[attr-defined]
    scan("--thresh", 1e-9, "-q")
    assert scan.stderr == ""  # type: ignore[attr-defined]


def test_many_short_contigs(scan: Scan) -> None:
    text = sequences(Path("genome.fa"))["chr1"]
    Path("many.fa").write_text("".join(f">c{at}\n{text[at : at + 200]}\n" for at in range(0, len(text) - 200, 3)))
    began = time.perf_counter()
    found = rows(scan("--thresh", 0.01, genome="many.fa"))
    assert time.perf_counter() - began < 10
    for name, hits in itertools.groupby(found, lambda row: row["sequence_name"]):
        at = int(name[1:])
        for hit in hits:
            start, stop = at + int(hit["start"]) - 1, at + int(hit["stop"])
            assert bases({"chr1": text}, "chr1", start, stop, hit["strand"]) == hit["matched_sequence"]
    assert len({row["sequence_name"] for row in found}) > 9000


def test_the_library_gives_the_same_hits(scan: Scan) -> None:
    scan("--thresh", 0.01, "-o", "x.parquet")
    tables = list(dna.scan("genome.fa", motifs=dna.read_motifs("library.meme"), thresh=0.01))
    assert [row for table in tables for row in table.to_pylist()] == pq.read_table("x.parquet").to_pylist()


# Learned sites


@pytest.fixture(scope="module")
def site_model(folder: Path) -> Path:
    """A network that has learned nothing: its probabilities are as good as any to see where they land."""
    path = folder / "sites.safetensors"
    network = SiteNetwork(3, hidden=8, layers=1, kmer=3, generator=np.random.default_rng(2))
    kinds = (SiteKind("donor", "donor", lead=1), SiteKind("acceptor", "acceptor"))
    SiteModel(network.eval(), kinds, 40, ((1.0, 0.0), (1.0, 0.0))).save(path)
    return path


def test_sites_are_all_candidates_of_both_strands(scan: Scan, site_model: Path) -> None:
    found = rows(scan("--model", site_model, "--min-probability", 0, "--format", "tsv", library=False))
    genome = sequences(Path("genome.fa"))
    wanted = set()
    for name, text in genome.items():
        for strand in "+-":
            read = bases(genome, name, 0, len(text), strand)
            for at in range(len(read) - 1):
                kinds = {"GT": ("donor", at - 1), "GC": ("donor", at - 1), "AG": ("acceptor", at + 2)}
                kind, place = kinds.get(read[at : at + 2], ("", 0))
                if kind and 0 <= place < len(read):
                    wanted.add((kind, name, (place if strand == "+" else len(read) - 1 - place) + 1, strand))
    ours = [(row["site_type"], row["sequence_name"], int(row["start"]), row["strand"]) for row in found]
    assert all(row["start"] == row["stop"] for row in found)
    assert len(set(ours)) == len(ours)
    assert set(ours) == wanted


@pytest.mark.parametrize("form", ["bed", "parquet", "gff3"])
def test_sites_are_the_same_bytes_for_threads_and_pieces(form: str, scan: Scan, site_model: Path) -> None:
    files = []
    for options in (["-t", 1], ["-t", 2], ["-t", 2, "--piece", 1777], ["--piece", 1 << 20]):
        scan("--model", site_model, "--min-probability", 0.3, "-o", f"s.{form}", *options, library=False)
        files.append(Path(f"s.{form}").read_bytes())
    assert len(files[0]) > 5000
    assert len(set(files)) == 1


def test_sites_by_default_are_bed_of_the_likelier_half(scan: Scan, site_model: Path) -> None:
    scores = [int(row.split("\t")[4]) for row in scan("--model", site_model, library=False).splitlines()]
    every = scan("--model", site_model, "--min-probability", 0, library=False).splitlines()
    assert len(scores) < len(every)
    assert all(score >= 500 for score in scores)


# As a process


def test_help_is_quick_and_light(seqdl: Any) -> None:
    heavy = "('numba', 'scipy', 'pyarrow', 'Bio', 'numpy')"
    code = f"import sys, seqdl_cli.main; print([m for m in {heavy} if m in sys.modules])"
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "data", "cli"))
    found = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, capture_output=True)
    assert found.stdout.strip() == b"[]", found.stderr
    assert b"Example: seqdl scan" in seqdl("scan", "--help").stdout


def test_ctrl_c_says_how_to_go_on(folder: Path, tmp_path: Path) -> None:
    whole, output = tmp_path / "whole.bed", tmp_path / "x.bed"
    big = tmp_path / "big.fa"
    text = sequences(folder / "genome.fa")["chr1"]
    big.write_text("".join(f">c{n}\n{text * 30}\n" for n in range(40)))  # 36 Mb
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "data", "cli"))
    options = ["--motifs", str(folder / "library.meme"), "--thresh", "0.001", "--piece", "20000"]
    command = [sys.executable, "-m", "seqdl_cli.main", "scan", str(big), *options, "-o"]
    environment = {**os.environ, "PYTHONPATH": paths}
    # A shell's background jobs, as tests often are, and all their children ignore Ctrl-C.
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    begin = partial(subprocess.Popen, stderr=subprocess.PIPE, env=environment, preexec_fn=heeding)
    with begin([*command, str(output)]) as process:
        while not (tmp_path / ".x.bed.parts").exists() and process.poll() is None:  # the scan has begun
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130, told
    assert b"to go on, give the same command again: seqdl scan" in told
    assert b"Traceback" not in told
    subprocess.run([*command, str(output)], check=True, capture_output=True, env=environment)
    subprocess.run([*command, str(whole)], check=True, capture_output=True, env=environment)
    assert output.read_bytes() == whole.read_bytes()


# Beside FIMO

FIMO_RUNS = {  # sequences, motifs, options, output
    "MCM1": ("spiked.fasta", "MCM1.meme.html.gz", ["--motif-pseudo", 0.01], "fimo.txt"),
    "CRP": ("motiph-spiked.fasta", "crp0.meme.xml", ["--thresh", 0.01], "fimo-motif23.txt"),
}


@pytest.mark.parametrize("rounding", [True, False], ids=["FIMO's rounding", "ours"])
@pytest.mark.parametrize("run", FIMO_RUNS)
def test_fimos_hits(run: str, rounding: bool, scan: Scan, shared_data: Path) -> None:
    """All of them, scores within 0.05 bit; p-values within 2%, unless ties fall apart that FIMO's rounding makes."""
    golden = shared_data / "dna/motifs/golden/fimo-tests"
    genome, motifs, options, output = FIMO_RUNS[run]
    Path("nrdb").write_text("A 0.281774\nC 0.222020\nG 0.228876\nT 0.267330\n")  # FIMO's default background
    options = [*options, "--bfile", "nrdb", *(["--fimo-rounding"] if rounding else [])]
    found = rows(scan("--motifs", golden / motifs, *options, genome=str(golden / genome), library=False))
    wanted = rows((golden / output).read_text().removeprefix("# "))
    chosen = {row["motif_id"] for row in wanted}

    def place(row: dict[str, str]) -> tuple[str, ...]:
        return tuple(row[name] for name in ("motif_id", "motif_alt_id", "sequence_name", "start", "stop", "strand"))

    ours = {place(row): row for row in found if row["motif_id"] in chosen}
    missing = {place(row) for row in wanted} - set(ours)
    if rounding:
        assert set(ours) == {place(row) for row in wanted}
    else:
        assert not missing
    for row in wanted:
        ours_here = ours[place(row)]
        assert ours_here["matched_sequence"] == row["matched_sequence"]
        assert float(ours_here["score"]) == pytest.approx(float(row["score"]), abs=1e-3 if rounding else 0.05)
        if rounding or run == "MCM1":
            assert float(ours_here["p-value"]) == pytest.approx(float(row["p-value"]), rel=0.005 if rounding else 0.025)
