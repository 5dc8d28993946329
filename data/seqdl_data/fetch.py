"""Files from the network: goes on where it was cut off, and is there only when its checksum is right."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

from seqdl_data.errors import InputError, SeqdlError, UsageError, unwritable
from seqdl_data.version import VERSION

PIECE = 1 << 18
TIMEOUT = 30.0  # seconds without a byte
TRIES = 5  # in a row that bring nothing
WAIT = 1.0  # seconds before the second try, twice as many before each further one
Progress = Callable[[str, int, int | None], None]  # name, bytes so far, bytes in all where the server says so


def download(
    address: str,
    target: Path,
    check: Callable[[Path], bool] | None = None,
    *,
    timeout: float = TIMEOUT,
    wait: float = WAIT,
    progress: Progress | None = None,
) -> None:
    """Bring what is at `address` (http or https) to the file `target`, unless it is there already.

    What has come stays beside it as `.part`; this call, after a dropped connection, and the next call go on from there
    where the server can (HTTP range). `check` tells whether the whole is right; if it is not, it is removed.

    SeqdlError (exit code 1) when the network or the server fails, InputError when `check` does, OutputError when
    writing does, UsageError for another kind of address.
    """
    if urlparse(address).scheme not in ("http", "https"):
        raise UsageError(f"{address}: expected an address that begins with https:// or http://")
    if target.exists() and (check is None or check(target)):
        return
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _bring(address, part, timeout, wait, progress)
        if check is not None and not check(part):
            part.unlink()
            raise InputError(f"{address}: what came is not the official file, its checksum differs; try again")
        part.replace(target)
    except OSError as error:
        raise unwritable(target, error) from error


def _bring(address: str, part: Path, timeout: float, wait: float, progress: Progress | None) -> None:
    """All of it, in as many requests as that takes."""
    failures = 0
    while True:
        before = _size(part)
        try:
            if _request(address, part, before, timeout, progress):
                return
            reason = "the connection was closed too early"
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"the server says {error.code} {error.reason}"
            if error.code < 500:
                raise SeqdlError(f"{address}: {reason}; is the address right?") from error
        except (OSError, http.client.HTTPException) as error:  # URLError, too, and what TLS and sockets raise
            reason = str(getattr(error, "reason", "") or error or type(error).__name__)
        failures = 0 if _size(part) > before else failures + 1
        if failures == TRIES:
            raise SeqdlError(f"{address}: cannot fetch: {reason}; what came is kept, run again to go on")
        time.sleep(wait * 2 ** max(0, failures - 1))


def _request(address: str, part: Path, have: int, timeout: float, progress: Progress | None) -> bool:
    """Add to the part what one request brings; whether it is whole then."""
    headers = {"User-Agent": f"seqdl/{VERSION}"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing from there on: the part is whole, or it is of another file
            error.close()
            return error.headers.get("Content-Range") == f"bytes */{have}" or _dropped(part)
        raise
    with answer:
        goes_on = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        have = have if goes_on else 0
        length = answer.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        with _Written(part, "ab" if goes_on else "wb") as file:
            while piece := answer.read(PIECE):
                file.write(piece)
                have += len(piece)
                if progress is not None:
                    progress(address.rpartition("/")[2], have, total)
    return total is None or have == total


class _Written:
    """A file whose errors are told apart from those of the network."""

    def __init__(self, path: Path, mode: str) -> None:
        self.path = path
        with self._failures():
            self.file = path.open(mode)

    def __enter__(self) -> _Written:
        return self

    def __exit__(self, *_: object) -> None:
        with self._failures():
            self.file.close()

    def write(self, piece: bytes) -> None:
        with self._failures():
            self.file.write(piece)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unwritable(self.path, error) from error


def _dropped(part: Path) -> bool:
    part.unlink()
    return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
