"""Learned splice sites beside position weight matrices and weight array models on the same sites.

    python bench/splice_tables.py [FOLDER] [--write]

Genome: the shipped models on records that they have not seen, every GT or GC and every AG of both strands. Lines of
exon, intron and exon: every candidate in the lines of one gene in ten, a network trained on eight. Windows of 42
bases (splice42): one sequence in five held out, equal ones together, as many false as true.
"""

from __future__ import annotations

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), *(str(Path(__file__).parent.parent / part) for part in ("", "data", "cli"))]
import site_windows  # noqa: E402
from measure import DATA, ROOT, machine_line, table, write_between  # noqa: E402

from seqdl import parallel  # noqa: E402
from seqdl.dna import SiteModel  # noqa: E402
from seqdl.dna.evaluation import evaluate, judge_stretches  # noqa: E402
from seqdl.dna.training import KNOWN, SiteSettings, train_sites  # noqa: E402
from seqdl.metrics import average_precision, calibration_error, reliability  # noqa: E402
from seqdl.training.loop import Settings  # noqa: E402
from seqdl_data.nucleotides import UNKNOWN, encode  # noqa: E402
from seqdl_data.sites import UNSAID, Stretch, read_stretches  # noqa: E402
from seqdl_data.splice import Genome, Split, build_splice  # noqa: E402

Array = np.ndarray
AROUND = {"donor": (20, 20), "acceptor": (40, 10)}  # bases before and after the junction that a matrix sees
MINUTES = 3.0
MATRICES = ("PWM", "WAM, order 1", "WAM, order 3")
HEAD = ("data", "site", "true / candidates", *MATRICES, "seqdl", "top-k", "calibration error")


def windows_of(stretches: list[Stretch], label: int) -> tuple[Array, Array]:
    """Windows around every candidate of a kind (N, W), and which of them are sites (N,)."""
    kind = list(KNOWN.values())[label - 1]
    before, after = AROUND[kind.name]
    codes, truth = [], []
    for stretch in stretches:
        at = np.flatnonzero(kind.candidates(stretch.codes) & (stretch.labels != UNSAID))
        padded = np.pad(stretch.codes, (before, after), constant_values=UNKNOWN)
        codes.append(padded[at[:, None] + np.arange(before + after)])
        truth.append(stretch.labels[at] == label)
    return np.concatenate(codes), np.concatenate(truth)


def matrix_precision(train: list[Stretch], test: list[Stretch], label: int) -> list[float]:
    codes, truth = windows_of(train, label)
    held_out, wanted = windows_of(test, label)
    found = []
    for order in (0, 1, 3):
        weights = site_windows.weight_array(codes[truth], codes[~truth], order)
        found.append(average_precision(site_windows.weight_scores(weights, held_out, order), wanted))
    return found


def rows_of(name: str, model: SiteModel, train: list[Stretch], test: list[Stretch]) -> Iterator[list[str]]:
    for label, each in enumerate(evaluate(model, judge_stretches(model, test)), 1):
        matrices = [f"{value:.3f}" for value in matrix_precision(train, test, label)]
        count = f"{each.sites:,} / {each.sites + each.decoys:,}"
        ours = [f"**{each.average_precision:.3f}**", f"{each.top_k:.3f}", f"{each.calibration_error:.4f}"]
        yield [name, each.name, count, *matrices, *ours]


def genome_rows(folder: Path, work: Path) -> Iterator[list[str]]:
    pombe = Genome(folder / "genomes/spombe/spombe_I_II.fa.gz", folder / "genomes/spombe/spombe_I_II.gff3.gz")
    path = work / "pombe.parquet"
    build_splice(path, genomes=[pombe], split=Split(frozenset(["II"])))
    train, test = read_stretches(path, "train")[0], read_stretches(path, "test")[0]
    yield from rows_of("S. pombe, trained on I, chromosome II", SiteModel.load("spombe"), train, test)
    for species, record in (("C.elegans", "V"), ("A.thaliana", "Chr5")):
        genome = Genome(folder / f"genomes/onepct/{species}.fa.gz", folder / f"genomes/onepct/{species}.gff.gz")
        path = work / f"{species}.parquet"
        build_splice(path, genomes=[genome], split=Split(frozenset([record])))
        train, test = read_stretches(path, "train")[0], read_stretches(path, "test")[0]
        yield from rows_of(f"{species}, 1% of the genome, {record}", SiteModel.load("worm-plant"), train, test)


def line_rows(folder: Path, work: Path) -> Iterator[list[str]]:
    for species, name in (("C. elegans", "ce"), ("A. thaliana", "at")):
        path = work / f"eie.{name}.parquet"
        build_splice(path, eie=[folder / f"splice/eie/eie.{name}.txt.gz"])
        train_sites(
            path, work / name, Settings(epochs=None, minutes=MINUTES, lr=3e-3, validations=4), SiteSettings(batch=64)
        )
        train, test = read_stretches(path, "train")[0], read_stretches(path, "test")[0]
        yield from rows_of(f"{species}, exon-intron-exon lines", SiteModel.load(work / name), train, test)


def read_windows(path: Path) -> Array:
    with gzip.open(path) as file:
        return np.stack([encode(line.strip()) for line in file if not line.startswith(b">")])


def window_rows(folder: Path) -> Iterator[list[str]]:
    for site, short, junction in (("donor", "don", 20), ("acceptor", "acc", 22)):
        true = read_windows(folder / f"splice/splice42/ce.{short}.fa.gz")
        for kind in ("n3", "n4"):
            false = read_windows(folder / f"splice/splice42/ce.{kind}{short}.fa.gz")
            codes, labels = np.concatenate([true, false]), np.repeat([1, 0], [len(true), len(false)])
            held_out = np.array([zlib.crc32(row.tobytes()) % 5 == 0 for row in codes])
            yield [f"splice42, worm, {kind}", site, *accuracies(codes, labels, held_out, junction)]


def accuracies(codes: Array, labels: Array, held_out: Array, junction: int) -> list[str]:
    """Of matrices and of a network: how many of the held-out windows are told right, in %."""
    train, wanted = codes[~held_out], labels[held_out] == 1
    truth = labels[~held_out] == 1
    found = [f"{held_out.sum():,}"]
    for order in (0, 1, 3):
        weights = site_windows.weight_array(train[truth], train[~truth], order)
        scores = site_windows.weight_scores(weights, codes[held_out], order)
        found.append(f"{100 * ((scores > 0) == wanted).mean():.1f}")
    network = site_windows.train(
        train, labels[~held_out], junction, classes=2, epochs=4, batch=128, hidden=64, dropout=0.2
    )
    p = np.exp(site_windows.log_probabilities(network, codes[held_out], junction)[:, 1])
    error = calibration_error(reliability(p, wanted))
    return [*found, f"**{100 * ((p > 0.5) == wanted).mean():.1f}**", f"{error:.4f}"]


def write_example() -> None:
    """The README's example of a scan, and the picture of what makes its first donor."""
    command = [sys.executable, "-m", "seqdl_cli.main"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("", "data", "cli"))}
    scan = [*command, "scan", "-q", "--region", "made1", "samples/genes.fa"]
    found = subprocess.run(scan, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    write_between(ROOT / "README.md", "scan example", f"```text\n{found.stdout}```")
    explain = [*command, "explain", "site", "-q", "samples/genes.fa", "made1:494", "--strand", "+", "--around", "20"]
    picture = ROOT / "docs" / "explain.svg"
    subprocess.run([*explain, "-o", picture], cwd=ROOT, env=environment, capture_output=True, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work, parallel.single_threaded_blas():
        ranked = table(HEAD, [*genome_rows(arguments.data, Path(work)), *line_rows(arguments.data, Path(work))])
    told = table(
        ("data", "site", "held out", *MATRICES, "seqdl", "calibration error"),
        window_rows(arguments.data),
    )
    content = "\n\n".join(
        [
            "Average precision over all candidates of records or genes that were not trained on:",
            ranked,
            "Windows told right, %:",
            told,
            f"{machine_line()} Made by `bench/splice_tables.py`; networks on lines trained for {MINUTES:.0f} minutes.",
        ]
    )
    if arguments.write:
        write_between(ROOT / "bench" / "RESULTS.md", "bench/splice_tables.py", content)
        write_between(ROOT / "README.md", "bench/splice_tables.py", f"{ranked}\n\nMachine: {machine_line()}")
        write_example()
    print(content)


if __name__ == "__main__":
    main()
