"""The compute process: everything that takes time happens here, on one thread that goes round the desks.

The server's process holds the other end of the pipe. When that is closed, this process ends; nothing else ends it,
Ctrl-C and SIGTERM are for the server alone.
"""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from seqdl.errors import SeqdlError
from seqdl.parallel import set_num_threads
from seqdl_serve.letter_desk import LetterDesk
from seqdl_serve.logs import log_to_stderr
from seqdl_serve.messages import Dropped, Job, LetterJob, PagesJob, Ready, ScanJob, Start, Stop, Taken, TextJob, Unable
from seqdl_serve.models import Models
from seqdl_serve.outbox import Outbox
from seqdl_serve.page_desk import PageDesk
from seqdl_serve.scan_desk import ScanDesk
from seqdl_serve.settings import Settings
from seqdl_serve.text_desk import TextDesk
from seqdl_serve.warm import warm

TURN = 0.005  # seconds between two looks at the other desks, while a page is read


def main(pipe: Connection, settings: Settings) -> None:
    """Load the models, compile what they need, then work until the pipe is closed."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    log = log_to_stderr(quiet=True)
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the server is gone
        _work(pipe, settings)
    log.close()


def _work(pipe: Connection, settings: Settings) -> None:
    if settings.threads:
        set_num_threads(settings.threads)
    try:
        models = Models.load(settings.models)
        warm(models)
    except SeqdlError as error:
        pipe.send(Unable(str(error), error.exit_code))
        return
    pipe.send(Ready(models.describe()))
    Worker(pipe, models, settings).run()


class Worker:
    """The desks, and the way of a message to the right one."""

    def __init__(self, pipe: Connection, models: Models, settings: Settings) -> None:
        self.pipe, limits = pipe, settings.limits
        self.outbox = Outbox(pipe)
        self.texts = {name: TextDesk(models, name, self.outbox) for name in models.texts}
        self.letters = LetterDesk(models, limits, self.outbox, self._meanwhile)
        self.scans = ScanDesk(models, limits, self.outbox, self._meanwhile)
        self.pages = PageDesk(models, limits, self.outbox, self._meanwhile)
        self.desks: dict[int, Any] = {}  # of each job
        self.quick: list[Any] = [*self.texts.values(), self.letters, self.scans]
        self.inside: list[Any] = []  # desks whose turn it is, each but the first in the middle of another's
        self.looked = 0.0
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            self._receive(wait=not any(desk.busy for desk in (*self.quick, self.pages)))
            self._turns()
            if self.pages.busy:
                self.pages.turn()
                self.outbox.send()

    def _meanwhile(self) -> None:
        if time.perf_counter() - self.looked < TURN:
            return
        self._receive(wait=False)
        self._turns()
        self.looked = time.perf_counter()

    def _turns(self) -> None:
        for desk in self.quick:
            if desk.busy and desk not in self.inside:
                self.inside.append(desk)
                try:
                    desk.turn()
                finally:
                    self.inside.remove(desk)
        self.outbox.send()

    def _receive(self, wait: bool) -> None:
        """Take in all that the server has sent, and tell it what has begun: should a job end this process, then that
        job is not given to the next one."""
        while self.pipe.poll(None if wait else 0):
            message, wait = self.pipe.recv(), False
            if isinstance(message, Start):
                self._accept(message.number, message.job)
            elif isinstance(message, Taken):
                self.outbox.taken(message.number, message.parts)
            elif isinstance(message, Stop):
                self.stopped = True
            elif isinstance(message, Dropped):
                self.outbox.drop(message.number)
                desk = self.desks.pop(message.number, None)
                if desk is not None:  # else it was a job of a process that died
                    desk.drop(message.number)
        self.outbox.send()

    def _accept(self, number: int, job: Job) -> None:
        desk = self._desk(job)
        self.desks[number] = desk
        desk.accept(number, job)

    def _desk(self, job: Job) -> Any:
        if isinstance(job, TextJob):
            return self.texts[job.model]
        if isinstance(job, ScanJob):
            return self.scans
        if isinstance(job, PagesJob):
            return self.pages
        assert isinstance(job, LetterJob)
        return self.letters
