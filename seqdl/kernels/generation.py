"""Writing texts side by side, one symbol of each after the other, without leaving the kernel.

S streams, V symbols, H units, L layers. The first layer's input is one symbol, so its product is a row of a table.
GRU and LSTM share everything but the gates, and of a stream no bit depends on how many others there are.

The products with the input and with the old state add up in one row of gates, 4H wide. An LSTM has the blocks
i, f, g, o, and both products reach all of them. A GRU has n', r, z, n'': its reset gate comes between the two
parts of the candidate, so the input's product covers the first three blocks and the state's the last three.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from seqdl.kernels.jit import OPTIONS, kernel
from seqdl.kernels.one_row import multiply_row
from seqdl.kernels.product import multiply
from seqdl.kernels.quantised import multiply_short, to_short
from seqdl.kernels.recurrent import sigmoid, tanh
from seqdl.kernels.sampling import likeliest, log_sum, pick

Array = np.ndarray


class Weights(NamedTuple):
    """Of a whole network; G is 4 for an LSTM and 3 for a GRU.

    Matrices are packed by product.pack, or int8 packed by quantised.pack, and then have scales.
    """

    table: Array  # (V, 4H) what each symbol puts into the first layer's gates, biases included
    bias: Array  # (L, 4H) of the layers above the first
    weight_ih: Array  # (L, panels, H, width), each W' (H, G H); of the first layer nothing
    weight_hh: Array  # (L, panels, H, width)
    scale_ih: Array  # (L, panels * width), for int8
    scale_hh: Array
    decoder: Array  # (panels, H, width), W' (H, V)
    decoder_scale: Array  # (panels * width,)
    decoder_bias: Array  # (V,)


class State(NamedTuple):
    """Where the streams are; all of it moves on in place."""

    h: Array  # (L, S, H)
    c: Array  # (L, S, H), of a GRU (0, S, H)
    gates: Array  # (S, 4H), overwritten at each step
    logits: Array  # (S, V) what the next symbol is drawn from
    short: Array  # (S, 2 pairs), overwritten: int16 for products with int8
    recent: Array  # (S, R) the last symbols for the penalties, oldest first, -1 where there is none


class Steps(NamedTuple):
    """N symbols that each of S streams goes on by."""

    symbols: Array  # (N, S) int64: -1 where one is to be chosen, which is filled in; the others are read
    chances: Array  # (N, S) float64: a draw for each choice
    nats: Array  # (N, S) float64, filled: -ln of the probability of each symbol, see `write`
    likeliest: Array  # (N, S, K) int64, filled: the K likeliest symbols in its place, likeliest first
    likeliest_nats: Array  # (N, S, K) float64, filled


@kernel
def lstm_gates(gates, h, c):  # type: ignore[no-untyped-def]
    """One step from the pre-activations i, f, g, o (S, 4H): h and c (S, H) move on in place."""
    for s in range(len(gates)):
        row, h_row, c_row = gates[s], h[s], c[s]
        H = len(h_row)
        i, f, g, o = row[:H], row[H : 2 * H], row[2 * H : 3 * H], row[3 * H :]
        for j in range(H):
            c_row[j] = sigmoid(f[j]) * c_row[j] + sigmoid(i[j]) * tanh(g[j])
            h_row[j] = sigmoid(o[j]) * tanh(c_row[j])


@kernel
def gru_gates(gates, h):  # type: ignore[no-untyped-def]
    """One step from the pre-activations n', r, z, n'' (S, 4H): h (S, H) moves on in place."""
    for s in range(len(gates)):
        row, h_row = gates[s], h[s]
        H = len(h_row)
        n_in, r, z, n_old = row[:H], row[H : 2 * H], row[2 * H : 3 * H], row[3 * H :]
        for j in range(H):
            n = tanh(n_in[j] + sigmoid(r[j]) * n_old[j])
            h_row[j] = n + sigmoid(z[j]) * (h_row[j] - n)


def add_product(a: Any, weight: Any, scale: Any, short: Any, c: Any) -> None:
    """For kernels: c (S, N) += a (S, K) @ the packed weight (K, N); int8 weights take a's values within [-1, 1]."""
    raise NotImplementedError


@overload(add_product, jit_options=OPTIONS, inline="never")
def _add_product(a, weight, scale, short, c):  # type: ignore[no-untyped-def]
    def as_it_is(a, weight, scale, short, c):  # type: ignore[no-untyped-def]
        if len(a) == 1:
            multiply_row(a, weight, c)
        else:
            multiply(a, weight, c, c)

    def quantised(a, weight, scale, short, c):  # type: ignore[no-untyped-def]
        to_short(a, short)
        multiply_short(short, weight, scale, c)

    return quantised if weight.dtype == types.int8 else as_it_is


@kernel
def copy_row(row, target):  # type: ignore[no-untyped-def]
    """target (N,) = row (N,). NumPy's target[:] = row takes longer to compile."""
    for j in range(len(target)):
        target[j] = row[j]


@kernel
def advance(weights, state, symbols, lo, hi):  # type: ignore[no-untyped-def]
    """Let the streams [lo, hi) read one symbol each, of symbols (S,)."""
    gates, logits, short = state.gates[lo:hi], state.logits[lo:hi], state.short[lo:hi]
    lstm, H = len(state.c) > 0, state.h.shape[2]
    first = 0 if lstm else H  # of the state's part
    for s in range(hi - lo):
        copy_row(weights.table[symbols[lo + s]], gates[s])
        copy_row(weights.decoder_bias, logits[s])
    for layer in range(len(state.h)):
        h = state.h[layer, lo:hi]
        if layer > 0:
            for s in range(hi - lo):
                copy_row(weights.bias[layer], gates[s])
            below = state.h[layer - 1, lo:hi]
            add_product(below, weights.weight_ih[layer], weights.scale_ih[layer], short, gates[:, : 4 * H - first])
        add_product(h, weights.weight_hh[layer], weights.scale_hh[layer], short, gates[:, first:])
        if lstm:
            lstm_gates(gates, h, state.c[layer, lo:hi])
        else:
            gru_gates(gates, h)
    top = state.h[len(state.h) - 1, lo:hi]
    add_product(top, weights.decoder, weights.decoder_scale, short, logits[:, : logits.shape[1]])


@kernel
def remember(symbol, recent, counts):  # type: ignore[no-untyped-def]
    """Append a symbol to recent (R,) in place of the oldest, and keep counts (V,) in step."""
    if len(recent) == 0:
        return
    if recent[0] >= 0:
        counts[recent[0]] -= 1
    for i in range(len(recent) - 1):
        recent[i] = recent[i + 1]
    recent[-1] = symbol
    counts[symbol] += 1


@kernel
def window(state, samplings, s):  # type: ignore[no-untyped-def]
    """The part of recent that counts for a stream: its last repeat_last_n places, in a row as wide as all need."""
    row = state.recent[s]
    return row[len(row) - samplings[s].repeat_last_n :]


@kernel
def write(weights, state, allowed, samplings, steps, lo, hi):  # type: ignore[no-untyped-def]
    """Continue the streams [lo, hi) by N symbols each: those of steps, where it holds -1 those that are chosen.

    allowed (V,): which may be chosen. samplings (S,): how, a record for each stream, whose repeat_last_n is at most
    the R of state.recent. Nats are of the probability that the network itself gives to a symbol, before any filter
    and at temperature 1.
    """
    # To slice an array costs a tenth of a microsecond here: only where something is wanted of the slice.
    counts = np.zeros((hi - lo, len(allowed)), np.int64)
    scratch = np.empty((2, len(allowed)), np.float64)
    for s in range(lo, hi):
        for symbol in window(state, samplings, s):
            if symbol >= 0:
                counts[s - lo, symbol] += 1
    symbols = steps.symbols
    for n in range(len(symbols)):
        for s in range(lo, hi):
            logits = state.logits[s]
            if symbols[n, s] < 0:
                chance = steps.chances[n, s]
                symbols[n, s] = pick(logits, allowed, counts[s - lo], samplings[s], chance, scratch)
            if samplings[s].repeat_last_n > 0:
                remember(symbols[n, s], window(state, samplings, s), counts[s - lo])
            total = log_sum(logits, scratch[0])
            steps.nats[n, s] = total - logits[symbols[n, s]]
            if steps.likeliest.shape[2] > 0:
                likeliest(logits, total, steps.likeliest[n, s], steps.likeliest_nats[n, s])
        advance(weights, state, symbols[n], lo, hi)
