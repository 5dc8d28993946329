"""LSTM and GRU over whole sequences: any number of layers, one or both directions, as a single node.

Shapes as in PyTorch: T steps, B sequences, D inputs, H units, L layers, S directions (1 or 2), G gates. Where
the input is a matrix of integers (T, B), each number stands for a one-hot vector: the first product is then a
look-up of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seqdl import parallel
from seqdl.kernels import recurrent as kernels
from seqdl.kernels.product import pack
from seqdl.ops.activation import dropout_mask
from seqdl.ops.registry import operation
from seqdl.ops.shape import add_rows

Array = np.ndarray


@operation("(T, B, D) or integers (T, B), h (L S, B, H), c (L S, B, H), weights -> (T, B, S H), h, c")
def lstm(x: Array, h: Array, c: Array, *weights: Array | None, needs: tuple[bool, ...], **options: Any) -> Any:
    """LSTM as torch.nn.LSTM: outputs of the last layer, final h and c of each layer and direction.

    weights: for each layer and direction weight_ih (4H, D), weight_hh (4H, H), bias_ih (4H,), bias_hh (4H,),
    gates in the order i, f, g, o; biases may be None. Options: bidirectional, dropout (between layers, with
    `generator`).   i, f, o = sigmoid(.), g = tanh(.);  c' = f c + i g;  h' = o tanh(c')
    """
    return _stack(_Lstm, x, (h, c), weights, needs, **options)


@operation("(T, B, D) or integers (T, B), h (L S, B, H), weights -> (T, B, S H), h")
def gru(x: Array, h: Array, *weights: Array | None, needs: tuple[bool, ...], **options: Any) -> Any:
    """GRU as torch.nn.GRU: outputs of the last layer, final h of each layer and direction.

    weights as for lstm with 3H rows, gates in the order r, z, n.
    r, z = sigmoid(.);  n = tanh(x_n + r (h W_hn' + b_hn));  h' = (1 - z) n + z h
    """
    return _stack(_Gru, x, (h,), weights, needs, **options)


class _Layer:
    """One layer in one direction: runs forwards when made, keeps what the way back needs.

    states (T + 2, B, S H): shared by both directions; step t is row t + 1, the initial state is the row before it.
    """

    gate_blocks: int

    def __init__(self, weights: Sequence[Any], states: Array, direction: int, keep: bool) -> None:
        self.w_ih, self.w_hh, *biases = weights
        self.b_ih, self.b_hh = (np.zeros(len(self.w_hh), self.w_hh.dtype) if b is None else b for b in biases)
        self.h, self.reverse, self.H = states, direction == 1, self.w_hh.shape[1]
        self.side, self.rows = direction * self.H, len(states) - 2 if keep else 1
        self.gates = self._empty(self.rows, len(self.w_hh))

    def _empty(self, rows: int, units: int) -> Array:
        return np.empty((rows, self.h.shape[1], units), self.h.dtype)

    def _begin(self, initial: Array) -> None:
        self.h[-1 if self.reverse else 0, :, self.side : self.side + self.H] = initial

    def _over_batch(self, kernel: Any, *arrays: Any) -> None:
        if self.h[1:-1].size:
            parallel.run(
                lambda lo, hi: kernel(*arrays, self.side, self.reverse, lo, hi), parallel.batch_blocks(self.h.shape[1])
            )

    def _inputs(self, x: Array, bias: Array) -> kernels.Inputs:
        symbols, vectors = x.ndim == 2, x.ndim == 3
        weight = self.w_ih.T
        return kernels.Inputs(
            x if symbols else np.empty((0, 0), np.int64),
            np.ascontiguousarray(weight + bias) if symbols else np.empty((0, 0), bias.dtype),
            x if vectors else np.empty((0, 0, 0), bias.dtype),
            pack(weight if vectors else weight[:0]),
            bias[None],
        )

    def final(self, states: Array) -> Array:
        """The last row of an array like `states` that was filled."""
        return states[1 if self.reverse else -2]

    def _before(self) -> Array:
        """(T B, H): the state that each step started from."""
        states = self.h[2:] if self.reverse else self.h[:-2]
        return states.reshape(-1, states.shape[2])[:, self.side : self.side + self.H]

    def _upstream(self, rows: int, grad_out: Array, grad_x: Array, more: bool) -> kernels.Upstream:
        nothing = np.zeros((1, max(self.w_ih.shape[1], self.H)), self.h.dtype)
        w_ih = self.w_ih if grad_x.size else self.w_ih[:, :0]
        return kernels.Upstream(pack(self.w_hh[:rows]), pack(w_ih), nothing, grad_out, grad_x, more)

    def _weight_ih_gradient(self, x: Array) -> Array:
        """From the gradient of the gates: one product over all steps."""
        gates = _rows(self.gates)
        if x.ndim == 2:
            return add_rows(gates, x.reshape(-1), self.w_ih.shape[1]).T
        return parallel.matmul(gates.T, _rows(x))


class _Lstm(_Layer):
    gate_blocks = 4

    def __init__(self, x: Array, weights: Sequence[Any], states: Array, direction: int, keep: bool, h: Array, c: Array):
        super().__init__(weights, states, direction, keep)
        self._begin(h)
        self.c = self._empty(len(states) if keep else 1, self.H)
        self.c[-1 if self.reverse else 0] = c
        inputs = self._inputs(x, self.b_ih + self.b_hh)
        self._over_batch(kernels.lstm_forward, inputs, pack(self.w_hh.T), self.gates, self.h, self.c)
        self.finals = self.final(self.h)[:, self.side : self.side + self.H], self.final(self.c) if keep else self.c[0]

    def backward(self, x: Array, grad_out: Array, grad_x: Array, more: bool, dh: Array, dc: Array) -> tuple[Array, ...]:
        up = self._upstream(len(self.w_hh), grad_out, grad_x, more)
        self._over_batch(kernels.lstm_backward, up, self.gates, self.c, dh, dc)
        gates = _rows(self.gates)
        bias = parallel.column_sums(gates)
        return self._weight_ih_gradient(x), parallel.matmul(gates.T, self._before()), bias, bias


class _Gru(_Layer):
    gate_blocks = 3

    def __init__(self, x: Array, weights: Sequence[Any], states: Array, direction: int, keep: bool, h: Array) -> None:
        super().__init__(weights, states, direction, keep)
        self._begin(h)
        self.hidden = self._empty(self.rows, self.H)
        inside = 2 * self.H  # from here on the recurrent bias belongs inside: the reset gate multiplies it
        inputs = self._inputs(x, self.b_ih + np.concatenate([self.b_hh[:inside], np.zeros_like(self.b_hh[inside:])]))
        packed = pack(self.w_hh[:inside].T), pack(self.w_hh[inside:].T), self.b_hh[None, inside:]
        self._over_batch(kernels.gru_forward, inputs, *packed, self.gates, self.hidden, self.h)
        self.finals = (self.final(self.h)[:, self.side : self.side + self.H],)

    def backward(self, x: Array, grad_out: Array, grad_x: Array, more: bool, dh: Array) -> tuple[Array, ...]:
        inside = 2 * self.H
        up = self._upstream(inside, grad_out, grad_x, more)
        self._over_batch(kernels.gru_backward, up, pack(self.w_hh[inside:]), self.gates, self.hidden, self.h, dh)
        gates, hidden, before = _rows(self.gates), _rows(self.hidden), self._before()
        grad_hh = np.empty_like(self.w_hh, order="C")
        parallel.matmul(gates[:, :inside].T, before, out=grad_hh[:inside])
        parallel.matmul(hidden.T, before, out=grad_hh[inside:])
        bias = parallel.column_sums(gates)
        return self._weight_ih_gradient(x), grad_hh, bias, np.concatenate([bias[:inside], parallel.column_sums(hidden)])


def _stack(
    cell: Any,
    x: Array,
    initial: tuple[Array, ...],
    weights: Sequence[Any],
    needs: tuple[bool, ...],
    *,
    bidirectional: bool = False,
    dropout: float = 0.0,
    generator: np.random.Generator | None = None,
) -> Any:
    """Layer upon layer, the outputs of both directions side by side; see lstm for the arguments."""
    directions = 2 if bidirectional else 1
    count = len(weights) // 4 // directions
    _check(cell, x, initial, weights, count * directions)
    x = np.ascontiguousarray(x, np.int64 if x.ndim == 2 else None)
    steps, batch, H = *x.shape[:2], weights[1].shape[1]
    inputs: list[Array] = []
    masks: list[Array | None] = []
    layers: list[Any] = []
    for layer in range(count):
        masks.append(_mask(x, dropout, generator) if layer > 0 else None)
        inputs.append(_masked(x, masks[-1]))
        states = np.empty((steps + 2, batch, directions * H), weights[1].dtype)
        for direction in range(directions):
            k = layer * directions + direction
            own = weights[4 * k : 4 * k + 4]
            layers.append(cell(inputs[-1], own, states, direction, any(needs), *(state[k] for state in initial)))
        x = states[1:-1]

    def backward(grad: Array | None, *grad_final: Array | None) -> tuple[Array | None, ...]:
        grad_weights: list[Array | None] = [None] * len(weights)
        grad_states = [np.zeros_like(s) if g is None else g.copy() for s, g in zip(initial, grad_final, strict=True)]
        upstream = np.zeros_like(x) if grad is None else np.ascontiguousarray(grad)
        for layer in reversed(range(count)):
            below = inputs[layer].shape if layer > 0 or needs[0] else (0, 0, 0)
            grad_x = np.empty(below, upstream.dtype)
            for direction in range(directions):
                k = layer * directions + direction
                finals = (state[k] for state in grad_states)
                grad_weights[4 * k : 4 * k + 4] = layers[k].backward(
                    inputs[layer], upstream, grad_x, direction > 0, *finals
                )
                layers[k] = None  # its memory is not needed any more
            upstream = _masked(grad_x, masks[layer])
        return upstream if needs[0] else None, *grad_states, *grad_weights

    return (x, *(np.stack([layer.finals[i] for layer in layers]) for i in range(len(initial)))), backward


def _check(cell: Any, x: Array, initial: tuple[Array, ...], weights: Sequence[Any], passes: int) -> None:
    """Shapes, types and symbols must fit: the kernels check none of them."""
    w_hh, inputs = weights[1], weights[0].shape[1]
    if x.ndim == 2 and x.size and not 0 <= x.min() <= x.max() < inputs:
        raise ValueError(f"input: integers in [0, {inputs}) expected, found {x.min()} to {x.max()}")
    H, rows = w_hh.shape[1], cell.gate_blocks * w_hh.shape[1]
    wanted = [(x, x.shape, "input")] if x.ndim == 3 else []
    wanted += [(state, (passes, x.shape[1], H), "initial state") for state in initial]
    for i, weight in enumerate(weights):
        if weight is not None:
            shape = ((rows, weight.shape[-1]), (rows, H), (rows,), (rows,))[i % 4]
            wanted.append((weight, shape, f"weight {i}"))
    for array, shape, name in wanted:
        if array.shape != shape or array.dtype != w_hh.dtype:
            raise ValueError(f"{name}: {w_hh.dtype} {shape} expected, got {array.dtype} {array.shape}")


def _mask(x: Array, dropout: float, generator: np.random.Generator | None) -> Array | None:
    return None if dropout == 0 else dropout_mask(x.shape, dropout, x.dtype, generator)


def _masked(x: Array, mask: Array | None) -> Array:
    return x if mask is None else x * mask


def _rows(x: Array) -> Array:
    """(T, B, N) -> (T B, N)."""
    return x.reshape(-1, x.shape[2])
