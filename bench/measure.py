"""What the benches share: contenders in processes of their own that take turns, medians, limits, tables.

A bench is a script with a dictionary of contenders and a function that runs its cases:

    def ours(config):            # in the worker process: set up, then return the work of one step
        ...
        return step              # a call does one step and returns a number to compare, a loss for example

Each contender lives in a worker process, so that no library's threads or settings disturb another. The workers
take turns, A B C A B C, one computing at a time; each keeps to the first `threads` cores, whatever the library
thinks of them. The first steps of all must agree: the same work is done. Figures are medians over the rounds.

OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE, which some machines set to slower kernels, are removed here and in every
process started from here; the kernels in use stand beside the figures.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_name, None)  # before anything loads OpenBLAS

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("SEQDL_TEST_DATA", ROOT.parent / "shared" / "data")) / "dna"  # real genomes and motifs
Config = dict[str, Any]
Step = Callable[[], Any]
Contenders = dict[str, Callable[[Config], Step]]
WARM_UP = 3  # steps; their results are compared
TOLERANCE = 1e-3  # relative, between those results
PATIENCE = 1500  # seconds that setting up and compiling may take


# The worker's side: runs in either interpreter, and imports no more than the contender does.


def serve(contenders: Contenders, name: str, config: Config) -> None:
    """Set up one contender, then do as many steps as each line of stdin says, and answer with the time."""
    stay_on(config["threads"])
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with the answers

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=channel, flush=True)

    began = time.perf_counter()
    try:
        step = contenders[name](config)
        first = [float(step()) for _ in range(WARM_UP)]
    except Exception as error:  # a peer that cannot do this job is reported, not fatal
        reason = re.sub(r"(/[\w.-]+)+/", "", f"{type(error).__name__}: {error}")  # without folders of this machine
        answer(error=reason.strip().splitlines()[0][:200])
        return
    ready = time.perf_counter()
    float(step())
    answer(first=first, setup=ready - began, step=time.perf_counter() - ready)
    for line in sys.stdin:
        float(step())  # untimed: the others have emptied the caches
        began = time.perf_counter()
        for _ in range(int(line)):
            last = step()
        check = float(last)  # waits for libraries that compute in the background
        answer(seconds=time.perf_counter() - began, check=check, peak=peak_memory())


def stay_on(threads: int) -> None:
    """Keep this process on the first `threads` of its cores, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    try:  # the kernel's other figure, ru_maxrss, includes what the parent held when it started us
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# The driver's side


@dataclass
class Options:
    """What the command line said."""

    peers: Path
    rounds: int
    seconds: float
    threads: list[int]
    quick: bool
    write: bool
    json: Path | None
    only: list[str]
    without: list[str]


@dataclass(frozen=True)
class Case:
    """One job: its name in the tables, what its contenders are told, and what a step of it amounts to."""

    name: str
    config: Config
    items: int
    flops: float  # counted, 2 for a multiply-add


@dataclass
class Result:
    """What one contender needed. error: why there are no figures."""

    rounds: list[float] = field(default_factory=list)  # seconds a step
    first: list[float] = field(default_factory=list)
    setup: float = 0.0  # seconds from the start of the set-up to the end of the first steps: compile time
    peak: int = 0  # bytes
    error: str = ""

    @property
    def seconds(self) -> float:
        return statistics.median(self.rounds) if self.rounds else float("inf")


class Worker:
    """One contender's process, alive until `close`."""

    def __init__(self, script: Path, name: str, config: Config, python: Path) -> None:
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the worker
        self.result = Result()
        command = [python, script, "--worker", name, json.dumps(config)]
        try:
            self.process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.log,
                text=True,
                env=environment(config["threads"]),
            )
        except OSError as error:
            self.process, self.result.error = None, str(error)
            return
        ready = self._answer(PATIENCE)
        self.step = ready.get("step", 0.0)
        self.result.first, self.result.setup = ready.get("first", []), ready.get("setup", 0.0)

    def round(self, steps: int) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(f"{steps}\n")
        self.process.stdin.flush()
        told = self._answer(PATIENCE)
        if not self.result.error:
            self.result.rounds.append(told["seconds"] / steps)
            self.result.peak = told["peak"]

    def _answer(self, patience: float) -> dict[str, Any]:
        """The next line of the worker; an error is kept in the result."""
        import select

        assert self.process is not None
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], patience)
        line = self.process.stdout.readline() if readable else ""
        if not line:
            self.log.seek(0)
            said = self.log.read().decode(errors="replace").strip().splitlines()
            why = f"no answer within {patience:.0f} s" if not readable else said[-1] if said else "ended early"
            line = json.dumps({"error": why[:200]})
            self.process.kill()
        told = json.loads(line)
        self.result.error = told.get("error", "")
        return told

    def close(self) -> None:
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def environment(threads: int | None = None) -> dict[str, str]:
    """The variables of a child: our packages found, the number of threads bounded where one is given."""
    paths = [str(ROOT), str(ROOT / "data"), str(ROOT / "vision"), str(ROOT / "cli")]
    bounds = {} if threads is None else dict.fromkeys(("OMP", "OPENBLAS", "MKL", "NUMEXPR"), str(threads))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)} | {f"{k}_NUM_THREADS": n for k, n in bounds.items()}


def compare(
    script: str | Path, case: Case, contenders: Iterable[str], own: Iterable[str], threads: int, options: Options
) -> dict[str, Result]:
    """Let the contenders and the machine's limit take turns at a case. `own` run in this interpreter.

    Every contender does the same number of steps in a round, about options.seconds for the median one.
    """
    own = set(own)
    config = {**case.config, "threads": threads}
    workers = {
        name: Worker(Path(script), name, config, Path(sys.executable) if name in own else options.peers)
        for name in contenders
        if name not in options.without
    }
    limits = {name: Worker(Path(__file__), name, {"threads": threads}, Path(sys.executable)) for name in LIMITS}
    alive = [worker for worker in workers.values() if not worker.result.error]
    typical = statistics.median(worker.step for worker in alive) if alive else 1.0
    steps = max(1, round(options.seconds / max(typical, 1e-6)))
    for _ in range(options.rounds):
        for worker in (*workers.values(), *limits.values()):
            if not worker.result.error:
                worker.round(1 if worker in limits.values() else steps)
                time.sleep(0.02)  # waiting threads of the last one fall asleep
    for worker in (*workers.values(), *limits.values()):
        worker.close()
    left_out = {name: Result(error="left out") for name in contenders if name in options.without}
    results = left_out | {name: worker.result for name, worker in workers.items()}
    check_equal_work(case, results)
    report(case, threads, results, limit := best_limit({name: w.result for name, w in limits.items()}))
    return results | {"limit": Result(rounds=[1 / limit])}


def best_limit(results: dict[str, Result]) -> float:
    """FLOP/s of the faster matrix product."""
    return max((2 * LIMIT_SIZE**3 / result.seconds for result in results.values()), default=0.0)


def check_equal_work(case: Case, results: dict[str, Result]) -> None:
    """The first steps' results must agree with the first contender that ran, except for floors and int8."""
    checked = {n: r.first for n, r in results.items() if r.first and not (n.startswith("floor") or n.endswith("int8"))}
    if not checked:
        return
    reference_name, reference = next(iter(checked.items()))
    for name, values in checked.items():
        for ours, theirs in zip(reference, values, strict=True):
            if not abs(ours - theirs) <= TOLERANCE * max(abs(ours), 1e-6):
                raise SystemExit(f"{case.name}: {name} computes {values}, {reference_name} {reference}")


def report(case: Case, threads: int, results: dict[str, Result], limit: float) -> None:
    print(f"{case.name}, {threads} threads; limit {limit / 1e9:.0f} GFLOP/s", file=sys.stderr)
    for name, result in results.items():
        if result.error:
            print(f"  {name:28} {result.error}", file=sys.stderr)
            continue
        low, high = (case.items / f(result.rounds) for f in (max, min))
        print(
            f"  {name:28} {case.items / result.seconds:12,.0f}/s ({low:,.0f} to {high:,.0f}), "
            f"{case.flops / result.seconds / limit:4.0%} of limit, {result.peak / 1e6:,.0f} MB, "
            f"set-up {result.setup:.1f} s",
            file=sys.stderr,
            flush=True,
        )


# The limit of the machine: large matrix products, by NumPy's BLAS and by our own kernel

LIMIT_SIZE = 2048


def blas_product(config: Config) -> Step:
    import numpy as np

    a = np.random.default_rng(0).random((LIMIT_SIZE, LIMIT_SIZE), dtype=np.float32)
    out = np.empty_like(a)
    return lambda: np.matmul(a, a, out=out)[0, 0]


def own_product(config: Config) -> Step:
    import numpy as np

    from seqdl import parallel

    parallel.set_num_threads(config["threads"])
    a = np.random.default_rng(0).random((LIMIT_SIZE, LIMIT_SIZE), dtype=np.float32)
    return lambda: parallel.matmul(a, a)[0, 0]


LIMITS: Contenders = {"product, NumPy": blas_product, "product, seqdl": own_product}


# Words and tables


@dataclass
class Ledger:
    """What a bench found: ratios (above 1: ours is faster) and lines of its tables."""

    name: str
    ratios: dict[str, float] = field(default_factory=dict)
    summary: list[str] = field(default_factory=list)  # rows of the README's table
    notes: list[str] = field(default_factory=list)

    def peer_failures(self, results: dict[str, Result], case: Case) -> None:
        for name, result in results.items():
            note = f"{name}, {case.name}: {result.error}"
            if result.error and note not in self.notes:
                self.notes.append(note)


def best_peer(results: dict[str, Result], ours: str = "seqdl") -> tuple[str, float]:
    """The fastest peer and how many times faster than it we are."""
    peers = {
        name: r.seconds for name, r in results.items() if r.rounds and not name.startswith(("seqdl", "floor", "limit"))
    }
    if not peers:
        return "none", float("nan")
    name = min(peers, key=lambda peer: peers[peer])
    return name, peers[name] / results[ours].seconds


def rate(case: Case, result: Result) -> str:
    """Items a second for a table, to three digits."""
    return "-" if not result.rounds else f"{float(f'{case.items / result.seconds:.3g}'):,.0f}"


def megabytes(result: Result) -> str:
    return f"{result.peak / 1e6:.0f}" if result.rounds else "-"


def share(case: Case, results: dict[str, Result], name: str = "seqdl") -> str:
    """Share of the limit that was measured in the same run."""
    return f"{case.flops / results[name].seconds * results['limit'].seconds:.0%}"


def row(
    kind: str,
    contenders: Iterable[str],
    case: Case,
    threads: int,
    results: dict[str, Result],
    ledger: Ledger,
    memory_of: Sequence[str] = ("seqdl", "PyTorch", "JAX"),
) -> list[str]:
    """Of a table of contenders with a floor; the ratio goes into the ledger."""
    name, ratio = best_peer(results)
    ledger.ratios[f"{kind}, {case.name}, {threads} threads"] = ratio
    cells = [rate(case, results[contender]) if contender in results else "-" for contender in contenders]
    of_floor = results["floor"].seconds / results["seqdl"].seconds
    memory = " / ".join(megabytes(results[name]) for name in memory_of)
    return [
        case.name,
        str(threads),
        *cells,
        f"**{ratio:.2f}** ({name})",
        f"{of_floor:.0%}",
        share(case, results),
        memory,
    ]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def geometric_mean(values: Iterable[float]) -> float:
    return statistics.geometric_mean(list(values))


def write_between(path: Path, marker: str, content: str) -> None:
    """Replace what stands between <!-- marker --> and <!-- /marker --> in a file; add both if they are not there."""
    text = path.read_text()
    start, end = f"<!-- {marker} -->", f"<!-- /{marker} -->"
    if start not in text:
        text += f"\n{start}\n{end}\n"
    before, rest = text.split(start, 1)
    path.write_text(f"{before}{start}\n{content}\n{end}{rest.split(end, 1)[1]}")


def publish(ledger: Ledger, content: str, options: Options) -> None:
    """Print a bench's tables; with --write into RESULTS.md too, and its ratios where --json says."""
    notes = "\n\n".join(f"{note}." for note in dict.fromkeys(ledger.notes))
    content = "\n\n".join(part for part in (content, notes, f"Machine: {machine_line(options.peers)}.") if part)
    print(content)
    if options.write:
        write_between(ROOT / "bench" / "RESULTS.md", f"bench/{ledger.name}.py", content)
    if options.json:
        options.json.write_text(json.dumps({"ratios": ledger.ratios, "summary": ledger.summary}))


def machine_line(peers: Path | None = None) -> str:
    """CPU, threads, BLAS kernels in use, versions, date."""
    from importlib.metadata import version

    import numpy as np
    import scipy.linalg.blas  # noqa: F401  so that its BLAS is reported too
    from threadpoolctl import threadpool_info

    assert np.__version__
    sys.path[:0] = [str(ROOT), str(ROOT / "data")]
    from seqdl import machine

    kernels = sorted({str(info["architecture"]) for info in threadpool_info() if info["user_api"] == "blas"})
    ours = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba", "llvmlite"))
    theirs = "" if peers is None else f"; peers: {peer_versions(peers)}"
    return (
        (
            f"{machine.cpu_name()}, {os.cpu_count()} cores, OpenBLAS {kernels} kernels; "
            f"seqdl {machine.VERSION}, python {platform.python_version()}, {ours}{theirs}; {datetime.date.today()}"
        )
        .replace("'", "")
        .replace("[", "")
        .replace("]", "")
    )


def peer_versions(peers: Path) -> str:
    """Names and versions of the libraries in the peers' environment."""
    ask = (
        "from importlib.metadata import distributions as d; "
        "print(', '.join(sorted(f'{x.name} {x.version}' for x in d() if x.name in "
        "('torch', 'jax', 'onnxruntime', 'numpy', 'lightmotif', 'MOODS-python', 'fastapi'))))"
    )
    done = subprocess.run([peers, "-c", ask], capture_output=True, text=True)
    return done.stdout.strip() or "none"


def with_arrays(case: Case, arrays: dict[str, Any]) -> Case:
    """The same case, with arrays (weights, data) in a file that all contenders of this run read."""
    from safetensors.numpy import save_file

    path = Path(SCRATCH.name) / f"{len(os.listdir(SCRATCH.name))}.safetensors"
    save_file(arrays, path)
    return Case(case.name, case.config | {"file": str(path)}, case.items, case.flops)


def load(config: Config, *names: str) -> Any:
    """What with_arrays wrote: the arrays of these names, behind a dictionary of all others."""
    from safetensors.numpy import load_file

    arrays = load_file(config["file"])
    named = [arrays.pop(name) for name in names]
    return (arrays, *named) if names else arrays


SCRATCH = tempfile.TemporaryDirectory(prefix="seqdl-bench-")


def run(command: Sequence[object], env: dict[str, str] | None = None) -> tuple[float, int]:
    """Wall seconds and peak bytes of a command, its output thrown away.

    A small interpreter in between starts it: a child's figure for peak memory begins at its parent's size.
    """
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", LAUNCHER, *map(str, command)],
        stdout=subprocess.PIPE,
        text=True,
        env=env or environment(),
    )
    seconds, peak, status = done.stdout.split()
    if int(status):
        raise SystemExit(f"{' '.join(map(str, command))} failed with {status}")
    return float(seconds), int(peak) * (1 if sys.platform == "darwin" else 1024)


LAUNCHER = """
import os, sys, time
began = time.perf_counter()
null = os.open(os.devnull, os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, used = os.wait4(pid, 0)
print(time.perf_counter() - began, used.ru_maxrss, os.waitstatus_to_exitcode(status))
"""


def parse(description: str | None) -> Options:
    """The command line that every bench has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("SEQDL_PEERS", str(ROOT / ".venv-peers/bin/python"))
    parser.add_argument("--peers", default=default, help="interpreter of the peers' environment (SEQDL_PEERS)")
    parser.add_argument("--rounds", type=int, help="times that each contender gets its turn (default 5, quick 3)")
    parser.add_argument("--seconds", type=float, help="length of a round (default 1, quick 0.25)")
    parser.add_argument("--threads", help="numbers of threads, as 1,2 (default: 1 and all cores; quick: all cores)")
    parser.add_argument("--only", action="append", default=[], help="only cases whose name holds this text")
    parser.add_argument("--without", action="append", default=[], help="leave this contender out")
    parser.add_argument("--quick", action="store_true", help="one case, few rounds: for use while working")
    parser.add_argument("--write", action="store_true", help="write the tables into bench/RESULTS.md")
    parser.add_argument("--json", type=Path, help="write ratios and summary into this file")
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = [cores] if given.quick else sorted({1, cores})
    if shutil.which(given.peers) is None:
        raise SystemExit(
            f"{given.peers}: no interpreter of the peers; make one with `make bench`, or name it by --peers"
        )
    return Options(
        peers=Path(given.peers),
        rounds=given.rounds or (3 if given.quick else 5),
        seconds=given.seconds or (0.25 if given.quick else 1.0),
        threads=[int(n) for n in given.threads.split(",")] if given.threads else threads,
        quick=given.quick,
        write=given.write,
        json=given.json,
        only=given.only,
        without=given.without,
    )


def chosen(cases: Sequence[Case], options: Options) -> list[Case]:
    """All cases, those named by --only, or the first one with --quick."""
    named = [case for case in cases if all(text in case.name for text in options.only)]
    return named[:1] if options.quick else named


def main(contenders: Contenders, bench: Callable[[Options], None], description: str | None) -> None:
    """Be a worker if asked to, else run the bench."""
    if sys.argv[1:2] == ["--worker"]:
        serve(contenders, sys.argv[2], json.loads(sys.argv[3]))
    else:
        bench(parse(description))


if __name__ == "__main__":
    main(LIMITS, lambda options: print(machine_line(options.peers)), __doc__)
