"""Texts that one network writes side by side: its weights as the kernels read them, and where each text is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from seqdl import parallel
from seqdl.kernels import generation as kernels
from seqdl.kernels import product, quantised
from seqdl.quantisation import quantise_rows
from seqdl.text.network import CharNetwork
from seqdl.text.sampling import SamplingOptions, for_streams
from seqdl.text.scoring import WARM_UP

Array = np.ndarray
CANDIDATE_FIRST = [2, 0, 1]  # of a GRU's blocks r, z, n; see seqdl.kernels.generation


def pack(network: CharNetwork, int8: bool = False) -> kernels.Weights:
    """Lay out a network's weights as the generation kernels read them; int8: matrices by row, as files have them."""
    rnn, decoder = network.rnn, network.decoder
    assert decoder.bias is not None  # CharNetwork makes it with one
    lstm, H = network.architecture["cell"] == "lstm", rnn.hidden_size

    def each_layer(name: str) -> list[Array]:
        return [getattr(rnn, f"{name}_l{k}").data for k in range(rnn.num_layers)]

    def inputs(name: str) -> list[Array]:
        """Rows in the order in which the input's part has its blocks."""
        if lstm:
            return each_layer(name)
        return [a.reshape(3, H, -1)[CANDIDATE_FIRST].reshape(a.shape) for a in each_layer(name)]

    bias = np.zeros((rnn.num_layers, 4 * H), decoder.bias.dtype)
    size = bias.shape[1] if lstm else 3 * H
    bias[:, :size] += inputs("bias_ih")
    bias[:, -size:] += each_layer("bias_hh")
    first, *above = inputs("weight_ih")
    table = np.tile(bias[0], (len(decoder.bias.data), 1))
    table[:, :size] += first.T
    weight_hh, scale_hh = zip(*(_packed(w, int8) for w in each_layer("weight_hh")), strict=True)
    weight_ih, scale_ih = zip(*(_packed(w, int8) for w in [np.zeros((size, H), first.dtype), *above]), strict=True)
    return kernels.Weights(
        table,
        bias,
        np.stack(weight_ih),
        np.stack(weight_hh),
        np.stack(scale_ih),
        np.stack(scale_hh),
        *_packed(decoder.weight.data, int8),
        decoder.bias.data,
    )


def _packed(weight: Array, int8: bool) -> tuple[Array, Array]:
    """A matrix W (N, K) as the products read W', and the scales of its columns where it is int8."""
    if not int8:
        return product.pack(weight.T), np.empty(0, np.float32)
    values, scale = quantise_rows(weight)
    return quantised.pack(values.T), quantised.pack_scale(scale)


@dataclass(frozen=True)
class Streams:
    """S texts, each of which goes on one symbol at a time by itself."""

    weights: kernels.Weights
    state: kernels.State

    @classmethod
    def fresh(cls, weights: kernels.Weights, lstm: bool, count: int, remembered: int) -> Self:
        """Before their first symbols. remembered: how many of the last symbols count for penalties, at most."""
        (layers, width), dtype = weights.bias.shape, weights.bias.dtype
        h = np.zeros((layers, count, width // 4), dtype)
        gates, logits = np.zeros((count, width), dtype), np.zeros((count, len(weights.decoder_bias)), dtype)
        pairs = weights.decoder.shape[1] if weights.decoder.dtype == np.int8 else 0
        short, recent = np.zeros((count, 2 * pairs), np.int16), np.full((count, remembered), -1)
        return cls(weights, kernels.State(h, np.zeros_like(h if lstm else h[:0]), gates, logits, short, recent))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """All streams of several, copied, so that one may be there twice; a single one as it is.

        All remember as many symbols as the one that remembers most.
        """
        if len(parts) == 1:
            return parts[0]
        remembered = max(part.state.recent.shape[1] for part in parts)
        states = zip(*(_remembering(part.state, remembered) for part in parts), strict=True)
        return cls(parts[0].weights, kernels.State(*(np.concatenate(arrays, axis=-2) for arrays in states)))

    def select(self, rows: Sequence[int], remembered: int) -> Self:
        """Some of the streams in the order of `rows`, copied. remembered: as for `fresh`, from now on."""
        chosen = np.array(rows, np.int64)
        state = kernels.State(*(np.take(array, chosen, axis=-2) for array in self.state))
        return type(self)(self.weights, _remembering(state, remembered))

    def write(
        self, symbols: Array, chances: Array, allowed: Array, samplings: Array, alternatives: int = 0
    ) -> kernels.Steps:
        """Go on by symbols (N, S), filling in those that are -1; each stream by its own of samplings (S,).

        Of the K that are asked for as alternatives there are as many as there are symbols. See kernels.write.
        """
        places = (*symbols.shape, min(alternatives, len(self.weights.decoder_bias)))
        likeliest, their_nats = np.empty(places, np.int64), np.empty(places)
        steps = kernels.Steps(symbols, chances, np.empty(symbols.shape), likeliest, their_nats)

        def share(lo: int, hi: int) -> None:
            kernels.write(self.weights, self.state, allowed, samplings, steps, lo, hi)

        parallel.run(share, parallel.batch_blocks(symbols.shape[1]), aside=True)
        return steps


def _remembering(state: kernels.State, remembered: int) -> kernels.State:
    """The state with so many recent symbols: the oldest go, or there are none in their places."""
    count, width = state.recent.shape
    missing = np.full((count, max(0, remembered - width)), -1)
    return state._replace(recent=np.hstack([missing, state.recent[:, max(0, width - remembered) :]]))


def mean_nats(weights: kernels.Weights, lstm: bool, symbols: Array, lanes: int = 64) -> float:
    """Nats a symbol of a text, by the kernels that write: what int8 costs shows here.

    The text is read in lanes side by side, each warmed up on the WARM_UP symbols before its part; the first ones
    of all count in no lane.
    """
    length = (len(symbols) - WARM_UP) // lanes
    starts = np.arange(lanes) * length
    read = symbols[np.arange(WARM_UP + length)[:, None] + starts].astype(np.int64)
    allowed, samplings = np.ones(len(weights.decoder_bias), np.bool_), for_streams([SamplingOptions()] * lanes)
    steps = Streams.fresh(weights, lstm, lanes, 0).write(read, np.zeros(read.shape), allowed, samplings)
    return float(steps.nats[WARM_UP:].mean())
