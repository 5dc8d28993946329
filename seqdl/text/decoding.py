"""From the symbols that a model writes to text as it comes: whole characters, up to a stop string."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from seqdl.kernels.generation import Steps
from seqdl.text.vocabulary import Vocabulary

Alternatives = list[tuple[int, float]]  # symbols and their log-probabilities, likeliest first
Pushed = tuple[list[int], list[float], list[Alternatives]]  # symbols, their nats, and where asked for alternatives
_utf8 = codecs.getincrementaldecoder("utf-8")


@dataclass(frozen=True)
class Piece:
    """A piece of generated text, with its symbols and the log-probability (nats) of each under the model itself.

    alternatives: the likeliest symbols in the place of each, as many as were asked for; empty where none were.
    """

    text: str
    symbols: list[int]
    logprobs: list[float]
    alternatives: list[Alternatives] = field(default_factory=list)

    @classmethod
    def joined(cls, pieces: Iterable[Piece]) -> Piece:
        """All of them as one."""
        whole = cls("", [], [])
        texts = []
        for piece in pieces:
            texts.append(piece.text)
            whole.symbols.extend(piece.symbols)
            whole.logprobs.extend(piece.logprobs)
            whole.alternatives.extend(piece.alternatives)
        return cls("".join(texts), whole.symbols, whole.logprobs, whole.alternatives)


class TextDecoder:
    """Text for the symbols that are pushed. It does not depend on how they are cut into pushes.

    Bytes that end inside a character wait for the rest of it; at the end they go. Bytes that are not UTF-8 become
    U+FFFD. The text ends before the stop string that is complete first, the longest of several that are; what might
    be the beginning of one is held back. A piece has the symbols of its text and no others.
    """

    def __init__(self, vocabulary: Vocabulary, stop: Sequence[str] = ()) -> None:
        self.stopped = False
        self._vocabulary = vocabulary
        self._stop = [s for s in stop if s]
        self._bytes = _utf8(errors="replace")
        self._held = Piece("", [], [])  # and behind its text the symbols that wait for the rest of a character

    def push(
        self, symbols: Sequence[int], nats: Sequence[float], alternatives: Sequence[Alternatives] = ()
    ) -> Piece | None:
        """The text that is certain now, if there is any more. Once `stopped`, whatever comes is left out."""
        if self.stopped:
            return None
        text = self._held.text + self._bytes.decode(self._vocabulary.decode(symbols))
        logprobs = [*self._held.logprobs, *(-n for n in nats)]
        self._held = Piece(text, [*self._held.symbols, *symbols], logprobs, [*self._held.alternatives, *alternatives])
        ends = [(at + len(s), at) for s in self._stop if (at := text.find(s)) >= 0]
        if ends:
            self.stopped = True
            return self._given(min(ends)[1])
        begun = max((n for s in self._stop for n in range(1, len(s)) if text.endswith(s[:n])), default=0)
        return self._given(len(text) - begun) if len(text) > begun else None

    def end(self) -> Piece | None:
        """What was held back, when no more symbols follow."""
        return self._given(len(self._held.text)) if self._held.text and not self.stopped else None

    def _given(self, characters: int) -> Piece:
        """Take so many of the held ones."""
        held, count = self._held, self._symbols_of(characters)
        logprobs, alternatives = held.logprobs, held.alternatives
        self._held = Piece(held.text[characters:], held.symbols[count:], logprobs[count:], alternatives[count:])
        return Piece(held.text[:characters], held.symbols[:count], logprobs[:count], alternatives[:count])

    def _symbols_of(self, characters: int) -> int:
        """How many symbols the first so many held characters are."""
        text, symbols = self._held.text, self._held.symbols
        if characters == len(text):
            return len(symbols) - len(self._bytes.getstate()[0])  # of the symbols that wait, each is a byte
        decoder, length, count = _utf8(errors="replace"), 0, 0
        while length < characters:
            length += len(decoder.decode(self._vocabulary.decode(symbols[count : count + 1])))
            count += 1
        # One too many: a byte that ended what was no character, and is another one itself.
        return count - (1 if length > characters else len(decoder.getstate()[0]))


def of_stream(steps: Steps, stream: int, rows: slice = slice(None), alternatives: int | None = None) -> Pushed:
    """What a stream wrote in some of the steps, as TextDecoder takes it. alternatives: so many at most; None is all."""
    symbols, nats = steps.symbols[rows, stream].tolist(), steps.nats[rows, stream].tolist()
    likeliest = steps.likeliest[rows, stream, :alternatives]
    if likeliest.shape[1] == 0:
        return symbols, nats, []
    logprobs = (-steps.likeliest_nats[rows, stream, :alternatives]).tolist()
    pairs = zip(likeliest.tolist(), logprobs, strict=True)
    return symbols, nats, [list(zip(*place, strict=True)) for place in pairs]
