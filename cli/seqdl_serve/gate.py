"""What surrounds every request: its id, the key, the limits of size and time, the figures, the log.

An ASGI application around another. It is no middleware of Starlette's, which would hold a stream back.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Send

from seqdl_serve import errors
from seqdl_serve.errors import ApiError
from seqdl_serve.metrics import Metrics
from seqdl_serve.settings import Limits, Settings

logger = logging.getLogger("seqdl.serve.requests")
REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
GUARDED = ("/v1/", "/metrics")
DOCUMENT = 2 << 20  # bytes of a JSON document, at most, or as many as the prompt may need
LETTER = 12  # bytes of a character: two halves, each written \uNNNN
GRACE = 2.0  # seconds beyond the limit in which the answer can still say that it was reached
ENDPOINTS = frozenset(
    [
        "/v1/completions",
        "/v1/models",
        "/v1/scan",
        "/v1/ocr",
        "/v1/classify",
        "/healthz",
        "/readyz",
        "/health",
        "/metrics",
        "/openapi.json",
        "/",
    ]
)


@dataclass
class Exchange:
    """A request and its answer, as they go."""

    id: str
    method: str
    path: str
    begun: float
    deadline: float
    received: int = 0
    complete: bool = False  # whether all of the body is here
    gone: bool = False  # whether the client hung up
    ended: bool = False  # whether the last of the answer has been sent
    sent: int = 0
    status: int = 0
    first: float = 0.0
    about: dict[str, Any] = field(default_factory=dict)  # what the endpoint adds to the log

    @property
    def endpoint(self) -> str:
        """Of a few names, whatever paths are tried."""
        return self.path if self.path in ENDPOINTS else "/page" if self.path.startswith("/page/") else "other"


class Gate:
    """`app` behind the gate. log: told of each exchange when it is over."""

    def __init__(self, app: Any, settings: Settings, metrics: Metrics, log: Callable[[dict[str, Any]], None]) -> None:
        self.app, self.settings, self.metrics, self.log = app, settings, metrics, log

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = self._exchange(scope)
        scope.setdefault("state", {})["exchange"] = exchange
        ways = _Ways(exchange, *_most(scope, self.settings.limits), self.settings.limits.seconds, receive, send)
        try:
            self._check_key(scope)
            ways.check_length(_header(scope, b"content-length"))
            await self.app(scope, ways.receive, ways.send)
        except ApiError as error:
            await _answer(error, exchange, scope, receive, ways)
        except (ConnectionError, TimeoutError):
            pass  # the client is gone, or does not read
        except asyncio.CancelledError:  # the server's patience is over when it ends
            await _answer(errors.unavailable("the server ends"), exchange, scope, receive, ways)
        except Exception:
            logger.exception("request %s failed", exchange.id)
            await _answer(errors.fault(), exchange, scope, receive, ways)
        finally:
            self._record(exchange)

    def _exchange(self, scope: Any) -> Exchange:
        given = _header(scope, b"x-request-id")
        name = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        now = time.monotonic()
        return Exchange(name, scope["method"], scope["path"], now, now + self.settings.limits.seconds)

    def _check_key(self, scope: Any) -> None:
        key = self.settings.api_key
        if not key or scope["method"] == "OPTIONS" or not scope["path"].startswith(GUARDED):
            return
        scheme, _, given = _header(scope, b"authorization").partition(" ")
        same = hmac.compare_digest(given.strip().encode("latin-1"), key.encode())  # in constant time
        if scheme.lower() != "bearer" or not same:
            error = ApiError(401, "a key is needed: Authorization: Bearer KEY", "invalid_api_key")
            error.headers = {"WWW-Authenticate": "Bearer"}
            raise error

    def _record(self, exchange: Exchange) -> None:
        seconds = time.monotonic() - exchange.begun
        status = 499 if exchange.gone and not exchange.ended else exchange.status or 499  # 499: hung up
        self.metrics.requests.labels(exchange.endpoint, _method(exchange.method), str(status)).inc()
        self.metrics.seconds.labels(exchange.endpoint).observe(seconds)
        if exchange.first:
            self.metrics.first.labels(exchange.endpoint).observe(exchange.first)
        self.log(
            {
                "request": exchange.id,
                "method": exchange.method,
                "path": exchange.path,
                "status": status,
                "seconds": round(seconds, 6),
                "first_seconds": round(exchange.first, 6),
                "received": exchange.received,
                "sent": exchange.sent,
                **exchange.about,
            }
        )


class _Ways:
    """receive and send of a request, watched. most: bytes of the body, and the option that says so."""

    def __init__(
        self, exchange: Exchange, most: int, option: str, seconds: float, receive: Receive, send: Send
    ) -> None:
        self.exchange, self.most, self.option, self.seconds = exchange, most, option, seconds
        self._receive, self._send = receive, send

    def check_length(self, declared: str) -> None:
        """ApiError where the body will be too large."""
        if declared.isdigit() and int(declared) > self.most:
            raise errors.too_large(f"a body of {declared} bytes, above the limit of {self.most:,} ({self.option})")

    async def receive(self) -> Message:
        message = await (self._receive() if self.exchange.complete else self._receive_in_time())
        self.exchange.gone |= message["type"] == "http.disconnect"
        return message

    async def _receive_in_time(self) -> Message:
        try:
            async with asyncio.timeout(max(0.0, self.exchange.deadline - time.monotonic())):
                message = await self._receive()
        except TimeoutError:
            raise errors.too_long(self.seconds) from None
        self.exchange.received += len(message.get("body", b""))
        self.exchange.complete = not message.get("more_body", False)
        if self.exchange.received > self.most:
            raise errors.too_large(f"a body of more than {self.most:,} bytes, the limit ({self.option})")
        return message

    async def send(self, message: Message) -> None:
        exchange = self.exchange
        if message["type"] == "http.response.start":
            exchange.status = message["status"]
            exchange.first = time.monotonic() - exchange.begun
            message["headers"] = [*message.get("headers", []), (b"x-request-id", exchange.id.encode())]
        exchange.sent += len(message.get("body", b""))
        async with asyncio.timeout(max(0.0, exchange.deadline + GRACE - time.monotonic())):
            await self._send(message)
        exchange.ended = message["type"] == "http.response.body" and not message.get("more_body", False)


def _most(scope: Any, limits: Limits) -> tuple[int, str]:
    """Bytes of the body, and the option that raises them: JSON is taken apart here, while other requests wait."""
    is_json = scope["path"] == "/v1/completions" or "json" in _header(scope, b"content-type")
    document = max(DOCUMENT, LETTER * limits.prompt)
    return (document, "--max-prompt") if is_json and document < limits.body else (limits.body, "--max-body")


async def _answer(error: ApiError, exchange: Exchange, scope: Any, receive: Any, ways: _Ways) -> None:
    """The error, if nothing has been sent; an answer that has begun breaks off, so that nobody takes it for whole."""
    if not exchange.status:
        await JSONResponse(error.body, error.status_code, error.headers)(scope, receive, ways.send)


def _header(scope: Any, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _method(method: str) -> str:
    return method if method in ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH") else "other"
