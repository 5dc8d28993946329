"""The service under load: texts, letters and scans a second, how long each waits, and memory after many requests.

    python bench/serve_load.py [--peers PYTHON] [--quick] [--write]

It starts `seqdl serve` on loopback with all cores, waits until it is ready, and is itself the second process that
asks: so many connections side by side, each of which sends its next request when it has the whole answer to the one
before. The client is bench/http_client.py, a protocol of asyncio's without a library for HTTP, as client and server
share the cores; answers are taken apart and checked after the clock has stopped.

- Texts: /v1/completions, streamed, 512 characters each at temperature 0.8, every one with a seed of its own; long ones
  of 4,096, where coming and going counts for less. "first"
  is the time from the request to the first characters, "whole" to the last. Beside it bench/serve_peer.py: the same
  network, its int8 weights spread to float32, in PyTorch behind FastAPI, one request at a time; it has the cores to
  itself when it is its turn.
- Letters: /v1/classify, 28 x 28 pixels as JSON. Sites and motifs: /v1/scan of random FASTA of so many bases, with the
  default model, and with a file of four matrices.
- Memory: resident size of both processes of the service after 1,000 and after 10,000 requests of all kinds.

Rates are medians over rounds, in which all take turns; times are percentiles over all requests of all rounds.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import measure
import numpy as np
from http_client import Answer, all_at_once, document, request
from measure import ROOT, Ledger, Options
from servers import Server, peer, seqdl

CHARACTERS, LONG = 512, 4096
BASES = {"sites": 20_000, "motifs": 1_000_000}
MATRICES, WIDTH = 4, 12
MEMORY, QUICK_MEMORY = (1_000, 10_000), (100, 500)
STREAMS, SCANS = (1, 8, 32), (1, 4)
MANY = 8  # streams of the ratios
Requests = Iterator[bytes]


@dataclass
class Load:
    """A job, so many of it at a time, and what was measured. amount: characters, letters or bases of an answer."""

    name: str
    at_once: int
    requests: Requests
    amount: Callable[[Answer], int]
    each: int  # requests over each connection in a round
    rates: list[float] = field(default_factory=list)  # amount a second, of each round
    answers: list[tuple[float, float]] = field(default_factory=list)  # seconds to the first and to the last byte
    counts: list[float] = field(default_factory=list)  # requests a second

    def round(self, server: Server, each: int = 0) -> None:
        """Measure so many requests over each connection."""
        queues = [list(itertools.islice(self.requests, each or self.each)) for _ in range(self.at_once)]
        began = time.perf_counter()
        answers = asyncio.run(all_at_once(server.port, queues))
        seconds = time.perf_counter() - began
        self.rates.append(sum(map(self.amount, answers)) / seconds)
        self.counts.append(len(answers) / seconds)
        self.answers += [(answer.first - answer.begun, answer.ended - answer.begun) for answer in answers]
        print(f"{self.name}, {self.at_once} at once: {self.rates[-1]:,.0f}/s", file=sys.stderr, flush=True)

    def warm_up(self, server: Server) -> None:
        self.round(server, 1)
        for figures in (self.rates, self.counts, self.answers):
            figures.clear()

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def percentiles(self, of: int) -> str:
        """p50 / p95 / p99 in milliseconds; of: 0 the first byte, 1 the last."""
        values = np.percentile([times[of] for times in self.answers], (50, 95, 99)) * 1e3
        return " / ".join(f"{value:.{1 if value < 10 else 0}f}" for value in values)


# What is asked for


def texts(length: int = CHARACTERS, stream: bool = True) -> Requests:
    for seed in itertools.count(1):
        asked = {"prompt": "ROMEO:\n", "max_tokens": length, "temperature": 0.8, "seed": seed, "stream": stream}
        yield document("/v1/completions", asked)


def written(answer: Answer, length: int = CHARACTERS) -> int:
    count = len(answer.text())
    assert count >= 0.98 * length, f"{count} characters"  # the model could write one of several bytes
    return count


def letters() -> Requests:
    """A thick stroke each, of another shape."""
    draw = np.random.default_rng(1)
    while True:
        pixels = np.zeros((28, 28), np.int64)
        for x, y in np.cumsum(draw.integers(-2, 3, (30, 2)), axis=0) + 14:
            pixels[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] = 255
        yield document("/v1/classify", {"pixels": pixels.tolist()})


def one_letter(answer: Answer) -> int:
    assert len(json.loads(answer.body)["seen"]) == 28, answer.raw
    return 1


def fasta(bases: int, seed: int) -> bytes:
    sequence = "".join(np.random.default_rng(seed).choice(list("ACGT"), bases))
    lines = "\n".join(sequence[at : at + 80] for at in range(0, bases, 80))
    return f">random_{seed}\n{lines}\n".encode()


def site_scans(bases: int) -> Requests:
    wires = [request("POST", "/v1/scan", fasta(bases, seed), "text/x-fasta") for seed in range(4)]
    return itertools.cycle(wires)


def motif_scans(bases: int) -> Requests:
    """A file of matrices beside the sequences."""
    draw, rows = np.random.default_rng(2), []
    for number in range(MATRICES):
        counts = np.round(100 * draw.dirichlet([0.3] * 4, WIDTH).T).astype(int)
        rows.append(f">M{number}")
        rows += [f"{base} [ {' '.join(map(str, row))} ]" for base, row in zip("ACGT", counts, strict=True)]
    library = "\n".join([*rows, ""]).encode()
    return itertools.cycle([_multipart({"fasta": fasta(bases, seed), "motifs": library}) for seed in range(4)])


def _multipart(files: dict[str, bytes]) -> bytes:
    mark, body = "seqdl-bench", b""
    for name, content in files.items():
        head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return request("POST", "/v1/scan", body + f"--{mark}--\r\n".encode(), f"multipart/form-data; boundary={mark}")


def scanned(bases: int) -> Callable[[Answer], int]:
    def amount(answer: Answer) -> int:
        assert answer.status == 200, answer.raw[:500]
        assert b'{"error"' not in answer.body
        return bases

    return amount


def loads(quick: bool) -> list[Load]:
    """All of ours; each takes about a second a round, with quick a third of that."""
    share = 3 if quick else 1
    made = [Load("texts", n, texts(), written, {1: 24, 8: 12, 32: 6}[n] // share) for n in STREAMS]
    long = partial(written, length=LONG)
    made += [Load("long texts", n, texts(LONG), long, {1: 6, 8: 3, 32: 1}[n]) for n in STREAMS]
    made += [Load("letters", n, letters(), one_letter, {1: 300, 8: 60, 32: 15}[n] // share) for n in STREAMS]
    for (name, bases), scans in zip(BASES.items(), (site_scans, motif_scans), strict=True):
        made += [Load(name, n, scans(bases), scanned(bases), {1: 9, 4: 6}[n] // share) for n in SCANS]
    return made


def peer_loads(quick: bool) -> list[Load]:
    return [Load("texts, PyTorch behind FastAPI", n, texts(), written, 1 if quick else 2) for n in (1, MANY)]


def memory(server: Server, counts: tuple[int, ...]) -> list[list[int]]:
    """Bytes of both processes after so many requests, a mixture of all kinds over 8 connections."""
    kinds = [texts(64), texts(32, stream=False), letters(), letters(), site_scans(2_000), motif_scans(2_000)]
    mixture, found, done = itertools.chain.from_iterable(zip(*kinds, strict=True)), [], 0
    for count in counts:
        queues = [itertools.islice(mixture, (count - done) // 8) for _ in range(8)]
        answers = asyncio.run(all_at_once(server.port, queues))
        assert all(answer.status == 200 for answer in answers)
        done = count
        found.append(server.resident())
        print(f"memory after {count:,}: {found[-1]}", file=sys.stderr, flush=True)
    return found


# What comes of it


def row(load: Load, alone: Load) -> list[str]:
    times = f"{load.rate / alone.rate:.2f}"
    cells = [f"{float(f'{load.rate:.3g}'):,.0f}", f"{statistics.median(load.counts):.3g}"]
    return [load.name, str(load.at_once), *cells, times, load.percentiles(0), load.percentiles(1)]


def table(found: list[Load]) -> str:
    alone = {load.name: load for load in found if load.at_once == 1}
    head = ["what", "at once", "characters, letters, bases/s", "requests/s", "times one at once"]
    head += [f"{what}, ms: p50 / p95 / p99" for what in ("first", "whole")]
    return measure.table(head, [row(load, alone[load.name]) for load in found])


def float_weights(folder: Path) -> measure.Config:
    """The default model's weights in a file, as float32, and its architecture."""
    from safetensors.numpy import save_file

    from seqdl.text import CharModel

    model, path = CharModel.load(), folder / "weights.safetensors"
    save_file(model.network.state_dict(), path)
    return {**model.card["architecture"], "batch": 1, "file": str(path)}


def measured(options: Options, ledger: Ledger) -> str:
    ours, theirs = loads(options.quick), peer_loads(options.quick)
    with seqdl() as server, peer(options.peers, float_weights(Path(measure.SCRATCH.name))) as other:
        for load in ours:
            load.warm_up(server)
        for _ in range(options.rounds):
            for load in ours:
                load.round(server)
            for load in theirs:
                load.round(other)
        way = json.loads(other.get("/way"))
    rates = {(load.name, load.at_once): load.rate for load in (*ours, *theirs)}
    gains = [rates[name, MANY] / rates[name, 1] for name in ("texts", "long texts")]
    ledger.ratios[f"service, texts, {MANY} streams over one"] = gains[0]
    ledger.ratios[f"service, long texts, {MANY} streams over one"] = gains[1]
    ratio = ledger.ratios[f"service, texts, {MANY} streams"] = rates["texts", MANY] / rates[theirs[0].name, MANY]
    ledger.summary.append(f"service, {MANY} streams of text, beside PyTorch behind FastAPI | {ratio:.2f}")
    said = (
        f"Characters/s of {MANY} streams over those of one: **{gains[0]:.2f}** with texts of {CHARACTERS} characters, "
        f"**{gains[1]:.2f}** with {LONG:,}. Of {MANY} streams of {CHARACTERS} over the same network in PyTorch "
        f"behind FastAPI, one request at a time, in float32 (fastest way: {way}): **{ratio:.1f}**."
    )
    return f"{table([*ours, *theirs])}\n\n{said}"


def remembered(options: Options) -> str:
    counts = QUICK_MEMORY if options.quick else MEMORY
    with seqdl() as server:
        found = memory(server, counts)
    head = ["requests of all kinds", "MB of the server", "of the compute process", "together"]
    rows = [
        [f"{count:,}", *(f"{size / 1e6:.1f}" for size in (*sizes, sum(sizes)))]
        for count, sizes in zip(counts, found, strict=True)
    ]
    growth = sum(found[-1]) / sum(found[0]) - 1
    return f"{measure.table(head, rows)}\n\nMemory grew by **{growth:.1%}** from the first row to the last."


def bench(options: Options) -> None:
    ledger = Ledger("serve_load")
    content = f"{measured(options, ledger)}\n\n{remembered(options)}"
    measure.publish(ledger, content, options)
    if options.write:
        machine = f"Machine: {measure.machine_line(options.peers)}. Made by `bench/serve_load.py`."
        measure.write_between(ROOT / "README.md", "bench/serve_load.py", f"{content}\n\n{machine}")


if __name__ == "__main__":
    measure.main({}, bench, __doc__)
