"""How good a ranking or a probability is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

Array = np.ndarray


def average_precision(scores: Array, truth: Array) -> float:
    """Mean over the true ones of the precision at each one's score; nan where nothing is true.

    scores (N,), truth (N,) bool. Equal scores count as one step, so that their order does not matter: it is
    sum_n (R_n - R_{n-1}) P_n over the distinct scores, as scikit-learn defines it.
    """
    found, taken = _steps(scores, truth)
    if not found.size or not found[-1]:
        return float("nan")
    return float((np.diff(found, prepend=0) * (found / taken)).sum() / found[-1])


def top_k_accuracy(scores: Array, truth: Array) -> float:
    """Share of the true ones among the k best, k being how many are true, as SpliceAI reports it."""
    k = int(truth.sum())
    if k == 0:
        return float("nan")
    best = np.argsort(-scores, kind="stable")[:k]
    return float(truth[best].mean())


def auroc(scores: Array, truth: Array) -> float:
    """Chance that a true one scores above a false one, ties counting half; nan where there is one kind alone."""
    found, taken = _steps(scores, truth)
    if not found.size or not 0 < found[-1] < taken[-1]:
        return float("nan")
    false = taken - found
    height = found - np.diff(found, prepend=0) / 2  # the middle of each step
    return float((np.diff(false, prepend=0) * height).sum() / (found[-1] * float(false[-1])))


def _steps(scores: Array, truth: Array) -> tuple[Array, Array]:
    """At each distinct score, from the best down: how many true ones so far, how many in all."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(order) else np.empty(0, np.int64)
    return np.cumsum(truth[order])[ends], ends + 1


def confusion_table(truth: Array, guess: Array, classes: int, answers: int | None = None) -> Array:
    """(classes, answers) int64: how often what is of the class of the row got the answer of the column.

    truth, guess (N,) of integers from 0; there are as many answers as classes where they are not told.
    """
    table = np.zeros((classes, classes if answers is None else answers), np.int64)
    np.add.at(table, (truth, guess), 1)
    return table


class Bin(NamedTuple):
    """What was promised and what came, of all whose probability lies in a tenth."""

    total: int
    predicted: float  # mean probability
    observed: float  # share that was true


def reliability(probabilities: Array, truth: Array, bins: int = 10) -> list[Bin]:
    """The table behind a reliability diagram: equal bins of [0, 1], the empty ones with nan."""
    which = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    count = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(which, probabilities, minlength=bins) / count
        observed = np.bincount(which, truth, minlength=bins) / count
    return [Bin(int(n), float(p), float(o)) for n, p, o in zip(count, predicted, observed, strict=True)]


def calibration_error(table: list[Bin]) -> float:
    """Expected calibration error: the mean gap between predicted and observed, bins weighed by their counts; nan
    where there is nothing in any.
    """
    total = sum(each.total for each in table)
    gaps = sum(each.total * abs(each.predicted - each.observed) for each in table if each.total)
    return gaps / total if total else float("nan")


def rejection(confidence: Array, correct: Array) -> tuple[Array, Array]:
    """What it costs to answer more: share answered (N,), and share right of those answered (N,), surest first.

    confidence (N,), correct (N,) bool. To answer a share is to answer whatever is surer than a threshold; the curve
    of a model that knows how sure it may be falls towards its accuracy.
    """
    order = np.argsort(-confidence, kind="stable")
    answered = np.arange(1, len(order) + 1)
    return answered / max(len(order), 1), np.cumsum(correct[order]) / answered


def fit_platt(logits: Array, truth: Array, rounds: int = 100) -> tuple[float, float]:
    """(a, b) so that sigmoid(a * logit + b) is the most likely probability of the truth.

    logits (N,), truth (N,) bool; (1, 0) where there are none. Newton's method with Platt's targets (one true and
    one false case more than there are), which keep the fit finite where the classes are apart: Platt,
    "Probabilistic outputs for support vector machines", 1999.
    """
    if not len(truth):
        return 1.0, 0.0
    true = float(truth.sum())
    false = len(truth) - true
    target = np.where(truth, (true + 1) / (true + 2), 1 / (false + 2))
    x = np.stack([logits.astype(np.float64), np.ones(len(logits))])
    weights = np.array([0.0, np.log((true + 1) / (false + 1))])  # as Platt; at (1, 0) sure logits leave no slope
    loss = _log_loss(weights @ x, target)
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(weights @ x, -500, 500)))
        gradient = x @ (p - target)
        hessian = (x * (p * (1 - p))) @ x.T + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while (shorter := _log_loss((weights - size * step) @ x, target)) > loss and size > 1e-10:
            size /= 2
        weights, gained, loss = weights - size * step, loss - shorter, min(loss, shorter)
        if gained <= 1e-12 * max(loss, 1):
            break
    return float(weights[0]), float(weights[1])


def _log_loss(logits: Array, target: Array) -> float:
    return float((np.logaddexp(0, logits) - target * logits).sum())


def wilson(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval in which a share lies that was seen as right / total, at 95% by default; (0, 1) of none.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    if not total:
        return 0.0, 1.0
    share, square = right / total, z * z
    middle = (share + square / (2 * total)) / (1 + square / total)
    half = z / (1 + square / total) * np.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return float(middle - half), float(middle + half)


def softmax(logits: Array) -> Array:
    """(..., K) float64 probabilities of logits."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    odds = np.exp(shifted.astype(np.float64))
    return odds / odds.sum(axis=-1, keepdims=True)


def fit_temperature(logits: Array, right: Array) -> float:
    """t so that softmax(logits / t) gives the truth the most probability; 1 where there is nothing.

    logits (N, K), right (N, K) bool: which classes would be right. Guo et al., "On calibration of modern neural
    networks", 2017; found by golden section in log t, between 1/8 and 8.
    """
    if not len(logits):
        return 1.0

    def loss(log_t: float) -> float:
        return float(-np.log(np.maximum((softmax(logits / np.exp(log_t)) * right).sum(axis=1), 1e-30)).mean())

    ratio = (np.sqrt(5) - 1) / 2
    low, high = -np.log(8), np.log(8)
    while high - low > 1e-4:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return float(np.exp((low + high) / 2))
