"""How long a command takes from nothing, and how much memory: ours beside the imports of others.

    python bench/start.py [--peers PYTHON] [--quick] [--write]

Fresh processes in turn, after one of each to warm the disk's and the kernels' caches; medians of wall time, and
the peak resident size. "empty cache": NUMBA_CACHE_DIR is a new folder each time. Without a shipped model the text
is written by random weights of its shape (GRU 2x512, int8).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import measure
from measure import ROOT, Ledger, Options

OURS = (sys.executable, "-m", "seqdl_cli.main")


def model() -> list[str]:
    """Options that name a model: none if one ships, else a random one."""
    sys.path[:0] = [str(ROOT), str(ROOT / "data")]
    from seqdl.text.model import CharModel, model_path
    from seqdl.text.network import CharNetwork
    from seqdl.text.vocabulary import ByteVocabulary

    if model_path(None).exists():
        return []
    path = Path(measure.SCRATCH.name) / "random.safetensors"
    CharModel(CharNetwork(256, "gru", 512, 2).eval(), ByteVocabulary()).save(path, "int8")
    return ["--model", str(path)]


def commands(options: Options) -> dict[str, Sequence[object]]:
    """What is started, by its name in the table."""
    generate = (*OURS, "generate", "text", "-n", 200, "-s", 1, *model())
    found: dict[str, Sequence[object]] = {
        "`seqdl generate text -n 200`": generate,
        "`python -c 'import torch'`": (options.peers, "-c", "import torch"),
        "`seqdl --help`": (*OURS, "--help"),
    }
    if not options.quick:
        found |= {
            "`python -c pass`": (sys.executable, "-c", "pass"),
            "`python -c 'import numba'`": (sys.executable, "-c", "import numba"),
            "`python -c 'import jax'`": (options.peers, "-c", "import jax"),
        }
    return found


def empty_cache(command: Sequence[object]) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        return measure.run(command, measure.environment() | {"NUMBA_CACHE_DIR": folder})


def bench(options: Options) -> None:
    warm = commands(options)
    figures: dict[str, list[tuple[float, int]]] = {name: [] for name in warm}
    for number in range(options.rounds + 1):
        for name, command in warm.items():
            figure = measure.run(command)
            if number > 0:
                figures[name].append(figure)
    if not options.quick:
        for name, command in (("warmup", (*OURS, "warmup")), ("generate text -n 200", next(iter(warm.values())))):
            figures[f"`seqdl {name}`, empty cache"] = [empty_cache(command) for _ in range(3)]
    medians = {
        name: [statistics.median(column) for column in zip(*runs, strict=True)] for name, runs in figures.items()
    }
    rows = [[name, f"{seconds:.2f}", f"{peak / 1e6:.0f}"] for name, (seconds, peak) in medians.items()]
    ours, torch, *_ = medians.values()
    ledger = Ledger("start", {"start, import torch over seqdl generate text": torch[0] / ours[0]})
    ledger.summary = [
        f"import of torch, over `seqdl generate text -n 200` from start to end | {torch[0] / ours[0]:.2f}"
    ]
    measure.publish(ledger, measure.table(["a fresh process", "seconds", "peak MB"], rows), options)


if __name__ == "__main__":
    measure.main({}, bench, __doc__)
