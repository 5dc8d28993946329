"""q-values of motif hits: a first pass counts scores, and what they say decides which hits the second reports.

For each motif the windows with a p-value of at most Q are counted by score, to 1/1024 bit, and all windows tested.
No q-value of at most Q depends on more (see benjamini_hochberg), so memory does not grow with the input, and the hits
need not be kept until the last is known.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy

import numpy as np

from seqdl.dna.matcher import Matches
from seqdl.dna.motif_scanner import MotifScanner
from seqdl.dna.pipeline import Joined, Source, groups
from seqdl.dna.pvalue import benjamini_hochberg
from seqdl.kernels.score_counts import count_scores
from seqdl.parallel import in_order
from seqdl_data.fasta import Piece

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
    counts, tests = _count(scanner, source.with_piece(scanner.piece_for(most)), reached, watch)
    q_values = []
    for distribution, found, tested in zip(scanner.distributions, counts, tests.tolist(), strict=True):
        q = benjamini_hochberg(copy(distribution).tail(len(found))[: len(found)], found, tested)
        q_values.append(q[: np.searchsorted(q, most, "right")].copy())
    scanner.set_q_values(q_values, any_p)


def _count(
    scanner: MotifScanner, source: Source, reached: list[float | None], watch: Watch
) -> tuple[list[Array], Array]:
    """For each motif how many windows score 0, 1, 2 ... units below its best, as low as `reached`; and the windows."""
    pairs = list(zip(scanner.distributions, reached, strict=True))
    base = np.cumsum([0, *(0 if score is None else int(d.deficits(score)) + 1 for d, score in pairs)])
    best, units = np.array([(d.best, d.units) for d in scanner.distributions]).T
    counts, tests = np.zeros(base[-1], np.int64), np.zeros(len(pairs), np.int64)
    matcher = scanner.matcher_of(np.array([np.inf if score is None else score for score in reached]))

    def find(group: list[Piece]) -> tuple[Joined, Array, Matches]:
        joined = Joined.of(group)
        return joined, _windows(joined, scanner.widths), matcher.find(joined.codes)

    bases = 0
    for joined, windows, found in in_order(find, groups(source.for_scanner(scanner), source.piece)):
        low, high = (joined.own - joined.shift[:, None]).T
        count_scores(*found, joined.first, low.copy(), high.copy(), base[:-1], best, units, counts)
        tests += windows * scanner.strands
        bases += int((high - low).sum())
        watch(bases, 0)
    return np.split(counts, base[1:-1]), tests


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
