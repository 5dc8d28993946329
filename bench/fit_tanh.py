"""Fit the rational tanh of seqdl/kernels/recurrent.py and print its coefficients and float32 errors.

    python bench/fit_tanh.py

tanh(x) = x P(x^2) / Q(x^2) on [-L, L], outside it the value at the edge. Least squares on the relative error,
linearised as x/tanh(x) P - (Q - 1) = 1 and reweighted by 1/Q (Sanathanan and Koerner) and by the error itself
(Lawson), which moves the solution to the minimax one.
"""

import numpy as np


def fit(limit: float, p: int, q: int, points: int = 4000, rounds: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of P (degree p) and Q (degree q), lowest power first, for |x| <= limit."""
    x = (np.cos(np.linspace(np.pi, 0, points)) + 1) / 2 * (limit - 1e-3) + 1e-3
    s = ((x / limit) ** 2)[:, None]
    ratio = (x / np.tanh(x))[:, None]
    columns = np.hstack([ratio * s ** np.arange(p + 1), -(s ** np.arange(1, q + 1))])
    weight, denominator = np.ones(points), np.ones(points)
    best_error, best = np.inf, np.zeros(p + q + 1)
    for _ in range(rounds):
        row_weight = np.sqrt(weight) / denominator
        solution = np.linalg.lstsq(columns * row_weight[:, None], row_weight, rcond=None)[0]
        denominator = np.abs(1 + columns[:, p + 1 :] @ -solution[p + 1 :])
        error = np.abs((columns[:, : p + 1] @ solution[: p + 1]) / denominator - 1)
        if error.max() < best_error:
            best_error, best = error.max(), solution
        weight = weight * np.sqrt(error / error.max() + 1e-3)
        weight /= weight.mean()
    scale = limit ** (-2.0 * np.arange(max(p, q) + 1))
    return best[: p + 1] * scale[: p + 1], np.append(1.0, best[p + 1 :] * scale[1 : q + 1])


def main() -> None:
    limit = 8.5
    p, q = fit(limit, 4, 4)
    x = np.linspace(-limit - 2, limit + 2, 2_000_001).astype(np.float32)
    inside = np.clip(x, -limit, limit).astype(np.float32)
    square = inside * inside
    value = inside * np.polyval(p[::-1].astype(np.float32), square) / np.polyval(q[::-1].astype(np.float32), square)
    error = np.abs(value - np.tanh(x.astype(np.float64)))
    print("limit", limit)
    print("P", [f"{c:.9e}" for c in p])
    print("Q", [f"{c:.9e}" for c in q])
    print(f"largest absolute error in float32: {error.max():.2e}")


if __name__ == "__main__":
    main()
