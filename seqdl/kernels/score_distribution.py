"""The distribution of a motif's score over random words."""

from __future__ import annotations

from seqdl.kernels.jit import kernel


@kernel
def convolve_columns(deficits, chances, out, other):  # type: ignore[no-untyped-def]
    """out[k] = the chance that the deficits of a word's bases add up to k, for each k below D = len(out).

    deficits (W, 4) int64: what each base costs at each position; ascending along a row, which begins with 0.
    chances (W, 4) float64: of those bases. out, other (D,) float64: filled in; other is scratch.
    """
    D, W = len(out), len(deficits)
    out[:] = 0.0
    other[:] = 0.0
    source, target = other, out
    if W % 2 == 0:
        source, target = out, other  # the last column writes to out
    source[0] = 1.0
    filled = 1  # from here on source is 0
    for w in range(W):
        p, q, r, s = chances[w, 0], chances[w, 1], chances[w, 2], chances[w, 3]
        end = filled
        for base in range(1, 4):
            if deficits[w, base] < D:
                end = min(D, filled + deficits[w, base])
        b, c, d = min(deficits[w, 1], end), min(deficits[w, 2], end), min(deficits[w, 3], end)
        # target[k] = p source[k] + q source[k - b] + ..., in four stretches, in each of which the same bases can
        # have led to k. By slices: an index that might be negative would keep a loop scalar.
        x, y = source[:b], target[:b]
        for j in range(len(y)):
            y[j] = p * x[j]
        x, x1, y = source[b:c], source[: c - b], target[b:c]
        for j in range(len(y)):
            y[j] = p * x[j] + q * x1[j]
        x, x1, x2, y = source[c:d], source[c - b : d - b], source[: d - c], target[c:d]
        for j in range(len(y)):
            y[j] = p * x[j] + q * x1[j] + r * x2[j]
        x, x1, x2, x3, y = (
            source[d:end],
            source[d - b : end - b],
            source[d - c : end - c],
            source[: end - d],
            target[d:end],
        )
        for j in range(len(y)):
            y[j] = p * x[j] + q * x1[j] + r * x2[j] + s * x3[j]
        filled = end
        source, target = target, source
