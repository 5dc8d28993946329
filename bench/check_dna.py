"""What a scan says, checked by others: its formats by other readers, its places by the sequence, its hits by Biopython.

    python bench/check_dna.py [--write]

Splice sites by the shipped model and hits of 50 JASPAR matrices at p < 1e-4, on E. coli, yeast and S. pombe I + II:
BED and GFF3 read by bioframe, TSV by pandas, Parquet by pyarrow must say the same; behind every donor on its strand
stand GT or GC, before every acceptor AG; the matched sequence of every motif hit is what the FASTA holds there. The
hits of the 50 matrices on E. coli are compared with Biopython's pssm.search at the same thresholds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), *(str(Path(__file__).parent.parent / part) for part in ("", "data", "cli"))]
from genome_scan import GENOMES  # noqa: E402
from measure import DATA, ROOT, environment, machine_line, table, write_between  # noqa: E402

MOTIFS = 50
LIBRARY = DATA / "motifs/jaspar2024/JASPAR2024_CORE_vertebrates_non-redundant_pfms_transfac.txt.gz"
SUFFIXES = ("bed", "gff3", "tsv", "parquet")


def scan(*arguments: object) -> None:
    command = [sys.executable, "-m", "seqdl_cli.main", "scan", "-q", *map(str, arguments)]
    subprocess.run(command, check=True, env=environment())


def sequences(path: Path) -> dict[str, str]:
    """By Biopython, upper case."""
    import gzip

    from Bio.SeqIO.FastaIO import SimpleFastaParser

    with gzip.open(path, "rt") as file:
        return {title.split()[0]: letters.upper() for title, letters in SimpleFastaParser(file)}


def loaded(folder: Path) -> dict[str, Any]:
    """The four files as frames of record, start (0-based), end, strand."""
    import bioframe
    import pandas as pd
    import pyarrow.parquet as pq

    bed = bioframe.read_table(str(folder / "hits.bed"), schema="bed6")
    gff = bioframe.read_table(str(folder / "hits.gff3"), schema="gff", comment="#")
    gff["start"] -= 1
    tsv = pd.read_csv(folder / "hits.tsv", sep="\t").rename(columns={"sequence_name": "chrom", "stop": "end"})
    tsv["start"] -= 1
    parquet = pq.read_table(folder / "hits.parquet").to_pandas().rename(columns={"sequence_name": "chrom"})
    return {"bed": bed, "gff3": gff, "tsv": tsv, "parquet": parquet}


def check(name: str, path: Path, options: list[object], folder: Path) -> list[str]:
    for suffix in SUFFIXES:
        scan(path, *options, "-o", folder / f"hits.{suffix}")
    frames = loaded(folder)
    places = ["chrom", "start", "end", "strand"]
    reference = frames["parquet"]
    for frame in frames.values():
        assert frame[places].astype(str).to_numpy().tolist() == reference[places].astype(str).to_numpy().tolist()
    letters = sequences(path)
    checked = sum(right(row, letters) for row in reference.itertuples())
    assert checked == len(reference), f"{len(reference) - checked} hits point at other bases"
    what = "motif hits" if options else "splice sites"
    return [name, what, f"{len(reference):,}", f"{checked:,}", ", ".join(SUFFIXES)]


def right(row: Any, letters: dict[str, str]) -> bool:
    """Whether the bases at a hit are those that the hit is about."""
    text = letters[row.chrom]
    if row.name in ("donor", "acceptor"):
        inside = (row.name == "donor") == (row.strand == "+")  # of the intron: to the right of the exon's base
        two = text[row.end : row.end + 2] if inside else text[row.start - 2 : row.start]
        two = two if row.strand == "+" else reverse_complement(two)
        return two in ("GT", "GC") if row.name == "donor" else two == "AG"
    found = text[row.start : row.end]
    return row.matched_sequence == (found if row.strand == "+" else reverse_complement(found))


def reverse_complement(text: str) -> str:
    return text.translate(str.maketrans("ACGT", "TGCA"))[::-1]


def same_hits(genome: Path, library: Path) -> str:
    """Hits of ours and of pssm.search at the same scores and thresholds."""
    from Bio.motifs.matrix import PositionSpecificScoringMatrix

    from seqdl import dna
    from seqdl.dna.background import UNIFORM
    from seqdl.dna.pvalue import ScoreDistribution

    (text,) = sequences(genome).values()
    motifs, ours, theirs = dna.read_motifs(library), set(), set()
    for hits in dna.scan(genome, motifs=motifs, background=UNIFORM):
        columns = (hits[column].to_pylist() for column in ("name", "start", "strand"))
        ours |= set(zip(*columns, strict=True))
    for motif in motifs:
        distribution = ScoreDistribution(motif.scores(UNIFORM), UNIFORM)
        threshold = distribution.threshold(1e-4)
        if threshold is None:
            continue
        rows = {base: distribution.scores[:, k].tolist() for k, base in enumerate("ACGT")}
        for at, _ in PositionSpecificScoringMatrix("ACGT", rows).search(text, threshold=threshold):
            theirs.add((motif.id, at % len(text), "-" if at < 0 else "+"))
    return f"ours {len(ours):,}, Biopython {len(theirs):,}, in one alone {len(ours ^ theirs):,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        library = folder / "fifty.transfac"
        library.write_text(fifty(LIBRARY))
        for genome, path in GENOMES.items():
            for options in ([], ["--motifs", library]):
                rows.append(check(genome, DATA / path, options, folder))
                print(rows[-1], file=sys.stderr, flush=True)
        hits = same_hits(DATA / GENOMES["E. coli"], library)
    head = ["genome", "what", "hits", "at the right bases", "formats that say the same"]
    said = f"{MOTIFS} JASPAR matrices on E. coli, both strands, p < 1e-4: {hits}."
    content = f"{table(head, rows)}\n\n{said}\n\n{machine_line()} Made by `bench/check_dna.py`."
    if arguments.write:
        write_between(ROOT / "bench" / "RESULTS.md", "bench/check_dna.py", content)
    print(content)


def fifty(path: Path) -> str:
    """The first matrices of a TRANSFAC library."""
    import gzip

    with gzip.open(path, "rt") as file:
        return "//\n".join(file.read().split("//\n")[:MOTIFS]) + "//\n"


if __name__ == "__main__":
    main()
