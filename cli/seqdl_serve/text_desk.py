"""Texts of all requests to a model, written side by side: who comes joins in, who goes makes room."""

from __future__ import annotations

import time
from typing import cast

from seqdl.text import TextBatch
from seqdl_serve.messages import TextJob, TextPart
from seqdl_serve.models import Models
from seqdl_serve.outbox import Outbox

SLICE = 0.025  # seconds a turn should take: a stream flows, and who hangs up is noticed
FIRST = 16  # symbols in the turn after somebody joined: the first of them come soon
MOST = 1024


class TextDesk:
    """The jobs of one model."""

    def __init__(self, models: Models, name: str, outbox: Outbox) -> None:
        self.batch, self.outbox = TextBatch(models.texts[name]), outbox
        self.left: dict[int, set[int]] = {}  # of each job the texts that are not done
        self.symbols = FIRST

    @property
    def busy(self) -> bool:
        return len(self.batch) > 0

    def accept(self, number: int, job: TextJob) -> None:
        self.outbox.begin(number)
        self.left[number] = set()
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
                self.left[number].add(index)
        except Exception as error:
            self._end(number, error)
        self.symbols = FIRST

    def drop(self, number: int) -> None:
        for index in self.left.pop(number, ()):
            self.batch.drop((number, index))

    def turn(self) -> None:
        """Let all texts advance by about SLICE seconds."""
        asked, start = self.symbols, time.perf_counter()
        try:
            written = self.batch.step(asked)
        except Exception as error:
            for number in list(self.left):
                self._end(number, error)
            return
        taken = time.perf_counter() - start
        self.symbols = max(FIRST, min(MOST, 2 * asked, int(asked * SLICE / taken)))
        for each in written:
            number, index = cast(tuple[int, int], each.key)
            amount = 0 if each.piece is None or each.prompt else len(each.piece.symbols)
            self.outbox.part(number, TextPart(index, each.piece, each.prompt, each.ended), amount)
            if each.ended:
                self.left[number].discard(index)
                if not self.left[number]:
                    self._end(number)

    def _end(self, number: int, error: Exception | None = None) -> None:
        self.drop(number)
        self.outbox.end(number, error)
