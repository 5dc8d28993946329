"""q-values of motif hits: a first pass counts scores, and what they say decides which hits the second reports.

For each motif the windows with a p-value of at most Q are counted by score, to 1/1024 bit, and all windows tested.
No q-value of at most Q depends on more (see benjamini_hochberg), so memory does not grow with the input, and the hits
need not be kept until the last is known.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from seqdl.dna.motif_scanner import MotifScanner
from seqdl.dna.pipeline import Joined, Source, groups
from seqdl.dna.pvalue import benjamini_hochberg
from seqdl.errors import UsageError
from seqdl.parallel import in_order
from seqdl_data.fasta import Piece

Array = np.ndarray
Watch = Callable[[int, int], object]


def limit_by_q(scanner: MotifScanner, source: Source, most: float, thresh: float | None, watch: Watch) -> None:
    """Make the scanner report what has a q-value of at most `most`, with it, and a p-value of at most `thresh`.

    Benjamini and Hochberg's, over all windows of the source on all strands scanned, for each motif alone as FIMO has
    it. With max_strand both strands count as tested. UsageError where the source cannot be read twice.
    """
    if not 0 < most <= 1:
        raise UsageError(f"--qv-thresh must be above 0 and at most 1, got {most}")
    source.refuse_stdin("how many places score how high")
    scanner.set_thresholds(most)  # a q-value is never below its p-value
    counts = [np.zeros(0, np.int64) for _ in scanner.ids]
    tests = np.zeros(len(scanner.ids), np.int64)
    bases = 0

    def count(group: list[Piece]) -> tuple[int, Array, list[tuple[int, Array]]]:
        joined = Joined.of(group)
        return int(np.diff(joined.own).sum()), _windows(joined, scanner.widths), _deficits(scanner, joined)

    source = source.with_piece(scanner.piece)
    for more, windows, found in in_order(count, groups(source.for_scanner(scanner), source.piece)):
        bases += more
        tests += windows * scanner.strands
        for m, deficits in found:
            counts[m] = _sum(counts[m], deficits)
        watch(bases, 0)
    q_values = [
        benjamini_hochberg(distribution.tail(len(found))[: len(found)], found, int(tested))
        for distribution, found, tested in zip(scanner.distributions, counts, tests, strict=True)
    ]
    scanner.set_thresholds(most if thresh is None else min(most, thresh))
    scanner.set_q_values(q_values, most)


def _deficits(scanner: MotifScanner, joined: Joined) -> list[tuple[int, Array]]:
    """For each motif with a hit how many there are of each score, in units below the best one."""
    found = scanner.matcher.find(joined.codes)
    owned = joined.places(found.position)[2]
    motif, score = found.matrix[owned] % len(scanner.ids), found.score[owned]
    order = np.argsort(motif, kind="stable")
    ends = np.searchsorted(motif[order], np.arange(len(scanner.ids) + 1))
    return [
        (int(m), np.bincount(scanner.distributions[m].deficits(score[order[ends[m] : ends[m + 1]]])))
        for m in np.flatnonzero(np.diff(ends))
    ]


def _windows(joined: Joined, widths: Array) -> Array:
    """(M,) int64: how many windows of each width begin at an owned position, fit and hold only A, C, G, T."""
    known = np.concatenate([[False], joined.codes < 4, [False]])
    ends = np.flatnonzero(known[1:] != known[:-1]).reshape(-1, 2)  # of the stretches of known bases
    piece, _, _ = joined.places(ends[:, 0])
    low, high = (joined.own[piece] - joined.shift[piece, None]).T
    first = np.maximum(ends[:, 0], low)
    different, which = np.unique(widths, return_inverse=True)
    counts = [np.maximum(0, np.minimum(ends[:, 1] - width + 1, high) - first).sum() for width in different]
    return np.array(counts, np.int64)[which]


def _sum(a: Array, b: Array) -> Array:
    """The sum of two arrays of counts, the shorter one filled up with zeros."""
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    total = longer.copy() if longer is b else longer
    total[: len(shorter)] += shorter
    return total
