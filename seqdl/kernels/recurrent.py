"""LSTM and GRU over a whole sequence: one layer, one direction, the rows [lo, hi) of the batch.

T steps, B sequences, D inputs, H units. A step multiplies its inputs and the old state, and applies the gates while
they are still in the cache; nothing is allocated.

States are (T + 2, B, S H): step t is row t + 1, the initial state before the first step or, in reverse, behind the
last one. Two directions share one array: a direction's units begin at the column `side`, 0 or H. Where nothing is
needed for the way back, `gates`, `hidden` and `c` may have one row, which all steps use in turn.
Weights come packed by product.pack: W' for the way forward, W for the way back.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from seqdl.kernels.jit import OPTIONS, kernel
from seqdl.kernels.product import multiply

# tanh(x) = x P(x^2) / Q(x^2), from bench/fit_rationals.py: absolute error below 4e-7 in float32. Being free of
# branches and calls it vectorises; libm's tanh is 80 times slower here.
LIMIT = np.float32(8.5)
P0, P1, P2, P3, P4 = (
    np.float32(c) for c in (9.999999882e-01, 1.341324794e-01, 3.534028030e-03, 2.125106301e-05, 1.426925285e-08)
)  # fmt: skip
Q1, Q2, Q3, Q4 = (
    np.float32(c) for c in (4.674657068e-01, 2.602275588e-02, 3.348866691e-04, 8.145133842e-07)
)  # fmt: skip
ONE, HALF = np.float32(1.0), np.float32(0.5)


def tanh(x):  # type: ignore[no-untyped-def]
    """tanh for kernels: the rational in float32, libm's in float64 (gradients are checked there)."""
    return math.tanh(x)


def sigmoid(x):  # type: ignore[no-untyped-def]
    """1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2."""
    return 0.5 * (1.0 + math.tanh(0.5 * x))


@overload(tanh, jit_options=OPTIONS, inline="never")
def _tanh(x):  # type: ignore[no-untyped-def]
    if x != types.float32:
        return lambda x: math.tanh(x)

    def rational(x):  # type: ignore[no-untyped-def]
        x = min(max(x, -LIMIT), LIMIT)
        s = x * x
        p = P0 + s * (P1 + s * (P2 + s * (P3 + s * P4)))
        q = ONE + s * (Q1 + s * (Q2 + s * (Q3 + s * Q4)))
        return x * p / q

    return rational


@overload(sigmoid, jit_options=OPTIONS, inline="never")
def _sigmoid(x):  # type: ignore[no-untyped-def]
    if x != types.float32:
        return lambda x: 0.5 * (1.0 + math.tanh(0.5 * x))
    return lambda x: HALF + HALF * tanh(HALF * x)


class Inputs(NamedTuple):
    """What a layer reads: symbols, each a row of a table, or else vectors. The other one is empty."""

    symbols: np.ndarray  # (T, B) integers
    table: np.ndarray  # (V, G H): what a symbol adds to the gates, biases included
    vectors: np.ndarray  # (T, B, D)
    packed: np.ndarray  # W_ih' (D, G H)
    bias: np.ndarray  # (1, G H)


@kernel
def read_inputs(inputs, t, gates, lo, hi):  # type: ignore[no-untyped-def]
    """gates (B, G H): x W_ih' + bias of step t in the rows [lo, hi)."""
    if len(inputs.symbols) > 0:
        for b in range(lo, hi):
            source, target = inputs.table[inputs.symbols[t, b]], gates[b]
            for j in range(len(target)):
                target[j] = source[j]
    else:
        multiply(inputs.vectors[t, lo:hi], inputs.packed, inputs.bias, gates[lo:hi])


@kernel
def lstm_forward(inputs, packed, gates, h, c, side, reverse, lo, hi):  # type: ignore[no-untyped-def]
    """Fill h, c and the activated gates.

    packed: W_hh' (H, 4H)    gates (T or 1, B, 4H): blocks i, f, g, o    h: states, the initial one in place
    c (T + 2 or 1, B, H): likewise, of one direction
    """
    steps, H = len(h) - 2, c.shape[2]
    for step in range(steps):
        t = steps - 1 - step if reverse else step
        old, new = (t + 2 if reverse else t), t + 1
        now = gates[t % len(gates)]
        read_inputs(inputs, t, now, lo, hi)
        multiply(h[old, lo:hi, side : side + H], packed, now[lo:hi], now[lo:hi])
        for b in range(lo, hi):
            row = now[b]
            i, f, g, o = row[:H], row[H : 2 * H], row[2 * H : 3 * H], row[3 * H :]
            h_new, c_old, c_new = h[new, b, side : side + H], c[old % len(c), b], c[new % len(c), b]
            for j in range(H):
                i[j], f[j], g[j], o[j] = sigmoid(i[j]), sigmoid(f[j]), tanh(g[j]), sigmoid(o[j])
                c_new[j] = f[j] * c_old[j] + i[j] * g[j]
                h_new[j] = o[j] * tanh(c_new[j])


class Upstream(NamedTuple):
    """What the way back needs beside the arrays of the way forward, and the gradients it adds to."""

    packed_hh: np.ndarray  # W_hh (G H, H)
    packed_ih: np.ndarray  # W_ih (G H, D)
    nothing: np.ndarray  # (1, max(D, H)) zeros
    out: np.ndarray  # (T, B, S H): gradient of the outputs
    inputs: np.ndarray  # (T, B, D): to be filled with the gradient of the inputs; empty if nobody wants it
    more: bool  # the gradient of the inputs is added to what is there


@kernel
def to_inputs(up, t, gates, lo, hi):  # type: ignore[no-untyped-def]
    """The gradient of step t's inputs from that of its gates (B, G H)."""
    if len(up.inputs) > 0:
        target = up.inputs[t, lo:hi]
        if up.more:
            multiply(gates[lo:hi], up.packed_ih, target, target)
        else:
            multiply(gates[lo:hi], up.packed_ih, up.nothing, target)


@kernel
def lstm_backward(up, gates, c, dh, dc, side, reverse, lo, hi):  # type: ignore[no-untyped-def]
    """Turn `gates` from activated gates into the gradient of the pre-activations; dh, dc into the initial state's.

    gates, c: as lstm_forward left them    dh, dc (B, H): gradient of the final state on entry
    """
    steps, H = len(gates), c.shape[2]
    one = gates.dtype.type(1.0)
    for step in range(steps):
        t = step if reverse else steps - 1 - step
        old, new = (t + 2 if reverse else t), t + 1
        for b in range(lo, hi):
            row = gates[t, b]
            i, f, g, o = row[:H], row[H : 2 * H], row[2 * H : 3 * H], row[3 * H :]
            g_out, dh_row, dc_row = up.out[t, b, side : side + H], dh[b], dc[b]
            c_old, c_new = c[old, b], c[new, b]
            for j in range(H):
                i_j, f_j, g_j, o_j = i[j], f[j], g[j], o[j]
                y = tanh(c_new[j])
                dh_j = dh_row[j] + g_out[j]
                dc_j = dc_row[j] + dh_j * o_j * (one - y * y)
                i[j] = dc_j * g_j * i_j * (one - i_j)
                f[j] = dc_j * c_old[j] * f_j * (one - f_j)
                g[j] = dc_j * i_j * (one - g_j * g_j)
                o[j] = dh_j * y * o_j * (one - o_j)
                dc_row[j] = dc_j * f_j
        multiply(gates[t, lo:hi], up.packed_hh, up.nothing, dh[lo:hi])
        to_inputs(up, t, gates[t], lo, hi)


@kernel
def gru_forward(inputs, packed, packed_n, bias_n, gates, hidden, h, side, reverse, lo, hi):  # type: ignore[no-untyped-def]
    """Fill h, the activated gates, and `hidden`, the candidate's recurrent part.

    packed, packed_n: the blocks r, z and n of W_hh' (H, 2H), (H, H)    bias_n (1, H): b_hn; the inputs' bias holds
    b_hr and b_hz    gates (T or 1, B, 3H): blocks r, z, n    hidden (T or 1, B, H): h W_hn' + b_hn
    h: states, the initial one in place
    n = tanh(x_n + r * hidden), h' = (1 - z) n + z h: the reset gate acts after the product, as in PyTorch.
    """
    steps, H = len(h) - 2, hidden.shape[2]
    one = gates.dtype.type(1.0)
    for step in range(steps):
        t = steps - 1 - step if reverse else step
        old, new = (t + 2 if reverse else t), t + 1
        now, part = gates[t % len(gates)], hidden[t % len(hidden)]
        before = h[old, lo:hi, side : side + H]
        read_inputs(inputs, t, now, lo, hi)
        multiply(before, packed, now[lo:hi, : 2 * H], now[lo:hi, : 2 * H])
        multiply(before, packed_n, bias_n, part[lo:hi])
        for b in range(lo, hi):
            row = now[b]
            r, z, n = row[:H], row[H : 2 * H], row[2 * H :]
            m, h_old, h_new = part[b], h[old, b, side : side + H], h[new, b, side : side + H]
            for j in range(H):
                r[j], z[j] = sigmoid(r[j]), sigmoid(z[j])
                n[j] = tanh(n[j] + r[j] * m[j])
                h_new[j] = (one - z[j]) * n[j] + z[j] * h_old[j]


@kernel
def gru_backward(up, packed_n, gates, hidden, h, dh, side, reverse, lo, hi):  # type: ignore[no-untyped-def]
    """Turn `gates` into the gradient of x W_ih' + b_ih, `hidden` into its own, dh into the initial state's.

    The gradient of h W_hh' + b_hh is the first two blocks of `gates`, and `hidden`.
    up.packed_hh, packed_n: the rows r, z and n of W_hh    gates, hidden, h: as gru_forward left them
    dh (B, H): gradient of the final state on entry
    """
    steps, H = len(gates), hidden.shape[2]
    one = gates.dtype.type(1.0)
    for step in range(steps):
        t = step if reverse else steps - 1 - step
        old = t + 2 if reverse else t
        for b in range(lo, hi):
            row = gates[t, b]
            r, z, n = row[:H], row[H : 2 * H], row[2 * H :]
            m, dh_row = hidden[t, b], dh[b]
            h_old, g_out = h[old, b, side : side + H], up.out[t, b, side : side + H]
            for j in range(H):
                r_j, z_j, n_j = r[j], z[j], n[j]
                dh_j = dh_row[j] + g_out[j]
                dn = dh_j * (one - z_j) * (one - n_j * n_j)
                r[j] = dn * m[j] * r_j * (one - r_j)
                z[j] = dh_j * (h_old[j] - n_j) * z_j * (one - z_j)
                n[j] = dn
                m[j] = dn * r_j
                dh_row[j] = dh_j * z_j
        multiply(gates[t, lo:hi, : 2 * H], up.packed_hh, dh[lo:hi], dh[lo:hi])
        multiply(hidden[t, lo:hi], packed_n, dh[lo:hi], dh[lo:hi])
        to_inputs(up, t, gates[t], lo, hi)
