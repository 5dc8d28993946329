"""All places where motifs match, exactly, in order, on all threads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqdl import parallel
from seqdl.kernels import motif_index, motifs
from seqdl.kernels.motifs import GROUP, LANES, LETTERS, PADDING, WORD
from seqdl.kernels.vectors import LOOKUP

Array = np.ndarray

# Nanoseconds, measured on one core; only their ratios matter. See bench/motif_scan.py.
CANDIDATE = 16.0  # to add up the score of one
LOOK_UP = 6.5  # a base in the index
SWEEP, SWEEP_GROUP = 0.02, 0.01  # a window of one matrix: ground and each group of columns, with 64 lanes
SWEEP_SLOWER = 64 / LANES * (1 if LOOKUP.instruction else 10)  # on this machine
PER_TASK = 2e6  # what a block is worth to a thread
LARGEST_BLOCK = 1 << 19  # windows
CANDIDATES = 4 * motifs.BLOCK  # that there is room for at first

MOST_LISTED = 1 << 25  # entries of the index: 128 MiB
NO_INDEX = motifs.Index(np.empty(0, np.uint32), np.empty(0, np.uint32), np.empty(0, np.uint32))
LIMIT = 254  # what a hit may fall short of, as a byte; 255 is too much
ROUNDING = 1e-9  # relative; far above what the order of additions changes, far below what candidates cost


class Matches(NamedTuple):
    """Hits, ordered by position, then matrix."""

    position: Array  # int64: 0-based start in the codes
    matrix: Array  # int32
    score: Array  # float64, bits


class Matcher:
    """Finds every window whose score reaches its matrix's threshold.

    matrices: (W, 4) float64 each, finite or -inf, columns A C G T; thresholds: one for each, of the same unit. The
    score is the float64 sum of a window's entries in the order of the columns. A window that holds a code above 3 has
    none. For both strands give the reverse complements too. Raises ValueError for what is no matrix or threshold.
    """

    def __init__(self, matrices: Sequence[Array], thresholds: Sequence[float] | Array) -> None:
        scores = [_checked(matrix, n) for n, matrix in enumerate(matrices)]
        reached = np.array(thresholds, np.float64).reshape(-1)
        if len(scores) != len(reached) or np.isnan(reached).any():
            raise ValueError(f"{len(scores)} matrices need as many thresholds, none NaN; got {reached.tolist()[:10]}")
        self._matrices = _padded(scores, reached)
        self._widest = max(map(_padded_width, scores), default=0)
        self._sweeps, self._index, cost = _plan(scores, reached)
        self._block = max(motifs.BLOCK, min(LARGEST_BLOCK, int(PER_TASK / cost)))

    def find(self, codes: Array, start: int = 0, end: int | None = None) -> Matches:
        """Hits that begin in [start, end) and lie in codes (N,), uint8: A 0, C 1, G 2, T 3, anything else above.

        Runs on as many threads as seqdl.parallel is set to; the result does not depend on it.
        """
        codes, blocks = _blocks(codes, start, end, self._block)
        found: dict[int, list[motifs.Hits]] = {}

        def work(first: int, last: int) -> None:
            found[first] = self._find(codes, first, last)

        parallel.run(work, blocks)
        parts = [motifs.hits(0), *(part for first, _ in blocks for part in found[first])]
        return Matches(*map(np.concatenate, zip(*parts, strict=True)))

    def _find(self, codes: Array, start: int, end: int) -> list[motifs.Hits]:
        parts, step, candidates = [], motifs.BLOCK, CANDIDATES
        room = motifs.room(self._widest, candidates)
        while start < end:
            hits = motifs.hits(candidates)
            arguments = (step, self._widest, self._matrices, self._sweeps, self._index, room, hits)
            count, reached = motifs.find(codes, start, end, *arguments)
            parts.append(motifs.Hits(*(array[:count] for array in hits)))
            if reached == start and step > motifs.STEP:
                step //= 2
            elif reached == start:
                candidates *= 2
                room = motifs.room(self._widest, candidates)
            start = reached
        return parts


class ScoreCounter:
    """Counts how often each rounded score occurs: what q-values over all windows need, in bounded memory.

    matrix: (W, 4) as Matcher takes it. counts (highest - lowest + 1,) int64: windows whose score times scale, rounded
    (halves to even), is lowest, lowest + 1, ... highest. The higher lowest is, the faster.
    """

    def __init__(self, matrix: Array, lowest: int, highest: int, scale: float = 1024.0) -> None:
        scores, threshold = [_checked(matrix, 0)], np.array([(lowest - 1) / scale])
        self._lowest, self._scale = lowest, float(scale)
        self.counts = np.zeros(max(0, highest - lowest + 1), np.int64)
        self._matrices, self._widest = _padded(scores, threshold), _padded_width(scores[0])
        self._sweeps, self._index, _ = _plan(scores, threshold)

    def add(self, codes: Array, start: int = 0, end: int | None = None) -> None:
        """Count the windows that begin in [start, end) and lie in codes, see Matcher.find."""
        codes, blocks = _blocks(codes, start, end, LARGEST_BLOCK)
        found: dict[int, Array] = {}

        def work(first: int, last: int) -> None:
            found[first] = np.zeros_like(self.counts)
            arguments = (self._widest, self._matrices, self._sweeps, self._index)
            room = motifs.room(self._widest, motifs.BLOCK + self._widest)
            motifs.count_scores(codes, first, last, *arguments, room, self._scale, self._lowest, found[first])

        parallel.run(work, blocks)
        for counts in found.values():
            self.counts += counts


def _blocks(codes: Array, start: int, end: int | None, size: int) -> tuple[Array, list[tuple[int, int]]]:
    """Codes as the kernels take them, and the blocks of windows to share out."""
    if codes.dtype != np.uint8 or codes.ndim != 1:
        raise ValueError(f"codes must be uint8 and one row, got {codes.dtype} {codes.shape}")
    start, end = max(0, start), len(codes) if end is None else min(end, len(codes))
    codes = np.require(codes, requirements=("C", "W"))  # kernels would be compiled once more for what is read-only
    return codes, [(at, min(at + size, end)) for at in range(start, end, size)]


def _checked(matrix: Array, number: int) -> Array:
    scores = np.asarray(matrix, np.float64)
    if scores.ndim != 2 or scores.shape[1] != 4 or len(scores) == 0:
        raise ValueError(f"matrix {number}: (W, 4) with at least one column expected, got {scores.shape}")
    if not (np.isfinite(scores) | (scores == -np.inf)).all():
        raise ValueError(f"matrix {number}: entries must be finite or -inf")
    return scores


def _padded(scores: list[Array], thresholds: Array) -> motifs.Matrices:
    """Scores as the kernels want them."""
    first = np.cumsum([0, *map(_padded_width, scores)])
    columns = np.zeros((first[-1], LETTERS))
    for at, matrix in zip(first, scores, strict=False):
        columns[at : at + len(matrix)] = np.nan
        columns[at : at + len(matrix), :4] = matrix
    return motifs.Matrices(columns.ravel(), first.astype(np.uint64), thresholds)


def _padded_width(matrix: Array) -> int:
    return -(-len(matrix) // PADDING) * PADDING


def _plan(scores: list[Array], thresholds: Array) -> tuple[motifs.Sweeps, motifs.Index, float]:
    """Which matrices are swept, and the index of the others; nanoseconds that a base will cost.

    A matrix is worth listing if its candidates cost less than its sweep, the index if all that it saves costs more
    than looking up the word of each base.
    """
    best = np.array([matrix.max(axis=1).sum() for matrix in scores])
    needed = thresholds - ROUNDING * (_size(scores) + np.where(np.isfinite(thresholds), np.abs(thresholds), 0))
    sweep_cost = SWEEP_SLOWER * np.array([SWEEP + SWEEP_GROUP * -(-len(matrix) // GROUP) for matrix in scores])
    listed, index = np.zeros(len(scores), bool), NO_INDEX
    list_cost = np.zeros(len(scores))
    if sweep_cost.sum() > LOOK_UP:
        offsets, words, few = _cores(scores, needed, sweep_cost)
        list_cost = CANDIDATE * words / 4**WORD
        if (sweep_cost - list_cost)[few].sum() > LOOK_UP:
            listed = few
            index = _index(scores, needed, offsets, words, np.flatnonzero(listed))
    swept = np.flatnonzero((best >= needed) & ~listed)
    cost = sweep_cost[swept].sum() + (list_cost[listed].sum() + LOOK_UP if listed.any() else 0)
    with np.errstate(invalid="ignore"):  # both may be -inf
        return _sweeps(scores, best - needed, swept), index, max(cost, SWEEP)


def _size(scores: list[Array]) -> Array:
    """Of the numbers that are added up for a score: rounding errors are in proportion to it."""
    return np.array([np.where(np.isfinite(matrix), np.abs(matrix), 0).max(axis=1).sum() for matrix in scores])


def _sweeps(scores: list[Array], allowed: Array, swept: Array) -> motifs.Sweeps:
    """Tables of what each word of GROUP bases falls short, as bytes rounded down. allowed (M,): by a hit, in total."""
    groups = [-(-len(scores[m]) // GROUP) for m in swept]
    first = np.cumsum([0, *groups])
    short = np.zeros((first[-1] * GROUP, 4))
    for at, m in zip(first * GROUP, swept, strict=False):
        with np.errstate(invalid="ignore"):  # -inf less -inf: a column without a letter, which only -inf lets pass
            short[at : at + len(scores[m])] = scores[m].max(axis=1, keepdims=True) - scores[m]
    short, total = short.reshape(-1, GROUP, 4), np.zeros((first[-1], 1))
    for column in range(GROUP):
        total = (total[:, :, None] + short[:, column, None, :]).reshape(first[-1], 4 ** (column + 1))
    with np.errstate(all="ignore"):  # NaN, from inf less inf or 0 times inf: excludes nothing
        scaled = np.floor(total * np.repeat(LIMIT / allowed[swept], groups)[:, None])
    tables = np.minimum(np.nan_to_num(scaled, nan=0), 255).astype(np.uint8)
    tables = np.tile(tables, (1, LANES // tables.shape[1]))
    return motifs.Sweeps(swept.astype(np.uint32), first, tables, np.full(len(swept), LIMIT, np.uint8))


def _cores(scores: list[Array], needed: Array, sweep_cost: Array) -> tuple[Array, Array, Array]:
    """Of each matrix the first column of its core, how many words its core has, and whether these are few enough."""
    columns, first = np.concatenate(scores), np.cumsum([0, *map(len, scores)])
    most = np.minimum(4**WORD * sweep_cost / CANDIDATE, MOST_LISTED // len(scores)).astype(np.int64)
    offsets, counts = np.empty(len(scores), np.int64), np.empty(len(scores), np.int64)
    motif_index.choose_cores(columns, first, needed, most, offsets, counts)
    return offsets, counts, counts <= most


def _index(scores: list[Array], needed: Array, offsets: Array, counts: Array, listed: Array) -> motifs.Index:
    columns, first = np.concatenate(scores), np.cumsum([0, *map(len, scores)])
    starts, lists = np.zeros(4**WORD + 2, np.uint32), np.empty(counts[listed].sum(), np.uint32)
    motif_index.fill_index(columns, first, needed, offsets, counts, listed, starts, lists)
    return motifs.Index(starts[:-1], lists, offsets.astype(np.uint32))
