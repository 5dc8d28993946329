"""LSTM and GRU over whole sequences: any number of layers, one or both directions, as a single node.

Shapes as in PyTorch: T steps, B sequences, D inputs, H units, L layers, S directions (1 or 2), G gates. Where
the input is a matrix of integers (T, B), each number stands for a one-hot vector: the first product is then a
look-up of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
    return _stack(_Lstm, x, (h, c), weights, needs[0], **options)


@operation("(T, B, D) or integers (T, B), h (L S, B, H), weights -> (T, B, S H), h")
def gru(x: Array, h: Array, *weights: Array | None, needs: tuple[bool, ...], **options: Any) -> Any:
    """GRU as torch.nn.GRU: outputs of the last layer, final h of each layer and direction.

    weights as for lstm with 3H rows, gates in the order r, z, n.
    r, z = sigmoid(.);  n = tanh(x_n + r (h W_hn' + b_hn));  h' = (1 - z) n + z h
    """
    return _stack(_Gru, x, (h,), weights, needs[0], **options)


@dataclass
class _Gradients:
    """Of one layer in one direction."""

    inputs: Array  # (T, B, G H): of x W_ih' + b_ih
    recurrent: Array  # (T, B, G H): of h W_hh' + b_hh
    states: tuple[Array, ...]  # (B, H) each: of the initial states


class _Pass:
    """One layer in one direction: runs forwards when made, keeps what the way back needs.

    gates (T, B, G H): the inputs' product, on entry; the kernels work in it.
    """

    def __init__(self, gates: Array, weight_hh: Array, reverse: bool) -> None:
        self.gates, self.weight_hh, self.reverse = gates, weight_hh, reverse

    def _over_batch(self, kernel: Any, *arrays: Array) -> None:
        if not self.gates.size:
            return
        parallel.run(
            lambda lo, hi: kernel(self.gates, *arrays, self.reverse, lo, hi),
            parallel.batch_blocks(self.gates.shape[1]),
        )

    def _states(self, initial: Array) -> Array:
        """(T + 1, B, H) with the initial state at its end of time."""
        states = np.empty((len(self.gates) + 1, *initial.shape), initial.dtype)
        states[-1 if self.reverse else 0] = initial
        return states

    def _outputs(self, states: Array) -> Array:
        return states[:-1] if self.reverse else states[1:]

    def _final(self, states: Array) -> Array:
        return states[0 if self.reverse else -1]

    def before(self, states: Array) -> Array:
        """The state that each step started from."""
        return states[1:] if self.reverse else states[:-1]


class _Lstm(_Pass):
    gate_blocks = 4

    def __init__(self, gates: Array, weight_hh: Array, bias_hh: Array, reverse: bool, *initial: Array) -> None:
        super().__init__(gates, weight_hh, reverse)
        self.h, self.c = self._states(initial[0]), self._states(initial[1])
        self._over_batch(kernels.lstm_forward, pack(weight_hh.T), self.h, self.c)
        self.out, self.final = self._outputs(self.h), (self._final(self.h), self._final(self.c))

    @staticmethod
    def input_bias(bias_ih: Array, bias_hh: Array) -> Array:
        return bias_ih + bias_hh

    def backward(self, grad_out: Array, dh: Array, dc: Array) -> _Gradients:
        self._over_batch(kernels.lstm_backward, pack(self.weight_hh), self.c, grad_out, dh, dc)
        return _Gradients(self.gates, self.gates, (dh, dc))


class _Gru(_Pass):
    gate_blocks = 3

    def __init__(self, gates: Array, weight_hh: Array, bias_hh: Array, reverse: bool, *initial: Array) -> None:
        super().__init__(gates, weight_hh, reverse)
        last = 2 * len(weight_hh) // 3
        self.h = self._states(initial[0])
        self.hidden = np.empty_like(self.h[1:])
        packed = pack(weight_hh[:last].T), pack(weight_hh[last:].T)
        self._over_batch(kernels.gru_forward, self.hidden, *packed, bias_hh[last:], self.h)
        self.out, self.final = self._outputs(self.h), (self._final(self.h),)

    @staticmethod
    def input_bias(bias_ih: Array, bias_hh: Array) -> Array:
        last = 2 * len(bias_hh) // 3  # that block belongs inside: the reset gate multiplies it
        return bias_ih + np.concatenate([bias_hh[:last], np.zeros_like(bias_hh[last:])])

    def backward(self, grad_out: Array, dh: Array) -> _Gradients:
        recurrent = np.empty_like(self.gates)
        self._over_batch(kernels.gru_backward, self.hidden, pack(self.weight_hh), self.h, grad_out, dh, recurrent)
        return _Gradients(self.gates, recurrent, (dh,))


def _stack(
    cell: Any,
    x: Array,
    initial: tuple[Array, ...],
    weights: Sequence[Any],
    needs_x: bool,
    *,
    bidirectional: bool = False,
    dropout: float = 0.0,
    generator: np.random.Generator | None = None,
) -> Any:
    """Layer upon layer, the outputs of both directions side by side; see lstm for the arguments."""
    directions = 2 if bidirectional else 1
    layers = len(weights) // 4 // directions
    _check(cell, x, initial, weights, layers * directions)
    inputs: list[Array] = []
    masks: list[Array | None] = []
    passes: list[Any] = []
    for layer in range(layers):
        masks.append(_mask(x, dropout, generator) if layer > 0 else None)
        x = _masked(x, masks[-1])
        inputs.append(x)
        for k in range(layer * directions, (layer + 1) * directions):
            w_ih, w_hh, *maybe = weights[4 * k : 4 * k + 4]
            b_ih, b_hh = (np.zeros(w_hh.shape[0], w_hh.dtype) if b is None else b for b in maybe)
            gates = _input_product(x, w_ih, cell.input_bias(b_ih, b_hh))
            passes.append(cell(gates, w_hh, b_hh, k % directions == 1, *(state[k] for state in initial)))
        x = _side_by_side([p.out for p in passes[-directions:]])

    def backward(grad: Array | None, *grad_final: Array | None) -> tuple[Array | None, ...]:
        grad_weights: list[Array | None] = [None] * len(weights)
        grad_states = [np.zeros_like(s) if g is None else g.copy() for s, g in zip(initial, grad_final, strict=True)]
        upstream = np.zeros_like(x) if grad is None else grad
        for layer in reversed(range(layers)):
            grad_x = np.zeros((), x.dtype)  # of this layer's inputs, the sum over directions
            for direction, part in enumerate(np.split(upstream, directions, axis=2)):
                k = layer * directions + direction
                g = passes[k].backward(np.ascontiguousarray(part), *(state[k] for state in grad_states))
                w_ih = weights[4 * k]
                grad_weights[4 * k : 4 * k + 4] = _weight_gradients(g, inputs[layer], passes[k], w_ih)
                if layer > 0 or needs_x:
                    grad_x = _rows_product(g.inputs, w_ih) + grad_x if direction else _rows_product(g.inputs, w_ih)
                passes[k] = None  # its memory is not needed any more
            upstream = _masked(grad_x, masks[layer])
        return upstream if needs_x else None, *grad_states, *grad_weights

    return (x, *(np.stack([p.final[i] for p in passes]) for i in range(len(initial)))), backward


def _check(cell: Any, x: Array, initial: tuple[Array, ...], weights: Sequence[Any], passes: int) -> None:
    """Shapes and types must fit: the kernels check neither."""
    w_hh = weights[1]
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


def _side_by_side(outputs: list[Array]) -> Array:
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs, axis=2)


def _input_product(x: Array, weight_ih: Any, bias: Array) -> Array:
    """x W_ih' + b for all steps at once: (T, B, D) or symbols (T, B) -> (T, B, G H)."""
    if x.ndim == 2:
        return (weight_ih.T + bias)[x]
    return _rows_product(x, weight_ih.T, bias)


def _rows_product(x: Array, weight: Any, bias: Array | None = None) -> Array:
    """(T, B, D) @ (D, N) + bias -> (T, B, N)."""
    return parallel.matmul(x.reshape(-1, x.shape[2]), weight, bias).reshape(*x.shape[:2], weight.shape[1])


def _weight_gradients(g: _Gradients, x: Array, one: Any, weight_ih: Any) -> tuple[Array, Array, Array, Array]:
    """Gradients of weight_ih, weight_hh, bias_ih, bias_hh: one product over all steps each."""
    inputs, recurrent = (a.reshape(-1, a.shape[2]) for a in (g.inputs, g.recurrent))
    if x.ndim == 2:
        grad_ih = add_rows(inputs, x.reshape(-1), len(weight_ih.T)).T
    else:
        grad_ih = parallel.matmul(inputs.T, x.reshape(-1, x.shape[2]))
    states = one.before(one.h)
    grad_hh = parallel.matmul(recurrent.T, states.reshape(-1, states.shape[2]))
    bias_ih = inputs.sum(axis=0)
    return grad_ih, grad_hh, bias_ih, bias_ih if g.recurrent is g.inputs else recurrent.sum(axis=0)
