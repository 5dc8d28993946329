"""Downloads: what is cut off goes on, what is wrong goes, and every failure says what to do. All from a server here."""

from __future__ import annotations

import gzip
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from characters import random_images, write_pair

from seqdl_data.errors import InputError, OutputError, SeqdlError, UsageError
from seqdl_data.fetch import download
from seqdl_data.fetch_sets import fetch_set
from seqdl_data.images import read_images
from seqdl_data.official import IDX_SETS, MNIST, IdxSet, Release

CONTENT = bytes(range(256)) * 4000  # 1 MB


class Server(ThreadingHTTPServer):
    """Serves `files`; drops the connection after `drop_after` bytes, `failures` times; `log` keeps the ranges."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {"file": CONTENT}
        self.ranges, self.drop_after, self.failures, self.status = True, 0, 0, 0
        self.log: list[str | None] = []

    def handle_error(self, *_: object) -> None:
        """A client that goes away in the middle is nothing to tell of."""

    def address(self, name: str = "file") -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        content, asked = self.server.files.get(self.path.lstrip("/")), self.headers["Range"]
        self.server.log.append(asked)
        if content is None or self.server.status:
            self.send_error(self.server.status or 404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        if start >= len(content) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = len(content)
        if self.server.failures:
            self.server.failures -= 1
            end = min(end, start + self.server.drop_after)
        self.wfile.write(content[start:end])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetched(server: Server, target: Path, **options) -> bytes:  # type: ignore[no-untyped-def]
    download(server.address(), target, wait=0, timeout=5, **options)
    assert not target.with_name("f.part").exists()
    return target.read_bytes()


def test_a_file_is_fetched_with_its_progress(server: Server, tmp_path: Path) -> None:
    shown: list[tuple] = []
    assert fetched(server, tmp_path / "new/f", progress=lambda *each: shown.append(each)) == CONTENT
    assert shown[-1] == ("file", len(CONTENT), len(CONTENT))


def test_a_dropped_connection_goes_on(server: Server, tmp_path: Path) -> None:
    server.failures, server.drop_after = 3, 100_000
    assert fetched(server, tmp_path / "f") == CONTENT
    assert server.log == [None, "bytes=100000-", "bytes=200000-", "bytes=300000-"]


def test_what_an_earlier_call_left_goes_on(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(CONTENT[:777])
    assert fetched(server, tmp_path / "f") == CONTENT
    assert server.log == ["bytes=777-"]


def test_a_server_without_ranges_begins_anew(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "f.part").write_bytes(b"x" * 777)
    assert fetched(server, tmp_path / "f") == CONTENT


@pytest.mark.parametrize("part", [CONTENT, CONTENT + b"more"])
def test_a_part_with_nothing_to_add_is_whole_or_wrong(server: Server, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "f.part").write_bytes(part)
    assert fetched(server, tmp_path / "f") == CONTENT


def test_what_is_there_already_is_not_fetched(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"mine")
    assert fetched(server, tmp_path / "f", check=lambda path: path.read_bytes() == b"mine") == b"mine"
    assert server.log == []
    assert fetched(server, tmp_path / "f", check=lambda path: path.read_bytes() == CONTENT) == CONTENT


def test_a_wrong_checksum_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="checksum differs"):
        download(server.address(), tmp_path / "f", lambda path: False, wait=0)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_address_says_what_the_server_said(server: Server, tmp_path: Path) -> None:
    with pytest.raises(SeqdlError, match="the server says 404") as failure:
        download(server.address("gone"), tmp_path / "f", wait=0)
    assert failure.value.exit_code == 1
    assert len(server.log) == 1


def test_a_server_in_trouble_is_asked_again_and_then_given_up(server: Server, tmp_path: Path) -> None:
    server.status = 503
    with pytest.raises(SeqdlError, match="cannot fetch: the server says 503"):
        download(server.address(), tmp_path / "f", wait=0)
    assert len(server.log) == 5


def test_what_came_before_the_network_failed_is_kept(server: Server, tmp_path: Path) -> None:
    server.failures, server.drop_after = 99, 0
    (tmp_path / "f.part").write_bytes(CONTENT[:10])
    with pytest.raises(SeqdlError, match="closed too early; what came is kept"):
        download(server.address(), tmp_path / "f", wait=0)
    assert (tmp_path / "f.part").read_bytes() == CONTENT[:10]


def test_nobody_there_is_a_plain_failure(tmp_path: Path) -> None:
    with pytest.raises(SeqdlError, match=r"cannot fetch: .*refused"):
        download("http://127.0.0.1:9/file", tmp_path / "f", wait=0, timeout=2)


def test_a_silent_server_is_given_up_in_time(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(Handler, "do_GET", lambda self: release.wait(10) and None)
    with pytest.raises(SeqdlError, match=r"cannot fetch: .*timed out"):
        download(server.address(), tmp_path / "f", wait=0, timeout=0.1)
    release.set()


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x/y", "mnist", ""])
def test_only_http_is_fetched(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError, match="expected an address"):
        download(address, tmp_path / "f")


def test_a_place_that_cannot_be_written_is_an_output_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot write"):
        download(server.address(), tmp_path / "file" / "f", wait=0)
    assert server.log == []
    (tmp_path / "f.part").mkdir()
    with pytest.raises(OutputError, match="cannot write"):
        download(server.address(), tmp_path / "f", wait=0)


# Whole sets


def served(server: Server, tmp_path: Path, name: str, packed: bool) -> IdxSet:
    """A small set on the server, and what it is."""
    kind = replace(IDX_SETS[name], releases=(Release(60, 20),), valid_last=None)
    for number, count in ((0, 60), (2, 20)):
        stem = kind.files[number].removesuffix("-images-idx3-ubyte")
        write_pair(tmp_path, stem, random_images(count), np.arange(count) % len(kind.classes) + kind.first_label)
    contents = [(tmp_path / f"{file}.gz").read_bytes() for file in kind.files]
    server.files = {f"{file}.gz": content for file, content in zip(kind.files, contents, strict=True)}
    hashed = contents if packed else [gzip.decompress(each) for each in contents]
    return replace(kind, sha256=tuple(hashlib.sha256(each).hexdigest() for each in hashed))


def test_mnist_is_fetched_file_by_file(server: Server, tmp_path: Path) -> None:
    kind = replace(served(server, tmp_path, "mnist", packed=False), address=server.address(""))
    info = fetch_set(kind, tmp_path / "out", folder=tmp_path / "files", wait=0)
    assert "official checksums verified" in info.source
    assert len(server.log) == 4
    np.testing.assert_array_equal(read_images(tmp_path / "out", "test")[0].images, random_images(20))
    fetch_set(kind, tmp_path / "again", folder=tmp_path / "files", wait=0)
    assert len(server.log) == 4  # they are there


def zipped(server: Server) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in server.files.items():
            archive.writestr(f"gzip/{name}", content)
    server.files = {"gzip.zip": stream.getvalue()}


def test_emnist_is_fetched_as_an_archive(server: Server, tmp_path: Path) -> None:
    kind = served(server, tmp_path, "emnist-letters", packed=True)
    zipped(server)
    info = fetch_set(kind, tmp_path / "out", folder=tmp_path / "files", address=server.address("gzip.zip"), wait=0)
    assert "official checksums verified" in info.source
    test, _ = read_images(tmp_path / "out", "test")
    np.testing.assert_array_equal(test.images, random_images(20).swapaxes(1, 2))


def test_a_damaged_archive_is_removed(server: Server, tmp_path: Path) -> None:
    kind = served(server, tmp_path, "emnist-digits", packed=True)
    zipped(server)
    broken = bytearray(server.files["gzip.zip"])
    broken[5000] ^= 1
    server.files["gzip.zip"] = bytes(broken)
    with pytest.raises(InputError, match=r"gzip\.zip: .*removed"):
        fetch_set(kind, tmp_path / "out", folder=tmp_path / "files", address=server.address("gzip.zip"), wait=0)
    assert not (tmp_path / "files/gzip.zip").exists()


def test_an_archive_without_the_files_is_refused(server: Server, tmp_path: Path) -> None:
    kind = served(server, tmp_path, "emnist-digits", packed=True)
    server.files.popitem()
    zipped(server)
    with pytest.raises(InputError, match="without emnist-digits-test-labels"):
        fetch_set(kind, tmp_path / "out", folder=tmp_path / "files", address=server.address("gzip.zip"), wait=0)


def test_another_file_than_the_official_one_is_refused(server: Server, tmp_path: Path) -> None:
    kind = replace(served(server, tmp_path, "mnist", packed=False), sha256=MNIST.sha256)
    with pytest.raises(InputError, match="is not the official file"):
        fetch_set(kind, tmp_path / "out", folder=tmp_path / "files", address=server.address(""), wait=0)


def test_official_places_are_https() -> None:
    assert all(kind.address.startswith("https://") for kind in IDX_SETS.values() if kind.address)
