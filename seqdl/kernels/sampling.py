"""Choosing a symbol from its logits, and how surprising it was. V symbols, all in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from seqdl.kernels.jit import OPTIONS, kernel

LOG2_E, LN_2 = 1 / math.log(2), math.log(2)
LOWEST = -700.0  # exp of less counts as 0; it would leave float64's normal numbers
TAYLOR = tuple(1 / math.factorial(n) for n in range(13))  # the next term is below 2e-16 of the sum


# How a symbol is chosen; see seqdl.text.sampling.SamplingOptions. A record for each stream.
SAMPLING = np.dtype(
    [
        ("temperature", np.float64),
        ("top_k", np.int64),
        ("top_p", np.float64),
        ("min_p", np.float64),
        ("repeat_penalty", np.float64),
        ("repeat_last_n", np.int64),  # 0: nothing is remembered, all three penalties are off
        ("presence_penalty", np.float64),
        ("frequency_penalty", np.float64),
    ],
    align=True,
)


def _power(typingctx, n):  # type: ignore[no-untyped-def]
    """2.0 ** n for an int64 n within float64's normal exponents: its bits, as math.ldexp does not vectorise."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        word = ir.IntType(64)
        return builder.bitcast(builder.shl(builder.add(arguments[0], word(1023)), word(52)), ir.DoubleType())

    return types.float64(types.int64), codegen


_two_to_the: Any = intrinsic(_power)


def exp(x: Any) -> Any:
    """exp for kernels and x <= 0, within 1e-13 of it; unlike libm's it vectorises. 0 below LOWEST."""
    return math.exp(x) if x >= LOWEST else 0.0


@overload(exp, jit_options=OPTIONS)
def _exp(x):  # type: ignore[no-untyped-def]
    t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, t10, t11, t12 = TAYLOR

    def polynomial(x):  # type: ignore[no-untyped-def]
        y = max(x, LOWEST)
        n = np.floor(y * LOG2_E + 0.5)
        r = y - n * LN_2  # |r| <= ln(2) / 2
        p = t7 + r * (t8 + r * (t9 + r * (t10 + r * (t11 + r * t12))))
        p = t0 + r * (t1 + r * (t2 + r * (t3 + r * (t4 + r * (t5 + r * (t6 + r * p))))))
        return p * _two_to_the(np.int64(np.int32(n))) if x >= LOWEST else 0.0

    return polynomial


@kernel
def largest(x):  # type: ignore[no-untyped-def]
    """The first place that holds the largest value. NumPy's argmax takes longer, to compile and to run."""
    best = 0
    for v in range(1, len(x)):
        if x[v] > x[best]:
            best = v
    return best


@kernel
def exponentials(scores, best, factor, weights):  # type: ignore[no-untyped-def]
    """Fill weights with exp(factor * (scores - best)), best being the largest score, and return their sum."""
    total = 0.0
    for v in range(len(scores)):
        weights[v] = exp(factor * (scores[v] - best))
        total += weights[v]
    return total


@kernel
def log_sum(logits, weights):  # type: ignore[no-untyped-def]
    """ln of the sum of exp(logits): less a logit it is -ln of the probability, before any filter and at temperature 1.

    weights (V,): overwritten.
    """
    best = np.float64(logits[largest(logits)])
    return math.log(exponentials(logits, best, 1.0, weights)) + best


@kernel
def likeliest(logits, total, best, nats):  # type: ignore[no-untyped-def]
    """Fill best (K,), 1 <= K <= V, with the symbols of the K largest of V logits, largest first, and nats (K,).

    Of equals the smaller symbol comes first. total: their log_sum.
    """
    K = len(best)
    for v in range(len(logits)):
        if v >= K and logits[v] <= logits[best[K - 1]]:  # as almost all are
            continue
        at = min(v, K - 1)
        while at > 0 and logits[best[at - 1]] < logits[v]:
            best[at] = best[at - 1]
            at -= 1
        best[at] = v
    for k in range(K):
        nats[k] = total - logits[best[k]]


@kernel
def pick(logits, allowed, counts, sampling, chance, scratch):  # type: ignore[no-untyped-def]
    """Choose a symbol: penalties, top-k, top-p, min-p, temperature, in this order, then the draw.

    logits, allowed (bool), counts (how often each symbol was among the last ones): (V,). chance: uniform in
    [0, 1); the draw walks through the symbols in their order. scratch (2, V): overwritten. Returns the symbol;
    ties go to the smaller one.
    """
    scores, weights = scratch[0], scratch[1]
    penalise(logits, allowed, counts, sampling, scores)
    chosen = largest(scores)
    best = scores[chosen]
    if sampling.temperature == 0:
        return chosen
    if sampling.top_k > 0 or sampling.top_p < 1 or sampling.min_p > 0:
        drop_unlikely(scores, best, sampling, weights)
    target = chance * exponentials(scores, best, 1 / sampling.temperature, weights)
    for v in range(len(weights)):
        if weights[v] > 0:
            chosen = v  # rounding may leave a rest of the target at the end: then the last possible one
            if target < weights[v]:
                break
            target -= weights[v]
    return chosen


@kernel
def penalise(logits, allowed, counts, sampling, scores):  # type: ignore[no-untyped-def]
    """Fill scores: -inf where not allowed, recent symbols moved by the penalties."""
    for v in range(len(scores)):
        scores[v] = logits[v] if allowed[v] else -np.inf
    if sampling.repeat_penalty == 1 and sampling.presence_penalty == 0 and sampling.frequency_penalty == 0:
        return
    for v in range(len(scores)):
        if counts[v] > 0:
            scores[v] *= sampling.repeat_penalty if scores[v] <= 0 else 1 / sampling.repeat_penalty
            scores[v] -= sampling.presence_penalty + counts[v] * sampling.frequency_penalty


@kernel
def drop_unlikely(scores, best, sampling, weights):  # type: ignore[no-untyped-def]
    """Set to -inf what top-k, top-p and min-p leave out. weights (V,): overwritten.

    The likeliest leave a heap one by one, to stand at its end. NumPy's argsort takes a second to compile, and sorts
    all that are left out.
    """
    V = len(scores)
    order = np.empty(V, np.int64)
    for v in range(V):
        order[v] = v
    for at in range(V // 2 - 1, -1, -1):
        sink(order, scores, at, V)
    total = exponentials(scores, best, 1.0, weights)
    few = 0 < sampling.top_k < V
    kept = sampling.top_k if few else V
    if few:  # then top-p is a share of theirs
        total = 0.0
        for n in range(kept):
            total += weights[take(order, scores, V - n)]
    running = 0.0
    for n in range(kept):
        weight = weights[order[V - 1 - n] if few else take(order, scores, V - n)]  # 1 for the likeliest
        if n > 0 and (weight < sampling.min_p or (sampling.top_p < 1 and running >= sampling.top_p * total)):
            kept = n
            break
        running += weight
    for n in range(V - kept):
        scores[order[n]] = -np.inf


@kernel
def take(order, scores, end):  # type: ignore[no-untyped-def]
    """Move the top of the heap order[:end] to that end, and return it."""
    top = order[0]
    order[0] = order[end - 1]
    sink(order, scores, np.int64(0), end - 1)  # for a literal 0 sink would be compiled once more
    order[end - 1] = top
    return top


@kernel
def sink(order, scores, at, end):  # type: ignore[no-untyped-def]
    """Let order[at] sink to its place in the heap order[:end], in which the likelier symbol is above."""
    symbol = order[at]
    while 2 * at + 1 < end:
        below = 2 * at + 1
        if below + 1 < end and likelier(scores, order[below + 1], order[below]):
            below += 1
        if not likelier(scores, order[below], symbol):
            break
        order[at] = order[below]
        at = below
    order[at] = symbol


@kernel
def likelier(scores, a, b):  # type: ignore[no-untyped-def]
    """Whether symbol a comes before b: of equals the smaller one does."""
    return scores[a] > scores[b] or (scores[a] == scores[b] and a < b)
