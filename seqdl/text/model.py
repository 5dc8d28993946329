"""CharModel: a network, its vocabulary and what is known about it. Load once, use often."""

from __future__ import annotations

import codecs
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Self

import numpy as np

from seqdl import modelfile
from seqdl.errors import InputError, ModelFileError, UsageError
from seqdl.kernels import generation as kernels
from seqdl.kernels import product
from seqdl.nn.module import StateError
from seqdl.text.network import CELLS, CharNetwork
from seqdl.text.sampling import SamplingOptions
from seqdl.text.scoring import Score, surprisal
from seqdl.text.vocabulary import Vocabulary, vocabulary_from

Array = np.ndarray
KIND = "text"
SHIPPED = "shakespeare"
CHUNK = 16  # symbols between two looks at stop strings; small, so that a stream flows


@dataclass(frozen=True)
class Piece:
    """A piece of generated text, with its symbols and the log-probability (nats) of each under the model itself."""

    text: str
    symbols: list[int]
    logprobs: list[float]


@dataclass(eq=False)
class CharModel:
    """A character model. `card` is the metadata of its file: training, data, metrics.

    Several threads may generate and score with one model at once. The first `generate` packs the weights; who
    changes those of `network` afterwards makes a new CharModel of it.

    >>> model = CharModel.load()
    >>> "".join(piece.text for piece in model.generate("ROMEO:", length=5, seed=1)) != ""
    True
    """

    network: CharNetwork
    vocabulary: Vocabulary
    card: dict[str, Any] = field(default_factory=dict)
    _packed: kernels.Weights | None = field(default=None, repr=False)

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Self:
        """From a file, or from a run's folder (its best); without a path the model that ships with seqdl."""
        path = model_path(path)
        arrays, metadata = modelfile.load_model(path, KIND)
        try:
            vocabulary = vocabulary_from(metadata["vocabulary"])
            architecture = metadata["architecture"]
            if architecture["cell"] not in CELLS:
                raise ModelFileError(f"unknown cell {architecture['cell']!r}: upgrade seqdl")
            network = CharNetwork(vocabulary.size, **architecture)
            network.load_state_dict(arrays)
        except ModelFileError as error:
            raise ModelFileError(f"{path}: {error}") from error
        except (KeyError, TypeError, ValueError, StateError) as error:
            raise ModelFileError(f"{path}: damaged model file: {error}") from error
        return cls(network.eval(), vocabulary, metadata)

    def save(self, path: str | os.PathLike[str], scheme: str = "float32") -> None:
        """Write the model; scheme as in seqdl.modelfile.save_model."""
        modelfile.save_model(path, KIND, self.network.state_dict(), self.metadata(), scheme)

    def metadata(self) -> dict[str, Any]:
        """The card, with architecture and vocabulary: what stands in the model's file."""
        own = {"architecture": self.network.architecture, "vocabulary": self.vocabulary.metadata()}
        return self.card | own

    def generate(
        self,
        prompt: str | bytes = "",
        length: int = 200,
        *,
        seed: int | None = None,
        options: SamplingOptions | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[Piece]:
        """Continue `prompt` by at most `length` symbols, in pieces that never cut a UTF-8 character.

        Ends before the first of the `stop` strings. Without a prompt the text begins after a newline. The same
        seed gives the same text; without one it is drawn (`generate` cannot tell you which: draw it yourself).
        UsageError for a negative length.
        """
        if length < 0:
            raise UsageError(f"--length must not be negative, got {length}")
        options = options or SamplingOptions()
        raw = prompt.encode() if isinstance(prompt, str) else prompt
        begun = self.vocabulary.encode(raw or b"\n")
        draw = np.random.default_rng(new_seed() if seed is None else seed)
        return _without_stops(_decoded(self._chunks(begun, length, draw, options), self.vocabulary), stop)

    def _chunks(
        self, begun: Array, length: int, draw: np.random.Generator, options: SamplingOptions
    ) -> Iterator[tuple[Array, Array]]:
        weights = self._weights()
        h = np.zeros((len(weights.weight_hh), weights.weight_hh.shape[2]), weights.weight_hh.dtype)
        c = np.zeros_like(h if self.network.architecture["cell"] == "lstm" else h[:0])
        logits = np.empty_like(weights.decoder_bias)
        kernels.read(weights, begun.astype(np.int64), h, c, logits)
        recent = np.full(options.repeat_last_n, -1, np.int64)
        known = begun[len(begun) - min(len(begun), len(recent)) :]
        recent[len(recent) - len(known) :] = known
        for start in range(0, length, CHUNK):
            size = min(CHUNK, length - start)
            symbols, nats = np.empty(size, np.int64), np.empty(size)
            kernels.write(
                weights, h, c, logits, self.vocabulary.allowed(), options.for_kernel(),
                recent, draw.random(size), symbols, nats,
            )  # fmt: skip
            yield symbols, nats

    def _weights(self) -> kernels.Weights:
        if self._packed is None:
            self._packed = pack(self.network)
        return self._packed

    def score(self, text: str | bytes, lanes: int | None = None) -> Score:
        """How surprised the model is by a text of at least two symbols (InputError); lanes as for surprisal."""
        symbols = self.vocabulary.encode(text.encode() if isinstance(text, str) else text)
        if len(symbols) < 2:
            raise InputError(f"scoring needs two symbols at least, the text has {len(symbols)}")
        return Score(
            symbols,
            surprisal(self.network, symbols, lanes),
            len(self.vocabulary.decode(symbols[1:].tolist())),
            self.vocabulary.unknown_share(symbols),
        )


def new_seed() -> int:
    """A seed that nobody chose, small enough to type."""
    return secrets.randbelow(1 << 32)


def model_path(path: str | os.PathLike[str] | None) -> Path:
    """The file meant: a run's folder means its best, nothing means the shipped one."""
    if path is None:
        return Path(str(resources.files("seqdl") / "models" / f"{SHIPPED}.safetensors"))
    path = Path(path)
    return path / "best.safetensors" if path.is_dir() else path


def pack(network: CharNetwork) -> kernels.Weights:
    """Lay out a network's weights as the generation kernels read them."""
    rnn, decoder = network.rnn, network.decoder
    assert decoder.bias is not None  # CharNetwork makes it with one

    def each_layer(name: str) -> list[Array]:
        return [getattr(rnn, f"{name}_l{k}").data for k in range(rnn.num_layers)]

    recurrent = np.stack([product.pack(w.T) for w in each_layer("weight_hh")])
    above = [product.pack(w.T) for w in each_layer("weight_ih")[1:]]
    return kernels.Weights(
        np.ascontiguousarray(rnn.weight_ih_l0.data.T + rnn.bias_ih_l0.data),
        np.stack([np.zeros_like(recurrent[0]), *above]),
        recurrent,
        np.stack(each_layer("bias_ih")),
        np.stack(each_layer("bias_hh")),
        product.pack(decoder.weight.data.T),
        decoder.bias.data[None],
    )


def _decoded(chunks: Iterator[tuple[Array, Array]], vocabulary: Vocabulary) -> Iterator[Piece]:
    """Text for the symbols. Bytes that end inside a character wait for the rest of it; at the end they go.

    Bytes that are not UTF-8 become U+FFFD.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    symbols: list[int] = []
    nats: list[float] = []
    for chunk, losses in chunks:
        symbols += chunk.tolist()
        nats += losses.tolist()
        text = decoder.decode(vocabulary.decode(chunk.tolist()))
        if not decoder.getstate()[0]:
            yield Piece(text, symbols, [-n for n in nats])
            symbols, nats = [], []
        elif text:
            waiting = len(decoder.getstate()[0])
            yield Piece(text, symbols[:-waiting], [-n for n in nats[:-waiting]])
            symbols, nats = symbols[-waiting:], nats[-waiting:]


def _without_stops(pieces: Iterator[Piece], stop: Sequence[str]) -> Iterator[Piece]:
    """Hold text back while it might be the beginning of a stop string; end before the first that is complete.

    The piece in which the text ends keeps the symbols and log-probabilities of all that was generated in it.
    """
    held = Piece("", [], [])
    for piece in pieces:
        held = Piece(held.text + piece.text, held.symbols + piece.symbols, held.logprobs + piece.logprobs)
        found = [at for at in (held.text.find(s) for s in stop if s) if at >= 0]
        if found:
            yield Piece(held.text[: min(found)], held.symbols, held.logprobs)
            return
        if not any(held.text.endswith(s[:n]) for s in stop for n in range(1, len(s))):
            yield held
            held = Piece("", [], [])
    if held.text:
        yield held
