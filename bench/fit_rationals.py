"""Fit the rational functions of seqdl/kernels/recurrent.py and activation.py; print coefficients and errors.

    python bench/fit_rationals.py

An odd f(x) = x P(x^2) / Q(x^2) on [-L, L], outside it the value at the edge. Least squares on the error,
linearised as x P - f (Q - 1) = f and reweighted by 1/Q (Sanathanan and Koerner) and by the error itself
(Lawson), which moves the solution to the minimax one. tanh is fitted for its relative error, as tanh(x) = x near 0
must be exact; the others for the absolute one.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import erf

Function = Callable[[np.ndarray], np.ndarray]


def phi(x: np.ndarray) -> np.ndarray:
    """The normal distribution's function less 1/2."""
    return 0.5 * erf(x / np.sqrt(2))


def gelu_slope(x: np.ndarray) -> np.ndarray:
    """The derivative of x (1/2 + phi(x)) less 1/2."""
    return phi(x) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


# name, function, limit L, degrees of P and Q, relative error or absolute
FITS: list[tuple[str, Function, float, int, int, bool]] = [
    ("tanh", np.tanh, 8.5, 4, 4, True),
    ("phi", phi, 5.5, 5, 5, False),
    ("gelu's slope", gelu_slope, 6.0, 5, 5, False),
]


def fit(function: Function, limit: float, p: int, q: int, relative: bool) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of P (degree p) and Q (degree q), lowest power first."""
    points = 6000
    x = (np.cos(np.linspace(np.pi, 0, points)) + 1) / 2 * (limit - 1e-3) + 1e-3
    f = function(x)
    scale = 1 / f if relative else np.ones(points)
    s = ((x / limit) ** 2)[:, None]
    columns = np.hstack([x[:, None] * s ** np.arange(p + 1), -f[:, None] * s ** np.arange(1, q + 1)])
    weight, denominator = np.ones(points), np.ones(points)
    best_error, best = np.inf, np.zeros(p + q + 1)
    for _ in range(400):
        row = (np.sqrt(weight) * scale / denominator)[:, None]
        solution = np.linalg.lstsq(columns * row, f * row[:, 0], rcond=None)[0]
        denominator = np.abs(1 + s ** np.arange(1, q + 1) @ solution[p + 1 :])
        error = np.abs(columns[:, : p + 1] @ solution[: p + 1] / denominator - f) * np.abs(scale)
        if error.max() < best_error:
            best_error, best = error.max(), solution
        weight = weight * np.sqrt(error / error.max() + 1e-3)
        weight /= weight.mean()
    powers = limit ** (-2.0 * np.arange(max(p, q) + 1))
    return best[: p + 1] * powers[: p + 1], np.append(1.0, best[p + 1 :] * powers[1 : q + 1])


def float32_error(function: Function, limit: float, p: np.ndarray, q: np.ndarray) -> float:
    """Largest absolute error when evaluated in float32 as the kernels do."""
    x = np.linspace(-limit - 2, limit + 2, 2_000_001).astype(np.float32)
    inside = np.clip(x, -np.float32(limit), np.float32(limit))
    square = inside * inside
    over = np.polyval(p[::-1].astype(np.float32), square)
    under = np.polyval(q[::-1].astype(np.float32), square)
    return float(np.abs(inside * over / under - function(x.astype(np.float64))).max())


def main() -> None:
    for name, function, limit, p_degree, q_degree, relative in FITS:
        p, q = fit(function, limit, p_degree, q_degree, relative)
        print(name, "limit", limit, f"error in float32 {float32_error(function, limit, p, q):.1e}")
        print("  P", ", ".join(f"{c:.9e}" for c in p))
        print("  Q", ", ".join(f"{c:.9e}" for c in q))


if __name__ == "__main__":
    main()
