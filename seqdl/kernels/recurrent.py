"""LSTM and GRU over a whole sequence: one layer, one direction, the rows [lo, hi) of the batch.

T steps, B sequences, H units. The caller has multiplied the inputs for all steps at once; the loop over time
only adds the product with the old state and applies the gates, in place, without allocating.

Arrays of states are (T + 1, B, H) and hold the initial state too. Forwards in time state t + 1 follows from
state t, the initial one being row 0; with `reverse` state t follows from t + 1, the initial one being row T.
Weights come packed by product.pack: W_hh' for the way forward, W_hh for the way back.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types
from numba.extending import overload

from seqdl.kernels.jit import OPTIONS, kernel
from seqdl.kernels.product import fill, multiply

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


@kernel
def lstm_forward(gates, packed, h, c, reverse, lo, hi):  # type: ignore[no-untyped-def]
    """Fill h and c, and turn `gates` from pre-activations without the recurrent part into activated gates.

    gates (T, B, 4H): x W_ih' + b_ih + b_hh, blocks i, f, g, o    packed: W_hh' (H, 4H)
    h, c (T + 1, B, H): the initial state in place
    """
    steps, H = gates.shape[0], h.shape[2]
    for step in range(steps):
        t = steps - 1 - step if reverse else step
        old, new = (t + 1, t) if reverse else (t, t + 1)
        multiply(h[old, lo:hi], packed, gates[t, lo:hi])
        for b in range(lo, hi):
            row = gates[t, b]
            i, f, g, o = row[:H], row[H : 2 * H], row[2 * H : 3 * H], row[3 * H :]
            h_new, c_old, c_new = h[new, b], c[old, b], c[new, b]
            for j in range(H):
                i[j], f[j], g[j], o[j] = sigmoid(i[j]), sigmoid(f[j]), tanh(g[j]), sigmoid(o[j])
                c_new[j] = f[j] * c_old[j] + i[j] * g[j]
                h_new[j] = o[j] * tanh(c_new[j])


@kernel
def lstm_backward(gates, packed, c, grad_out, dh, dc, reverse, lo, hi):  # type: ignore[no-untyped-def]
    """Turn `gates` from activated gates into the gradient of the pre-activations; dh, dc into the initial state's.

    gates, c: as lstm_forward left them    packed: W_hh (4H, H)    grad_out (T, B, H): gradient of the outputs
    dh, dc (B, H): gradient of the final state on entry, of the initial state on return
    """
    steps, H = gates.shape[0], c.shape[2]
    one = gates.dtype.type(1.0)
    for step in range(steps):
        t = step if reverse else steps - 1 - step
        old, new = (t + 1, t) if reverse else (t, t + 1)
        for b in range(lo, hi):
            row = gates[t, b]
            i, f, g, o = row[:H], row[H : 2 * H], row[2 * H : 3 * H], row[3 * H :]
            g_out, dh_row, dc_row, c_old, c_new = grad_out[t, b], dh[b], dc[b], c[old, b], c[new, b]
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
        dh[lo:hi] = 0
        multiply(gates[t, lo:hi], packed, dh[lo:hi])


@kernel
def gru_forward(gates, hidden, packed_rz, packed_n, bias_n, h, reverse, lo, hi):  # type: ignore[no-untyped-def]
    """Fill h; turn `gates` into activated r, z, n; leave the candidate's recurrent part in `hidden`.

    gates (T, B, 3H): blocks r, z: x W_ih' + b_ih + b_hh, n: x W_ih' + b_ih
    hidden (T, B, H): filled with h W_hn' + b_hn    packed_rz, packed_n: the blocks of W_hh' (H, 2H), (H, H)
    bias_n (H,): b_hn    h (T + 1, B, H): the initial state in place
    n = tanh(x_n + r * hidden), h' = (1 - z) n + z h: the reset gate acts after the product, as in PyTorch.
    """
    steps, H = gates.shape[0], h.shape[2]
    one = gates.dtype.type(1.0)
    for step in range(steps):
        t = steps - 1 - step if reverse else step
        old, new = (t + 1, t) if reverse else (t, t + 1)
        fill(bias_n, hidden[t, lo:hi])
        multiply(h[old, lo:hi], packed_rz, gates[t, lo:hi, : 2 * H])
        multiply(h[old, lo:hi], packed_n, hidden[t, lo:hi])
        for b in range(lo, hi):
            row = gates[t, b]
            r, z, n = row[:H], row[H : 2 * H], row[2 * H :]
            m, h_old, h_new = hidden[t, b], h[old, b], h[new, b]
            for j in range(H):
                r[j], z[j] = sigmoid(r[j]), sigmoid(z[j])
                n[j] = tanh(n[j] + r[j] * m[j])
                h_new[j] = (one - z[j]) * n[j] + z[j] * h_old[j]


@kernel
def gru_backward(gates, hidden, packed, h, grad_out, dh, recurrent, reverse, lo, hi):  # type: ignore[no-untyped-def]
    """Turn `gates` into the gradient of the input's part, fill `recurrent`, turn dh into the initial state's.

    gates, hidden, h: as gru_forward left them    packed: W_hh (3H, H)    grad_out (T, B, H): gradient of the outputs
    recurrent (T, B, 3H): filled with the gradient of h W_hh' + b_hh; it differs from the input's in block n
    dh (B, H): gradient of the final state on entry, of the initial state on return
    """
    steps, H = gates.shape[0], h.shape[2]
    one = gates.dtype.type(1.0)
    for step in range(steps):
        t = step if reverse else steps - 1 - step
        old = t + 1 if reverse else t
        for b in range(lo, hi):
            row = gates[t, b]
            r, z, n = row[:H], row[H : 2 * H], row[2 * H :]
            row = recurrent[t, b]
            s_r, s_z, s_n = row[:H], row[H : 2 * H], row[2 * H :]
            m, h_old, g_out, dh_row = hidden[t, b], h[old, b], grad_out[t, b], dh[b]
            for j in range(H):
                r_j, z_j, n_j = r[j], z[j], n[j]
                dh_j = dh_row[j] + g_out[j]
                dn = dh_j * (one - z_j) * (one - n_j * n_j)
                dz = dh_j * (h_old[j] - n_j) * z_j * (one - z_j)
                dr = dn * m[j] * r_j * (one - r_j)
                r[j], z[j], n[j] = dr, dz, dn
                s_r[j], s_z[j], s_n[j] = dr, dz, dn * r_j
                dh_row[j] = dh_j * z_j
        multiply(recurrent[t, lo:hi], packed, dh[lo:hi])
