"""CharModel: a network, its vocabulary and what is known about it. Load once, use often."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from itertools import tee
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from seqdl import modelfile, parallel
from seqdl.errors import InputError, ModelFileError, UsageError
from seqdl.gates import Trace, trace
from seqdl.kernels import generation as kernels
from seqdl.nn.module import StateError
from seqdl.text.decoding import Piece, TextDecoder, of_stream
from seqdl.text.network import CELLS, CharNetwork
from seqdl.text.sampling import SamplingOptions, for_streams
from seqdl.text.scoring import Score, surprisal
from seqdl.text.streams import Streams, pack
from seqdl.text.vocabulary import Vocabulary, vocabulary_from

Array = np.ndarray
KIND = "text"
SHIPPED = "shakespeare"
CHUNK = 64  # symbols between two looks at stop strings; small, so that a stream flows
CHUNK_OF_MANY = 256  # where there are none: threads meet less often


class _Plan(NamedTuple):
    """How texts are written."""

    length: int  # in symbols
    options: SamplingOptions
    chunk: int  # symbols at a time
    alternatives: int


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
        alternatives: int = 0,
    ) -> Iterator[Piece]:
        """Continue `prompt` by at most `length` symbols, in pieces that never cut a UTF-8 character.

        Ends before the first of the `stop` strings. Without a prompt the text begins after a newline. The same
        seed gives the same text; without one it is drawn (`generate` cannot tell you which: draw it yourself).
        alternatives: how many of the likeliest symbols are told for each one written. UsageError where one of
        the two numbers is negative.
        """
        check_request(length, alternatives)
        plan = _Plan(length, options or SamplingOptions(), CHUNK, alternatives)
        chunks = self._chunks([prompt], [new_seed() if seed is None else seed], plan)
        return _pieces(chunks, TextDecoder(self.vocabulary, stop))

    def generate_many(
        self,
        prompts: Sequence[str | bytes],
        length: int = 200,
        *,
        seeds: Sequence[int] | None = None,
        options: SamplingOptions | None = None,
        stop: Sequence[str] = (),
        alternatives: int = 0,
    ) -> list[Piece]:
        """Continue each of the prompts by itself, side by side: several times faster than one after the other.

        Each Piece is all that `generate` gives for that prompt and that seed. Prompts of about one length are
        best, since none goes on before the longest is read. UsageError where seeds are not as many as prompts.
        """
        check_request(length, alternatives)
        seeds = [new_seed() for _ in prompts] if seeds is None else seeds
        if len(seeds) != len(prompts):
            raise UsageError(f"one seed for each prompt expected, got {len(seeds)} for {len(prompts)}")
        if not prompts:
            return []
        plan = _Plan(length, options or SamplingOptions(), CHUNK if any(stop) else CHUNK_OF_MANY, alternatives)
        chunks = self._chunks(prompts, seeds, plan)
        each = enumerate(tee(chunks, len(prompts)))
        return [Piece.joined(_pieces(own, TextDecoder(self.vocabulary, stop), s)) for s, own in each]

    def fresh_streams(self, count: int, remembered: int) -> Streams:
        """Streams that have read nothing yet; remembered: as for Streams.fresh."""
        return Streams.fresh(self._weights(), self.network.architecture["cell"] == "lstm", count, remembered)

    def read_symbols(self, prompt: str | bytes) -> Array:
        """The symbols (N,) int64 that are read before the first one is chosen: of a newline where there is no prompt.

        InputError for a prompt that is no Unicode text.
        """
        try:
            raw = prompt.encode() if isinstance(prompt, str) else prompt
        except UnicodeEncodeError as error:
            raise InputError(f"prompt: character {error.start} is half of a surrogate pair; leave it out") from error
        return self.vocabulary.encode(raw or b"\n").astype(np.int64)

    def _streams(self, prompts: Sequence[str | bytes], options: SamplingOptions) -> Streams:
        """One for each prompt, which it has read. Equal prompts are read once."""
        begun = {prompt: self.fresh_streams(1, options.remembered) for prompt in dict.fromkeys(prompts)}
        different = list(begun)
        allowed, samplings = self.vocabulary.allowed(), for_streams([options])

        def read(lo: int, hi: int) -> None:
            for prompt in different[lo:hi]:
                symbols = self.read_symbols(prompt)[:, None]
                begun[prompt].write(symbols, np.zeros(symbols.shape), allowed, samplings)

        parallel.run(read, parallel.batch_blocks(len(different)))
        return Streams.joined([begun[prompt] for prompt in prompts])

    def _chunks(self, prompts: Sequence[str | bytes], seeds: Sequence[int], plan: _Plan) -> Iterator[kernels.Steps]:
        """The steps of all texts, so many at a time. The prompts are read at once."""
        streams = self._streams(prompts, plan.options)
        draws = [np.random.default_rng(seed) for seed in seeds]
        allowed, samplings = self.vocabulary.allowed(), for_streams([plan.options] * len(draws))

        def steps(size: int) -> kernels.Steps:
            chances = np.column_stack([draw.random(size) for draw in draws])
            return streams.write(np.full(chances.shape, -1), chances, allowed, samplings, plan.alternatives)

        return (steps(min(plan.chunk, plan.length - start)) for start in range(0, plan.length, plan.chunk))

    def _weights(self) -> kernels.Weights:
        if self._packed is None:
            self._packed = pack(self.network, int8=self.card.get("quantised") == "int8")
        return self._packed

    def trace(self, text: str | bytes) -> Trace:
        """The gates and states of every layer while the network reads a text from its beginning.

        Where there is no text that of a newline, with which writing begins. InputError for what is no Unicode text.
        """
        symbols = self.read_symbols(text)
        characters = (self.vocabulary.decode([s]).decode(errors="backslashreplace") for s in symbols.tolist())
        return trace(self.network.rnn, symbols, characters)

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


def check_request(length: int, alternatives: int) -> None:
    if length < 0:
        raise UsageError(f"--length must not be negative, got {length}")
    if alternatives < 0:
        raise UsageError(f"alternatives must not be negative, got {alternatives}")


def _pieces(chunks: Iterator[kernels.Steps], decoder: TextDecoder, stream: int = 0) -> Iterator[Piece]:
    """The text of one stream."""
    for steps in chunks:
        piece = decoder.push(*of_stream(steps, stream))
        if piece is not None:
            yield piece
        if decoder.stopped:
            return
    last = decoder.end()
    if last is not None:
        yield last
