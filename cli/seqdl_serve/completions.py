"""POST /v1/completions: OpenAI's form of it, for models that write a character at a time."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from seqdl.errors import UsageError
from seqdl.text import SamplingOptions, new_seed
from seqdl_serve import errors
from seqdl_serve.compute import Compute, Running
from seqdl_serve.errors import ApiError
from seqdl_serve.messages import TextJob, TextPart
from seqdl_serve.settings import Limits
from seqdl_serve.streaming import Streamed, all_parts, closing_later, exchange_of

PING = 10.0  # seconds without an event after which a comment keeps the connection open
EVENT_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
MOST_LOGPROBS = 20
MOST_ENTRIES = 1 << 18  # log-probabilities in one answer, some 10 MB
MOST_STOPS = 16
LONGEST_STOP = 1_000  # characters: all of them are looked for behind every character that is written
OPTIONS = [
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repeat_penalty",
    "repeat_last_n",
    "presence_penalty",
    "frequency_penalty",
]


Stop = Annotated[str, Field(max_length=LONGEST_STOP)]


class StreamOptions(BaseModel):
    include_usage: bool = False


class CompletionRequest(BaseModel):
    """What to write. A token is a character, or a byte of one where the model reads bytes."""

    model_config = ConfigDict(extra="ignore")
    model: str | None = Field(None, description="Name of a text model; the first one by default.")
    prompt: str | Annotated[list[str], Field(fail_fast=True)] | None = Field(
        "", description="What to continue; several are continued side by side."
    )
    max_tokens: Annotated[int, Field(ge=0)] | None = Field(16, description="Most characters to write.")
    temperature: float | None = Field(1.0, ge=0, le=100, description="0 takes the likeliest character.")
    top_p: float | None = Field(1.0, ge=0, le=1)
    top_k: int | None = Field(0, ge=0, le=1 << 31)
    min_p: float | None = Field(0.0, ge=0, le=1)
    repeat_penalty: float | None = Field(1.0, ge=0.01, le=100)
    repeat_last_n: int | None = Field(64, ge=0, le=4096)
    presence_penalty: float | None = Field(0.0, ge=-100, le=100)
    frequency_penalty: float | None = Field(0.0, ge=-100, le=100)
    stop: Stop | Annotated[list[Stop], Field(fail_fast=True, max_length=MOST_STOPS)] | None = Field(
        None, description="Texts before which to end."
    )
    seed: int | None = Field(None, ge=0, lt=1 << 63, description="The same seed gives the same text.")
    n: Annotated[int, Field(ge=1)] | None = Field(1, description="Texts for each prompt; seeds count up.")
    best_of: int | None = Field(None, description="Only the value of n.")
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    echo: bool | None = Field(False, description="Give the prompt too.")
    logprobs: Annotated[int, Field(ge=0, le=MOST_LOGPROBS)] | None = Field(
        None, description="Log-probabilities of the characters, and of so many alternatives."
    )
    suffix: str | None = Field(None, description="Not supported: null or empty.")
    logit_bias: dict[str, Any] | None = Field(None, description="Not supported: null or empty.")

    def job(self, model: str, limits: Limits) -> TextJob:
        """The job that this asks for; ApiError where that is too much or not to be had."""
        prompts = tuple([self.prompt] if isinstance(self.prompt, str) else self.prompt or [""])
        each, length = self.n or 1, 16 if self.max_tokens is None else self.max_tokens
        self._refuse(prompts, each, length, limits)
        first = new_seed() if self.seed is None else self.seed
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        try:
            options = SamplingOptions(**{name: self._value(name) for name in OPTIONS})
        except UsageError as error:
            raise errors.invalid(str(error)) from error
        return TextJob(
            model,
            tuple(prompt for prompt in prompts for _ in range(each)),
            tuple(first + number for _ in prompts for number in range(each)),
            length,
            options,
            tuple(text for text in stop if text),
            self.logprobs or 0,
            bool(self.echo),
        )

    def _value(self, name: str) -> Any:
        value = getattr(self, name)
        return type(self).model_fields[name].default if value is None else value

    def _refuse(self, prompts: tuple[str, ...], each: int, length: int, limits: Limits) -> None:
        for name, given in (("suffix", self.suffix), ("logit_bias", self.logit_bias)):
            if given:
                raise errors.invalid(f"{name} is not supported; leave it out", name)
        if self.best_of not in (None, each):
            raise errors.invalid("best_of is not supported but as the value of n", "best_of")
        if length > limits.characters:
            raise errors.invalid(
                f"max_tokens {length:,} is above the limit of {limits.characters:,} (--max-characters)", "max_tokens"
            )
        if len(prompts) * each > limits.choices:
            raise errors.invalid(
                f"{len(prompts) * each} texts in one request, above the limit of {limits.choices} (--max-choices)", "n"
            )
        if sum(map(len, prompts)) > limits.prompt:
            raise errors.invalid(f"a prompt above the limit of {limits.prompt:,} characters (--max-prompt)", "prompt")
        told = len(prompts) * each * length + (each * sum(map(len, prompts)) if self.echo else 0)
        if self.logprobs is not None and told * (1 + self.logprobs) > MOST_ENTRIES:
            raise errors.invalid(
                f"{told:,} characters with {self.logprobs} alternatives are above the limit of {MOST_ENTRIES:,} "
                "log-probabilities; ask for less",
                "logprobs",
            )


@dataclass
class Choice:
    """One text as it grows: what an event or the whole answer says of it."""

    index: int
    wanted: int | None  # alternatives; None: no log-probabilities
    text: str = ""
    finish: str | None = None
    prompt_tokens: int = 0
    tokens: int = 0
    offset: int = 0
    log: dict[str, list[Any]] = field(default_factory=lambda: _empty_log())

    def take(self, part: TextPart, names: list[str]) -> None:
        if part.piece is not None:
            if part.prompt:
                self.prompt_tokens += len(part.piece.symbols)
            else:
                self.tokens += len(part.piece.symbols)
            self.text += part.piece.text
            if self.wanted is not None:
                self._log(part, names)
        self.finish = part.ended or None

    def _log(self, part: TextPart, names: list[str]) -> None:
        piece = part.piece
        assert piece is not None
        for at, symbol in enumerate(piece.symbols):
            first = part.prompt and self.offset == 0  # nothing stands before it that it could follow
            others = piece.alternatives[at] if piece.alternatives else []
            self.log["tokens"].append(names[symbol])
            self.log["token_logprobs"].append(None if first else round(piece.logprobs[at], 6))
            self.log["top_logprobs"].append(None if first else {names[s]: round(p, 6) for s, p in others})
            self.log["text_offset"].append(self.offset)
            self.offset += 1

    def document(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "text": self.text,
            "finish_reason": self.finish,
            "logprobs": None if self.wanted is None else self.log,
        }

    def given(self) -> None:
        """What was there has been sent."""
        self.text, self.log = "", _empty_log()


def _empty_log() -> dict[str, list[Any]]:
    return {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}


class Completion:
    """The answer to one request."""

    def __init__(self, request: CompletionRequest, job: TextJob, names: list[str]) -> None:
        self.job, self.names = job, names
        self.usage_wanted = bool(request.stream_options and request.stream_options.include_usage)
        self.head = {
            "id": f"cmpl-{secrets.token_hex(12)}",
            "object": "text_completion",
            "created": int(time.time()),
            "model": job.model,
            "seed": job.seeds[0],
        }
        self.choices = [Choice(index, request.logprobs) for index in range(len(job.prompts))]

    def usage(self) -> dict[str, int]:
        prompt = sum(max(1, len(prompt)) for prompt in self.job.prompts)
        written = sum(choice.tokens for choice in self.choices)
        return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}

    def whole(self, parts: list[TextPart]) -> dict[str, Any]:
        for part in parts:
            self.choices[part.index].take(part, self.names)
        return {**self.head, "choices": [choice.document() for choice in self.choices], "usage": self.usage()}

    async def events(self, running: Running, deadline: float, seconds: float) -> AsyncIterator[bytes]:
        """Server-sent events, of each part one; an error ends them as an event of its own."""
        try:
            async for part in _with_pings(running, deadline, seconds):
                if part is None:
                    yield b": ping\n\n"
                    continue
                choice = self.choices[part.index]
                choice.take(part, self.names)
                if choice.text or choice.finish:
                    yield _event({**self.head, "choices": [choice.document()]})
                    choice.given()
            if self.usage_wanted:
                yield _event({**self.head, "choices": [], "usage": self.usage()})
        except ApiError as error:
            yield _event(error.body)
        yield b"data: [DONE]\n\n"


async def _with_pings(running: Running, deadline: float, seconds: float) -> AsyncIterator[TextPart | None]:
    """The parts, and None where there was none for a while."""
    following = asyncio.ensure_future(anext(running))
    try:
        while True:
            left = deadline - time.monotonic()
            done, _ = await asyncio.wait({following}, timeout=min(PING, max(0.0, left)))
            if done:
                try:
                    part = following.result()
                except StopAsyncIteration:
                    return
                following = asyncio.ensure_future(anext(running))
                yield part
            elif left <= 0:
                raise errors.too_long(seconds)
            else:
                yield None
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration, ApiError):
            await following


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=False).encode("utf-8", "replace") + b"\n\n"


async def complete(request: Request, asked: CompletionRequest, compute: Compute, model: dict[str, Any]) -> Response:
    """Write what is asked for, as a document or as events."""
    limits, exchange = compute.settings.limits, exchange_of(request)
    job = asked.job(model["id"], limits)
    exchange.about |= {"model": job.model, "texts": len(job.prompts), "length": job.length}
    completion = Completion(asked, job, model["tokens"])
    running = compute.submit(job)
    if not asked.stream:
        parts = await all_parts(request, running)
        answer = await asyncio.to_thread(lambda: JSONResponse(completion.whole(parts)))  # it may be some MB
        exchange.about["tokens"] = completion.usage()["completion_tokens"]
        return answer
    events = completion.events(running, exchange.deadline, limits.seconds)
    return Streamed(events, closing_later(running), "text/event-stream", headers=EVENT_HEADERS)
