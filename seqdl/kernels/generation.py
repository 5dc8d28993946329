"""Writing text: one stream, one symbol after the other, without leaving the kernel.

V symbols, H units, L layers. The first layer's input is one symbol, so its product is a row of a table. GRU and
LSTM share everything but the gates.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from seqdl.kernels.jit import kernel

Array = np.ndarray


class Weights(NamedTuple):
    """Of a whole network, packed for matrix-vector products. G is 4 (LSTM: i, f, g, o) or 3 (GRU: r, z, n)."""

    table: Array  # (V, G H) what each symbol adds to the first layer's gates, biases included
    weight_ih: Array  # (L, G H, H) of the layers above the first; row 0 is not used
    weight_hh: Array  # (L, G H, H)
    bias_ih: Array  # (L, G H) of the layers above the first
    bias_hh: Array  # (L, G H)
    decoder: Array  # (V, H)
    decoder_bias: Array  # (V,)


class Sampling(NamedTuple):
    """How a symbol is chosen; see seqdl.text.sampling.SamplingOptions."""

    temperature: float
    top_k: int
    top_p: float
    min_p: float
    repeat_penalty: float
    presence_penalty: float
    frequency_penalty: float


@kernel
def multiply(matrix, vector, out):  # type: ignore[no-untyped-def]
    """out += matrix (R, C) @ vector (C,)."""
    for r in range(len(matrix)):
        row = matrix[r]
        total = row[0] * vector[0]
        for j in range(1, len(vector)):
            total += row[j] * vector[j]
        out[r] += total


@kernel
def lstm_gates(x, r, h, c):  # type: ignore[no-untyped-def]
    """One step from x (4H,) and r (4H,), the products of the input and the old state with their biases."""
    H = len(h)
    for j in range(H):
        i = 1 / (1 + math.exp(-(x[j] + r[j])))
        f = 1 / (1 + math.exp(-(x[H + j] + r[H + j])))
        g = math.tanh(x[2 * H + j] + r[2 * H + j])
        o = 1 / (1 + math.exp(-(x[3 * H + j] + r[3 * H + j])))
        c[j] = f * c[j] + i * g
        h[j] = o * math.tanh(c[j])


@kernel
def gru_gates(x, r, h):  # type: ignore[no-untyped-def]
    """One step from x (3H,) and r (3H,); the reset gate multiplies the recurrent part of the candidate."""
    H = len(h)
    for j in range(H):
        reset = 1 / (1 + math.exp(-(x[j] + r[j])))
        z = 1 / (1 + math.exp(-(x[H + j] + r[H + j])))
        n = math.tanh(x[2 * H + j] + reset * r[2 * H + j])
        h[j] = (1 - z) * n + z * h[j]


@kernel
def advance(weights, symbol, h, c, logits):  # type: ignore[no-untyped-def]
    """Read one symbol: h (L, H) and, for an LSTM, c (L, H) move on in place; logits (V,) are filled.

    A GRU has an empty c (0, H).
    """
    rows = weights.table.shape[1]
    x = weights.table[symbol].copy()
    r = np.empty(rows, x.dtype)
    for layer in range(len(h)):
        if layer > 0:
            x[:] = weights.bias_ih[layer]
            multiply(weights.weight_ih[layer], h[layer - 1], x)
        r[:] = weights.bias_hh[layer]
        multiply(weights.weight_hh[layer], h[layer], r)
        if len(c) > 0:
            lstm_gates(x, r, h[layer], c[layer])
        else:
            gru_gates(x, r, h[layer])
    logits[:] = weights.decoder_bias
    multiply(weights.decoder, h[-1], logits)


@kernel
def pick(logits, allowed, counts, sampling, chance):  # type: ignore[no-untyped-def]
    """Choose a symbol: penalties, top-k, top-p, min-p, temperature, in this order, then the draw.

    logits, allowed (bool), counts (how often each symbol was among the last ones): (V,). chance: uniform in
    [0, 1). Returns the symbol. Ties go to the smaller symbol.
    """
    V = len(logits)
    scores = np.empty(V, np.float64)
    for v in range(V):
        scores[v] = logits[v] if allowed[v] else -np.inf
        if counts[v] > 0:
            if scores[v] > 0:
                scores[v] /= sampling.repeat_penalty
            else:
                scores[v] *= sampling.repeat_penalty
            scores[v] -= sampling.presence_penalty + counts[v] * sampling.frequency_penalty
    if sampling.temperature == 0:
        return np.argmax(scores)
    order = np.argsort(-scores, kind="mergesort")  # the stable sort
    kept = V if sampling.top_k <= 0 else min(sampling.top_k, V)
    while kept > 1 and scores[order[kept - 1]] == -np.inf:  # what is not allowed is never drawn, even by rounding
        kept -= 1
    best = scores[order[0]]
    weights = np.empty(V, np.float64)
    total = 0.0
    for n in range(kept):
        weights[n] = math.exp(scores[order[n]] - best)
        total += weights[n]
    if sampling.top_p < 1:
        running, n = 0.0, 0
        while n < kept and running < sampling.top_p * total:
            running += weights[n]
            n += 1
        kept = max(n, 1)
    while kept > 1 and weights[kept - 1] < sampling.min_p:  # the likeliest has weight 1
        kept -= 1
    total = 0.0
    for n in range(kept):
        weights[n] = math.exp((scores[order[n]] - best) / sampling.temperature)
        total += weights[n]
    target, n = chance * total, 0
    while n < kept - 1 and target >= weights[n]:
        target -= weights[n]
        n += 1
    return order[n]


@kernel
def write(weights, h, c, logits, allowed, sampling, recent, chances, symbols, nats):  # type: ignore[no-untyped-def]
    """Fill symbols (N,) and nats (N,), one for each of chances (N,); h, c, logits and recent move on in place.

    logits (V,): what the next symbol is drawn from, filled by `advance`. recent (R,): the last R symbols for the
    penalties, oldest first, -1 where there is none. nats: -ln of the probability that the network itself gives
    to the symbol, before any filter and at temperature 1.
    """
    counts = np.zeros(len(logits), np.int64)
    for symbol in recent:
        if symbol >= 0:
            counts[symbol] += 1
    for n in range(len(chances)):
        symbol = pick(logits, allowed, counts, sampling, chances[n])
        symbols[n] = symbol
        best = np.max(logits)
        total = 0.0
        for v in range(len(logits)):
            total += math.exp(logits[v] - best)
        nats[n] = math.log(total) + best - logits[symbol]
        if len(recent) > 0:
            if recent[0] >= 0:
                counts[recent[0]] -= 1
            recent[:-1] = recent[1:].copy()
            recent[-1] = symbol
            counts[symbol] += 1
        advance(weights, symbol, h, c, logits)


@kernel
def read(weights, symbols, h, c, logits):  # type: ignore[no-untyped-def]
    """Read symbols (N,) of a prompt."""
    for symbol in symbols:
        advance(weights, symbol, h, c, logits)
