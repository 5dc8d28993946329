"""Answers that come in parts: the first one decides whether there is an answer or an error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import ExitStack
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from seqdl_serve import errors
from seqdl_serve.compute import Running
from seqdl_serve.errors import ApiError
from seqdl_serve.gate import Exchange

T = TypeVar("T")


def exchange_of(request: Request) -> Exchange:
    """What the gate knows of a request."""
    exchange: Exchange = request.state.exchange
    return exchange


async def in_time(request: Request, work: Awaitable[T]) -> T:
    """Wait for `work` until the request's time is over (ApiError) or its client hangs up (ConnectionError)."""
    exchange = exchange_of(request)
    wanted = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    left = exchange.deadline - time.monotonic()
    try:
        done, _ = await asyncio.wait({wanted, gone}, timeout=max(0.0, left), return_when=asyncio.FIRST_COMPLETED)
        if wanted in done:
            return wanted.result()
        raise ConnectionError if gone in done else errors.too_long(exchange.deadline - exchange.begun)
    finally:
        for task in (wanted, gone):
            task.cancel()
        await asyncio.gather(wanted, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def all_parts(request: Request, running: Running) -> list[Any]:
    """Every part of a job, which is closed then."""

    async def collect() -> list[Any]:
        return [part async for part in running]

    try:
        return await in_time(request, collect())
    finally:
        running.close()


class Streamed(StreamingResponse):
    """An answer in parts; `afterwards` is closed however it ends: the job behind it, and its files."""

    def __init__(self, content: AsyncIterator[bytes], afterwards: ExitStack, media_type: str, **extra: Any) -> None:
        super().__init__(content, media_type=media_type, **extra)
        self.afterwards = afterwards

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.afterwards:
            try:
                await super().__call__(scope, receive, send)
            except (ApiError, TimeoutError) as error:  # too late for another answer: this one breaks off
                scope["state"]["exchange"].about["broken_off"] = str(error) or "the client does not read"


def closing_later(running: Running) -> ExitStack:
    """What a Streamed needs to close a job."""
    stack = ExitStack()
    stack.callback(running.close)
    return stack


async def parts_of(request: Request, running: Running) -> AsyncIterator[Any]:
    """The parts of a job as they come, the first of which is there already. ApiError where the job fails at once."""
    first = await in_time(request, _first(running))
    return _then(first, running, exchange_of(request))


async def _first(running: Running) -> list[Any]:
    """The first part, or nothing where there is none."""
    async for part in running:
        return [part]
    return []


async def _then(first: list[Any], running: Running, exchange: Exchange) -> AsyncIterator[Any]:
    for part in first:
        yield part
    while True:
        try:
            async with asyncio.timeout(max(0.0, exchange.deadline - time.monotonic())):
                part = await anext(running)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise errors.too_long(exchange.deadline - exchange.begun) from None
        yield part
