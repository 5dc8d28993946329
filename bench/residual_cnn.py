"""The network that reads characters: images a second in training and inference, ours and PyTorch.

    python bench/residual_cnn.py [--peers PYTHON] [--quick] [--write] [--threads 1,2] [--only inference]

28x28 -> conv 3x3, 32 -> pool -> conv 64, residual pair of 64 -> pool -> conv 128, residual pair of 128 -> pool -> 62
labels (seqdl_vision.network.ResidualNetwork), without dropout: padded convolutions without bias, batch normalisation
and ReLU behind each: 533,790 weights. A training step is forward, cross-entropy, backward and Adam. Same initial
weights (a file) and images for all, and the first losses must agree.

- "channels_last" is PyTorch's memory format (NHWC); "compile" is torch.compile of forward and loss, in both formats,
  for inference with frozen weights, which folds the batch normalisation into the convolutions.
- seqdl's inference is that of a loaded model, whose batch normalisation is folded too.
- "floor": only the matrix products that the convolutions and the linear layer are, through NumPy's BLAS, the patches
  given. Winograd's way needs fewer, so this floor can be passed.

FLOPs: 2 a multiply-add of those products; training is three times the forward pass, but for the first layer, whose
input needs no gradient: twice.
"""

from __future__ import annotations

from typing import Any

import measure
import numpy as np
from measure import Case, Config, Ledger, Options, Step
from steps import product_floor, seqdl_classifier, torch_classifier

LABELS, WIDTH = 62, 32
CONVOLUTIONS = [(1, 32, 28), (32, 64, 14), (64, 64, 14), (64, 64, 14), (64, 128, 7), (128, 128, 7), (128, 128, 7)]
BATCHES = 4  # of images, read in turn


def products(batch: int) -> list[tuple[int, int, int]]:
    """The (M, K, N) of each layer's product in the forward pass."""
    layers = [(batch * size * size, 9 * c, o) for c, o, size in CONVOLUTIONS]
    return [*layers, (batch, 9 * 4 * WIDTH, LABELS)]


def case(training: bool, batch: int) -> Case:
    flops = [2.0 * m * k * n for m, k, n in products(batch)]
    total = 3 * sum(flops) - flops[0] if training else sum(flops)
    name = f"{'training' if training else 'inference'}, batch {batch}"
    return Case(name, {"training": training, "batch": batch}, batch, total)


CASES = [case(True, 128), case(False, 128)]


def with_file(case: Case) -> Case:
    """The same case, its weights and images in a file that all contenders read."""
    from seqdl_vision.network import ResidualNetwork

    draw, batch = np.random.default_rng(1), case.config["batch"]
    arrays = dict(ResidualNetwork(LABELS, 0.0, WIDTH, generator=draw).state_dict())
    arrays["images"] = draw.random((BATCHES, batch, 1, 28, 28), dtype=np.float32)
    arrays["labels"] = draw.integers(0, LABELS, (BATCHES, batch))
    return measure.with_arrays(case, arrays)


def ours(config: Config) -> Step:
    from seqdl import keep_freed_memory, nn, parallel
    from seqdl_vision.network import ResidualNetwork

    parallel.set_num_threads(config["threads"])
    keep_freed_memory()  # as every training of ours does
    weights, images, labels = measure.load(config, "images", "labels")
    network = ResidualNetwork(LABELS, 0.0, WIDTH)
    network.load_state_dict(weights)
    if not config["training"]:
        nn.fold_batch_norm(network.eval())
    return seqdl_classifier(network, images, labels, config["training"])


def torch_network() -> Any:
    """The same network; attributes and therefore names in the file are ours."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Unit(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            self.norm = nn.BatchNorm2d(outputs)

        def forward(self, x: Any, around: Any = None) -> Any:
            x = self.norm(self.conv(x))
            return F.relu(x if around is None else x + around, inplace=True)

    class Stage(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.widen, self.first, self.second = (Unit(i, outputs) for i in (inputs, outputs, outputs))

        def forward(self, x: Any) -> Any:
            x = self.widen(x)
            return F.max_pool2d(self.second(self.first(x), x), 2)

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = Unit(1, WIDTH)
            self.stage1, self.stage2 = Stage(WIDTH, 2 * WIDTH), Stage(2 * WIDTH, 4 * WIDTH)
            self.linear = nn.Linear(4 * WIDTH * 9, LABELS)

        def forward(self, x: Any, target: Any = None) -> Any:
            x = self.stage2(self.stage1(F.max_pool2d(self.stem(x), 2)))
            logits = self.linear(torch.flatten(x, 1))
            return logits if target is None else F.cross_entropy(logits, target)

    return Residual()


def torch_eager(config: Config, channels_last: bool = False, compiled: bool = False) -> Step:
    import torch

    torch.set_num_threads(config["threads"])
    layout = torch.channels_last if channels_last else torch.contiguous_format
    weights, images, labels = measure.load(config, "images", "labels")
    network = torch_network()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    network = network.to(memory_format=layout)
    xs = [torch.from_numpy(batch).contiguous(memory_format=layout) for batch in images]
    targets = [torch.from_numpy(batch) for batch in labels]
    if compiled:
        import torch._inductor.config as inductor

        inductor.freezing = not config["training"]
        network = torch.compile(network.train(config["training"]))
    return torch_classifier(network, xs, targets, config["training"])


def floor(config: Config) -> Step:
    """Only the products, operands and results of the right shapes given."""
    return product_floor(products(config["batch"]), config["training"])


CONTENDERS = {
    "seqdl": ours,
    "PyTorch": torch_eager,
    "PyTorch channels_last": lambda config: torch_eager(config, channels_last=True),
    "PyTorch compile": lambda config: torch_eager(config, compiled=True),
    "PyTorch compile, channels_last": lambda config: torch_eager(config, channels_last=True, compiled=True),
    "floor": floor,
}
OWN = ("seqdl", "floor")


def bench(options: Options) -> None:
    ledger, rows = Ledger("residual_cnn"), []
    contenders = [name for name in CONTENDERS if not (options.quick and "compile" in name)]
    for threads in options.threads:
        for case in map(with_file, measure.chosen(CASES, options)):
            results = measure.compare(__file__, case, contenders, OWN, threads, options)
            ledger.peer_failures(results, case)
            rows.append(measure.row("characters", CONTENDERS, case, threads, results, ledger, ("seqdl", "PyTorch")))
            if threads == options.threads[-1]:
                ratio = measure.best_peer(results)[1]
                ledger.summary.append(f"network of characters, {case.name}, {threads} threads | {ratio:.2f}")
    head = ["images/s", "threads", *CONTENDERS, "over the best peer", "of the floor", "of the limit",
            "peak MB: seqdl / PyTorch"]  # fmt: skip
    measure.publish(ledger, measure.table(head, rows), options)


if __name__ == "__main__":
    measure.main(CONTENDERS, bench, __doc__)
