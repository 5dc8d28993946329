"""Writing text: one stream, one symbol after the other, without leaving the kernel.

V symbols, H units, L layers. The first layer's input is one symbol, so its product is a row of a table. GRU and
LSTM share everything but the gates.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from seqdl.kernels.jit import kernel
from seqdl.kernels.product import multiply
from seqdl.kernels.recurrent import sigmoid, tanh

Array = np.ndarray


class Weights(NamedTuple):
    """Of a whole network, packed for matrix-vector products. G is 4 (LSTM: i, f, g, o) or 3 (GRU: r, z, n)."""

    table: Array  # (V, G H) what each symbol adds to the first layer's gates, biases included
    weight_ih: Array  # (L, panels, H, width), each W' (H, G H) from product.pack; of the first layer nothing
    weight_hh: Array  # (L, panels, H, width)
    bias_ih: Array  # (L, G H) of the layers above the first
    bias_hh: Array  # (L, G H)
    decoder: Array  # (panels, H, width), W' (H, V) packed
    decoder_bias: Array  # (1, V)


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
def lstm_gates(x, r, h, c):  # type: ignore[no-untyped-def]
    """One step from x (4H,) and r (4H,), the products of the input and the old state with their biases."""
    H = len(h)
    for j in range(H):
        i, f = sigmoid(x[j] + r[j]), sigmoid(x[H + j] + r[H + j])
        g, o = tanh(x[2 * H + j] + r[2 * H + j]), sigmoid(x[3 * H + j] + r[3 * H + j])
        c[j] = f * c[j] + i * g
        h[j] = o * tanh(c[j])


@kernel
def gru_gates(x, r, h):  # type: ignore[no-untyped-def]
    """One step from x (3H,) and r (3H,); the reset gate multiplies the recurrent part of the candidate."""
    H = len(h)
    for j in range(H):
        reset, z = sigmoid(x[j] + r[j]), sigmoid(x[H + j] + r[H + j])
        n = tanh(x[2 * H + j] + reset * r[2 * H + j])
        h[j] = n + z * (h[j] - n)


@kernel
def advance(weights, symbol, h, c, logits):  # type: ignore[no-untyped-def]
    """Read one symbol: h (L, H) and, for an LSTM, c (L, H) move on in place; logits (1, V) are filled.

    A GRU has an empty c (0, H).
    """
    x = weights.table[symbol : symbol + 1].copy()
    r = np.empty_like(x)
    for layer in range(len(h)):
        if layer > 0:
            multiply(h[layer - 1 : layer], weights.weight_ih[layer], weights.bias_ih[layer : layer + 1], x)
        multiply(h[layer : layer + 1], weights.weight_hh[layer], weights.bias_hh[layer : layer + 1], r)
        if len(c) > 0:
            lstm_gates(x[0], r[0], h[layer], c[layer])
        else:
            gru_gates(x[0], r[0], h[layer])
    multiply(h[len(h) - 1 :], weights.decoder, weights.decoder_bias, logits)


@kernel
def pick(logits, allowed, counts, sampling, chance):  # type: ignore[no-untyped-def]
    """Choose a symbol: penalties, top-k, top-p, min-p, temperature, in this order, then the draw.

    logits, allowed (bool), counts (how often each symbol was among the last ones): (V,). chance: uniform in
    [0, 1); the draw walks through the symbols in their order. Returns the symbol; ties go to the smaller one.
    """
    scores = penalised(logits, allowed, counts, sampling)
    chosen = int(np.argmax(scores))  # np.max would take a second longer to compile
    best = scores[chosen]
    if sampling.temperature == 0:
        return chosen
    if sampling.top_k > 0 or sampling.top_p < 1 or sampling.min_p > 0:
        drop_unlikely(scores, best, sampling)
    weights = np.empty(len(scores), np.float64)
    total = 0.0
    for v in range(len(scores)):
        weights[v] = math.exp((scores[v] - best) / sampling.temperature)
        total += weights[v]
    target = chance * total
    for v in range(len(scores)):
        if weights[v] > 0:
            chosen = v  # rounding may leave a rest of the target at the end: then the last possible one
            if target < weights[v]:
                break
            target -= weights[v]
    return chosen


@kernel
def penalised(logits, allowed, counts, sampling):  # type: ignore[no-untyped-def]
    """Scores in float64: -inf where not allowed, recent symbols moved by the penalties."""
    scores = np.empty(len(logits), np.float64)
    for v in range(len(logits)):
        scores[v] = logits[v] if allowed[v] else -np.inf
        if counts[v] > 0:
            scores[v] *= sampling.repeat_penalty if scores[v] <= 0 else 1 / sampling.repeat_penalty
            scores[v] -= sampling.presence_penalty + counts[v] * sampling.frequency_penalty
    return scores


@kernel
def drop_unlikely(scores, best, sampling):  # type: ignore[no-untyped-def]
    """Set to -inf what top-k, top-p and min-p leave out."""
    order = np.argsort(-scores, kind="mergesort")  # the stable sort
    kept = len(scores) if sampling.top_k <= 0 else min(sampling.top_k, len(scores))
    total = 0.0
    for n in range(kept):
        total += math.exp(scores[order[n]] - best)
    running = 0.0
    for n in range(kept):
        weight = math.exp(scores[order[n]] - best)  # 1 for the likeliest
        if n > 0 and (weight < sampling.min_p or (sampling.top_p < 1 and running >= sampling.top_p * total)):
            kept = n
            break
        running += weight
    for n in range(kept, len(scores)):
        scores[order[n]] = -np.inf


@kernel
def write(weights, h, c, logits, allowed, sampling, recent, chances, symbols, nats):  # type: ignore[no-untyped-def]
    """Fill symbols (N,) and nats (N,), one for each of chances (N,); h, c, logits and recent move on in place.

    logits (1, V): what the next symbol is drawn from, filled by `advance`. recent (R,): the last R symbols for the
    penalties, oldest first, -1 where there is none. nats: -ln of the probability that the network itself gives
    to the symbol, before any filter and at temperature 1.
    """
    odds = logits[0]
    counts = np.zeros(len(odds), np.int64)
    for symbol in recent:
        if symbol >= 0:
            counts[symbol] += 1
    for n in range(len(chances)):
        symbol = pick(odds, allowed, counts, sampling, chances[n])
        symbols[n] = symbol
        best = odds[np.argmax(odds)]
        total = 0.0
        for v in range(len(odds)):
            total += math.exp(odds[v] - best)
        nats[n] = math.log(total) + best - odds[symbol]
        if len(recent) > 0:
            if recent[0] >= 0:
                counts[recent[0]] -= 1
            for i in range(len(recent) - 1):
                recent[i] = recent[i + 1]
            recent[-1] = symbol
            counts[symbol] += 1
        advance(weights, symbol, h, c, logits)


@kernel
def read(weights, symbols, h, c, logits):  # type: ignore[no-untyped-def]
    """Read symbols (N,) of a prompt."""
    for symbol in symbols:
        advance(weights, symbol, h, c, logits)
