"""The service, run: settings in, until a signal ends it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import uvicorn

from seqdl.errors import SeqdlError
from seqdl_serve.app import create_app
from seqdl_serve.compute import Compute
from seqdl_serve.connection import Connection
from seqdl_serve.logs import RequestLog, log_to_stderr
from seqdl_serve.metrics import Metrics
from seqdl_serve.settings import Settings

PATIENCE = 30  # seconds for what runs when the server is told to end
BACKLOG = 2048
logger = logging.getLogger("seqdl.serve")
requests = logging.getLogger("seqdl.serve.requests")


def serve(settings: Settings, command: str = "", quiet: bool = False) -> None:
    """Answer requests until SIGINT or SIGTERM; what runs then is finished, unless there is a second one.

    SeqdlError where it cannot start: the port is taken, a model is damaged. KeyboardInterrupt after a second signal.
    """
    with _listening(settings) as listener, _stderr(quiet):
        metrics = Metrics()
        kept = RequestLog(settings, command, metrics.log_lost.inc) if settings.log else None
        try:
            _run(settings, metrics, kept, listener)
        finally:
            if kept is not None:
                kept.close()


def _run(settings: Settings, metrics: Metrics, kept: RequestLog | None, listener: socket.socket) -> None:
    def log(entry: dict[str, Any]) -> None:
        requests.info("%s %s %s", entry["method"], entry["path"], entry["status"], extra=entry)
        if kept is not None:
            kept.add(entry)

    app = create_app(settings, log, metrics)
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=PATIENCE,
        h11_max_incomplete_event_size=1 << 16,
    )
    compute = app.app.state.compute
    server = _Server(config, compute)
    logger.info("listening on %s", _address(listener))
    try:
        server.run([listener])
    finally:
        compute.kill()
    if compute.error is not None:
        raise compute.error
    if server.force_exit:
        raise KeyboardInterrupt


class _Server(uvicorn.Server):
    """uvicorn's, but that a second signal of either kind ends it at once, and that to be ended is no failure."""

    def __init__(self, config: uvicorn.Config, compute: Compute) -> None:
        super().__init__(config)
        self.compute = compute
        compute.gave_up = self.end

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.force_exit = self.should_exit
        self.end()

    def end(self) -> None:
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self.force_exit:  # uvicorn leaves the application as it is
            self.compute.kill()
            await self.lifespan.shutdown()


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The socket to listen on; SeqdlError where that cannot be had."""
    host, port = settings.host, settings.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = error.strerror or error
        raise SeqdlError(f"cannot listen on {host}:{port}: {reason}; choose another --host or --port") from error
    with listener:
        yield listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _stderr(quiet: bool) -> Iterator[None]:
    log = log_to_stderr(quiet)
    try:
        yield
    finally:
        log.close()
