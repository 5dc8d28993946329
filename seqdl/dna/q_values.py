"""q-values of motif hits: a first pass counts scores, and what they say decides which hits the second reports.

For each motif the windows with a p-value of at most Q are counted by score, to 1/1024 bit, and all windows tested.
No q-value of at most Q depends on more (see benjamini_hochberg), so memory does not grow with the input, and the hits
need not be kept until the last is known.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np

from seqdl.dna.matcher import ScoreCounter
from seqdl.dna.motif_scanner import MotifScanner
from seqdl.dna.pipeline import PIECE, Joined, Source, groups
from seqdl.dna.pvalue import benjamini_hochberg
from seqdl.parallel import in_order
from seqdl_data.nucleotides import reverse_complement

Array = np.ndarray
Watch = Callable[[int, int], object]


def limit_by_q(scanner: MotifScanner, source: Source, most: float, any_p: bool, watch: Watch) -> None:
    """Make the scanner report hits with a q-value of at most `most`, and with a p-value as low as before or `any_p`.

    Benjamini and Hochberg's, over all windows of the source on all strands scanned, for each motif alone as FIMO has
    it. With max_strand both strands count as tested. UsageError where the source cannot be read twice.
    """
    source.refuse_stdin("how many places score how high")
    # A q-value is never below its p-value. Of copies: the long tails that are looked up here are not needed again.
    reached = [copy(distribution).threshold(most) for distribution in scanner.distributions]
    counters, tests = _count(scanner, source.with_piece(PIECE), reached, watch)
    q_values = []
    for distribution, counter, tested in zip(scanner.distributions, counters, tests.tolist(), strict=True):
        found = np.zeros(0, np.int64) if counter is None else counter.counts[::-1]
        q = benjamini_hochberg(copy(distribution).tail(len(found))[: len(found)], found, tested)
        q_values.append(q[: np.searchsorted(q, most, "right")].copy())
    scanner.set_q_values(q_values, any_p)


def _count(
    scanner: MotifScanner, source: Source, reached: list[float | None], watch: Watch
) -> tuple[list[ScoreCounter | None], Array]:
    """For each motif how many windows have each score that is high enough, and how many windows there are."""
    counters = [
        None if score is None else ScoreCounter(d.scores, d.best - int(d.deficits(score)), d.best, d.units)
        for d, score in zip(scanner.distributions, reached, strict=True)
    ]
    tests = np.zeros(len(counters), np.int64)
    bases = 0
    for group in groups(source.for_scanner(scanner), source.piece):
        joined = Joined.of(group)
        strands = [joined.codes] if scanner.norc else [joined.codes, reverse_complement(joined.codes)]
        runs = _runs(joined)

        def add(m: int, strands: list[Array] = strands, runs: list[tuple[int, int]] = runs) -> None:
            counter, width = counters[m], int(scanner.widths[m])
            for reverse, codes in enumerate(strands if counter else []):
                for low, high in runs:
                    # A window at [at, at + width) lies at len - at - width on the other strand.
                    flipped = (len(codes) - high - width + 1, len(codes) - low - width + 1)
                    counter.add(codes, *(flipped if reverse else (low, high)))  # type: ignore[union-attr]

        for _ in in_order(add, range(len(counters))):
            pass
        tests += _windows(joined, scanner.widths) * scanner.strands
        bases += int(np.diff(joined.own).sum())
        watch(bases, 0)
    return counters, tests


def _runs(joined: Joined) -> list[tuple[int, int]]:
    """The owned places in `joined.codes` as few ranges: between pieces without flanks lies one that no window holds."""
    low, high = (joined.own - joined.shift[:, None]).T
    ends = np.append(joined.first[1:] - 1, len(joined.codes))
    cut = np.flatnonzero((high < ends)[:-1] | (low > joined.first)[1:])
    return list(zip(low[np.append(0, cut + 1)].tolist(), high[np.append(cut, len(high) - 1)].tolist(), strict=True))


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
