"""The letter network of "Hello Deep Learning": images a second in training and inference, ours and the peers.

    python bench/letters_cnn.py [--peers PYTHON] [--quick] [--write] [--threads 1,2] [--only "batch 256"]

28x28 -> conv 3x3, 32 -> pool -> conv 64 -> pool -> conv 128 -> pool -> 512 -> 64 -> 128 -> 26, GELU after each
pooling and between the linear layers: 137,178 weights. Convolutions without padding; the second pooling rounds up
(28, 26, 13, 11, 6, 4, 2). GELU acts after the pooling in all contenders, a quarter of the work. A training step is
forward, cross-entropy, backward and Adam. Same initial weights (a file) and images for all, and the first losses
must agree.

- "channels_last" is PyTorch's memory format (NHWC); "compile" is torch.compile of forward and loss, in both formats.
- JAX computes in NHWC (NCHW was not tried) and jits the whole step.
- "floor": only the matrix products that the convolutions and linear layers are, through NumPy's BLAS, the patches
  given.

FLOPs: 2 a multiply-add of convolutions and linear layers; training is three times the forward pass, but for the
first layer, whose input needs no gradient: twice.
"""

from __future__ import annotations

from typing import Any

import measure
import numpy as np
from measure import Case, Config, Ledger, Options, Step
from steps import jax_adam, product_floor, seqdl_classifier, torch_classifier

CONVOLUTIONS = [(1, 32, 26), (32, 64, 11), (64, 128, 4)]  # channels in and out, size of the output
LINEAR = [(512, 64), (64, 128), (128, 26)]
WEIGHTS = 137_178
BATCHES = 4  # of images, read in turn


def products(batch: int) -> list[tuple[int, int, int]]:
    """The (M, K, N) of each layer's product in the forward pass."""
    return [(batch * size * size, 9 * c, o) for c, o, size in CONVOLUTIONS] + [(batch, i, o) for i, o in LINEAR]


def case(training: bool, batch: int) -> Case:
    flops = [2.0 * m * k * n for m, k, n in products(batch)]
    total = 3 * sum(flops) - flops[0] if training else sum(flops)
    name = f"{'training' if training else 'inference'}, batch {batch}"
    return Case(name, {"training": training, "batch": batch}, batch, total)


CASES = [case(training, batch) for training in (True, False) for batch in (64, 256)]


def with_file(case: Case) -> Case:
    """The same case, its weights and images in a file that all contenders read."""
    draw, batch = np.random.default_rng(1), case.config["batch"]
    arrays: dict[str, np.ndarray] = {}
    shapes = [(f"conv{i}", (o, c, 3, 3)) for i, (c, o, _) in enumerate(CONVOLUTIONS)]
    shapes += [(f"linear{i}", (outputs, inputs)) for i, (inputs, outputs) in enumerate(LINEAR)]
    for name, shape in shapes:
        bound = np.prod(shape[1:]) ** -0.5
        arrays[f"{name}.weight"] = draw.uniform(-bound, bound, shape).astype(np.float32)
        arrays[f"{name}.bias"] = draw.uniform(-bound, bound, shape[0]).astype(np.float32)
    assert sum(array.size for array in arrays.values()) == WEIGHTS
    arrays["images"] = draw.random((BATCHES, batch, 1, 28, 28), dtype=np.float32)
    arrays["letters"] = draw.integers(0, 26, (BATCHES, batch))
    return measure.with_arrays(case, arrays)


def ours(config: Config) -> Step:
    from seqdl import keep_freed_memory, nn, parallel

    parallel.set_num_threads(config["threads"])
    keep_freed_memory()  # as every training of ours does

    class Letters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            pool = nn.MaxPool2d(2, ceil_mode=True)  # only the second has an edge to round up
            self.conv0, self.conv1, self.conv2 = (nn.Conv2d(c, o, 3, pool=pool, gelu=True) for c, o, _ in CONVOLUTIONS)
            self.linear0, self.linear1, self.linear2 = (nn.Linear(i, o) for i, o in LINEAR)
            self.gelu, self.flatten = nn.GELU(), nn.Flatten()

        def forward(self, x: Any) -> Any:
            for conv in (self.conv0, self.conv1, self.conv2):
                x = conv(x)
            x = self.gelu(self.linear0(self.flatten(x)))
            return self.linear2(self.gelu(self.linear1(x)))

    weights, images, letters = measure.load(config, "images", "letters")
    network = Letters()
    network.load_state_dict(weights)
    return seqdl_classifier(network, images, letters, config["training"])


def torch_eager(config: Config, channels_last: bool = False, compiled: bool = False) -> Step:
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(config["threads"])
    layout = torch.channels_last if channels_last else torch.contiguous_format

    class Letters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv0, self.conv1, self.conv2 = (nn.Conv2d(c, o, 3) for c, o, _ in CONVOLUTIONS)
            self.linear0, self.linear1, self.linear2 = (nn.Linear(i, o) for i, o in LINEAR)

        def forward(self, x: Any, target: Any = None) -> Any:
            x = F.gelu(F.max_pool2d(self.conv0(x), 2))
            x = F.gelu(F.max_pool2d(self.conv1(x), 2, ceil_mode=True))
            x = F.gelu(F.max_pool2d(self.conv2(x), 2))
            x = F.gelu(self.linear0(x.flatten(1)))
            logits = self.linear2(F.gelu(self.linear1(x)))
            return logits if target is None else F.cross_entropy(logits, target)

    weights, images, letters = measure.load(config, "images", "letters")
    network = Letters()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    network = network.to(memory_format=layout)
    xs = [torch.from_numpy(batch).contiguous(memory_format=layout) for batch in images]
    targets = [torch.from_numpy(batch) for batch in letters]
    return torch_classifier(torch.compile(network) if compiled else network, xs, targets, config["training"])


def jax_jit(config: Config) -> Step:
    import jax
    from jax import lax
    from jax import numpy as jnp

    weights, images, letters = measure.load(config, "images", "letters")
    w = {name: jnp.asarray(a.transpose(2, 3, 1, 0) if a.ndim == 4 else a) for name, a in weights.items()}
    xs = [jnp.asarray(batch.transpose(0, 2, 3, 1)) for batch in images]
    targets = [jnp.asarray(batch, jnp.int32) for batch in letters]

    def gelu(x: Any) -> Any:
        return jax.nn.gelu(x, approximate=False)

    def pool(x: Any) -> Any:
        edge = x.shape[1] % 2 and x.shape[1] < 13  # 11 -> 6 rounds up
        padding = ((0, 0), (0, 1), (0, 1), (0, 0)) if edge else "VALID"
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), padding)

    def logits_of(w: Any, x: Any) -> Any:
        for i in range(3):
            x = lax.conv_general_dilated(
                x, w[f"conv{i}.weight"], (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = gelu(pool(x + w[f"conv{i}.bias"]))
        x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
        for i in range(3):
            x = x @ w[f"linear{i}.weight"].T + w[f"linear{i}.bias"]
            x = gelu(x) if i < 2 else x
        return x

    def loss_of(w: Any, x: Any, target: Any) -> Any:
        return -jnp.take_along_axis(jax.nn.log_softmax(logits_of(w, x)), target[:, None], axis=1).mean()

    def update(w: Any, m: Any, v: Any, t: Any, x: Any, target: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(w, x, target)
        return *jax_adam(w, m, v, t + 1, grads), t + 1, loss

    m, v = ({name: jnp.zeros_like(a) for name, a in w.items()} for _ in range(2))
    t, turn = jnp.zeros((), jnp.int32), 0
    jitted = jax.jit(update, donate_argnums=(0, 1, 2))
    inference = jax.jit(lambda w, x: jnp.square(logits_of(w, x)).mean())

    def train() -> Any:
        nonlocal w, m, v, t, turn
        x, target, turn = xs[turn % BATCHES], targets[turn % BATCHES], turn + 1
        w, m, v, t, loss = jitted(w, m, v, t, x, target)
        return loss

    def infer() -> Any:
        nonlocal turn
        x, turn = xs[turn % BATCHES], turn + 1
        return inference(w, x)

    return train if config["training"] else infer


def floor(config: Config) -> Step:
    """Only the products, operands and results of the right shapes given."""
    return product_floor(products(config["batch"]), config["training"])


CONTENDERS = {
    "seqdl": ours,
    "PyTorch": torch_eager,
    "PyTorch channels_last": lambda config: torch_eager(config, channels_last=True),
    "PyTorch compile": lambda config: torch_eager(config, compiled=True),
    "PyTorch compile, channels_last": lambda config: torch_eager(config, channels_last=True, compiled=True),
    "JAX": jax_jit,
    "floor": floor,
}
OWN = ("seqdl", "floor")


def bench(options: Options) -> None:
    ledger, rows = Ledger("letters_cnn"), []
    contenders = [name for name in CONTENDERS if not (options.quick and "compile" in name)]
    for threads in options.threads:
        for case in map(with_file, measure.chosen(CASES, options)):
            results = measure.compare(__file__, case, contenders, OWN, threads, options)
            ledger.peer_failures(results, case)
            rows.append(measure.row("letters", CONTENDERS, case, threads, results, ledger))
            if threads == options.threads[-1]:
                ratio = measure.best_peer(results)[1]
                ledger.summary.append(f"letter network, {case.name}, {threads} threads | {ratio:.2f}")
    head = ["images/s", "threads", *CONTENDERS, "over the best peer", "of the floor", "of the limit",
            "peak MB: seqdl / PyTorch / JAX"]  # fmt: skip
    measure.publish(ledger, measure.table(head, rows), options)


if __name__ == "__main__":
    measure.main(CONTENDERS, bench, __doc__)
