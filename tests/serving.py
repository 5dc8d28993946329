"""`seqdl serve` in a process of its own, as the tests of the service use it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 300.0  # seconds until ready: kernels may have to be compiled first


def free_port() -> int:
    """A port of the loopback that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A server that runs. url: without a slash at the end; process: as subprocess has it."""

    def __init__(self, *options: object, env: Mapping[str, str] | None = None) -> None:
        pytest.importorskip("fastapi")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._stderr = tempfile.NamedTemporaryFile(prefix="seqdl-serve-log-")  # noqa: SIM115
        paths = os.pathsep.join(str(ROOT / part) for part in (".", "data", "vision", "cli"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "seqdl_cli.main", "serve", "--port", str(self.port), *map(str, options)],
            env={**os.environ, "PYTHONPATH": paths, **(env or {})},
            stdout=subprocess.DEVNULL,
            stderr=self._stderr,
        )

    @property
    def log(self) -> list[str]:
        """The lines on stderr so far."""
        return Path(self._stderr.name).read_text(errors="replace").splitlines()

    def get(self, path: str, timeout: float = 30.0) -> tuple[int, bytes]:
        """Status and body of a GET; status 0 where nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except (OSError, http.client.HTTPException):
            return 0, b""

    def wait(self, path: str = "/readyz", status: int = 200, seconds: float = PATIENCE) -> float:
        """Until a GET has this status; how many seconds that took. AssertionError where it never does."""
        start = time.monotonic()
        while self.get(path)[0] != status:
            assert self.process.poll() is None, self.log
            assert time.monotonic() - start < seconds, f"{path} was not {status} in {seconds} s"
            time.sleep(0.02)
        return time.monotonic() - start

    def metrics(self) -> dict[str, float]:
        """What /metrics says; a figure with labels by its name, the sum over them."""
        figures: dict[str, float] = {}
        for line in self.get("/metrics")[1].decode().splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0]
                figures[name] = figures.get(name, 0.0) + float(value)
        return figures

    def compute_pid(self) -> int:
        """The compute process; 0 where there is none at the moment."""
        for path in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            for child in path.read_text().split():
                if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                    return int(child)
        return 0

    def stop(self, number: int = signal.SIGTERM, seconds: float = 40.0) -> int:
        """Send a signal and wait for the end: the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def complaints(self) -> list[str]:
        """Lines of the log that a healthy server never writes."""
        signs = ("Traceback", '"traceback"', "never retrieved", "never awaited", "was destroyed but")
        return [line for line in self.log if any(sign in line for sign in signs)]


@contextmanager
def running_server(*options: object, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """`seqdl serve OPTIONS` on a free port, ready; at the end SIGTERM, exit code 0, and no traceback in its log."""
    server = Server(*options, env=env)
    try:
        server.wait()
        yield server
        assert server.stop() == 0, server.log[-20:]
        assert not server.complaints(), server.complaints()[:3]
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
