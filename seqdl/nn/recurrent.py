"""LSTM and GRU with PyTorch's arguments, weight names and layouts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seqdl import ops
from seqdl.nn.layers import Generator, fresh
from seqdl.nn.module import Module
from seqdl.random import default_generator
from seqdl.tensor import Tensor


class _Recurrent(Module):
    """What both share. Input (T, B, D), or (B, T, D) with batch_first; states (L S, B, H).

    An input of integers, one axis less, means one-hot vectors of input_size. Weights for layer k are
    weight_ih_l{k} (G H, D or S H), weight_hh_l{k} (G H, H), bias_ih_l{k}, bias_hh_l{k} (G H,), with the
    suffix _reverse for the second direction, all from U(+-1/sqrt(H)).
    """

    gates: int
    states: int

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        generator: Generator = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = (
            bias,
            batch_first,
            dropout,
            bidirectional,
        )
        self.generator = generator or default_generator()
        for name, shape in self._weight_shapes():
            setattr(self, name, fresh(shape, 1 / math.sqrt(hidden_size), generator))

    def _weight_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        rows, shapes = self.gates * self.hidden_size, list[tuple[str, tuple[int, ...]]]()
        for layer in range(self.num_layers):
            width = self.hidden_size * self.directions if layer else self.input_size
            for suffix in (f"l{layer}", f"l{layer}_reverse")[: self.directions]:
                shapes += [
                    (f"weight_ih_{suffix}", (rows, width)),
                    (f"weight_hh_{suffix}", (rows, self.hidden_size)),
                ]
                if self.bias:
                    shapes += [(f"bias_ih_{suffix}", (rows,)), (f"bias_hh_{suffix}", (rows,))]
        return shapes

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    def _weights(self) -> list[Any]:
        weights = [getattr(self, name) for name, _ in self._weight_shapes()]
        if self.bias:
            return weights
        return [w for pair in zip(weights[::2], weights[1::2], strict=True) for w in (*pair, None, None)]

    def zero_state(self, batch: int) -> tuple[Tensor, ...]:
        """The initial states that are used where none are given."""
        shape = (self.num_layers * self.directions, batch, self.hidden_size)
        return tuple(Tensor(np.zeros(shape, self.weight_hh_l0.dtype)) for _ in range(self.states))  # type: ignore[attr-defined]

    def _run(self, operation: Any, x: Any, states: tuple[Any, ...] | None) -> tuple[Any, tuple[Any, ...]]:
        x = x if isinstance(x, Tensor) else Tensor(x)
        if x.dtype.kind == "f" and not x.requires_grad:
            x = Tensor(x.data, dtype=self.weight_hh_l0.dtype)  # type: ignore[attr-defined]
        symbols = x.dtype.kind in "iu"
        if x.ndim != (2 if symbols else 3):
            raise ValueError(f"{type(self).__name__} expects (T, B, D), or integers (T, B), got {x.shape}")
        if not symbols and x.shape[2] != self.input_size:
            raise ValueError(f"{type(self).__name__} expects {self.input_size} inputs, got {x.shape[2]}")
        if self.batch_first:
            x = Tensor(x.data.T) if symbols else x.transpose(0, 1)
        out, *final = operation(
            x,
            *(states or self.zero_state(x.shape[1])),
            *self._weights(),
            bidirectional=self.bidirectional,
            dropout=self.dropout if self.training else 0.0,
            generator=self.generator,
        )
        return (out.transpose(0, 1) if self.batch_first else out), tuple(final)

    def extra_repr(self) -> str:
        extras = [f"{name}={getattr(self, name)}" for name in ("dropout", "bidirectional") if getattr(self, name)]
        return ", ".join([f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}", *extras])


class LSTM(_Recurrent):
    """out, (h, c) = lstm(x, (h0, c0)), as torch.nn.LSTM. Gates in the order i, f, g, o."""

    gates, states = 4, 2

    def forward(self, x: Any, state: tuple[Any, Any] | None = None) -> tuple[Any, tuple[Any, ...]]:
        return self._run(ops.lstm, x, state)


class GRU(_Recurrent):
    """out, h = gru(x, h0), as torch.nn.GRU. Gates in the order r, z, n; reset after the product."""

    gates, states = 3, 1

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        out, (h,) = self._run(ops.gru, x, None if state is None else (state,))
        return out, h
