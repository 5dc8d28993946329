"""Motif files of every kind, the Motif that comes of them, backgrounds, and `seqdl motif`."""

from __future__ import annotations

import gzip
import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from seqdl.dna import background
from seqdl.dna.motif import Motif, read_motifs
from seqdl.errors import InputError, UsageError
from seqdl_cli.main import app
from seqdl_data import motif_files
from seqdl_data.motif_files import from_consensus, read_background

# One made-up matrix of three positions, in every spelling.
COUNTS = np.array([[7.0, 0, 2, 1], [0, 0, 0, 10], [1, 4, 4, 1]])
F = COUNTS / 10
ROWS = "7 0 1\n0 0 4\n2 0 4\n1 10 1\n"
COLUMNS = "7 0 2 1\n0 0 0 10\n1 4 4 1\n"
BRACKETS = "A [ 7 0 1 ]\nC [ 0 0 4 ]\nG [ 2 0 4 ]\nT [ 1 10 1 ]\n"
MEME = """MEME version 5

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.3 C 0.2 G 0.2 T 0.3

MOTIF box Box1
letter-probability matrix: alength= 4 w= 3 nsites= 10 E= 1e-3
 0.7 0.0 0.2 0.1
 0.0 0.0 0.0 1.0
 0.1 0.4 0.4 0.1
URL none
"""
MEME_FULL = """********
MEME - Motif discovery tool
********
MEME version 4.11.3 (Release date)

ALPHABET= ACGT
Background letter frequencies (from dataset with add-one prior applied):
A 0.300 C 0.200
G 0.200 T 0.300
********
MOTIF box Box1\twidth =   3  sites =  10  llr = 20  E-value = 1.1e-022
********
\tMotif 1 position-specific scoring matrix
log-odds matrix: alength= 4 w= 3 n= 99 bayes= 6 E= 1.1e-022
   120  -900  0 -100
  -900  -900  -900 174
  -100 100 100 -100
\tMotif 1 position-specific probability matrix
letter-probability matrix: alength= 4 w= 3 nsites= 10 E= 1.1e-022
 0.7 0.0 0.2 0.1
 0.0 0.0 0.0 1.0
 0.1 0.4 0.4 0.1
--------
"""
MEME_ALPHABET = MEME.replace(
    "ALPHABET= ACGT",
    'ALPHABET "DNA" DNA-LIKE\nA "Adenine = 1" CC0000 ~ T "Thymine" 008000\nC "Cytosine" ~ G "Guanine"\n'
    "N = ACGT\nX = ACGT\nEND ALPHABET",
)
PAGE = "<!DOCTYPE HTML>\n<script>\n  var data = %s;\n</script>\n" % json.dumps(  # noqa: UP031  # braces
    {
        "alphabet": {"ncore": 4, "symbols": [{"symbol": s} for s in "ACGTN"]},
        "background": {"freqs": [0.3, 0.2, 0.2, 0.3]},
        "motifs": [{"id": "box", "alt": "Box1", "nsites": 10, "pwm": F.tolist()}],
    }
)
XML = (
    '<?xml version="1.0"?><MEME><training_set><alphabet>'
    + "".join(f'<letter id="letter_{s}" symbol="{s}"/>' for s in "ACGT")
    + '<letter id="letter_N" symbol="N" equals="ACGT"/></alphabet></training_set><model><background_frequencies>'
    "<alphabet_array>"
    + "".join(f'<value letter_id="letter_{b}">{v}</value>' for b, v in zip("TGCA", (0.3, 0.2, 0.2, 0.3), strict=True))
    + '</alphabet_array></background_frequencies></model><motifs><motif id="m1" name="box" alt="Box1" sites="10">'
    "<probabilities><alphabet_matrix>"
    + "".join(
        "<alphabet_array>"
        + "".join(f'<value letter_id="letter_{b}">{v}</value>' for b, v in zip("ACGT", row, strict=True))
        + "</alphabet_array>"
        for row in F
    )
    + "</alphabet_matrix></probabilities></motif></motifs></MEME>"
)
TRANSFAC = "VV  library\nXX\n//\nAC  box\nXX\nID  Box1\nP0 A C G T\n01 7 0 2 1 A\n02 0 0 0 10 T\n03 1 4 4 1 S\nXX\n//\n"
SAME = {
    "JASPAR": f">box Box1\n{BRACKETS}",
    "JASPAR, other order": ">box\tBox1\nT [1 10 1]\nG [2 0 4]\nC [0 0 4]\nA [7 0 1]\n",
    "JASPAR, plain rows": f">box Box1\n{ROWS}",
    "JASPAR, CRLF": f">box Box1\n{BRACKETS}".replace("\n", "\r\n"),
    "Cluster-Buster": f">box Box1\n# WEIGHT: 3.0\n{COLUMNS}\n",
    "MEME": MEME,
    "MEME, full": MEME_FULL,
    "MEME, alphabet of version 5": MEME_ALPHABET,
    "MEME, RNA": MEME.replace("ACGT", "ACGU").replace("T 0.3", "U 0.3"),
    "MEME page": PAGE,
    "MEME XML": XML,
    "TRANSFAC": TRANSFAC,
    "TRANSFAC, RNA, other order": "AC box\nID Box1\nPO U C G A\n1 1 0 2 7\n2 10 0 0 0\n3 1 4 4 1\n//\n",
    "TRANSFAC without its last //": TRANSFAC.removesuffix("//\n"),
    "sites": "".join(f">box Box1 {n}\n{s}\n" for n, s in enumerate(["ATC"] * 4 + ["ATG"] * 3 + ["GTG", "GTA", "TTT"])),
    "sites in flanks": ">box Box1\nccATCg\n" * 4 + ">box Box1\nATGaa\n" * 3 + "".join(
        f">box Box1\na{s}\n" for s in ("GTG", "GTA", "TTT")
    ),
}  # fmt: skip
UNNAMED = {
    "rows": ROWS,
    "rows with letters": "T | 1 10 1\nA | 7 0 1\nC | 0 0 4\nG | 2 0 4\n",
    "columns": COLUMNS,
    "columns with a head": "Pos\tA\tC\tG\tT\n1\t7\t0\t2\t1\n2\t0\t0\t0\t10\n3\t1\t4\t4\t1\n",
    "columns in another order": "# made up\nT A G C\n1 7 2 0\n10 0 0 0\n1 1 4 4\n",
    "sites on lines": "# ten\n" + "ATC\n" * 4 + "AUG\n" * 3 + "gtg\nGTA\nTTT\n".upper(),
}


def put(folder: Path, content: str | bytes, name: str = "box.txt") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("kind", SAME)
def test_each_kind_gives_the_same_motif(tmp_path: Path, kind: str) -> None:
    (motif,) = read_motifs(put(tmp_path, SAME[kind]))
    assert (motif.id, motif.alt, motif.sites) == ("box", "Box1", 10)
    np.testing.assert_allclose(motif.frequencies, F, atol=1e-12)
    if "MEME" in kind:
        np.testing.assert_allclose(motif.background, [0.3, 0.2, 0.2, 0.3])
    else:
        assert motif.background is None


@pytest.mark.parametrize("kind", UNNAMED)
def test_a_matrix_without_name_is_called_as_its_file(tmp_path: Path, kind: str) -> None:
    (record,) = motif_files.read_motifs(put(tmp_path, gzip.compress(UNNAMED[kind].encode()), "MA1.pfm.gz"))
    assert (record.id, record.alt, record.sites) == ("MA1", "", 10)
    np.testing.assert_allclose(record.matrix, COUNTS)


def test_several_unnamed_matrices_are_numbered(tmp_path: Path) -> None:
    records = motif_files.read_motifs(put(tmp_path, f"{BRACKETS}{BRACKETS}\n\n{BRACKETS}", "lib.pfm"))
    assert [record.id for record in records] == ["lib-1", "lib-2", "lib-3"]


def test_cis_bp_is_named_by_its_line_motif(tmp_path: Path) -> None:
    text = f"TF\tT1\nTF Name\tAbc\nGene\tG1\nMotif\tM0001_2.00\nFamily\tbZIP\n{UNNAMED['columns with a head']}"
    (record,) = motif_files.read_motifs(put(tmp_path, text * 1))
    assert record.id == "M0001_2.00"


def test_four_by_four_lies_as_its_sums_say(tmp_path: Path) -> None:
    positions = [[4.0, 3, 2, 1], [0, 10, 0, 0], [5, 0, 0, 5], [1, 2, 3, 4]]

    def text(rows: list[list[float]]) -> str:
        return ">m\n" + "".join(" ".join(map(str, row)) + "\n" for row in rows)

    for rows in (positions, np.transpose(positions).tolist()):
        (record,) = motif_files.read_motifs(put(tmp_path, text(rows)))
        np.testing.assert_array_equal(record.matrix, positions)


def test_frequencies_have_no_sites_and_ids_may_repeat(tmp_path: Path) -> None:
    text = ">m\nA 0.7 0\nC 0.1 0\nG 0.1 0\nT 0.1 1\n"
    records = motif_files.read_motifs(put(tmp_path, text + text))
    assert [(record.id, record.sites) for record in records] == [("m", 0), ("m", 0)]


def test_standard_input_is_a_motif_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(UNNAMED["rows"].encode())))
    assert motif_files.read_motifs("-")[0].id == "motif"


BAD = {
    "empty": ("", "box.txt: no motifs: the file is empty"),
    "MEME without motifs": (MEME.split("MOTIF")[0], "box.txt: no motifs in this file"),
    "TRANSFAC without matrices": ("AC  a\nXX\n//\n", "no motifs in this file"),
    "names only": (">a\n>b\n", "box.txt:1: motif a has no columns"),
    "page without motifs": (PAGE.replace("motifs", "seqs"), "markup without the motifs"),
    "another page": ("<html><body>hello<br></body></html>", "neither a web page nor the XML of MEME"),
    "another XML": ("<a><b/></a>", "neither a web page nor the XML of MEME"),
    "page, no columns": (PAGE.replace(json.dumps(F.tolist()), "[]"), "motif box has no columns"),
    "page, three numbers": (PAGE.replace("[0.7, 0.0, 0.2, 0.1]", "[1, 0, 0]"), "position 1: 3 numbers"),
    "page of proteins": (PAGE.replace('"symbol": "A"', '"symbol": "W"'), "the alphabet is WCGT"),
    "FASTA genome": (">chr1\n" + "ACGTTGCAAC" * 6 + "\nAC\n", "box.txt:2: not a motif file: looks like sequences"),
    "FASTA of sequences": (">a\nACGT\n>b\nACG\n", "box.txt:4: not a motif file: looks like sequences"),
    "long equal sequences": (f">a\n{'A' * 101}\n>b\n{'C' * 101}\n", "looks like sequences"),
    "protein sites": (">a\nMKV\n>b\nMEV\n", "box.txt:2: 'E' in a site|box.txt:4: 'E' in a site"),
    "gapped sites": ("AC-GT\nACGGT\n", "box.txt:1: '-' in a site"),
    "two cores": (">a\nccACGgATg\n>b\nccACGgg\n", "box.txt:2: expected one run of upper case"),
    "BED": ("chr1\t100\t200\tpeak\n", "box.txt:1: not a motif file: looks like BED"),
    "GFF": ("##gff-version 3\n", "looks like GFF"),
    "VCF": ("##fileformat=VCFv4.2\n", "looks like VCF"),
    "SAM": ("@HD\tVN:1.6\n", "looks like SAM"),
    "FASTQ": ("@read/1 x\nACGT\n+\nIIII\n", "looks like FASTQ"),
    "JSON": ('{"a": 1}', "looks like JSON"),
    "a table": ("genome\tTF\tstart\n", "box.txt:1: not a motif file: found 'genome"),
    "prose": ("It was the best of times.\n", "box.txt:1: not a motif file"),
    "one word": ("sequence\n", "box.txt:1: not a motif file"),
    "binary": (b"\x89PNG\r\n\x1a\n\x00\x00", "not a motif file: binary data"),
    "zero columns": (">a\nA [ ]\nC [ ]\nG [ ]\nT [ ]\n", "box.txt:1: motif a has no columns"),
    "unequal rows": (f">a\n{BRACKETS.replace('10 1 ]', '10 ]')}", "box.txt:5: motif a: row T has 2 numbers, row A 3"),
    "unequal plain rows": (f">a\n{ROWS}>b\n{ROWS.replace('0 0 4', '0 0')}", "box.txt:8: motif b: row C has 2 numbers"),
    "three rows": (f">a\n{ROWS}>b\n1 2 3\n1 2 3\n1 2 3\n>c\n{ROWS}", "box.txt:6: motif b: 3 rows, expected four"),
    "five numbers": (f"{COLUMNS}1 2 3 4 5\n1 1 1 1\n", "box.txt:4: .*position 4: 5 numbers, expected 4"),
    "a row twice": (">a\nA [1 2]\nA [1 2]\n", "box.txt:2: motif a: rows A, expected one each|expected one each of A C"),
    "a foreign row": (">a\nA [1 2]\nC [1 2]\nN [0 0]\n", "box.txt:4: expected the row of one of A C G T"),
    "negative": (f">a\n{ROWS.replace('2 0 4', '2 0 -4')}", "motif a, position 3 holds a negative value"),
    "NaN": (f">a\n{ROWS.replace('2 0 4', '2 0 nan')}", "motif a, position 3 holds a value that is not finite"),
    "infinite": (COLUMNS.replace("7", "inf"), "box.txt:1: motif box, position 1 holds a value that is not finite"),
    "all-zero position": (COLUMNS.replace("10", "0"), "box.txt:2: motif box, position 2 is all zeros"),
    "not a number": (f">a\n{ROWS.replace('10', 'ten')}", "box.txt:5: expected numbers, found '1 ten 1'"),
    "TRANSFAC, no columns": (TRANSFAC.replace("0", "P0", 0).replace("\n01", "\nCC").replace("\n02", "\nCC").replace(
        "\n03", "\nCC"), "box.txt:7: motif box has no columns"),
    "TRANSFAC, three numbers": (TRANSFAC.replace("02 0 0 0 10 T", "02 0 0 0"), "box.txt:9: .*position 2: 3 numbers"),
    "TRANSFAC, a letter": (TRANSFAC.replace("02 0 0 0 10 T", "02 0 0 0 T"), "box.txt:9: expected numbers"),
    "TRANSFAC of proteins": (TRANSFAC.replace("A C G T", "A R N D"), "box.txt:7: expected the columns A C G T"),
    "MEME of proteins": (MEME.replace("ACGT", "ACDEFGHIKLMNPQRSTVWY"), r"box.txt:3: the alphabet is .*protein"),
    "MEME, alength 20": (MEME.replace("alength= 4", "alength= 20"), "box.txt:11: motif box: alength= 20 .*protein"),
    "MEME, rows missing": (MEME.replace("w= 3", "w= 4"), "box.txt:11: motif box: w= 4, but 3 rows follow"),
    "MEME, no rows": (MEME.split(" 0.7")[0], "box.txt:11: motif box has no columns"),
    "MEME, no matrix": (MEME.replace("letter-probability", "other"), "box.txt:10: motif box has no letter-prob"),
    "MEME, two names": (MEME.replace("MOTIF", "MOTIF first\nMOTIF"), "box.txt:10: motif first has no letter-prob"),
    "MEME, no name": (MEME.replace("MOTIF box Box1", "MOTIF"), "box.txt:10: MOTIF without a name"),
    "MEME, matrix first": (MEME.replace("MOTIF", "TITLE"), "box.txt:11: a matrix before any line"),
    "MEME, sum": (MEME.replace("0.7", "0.4"), "box.txt:12: motif box, position 1: probabilities add up to 0.7"),
    "MEME, background": (MEME.replace("C 0.2", "B 0.2"), "box.txt:7: expected four letters A C G T"),
    "MEME, background sum": (MEME.replace("C 0.2", "C 0.5"), "box.txt:7: background frequencies"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_motif_file_is_told_with_its_line(tmp_path: Path, case: str) -> None:
    content, message = BAD[case]
    with pytest.raises(InputError, match=message):
        motif_files.read_motifs(put(tmp_path, content))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone: cannot read"):
        motif_files.read_motifs(tmp_path / "gone")
    with pytest.raises(InputError, match="a folder; name one motif file"):
        motif_files.read_motifs(tmp_path)


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motif_files, "MOST_BYTES", 1 << 20)
    with pytest.raises(InputError, match="more than 1 MiB"):
        motif_files.read_motifs(put(tmp_path, gzip.compress(b">a\n" + b"ACGT" * (1 << 19))))


# the libraries of the field

LIBRARIES = {
    "jaspar2024/jaspar2024_core.transfac.gz": 2346,
    "jaspar2024/lightmotif-JASPAR2024.meme.gz": 2346,
    "jaspar2024/lightmotif-JASPAR2024.pwm.gz": 2346,
    "jaspar2024/JASPAR2024_CORE_vertebrates_non-redundant_pfms_transfac.txt.gz": 879,
    "jaspar2024/JASPAR2024_CORE_plants_non-redundant_pfms_transfac.txt.gz": 805,
    "jaspar2024/JASPAR2024_CORE_insects_non-redundant_pfms_transfac.txt.gz": 286,
    "jaspar2024/JASPAR2024_CORE_fungi_non-redundant_pfms_transfac.txt.gz": 178,
    "jaspar2024/JASPAR2024_CORE_nematodes_non-redundant_pfms_transfac.txt.gz": 103,
    "jaspar2024/JASPAR2024_CORE_urochordates_non-redundant_pfms_transfac.txt.gz": 94,
    "hocomoco/HOCOMOCO_2023-09.tf.gz": 1443,
    "prodoric/prodoric_from_meme_151016.tf.gz": 201,
    "regulondb/regulonDB_2015-08-07.tf.gz": 93,
    "regulondb/regulonDB_2025-05.tf.gz": 109,
    "yeast/yeastract_20150629.tf.gz": 732,
    "golden/fimo-tests/MCM1.meme.html.gz": 1,
    "golden/fimo-tests/crp0.meme.xml": 3,
    "golden/fimo-tests/GCN4.meme.txt": 1,
    "golden/mast-tests/crp0.meme.txt": 3,
    "golden/mast-tests/Jaspar-subset.meme": 12,
    "golden/memelite/test.meme": 12,
    "golden/memelite/test2.meme": 4,
    "moods/MA0002.pfm": 1,
    "biopython/Arnt.sites": 1,
    "biopython/MA0056.1.transfac": 1,
    "biopython/REB1.pfm": 1,
    "biopython/SRF.pfm": 1,
    "biopython/clusterbuster.pfm": 3,
    "biopython/meme.out": 1,
    "biopython/minimal_test.meme": 3,
    "biopython/minimal_test_rna.meme": 3,
    "biopython/transfac.dat": 2,
}
BIOPYTHON = {  # which of these its parsers read, and as what
    "jaspar2024/JASPAR2024_CORE_nematodes_non-redundant_pfms_transfac.txt.gz": "transfac",
    "jaspar2024/JASPAR2024_CORE_urochordates_non-redundant_pfms_transfac.txt.gz": "transfac",
    "jaspar2024/lightmotif-JASPAR2024.meme.gz": "minimal",
    "jaspar2024/lightmotif-JASPAR2024.pwm.gz": "jaspar",
    "golden/fimo-tests/crp0.meme.xml": "meme",
    "golden/memelite/test2.meme": "minimal",
    "moods/MA0002.pfm": "pfm",
    "biopython/Arnt.sites": "sites",
    "biopython/SRF.pfm": "pfm",
    "biopython/clusterbuster.pfm": "clusterbuster",
    "biopython/minimal_test.meme": "minimal",
    "biopython/transfac.dat": "transfac",
}


@pytest.mark.parametrize("name", LIBRARIES)
def test_each_library_has_all_its_motifs(shared_data: Path, name: str) -> None:
    motifs = read_motifs(shared_data / "dna/motifs" / name)
    assert len(motifs) == LIBRARIES[name]
    assert all(motif.id for motif in motifs)


@pytest.mark.parametrize("name", BIOPYTHON)
def test_matrices_are_those_that_biopython_reads(shared_data: Path, name: str) -> None:
    from Bio import motifs as bio

    path = shared_data / "dna/motifs" / name
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    theirs = list(bio.parse(io.StringIO(text), BIOPYTHON[name], strict=False))
    ours = read_motifs(path)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        counts = np.array([other.counts[base] for base in "ACGT"], float).T
        rounded = 2 / (mine.sites or 20) if BIOPYTHON[name] == "minimal" else 0  # to whole sites, by Biopython
        np.testing.assert_allclose(mine.frequencies, counts / counts.sum(axis=1, keepdims=True), atol=1e-6 + rounded)


def test_matrices_agree_between_formats_and_come_quickly(shared_data: Path) -> None:
    folder = shared_data / "dna/motifs/jaspar2024"
    begin = time.perf_counter()
    meme = {motif.id: motif for motif in read_motifs(folder / "lightmotif-JASPAR2024.meme.gz")}
    took = time.perf_counter() - begin
    for name in ("lightmotif-JASPAR2024.pwm.gz", "jaspar2024_core.transfac.gz"):
        for motif in read_motifs(folder / name):
            if motif.id in meme:  # its counts are whole numbers, some of them rounded
                np.testing.assert_allclose(motif.frequencies, meme[motif.id].frequencies, atol=0.005)
                assert motif.alt == meme[motif.id].alt
    assert took < 5  # 0.15 s on an idle core


def test_what_has_positions_without_counts_is_refused(shared_data: Path) -> None:
    with pytest.raises(InputError, match=r"prodoric.transfac.gz:9: motif MX000001, position 6 is all zeros"):
        read_motifs(shared_data / "dna/motifs/prodoric/prodoric.transfac.gz")


# Motif


def test_a_consensus_gives_each_letter_its_bases() -> None:
    record = from_consensus("TuRn")
    assert record.id == "TuRn"
    np.testing.assert_array_equal(
        record.matrix, [[0, 0, 0, 1], [0, 0, 0, 1], [0.5, 0, 0.5, 0], [0.25, 0.25, 0.25, 0.25]]
    )
    assert Motif.from_consensus("TATAWAWRNBDHVSKMY").consensus == "TATAWAWRNBDHVSKMY"


@pytest.mark.parametrize("text", ["", "  ", "TATAXW", "TA-TA"])
def test_a_consensus_of_other_letters_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="consensus"):
        from_consensus(text)


def test_scores_are_the_formula_worked_out_by_hand() -> None:
    motif = Motif("m", "", [[1, 0, 0, 0], [0.5, 0.5, 0, 0]], sites=9)
    scores = motif.scores([0.4, 0.1, 0.1, 0.4], pseudo=1)
    assert scores[0, 0] == pytest.approx(np.log2((9 + 0.4) / 10 / 0.4))
    assert scores[1, 1] == pytest.approx(np.log2((4.5 + 0.1) / 10 / 0.1))
    assert scores[0, 1] == pytest.approx(np.log2(1 / 10))
    assert motif.scores(pseudo=0)[1].tolist() == [1, 1, -np.inf, -np.inf]
    np.testing.assert_array_equal(
        Motif("m", "", motif.frequencies).scores(), Motif("m", "", motif.frequencies, 20).scores()
    )


def test_pseudocounts_come_from_the_prior_where_one_is_given() -> None:
    motif = Motif("m", "", [[1, 0, 0, 0]], sites=9)
    scores = motif.scores(pseudo=1, prior=[0.4, 0.2, 0.2, 0.2])
    np.testing.assert_allclose(scores, np.log2(np.array([[9.4, 0.2, 0.2, 0.2]]) / 10 / 0.25))


def test_information_and_consensus_are_biopythons(shared_data: Path) -> None:
    from Bio import motifs as bio

    path = shared_data / "dna/motifs/jaspar2024/JASPAR2024_CORE_urochordates_non-redundant_pfms_transfac.txt.gz"
    b = [0.3, 0.2, 0.1, 0.4]
    text = io.StringIO(gzip.decompress(path.read_bytes()).decode())
    for mine, other in zip(read_motifs(path), bio.parse(text, "transfac", strict=False), strict=True):
        pssm = other.counts.normalize().log_odds(dict(zip("ACGT", b, strict=True)))
        mean = pssm.mean(dict(zip("ACGT", b, strict=True)))
        assert mine.information(b).sum() == pytest.approx(mean, abs=1e-9)
        assert mine.consensus == other.degenerate_consensus


def test_information_is_two_bits_less_the_entropy() -> None:
    motif = Motif("m", "", [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1]])
    np.testing.assert_allclose(motif.information(), [2, 1, 0], atol=1e-12)
    assert motif.information([0.125, 0.25, 0.25, 0.375])[0] == pytest.approx(3)


def test_reverse_complement_twice_is_the_motif_and_scores_the_other_strand() -> None:
    motif = Motif("m", "x", COUNTS, 10, background=np.array([0.4, 0.3, 0.2, 0.1]))
    other = motif.reverse_complement()
    np.testing.assert_array_equal(other.reverse_complement().frequencies, motif.frequencies)
    np.testing.assert_allclose(other.background, [0.1, 0.2, 0.3, 0.4])
    word = [0, 3, 1]
    mirrored = [3 - base for base in reversed(word)]
    np.testing.assert_allclose(motif.scores()[np.arange(3), word].sum(), other.scores()[np.arange(3), mirrored].sum())


def test_a_motif_cannot_be_changed_and_copies_what_it_is_given() -> None:
    given = COUNTS.copy()
    motif = Motif("m", "", given)
    given[:] = 0
    np.testing.assert_allclose(motif.frequencies, F)
    with pytest.raises(ValueError, match="read-only"):
        motif.frequencies[0, 0] = 1


@pytest.mark.parametrize("values", [np.zeros((0, 4)), np.ones((3, 5)), [[0, 0, 0, 0]], [[1, -1, 1, 1]], [[np.nan] * 4]])
def test_a_motif_refuses_frequencies_that_cannot_be(values) -> None:
    with pytest.raises(UsageError, match="motif m: frequencies"):
        Motif("m", "", values)


def test_scores_refuse_what_cannot_be() -> None:
    motif = Motif("m", "", COUNTS)
    for values in ([0.5, 0.5, 0, 0], [0.25] * 3, [0.2] * 4, [np.nan] * 4):
        with pytest.raises(UsageError, match="background"):
            motif.scores(values)
    for pseudo in (-1, np.nan, np.inf):
        with pytest.raises(UsageError, match="pseudocount"):
            motif.scores(pseudo=pseudo)


# backgrounds


def test_the_background_of_the_input_counts_bases_alone() -> None:
    counts = background.count_bases(
        [np.array([0, 0, 1, 4, 2], np.uint8), np.array([], np.uint8), np.array([3, 4], np.uint8)]
    )
    assert counts.tolist() == [2, 1, 1, 1]
    np.testing.assert_allclose(background.from_counts(counts), np.array([3, 2, 2, 2]) / 9)
    np.testing.assert_allclose(background.both_strands(np.array([0.4, 0.3, 0.2, 0.1])), [0.25] * 4)


def test_a_background_file_gives_its_single_letters(tmp_path: Path) -> None:
    text = "# order 0\na 3.0e-01\nC 0.2 # here too\nG 0.2\nU 0.3\n\n# order 1\nAA 0.1\nAC 0.1\n"
    np.testing.assert_allclose(read_background(put(tmp_path, text)), [0.3, 0.2, 0.2, 0.3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A 0.3\nC 0.2\nG 0.2\n", "box.txt: no background frequency of T"),
        ("A 0.3\nA 0.2\n", "box.txt:2: background of A"),
        ("A 0\n", "box.txt:1: background of A"),
        ("A x\n", "box.txt:1: expected numbers"),
        (MEME, "box.txt:1: expected a base and its frequency"),
        ("A 0.3\nC 0.3\nG 0.3\nT 0.3\n", "add up to 1.2"),
    ],
)
def test_what_is_no_background_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_background(put(tmp_path, text))


def test_backgrounds_by_name(tmp_path: Path) -> None:
    motifs = read_motifs(put(tmp_path, MEME))
    np.testing.assert_array_equal(background.named("uniform", motifs), [0.25] * 4)
    np.testing.assert_allclose(background.named("motif", motifs), [0.3, 0.2, 0.2, 0.3])
    with pytest.raises(UsageError, match="gives no background"):
        background.named("motif", read_motifs(put(tmp_path, ROWS)))


# seqdl motif


def run(*arguments: object):  # type: ignore[no-untyped-def]
    return CliRunner().invoke(app, ["motif", *map(str, arguments)], prog_name="seqdl")


def test_list_prints_a_line_for_each_motif(tmp_path: Path) -> None:
    done = run(
        "list", put(tmp_path, MEME + MEME.split("0.3\n\n")[1].replace("box Box1", "\x1b[2Jbad")), "--thresh", 0.05
    )
    head, first, second = done.stdout.splitlines()
    assert head.split("\t")[:4] == ["motif_id", "motif_alt_id", "width", "sites"]
    cells = dict(zip(head.split("\t"), first.split("\t"), strict=True))
    assert (cells["motif_id"], cells["width"], cells["sites"], cells["consensus"]) == ("box", "3", "10", "ATS")
    assert float(cells["threshold"]) <= float(cells["best_score"])
    assert "\x1b" not in second


def test_list_as_json_says_where_no_score_reaches(tmp_path: Path) -> None:
    document = json.loads(run("list", put(tmp_path, MEME), "--thresh", "1e-4", "--bfile", "motif", "--json").stdout)
    assert document["schema"] == "seqdl.motif.list/1"
    assert document["background"] == [0.3, 0.2, 0.2, 0.3]
    assert document["motifs"][0]["threshold"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["list", "gone"], 3, "gone: cannot read"),
        (["list", "box.txt", "--thresh", "0"], 2, "--thresh must be above 0, at most 1"),
        (["list", "box.txt", "--thresh", "nan"], 2, "--thresh must be"),
        (["list", "box.txt", "--motif-pseudo", "-1"], 2, "pseudocount must be 0 or more"),
        (["list", "box.txt", "--bfile", "gone"], 3, "gone: cannot read"),
        (["logo", "two.txt"], 2, "two.txt holds 2 motifs; name one"),
        (["logo", "two.txt", "m"], 2, "2 motifs are called m; choose one by its number: 1, 2"),
        (["logo", "two.txt", "3"], 2, "no motif '3'"),
        (["logo", "box.txt", "-o", "logo.gif"], 2, "must end in .svg or .png"),
    ],
)
def test_what_a_user_can_do_wrong(tmp_path: Path, monkeypatch, arguments, code, message) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, MEME)
    put(tmp_path, f">m\n{ROWS}>m\n{ROWS}", "two.txt")
    done = run(*arguments)
    assert done.exit_code == code
    assert message in done.stderr


def test_logo_draws_the_motif_by_id_other_name_or_number(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path, f">m\n{ROWS}>n second\n{ROWS}", "two.txt")
    for name in ("n", "second", "2"):
        assert run("logo", "two.txt", name).exit_code == 0
        assert '<title id="title">n second</title>' in Path("n.svg").read_text()
        Path("n.svg").unlink()
    assert "(reverse complement)" in run("logo", "two.txt", "n", "--reverse-complement", "-o", "-").stdout
