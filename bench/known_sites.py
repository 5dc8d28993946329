"""Known binding sites of E. coli among the best hits of their matrices, ours beside Biopython's ranking.

    python bench/known_sites.py [--write]

CRP, Fur and PurR: RegulonDB's matrices scanned over NC_000913.3, both strands, at p < 1e-3. A hit finds a site when
they share at least half of the shorter one. Sites at one place count once. Recovery: the share of the known sites that
are found by as many of the best hits as there are sites, by twice and by ten times as many, and by all hits. The
matrices were made of such sites, so this says that the scan ranks right, not how good a matrix is on new ones.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), *(str(Path(__file__).parent.parent / part) for part in ("", "data", "cli"))]
from measure import DATA, ROOT, machine_line, table, write_between  # noqa: E402

from seqdl import dna  # noqa: E402
from seqdl.dna.background import UNIFORM  # noqa: E402
from seqdl_data.fasta import read_fasta  # noqa: E402
from seqdl_data.nucleotides import decode  # noqa: E402

GENOME = DATA / "genomes/ecoli/GCF_000005845.2_ASM584v2_genomic.fna.gz"
MOTIFS = DATA / "motifs/regulondb/regulonDB_2015-08-07.tf.gz"
SITES = DATA / "sites/ecoli_tfbs_without_LexA.NC_000913.3.tsv.gz"
FACTORS = ("CRP", "Fur", "PurR")


def known(factor: str) -> np.ndarray:
    """(N, 2) int64: the places of a factor's sites, each once."""
    with gzip.open(SITES, "rt") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return np.array(sorted({(int(r["start0"]), int(r["end0"])) for r in rows if r["TF"] == factor}))


def share(sites: np.ndarray, start: np.ndarray, width: int) -> str:
    """Of the sites (N, 2), how many share half of the shorter one with a window that begins at one of `start`."""
    found = np.zeros(len(sites), bool)
    for n, (lo, hi) in enumerate(sites):
        shared = np.minimum(start + width, hi) - np.maximum(start, lo)
        found[n] = (2 * shared >= min(width, hi - lo)).any()
    return f"{found.mean():.1%}"


def biopython_ranking(motif: dna.Motif, sequence: str, count: int) -> np.ndarray:
    """Starts of the best windows of both strands, by Biopython's scores of the same matrix."""
    from Bio.motifs.matrix import PositionSpecificScoringMatrix

    scores = motif.scores(UNIFORM)
    matrix = PositionSpecificScoringMatrix("ACGT", {base: scores[:, k].tolist() for k, base in enumerate("ACGT")})
    both = np.concatenate([m.calculate(sequence) for m in (matrix, matrix.reverse_complement())])
    best = np.argsort(-both, kind="stable")[:count]
    return best % (len(both) // 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    sequence = decode(np.concatenate([piece.codes for piece in read_fasta(GENOME)])).decode()
    motifs = {motif.id: motif for motif in dna.read_motifs(MOTIFS)}
    rows = []
    for factor in FACTORS:
        motif, sites = motifs[factor], known(factor)
        hits = list(dna.scan(GENOME, motifs=[motif], background=UNIFORM, thresh=1e-3))
        score = np.concatenate([t["score"].to_numpy() for t in hits])
        start = np.concatenate([t["start"].to_numpy() for t in hits])[np.argsort(-score, kind="stable")]
        n, width = len(sites), len(motif)
        theirs = biopython_ranking(motif, sequence, 10 * n)
        cells = [f"{share(sites, start[: k * n], width)} / {share(sites, theirs[: k * n], width)}" for k in (1, 2, 10)]
        rows.append([factor, str(width), f"{n:,}", *cells, share(sites, start, width), f"{len(start):,}"])
    head = ["factor", "columns", "known sites", "best N, ours / Biopython", "best 2N", "best 10N", "p < 1e-3", "hits"]
    content = f"{table(head, rows)}\n\n{machine_line()} Made by `bench/known_sites.py`."
    if arguments.write:
        write_between(ROOT / "bench" / "RESULTS.md", "bench/known_sites.py", content)
    print(content)


if __name__ == "__main__":
    main()
