"""The leanest client that still speaks HTTP/1.1: on two cores a comfortable one would take much of what is measured.

A connection is kept for many requests. What arrives is stamped and kept as it is; it is taken apart when the clock
has stopped.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

HEAD_ENDS = b"\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


@dataclass
class Answer:
    """One exchange. raw: head and body as they came; first: when the body's first bytes were there. Times in seconds
    of time.perf_counter."""

    raw: bytes
    begun: float
    first: float
    ended: float

    @property
    def status(self) -> int:
        return int(self.raw[9:12])

    @property
    def body(self) -> bytes:
        head, _, body = self.raw.partition(HEAD_ENDS)
        return unchunked(body) if _is_chunked(head) else body

    def text(self) -> str:
        """What the events of a completion wrote together."""
        assert self.status == 200, self.raw
        lines = [line[6:] for line in self.body.decode().split("\n\n") if line.startswith("data: ")]
        assert lines[-1] == "[DONE]", lines[-1]
        return "".join(choice["text"] for line in lines[:-1] for choice in json.loads(line)["choices"])


def unchunked(body: bytes) -> bytes:
    """A body in transfer coding "chunked" without its frame."""
    parts, at = [], 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 4 + size


def _is_chunked(head: bytes) -> bool:
    return b"transfer-encoding: chunked" in head.lower()


def request(method: str, path: str, body: bytes = b"", kind: str = "application/json") -> bytes:
    """A request as it goes over the wire."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def document(path: str, content: Any) -> bytes:
    """A request that posts a JSON document."""
    return request("POST", path, json.dumps(content).encode())


class Connection(asyncio.Protocol):
    """One connection, on which a request follows the answer to the one before."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    async def send(self, wire: bytes) -> Answer:
        """Send a request and wait for the whole answer."""
        self.data, self.body_at, self.left, self.first = bytearray(), 0, 0, 0.0
        self.whole: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        begun = time.perf_counter()
        self.transport.write(wire)
        ended = await self.whole
        return Answer(bytes(self.data), begun, self.first, ended)

    def data_received(self, data: bytes) -> None:
        self.data += data
        if not self.body_at and not self._head():
            return
        if not self.first and len(self.data) > self.body_at:
            self.first = time.perf_counter()
        if self.data.endswith(LAST_CHUNK) if self.left < 0 else len(self.data) >= self.body_at + self.left:
            self.whole.set_result(time.perf_counter())

    def _head(self) -> bool:
        """Whether the head is there; then it is known where the body begins, and its length (-1: chunked)."""
        at = self.data.find(HEAD_ENDS)
        if at < 0:
            return False
        head = bytes(self.data[:at]).lower()
        self.body_at = at + len(HEAD_ENDS)
        self.left = -1 if _is_chunked(head) else int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if not self.whole.done():
            self.whole.set_exception(error or ConnectionError("the server closed the connection"))


async def connect(port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


async def all_at_once(port: int, queues: Sequence[Iterable[bytes]]) -> list[Answer]:
    """Each queue over a connection of its own, side by side; all answers."""
    connections = [await connect(port) for _ in queues]

    async def one(connection: Connection, queue: Iterable[bytes]) -> list[Answer]:
        return [await connection.send(wire) for wire in queue]

    try:
        answers = await asyncio.gather(*map(one, connections, queues))
    finally:
        for connection in connections:
            connection.transport.close()
    return [answer for some in answers for answer in some]
