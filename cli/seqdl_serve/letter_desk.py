"""Single characters of all requests, brought into the model's form and judged together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from seqdl_data.glyphs import fit_all
from seqdl_data.pictures import open_picture
from seqdl_serve.messages import LetterJob
from seqdl_serve.models import Models
from seqdl_serve.outbox import NotWanted, Outbox
from seqdl_serve.settings import Limits
from seqdl_vision.page.ink import find_ink

Array = np.ndarray
SCHEMA = "seqdl.character/1"
SURE = 0.5
SHOWN = 5
DIGITS = 4  # of a probability, after the point
TOGETHER = 64
SLICE = 0.02  # seconds for pictures to be opened in a turn


class LetterDesk:
    """The characters that wait; `meanwhile` is called every few milliseconds while a picture of one is looked at."""

    def __init__(self, models: Models, limits: Limits, outbox: Outbox, meanwhile: Callable[[], None]) -> None:
        self.models, self.limits, self.outbox, self.meanwhile = models, limits, outbox, meanwhile
        self.waiting: dict[int, LetterJob] = {}

    @property
    def busy(self) -> bool:
        return bool(self.waiting)

    def accept(self, number: int, job: LetterJob) -> None:
        self.outbox.begin(number)
        self.waiting[number] = job

    def drop(self, number: int) -> None:
        self.waiting.pop(number, None)

    def turn(self) -> None:
        """Judge those that wait, of each model together."""
        end = time.perf_counter() + SLICE
        inks: dict[str, dict[int, Array]] = {}
        for number, job in list(self.waiting.items())[:TOGETHER]:
            if time.perf_counter() > end:
                break
            if self.waiting.pop(number, None) is None:
                continue  # dropped while another was looked at
            try:
                inks.setdefault(job.model, {})[number] = self._ink(number, job)
            except NotWanted:
                pass
            except Exception as error:
                self.outbox.end(number, error)
        for model, found in inks.items():
            self._judge(model, found)

    def _ink(self, number: int, job: LetterJob) -> Array:
        def tick() -> None:
            self.meanwhile()
            if not self.outbox.wanted(number):
                raise NotWanted

        if not job.path:
            return np.array(job.pixels, np.uint8)
        return find_ink(open_picture(job.path, max_pixels=self.limits.pixels).pixels, tick=tick).grey

    def _judge(self, model: str, inks: dict[int, Array]) -> None:
        letters = self.models.letters[model]
        try:
            images = fit_all(inks.values())
            chances = letters.probabilities(images)
        except Exception as error:
            for number in inks:
                self.outbox.end(number, error)
            return
        for number, image, row in zip(inks, images, chances, strict=True):
            self.outbox.part(number, character(model, letters.labels, image, row), 1)
            self.outbox.end(number)


def character(model: str, labels: tuple[str, ...], image: Array, chances: Array) -> dict[str, Any]:
    """What is known of one picture (28, 28) uint8, as a JSON document; no ink is no character."""
    order = np.argsort(-chances, kind="stable")[:SHOWN]
    alternatives = [("/".join(labels[k]), round(float(chances[k]), DIGITS)) for k in order]
    best, chance = alternatives[0] if image.any() else ("", 1.0)
    return {
        "schema": SCHEMA,
        "model": model,
        "text": best,
        "confidence": chance,
        "sure": bool(best) and chance >= SURE,
        "alternatives": alternatives if image.any() else [],
        "seen": image.tolist(),
    }
