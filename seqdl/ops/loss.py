"""Losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqdl import parallel
from seqdl.ops.registry import operation

Array = np.ndarray


@operation("(N, C), integers (N,) or probabilities (N, C) -> (), (N,) if not reduced")
def cross_entropy(
    logits: Array,
    target: Array,
    *,
    weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
    needs: tuple[bool, ...],
) -> Any:
    """Negative log-probability of the target classes, as torch.nn.functional.cross_entropy.

    weight (C,) weighs classes, and the mean is then the weighted one; targets equal to `ignore_index` count
    nothing; label_smoothing s mixes the target with the uniform distribution, (1 - s) and s.
    A target of shape (N, C) gives the probability of each class; it knows no `ignore_index`, and the mean is over N.
    reduction: "mean", "sum" or "none". Softmax and loss are one pass; the gradient reuses its exponentials.
    """
    _check_reduction(reduction)
    if target.ndim == 2:
        return _of_probabilities(logits, target, weight, label_smoothing, reduction)
    return _of_classes(logits, target, weight, ignore_index, label_smoothing, reduction)


def _of_classes(
    logits: Array, target: Array, weight: Array | None, ignore_index: int, label_smoothing: float, reduction: str
) -> tuple[Array, Any]:
    """-w_y log p_y, where y is the target's class, mixed with the same of every class by `label_smoothing`."""
    if logits.ndim != 2 or target.shape != logits.shape[:1]:
        raise ValueError(f"logits (N, C) and target (N,) expected, got {logits.shape} and {target.shape}")
    rows, classes = logits.shape
    counted = target != ignore_index
    picked = np.where(counted, target, 0)
    if picked.size and not (picked.min() >= 0 and picked.max() < classes):
        raise ValueError(f"targets must be in [0, {classes}), found {picked.min()} to {picked.max()}")
    smooth = np.asarray(label_smoothing, logits.dtype)
    class_weight = np.ones(classes, logits.dtype) if weight is None else np.asarray(weight, logits.dtype)
    row_weight = class_weight[picked] * counted
    probabilities = np.empty_like(logits)
    losses = np.empty(rows, logits.dtype)

    def forward(lo: int, hi: int) -> None:
        p, at = probabilities[lo:hi], picked[lo:hi]
        np.subtract(logits[lo:hi], logits[lo:hi].max(axis=1, keepdims=True), out=p)
        chosen = p[np.arange(hi - lo), at]
        shares = (p * class_weight).sum(axis=1) if label_smoothing else 0
        np.exp(p, out=p)
        total = p.sum(axis=1, keepdims=True)
        p /= total
        log_total = np.log(total[:, 0])
        losses[lo:hi] = (1 - smooth) * row_weight[lo:hi] * (log_total - chosen)
        if label_smoothing:
            losses[lo:hi] += counted[lo:hi] * (smooth / classes) * (class_weight.sum() * log_total - shares)

    blocks = parallel.row_blocks(rows, classes * 10)
    parallel.run(forward, blocks)
    scale = np.ones((), logits.dtype)
    if reduction == "mean":  # summed in float64: the order of a sum must not cost digits
        scale = np.asarray(1 / row_weight.sum(dtype=np.float64), logits.dtype)
    value = losses if reduction == "none" else np.asarray(losses.sum(dtype=np.float64) * scale, logits.dtype)

    def backward(g: Array) -> tuple[Array]:
        upstream = np.broadcast_to(np.asarray(g * scale), (rows,))

        def fill(lo: int, hi: int) -> None:
            p, w = probabilities[lo:hi], (1 - smooth) * row_weight[lo:hi]
            total = w + counted[lo:hi] * (smooth / classes) * class_weight.sum()
            p *= (upstream[lo:hi] * total)[:, None]
            p[np.arange(hi - lo), picked[lo:hi]] -= upstream[lo:hi] * w
            if label_smoothing:
                p -= (upstream[lo:hi] * counted[lo:hi] * (smooth / classes))[:, None] * class_weight

        parallel.run(fill, blocks)
        return (probabilities,)

    return value, backward


def _of_probabilities(
    logits: Array, target: Array, weight: Array | None, label_smoothing: float, reduction: str
) -> tuple[Array, Any]:
    """-sum_c w_c y_c log p_c, where y is the target, smoothed."""
    if logits.shape != target.shape:
        raise ValueError(f"logits and probabilities of one shape expected, got {logits.shape} and {target.shape}")
    rows, classes = logits.shape
    y = (1 - label_smoothing) * target.astype(logits.dtype) + np.asarray(label_smoothing / classes, logits.dtype)
    y = y.astype(logits.dtype) if weight is None else (y * weight).astype(logits.dtype)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    log_p = shifted - log_total
    losses = -(y * log_p).sum(axis=1)
    scale = np.asarray(1 / rows if reduction == "mean" else 1, logits.dtype)
    value = losses if reduction == "none" else np.asarray(losses.sum(dtype=np.float64) * scale, logits.dtype)

    def backward(g: Array) -> tuple[Array]:
        upstream = np.broadcast_to(np.asarray(g * scale), (rows,))[:, None]
        return (upstream * (np.exp(log_p) * y.sum(axis=1, keepdims=True) - y),)

    return value, backward


@operation("(*), (*) -> (), (*) if not reduced")
def binary_cross_entropy_with_logits(logits: Array, target: Array, *, reduction: str = "mean") -> Any:
    """Negative log-probability of yes or no, as torch.nn.functional.binary_cross_entropy_with_logits.

    A logit s is a probability of yes, 1 / (1 + exp(-s)); target: 1 for yes, 0 for no, or the probability of yes; it
    gets no gradient. Written as max(s, 0) - s y + log(1 + exp(-|s|)), which neither overflows nor loses digits.
    reduction: "mean", "sum" or "none".
    """
    _check_reduction(reduction)
    if logits.shape != target.shape:
        raise ValueError(f"logits and targets of one shape expected, got {logits.shape} and {target.shape}")
    y = target.astype(logits.dtype)
    tail = np.exp(-np.abs(logits))
    losses = np.maximum(logits, 0) - logits * y + np.log1p(tail)
    scale = np.asarray(1 / max(losses.size, 1) if reduction == "mean" else 1, logits.dtype)
    value = losses if reduction == "none" else np.asarray(losses.sum(dtype=np.float64) * scale, logits.dtype)

    def backward(g: Array) -> tuple[Array]:
        probability = np.where(logits >= 0, 1, tail) / (1 + tail)
        return (((probability - y) * (g * scale)).astype(logits.dtype),)

    return value, backward


def _check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be mean, sum or none, got {reduction!r}")
