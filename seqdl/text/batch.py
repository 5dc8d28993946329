"""Texts that are written side by side, and that come and go while the others are written."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from seqdl.errors import UsageError
from seqdl.kernels.generation import Steps
from seqdl.text.decoding import Piece, TextDecoder, of_stream
from seqdl.text.model import CharModel, check_request
from seqdl.text.sampling import SamplingOptions, for_streams
from seqdl.text.streams import Streams

Array = np.ndarray
SURPLUS = 8  # symbols that may be written beyond the end of a text: they cost less than another call of the kernel


@dataclass(frozen=True)
class Written:
    """What a step brought to one text: a piece of it, or of its prompt, or its end, or the last piece and the end."""

    key: Hashable
    piece: Piece | None
    prompt: bool = False  # the piece belongs to the prompt, which is echoed
    ended: str = ""  # "stop" or "length" with the last that is said of a text


@dataclass
class _Text:
    """One of the texts. The prompt is read like what is written, one symbol at a step."""

    read: Array  # (P,) the prompt's symbols
    length: int  # symbols to be written
    draw: np.random.Generator
    options: SamplingOptions
    alternatives: int
    decoder: TextDecoder
    echo: TextDecoder | None
    at: int = 0  # symbols read and written
    row: int | None = None  # among the streams; None before the first step
    of_prompt: list[Piece] = field(default_factory=list)  # of this step
    pieces: list[Piece] = field(default_factory=list)

    @property
    def left(self) -> int:
        return len(self.read) + self.length - self.at

    @property
    def ended(self) -> str:
        return "stop" if self.decoder.stopped else "length" if self.left == 0 else ""

    def next_ones(self, symbols: Array, chances: Array) -> None:
        """Fill in, for the next steps, symbols (N,) to be read, and chances (N,) for those to be chosen."""
        ahead = self.read[self.at : self.at + len(symbols)]
        symbols[: len(ahead)] = ahead
        chances[len(ahead) :] = self.draw.random(len(symbols) - len(ahead))

    def take(self, steps: Steps, stream: int) -> None:
        """Decode what was read and written in these steps; what is beyond the end is thrown away."""
        count = min(len(steps.symbols), self.left)
        ahead = min(count, max(0, len(self.read) - self.at))
        self.at += count
        if self.echo is not None and ahead > 0:
            _push(self.echo, steps, stream, slice(ahead), self.alternatives, self.of_prompt)
        if count > ahead:
            _push(self.decoder, steps, stream, slice(ahead, count), self.alternatives, self.pieces)
        if self.left == 0:
            rest = self.decoder.end()
            self.pieces += [] if rest is None else [rest]

    def said(self, key: Hashable) -> Iterator[Written]:
        """What is new since the last time."""
        if self.of_prompt:
            yield Written(key, Piece.joined(self.of_prompt), prompt=True)
        if self.pieces or self.ended:
            yield Written(key, Piece.joined(self.pieces) if self.pieces else None, ended=self.ended)
        self.of_prompt, self.pieces = [], []


class TextBatch:
    """Texts of one model that advance together, each a symbol at a step, several times faster than one by one.

    Each is the text that `CharModel.generate` gives for its prompt, seed and options, whatever is written beside it
    and however large the steps are. A prompt is read in the steps in which others are written, so that a long one
    holds nobody up. Only one thread at a time may use a batch.

    >>> batch = TextBatch(CharModel.load())
    >>> batch.add("a", "ROMEO:", 5, seed=1)
    >>> batch.add("b", "JULIET:", 9, seed=2)
    >>> [(new.key, new.ended) for new in batch.step(12)], len(batch)
    ([('a', 'length'), ('b', '')], 1)
    """

    def __init__(self, model: CharModel) -> None:
        self._model = model
        self._allowed = model.vocabulary.allowed()
        self._texts: dict[Hashable, _Text] = {}  # in the order of their rows, new ones behind
        self._streams = model.fresh_streams(0, 0)
        self._samplings = for_streams([])
        self._changed = False

    def __len__(self) -> int:
        """How many texts have not ended."""
        return len(self._texts)

    def add(
        self,
        key: Hashable,
        prompt: str | bytes,
        length: int,
        *,
        seed: int,
        options: SamplingOptions | None = None,
        stop: Sequence[str] = (),
        alternatives: int = 0,
        echo: bool = False,
    ) -> None:
        """Begin a text at the next step; all but key and echo as for `CharModel.generate`.

        key: by which the text is known until it has ended. echo: the prompt's symbols are told too. The first of
        these has read nothing before it, so that all symbols are as likely in its place. UsageError for a negative
        length or seed, and for a key that is in use; InputError for a prompt that the vocabulary cannot read.
        """
        check_request(length, alternatives)
        if seed < 0:
            raise UsageError(f"--seed must not be negative, got {seed}")
        if key in self._texts:
            raise UsageError(f"the key {key!r} is in use by a text that has not ended")
        vocabulary = self._model.vocabulary
        self._texts[key] = _Text(
            self._model.read_symbols(prompt),
            length,
            np.random.default_rng(seed),
            options or SamplingOptions(),
            alternatives,
            TextDecoder(vocabulary, stop),
            TextDecoder(vocabulary) if echo and prompt else None,
        )
        self._changed = True

    def drop(self, key: Hashable) -> None:
        """Forget a text; nothing where it has ended."""
        self._changed |= self._texts.pop(key, None) is not None

    def step(self, symbols: int) -> list[Written]:
        """Let every text go on by so many symbols, or to its end, and tell what is new.

        Of one text that is at most a piece of the prompt and then one of its own. A text that has ended is forgotten.
        """
        met = dict(self._texts)
        left = symbols
        while left > 0 and self._texts:
            self._settle()
            size = min(left, max(SURPLUS, min(text.left for text in self._texts.values())))
            self._advance(size)
            left -= size
        return [new for key, text in met.items() for new in text.said(key)]

    def _settle(self) -> None:
        """Give each text a row of the streams; the others lose theirs."""
        if not self._changed:
            return
        texts = list(self._texts.values())
        remembered = max(text.options.remembered for text in texts)
        rows = [text.row for text in texts if text.row is not None]
        old = self._streams.select(rows, remembered)
        new = self._model.fresh_streams(len(texts) - len(rows), remembered)
        self._streams = Streams.joined([old, new])
        self._samplings = for_streams([text.options for text in texts])
        for row, text in enumerate(texts):
            text.row = row
        self._changed = False

    def _advance(self, size: int) -> None:
        """So many steps of all texts. Those that end in them are forgotten."""
        texts = self._texts.values()
        symbols, chances = np.full((size, len(texts)), -1), np.zeros((size, len(texts)))
        for row, text in enumerate(texts):
            text.next_ones(symbols[:, row], chances[:, row])
        most = max(text.alternatives for text in texts)
        steps = self._streams.write(symbols, chances, self._allowed, self._samplings, most)
        for row, text in enumerate(texts):
            text.take(steps, row)
        for key in [key for key, text in self._texts.items() if text.ended]:
            self.drop(key)


def _push(decoder: TextDecoder, steps: Steps, stream: int, rows: slice, alternatives: int, pieces: list[Piece]) -> None:
    piece = decoder.push(*of_stream(steps, stream, rows, alternatives))
    if piece is not None:
        pieces.append(piece)
