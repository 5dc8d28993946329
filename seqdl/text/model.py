"""CharModel: a network, its vocabulary and what is known about it. Load once, use often."""

from __future__ import annotations

import codecs
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import tee
from pathlib import Path
from typing import Any, Self

import numpy as np

from seqdl import modelfile, parallel
from seqdl.errors import InputError, ModelFileError, UsageError
from seqdl.kernels import generation as kernels
from seqdl.nn.module import StateError
from seqdl.text.network import CELLS, CharNetwork
from seqdl.text.sampling import SamplingOptions
from seqdl.text.scoring import Score, surprisal
from seqdl.text.streams import Streams, pack
from seqdl.text.vocabulary import Vocabulary, vocabulary_from

Array = np.ndarray
KIND = "text"
SHIPPED = "shakespeare"
CHUNK = 64  # symbols between two looks at stop strings; small, so that a stream flows
CHUNK_OF_MANY = 256  # where there are none: threads meet less often


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
    changes those of `network` afterwards makes a new CharModel of it. A model that was loaded from an int8 file
    writes with int8 weights, and scores with their values in float32.

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
        _check_length(length)
        options = options or SamplingOptions()
        seeds = [new_seed() if seed is None else seed]
        chunks = self._chunks(self._streams([prompt], options), length, seeds, options, CHUNK)
        return _pieces(chunks, 0, self.vocabulary, stop)

    def generate_many(
        self,
        prompts: Sequence[str | bytes],
        length: int = 200,
        *,
        seeds: Sequence[int] | None = None,
        options: SamplingOptions | None = None,
        stop: Sequence[str] = (),
    ) -> list[Piece]:
        """Continue each of the prompts by itself, side by side: several times faster than one after the other.

        Each Piece is all that `generate` gives for that prompt and that seed. Prompts of about one length are
        best, since none goes on before the longest is read. UsageError where seeds are not as many as prompts.
        """
        _check_length(length)
        seeds = [new_seed() for _ in prompts] if seeds is None else seeds
        if len(seeds) != len(prompts):
            raise UsageError(f"one seed for each prompt expected, got {len(seeds)} for {len(prompts)}")
        if not prompts:
            return []
        options = options or SamplingOptions()
        most = CHUNK if any(stop) else CHUNK_OF_MANY
        chunks = self._chunks(self._streams(prompts, options), length, seeds, options, most)
        each = enumerate(tee(chunks, len(prompts)))
        return [_joined(_pieces(own, s, self.vocabulary, stop)) for s, own in each]

    def _streams(self, prompts: Sequence[str | bytes], options: SamplingOptions) -> Streams:
        """One for each prompt, which it has read; without one it has read a newline. Equal prompts are read once."""
        weights, lstm = self._weights(), self.network.architecture["cell"] == "lstm"
        raw = [(prompt.encode() if isinstance(prompt, str) else prompt) or b"\n" for prompt in prompts]
        begun = {prompt: Streams.fresh(weights, lstm, 1, options.remembered) for prompt in dict.fromkeys(raw)}
        different = list(begun)

        def read(lo: int, hi: int) -> None:
            for prompt in different[lo:hi]:
                symbols = self.vocabulary.encode(prompt).astype(np.int64)[:, None]
                begun[prompt].write(symbols, np.zeros(symbols.shape), self.vocabulary.allowed(), options.for_kernel())

        parallel.run(read, parallel.batch_blocks(len(different)))
        return Streams.joined([begun[prompt] for prompt in raw])

    def _chunks(
        self, streams: Streams, length: int, seeds: Sequence[int], options: SamplingOptions, most: int
    ) -> Iterator[tuple[Array, Array]]:
        """Symbols (N, S) of all streams, and their nats; `most` symbols of each at a time."""
        draws = [np.random.default_rng(seed) for seed in seeds]
        allowed, sampling = self.vocabulary.allowed(), options.for_kernel()
        for start in range(0, length, most):
            size = min(most, length - start)
            symbols = np.full((size, len(draws)), -1)
            chances = np.empty((size, len(draws)))
            for s, draw in enumerate(draws):
                chances[:, s] = draw.random(size)
            yield symbols, streams.write(symbols, chances, allowed, sampling)

    def _weights(self) -> kernels.Weights:
        if self._packed is None:
            self._packed = pack(self.network, int8=self.card.get("quantised") == "int8")
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
    """The file meant: a run's folder means its best; nothing, or its name, means the shipped one."""
    if path is None or (os.fspath(path) == SHIPPED and not os.path.exists(path)):
        return Path(str(resources.files("seqdl") / "models" / f"{SHIPPED}.safetensors"))
    path = Path(path)
    return path / "best.safetensors" if path.is_dir() else path


def _check_length(length: int) -> None:
    if length < 0:
        raise UsageError(f"--length must not be negative, got {length}")


def _pieces(
    chunks: Iterator[tuple[Array, Array]], stream: int, vocabulary: Vocabulary, stop: Sequence[str]
) -> Iterator[Piece]:
    """The text of one stream."""
    own = ((symbols[:, stream], nats[:, stream]) for symbols, nats in chunks)
    pieces = _decoded(own, vocabulary)
    return _without_stops(pieces, stop) if any(stop) else pieces


def _joined(pieces: Iterator[Piece]) -> Piece:
    parts = list(pieces)
    if len(parts) == 1:
        return parts[0]
    symbols = [symbol for part in parts for symbol in part.symbols]
    return Piece("".join(part.text for part in parts), symbols, [p for part in parts for p in part.logprobs])


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
