"""Datasets of splice sites: what is said of each base, which split it goes to, and what is refused."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from seqdl_cli.main import app
from seqdl_data import splice
from seqdl_data.dataset import KEY, read_info
from seqdl_data.errors import InputError, UsageError
from seqdl_data.nucleotides import decode, encode, reverse_complement
from seqdl_data.sites import Stretch, read_stretches, split_of
from seqdl_data.splice import Genome, Split, build_splice
from seqdl_data.text import build_text

#           exon  intron  exon
FORWARD = b"ATGGCCGTAAGCAGTTTTAA"
SITES = "...0..D...00.0A....."  # D donor, A acceptor, 0 decoy, . nothing is said
STRUCTURE = "012012iiiiiiii012012"
GENE = [("CDS", 1, 6, "+", "0"), ("CDS", 15, 20, "+", "0")]
WHOLE = Split(valid_fraction=0)


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqdl_data.files._sync", lambda path: None)


def mirrored(letters: bytes) -> bytes:
    return decode(reverse_complement(encode(letters)))


def drawn(values: np.ndarray | None, letters: str) -> str | None:
    """Labels or structure as text, . where nothing is said."""
    return None if values is None else "".join("." if value == 255 else letters[value] for value in values)


def sites(stretch: Stretch) -> str | None:
    return drawn(stretch.labels, "0DA")


def structure(stretch: Stretch) -> str | None:
    return drawn(stretch.structure, "-ti012")


def write_genome(folder: Path, records: dict[str, bytes], features: dict[str, list[tuple]]) -> Genome:
    """A FASTA and a GFF3 file; a feature is (kind, start, end, strand, phase, transcript)."""
    (folder / "g.fa").write_bytes(
        b"".join(b">%s\n%s\n" % (name.encode(), letters) for name, letters in records.items())
    )
    lines = [
        f"{record}\tus\t{kind}\t{start}\t{end}\t.\t{strand}\t{phase}\tParent={(*more, 't')[0]}\n"
        for record, each in features.items()
        for kind, start, end, strand, phase, *more in each
    ]
    (folder / "g.gff3").write_text("".join(lines))
    return Genome(folder / "g.fa", folder / "g.gff3")


def stretches(tmp_path: Path, part: str = "train", **options) -> list[Stretch]:
    build_splice(tmp_path / "d.parquet", **options)
    return read_stretches(tmp_path / "d.parquet", part)[0]


# Labels


def test_sites_decoys_and_codons_of_a_gene(tmp_path: Path) -> None:
    genome = write_genome(tmp_path, {"I": FORWARD}, {"I": GENE})
    forward, reverse = stretches(tmp_path, genomes=[genome], split=WHOLE)
    assert (forward.record, decode(forward.codes)) == ("I", FORWARD)
    assert (sites(forward), structure(forward)) == (SITES, STRUCTURE)
    assert decode(reverse.codes) == b"TTAAAACTGCTTACGGCCAT"
    assert (sites(reverse), structure(reverse)) == ("........0......0....", "-" * 20)


def test_a_gene_on_the_reverse_strand_is_the_same_in_its_own_direction(tmp_path: Path) -> None:
    features = [(kind, 21 - end, 21 - start, "-", phase) for kind, start, end, _, phase in GENE]
    genome = write_genome(tmp_path, {"I": mirrored(FORWARD)}, {"I": features})
    _, reverse = stretches(tmp_path, genomes=[genome], split=WHOLE)
    assert (decode(reverse.codes), sites(reverse), structure(reverse)) == (FORWARD, SITES, STRUCTURE)


@pytest.mark.parametrize(("phase", "codons"), [("0", "0120120"), ("1", "2012012"), ("2", "1201201")])
@pytest.mark.parametrize("strand", "+-")
def test_the_phase_says_where_codons_begin(phase: str, codons: str, strand: str, tmp_path: Path) -> None:
    genome = write_genome(
        tmp_path, {"I": b"A" * 10}, {"I": [("exon", 1, 10, strand, "."), ("CDS", 2, 8, strand, phase)]}
    )
    both = stretches(tmp_path, genomes=[genome], split=WHOLE)
    own = both[strand == "-"]
    assert structure(own) == (f"t{codons}tt" if strand == "+" else f"tt{codons}t")


def test_an_unusual_junction_counts_and_an_exon_elsewhere_does_not_hide_an_intron(tmp_path: Path) -> None:
    features = [("exon", 1, 4, "+", ".", "a"), ("exon", 9, 12, "+", ".", "a"), ("exon", 1, 12, "+", ".", "b")]
    genome = write_genome(tmp_path, {"I": b"T" * 12}, {"I": features})
    forward, _ = stretches(tmp_path, genomes=[genome], split=WHOLE)
    assert (sites(forward), structure(forward)) == ("....D...A...", "ttttiiiitttt")


def test_no_decoy_beside_an_unknown_base_or_the_end(tmp_path: Path) -> None:
    genome = write_genome(tmp_path, {"I": b"NGNNANGNNGTAG"}, {"I": [("exon", 1, 13, "+", ".")]})
    forward, _ = stretches(tmp_path, genomes=[genome], split=WHOLE)
    assert sites(forward) == ".........0..."  # the AG ends with the record: no base is behind it


def made_up_genome(folder: Path, seed: int) -> tuple[Genome, bytes, list[list[tuple]]]:
    """400 bases and 12 overlapping transcripts, each a list of (start, end, phase, strand) 0-based."""
    generator = np.random.default_rng(seed)
    letters = decode(generator.integers(0, 4, 400).astype(np.uint8))
    features, transcripts = [], []
    for number in range(12):
        edges = sorted(generator.choice(400, 2 * int(generator.integers(1, 5)), replace=False).tolist())
        strand = "+-"[int(generator.integers(2))]
        parts = [(a, b, int(generator.integers(3)), strand) for a, b in zip(edges[::2], edges[1::2], strict=True)]
        transcripts.append(parts)
        features += [("CDS", a + 1, b, strand, str(phase), f"t{number}") for a, b, phase, strand in parts]
    return write_genome(folder, {"I": letters}, {"I": features}), letters, transcripts


def naive_labels(letters: bytes, transcripts: list[list[tuple]], strand: str) -> tuple[str, str]:
    """Base by base; transcripts in the order of the file, of sites the first counts, of codons the last."""
    length, turn = len(letters), strand == "-"
    letters = mirrored(letters) if turn else letters
    marks = ["0" if letters[i : i + 2] in (b"GT", b"GC") else "." for i in range(length)]
    for i in range(2, length):
        marks[i] = "0" if letters[i - 2 : i] == b"AG" else marks[i]
    inside = ["-"] * length
    own = [[part for part in each if part[3] == strand] for each in transcripts]
    mine = [[(length - b, length - a, p) if turn else (a, b, p) for a, b, p, _ in each] for each in own]
    introns = [pair for t in mine for pair in itertools.pairwise(sorted(t))]
    for a, b, _ in (part for t in mine for part in t):
        inside[a:b] = "t" * (b - a)
    for (_, a, _), (b, _, _) in introns:
        inside[a:b] = "i" * (b - a)
        marks[a], marks[b] = marks[a].replace(".", "0"), marks[b].replace(".", "0")
        marks[a], marks[b] = marks[a].replace("0", "D"), marks[b].replace("0", "A")
    for a, b, phase in (part for t in mine for part in sorted(t)):
        for i in range(a, b):
            inside[i] = str((i - a - phase) % 3)
    return "".join(marks), "".join(inside)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("row", [1 << 16, 64, 50])
def test_labels_are_those_of_the_naive_twin_whatever_the_size_of_a_row(
    seed: int, row: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splice, "ROW", row)
    genome, letters, transcripts = made_up_genome(tmp_path, seed)
    both = stretches(tmp_path, genomes=[genome], split=WHOLE)
    for stretch, strand in zip(both, "+-", strict=True):
        assert (sites(stretch), structure(stretch)) == naive_labels(letters, transcripts, strand)


# Splits


RECORDS = {"I": b"ACGT" * 50, "II": b"AAGG" * 30, "III": b"TTGC" * 20}


@pytest.fixture
def genome(tmp_path: Path) -> Genome:
    return write_genome(tmp_path, RECORDS, {"I": [("exon", 1, 20, "+", "."), ("exon", 41, 60, "+", ".")]})


def lengths(tmp_path: Path, part: str) -> dict[str, int]:
    return {s.record: len(s.codes) for s in read_stretches(tmp_path / "d.parquet", part)[0]}


def test_records_go_whole_to_the_split_that_names_them(genome: Genome, tmp_path: Path) -> None:
    build_splice(tmp_path / "d.parquet", genomes=[genome], split=Split(frozenset({"II"}), frozenset({"III"})))
    assert [lengths(tmp_path, part) for part in ("train", "valid", "test")] == [{"I": 200}, {"III": 80}, {"II": 120}]


def test_without_records_to_validate_on_it_is_the_end_of_each(genome: Genome, tmp_path: Path) -> None:
    build_splice(tmp_path / "d.parquet", genomes=[genome], split=Split(frozenset({"II"}), valid_fraction=0.25))
    parts = [lengths(tmp_path, part) for part in ("train", "valid", "test")]
    assert parts == [{"I": 150, "III": 60}, {"I": 50, "III": 20}, {"II": 120}]
    train, valid = (read_stretches(tmp_path / "d.parquet", part)[0] for part in ("train", "valid"))
    assert decode(train[0].codes) + decode(valid[0].codes) == RECORDS["I"]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (Split(frozenset({"IV", "II"})), "no record named IV to hold out; there are I, II, III"),
        (Split(valid=frozenset({"chrI"})), "no record named chrI"),
        (Split(frozenset({"I", "II"}), frozenset({"II"})), "II: named for test and for valid"),
        (Split(valid_fraction=1.0), "valid fraction 1.0"),
        (Split(valid_fraction=-0.1), "valid fraction -0.1"),
    ],
    ids=["unknown test", "unknown valid", "both", "all to validate", "below 0"],
)
def test_a_split_that_cannot_be(split: Split, message: str, genome: Genome, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        build_splice(tmp_path / "d.parquet", genomes=[genome], split=split)
    assert not (tmp_path / "d.parquet").exists()


def test_nothing_to_build_from(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to build from"):
        build_splice(tmp_path / "d.parquet")


@pytest.mark.parametrize(
    ("record", "end", "message"),
    [
        ("I", 201, "exon that ends at 201, its sequence at 200"),
        ("chrI", 20, "annotates no record of .*; chrI there, I"),
    ],
)
def test_the_annotation_of_another_assembly(record: str, end: int, message: str, tmp_path: Path) -> None:
    genome = write_genome(tmp_path, RECORDS, {record: [("exon", 1, end, "+", ".")]})
    with pytest.raises(InputError, match=message):
        build_splice(tmp_path / "d.parquet", genomes=[genome])


# Lines of exon, intron, exon


INTRON = b"GTAAGTTTTTTCAG"
EXON = b"ATCG" * 12 + b"AT"


def eie_line(gene: str, intron: bytes = INTRON, exons: tuple[bytes, bytes] = (EXON, EXON)) -> bytes:
    return b" ".join([exons[0], intron, exons[1], b"7", gene.encode()]) + b"\n"


def write_eie(tmp_path: Path, *lines: bytes) -> Path:
    (tmp_path / "eie.txt").write_bytes(b"".join(lines))
    return tmp_path / "eie.txt"


def every_stretch(tmp_path: Path, **options) -> list[tuple[str, Stretch]]:
    build_splice(tmp_path / "d.parquet", **options)
    parts = ("train", "valid", "test")
    return [(part, each) for part in parts for each in read_stretches(tmp_path / "d.parquet", part)[0]]


def test_a_line_of_exon_intron_exon_is_one_strand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splice, "MOST_CUT", 1)
    ((part, stretch),) = every_stretch(tmp_path, eie=[write_eie(tmp_path, eie_line("gene1"))])
    assert (part, stretch.record) == (split_of(b"gene1"), "gene1")
    assert decode(stretch.codes) == EXON + INTRON + EXON
    assert sites(stretch) == "." * 50 + "D...00........" + "A" + "." * 49
    assert structure(stretch) == "." * 50 + "i" * 14 + "." * 50


def test_a_line_does_not_tell_by_its_ends_where_its_sites_are(tmp_path: Path) -> None:
    lines = [eie_line(f"gene{n}") for n in range(60)]
    found = [stretch for _, stretch in every_stretch(tmp_path, eie=[write_eie(tmp_path, *lines)])]
    donors = [sites(stretch).index("D") for stretch in found]
    left = [len(stretch.codes) - 1 - sites(stretch).index("A") for stretch in found]
    assert min(donors) >= 10
    assert min(left) >= 9
    assert len(set(donors)) > 20
    assert len(set(left)) > 20
    for stretch, donor in zip(found, donors, strict=True):
        assert decode(stretch.codes)[donor:].startswith(INTRON)
        assert sites(stretch)[donor + len(INTRON)] == "A"


def test_lines_of_a_gene_stay_together_and_genes_do_not(tmp_path: Path) -> None:
    lines = [eie_line(f"gene{n % 40}", b"GT" + b"ACGT"[n % 4 :] * 5 + b"AG") for n in range(120)]
    found = every_stretch(tmp_path, eie=[write_eie(tmp_path, *lines)])
    assert len(found) == 120
    assert len({(part, stretch.record) for part, stretch in found}) == 40
    assert Counter(part for part, _ in found).keys() == {"train", "valid", "test"}


@pytest.mark.parametrize(
    "bad",
    [
        b"\n",
        eie_line("g")[1:],
        eie_line("g").replace(b" 7 ", b" "),
        eie_line("g").replace(b" 7 ", b" 7 7 "),
        eie_line("g", exons=(EXON, EXON + b"A")),
    ],
    ids=["empty", "short exon", "column missing", "column too many", "long exon"],
)
def test_a_malformed_line_of_exon_intron_exon(bad: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"eie.txt:2: expected 50 bases, an intron"):
        build_splice(tmp_path / "d.parquet", eie=[write_eie(tmp_path, eie_line("g"), bad)])


@pytest.mark.parametrize(("letter", "shown"), [(b"X", "'X'"), (b"-", "'-'"), (b"\xe9", "'é'")])
def test_a_letter_that_is_no_base(letter: bytes, shown: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"eie.txt:1: {shown} is no letter of DNA"):
        build_splice(tmp_path / "d.parquet", eie=[write_eie(tmp_path, eie_line("g", b"GT" + letter + b"AG"))])


def test_a_gene_that_is_not_utf8(tmp_path: Path) -> None:
    path = write_eie(tmp_path, eie_line("g").replace(b" g", b" g\xff"))
    ((_, stretch),) = every_stretch(tmp_path, eie=[path])
    assert stretch.record == "g\\xff"


@pytest.mark.parametrize("turn", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("row", [1 << 16, 64])
def test_lines_from_a_genomes_held_out_parts_are_left_out(
    turn: bool, row: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splice, "ROW", row)
    random = decode(np.random.default_rng(1).integers(0, 4, 1000).astype(np.uint8))
    genome = write_genome(tmp_path, {"I": random}, {"I": [("exon", 1, 20, "+", ".")]})

    def line(gene: str, at: int) -> bytes:
        letters = random[at : at + 150]
        letters = mirrored(letters) if turn else letters
        return eie_line(gene, letters[50:100], (letters[:50], letters[100:]))

    # The last 200 are held out; "edge" has 32 of their bases, "before" 31.
    lines = [line("inside", 820), line("edge", 682), line("before", 681), line("train", 500)]
    found = every_stretch(
        tmp_path, genomes=[genome], eie=[write_eie(tmp_path, *lines)], split=Split(valid_fraction=0.2)
    )
    assert {stretch.record for _, stretch in found} == {"I", "before", "train"}
    assert {part for part, stretch in found if stretch.record != "I"} == {"train"}  # beside a genome they only train


# UCI's windows


def uci_line(label: str = "EI", name: str = "HUM-1", letters: bytes = b"A" * 30 + b"G" * 30) -> bytes:
    return f"{label},  {name},   ".encode() + letters + b"\r\n"


def write_uci(tmp_path: Path, *lines: bytes) -> Path:
    (tmp_path / "uci.data").write_bytes(b"".join(lines))
    return tmp_path / "uci.data"


@pytest.mark.parametrize(("label", "drawn_as"), [("EI", "D"), ("IE", "A"), ("N", "0")])
def test_a_window_has_one_label_in_its_middle(label: str, drawn_as: str, tmp_path: Path) -> None:
    ((_, stretch),) = every_stretch(tmp_path, uci=[write_uci(tmp_path, uci_line(label), b"\n")])
    assert sites(stretch) == "." * 30 + drawn_as + "." * 29
    assert (stretch.record, stretch.structure) == ("HUM-1", None)


def test_equal_windows_are_in_one_split(tmp_path: Path) -> None:
    windows = [decode(codes) for codes in np.random.default_rng(1).integers(0, 4, (50, 60)).astype(np.uint8)]
    path = write_uci(tmp_path, *(uci_line("N", f"n{n}", windows[n % 50]) for n in range(100)))
    found = every_stretch(tmp_path, uci=[path])
    assert len(found) == 100
    assert len({(part, stretch.codes.tobytes()) for part, stretch in found}) == 50
    assert len({part for part, _ in found}) == 3


@pytest.mark.parametrize(
    "bad",
    [
        uci_line("EX"),
        uci_line(letters=b"A" * 59),
        uci_line().replace(b",", b" "),
        uci_line()[:-2] + b", 3\n",
        b"\xff,x,y\n",
    ],
    ids=["unknown class", "59 bases", "no commas", "column too many", "bytes"],
)
def test_a_malformed_window(bad: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"uci.data:2: expected EI, IE or N"):
        build_splice(tmp_path / "d.parquet", uci=[write_uci(tmp_path, uci_line(), bad)])


def test_an_open_letter_is_allowed_in_a_window(tmp_path: Path) -> None:
    ((_, stretch),) = every_stretch(tmp_path, uci=[write_uci(tmp_path, uci_line(letters=b"D" * 60))])
    assert decode(stretch.codes) == b"N" * 60


def test_all_of_ucis_set_is_read(shared_data: Path, tmp_path: Path) -> None:
    info = build_splice(tmp_path / "d.parquet", uci=[shared_data / "dna" / "splice" / "uci" / "splice.data"])
    total = Counter[str]()
    for count in info.counts.values():
        total.update(count)
    assert (total["rows"], total["donors"], total["acceptors"], total["decoys"]) == (3190, 767, 768, 1655)


# The file


def test_the_description_counts_both_strands(tmp_path: Path) -> None:
    genome = write_genome(tmp_path, {"I": FORWARD}, {"I": GENE})
    info = build_splice(
        tmp_path / "d.parquet", genomes=[genome], split=WHOLE, source="here", licence="CC0", command="c"
    )
    assert info.counts["train"] == {"rows": 1, "bases": 20, "decoys": 6, "donors": 1, "acceptors": 1}
    assert (
        info.counts["valid"] == info.counts["test"] == {"rows": 0, "bases": 0, "decoys": 0, "donors": 0, "acceptors": 0}
    )
    assert (info.name, info.kind, info.classes) == ("d", "sites", ("none", "donor", "acceptor"))
    assert read_info(tmp_path / "d.parquet") == info == read_stretches(tmp_path / "d.parquet", "test")[1]


def test_genome_lines_and_windows_together(genome: Genome, tmp_path: Path) -> None:
    sources = {"eie": [write_eie(tmp_path, eie_line("g"))], "uci": [write_uci(tmp_path, uci_line())]}
    found = every_stretch(tmp_path, genomes=[genome], split=WHOLE, **sources)
    assert sorted(stretch.record for _, stretch in found) == ["HUM-1", "I", "I", "II", "II", "III", "III", "g"]


@pytest.fixture
def text_dataset(tmp_path: Path) -> Path:
    (tmp_path / "in.txt").write_bytes(b"0123456789")
    build_text([tmp_path / "in.txt"], tmp_path / "text.parquet")
    return tmp_path / "text.parquet"


def write_foreign(path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": [1]}), path)


def test_stretches_of_other_files_are_refused(text_dataset: Path, tmp_path: Path) -> None:
    write_foreign(tmp_path / "foreign.parquet")
    for path in (text_dataset, tmp_path / "foreign.parquet"):
        with pytest.raises(InputError, match=f"{path.name}: not a dataset of sites"):
            read_stretches(path, "train")
    for path, message in ((tmp_path / "in.txt", "damaged Parquet"), (tmp_path / "gone", "cannot read")):
        with pytest.raises(InputError, match=message):
            read_stretches(path, "train")


def test_a_dataset_that_lost_a_column_is_refused(genome: Genome, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    build_splice(tmp_path / "d.parquet", genomes=[genome])
    pq.write_table(pq.read_table(tmp_path / "d.parquet").drop_columns(["labels"]), tmp_path / "less.parquet")
    with pytest.raises(InputError, match=r"less.parquet: .*labels"):
        read_stretches(tmp_path / "less.parquet", "train")


def test_a_text_dataset_from_before_there_were_classes(text_dataset: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(text_dataset)
    fields = json.loads(table.schema.metadata[KEY])
    del fields["classes"]
    pq.write_table(table.replace_schema_metadata({KEY: json.dumps(fields)}), text_dataset)
    assert read_info(text_dataset).classes == ()


# The command


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_builds_and_describes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splice, "MOST_CUT", 1)
    genome = write_genome(tmp_path, RECORDS, {"I": [("exon", 1, 20, "+", "."), ("exon", 41, 60, "+", ".")]})
    output = tmp_path / "d.parquet"
    eie, uci = write_eie(tmp_path, eie_line("g")), write_uci(tmp_path, uci_line())
    held = ["--test", "II", "--valid", "III", "--name", "three", "--source", "here", "--licence", "CC0"]
    files = ["--fasta", genome.fasta, "--gff3", genome.gff3, "--eie", eie, "--uci", uci]
    result = run("data", "build", "splice", *files, *held, "-o", output)
    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    assert f"{output}: train 3 rows, 374 bases, " in result.stderr
    info = read_info(output)
    assert (info.name, info.source, info.licence) == ("three", "here", "CC0")
    listing = run("data", "info", output).stdout
    assert "sites, version 1" in listing
    assert "donors" in listing
    assert json.loads(run("data", "info", output, "--json").stdout)["classes"] == ["none", "donor", "acceptor"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("", 2, "nothing to build from"),
        ("--fasta g.fa", 2, "each --fasta needs its --gff3: got 1 and 0"),
        ("--fasta gone.fa --gff3 g.gff3", 3, "gone.fa: cannot read"),
        ("--fasta g.fa --gff3 gone.gff3", 3, "gone.gff3: cannot read"),
        ("--fasta g.fa --gff3 g.fa", 3, "g.fa:1: 1 columns where GFF3 has 9"),
        ("--fasta g.fa --gff3 g.gff3 --test X", 2, "no record named X"),
        ("--eie g.fa", 3, "g.fa:1: expected 50 bases"),
        ("--uci g.fa", 3, "g.fa:1: expected EI"),
        ("--fasta g.fa --gff3 g.gff3 -o -", 2, "-o -: a dataset cannot go to standard output"),
    ],
)
def test_the_command_says_in_a_line_what_is_wrong(
    arguments: str, code: int, message: str, genome: Genome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("data", "build", "splice", "-o", "d.parquet", *arguments.split())
    assert (result.exit_code, result.stdout) == (code, ""), result.stderr
    assert result.stderr.startswith("seqdl: error: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "d.parquet").exists()
