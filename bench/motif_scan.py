"""Motif hits on both strands: positions a second (bases x matrices x 2), ours, lightmotif's and MOODS's.

    python bench/motif_scan.py [--peers PYTHON] [--quick] [--write] [--threads 1,2]

One matrix of 15 columns at p < 1e-4 and p < 1e-5, on E. coli and on 50 million random bases, and all vertebrate
matrices of JASPAR 2024 on E. coli at p < 1e-4 (those of them that can reach it). Real data from SEQDL_TEST_DATA,
../shared/data by default. All get the same matrices (log-odds in bits, pseudocount 0.1, uniform background) and
thresholds, and must find the same hits; lightmotif adds in float32, so hits within 1e-4 bits of the threshold may
differ and are counted. What is prepared once (our tables and index, theirs) is timed apart. The peers have no
threads and hold the GIL: on two threads they are as fast as on one; two processes of them would be nearly twice that.

Tried for ours, on a Xeon with AVX-512 VBMI that others used too; ms for both strands of E. coli:
    one matrix of 15, p < 1e-4: sweep by groups of 3 columns, 64 lanes              1.0
        the same for AVX2: groups of 2, 32 lanes; SSSE3: 16 lanes; lane by lane     1.5; 2.0; 24
        tables aligned to 64 bytes, or 2 or 8 vectors at once instead of 4          no difference
    library: all matrices swept                                                     420
        index of 10-mers, each list checked as it is found, 172 matrices swept      230
        the same in passes without branches: look up, walk lists, add up scores     130
        words of 8 (before the passes), 9, 11 bases                                 230, 140 to 150, 130 to 140
        matrices padded to 12 columns instead of 4: they leave the second cache     +15%
        4 to 24 for the price of a candidate, in sweeps and lists                   less than 15% between 8 and 24
"""

from __future__ import annotations

import gzip
import re
import time
from pathlib import Path
from typing import Any

import measure
import numpy as np
from measure import DATA, Case, Config, Ledger, Options, Result, Step

GENOME = "genomes/ecoli/GCF_000005845.2_ASM584v2_genomic.fna.gz"
LIBRARY = "motifs/jaspar2024/JASPAR2024_CORE_vertebrates_non-redundant_pfms_transfac.txt.gz"
WIDTH, RANDOM_BASES = 15, 50_000_000
Array = np.ndarray


# The jobs


def genome() -> Array:
    """E. coli as codes, A C G T N: 0 to 4."""
    text = b"".join(gzip.decompress((DATA / GENOME).read_bytes()).split(b"\n")[1:]).upper()
    codes = np.full(256, 4, np.uint8)
    codes[list(b"ACGT")] = range(4)
    return codes[np.frombuffer(text, np.uint8)]


def library() -> list[Array]:
    """Log-odds in bits."""
    text = gzip.decompress((DATA / LIBRARY).read_bytes()).decode()
    blocks = re.findall(r"PO\s+A\s+C\s+G\s+T\n((?:\d+\s.*\n)+)", text)
    counts = [np.array([row.split()[1:5] for row in block.splitlines()], float) for block in blocks]
    return [np.log2((c + 0.025) / (c.sum(axis=1, keepdims=True) + 0.1) / 0.25) for c in counts]


def threshold(scores: Array, p: float, steps: int = 1000) -> float:
    """About the lowest score in bits that a random window reaches with probability p; inf if none does."""
    rounded = np.round(scores * steps).astype(int)
    lowest = rounded.min(axis=1)
    density = np.ones(1)
    for column in rounded - lowest[:, None]:
        wider = np.zeros(len(density) + column.max())
        for step in column:
            wider[step : step + len(density)] += density / 4
        density = wider
    tail = np.cumsum(density[::-1])[::-1]
    at = int(np.searchsorted(-tail, -p))
    return float(at + lowest.sum()) / steps if at < len(tail) else np.inf


def case(name: str, codes: Array, matrices: list[Array], p: float) -> Case:
    limits = [threshold(matrix, p) for matrix in matrices]
    found = [(matrix, limit) for matrix, limit in zip(matrices, limits, strict=True) if limit < np.inf]
    forward = [matrix for matrix, _ in found]
    both = forward + [matrix[::-1, ::-1] for matrix in forward]
    arrays = {
        "codes": codes,
        "columns": np.concatenate(both),
        "widths": np.array([len(matrix) for matrix in both]),
        "thresholds": np.array([limit for _, limit in found] * 2),
    }
    return measure.with_arrays(Case(name, {}, len(codes) * len(both), 0.0), arrays)


def cases(options: Options) -> list[Case]:
    if not (DATA / LIBRARY).exists():
        raise SystemExit(f"no data at {DATA}; set SEQDL_TEST_DATA")
    bacterium, matrices = genome(), library()
    one = [next(matrix for matrix in matrices if len(matrix) == WIDTH)]
    jobs = [case("one matrix, E. coli, p < 1e-4", bacterium, one, 1e-4)]
    if not options.quick:
        drawn = np.random.default_rng(0).integers(0, 4, RANDOM_BASES, np.uint8)
        jobs += [
            case("one matrix, E. coli, p < 1e-5", bacterium, one, 1e-5),
            case("one matrix, 50 Mb, p < 1e-4", drawn, one, 1e-4),
            case("one matrix, 50 Mb, p < 1e-5", drawn, one, 1e-5),
            case(f"{len(matrices)} matrices, E. coli, p < 1e-4", bacterium, matrices, 1e-4),
        ]
    return jobs


def job(config: Config) -> tuple[Array, list[Array], list[float]]:
    _, codes, columns, widths, thresholds = measure.load(config, "codes", "columns", "widths", "thresholds")
    return codes, np.split(columns, np.cumsum(widths)[:-1]), thresholds.tolist()


def text(codes: Array) -> str:
    return np.frombuffer(b"ACGTN", np.uint8)[codes].tobytes().decode()


def remember(config: Config, name: str, seconds: float, matrix: Any, position: Any) -> None:
    """For the driver: the hits, in order, and how long the preparation took."""
    hits = np.stack([np.asarray(matrix, np.int64), np.asarray(position, np.int64)], axis=1)
    np.savez(hits_file(config, name), hits=hits[np.lexsort(hits.T[::-1])], seconds=seconds)


def hits_file(config: Config, name: str) -> Path:
    return Path(f"{config['file']}.{name}.npz")


# The contenders. A step finds all hits and returns their number.


def ours(config: Config) -> Step:
    from seqdl import parallel
    from seqdl.dna.matcher import Matcher

    parallel.set_num_threads(config["threads"])
    codes, matrices, thresholds = job(config)
    Matcher(matrices, thresholds)  # compiles
    began = time.perf_counter()
    matcher = Matcher(matrices, thresholds)
    seconds = time.perf_counter() - began
    found = matcher.find(codes)
    remember(config, "seqdl", seconds, found.matrix, found.position)
    return lambda: len(matcher.find(codes).score)


def lightmotif(config: Config) -> Step:
    import lightmotif

    codes, matrices, thresholds = job(config)
    began = time.perf_counter()
    made = [
        lightmotif.ScoringMatrix({b: m[:, n].tolist() for n, b in enumerate("ACGT")} | {"N": [-1e3] * len(m)})
        for m in matrices
    ]
    sequence = lightmotif.stripe(text(codes))
    seconds = time.perf_counter() - began

    def scan() -> Any:
        for number, (matrix, limit) in enumerate(zip(made, thresholds, strict=True)):
            for hit in lightmotif.scan(matrix, sequence, threshold=limit):
                yield number, hit

    remember(config, "lightmotif", seconds, *zip(*((number, hit.position) for number, hit in scan()), strict=True))
    return lambda: sum(1 for _ in scan())


def moods(config: Config) -> Step:
    import MOODS.scan

    codes, matrices, thresholds = job(config)
    sequence = text(codes)
    began = time.perf_counter()
    scanner = MOODS.scan.Scanner(7)
    scanner.set_motifs([matrix.T.tolist() for matrix in matrices], [0.25] * 4, thresholds)
    seconds = time.perf_counter() - began
    found = [(number, hit.pos) for number, hits in enumerate(scanner.scan(sequence)) for hit in hits]
    remember(config, "MOODS", seconds, *zip(*found, strict=True))
    return lambda: sum(map(len, scanner.scan(sequence)))


CONTENDERS = {"seqdl": ours, "lightmotif": lightmotif, "MOODS": moods}
OWN = ("seqdl",)


def compare_hits(case: Case, ledger: Ledger) -> dict[str, float]:
    """Says whether all found the same; returns what each needed to prepare."""
    found, seconds = {}, {}
    for name in CONTENDERS:
        if (path := hits_file(case.config, name)).exists():
            with np.load(path) as arrays:
                found[name] = set(map(tuple, arrays["hits"].tolist()))
                seconds[name] = float(arrays["seconds"])
    hits = found["seqdl"]
    differences = {name: hits ^ theirs for name, theirs in found.items() if theirs != hits}
    said = (
        ", ".join(f"{len(d)} differ in {name}" for name, d in differences.items()) or f"the same in {', '.join(found)}"
    )
    ledger.notes.append(f"{case.name}: {len(hits):,} hits, {said}")
    return seconds


def row(case: Case, threads: int, results: dict[str, Result], seconds: dict[str, float], ledger: Ledger) -> list[str]:
    """Of the table; the ratio goes into the ledger."""
    name, ratio = measure.best_peer(results)
    ledger.ratios[f"motif_scan, {case.name}, {threads} threads"] = ratio
    cells = [measure.rate(case, results[contender]) for contender in CONTENDERS]
    memory = " / ".join(measure.megabytes(results[contender]) for contender in CONTENDERS)
    prepared = " / ".join(f"{seconds[contender]:.2f}" if contender in seconds else "-" for contender in CONTENDERS)
    return [case.name, str(threads), *cells, f"**{ratio:.1f}** ({name})", prepared, memory]


def bench(options: Options) -> None:
    ledger, rows = Ledger("motif_scan"), []
    jobs = measure.chosen(cases(options), options)
    for threads in options.threads:
        for case in jobs:
            results = measure.compare(__file__, case, CONTENDERS, OWN, threads, options)
            ledger.peer_failures(results, case)
            rows.append(row(case, threads, results, compare_hits(case, ledger), ledger))
            if threads == options.threads[-1]:
                ratio = measure.best_peer(results)[1]
                ledger.summary.append(f"motifs, {case.name}, {threads} threads | {ratio:.1f}")
    head = [
        "positions/s",
        "threads",
        *CONTENDERS,
        "over the best peer",
        "prepared in s: seqdl / lightmotif / MOODS",
        "peak MB: the same",
    ]
    measure.publish(ledger, measure.table(head, rows), options)


if __name__ == "__main__":
    measure.main(CONTENDERS, bench, __doc__)
