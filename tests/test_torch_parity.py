"""Outputs, gradients, optimiser steps and files beside PyTorch's, on random configurations.

    pip install -r bench/requirements-peers.txt && pytest -m peers tests/test_torch_parity.py -s

Everything in float64, where only a different formula makes a difference, and layers in float32 too. At the end
the largest differences are printed, relative to the largest magnitude of the array.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is in the bench environment only")
import safetensors.numpy  # noqa: E402
import safetensors.torch  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import seqdl  # noqa: E402
from seqdl import Tensor, nn, ops, optim  # noqa: E402

pytestmark = pytest.mark.peers

SEEDS = pytest.mark.parametrize("seed", range(24))
WORST: dict[tuple[str, str], float] = defaultdict(float)


@pytest.fixture(scope="module", autouse=True)
def one_thread_and_a_report():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
    for (what, dtype), difference in sorted(WORST.items()):
        print(f"\n{what:32} {dtype}  {difference:.1e}", end="")


@pytest.fixture(params=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> np.dtype:
    return np.dtype(request.param)


def agree(what: str, ours: Any, theirs: Any, bound: float = 1e-5) -> None:
    """Float64: to 1e-5 of each element; float32: to `bound` of the largest magnitude in the array."""
    theirs = theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    if not ours.size:
        return
    scale = max(np.abs(theirs).max(), np.finfo(ours.dtype).tiny)
    difference = np.abs(ours - theirs).max() / scale
    WORST[what, ours.dtype.name] = max(WORST[what, ours.dtype.name], float(difference))
    if ours.dtype == np.float64:
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-11 * scale)
    assert difference <= bound


class Pair:
    """One configuration: draws from its own seed, gives both sides the same numbers."""

    def __init__(self, seed: int, dtype: Any) -> None:
        self.rng, self.dtype = np.random.default_rng(seed), dtype

    def number(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def flag(self) -> bool:
        return bool(self.rng.integers(2))

    def draw(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape).astype(self.dtype)

    def leaves(self, *shape: int) -> tuple[Tensor, Any]:
        array = self.draw(*shape)
        return Tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)

    def copy_weights(self, theirs: Any, ours: nn.Module) -> tuple[nn.Module, Any]:
        """Both of our type, with the same random values."""
        theirs, ours = theirs.to(getattr(torch, np.dtype(self.dtype).name)), ours.to(self.dtype)
        with torch.no_grad():
            for parameter in theirs.parameters():
                parameter.copy_(torch.tensor(self.draw(*parameter.shape) * 0.5))
        ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
        return ours, theirs

    def compare(self, what: str, ours: Any, theirs: Any, leaves: Any, bound: float = 1e-5) -> None:
        """Outputs, then gradients for a random upstream gradient on each output."""
        ours, theirs = (x if isinstance(x, tuple) else (x,) for x in (ours, theirs))
        total, their_total = 0.0, 0.0
        for our, their in zip(ours, theirs, strict=True):
            agree(what, our.data, their, bound)
            upstream = self.draw(*our.shape)
            total = total + (our * upstream).sum()
            their_total = their_total + (their * torch.tensor(upstream)).sum()
        total.backward()
        their_total.backward()
        for our, their in leaves:
            agree(f"{what} gradient", our.grad, their.grad, bound)


def parameters(ours: nn.Module, theirs: Any) -> list[tuple[Any, Any]]:
    names = dict(theirs.named_parameters())
    assert [name for name, _ in ours.named_parameters()] == list(names)
    return [(parameter, names[name]) for name, parameter in ours.named_parameters()]


# Layers


@SEEDS
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrent(kind, seed, dtype) -> None:
    p = Pair(seed, dtype)
    inputs, hidden, layers, steps, batch = (
        p.number(1, 9),
        p.number(1, 12),
        p.number(1, 3),
        p.number(1, 9),
        p.number(1, 40),
    )
    options = {"num_layers": layers, "bias": p.flag(), "batch_first": p.flag(), "bidirectional": p.flag()}
    ours, theirs = p.copy_weights(
        getattr(torch.nn, kind)(inputs, hidden, **options), getattr(nn, kind)(inputs, hidden, **options)
    )
    x = p.leaves(*((batch, steps) if options["batch_first"] else (steps, batch)), inputs)
    leaves = [x, *parameters(ours, theirs)]
    states: list[tuple[Any, ...]] = [(), ()]
    if p.flag():  # initial states
        rows = layers * (1 + options["bidirectional"])
        given = [p.leaves(rows, batch, hidden) for _ in range(2 if kind == "LSTM" else 1)]
        leaves += given
        states = [tuple(pair[side] for pair in given) for side in (0, 1)]
    results = []
    for side, layer in enumerate((ours, theirs)):
        state = states[side] if kind == "LSTM" else states[side][0] if states[side] else None
        out, final = layer(x[side], state or None) if kind == "LSTM" else layer(x[side], state)
        results.append((out, *final) if kind == "LSTM" else (out, final))
    p.compare(kind, *results, leaves)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrent_over_a_long_sequence(kind, dtype) -> None:
    p = Pair(0, dtype)
    ours, theirs = p.copy_weights(getattr(torch.nn, kind)(20, 64, 2), getattr(nn, kind)(20, 64, 2))
    ours.load_state_dict({name: w / 4 for name, w in ours.state_dict().items()})
    theirs.load_state_dict({name: w / 4 for name, w in theirs.state_dict().items()})
    x = p.leaves(150, 33, 20)
    p.compare(f"{kind}, 150 steps", ours(x[0])[0], theirs(x[1])[0], [x, *parameters(ours, theirs)])


@SEEDS
def test_linear(seed, dtype) -> None:
    p = Pair(seed, dtype)
    inputs, outputs, bias = p.number(1, 30), p.number(1, 30), p.flag()
    ours, theirs = p.copy_weights(torch.nn.Linear(inputs, outputs, bias), nn.Linear(inputs, outputs, bias))
    x = p.leaves(*(p.number(1, 5) for _ in range(p.number(1, 3))), inputs)
    p.compare("Linear", ours(x[0]), theirs(x[1]), [x, *parameters(ours, theirs)])


@SEEDS
def test_conv2d(seed, dtype) -> None:
    p = Pair(seed, dtype)
    sizes = p.number(1, 4), p.number(1, 5), (p.number(1, 4), p.number(1, 4))
    options = {
        name: (p.number(low, 3), p.number(low, 3)) for name, low in (("stride", 1), ("padding", 0), ("dilation", 1))
    }
    options["bias"] = p.flag()
    ours, theirs = p.copy_weights(torch.nn.Conv2d(*sizes, **options), nn.Conv2d(*sizes, **options))
    x = p.leaves(p.number(1, 4), sizes[0], p.number(10, 14), p.number(10, 14))
    p.compare("Conv2d", ours(x[0]), theirs(x[1]), [x, *parameters(ours, theirs)])


@SEEDS
def test_max_pool2d(seed, dtype) -> None:
    p = Pair(seed, dtype)
    size = p.number(1, 4), p.number(1, 4)
    options = {
        "stride": (p.number(1, 4), p.number(1, 4)) if p.flag() else None,
        "padding": tuple(p.number(0, k // 2) for k in size),
        "ceil_mode": p.flag(),
    }
    x = p.leaves(p.number(1, 3), p.number(1, 3), p.number(4, 11), p.number(4, 11))
    p.compare("MaxPool2d", nn.MaxPool2d(size, **options)(x[0]), torch.nn.MaxPool2d(size, **options)(x[1]), [x])


@SEEDS
@pytest.mark.parametrize("kind", ["BatchNorm1d", "BatchNorm2d"])
def test_batch_norm_in_training_and_evaluation(kind, seed, dtype) -> None:
    p = Pair(seed, dtype)
    channels, options = p.number(1, 6), {"eps": 10.0 ** -p.number(2, 5), "momentum": p.number(1, 9) / 10}
    ours, theirs = p.copy_weights(getattr(torch.nn, kind)(channels, **options), getattr(nn, kind)(channels, **options))
    tail = [p.number(2, 5) for _ in range(2 if kind == "BatchNorm2d" else p.number(0, 1))]
    # Of two or three values next to nothing is left of the gradient: in float32 either side is off by 1e-2 or 1e-4.
    least = 4 if dtype == np.float32 else 2
    for training in (True, True, False):
        ours.train(training), theirs.train(training)
        ours.zero_grad(), theirs.zero_grad()
        x = p.leaves(p.number(least, 8), channels, *tail)
        mode = "training" if training else "evaluation"
        p.compare(f"{kind} {mode}", ours(x[0]), theirs(x[1]), [x, *parameters(ours, theirs)])
    agree(f"{kind} buffers", ours.running_mean, theirs.running_mean)
    agree(f"{kind} buffers", ours.running_var, theirs.running_var)
    assert ours.num_batches_tracked == theirs.num_batches_tracked.item() == 2


@SEEDS
def test_layer_norm(seed, dtype) -> None:
    p = Pair(seed, dtype)
    shape, eps = tuple(p.number(2, 9) for _ in range(p.number(1, 2))), 10.0 ** -p.number(2, 5)
    ours, theirs = p.copy_weights(torch.nn.LayerNorm(shape, eps), nn.LayerNorm(shape, eps))
    x = p.leaves(*(p.number(1, 5) for _ in range(p.number(1, 2))), *shape)
    p.compare("LayerNorm", ours(x[0]), theirs(x[1]), [x, *parameters(ours, theirs)])


@SEEDS
def test_embedding(seed, dtype) -> None:
    p = Pair(seed, dtype)
    symbols, width = p.number(1, 30), p.number(1, 20)
    ours, theirs = p.copy_weights(torch.nn.Embedding(symbols, width), nn.Embedding(symbols, width))
    index = p.rng.integers(0, symbols, tuple(p.number(1, 9) for _ in range(p.number(1, 3))))
    p.compare("Embedding", ours(index), theirs(torch.tensor(index)), parameters(ours, theirs))


@SEEDS
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy(reduction, seed, dtype) -> None:
    p = Pair(seed, dtype)
    rows, classes = p.number(1, 30), p.number(2, 12)
    target = p.rng.integers(0, classes, rows)
    weight = np.abs(p.draw(classes)) + np.asarray(0.1, dtype) if p.flag() else None
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": p.number(0, 3) / 10}
    if p.flag():
        options["ignore_index"] = p.number(0, classes - 1)
        target[0] = (options["ignore_index"] + 1) % classes  # or the mean is of nothing
    x = p.leaves(rows, classes)
    ours = ops.cross_entropy(x[0] * 3.0, target, weight=weight, **options)
    their_weight = None if weight is None else torch.tensor(weight)
    theirs = F.cross_entropy(x[1] * 3.0, torch.tensor(target), weight=their_weight, **options)
    p.compare("cross_entropy", ours, theirs, [x])


@SEEDS
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_probabilities(reduction, seed, dtype) -> None:
    p = Pair(seed, dtype)
    rows, classes = p.number(1, 30), p.number(2, 12)
    target = p.rng.dirichlet(np.ones(classes), rows).astype(dtype)
    weight = np.abs(p.draw(classes)) + np.asarray(0.1, dtype) if p.flag() else None
    options: dict[str, Any] = {"reduction": reduction, "label_smoothing": p.number(0, 3) / 10}
    x = p.leaves(rows, classes)
    ours = ops.cross_entropy(x[0] * 3.0, target, weight=weight, **options)
    their_weight = None if weight is None else torch.tensor(weight)
    theirs = F.cross_entropy(x[1] * 3.0, torch.tensor(target), weight=their_weight, **options)
    p.compare("cross_entropy", ours, theirs, [x])


@SEEDS
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_binary_cross_entropy_with_logits(reduction, seed, dtype) -> None:
    p = Pair(seed, dtype)
    shape = p.number(1, 30), p.number(1, 4)
    target = p.rng.integers(0, 2, shape).astype(dtype) if p.flag() else p.rng.random(shape).astype(dtype)
    x = p.leaves(*shape)
    ours = ops.binary_cross_entropy_with_logits(x[0] * 3.0, target, reduction=reduction)
    theirs = F.binary_cross_entropy_with_logits(x[1] * 3.0, torch.tensor(target), reduction=reduction)
    p.compare("binary_cross_entropy_with_logits", ours, theirs, [x])


ACTIVATIONS = {
    "gelu": (ops.gelu, F.gelu),
    "relu": (ops.relu, F.relu),
    "tanh": (ops.tanh, torch.tanh),
    "sigmoid": (ops.sigmoid, torch.sigmoid),
    "softmax": (ops.softmax, lambda x: F.softmax(x, -1)),
    "log_softmax": (ops.log_softmax, lambda x: F.log_softmax(x, -1)),
    "var": (lambda x: x.var(-1), lambda x: x.var(-1, correction=0)),
    "max": (lambda x: x.max(-1), lambda x: x.amax(-1)),
}


@SEEDS
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name, seed, dtype) -> None:
    p = Pair(seed, dtype)
    x = p.leaves(p.number(1, 9), p.number(2, 40))
    ours, theirs = (function(leaf * 3.0) for function, leaf in zip(ACTIVATIONS[name], x, strict=True))
    p.compare(name, ours, theirs, [x])


@SEEDS
def test_a_network_of_all_kinds(seed, dtype) -> None:
    """Convolutions, pooling, both normalisations and a GRU in one graph: nothing is lost between layers."""
    p = Pair(seed, dtype)
    C, H = p.number(2, 4), p.number(2, 6)
    pairs = [
        p.copy_weights(getattr(torch.nn, kind)(*sizes), getattr(nn, kind)(*sizes))
        for kind, sizes in (
            ("Conv2d", (1, C, 3)), ("BatchNorm2d", (C,)), ("LayerNorm", (C * 3,)),
            ("GRU", (C * 3, H)), ("Linear", (H, 4)),
        )
    ]  # fmt: skip
    x, target = p.leaves(3, 1, 10, 8), p.rng.integers(0, 4, 12)
    results = []
    for side, (gelu, pool, loss) in enumerate(
        ((ops.gelu, ops.max_pool2d, ops.cross_entropy), (F.gelu, F.max_pool2d, F.cross_entropy))
    ):
        conv, batch_norm, layer_norm, gru, linear = (pair[side] for pair in pairs)
        y = pool(gelu(batch_norm(conv(x[side]))), 2)  # (3, C, 4, 3)
        y = layer_norm(y.permute(2, 0, 1, 3).reshape(4, 3, -1))
        logits = linear(gru(y)[0]).reshape(12, 4)
        results.append(loss(logits, torch.tensor(target) if side else target))
    leaves = [x, *(leaf for pair in pairs[1:] for leaf in parameters(*pair))]
    # The bias before a batch norm has gradient zero but for rounding; the weight has not.
    leaves.append((pairs[0][0].weight, pairs[0][1].weight))
    p.compare("network", *results, leaves, bound=5e-5)


# Optimisers: five steps each


def choose(p: Pair, kind: str) -> dict[str, Any]:
    """Options of one optimiser, by PyTorch's names."""
    options: dict[str, Any] = {"lr": 10.0 ** -p.number(1, 3), "weight_decay": p.number(0, 2) / 10}
    if kind == "SGD":
        options["momentum"] = p.number(0, 9) / 10
        options["nesterov"] = options["momentum"] > 0 and p.flag()
        options["dampening"] = 0.0 if options["nesterov"] else p.number(0, 5) / 10
        return options
    return options | {"betas": (p.number(0, 9) / 10, 1 - 10.0 ** -p.number(1, 3)), "eps": 10.0 ** -p.number(4, 8)}


@SEEDS
@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_five_optimiser_steps(kind, seed, dtype) -> None:
    p = Pair(seed, dtype)
    pairs = [p.leaves(p.number(1, 30), p.number(1, 30)) for _ in range(2)]
    options = choose(p, kind)
    ours = getattr(optim, kind)([our for our, _ in pairs], **options)
    theirs = getattr(torch.optim, kind)([their for _, their in pairs], **options)
    for _ in range(5):
        for our, their in pairs:
            our.grad = p.draw(*our.shape)
            their.grad = torch.tensor(our.grad)
        ours.step(), theirs.step()
        for our, their in pairs:
            agree(f"{kind}, five steps", our.data, their)


@SEEDS
def test_clip_grad_norm(seed, dtype) -> None:
    p = Pair(seed, dtype)
    pairs = [p.leaves(p.number(1, 9), p.number(1, 9)) for _ in range(3)]
    for our, their in pairs:
        our.grad = p.draw(*our.shape)
        their.grad = torch.tensor(our.grad)
    most = p.number(1, 20)
    ours = optim.clip_grad_norm_([our for our, _ in pairs], most)
    theirs = torch.nn.utils.clip_grad_norm_([their for _, their in pairs], most)
    assert ours == pytest.approx(theirs.item(), rel=1e-5)
    for our, their in pairs:
        agree("clip_grad_norm_", our.grad, their.grad)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ConstantLR", {"factor": 0.2, "total_iters": 4}),
        ("StepLR", {"step_size": 3, "gamma": 0.3}),
        ("LinearLR", {"start_factor": 0.2, "end_factor": 0.9, "total_iters": 6}),
        ("CosineAnnealingLR", {"T_max": 11, "eta_min": 0.01}),
    ],
)
def test_schedules(name, options) -> None:
    weight = torch.zeros(1, requires_grad=True)
    ours, theirs = optim.SGD([Tensor(np.zeros(1))], lr=0.5), torch.optim.SGD([weight], lr=0.5)
    schedules = getattr(optim, name)(ours, **options), getattr(torch.optim.lr_scheduler, name)(theirs, **options)
    for _ in range(11):
        assert ours.lr == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-9)
        theirs.step()
        for schedule in schedules:
            schedule.step()


# Files


def small_network(library: Any) -> list[Any]:
    return [library.Conv2d(1, 4, 3), library.BatchNorm2d(4), library.LSTM(5, 6, num_layers=2, bidirectional=True),
            library.GRU(5, 6, bias=False), library.Embedding(7, 3), library.LayerNorm(4)]  # fmt: skip


def outputs(modules: list[Any], convert: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    image, sequence, rows = (rng.normal(size=s).astype(np.float32) for s in ((2, 1, 6, 6), (5, 3, 5), (3, 4)))
    conv, batch_norm, lstm, gru, embedding, layer_norm = (module.eval() for module in modules)
    results = [batch_norm(conv(convert(image))), lstm(convert(sequence))[0], gru(convert(sequence))[0],
               embedding(convert(np.arange(7))), layer_norm(convert(rows))]  # fmt: skip
    return [r.data if isinstance(r, Tensor) else r.detach().numpy() for r in results]


def test_a_file_from_pytorch_gives_the_same_outputs_here(tmp_path) -> None:
    torch.manual_seed(0)
    theirs, ours = small_network(torch.nn), small_network(nn)
    theirs[1](torch.randn(4, 4, 3, 3) * 3 + 1)  # running figures worth storing
    for i, (their, our) in enumerate(zip(theirs, ours, strict=True)):
        safetensors.torch.save_file(their.state_dict(), tmp_path / f"{i}.safetensors")
        our.load_state_dict(safetensors.numpy.load_file(tmp_path / f"{i}.safetensors"))
    for our, their in zip(outputs(ours, Tensor), outputs(theirs, torch.tensor), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-6)
    assert ours[1].num_batches_tracked == 1


def test_a_file_from_here_gives_the_same_outputs_in_pytorch(tmp_path) -> None:
    seqdl.manual_seed(0)
    theirs, ours = small_network(torch.nn), small_network(nn)
    ours[1](Tensor(np.random.default_rng(0).normal(1, 3, (4, 4, 3, 3)).astype(np.float32)))
    for i, (their, our) in enumerate(zip(theirs, ours, strict=True)):
        safetensors.numpy.save_file(our.state_dict(), tmp_path / f"{i}.safetensors")
        their.load_state_dict(safetensors.torch.load_file(tmp_path / f"{i}.safetensors"))  # strict: all names
    for our, their in zip(outputs(ours, Tensor), outputs(theirs, torch.tensor), strict=True):
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-6)
    assert theirs[1].num_batches_tracked == 1
