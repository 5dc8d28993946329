"""Texts of all requests to a model, written side by side: who comes joins in, who goes makes room."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import cast

from seqdl.text import Piece, TextBatch, Written
from seqdl_serve.messages import TextJob, TextPart
from seqdl_serve.models import Models
from seqdl_serve.outbox import Outbox

SLICE = 0.025  # seconds a turn should take: who joins waits for its end, and who hangs up is noticed then
FIRST = 0.004  # seconds of the turn after somebody joined: the first characters come soon
EVERY = 0.025  # seconds between two parts of a text: a stream flows, and parts cost the server more than characters
LEAST, MOST = 16, 1024  # symbols in a turn


@dataclass
class _Text:
    """What one text has brought and nobody has been told. due: when that is to be sent; the first of it at once."""

    prompt: list[Piece] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    due: float = 0.0


class TextDesk:
    """The jobs of one model."""

    def __init__(self, models: Models, name: str, outbox: Outbox) -> None:
        self.batch, self.outbox = TextBatch(models.texts[name]), outbox
        self.texts: dict[int, dict[int, _Text]] = {}  # of each job those that are not done
        self.joined = False
        self.symbols = LEAST  # in the last turn
        self.speed = 0.0  # symbols a second, of all texts together

    @property
    def busy(self) -> bool:
        return len(self.batch) > 0

    def accept(self, number: int, job: TextJob) -> None:
        self.outbox.begin(number)
        texts = self.texts[number] = {}
        try:
            for index, (prompt, seed) in enumerate(zip(job.prompts, job.seeds, strict=True)):
                self.batch.add(
                    (number, index),
                    prompt,
                    job.length,
                    seed=seed,
                    options=job.options,
                    stop=job.stop,
                    alternatives=job.alternatives,
                    echo=job.echo,
                )
                texts[index] = _Text()
        except Exception as error:
            self._end(number, error)
        self.joined = True

    def drop(self, number: int) -> None:
        for index in self.texts.pop(number, {}):
            self.batch.drop((number, index))

    def turn(self) -> None:
        """Let all texts advance by about SLICE seconds."""
        side_by_side, start = len(self.batch), time.perf_counter()
        self.symbols = self._worth(FIRST if self.joined else SLICE, side_by_side)
        self.joined = False
        try:
            written = self.batch.step(self.symbols)
        except Exception as error:
            for number in list(self.texts):
                self._end(number, error)
            return
        now = time.perf_counter()
        self.speed = self.symbols * side_by_side / (now - start)
        for new in written:
            number, index = cast(tuple[int, int], new.key)  # as `accept` made it
            self._tell(number, index, new, now)

    def _worth(self, seconds: float, side_by_side: int) -> int:
        """Symbols of each text in so many seconds, by the last turn; no sudden step up, as that was of other texts."""
        return max(LEAST, min(MOST, 2 * self.symbols, int(seconds * self.speed / side_by_side)))

    def _tell(self, number: int, index: int, new: Written, now: float) -> None:
        """Send what a text has brought, if it is time."""
        text = self.texts[number][index]
        if new.piece is not None:
            (text.prompt if new.prompt else text.pieces).append(new.piece)
        if not new.ended and now < text.due:
            return
        if text.prompt:
            self.outbox.part(number, TextPart(index, Piece.joined(text.prompt), True, ""), 0)
        if text.pieces or new.ended:
            piece = Piece.joined(text.pieces)
            self.outbox.part(number, TextPart(index, piece, False, new.ended), len(piece.symbols))
        self.texts[number][index] = _Text(due=now + EVERY)
        if new.ended:
            del self.texts[number][index]
            if not self.texts[number]:
                self._end(number)

    def _end(self, number: int, error: Exception | None = None) -> None:
        self.drop(number)
        self.outbox.end(number, error)
