"""The network of a character model: one-hot symbols, a stack of LSTM or GRU layers, a linear layer to logits."""

from __future__ import annotations

from typing import Any

import numpy as np

from seqdl.nn import GRU, LSTM, Dropout, Linear, Module
from seqdl.tensor import Tensor

CELLS: dict[str, Any] = {"lstm": LSTM, "gru": GRU}


class CharNetwork(Module):
    """Symbols (T, B) and a state -> logits (T B, V) of the symbol that follows each, and the state after.

    dropout acts between the layers and before the last one.
    """

    def __init__(
        self,
        symbols: int,
        cell: str = "lstm",
        hidden: int = 256,
        layers: int = 1,
        dropout: float = 0.0,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.architecture = {"cell": cell, "hidden": hidden, "layers": layers, "dropout": dropout}
        self.rnn = CELLS[cell](symbols, hidden, layers, dropout=dropout, generator=generator)
        self.drop = Dropout(dropout, generator)
        self.decoder = Linear(hidden, symbols, generator=generator)

    def forward(self, symbols: Any, state: tuple[Tensor, ...]) -> tuple[Any, tuple[Any, ...]]:
        out, after = self.rnn(symbols, state if len(state) > 1 else state[0])
        logits = self.decoder(self.drop(out))
        return logits.reshape(-1, logits.shape[2]), after if isinstance(after, tuple) else (after,)

    def zero_state(self, batch: int) -> tuple[Tensor, ...]:
        return self.rnn.zero_state(batch)
