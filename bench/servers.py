"""Servers for bench/serve_load.py: started on a port of loopback that is free, ready, and ended by their number."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import measure
from measure import PATIENCE, ROOT, Config


@dataclass
class Server:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    port: int

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return bytes(answer.read())

    def resident(self) -> list[int]:
        """Bytes of memory that the process holds, and that its child with the most of it does. Linux only."""
        return [_resident(self.process.pid), max(map(_resident, _children(self.process.pid)))]


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]


@contextmanager
def running(command: list[str], port: int, ready: str) -> Iterator[Server]:
    """The command's server, once it answers a GET of `ready` with 200, until the end of the with block."""
    process = subprocess.Popen(command, env=measure.environment(), stdout=subprocess.DEVNULL)
    server = Server(process, port)
    try:
        _wait(server, ready)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: Server, path: str) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.process.poll() is None:
        with suppress(urllib.error.URLError, OSError):
            server.get(path)
            return
        time.sleep(0.2)
    raise SystemExit(f"the server did not become ready: {server.process.args}")


def seqdl() -> AbstractContextManager[Server]:
    """Ours, with the models that ship."""
    port = _free_port()
    command = [sys.executable, "-m", "seqdl_cli.main", "serve", "--quiet", "--port", str(port)]
    return running(command, port, "/readyz")


def peer(python: Path, config: Config) -> AbstractContextManager[Server]:
    """PyTorch behind FastAPI."""
    port = _free_port()
    command = [str(python), str(ROOT / "bench" / "serve_peer.py"), json.dumps(config), str(port)]
    return running(command, port, "/way")


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
