"""Counting scores, for q-values."""

from __future__ import annotations

from seqdl.kernels.jit import kernel


@kernel
def count_scores(position, matrix, score, first, low, high, base, best, units, counts):  # type: ignore[no-untyped-def]
    """Add 1 to counts[base[m] + n] for each hit of motif m whose score lies n units below the motif's best.

    position (N,) int64, ascending, matrix (N,), score (N,) float64: hits in pieces that lie one after the other, the
    motifs of the other strand M further on. first, low, high (P,): where each piece begins, and what it owns; hits
    elsewhere do not count. base, best, units (M,): where each motif's counts begin, its best score, units to a bit.
    """
    piece = 0
    for n in range(len(position)):
        at = position[n]
        while piece + 1 < len(first) and first[piece + 1] <= at:
            piece += 1
        if low[piece] <= at < high[piece]:
            m = matrix[n] % len(base)
            counts[base[m] + best[m] - round(score[n] * units[m])] += 1
