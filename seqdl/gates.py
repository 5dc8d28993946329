"""What the gates of recurrent layers do, step by step: the same sums as the kernels, written to be looked at.

    from seqdl.gates import gates
    gates(model.rnn, symbols)["l0"]["z"]      # (T, B, H): how far each unit of the first layer kept its state

The formulas are PyTorch's (torch.nn.GRU, torch.nn.LSTM); sigma is 1 / (1 + exp(-x)), * element by element:

    GRU    r = sigma(W_ir x + b_ir + W_hr h + b_hr)        reset
           z = sigma(W_iz x + b_iz + W_hz h + b_hz)        update: what stays
           n = tanh(W_in x + b_in + r * (W_hn h + b_hn))   candidate
           h = (1 - z) * n + z * h
    LSTM   i, f, o = sigma(W_i. x + b_i. + W_h. h + b_h.)  input, forget, output
           g = tanh(W_ig x + b_ig + W_hg h + b_hg)         candidate
           c = f * c + i * g;  h = o * tanh(c)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from seqdl.nn.recurrent import GRU, LSTM

Array = np.ndarray
Steps = dict[str, Array]
GRU_NAMES, LSTM_NAMES = ("r", "z", "n", "h"), ("i", "f", "g", "o", "c", "h")


@dataclass(frozen=True)
class Trace:
    """What a network did at each step of a text, or of a stretch of DNA.

    characters: the symbols that were read, T of them; bytes that are no character by themselves as "\\xc3".
    layers: by layer and direction, "l0" first, what `gates` names, each (T, H): after that symbol was read.
    """

    characters: tuple[str, ...]
    layers: dict[str, Steps]


def trace(layer: GRU | LSTM, symbols: Array, characters: Iterable[str]) -> Trace:
    """The gates of a recurrent layer over one sequence of symbols (T,) integer, with the character of each."""
    found = gates(layer, symbols[:, None])
    own = {name: {gate: values[:, 0] for gate, values in steps.items()} for name, steps in found.items()}
    return Trace(tuple(characters), own)


def gates(layer: GRU | LSTM, x: Any, state: Any = None) -> dict[str, Steps]:
    """All gates and states of a GRU (r, z, n, h) or LSTM (i, f, g, o, c, h) at each step, each (T, B, H).

    By layer and direction, named as the weights: "l0", "l1", "l0_reverse"; those of the second direction stand at the
    step of the input they belong to. x, state: what the layer takes; dropout between layers is left out, as in
    evaluation. All are of the dtype of the layer's weights. ValueError for inputs of another shape or without a step,
    and for integers that the layer has no input for.
    """
    inputs = _inputs(layer, x)
    states = _states(layer, state, inputs.shape[1])
    found: dict[str, Steps] = {}
    for depth in range(layer.num_layers):
        outputs = []
        for direction, suffix in enumerate(("", "_reverse")[: layer.directions]):
            backwards = slice(None, None, -1 if direction else 1)
            own = [each[depth * layer.directions + direction] for each in states]
            steps = _run(layer, f"l{depth}{suffix}", inputs[backwards], own)
            found[f"l{depth}{suffix}"] = {name: values[backwards] for name, values in steps.items()}
            outputs.append(found[f"l{depth}{suffix}"]["h"])
        inputs = np.concatenate(outputs, axis=2)
    return found


def _inputs(layer: GRU | LSTM, x: Any) -> Array:
    """(T, B, D) of what the layer takes, in the dtype of its weights; integers become one-hot."""
    values, width = np.asarray(x), layer.input_size
    if values.dtype.kind in "iu":
        if values.size and not 0 <= values.min() <= values.max() < width:
            raise ValueError(f"gates: integers must be in [0, {width}), found {values.min()} to {values.max()}")
        values = np.eye(width)[values]
    if values.ndim != 3 or values.shape[2] != width:
        raise ValueError(f"gates: expected (T, B, {width}), or integers (T, B), got {np.shape(x)}")
    values = values.swapaxes(0, 1) if layer.batch_first else values
    if not len(values):
        raise ValueError("gates: expected one step at least, got none")
    return values.astype(layer.weight_hh_l0.dtype, copy=False)  # type: ignore[union-attr]


def _states(layer: GRU | LSTM, state: Any, batch: int) -> list[Array]:
    """Where each layer starts: (L S, B, H), once for a GRU and twice for an LSTM."""
    if state is None:
        state = layer.zero_state(batch)
    return [np.asarray(each) for each in (state if isinstance(state, tuple) else (state,))]


def _run(layer: GRU | LSTM, suffix: str, inputs: Array, state: list[Array]) -> Steps:
    """One layer in one direction."""
    w_hh = getattr(layer, f"weight_hh_{suffix}").data
    zero = np.zeros(len(w_hh), w_hh.dtype)
    b_ih, b_hh = (getattr(layer, f"bias_{side}_{suffix}").data if layer.bias else zero for side in ("ih", "hh"))
    from_input = inputs @ getattr(layer, f"weight_ih_{suffix}").data.T + b_ih
    step, names = (_gru_step, GRU_NAMES) if isinstance(layer, GRU) else (_lstm_step, LSTM_NAMES)
    steps, before = [], state
    for now in from_input:
        values = step(now, before[0] @ w_hh.T + b_hh, before)
        steps.append(values)
        before = [values[-1], values[-2]]  # h, and what an LSTM keeps besides
    return dict(zip(names, map(np.stack, zip(*steps, strict=True)), strict=True))


def _gru_step(from_input: Array, from_state: Array, before: list[Array]) -> tuple[Array, ...]:
    (r_x, z_x, n_x), (r_h, z_h, n_h) = np.split(from_input, 3, axis=1), np.split(from_state, 3, axis=1)
    r, z = expit(r_x + r_h), expit(z_x + z_h)
    n = np.tanh(n_x + r * n_h)
    return r, z, n, (1 - z) * n + z * before[0]


def _lstm_step(from_input: Array, from_state: Array, before: list[Array]) -> tuple[Array, ...]:
    i, f, g, o = np.split(from_input + from_state, 4, axis=1)
    i, f, g, o = expit(i), expit(f), np.tanh(g), expit(o)
    c = f * before[1] + i * g
    return i, f, g, o, c, o * np.tanh(c)
