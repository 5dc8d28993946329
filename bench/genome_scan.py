"""Whole commands over whole genomes: seconds and peak memory of `seqdl scan`, and how they grow.

    python bench/genome_scan.py [--quick] [--write]

Generated contigs of 3, 30 and 300 million bases with a library of 10 matrices of ours (widths 8 to 20, p < 1e-4, both
strands); the same contigs read and nothing else; real genomes, where the data is there, with the shipped model. Output
goes to /dev/null as BED. Medians of three runs (one for 300 Mb); the kernels' cache is warm.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import measure
import numpy as np
from measure import DATA, ROOT, Ledger, Options

SEQDL = (sys.executable, "-m", "seqdl_cli.main", "scan", "-q", "--format", "bed", "-o", "/dev/null")
READ = "import sys; from seqdl_data.fasta import read_fasta; [None for piece in read_fasta(sys.argv[1])]"
SIZES = (3, 30, 300)  # Mb
GENOMES = {
    "E. coli": "genomes/ecoli/GCF_000005845.2_ASM584v2_genomic.fna.gz",
    "S. cerevisiae": "genomes/yeast/Saccharomyces_cerevisiae.R64-1-1.dna.toplevel.fa.gz",
    "S. pombe I + II": "genomes/spombe/spombe_I_II.fa.gz",
}
MEGABASES = {"E. coli": 4.64, "S. cerevisiae": 12.16, "S. pombe I + II": 10.12}
LINE = 60


def write_contig(path: Path, megabases: int) -> None:
    draw = np.random.default_rng(megabases)
    with path.open("wb") as file:
        file.write(b">contig\n")
        for _ in range(megabases):
            letters = np.frombuffer(b"ACGT", np.uint8)[draw.integers(0, 4, 1_000_020 // LINE * LINE)]
            lines = np.full((len(letters) // LINE, LINE + 1), ord("\n"), np.uint8)
            lines[:, :LINE] = letters.reshape(-1, LINE)
            file.write(lines.tobytes())


def write_library(path: Path) -> None:
    """Ten JASPAR matrices of random preference."""
    draw = np.random.default_rng(10)
    with path.open("w") as file:
        for number, width in enumerate((8, 9, 10, 11, 12, 13, 14, 16, 18, 20), 1):
            counts = np.array([draw.multinomial(50, draw.dirichlet([0.3] * 4)) for _ in range(width)])
            rows = (f"{base} [ {' '.join(map(str, counts[:, k]))} ]" for k, base in enumerate("ACGT"))
            file.write(f">R{number}.1 random\n" + "\n".join(rows) + "\n")


def timed(command: Sequence[object], runs: int) -> tuple[float, int]:
    measured = [measure.run(command) for _ in range(runs)]
    return statistics.median(seconds for seconds, _ in measured), max(peak for _, peak in measured)


def rows(options: Options, folder: Path) -> Iterator[list[str]]:
    library = folder / "library.jaspar"
    write_library(library)
    for megabases in SIZES[:1] if options.quick else SIZES:
        contig, runs = folder / "contig.fa", 1 if megabases == SIZES[-1] else 3
        write_contig(contig, megabases)
        yield row(f"read a contig of {megabases} Mb", 1, megabases, timed((sys.executable, "-c", READ, contig), runs))
        for threads in options.threads:
            command = (*SEQDL, contig, "--motifs", library, "-t", threads)
            yield row(f"10 motifs, a contig of {megabases} Mb", threads, megabases, timed(command, runs))
    if DATA.is_dir() and not options.quick:
        for name, path in GENOMES.items():
            for threads in options.threads:
                command = (*SEQDL, DATA / path, "-t", threads)
                yield row(f"splice sites, {name}", threads, MEGABASES[name], timed(command, 1))


def row(name: str, threads: int, megabases: float, measured: tuple[float, int]) -> list[str]:
    seconds, peak = measured
    print(name, threads, f"{seconds:.2f} s", f"{peak / 1e6:.0f} MB", file=sys.stderr, flush=True)
    return [name, str(threads), f"{seconds:.2f}", f"{megabases / seconds:.2f}", f"{peak / 1e6:.0f}"]


def bench(options: Options) -> None:
    ledger, folder = Ledger("genome_scan"), Path(measure.SCRATCH.name)
    timed((*SEQDL, ROOT / "samples" / "genes.fa"), 1)
    timed((*SEQDL, ROOT / "samples" / "genes.fa", "--motifs", ROOT / "samples" / "tata.jaspar"), 1)
    head = ["whole command", "threads", "seconds", "Mb/s, both strands at once", "peak MB"]
    measure.publish(ledger, measure.table(head, rows(options, folder)), options)


if __name__ == "__main__":
    measure.main({}, bench, __doc__)
