"""What clients, disks and signals can do to the service: each fault with its count.

A short run by default; SEQDL_FULL=1 is the full one. `python tests/test_serve_faults.py` prints a table of all faults.
"""

from __future__ import annotations

import gzip
import http.client
import io
import json
import logging
import os
import random
import resource
import shutil
import signal
import socket
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from serving import ROOT, Server, free_port, running_server

httpx = pytest.importorskip("httpx")
FULL = os.environ.get("SEQDL_FULL") == "1"
MODELS = ("--models", "shakespeare", "--models", "spombe", "--models", "alphanumeric")
KILLED = ("-t", 1, "--models", "shakespeare", "--models", "spombe", "--models", "digits", "--max-queue", 9)
SECONDS = 6
SAMPLES = ROOT / "samples"
JSON = {"content-type": "application/json"}
FASTA = {"content-type": "text/x-fasta"}
IMAGE = {"content-type": "image/png"}

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks at processes in /proc")


def times(short: int, full: int) -> int:
    return full if FULL else short


def memory(pid: int) -> float:
    """Resident, in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def is_error(status: int, content: bytes) -> bool:
    """Whether this is an error in the one form."""
    try:
        error = json.loads(content)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    return status >= 400 and set(error) == {"message", "type", "param", "code"}


def idle(server: Server, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while server.metrics()["seqdl_jobs"]:
        assert time.monotonic() < end, "jobs are left"
        time.sleep(0.02)


# Requests


def request(path: str, body: bytes, kind: str, *more: str) -> bytes:
    head = [f"POST {path} HTTP/1.1", "Host: here", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def writing(length: int = 4000, **more: Any) -> bytes:
    document = {"prompt": "ROMEO:", "max_tokens": length, "seed": 1, **more}
    return request("/v1/completions", json.dumps(document).encode(), "application/json")


def sequence(bases: int) -> bytes:
    draw = random.Random(3)
    return b">a\n" + bytes(draw.choice(b"ACGT") for _ in range(1000)) * (bases // 1000) + b"\n"


def drawn(side: int = 40) -> bytes:
    rows = [[255 if abs(x - side // 2) < 4 else 0 for x in range(side)] for _ in range(side)]
    return json.dumps({"pixels": rows}).encode()


def wide_photo() -> bytes:
    """The sample of handwriting, 12 megapixels large."""
    from PIL import Image

    target = io.BytesIO()
    Image.open(SAMPLES / "note.jpg").convert("L").resize((4000, 3000)).save(target, "JPEG", quality=80)
    return target.getvalue()


def kinds() -> dict[str, bytes]:
    note = (SAMPLES / "note.jpg").read_bytes()
    return {
        "stream": writing(stream=True),
        "completion": writing(),
        "scan of sites": request("/v1/scan", sequence(300_000), "text/x-fasta"),
        "scan of motifs": request("/v1/scan?consensus=NNN&thresh=1", sequence(300_000), "text/x-fasta"),
        "page": request("/v1/ocr", note, "image/jpeg"),
        "character": request("/v1/classify", drawn(), "application/json"),
        "half a body": request("/v1/ocr", note, "image/jpeg")[: len(note) // 2],
        "half a head": writing()[:40],
    }


@contextmanager
def connected(server: Server, timeout: float = 60.0) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as link:
        yield link


def answers(server: Server) -> list[bytes]:
    """A text for a seed, a scan and a page, which nothing may change."""
    with httpx.Client(base_url=server.url, timeout=120) as client:
        text = client.post("/v1/completions", json={"prompt": "ROMEO:", "max_tokens": 80, "seed": 1}).json()
        hits = client.post("/v1/scan?format=tsv", content=(SAMPLES / "genes.fa").read_bytes(), headers=FASTA)
        page = client.post("/v1/ocr?format=text", content=(SAMPLES / "note.jpg").read_bytes(), headers=IMAGE)
        return [text["choices"][0]["text"].encode(), hits.content, page.content]


def command_line() -> list[bytes]:
    """The same from `seqdl`."""

    def output(*arguments: str) -> bytes:
        paths = os.pathsep.join(str(ROOT / part) for part in (".", "data", "vision", "cli"))
        command = [sys.executable, "-m", "seqdl_cli.main", *arguments, "-t", "1"]
        return subprocess.run(command, stdout=-1, stderr=-3, env={**os.environ, "PYTHONPATH": paths}).stdout

    text = output("generate", "text", "ROMEO:", "-n", "80", "--seed", "1", "--temperature", "1")
    hits = output("scan", str(SAMPLES / "genes.fa"), "--format", "tsv")
    page = output("ocr", str(SAMPLES / "note.jpg"))
    return [text.removeprefix(b"ROMEO:").removesuffix(b"\n"), hits, page]


# Faults: each returns what it counted or measured


def hang_ups(server: Server) -> str:
    """Clients that hang up at random moments, while another asks for answers that must not change."""
    draw, some, right = random.Random(1), kinds(), answers(server)

    def hang_up() -> None:
        with connected(server) as link, suppress(OSError):
            link.sendall(draw.choice(list(some.values())))
            time.sleep(draw.random() * 0.06)

    for _ in range(20):
        hang_up()
    idle(server)
    before, count = [memory(server.process.pid), memory(server.compute_pid())], times(100, 1000)
    for number in range(count):
        hang_up()
        if number % 50 == 25:
            assert answers(server) == right
    idle(server)
    assert answers(server) == right
    after = [memory(server.process.pid), memory(server.compute_pid())]
    grown = [new - old for new, old in zip(after, before, strict=True)]
    assert grown[0] < 30, grown
    assert grown[1] < 150, grown
    return f"{count} times: no job left, answers the same, memory {grown[0]:+.0f} and {grown[1]:+.0f} MB"


def stopped_work(server: Server) -> str:
    """Characters and bases counted no more soon after the client hung up."""
    slowest = 0.0
    for figure, sent in (
        ("seqdl_tokens_total", writing(16_000, stream=True)),
        ("seqdl_tokens_total", writing(16_000, n=4)),
        ("seqdl_bases_total", request("/v1/scan", sequence(1_000_000), "text/x-fasta")),
    ):
        for _ in range(times(2, 20)):
            before = server.metrics().get(figure, 0.0)
            with connected(server) as link:
                link.sendall(sent)
                end = time.monotonic() + 10
                while server.metrics().get(figure, 0.0) == before and time.monotonic() < end:
                    time.sleep(0.002)
            start, last, changed = time.monotonic(), -1.0, 0.0
            while time.monotonic() - start < 0.4:
                now = server.metrics()[figure]
                if now != last:
                    last, changed = now, time.monotonic() - start
                time.sleep(0.002)
            slowest = max(slowest, changed)
    assert slowest < (0.15 if not FULL else 0.3)  # 50 ms on a machine that does nothing else
    return f"{3 * times(2, 20)} times: nothing counted later than {1000 * slowest:.0f} ms after the hang-up"


def dropped_page(server: Server) -> str:
    """A page of 12 megapixels whose client is gone makes way for the next one."""
    photo, small = request("/v1/ocr", wide_photo(), "image/jpeg"), (SAMPLES / "form.png").read_bytes()

    def read_small() -> float:
        start = time.monotonic()
        assert httpx.post(server.url + "/v1/ocr", content=small, headers=IMAGE, timeout=60).status_code == 200
        return time.monotonic() - start

    alone = min(read_small() for _ in range(3))
    waits = []
    for number in range(times(4, 30)):
        with connected(server) as link:
            link.sendall(photo)
            time.sleep(0.1 + 0.05 * (number % 12))
        waits.append(max(0.0, read_small() - alone))
    assert max(waits) < 3
    return f"{len(waits)} times: dropped after {statistics.median(waits):.2f} s, at most {max(waits):.2f} s"


def slow_clients(server: Server) -> str:
    """Readers of 1 kB/s, bodies and heads of a byte at a time: all are ended, nobody else is slowed down."""
    dense = request("/v1/scan?consensus=N&thresh=1", sequence(1_000_000), "text/x-fasta")
    ended: dict[str, float] = {}
    pids = [server.process.pid, server.compute_pid()]
    before = [memory(pid) for pid in pids]

    def reader(name: str) -> None:
        with socket.socket() as link, suppress(OSError):
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.connect(("127.0.0.1", server.port))
            link.sendall(dense)
            start = time.monotonic()
            with suppress(OSError):
                while time.monotonic() - start < 60 and link.recv(100):
                    time.sleep(0.1)
            ended[name] = time.monotonic() - start

    def writer(name: str, head: bytes) -> None:
        start = time.monotonic()
        with connected(server) as link, suppress(OSError):
            link.sendall(head)
            link.settimeout(0.2)
            while time.monotonic() - start < 60:
                with suppress(TimeoutError):
                    if not link.recv(1000):
                        break
                link.sendall(b"x")
        ended[name] = time.monotonic() - start

    count = times(2, 10)
    body, head = writing()[:-20], b"GET / HTTP/1.1\r\nx-slow: "
    threads = [threading.Thread(target=reader, args=(f"reader {n}",)) for n in range(count)]
    threads += [threading.Thread(target=writer, args=(f"body {n}", body)) for n in range(count)]
    threads += [threading.Thread(target=writer, args=(f"head {n}", head)) for n in range(count)]
    for thread in threads:
        thread.start()
    waits, most = [], [0.0, 0.0]
    while any(thread.is_alive() for thread in threads):
        start = time.monotonic()
        httpx.post(server.url + "/v1/completions", json={"max_tokens": 4}, timeout=60)
        waits.append(time.monotonic() - start)
        most = [max(old, memory(pid)) for old, pid in zip(most, pids, strict=True)]
        time.sleep(0.1)
    grown = [new - old for new, old in zip(most, before, strict=True)]
    assert len(ended) == 3 * count
    assert max(ended.values()) < 40, ended
    assert max(grown) < 200, grown
    idle(server)
    return (
        f"{3 * count} clients: ended after {max(ended.values()):.0f} s at most, others waited "
        f"{1000 * statistics.median(waits):.0f} ms, memory {grown[0]:+.0f} and {grown[1]:+.0f} MB"
    )


def huge_png(side: int = 30_000) -> bytes:
    """Black, in a valid file of 110 kB."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(1)
    rows = b"".join(packer.compress(bytes(side // 8 + 1)) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def parts(count: int, name: str = "image") -> bytes:
    part = f'--x\r\ncontent-disposition: form-data; name="{name}"; filename="a"\r\n\r\nx\r\n'.encode()
    return part * count + b"--x--\r\n"


def bodies() -> Iterator[tuple[str, str, bytes, dict[str, str]]]:
    """Name, path, body and headers of requests that must be refused."""
    for name, body in {
        "deep": b"[" * 1_000_000,
        "deep and closed": b'{"prompt":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        "a million numbers for a text": b'{"prompt":[' + b"1," * 900_000 + b"1]}",
        "stops without number": b'{"stop":[' + b'"x",' * 300_000 + b'"x"]}',
        "a stop without end": b'{"stop":"' + b"x" * 1_000_000 + b'"}',
        "a number of a million digits": b'{"seed":' + b"1" * 1_000_000 + b"}",
        "NaN": b'{"temperature":NaN}',
        "Infinity": b'{"presence_penalty":-Infinity}',
        "1e999": b'{"top_p":1e999}',
        "half a pair": b'{"prompt":"a\\ud800b"}',
        "half a pair to stop at": b'{"stop":"a\\ud800b"}',
        "half a pair for a model": b'{"model":"\\ud800"}',
        "a bias": b'{"logit_bias":{"\\ud800":1}}',
        "logprobs without end": b'{"max_tokens":16384,"n":16,"logprobs":20}',
        "too long": b'{"max_tokens":100000000}',
        "negative": b'{"max_tokens":-1}',
        "true for a number": b'{"max_tokens":[true]}',
        "a list": b"[]",
        "null": b"null",
        "nothing": b"",
        "no UTF-8": b'{"prompt":"\xff\xfe"}',
        "large": b'{"prompt":"' + b"x" * 3_000_000 + b'"}',
    }.items():
        yield f"completion: {name}", "/v1/completions", body, JSON
    for name, body in {
        "empty": b'{"pixels":[]}',
        "uneven": b'{"pixels":[[1],[1,2]]}',
        "above 255": b'{"pixels":[[256]]}',
        "a million pixels": b'{"pixels":[[' + b"999," * 400_000 + b"1]]}",
        "deep": b"[" * 1_000_000,
    }.items():
        yield f"character: {name}", "/v1/classify", body, JSON
    motif = "/v1/scan?consensus=TATAWAW"
    bomb = b">a\n" + b"A" * 100_000_000
    for name, path, body in (
        ("empty records of one name", motif, b">a\n" * 1_000_000),
        ("a name of 2 MB", motif, b">" + b"a" * 2_000_000 + b"\nACGT"),
        ("a name of 5 kB", motif, b">" + b"a" * 5_000 + b"\n" + b"TATAAAA" * 1000),
        ("gzip bomb", motif, gzip.compress(bomb, 1)),
        ("gzip bomb of one header", motif, gzip.compress(b">" + b"a" * 100_000_000, 1)),
        ("gzip bomb of empty lines", motif, gzip.compress(b">a\n" + b"\n" * 100_000_000, 1)),
        ("half a gzip", motif, gzip.compress(sequence(100_000))[:-2000]),
        ("a wide motif", "/v1/scan?consensus=" + "ACGT" * 2000, b">a\nACGT\n"),
        ("no motif", "/v1/scan?consensus=TATA!", b">a\nACGT\n"),
        ("thresh NaN", motif + "&thresh=nan", b">a\nACGT\n"),
        ("no FASTA", motif, bytes(range(256)) * 100),
    ):
        yield f"scan: {name}", path, body, FASTA
    yield "page: 30000 x 30000 pixels", "/v1/ocr", huge_png(), IMAGE
    yield "character: 30000 x 30000 pixels", "/v1/classify", huge_png(), IMAGE
    yield "page: half a picture", "/v1/ocr", (SAMPLES / "form.png").read_bytes()[:5000], IMAGE
    yield "page: another type", "/v1/ocr", b"x", {"content-type": "text/plain"}
    yield "page: no type", "/v1/ocr", b"x", {}
    form = {"content-type": "multipart/form-data; boundary=x"}
    yield "page: 5,000 parts", "/v1/ocr", parts(5000), form
    yield "page: parts of another name", "/v1/ocr", parts(1, "x" * 3000), form
    yield "page: no boundary", "/v1/ocr", b"x", {"content-type": "multipart/form-data"}
    yield "page: half a form", "/v1/ocr", parts(1)[:30], form
    yield "scan: a form without FASTA", "/v1/scan", parts(1, "motifs"), form
    yield "page: 40 MB", "/v1/ocr", bytes(40 << 20), IMAGE


def bad_bodies(server: Server) -> str:
    """Bodies that are too large, bombs and no sense: refused in the one form, and nobody else waits for long."""
    count, worst, stop = 0, 0.0, threading.Event()

    def other() -> None:
        nonlocal worst
        while not stop.wait(0.02):
            start = time.monotonic()
            server.get("/healthz")
            worst = max(worst, time.monotonic() - start)

    thread = threading.Thread(target=other)
    thread.start()
    before = memory(server.process.pid)
    with httpx.Client(base_url=server.url, timeout=60) as client:
        for name, path, body, headers in bodies():
            answer = client.post(path, content=body, headers=headers)
            assert 400 <= answer.status_code < 500, (name, answer.status_code, answer.content[:300])
            assert is_error(answer.status_code, answer.content), (name, answer.content[:300])
            count += 1
        chunked = client.post("/v1/ocr", content=(bytes(1 << 20) for _ in range(40)), headers=IMAGE)
        assert chunked.status_code == 413, chunked
    stop.set()
    thread.join()
    grown = memory(server.process.pid) - before
    assert worst < 2
    assert grown < 150
    others = f"others waited {1000 * worst:.0f} ms at most, memory {grown:+.0f} MB"
    return f"{count + 1} kinds: refused in the one form, {others}"


PATHS = [
    "/page/../settings.py", "/page/%2e%2e/settings.py", "/page/..%2f..%2fapp.py", "/page/%2e%2e%5capp.py",
    "/page/..\\app.py", "/page//etc/passwd", "//etc/passwd", "/page/%00", "/page/index.html%00.js", "/page/",
    "/page/" + "a" * 20_000, "/page/index.html/", "/page/%ff%fe", "/page/.", "/page/..", "/v1/../app.py",
    "/v1/models/", "/v1//models", "/%2e%2e/%2e%2e/etc/passwd", "/page/py.typed", "/app.py", "/openapi.json/x",
    "/V1/models", "/v1/completions/../../x", "/page/%252e%252e/app.py", "/docs", "/redoc",
]  # fmt: skip


def path_tricks(server: Server) -> str:
    """No path leads to a file that is not of the page."""
    for path in PATHS:
        with connected(server) as link:
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode("latin-1"))
            head, _, content = b"".join(iter(lambda: link.recv(65536), b"")).partition(b"\r\n\r\n")
        status = int(head.split()[1])
        assert status in (400, 404), (path, status)
        assert is_error(status, content), (path, content[:200])
    return f"{len(PATHS)} paths: 404, or 400 where they are no paths"


HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
HEADS = {
    "100 kB of a header": HEAD + b"x: " + b"a" * 100_000 + b"\r\n\r\n",
    "10,000 headers": HEAD + b"x: a\r\n" * 10_000 + b"\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a negative length": HEAD + b"Content-Length: -2\r\n\r\n{}",
    "a length that is no number": HEAD + b"Content-Length: two\r\n\r\n{}",
    "a length of 30 digits": HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}",
    "length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked, x\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "unknown encoding": HEAD + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "chunks of no size": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a blank before the colon": HEAD + b"x : a\r\n\r\n",
    "NUL in a header": HEAD + b"x: a\0b\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "binary method": b"\xff\xfe / HTTP/1.1\r\n\r\n",
    "PUT": b"PUT /v1/completions HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n",
    "TRACE": b"TRACE / HTTP/1.1\r\nHost: here\r\n\r\n",
    "GET of a POST": b"GET /v1/scan HTTP/1.1\r\nHost: here\r\n\r\n",
    "POST of a GET": b"POST /healthz HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n",
}


def head_tricks(server: Server) -> str:
    """Heads that are no HTTP, or not of here."""
    for name, sent in HEADS.items():
        with connected(server) as link:
            with suppress(OSError):
                link.sendall(sent)
            answer = http.client.HTTPResponse(link)
            answer.begin()
            status, content = answer.status, answer.read()
        assert 400 <= status < 500, (name, status, content)
        assert is_error(status, content), (name, content)
    return f"{len(HEADS)} heads: 4xx in the one form"


CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


def generated_requests(server: Server) -> str:
    """Requests made up by schemathesis from /openapi.json, half of them against what it says."""
    import hypothesis
    import schemathesis
    from schemathesis import GenerationMode

    schema = schemathesis.openapi.from_url(server.url + "/openapi.json")
    schema.validate()
    checks = [schemathesis.checks.CHECKS.get_one(name) for name in CHECKS]
    wanted, statuses, seed = times(500, 5000), Counter[int](), 0
    operations = [(each.ok(), mode) for each in schema.get_all_operations() for mode in GenerationMode]
    with httpx.Client(timeout=60) as client:
        while sum(statuses.values()) < wanted:
            seed += 1
            for operation, mode in operations:

                def one(case: Any) -> None:
                    answer = case.call(base_url=server.url, timeout=60)
                    statuses[answer.status_code] += 1
                    case.validate_response(answer, checks=checks)
                    assert answer.status_code < 400 or is_error(answer.status_code, answer.content), answer.content

                given = hypothesis.given(case=operation.as_strategy(generation_mode=mode))(one)
                options = hypothesis.settings(
                    max_examples=times(25, 100),
                    deadline=None,
                    database=None,
                    phases=[hypothesis.Phase.generate],
                    suppress_health_check=list(hypothesis.HealthCheck),
                )
                with suppress(hypothesis.errors.Unsatisfiable):  # where nothing can be wrong
                    hypothesis.seed(seed)(options(given))()
        assert client.get(server.url + "/readyz").status_code == 200
    assert all(status < 500 for status in statuses)
    table = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
    return f"{sum(statuses.values())} requests: {table}"


def killed_compute(server: Server) -> str:
    """kill -9 of the compute process while eight texts are written: these fail, others go on, nothing changes."""
    right, failed, count = answers_of_texts(server), 0, times(3, 20)
    for _ in range(count):
        with ExitStack() as stack:
            links = [stack.enter_context(connected(server)) for _ in range(8)]
            for number, link in enumerate(links):
                link.sendall(writing(16_000, stream=number % 2 == 0))
            while server.metrics()["seqdl_jobs"] < 8 or server.metrics()["seqdl_queue"]:
                time.sleep(0.01)
            os.kill(server.compute_pid(), signal.SIGKILL)
            server.wait(status=503, seconds=5)
            late = stack.enter_context(connected(server, 120))
            late.sendall(writing(5))  # waits for the next process
            for number, link in enumerate(links):
                told = read_until(link, b"worker_died")
                assert (b"200 OK" in told) == (number % 2 == 0)
                failed += 1
            server.wait()
            assert b"200 OK" in read_until(late, b"usage")
        assert answers_of_texts(server) == right
    idle(server)
    assert server.metrics()["seqdl_compute_restarts"] == count
    return f"{count} times: {failed} requests told so, {count} that waited went on, then the same texts"


def read_until(link: socket.socket, sign: bytes) -> bytes:
    told = b""
    while sign not in told:
        more = link.recv(65536)
        assert more, (sign, told[-500:])
        told += more
    return told


def answers_of_texts(server: Server) -> list[str]:
    body = {"prompt": "ROMEO:", "max_tokens": 40, "seed": 7, "n": 3}
    document = httpx.post(server.url + "/v1/completions", json=body, timeout=120).json()
    return [choice["text"] for choice in document["choices"]]


def full_queue(server: Server) -> str:
    """More requests than may wait (nine): 429 with Retry-After."""
    with ExitStack() as stack:
        links = [stack.enter_context(connected(server)) for _ in range(9)]
        for link in links:
            link.sendall(writing(16_000, stream=True))
            read_until(link, b"data: ")
        for _ in range(20):
            answer = httpx.post(server.url + "/v1/completions", json={}, timeout=60)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
            assert is_error(429, answer.content)
    idle(server)
    return "20 requests above 9: 429 with Retry-After"


def no_place(server: Server, folder: Path) -> str:
    """A folder for temporary files that is gone: 503."""
    assert httpx.post(server.url + "/v1/scan", content=b">a\nACGT\n", headers=FASTA, timeout=60).status_code == 200
    deadline = time.monotonic() + 10
    while list(folder.glob("seqdl-serve-*")):  # goes when the answer is there
        assert time.monotonic() < deadline
        time.sleep(0.01)
    shutil.rmtree(folder)
    for path in ("/v1/scan", "/v1/ocr", "/v1/classify"):
        answer = httpx.post(server.url + path, content=b">a\nACGT\n", headers=IMAGE, timeout=60)
        assert answer.status_code == 503, answer.text
        assert is_error(answer.status_code, answer.content)
    folder.mkdir()
    return "3 requests: 503 in the one form"


def signals(options: tuple[object, ...] = ("-t", 1, "--models", "shakespeare")) -> str:
    """SIGTERM lets a stream end; a second signal does not; kill -9 leaves no process behind."""
    told = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with running_server(*options) as server, connected(server) as link:
            link.sendall(writing(3000, stream=True))
            read_until(link, b"data: ")
            server.process.send_signal(number)
            assert b"[DONE]" in read_until(link, b"[DONE]")
            assert server.process.wait(30) == 0
    told.append("2 x a signal: the stream ends, exit code 0")
    server = Server(*options)
    server.wait()
    with connected(server) as link:
        link.sendall(writing(16_000, n=16, stream=True))
        read_until(link, b"data: ")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        start = time.monotonic()
        assert server.stop(signal.SIGTERM) == 130
        assert time.monotonic() - start < 5
    assert not server.complaints(), server.complaints()
    told.append("a second one: at once, 130")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(*options, env={"TMPDIR": folder})
        server.wait()
        child = server.compute_pid()
        with connected(server) as link:
            link.sendall(request("/v1/ocr", bytes(1000), "image/png")[:-10])
            time.sleep(0.3)
            server.process.kill()
        server.process.wait()
        end = time.monotonic() + 10
        while Path(f"/proc/{child}").exists():
            assert time.monotonic() < end, "the compute process is left"
            time.sleep(0.05)
        left = len(list(Path(folder).glob("seqdl-serve-*")))
    told.append(f"kill -9: the compute process ends, {left} temporary folders of running requests stay")
    return "; ".join(told)


def not_started() -> str:
    """A port that is taken, a damaged model: one line and an exit code."""
    told = []
    with socket.create_server(("127.0.0.1", free_port())) as taken, tempfile.TemporaryDirectory() as folder:
        damaged = Path(folder, "bad.safetensors")
        damaged.write_bytes(b"x" * 1000)
        cases = [
            (("--port", taken.getsockname()[1]), 1, "cannot listen on 127.0.0.1"),
            (("--models", damaged), 4, "damaged"),
            (("--models", "gone"), 4, "gone"),
            (("--log", damaged), 3, "bad.safetensors"),
        ]
        for options, code, words in cases:
            server = Server(*options)
            assert server.stop(0, 120) == code, server.log
            lines = [line for line in server.log if "seqdl: error:" in line]
            assert len(lines) == 1, server.log
            assert words in lines[0]
            assert not server.complaints(), server.log
            told.append(f"{options[0]}: {code}")
    return "one line and an exit code: " + ", ".join(told)


def key() -> str:
    """A key that is missing or wrong: 401; what is open stays open."""
    with running_server("-t", 1, "--models", "digits", "--api-key", "Sesam") as server:
        count = 0
        wrong = [
            {},
            *({"authorization": text} for text in ("Bearer", "Bearer x", "Basic Sesam", "Sesam", "bearer sesam")),
        ]
        for path in ("/v1/models", "/metrics", "/v1/nothing"):
            for headers in wrong:
                answer = httpx.get(server.url + path, headers=headers)
                assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
                assert is_error(401, answer.content)
                count += 1
            assert httpx.get(server.url + path, headers={"authorization": "Bearer Sesam"}).status_code in (200, 404)
        for path in ("/healthz", "/readyz", "/health", "/", "/openapi.json"):
            assert httpx.get(server.url + path).status_code == 200
    return f"{count} requests: 401; open: /healthz, /readyz, /health, /, /openapi.json"


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as log:
        count: int = log.execute("SELECT count(*) FROM requests").fetchone()[0]
        return count


def full_log(folder: Path) -> str:
    """A log that cannot grow: requests are answered, what it loses is counted, one line says so."""
    path = folder / "full.sqlite"
    with running_server("-t", 1, "--models", "digits", "--log", path) as server:
        size = max(path.stat().st_size, Path(f"{path}-wal").stat().st_size if Path(f"{path}-wal").exists() else 0)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        for _ in range(40):
            assert server.get("/v1/models")[0] == 200
            time.sleep(0.05)
        time.sleep(1.5)
        lost = server.metrics()["seqdl_log_lost_total"]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert lost > 0
        assert sum("requests are not kept" in line for line in server.log) == 1
    return f"40 requests answered, {lost:.0f} lines of the log lost, counted, told once"


def shared_log(folder: Path) -> str:
    """Two servers that keep their requests in one file."""
    path, options = folder / "shared.sqlite", ("-t", 1, "--models", "digits")
    with running_server(*options, "--log", path) as one, running_server(*options, "--log", path) as other:
        for _ in range(50):
            assert one.get("/v1/models")[0] == other.get("/v1/models")[0] == 200
    assert rows(path) >= 100
    with closing(sqlite3.connect(path)) as log:
        assert log.execute("SELECT count(*) FROM runs WHERE status = 'done'").fetchone()[0] == 2
    return "2 servers, 50 requests each: all of them in the file"


# Tests


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server("-t", 1, *MODELS, "--max-seconds", SECONDS, "--quiet") as server:
        yield server


ON_ONE_SERVER: list[Callable[[Server], str]] = [
    hang_ups,
    stopped_work,
    dropped_page,
    slow_clients,
    bad_bodies,
    path_tricks,
    head_tricks,
    generated_requests,
]


def test_answers_are_those_of_the_command_line(server: Server) -> None:
    assert answers(server) == command_line()


@pytest.mark.parametrize("fault", ON_ONE_SERVER, ids=lambda fault: fault.__name__)
def test_fault(fault: Callable[[Server], str], server: Server) -> None:
    print(fault(server))
    assert not server.complaints()


def test_signals() -> None:
    print(signals())


def test_kills_queue_and_folder(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    with running_server(*KILLED, env={"TMPDIR": str(tmp_path / "t")}) as server:
        print(killed_compute(server))
        print(full_queue(server))
        print(no_place(server, tmp_path / "t"))


def test_not_started() -> None:
    print(not_started())


def test_key() -> None:
    print(key())


def test_a_full_disk_for_the_log(tmp_path: Path) -> None:
    print(full_log(tmp_path))


def test_two_servers_share_a_log(tmp_path: Path) -> None:
    print(shared_log(tmp_path))


def test_nobody_reads_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    from seqdl_serve.logs import log_to_stderr

    read_again = threading.Event()

    class Stuck:
        def write(self, text: str) -> None:
            read_again.wait()

        def flush(self) -> None:
            read_again.wait()

    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", Stuck())
    start = time.monotonic()
    log = log_to_stderr(quiet=False)
    try:
        for number in range(20_000):  # more than wait in memory
            logging.getLogger("seqdl.serve").info("line %d", number)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    log.close()
    assert time.monotonic() - start < 20
    read_again.set()  # the thread must not outlive the stderr it was given
    log.lines.put(None, timeout=10)
    log.thread.join(10)
    assert not log.thread.is_alive()


def table() -> Iterator[tuple[str, Callable[[], str]]]:
    """Every fault by its name."""
    with running_server("-t", 1, *MODELS, "--max-seconds", SECONDS, "--quiet") as server:
        for fault in ON_ONE_SERVER:
            yield fault.__name__, partial(fault, server)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "t").mkdir()
        with running_server(*KILLED, env={"TMPDIR": f"{folder}/t"}) as server:
            for fault in (killed_compute, full_queue):
                yield fault.__name__, partial(fault, server)
            yield "no_place", partial(no_place, server, Path(folder, "t"))
        for alone in (signals, not_started, key):
            yield alone.__name__, alone
        for kept in (full_log, shared_log):
            yield kept.__name__, partial(kept, Path(folder))


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / part) for part in (".", "data", "vision", "cli")]
    print("| fault | result |\n| --- | --- |")
    for name, run in table():
        print(f"| {name.replace('_', ' ')} | {run()} |", flush=True)
