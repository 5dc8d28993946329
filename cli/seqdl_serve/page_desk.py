"""Pictures read one page after the other; while one is read, the other desks have their turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

from seqdl.errors import InputError
from seqdl_data.pictures import open_pages
from seqdl_serve.messages import PagesJob
from seqdl_serve.models import Models
from seqdl_serve.outbox import NotWanted, Outbox, failure
from seqdl_serve.settings import Limits
from seqdl_vision import Reading, ReadOptions, annotate, document, read_page


class PageDesk:
    """The pictures of all requests; `meanwhile` is called every few milliseconds while a page is read."""

    def __init__(self, models: Models, limits: Limits, outbox: Outbox, meanwhile: Callable[[], None]) -> None:
        self.models, self.limits, self.outbox, self.meanwhile = models, limits, outbox, meanwhile
        self.waiting: dict[int, PagesJob] = {}
        self.answers: dict[int, Iterator[tuple[Any, int]]] = {}  # of each job that has begun
        self.reading: int | None = None

    @property
    def busy(self) -> bool:
        return any(number not in self.answers or self.outbox.flows(number) for number in self.waiting)

    def accept(self, number: int, job: PagesJob) -> None:
        self.waiting[number] = job

    def drop(self, number: int) -> None:
        self.waiting.pop(number, None)
        if number != self.reading:  # that one ends itself at its next tick
            self.answers.pop(number, None)

    def turn(self) -> None:
        """The next page of the first job whose client takes what it is given."""
        for number, job in list(self.waiting.items()):
            if number not in self.answers:
                self.outbox.begin(number)
                self.outbox.send()
                self.answers[number] = self._read(number, job)
            elif not self.outbox.flows(number):
                continue
            self.reading = number
            try:
                answer, amount = next(self.answers[number], (None, 0))
            except NotWanted:
                answer, amount = None, 0
            except Exception as error:
                self.outbox.end(number, error)
                answer, amount = None, 0
            self.reading = None
            if answer is None:
                self.drop(number)
                self.outbox.end(number)
            else:
                self.outbox.part(number, answer, amount)
            return

    def _read(self, number: int, job: PagesJob) -> Iterator[tuple[Any, int]]:
        """What is answered for each page, and how many characters it has."""

        def tick() -> None:
            self.meanwhile()
            if number not in self.waiting:
                raise NotWanted

        letters = self.models.letters[job.model]
        options = ReadOptions(psm=job.psm, min_confidence=job.min_confidence, unknown=job.unknown)
        for path, name in job.pictures:
            page = 1
            try:
                for picture in open_pages(path, max_pixels=self.limits.pixels):
                    tick()
                    page = picture.page
                    read = read_page(picture.pixels, letters, options, tick=tick)
                    reading = Reading(name, page, picture.pages, read, picture.pixels)
                    yield _answer(reading, job.form), len(read.characters)
                    if job.form == "png":
                        return
            except InputError as error:
                if len(job.pictures) == 1 and page == 1:
                    raise type(error)(str(error).replace(path, name)) from error
                problem = failure(type(error)(str(error).replace(path, name)))
                yield {"picture": name, "page": page, "error": {"message": problem.message, "code": problem.code}}, 0


def _answer(reading: Reading, form: str) -> Any:
    if form != "png":
        return document(reading)
    assert reading.photo is not None
    target = BytesIO()
    annotate(reading.photo, reading.result()).save(target, "PNG")
    return target.getvalue()
