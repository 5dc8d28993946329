"""The server's side of the compute process: jobs go out, their parts come in, and a process that dies is replaced."""

from __future__ import annotations

import asyncio
import itertools
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from seqdl.errors import SeqdlError
from seqdl_serve.errors import failed, overloaded, unavailable
from seqdl_serve.messages import (
    WINDOW,
    Begun,
    Dropped,
    End,
    Failure,
    Job,
    Part,
    Ready,
    Several,
    Start,
    Stop,
    Taken,
    Unable,
)
from seqdl_serve.settings import Settings
from seqdl_serve.worker import main

logger = logging.getLogger("seqdl.serve")
AGAIN = 0.5  # seconds before a process that died is replaced; twice as long each time it dies before it was ready
LONGEST = 30.0
PATIENCE = 5.0  # seconds for the process to end
DIED = Failure("worker_died", "the compute process ended; it is started again: send the request again")


class Running:
    """A job that was taken on: its parts as they come. It must be closed, which stops the work on it."""

    def __init__(self, compute: Compute, number: int, job: Job) -> None:
        self.compute, self.number, self.job = compute, number, job
        self.begun = False
        self.arrived: asyncio.Queue[Part | End] = asyncio.Queue()
        self.ended = False
        self.taken = 0  # parts that the process has not been told of

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        """The data of the next part; ApiError where the job failed."""
        if self.ended:
            raise StopAsyncIteration
        message = await self.arrived.get()
        if isinstance(message, End):
            self.ended = True
            if message.failure is not None:
                raise failed(message.failure)
            raise StopAsyncIteration
        self._took_one()
        return message.data

    def _took_one(self) -> None:
        """Tell the process, before it has to wait."""
        self.taken += 1
        if self.taken == WINDOW // 2:
            self.compute.tell(Taken(self.number, self.taken))
            self.taken = 0

    def close(self) -> None:
        self.ended = True
        self.compute.forget(self)


class Compute:
    """The compute process. All but the two threads at the pipe belongs to the event loop.

    count: told of each part, by its job and amount. models: what GET /v1/models says, from the first readiness on.
    """

    def __init__(self, settings: Settings, count: Callable[[Job, int], None] = lambda job, amount: None) -> None:
        self.settings, self.count = settings, count
        self.models: list[dict[str, Any]] = []
        self.ready = False
        self.error: SeqdlError | None = None  # why it will never be ready
        self.gave_up: Callable[[], None] = lambda: None  # called then
        self.restarts = 0
        self.jobs: dict[int, Running] = {}
        self.process: Any = None
        self._numbers = itertools.count(1)
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._closed = False
        self._pause = AGAIN

    # A job's life

    def submit(self, job: Job) -> Running:
        """Take on a job; ApiError 429 where too many wait, 503 where the process cannot start."""
        if self.error is not None:
            raise unavailable(str(self.error))
        if len(self.jobs) >= self.settings.limits.queue:
            raise overloaded(len(self.jobs))
        running = Running(self, next(self._numbers), job)
        self.jobs[running.number] = running
        if self.ready:
            self.tell(Start(running.number, job))
        return running

    def forget(self, running: Running) -> None:
        if self.jobs.pop(running.number, None) is not None:
            self.tell(Dropped(running.number))

    def tell(self, message: Any) -> None:
        self._outgoing.put(message)

    @property
    def waiting(self) -> int:
        return sum(not running.begun for running in self.jobs.values())

    # The process's life

    def start(self) -> None:
        """Begin a process; it is ready some seconds later."""
        context = get_context("spawn")  # a fork would take the threads' locks along as they are
        try:
            ours, theirs = context.Pipe()
            self.process = context.Process(target=main, args=(theirs, self.settings), name="seqdl-compute", daemon=True)
            self.process.start()
        except OSError as error:  # too many files or processes at the moment
            logger.error("the compute process cannot be started: %s", error)
            self._start_later()
            return
        theirs.close()
        self._outgoing = queue.SimpleQueue()
        loop = asyncio.get_running_loop()
        threading.Thread(target=_send, args=(ours, self._outgoing), daemon=True).start()
        threading.Thread(target=self._listen, args=(ours, loop), daemon=True).start()

    async def stop(self) -> None:
        """End the process; what still runs fails."""
        self._closed = True
        self.tell(Stop())
        process = self.process
        if process is not None and process.pid is not None:
            await asyncio.to_thread(process.join, PATIENCE)
        self.kill()

    def kill(self) -> None:
        """End the process at once."""
        self._closed = True
        if self.process is not None and self.process.pid is not None:
            self.process.kill()
            self.process.join()

    def _listen(self, pipe: Connection, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: hand over what comes, until the process is gone."""
        with suppress(EOFError, OSError):
            while True:
                message = pipe.recv()
                loop.call_soon_threadsafe(self._take, message)
        with suppress(RuntimeError):  # the loop is closed: so is the server
            loop.call_soon_threadsafe(self._died)

    def _take(self, message: Any) -> None:
        if isinstance(message, Ready):
            self.models, self.ready, self._pause = message.models, True, AGAIN
            for running in self.jobs.values():
                if not running.begun:  # else it failed with the process before, and its client has yet to take that
                    self.tell(Start(running.number, running.job))
        elif isinstance(message, Unable):
            self.error = SeqdlError(message.message)
            self.error.exit_code = message.exit_code
            self.gave_up()
        elif isinstance(message, Several):
            for each in message.messages:
                self._take(each)
        elif message.number in self.jobs:
            job = self.jobs[message.number]
            job.begun = True
            if isinstance(message, Part):
                self.count(job.job, message.amount)
            if not isinstance(message, Begun):
                job.arrived.put_nowait(message)

    def _died(self) -> None:
        """What had begun fails; what waits, waits for the next process."""
        self.tell(None)
        if self._closed:
            return
        was_ready, self.ready = self.ready, False
        for running in list(self.jobs.values()):
            if running.begun or self.error is not None:
                running.begun = True
                running.arrived.put_nowait(End(running.number, DIED))
        if self.error is not None:
            return
        self.restarts += 1
        logger.error("the compute process ended; starting another")
        self._start_later()
        if not was_ready:
            self._pause = min(LONGEST, 2 * self._pause)

    def _start_later(self) -> None:
        asyncio.get_running_loop().call_later(self._pause, self._again)

    def _again(self) -> None:
        if not self._closed:
            self.start()


def _send(pipe: Connection, outgoing: queue.SimpleQueue[Any]) -> None:
    """In a thread: a pipe that is full must not stop the event loop."""
    with suppress(OSError):
        while (message := outgoing.get()) is not None:
            pipe.send(message)
    pipe.close()
