"""Gradients of every operation against finite differences, from one table."""

from __future__ import annotations

import numpy as np
import pytest

import seqdl
from seqdl import ops
from seqdl.tensor import Tensor

RNG = np.random.default_rng(7)


def real(*shape: int) -> Tensor:
    """Values near 1 in size, away from 0: no kink of relu or max within a step of them."""
    return Tensor(RNG.uniform(0.3, 1.5, shape) * RNG.choice([-1, 1], shape), requires_grad=True)


def positive(*shape: int) -> Tensor:
    return Tensor(RNG.uniform(0.5, 1.5, shape), requires_grad=True)


def symbols(high: int, *shape: int) -> np.ndarray:
    return RNG.integers(0, high, shape)


def same_seed(x: Tensor, p: float) -> Tensor:
    return ops.dropout(x, p, generator=np.random.default_rng(3))


def recurrent_weights(gates: int, inputs: int, H: int, layers: int, directions: int) -> list[Tensor]:
    rows = gates * H
    return [
        real(*shape)
        for layer in range(layers)
        for _ in range(directions)
        for shape in ((rows, H * directions if layer else inputs), (rows, H), (rows,), (rows,))
    ]


def with_options(name: str, **options: object):  # type: ignore[no-untyped-def]
    def call(*inputs):  # type: ignore[no-untyped-def]
        if "dropout" in options:
            options["generator"] = np.random.default_rng(3)
        return getattr(ops, name)(*inputs, **options)

    return call


# name: [(function of the tensors, inputs), ...]; every operation of the table must be here.
CASES = {
    "add": [(ops.add, [real(3, 4), real(4)]), (ops.add, [real(3, 1), 2.0])],
    "sub": [(ops.sub, [real(3, 1), real(1, 4)])],
    "mul": [(ops.mul, [real(2, 3, 4), real(3, 1)])],
    "div": [(ops.div, [real(3, 4), real(4)]), (ops.div, [1.0, real(3)])],
    "neg": [(ops.neg, [real(3)])],
    "pow": [(ops.pow, [positive(3, 2), 2.5])],
    "exp": [(ops.exp, [real(3, 2)])],
    "log": [(ops.log, [positive(3, 2)])],
    "sqrt": [(ops.sqrt, [positive(3, 2)])],
    "matmul": [(ops.matmul, [real(3, 4), real(4, 2)]), (ops.matmul, [real(2, 3, 4), real(4, 2)])],
    "linear": [(ops.linear, [real(2, 3, 4), real(5, 4), real(5)]), (ops.linear, [real(3, 4), real(5, 4)])],
    "sum": [(ops.sum, [real(3, 4)]), (with_options("sum", axis=(0, 2), keepdims=True), [real(2, 3, 4)])],
    "mean": [(ops.mean, [real(3, 4)]), (with_options("mean", axis=1), [real(2, 3, 4)])],
    "max": [(ops.max, [real(3, 4)]), (with_options("max", axis=-1), [real(2, 3, 4)])],
    "var": [(ops.var, [real(3, 4)]), (with_options("var", axis=1), [real(2, 3)])],
    "reshape": [(ops.reshape, [real(3, 4), (2, 6)])],
    "permute": [(ops.permute, [real(2, 3, 4), (2, 0, 1)])],
    "getitem": [
        (ops.getitem, [real(3, 4), (slice(None), 1)]),
        (ops.getitem, [real(3, 4), np.array([0, 2, 0])]),
    ],
    "concat": [(with_options("concat", axis=1), [real(2, 3), real(2, 1)])],
    "stack": [(with_options("stack", axis=1), [real(2, 3), real(2, 3)])],
    "pad": [(ops.pad, [real(2, 3), ((0, 1), (2, 0))])],
    "embedding": [(ops.embedding, [real(5, 3), symbols(5, 2, 6)])],
    "relu": [(ops.relu, [real(3, 4)])],
    "gelu": [(ops.gelu, [real(3, 4)])],
    "tanh": [(ops.tanh, [real(3, 4)])],
    "sigmoid": [(ops.sigmoid, [real(3, 4)])],
    "softmax": [(ops.softmax, [real(3, 4)]), (with_options("softmax", axis=0), [real(3, 4)])],
    "log_softmax": [(ops.log_softmax, [real(3, 4)])],
    "dropout": [(same_seed, [real(5, 6), 0.4])],
    "binary_cross_entropy_with_logits": [
        (ops.binary_cross_entropy_with_logits, [real(4, 3), symbols(2, 4, 3)]),
        (with_options("binary_cross_entropy_with_logits", reduction="none"), [real(5), np.linspace(0, 1, 5)]),
    ],
    "cross_entropy": [
        (ops.cross_entropy, [real(6, 4), symbols(4, 6)]),
        (with_options("cross_entropy", reduction="none", label_smoothing=0.1), [real(5, 3), symbols(3, 5)]),
        (
            with_options("cross_entropy", weight=np.array([1.0, 2, 0.5]), label_smoothing=0.2, ignore_index=1),
            [real(6, 3), symbols(3, 6)],
        ),
        (with_options("cross_entropy", label_smoothing=0.1), [real(4, 3), np.full((4, 3), 1 / 3)]),
        (
            with_options("cross_entropy", weight=np.array([1.0, 2, 0.5]), reduction="none"),
            [real(2, 3), np.array([[0.2, 0.3, 0.5], [1, 0, 0]])],
        ),
    ],
    "layer_norm": [
        (ops.layer_norm, [real(3, 4), real(4), real(4)]),
        (with_options("layer_norm", axes=2), [real(2, 3, 4), real(3, 4), real(3, 4)]),
    ],
    "batch_norm": [
        (ops.batch_norm, [real(4, 3), real(3), real(3)]),
        (ops.batch_norm, [real(2, 3, 2, 2), real(3), real(3)]),
        (
            with_options("batch_norm", training=False, running_mean=np.ones(3), running_var=np.full(3, 2.0)),
            [real(2, 3, 2), real(3), real(3)],
        ),
        (with_options("batch_norm", relu=True), [real(5, 3, 2, 2), real(3), real(3)]),
        (ops.batch_norm, [real(4, 3), real(3), None, real(4, 3)]),
        (with_options("batch_norm", relu=True), [real(5, 3, 2), real(3), real(3), real(5, 3, 2)]),
        (
            with_options("batch_norm", relu=True, training=False, running_mean=np.ones(3), running_var=np.ones(3)),
            [real(4, 3), None, real(3), real(4, 3)],
        ),
    ],
    "conv2d": [
        (ops.conv2d, [real(2, 2, 5, 4), real(3, 2, 3, 2), real(3)]),
        (
            with_options("conv2d", stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
            [real(2, 1, 6, 5), real(2, 1, 3, 2)],
        ),
        (
            with_options("conv2d", padding=1, pool={"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
            [real(2, 2, 5, 4), real(3, 2, 3, 2), real(3)],
        ),
        (with_options("conv2d", padding=1), [real(2, 16, 3, 4), real(16, 16, 3, 3), real(16)]),
        (
            with_options("conv2d", relu=True, pool={"kernel_size": 2}),
            [real(2, 2, 5, 4), real(3, 2, 2, 3), None, real(2, 3, 2, 1)],
        ),
        (with_options("conv2d", gelu=True), [real(2, 2, 5, 4), real(3, 2, 3, 2), real(3)]),
    ],
    "max_pool2d": [
        (with_options("max_pool2d", kernel_size=2), [real(2, 2, 4, 4)]),
        (
            with_options("max_pool2d", kernel_size=3, stride=2, padding=1, ceil_mode=True),
            [real(1, 2, 6, 5)],
        ),
    ],
    "lstm": [
        (ops.lstm, [real(3, 2, 3), real(1, 2, 2), real(1, 2, 2), *recurrent_weights(4, 3, 2, 1, 1)]),
        (
            with_options("lstm", bidirectional=True, dropout=0.4),
            [real(3, 2, 3), real(4, 2, 2), real(4, 2, 2), *recurrent_weights(4, 3, 2, 2, 2)],
        ),
        (ops.lstm, [symbols(5, 3, 2), real(1, 2, 2), real(1, 2, 2), *recurrent_weights(4, 5, 2, 1, 1)]),
    ],
    "gru": [
        (ops.gru, [real(3, 2, 3), real(1, 2, 2), *recurrent_weights(3, 3, 2, 1, 1)]),
        (
            with_options("gru", bidirectional=True, dropout=0.4),
            [real(3, 2, 3), real(4, 2, 2), *recurrent_weights(3, 3, 2, 2, 2)],
        ),
        (ops.gru, [symbols(5, 3, 2), real(1, 2, 2), *recurrent_weights(3, 5, 2, 1, 1)]),
    ],
}


@pytest.mark.parametrize(
    ("function", "inputs"),
    [pytest.param(*case, id=f"{name}-{i}") for name, cases in CASES.items() for i, case in enumerate(cases)],
)
def test_gradient_matches_finite_differences(function, inputs) -> None:  # type: ignore[no-untyped-def]
    assert seqdl.gradcheck(function, *inputs)


def test_every_operation_has_a_case() -> None:
    assert set(CASES) == set(seqdl.OPERATIONS)
