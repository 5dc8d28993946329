"""One connection: uvicorn's, with an end for clients that neither send nor read, and our form for what is no HTTP.

Uvicorn waits without limit for the head of a request, and for a client to read the last of an answer.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from seqdl_serve import errors

CHECK = 1.0  # seconds from one look at a connection to the next
HEAD = 10.0  # seconds for the head of a request
AT_ONCE = struct.pack("ii", 1, 0)
LINGER = 5.0  # seconds for what is left of an answer that has ended


class Connection(H11Protocol):
    """A connection that is looked at every second, and that is broken off where its client takes too long."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio sets this only where the listening socket was made with TCP's number, which create_server leaves out:
        # without it each event but the first waits for the client's acknowledgement, 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.idle = time.monotonic()  # since when no request is worked on
        self.watch = self.loop.call_later(CHECK, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        self.watch.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        now = time.monotonic()
        if self.cycle is not None and not self.cycle.response_complete and not self.transport.is_closing():
            self.idle = now
        sending = self.transport.get_write_buffer_size() > 0
        if now - self.idle > (LINGER if sending or self.transport.is_closing() else HEAD):
            link = self.transport.get_extra_info("socket")
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)  # what the system still holds goes too
            self.transport.abort()
        else:
            self.watch = self.loop.call_later(CHECK, self._look)

    def send_400_response(self, msg: str) -> None:
        """What was sent is not HTTP; where an answer has begun, it breaks off."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            document = json.dumps(errors.body(400, "this is not a request of HTTP/1.1", "invalid_http")).encode()
            head = h11.Response(
                status_code=400,
                headers=[
                    ("content-type", "application/json"),
                    ("content-length", str(len(document))),
                    ("connection", "close"),
                ],
                reason=b"Bad Request",
            )
            events = (head, h11.Data(data=document), h11.EndOfMessage())
            self.transport.write(b"".join(self.conn.send(event) or b"" for event in events))
        self.transport.close()
