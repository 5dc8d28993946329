"""The way of a job's results to the server, which holds back a job whose client does not take them."""

from __future__ import annotations

import logging
from multiprocessing.connection import Connection
from typing import Any

from seqdl_data.errors import SeqdlError, TooLargeError
from seqdl_serve.messages import WINDOW, Begun, End, Failure, Part, Several

logger = logging.getLogger("seqdl.serve.compute")


class NotWanted(Exception):
    """Nobody waits any more for what is being computed."""


class Outbox:
    """Sends what the jobs give, and knows which jobs are wanted.

    What one turn of all desks gives goes as one message: each wakes the server's threads and its loop.
    """

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe
        self.on_the_way: dict[int, int] = {}
        self.waiting: list[Any] = []

    def begin(self, number: int) -> None:
        self.on_the_way[number] = 0
        self.waiting.append(Begun(number))

    def taken(self, number: int, parts: int) -> None:
        if number in self.on_the_way:
            self.on_the_way[number] -= parts

    def drop(self, number: int) -> None:
        self.on_the_way.pop(number, None)

    def wanted(self, number: int) -> bool:
        """Whether somebody waits for what a job gives, which has begun and not ended."""
        return number in self.on_the_way

    def flows(self, number: int) -> bool:
        """Whether the client takes what it is given, so that there should be more."""
        return self.on_the_way.get(number, WINDOW) < WINDOW

    def part(self, number: int, data: Any, amount: int) -> None:
        if number in self.on_the_way:
            self.on_the_way[number] += 1
            self.waiting.append(Part(number, data, amount))

    def end(self, number: int, error: Exception | None = None) -> None:
        """The job is done, or has failed: by its input, or by a fault of ours, which is logged."""
        if self.on_the_way.pop(number, None) is not None:
            self.waiting.append(End(number, None if error is None else failure(error)))

    def send(self) -> None:
        """Send what waits."""
        if self.waiting:
            self.pipe.send(Several(self.waiting))
            self.waiting = []


def failure(error: Exception) -> Failure:
    if isinstance(error, TooLargeError):
        return Failure("too_large", str(error))
    if isinstance(error, SeqdlError):
        return Failure("invalid_input", str(error))
    if not isinstance(error, FileNotFoundError):  # else its client hung up a moment ago: the files went with it
        logger.error("a job failed", exc_info=error)
    return Failure("internal", "this is a fault of the server; its log says more")
