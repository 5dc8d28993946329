"""The service, run: settings in, until a signal ends it."""

from __future__ import annotations

import logging
import signal
from typing import Any

import uvicorn

from seqdl.errors import SeqdlError
from seqdl_serve.app import create_app
from seqdl_serve.logs import RequestLog, log_to_stderr
from seqdl_serve.metrics import Metrics
from seqdl_serve.settings import Settings

PATIENCE = 30  # seconds for what runs when the server is told to end
logger = logging.getLogger("seqdl.serve.requests")


def serve(settings: Settings, command: str = "", quiet: bool = False) -> None:
    """Answer requests until SIGINT or SIGTERM; what runs then is finished. SeqdlError where it cannot start."""
    log_to_stderr(quiet)
    metrics = Metrics()
    kept = RequestLog(settings, command, metrics.log_lost.inc) if settings.log else None

    def log(entry: dict[str, Any]) -> None:
        logger.info("%s %s %s", entry["method"], entry["path"], entry["status"], extra=entry)
        if kept is not None:
            kept.add(entry)

    app = create_app(settings, log, metrics)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=PATIENCE,
        h11_max_incomplete_event_size=1 << 16,
    )
    server = uvicorn.Server(config)
    for each in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them once more when it is done
        signal.signal(each, lambda *_: None)
    try:
        server.run()
    finally:
        if kept is not None:
            kept.close()
    problem = app.app.state.compute.problem
    if problem or not server.started:
        raise SeqdlError(problem or f"cannot listen on {settings.host}:{settings.port}; choose another --port")
