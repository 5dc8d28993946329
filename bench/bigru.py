"""A bidirectional GRU over windows of DNA: windows a second in inference and training, ours and PyTorch.

    python bench/bigru.py [--peers PYTHON] [--quick] [--write] [--threads 1,2]

200 bases as 4 one-hot channels -> GRU of 64 in both directions -> a linear layer on the middle base -> 3 classes;
batches of 256 windows. A training step is forward, cross-entropy, backward and Adam. Same initial weights (a file)
and windows for all, and the first losses must agree. "floor": only the recurrent matrix products, through NumPy's BLAS.

FLOPs: 2 a multiply-add, the one-hot input counts 0, training is three times the forward pass.
"""

from __future__ import annotations

from typing import Any

import measure
import numpy as np
from measure import Case, Config, Ledger, Options, Result, Step
from steps import seqdl_classifier, torch_classifier

BASES, HIDDEN, CLASSES, BATCH = 200, 64, 3, 256
BATCHES = 4  # of windows, read in turn


def case(training: bool) -> Case:
    flops = 2.0 * BATCH * (2 * BASES * 3 * HIDDEN * HIDDEN + 2 * HIDDEN * CLASSES)
    name = f"{'training' if training else 'inference'}, GRU 2 x {HIDDEN}, {BASES} bases, batch {BATCH}"
    return Case(name, {"training": training}, BATCH, flops * (3 if training else 1))


CASES = [case(training=False), case(training=True)]


def with_file(case: Case) -> Case:
    """The same case, its weights and windows in a file that all contenders read."""
    draw = np.random.default_rng(1)
    arrays: dict[str, np.ndarray] = {}
    shapes: dict[str, tuple[int, ...]] = {"linear.weight": (CLASSES, 2 * HIDDEN), "linear.bias": (CLASSES,)}
    for suffix in ("l0", "l0_reverse"):
        shapes |= {f"gru.weight_ih_{suffix}": (3 * HIDDEN, 4), f"gru.weight_hh_{suffix}": (3 * HIDDEN, HIDDEN)}
        shapes |= {f"gru.bias_ih_{suffix}": (3 * HIDDEN,), f"gru.bias_hh_{suffix}": (3 * HIDDEN,)}
    for name, shape in shapes.items():
        arrays[name] = draw.uniform(-(HIDDEN**-0.5), HIDDEN**-0.5, shape).astype(np.float32)
    arrays["windows"] = np.eye(4, dtype=np.float32)[draw.integers(0, 4, (BATCHES, BATCH, BASES))]
    arrays["classes"] = draw.integers(0, CLASSES, (BATCHES, BATCH))
    return measure.with_arrays(case, arrays)


def ours(config: Config) -> Step:
    from seqdl import keep_freed_memory, nn, parallel

    parallel.set_num_threads(config["threads"])
    keep_freed_memory()  # as every training of ours does

    class Sites(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(4, HIDDEN, bidirectional=True, batch_first=True)
            self.linear = nn.Linear(2 * HIDDEN, CLASSES)

        def forward(self, x: Any) -> Any:
            return self.linear(self.gru(x)[0][:, BASES // 2])

    weights, windows, classes = measure.load(config, "windows", "classes")
    network = Sites()
    network.load_state_dict(weights)
    return seqdl_classifier(network, windows, classes, config["training"])


def torch_eager(config: Config) -> Step:
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(config["threads"])

    class Sites(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(4, HIDDEN, bidirectional=True, batch_first=True)
            self.linear = nn.Linear(2 * HIDDEN, CLASSES)

        def forward(self, x: Any, target: Any = None) -> Any:
            logits = self.linear(self.gru(x)[0][:, BASES // 2])
            return logits if target is None else F.cross_entropy(logits, target)

    weights, *batches = measure.load(config, "windows", "classes")
    network = Sites()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    windows, classes = ([torch.from_numpy(batch) for batch in kind] for kind in batches)
    return torch_classifier(network, windows, classes, config["training"])


def floor(config: Config) -> Step:
    """Only the recurrent products, operands and results of the right shapes given."""
    draw = np.random.default_rng(0)
    h, w, gates = (
        draw.random(shape, dtype=np.float32)
        for shape in ((BASES * BATCH, HIDDEN), (HIDDEN, 3 * HIDDEN), (BASES * BATCH, 3 * HIDDEN))
    )
    out_h, out_w, out_gates = np.empty_like(h), np.empty_like(w), np.empty_like(gates)

    def step() -> Any:
        for _ in range(2):
            for t in range(0, len(h), BATCH):
                np.matmul(h[t : t + BATCH], w, out=out_gates[t : t + BATCH])
                if config["training"]:
                    np.matmul(gates[t : t + BATCH], w.T, out=out_h[t : t + BATCH])
            if config["training"]:
                np.matmul(h.T, gates, out=out_w)
        return 0.0

    return step


CONTENDERS = {"seqdl": ours, "PyTorch": torch_eager, "floor": floor}
OWN = ("seqdl", "floor")


def row(case: Case, threads: int, results: dict[str, Result], ledger: Ledger) -> list[str]:
    """Of the table; the ratio goes into the ledger."""
    _, ratio = measure.best_peer(results)
    ledger.ratios[f"bigru, {case.name}, {threads} threads"] = ratio
    cells = [measure.rate(case, results[contender]) for contender in CONTENDERS]
    of_floor = results["floor"].seconds / results["seqdl"].seconds
    memory = " / ".join(measure.megabytes(results[n]) for n in ("seqdl", "PyTorch"))
    return [
        case.name,
        str(threads),
        *cells,
        f"**{ratio:.2f}**",
        f"{of_floor:.0%}",
        measure.share(case, results),
        memory,
    ]


def bench(options: Options) -> None:
    ledger, rows = Ledger("bigru"), []
    for threads in options.threads:
        for case in map(with_file, measure.chosen(CASES, options)):
            results = measure.compare(__file__, case, CONTENDERS, OWN, threads, options)
            ledger.peer_failures(results, case)
            rows.append(row(case, threads, results, ledger))
            if threads == options.threads[-1]:
                ratio = measure.best_peer(results)[1]
                ledger.summary.append(f"{case.name}, {threads} threads | {ratio:.2f}")
    head = [
        "windows/s",
        "threads",
        *CONTENDERS,
        "over PyTorch",
        "of the floor",
        "of the limit",
        "peak MB: seqdl / PyTorch",
    ]
    measure.publish(ledger, measure.table(head, rows), options)


if __name__ == "__main__":
    measure.main(CONTENDERS, bench, __doc__)
