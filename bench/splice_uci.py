"""UCI's splice-junction set, 10-fold: a bidirectional GRU of ours beside the published table.

    python bench/splice_uci.py [FILE] [--write]

3,190 windows of 60 bases, classes N, EI (donor) and IE (acceptor), the junction in the middle. Equal sequences, and
sequences that differ in unknown letters alone, are one group and never on both sides of a fold. Each fold is tested
once; training is on 1,000 examples as in the published table, and on all of the other nine folds. The error of a
class is the share of its examples that are given another class.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parent), *(str(Path(__file__).parent.parent / part) for part in ("", "data", "cli"))]
from measure import DATA, ROOT, machine_line, write_between  # noqa: E402
from site_windows import log_probabilities, train  # noqa: E402

from seqdl import parallel  # noqa: E402
from seqdl.dna.network import SiteNetwork  # noqa: E402
from seqdl_data.nucleotides import UNKNOWN  # noqa: E402
from seqdl_data.splice import UCI_JUNCTION, uci_pieces  # noqa: E402

FOLDS = 10
CLASSES = ("N", "EI", "IE")
PUBLISHED = {  # UCI's splice.names, trained on 1,000 examples
    "KBANN": (4.62, 7.56, 8.47),
    "BACKPROP": (5.29, 5.74, 10.75),
    "PEBLS": (6.86, 8.18, 7.55),
    "PERCEPTRON": (3.99, 16.32, 17.41),
    "ID3": (8.84, 10.58, 13.99),
    "COBWEB": (11.80, 15.04, 9.46),
    "nearest neighbour": (31.11, 11.65, 9.09),
}
EPOCHS, MEMBERS = 30, 3


def read(path: str) -> tuple[np.ndarray, np.ndarray]:
    pieces = list(uci_pieces(path))
    return np.stack([p.codes for p in pieces]), np.array([p.forward.sites[UCI_JUNCTION] for p in pieces])


def groups_of(codes: np.ndarray) -> np.ndarray:
    """A number for each example, the same for sequences that agree wherever both are known."""
    group = np.arange(len(codes))
    for at in range(len(codes)):
        differs = (codes[:at] != codes[at]) & (codes[:at] < UNKNOWN) & (codes[at] < UNKNOWN)
        same = np.flatnonzero(~differs.any(axis=1))
        if same.size:
            group[at] = group[same[0]]
    return group


def folds_of(group: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The fold of each example: whole groups, dealt out at random."""
    names, which = np.unique(group, return_inverse=True)
    return generator.permutation(np.arange(len(names)) % FOLDS)[which]


def predict(networks: list[SiteNetwork], codes: np.ndarray) -> np.ndarray:
    """The class of each window by the mean log-probability of the networks."""
    return np.mean([log_probabilities(each, codes, UCI_JUNCTION) for each in networks], axis=0).argmax(axis=1)


def cross_validate(
    codes: np.ndarray, labels: np.ndarray, fold: np.ndarray, count: int | None
) -> tuple[np.ndarray, float]:
    """The class given to each example by the networks that have not seen its fold; seconds."""
    given, began = np.empty(len(labels), np.int64), time.perf_counter()
    for k in range(FOLDS):
        rest = np.flatnonzero(fold != k)
        rows = rest if count is None else np.random.default_rng(k).choice(rest, count, replace=False)
        networks = [
            train(codes[rows], labels[rows], UCI_JUNCTION, classes=3, epochs=EPOCHS, seed=seed)
            for seed in range(MEMBERS)
        ]
        given[fold == k] = predict(networks, codes[fold == k])
    return given, time.perf_counter() - began


def errors(given: np.ndarray, labels: np.ndarray) -> list[float]:
    wrong = given != labels
    return [100 * wrong[labels == c].mean() for c in range(3)] + [100 * wrong.mean()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", default=DATA / "splice/uci/splice.data")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    codes, labels = read(arguments.data)
    group = groups_of(codes)
    fold = folds_of(group, np.random.default_rng(0))
    shared = {g for k in range(FOLDS) for g in set(group[fold == k]) & set(group[fold != k])}
    assert not shared, "a group is on both sides of a fold"
    counts = np.bincount(labels, minlength=3)
    lines = ["| trained on | N | EI | IE | all | seconds |", "| --- | --- | --- | --- | --- | --- |"]
    for name, each in PUBLISHED.items():
        overall = float(np.dot(each, counts) / counts.sum())
        lines.append(f"| {name}, 1,000 (published) | " + " | ".join(f"{x:.2f}" for x in (*each, overall)) + " | |")
    with parallel.single_threaded_blas():
        for count, name in ((1000, "1,000"), (None, "all nine folds")):
            given, seconds = cross_validate(codes, labels, fold, count)
            figures = " | ".join(f"{x:.2f}" for x in errors(given, labels))
            lines.append(f"| **ours**, {name} | {figures} | {seconds:.0f} |")
            print(lines[-1], file=sys.stderr, flush=True)
    said = (
        f"Errors in %. {len(labels):,} windows in {len(np.unique(group)):,} groups of equal sequences; "
        f"whole groups in one of {FOLDS} folds. Ours: the mean of {MEMBERS} GRUs of 48 units in both directions."
    )
    table = "\n".join([*lines, "", said, "", f"{machine_line()} Made by `bench/splice_uci.py`."])
    if arguments.write:
        write_between(ROOT / "bench" / "RESULTS.md", "bench/splice_uci.py", table)
    print(table)


if __name__ == "__main__":
    main()
