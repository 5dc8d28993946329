"""How surprised a model is by a text: nats for each symbol, in one deterministic pass with carried state."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seqdl import ops
from seqdl.nn import evaluating
from seqdl.parallel import single_threaded_blas
from seqdl.tensor import Tensor, no_grad
from seqdl.text.network import CharNetwork

Array = np.ndarray
STEPS = 128  # symbols of each lane in one go
WARM_UP = 256  # symbols that each lane but the first reads before its part, so that its state is as good
SHORTEST_LANE = 1024
MOST_LANES = 64


@dataclass(frozen=True)
class Score:
    """What a model makes of a text. The first symbol has nothing before it and counts in no figure."""

    symbols: Array  # (N,)
    nats: Array  # (N - 1,) float32, the surprisal of each symbol after the first
    bytes: int  # that these are made of
    unknown_share: float

    @property
    def nats_per_symbol(self) -> float:
        return float(np.mean(self.nats, dtype=np.float64))

    @property
    def bits_per_symbol(self) -> float:
        return self.nats_per_symbol / math.log(2)

    @property
    def bits_per_byte(self) -> float:
        return self.bits_per_symbol * len(self.nats) / self.bytes


def surprisal(network: CharNetwork, symbols: Array, lanes: int | None = None) -> Array:
    """Nats (N - 1,) float32 of each symbol after the first, given all before it.

    A long text is cut into lanes that run side by side, each warmed up on the 256 symbols before it; with
    lanes=1 it is one stream. The default depends on the length alone. Dropout is off meanwhile.
    """
    blocks = [nats for nats, _ in _blocks(network, symbols, lanes)]
    if not blocks:
        return np.empty(0, np.float32)
    return np.concatenate(blocks).T.reshape(-1)[: len(symbols) - 1]


def mean_surprisal(network: CharNetwork, symbols: Array) -> float:
    """Nats a symbol over the whole text, in bounded memory."""
    total = sum(float(nats[counted].sum(dtype=np.float64)) for nats, counted in _blocks(network, symbols, None))
    return total / (len(symbols) - 1)


def _blocks(network: CharNetwork, symbols: Array, lanes: int | None) -> Iterator[tuple[Array, Array]]:
    """Nats (steps, lanes) of STEPS symbols of each lane at a time, and which of them count.

    The last lane may be shorter than the others; what it has too many repeats the last symbol.
    """
    count = len(symbols) - 1
    if count < 1:
        return
    lanes = min(MOST_LANES, max(1, count // SHORTEST_LANE)) if lanes is None else lanes
    length = -(-count // lanes)
    starts = np.arange(-(-count // length)) * length  # no lane without a symbol of its own
    with evaluating(network), no_grad(), single_threaded_blas():
        state = _warm_state(network, symbols, starts)
        for first in range(0, length, STEPS):
            at = np.arange(first, min(first + STEPS, length))[:, None] + starts
            inside = np.minimum(at, count - 1)
            logits, state = network(symbols[inside].astype(np.int64), state)
            yield _losses(logits, symbols[inside + 1]).reshape(at.shape), at < count


def _warm_state(network: CharNetwork, symbols: Array, starts: Array) -> tuple[Tensor, ...]:
    """The states of the lanes after the symbols before their starts; the first lane starts from zero."""
    state = network.zero_state(len(starts))
    if len(starts) > 1:
        before = np.arange(-WARM_UP, 0)[:, None] + starts
        _, state = network(symbols[np.maximum(before, 0)].astype(np.int64), state)
        for part in state:
            part.data[:, 0] = 0
    return state


def _losses(logits: Tensor, targets: Array) -> Array:
    return ops.cross_entropy(logits, targets.reshape(-1).astype(np.int64), reduction="none").data
