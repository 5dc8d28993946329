"""Adding up rows that belong to the same symbol."""

from __future__ import annotations

from seqdl.kernels.jit import kernel


@kernel
def add_rows(rows, index, out, lo, hi):  # type: ignore[no-untyped-def]
    """out[index[n]] += rows[n] for each n, in order, in the columns [lo, hi): rows (N, D), out (V, D)."""
    for n in range(len(index)):
        target, row = out[index[n], lo:hi], rows[n, lo:hi]
        for j in range(hi - lo):  # from 0: an index that might be negative would keep the loop scalar
            target[j] += row[j]
