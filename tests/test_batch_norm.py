"""Batch normalisation as an operation: its layouts, sizes and figures."""

from __future__ import annotations

import numpy as np
import pytest

from seqdl import Tensor, nn, ops


def draw(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32), requires_grad=True)


def by_formula(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    over, column = (0, *range(2, x.ndim)), (-1, *[1] * (x.ndim - 2))
    x = x.astype(np.float64)
    normal = (x - x.mean(axis=over, keepdims=True)) / np.sqrt(x.var(axis=over, keepdims=True) + 1e-5)
    return normal * weight.reshape(column) + bias.reshape(column)


def is_channels_last(array: np.ndarray) -> bool:
    return np.moveaxis(array, 1, -1).flags.c_contiguous


@pytest.mark.parametrize("shape", [(7, 600), (4, 3, 50), (40, 5, 12, 13), (3, 1, 100, 100)])
def test_it_normalises_each_channel(shape) -> None:
    x, weight, bias = draw(*shape), draw(shape[1]), draw(shape[1], seed=1)
    out = ops.batch_norm(x, weight, bias).data
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, by_formula(x.data, weight.data, bias.data), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (3, 1, 0, 2), (0, 2, 3, 1)])
def test_the_memory_order_of_the_input_changes_nothing(axes) -> None:
    x, weight, bias = draw(6, 4, 5, 3).data, draw(4), draw(4, seed=1)
    other = np.ascontiguousarray(x.transpose(axes)).transpose(np.argsort(axes))
    ours = ops.batch_norm(Tensor(other), weight, bias, relu=True).data
    np.testing.assert_array_equal(ours, ops.batch_norm(Tensor(x), weight, bias, relu=True).data)


def test_a_slice_with_steps_is_read_where_it_lies() -> None:
    x, weight = draw(8, 4, 6, 6).data[::2, 1:, ::-1, ::3], draw(3)
    ours = ops.batch_norm(Tensor(x), weight, None).data
    np.testing.assert_array_equal(ours, ops.batch_norm(Tensor(x.copy()), weight, None).data)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("with_add", [False, True])
def test_relu_and_sum_are_the_operations_one_by_one(with_add, training) -> None:
    x, weight, bias, add = draw(9, 4, 6, 5), draw(4), draw(4, seed=1), draw(9, 4, 6, 5, seed=1)
    options = {"running_mean": np.ones(4, np.float32), "running_var": np.ones(4, np.float32), "training": training}
    leaves, results = [x, weight, bias, *([add] if with_add else [])], []
    for fused in (True, False):
        for leaf in leaves:
            leaf.grad = None
        apart = ops.batch_norm(*leaves[:3], **options) + (add if with_add else 0)
        out = ops.batch_norm(*leaves, **options, relu=True) if fused else ops.relu(apart)
        out.backward(draw(*out.shape, seed=2).data)
        results.append([out.data, *(leaf.grad for leaf in leaves)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_large_mean_costs_no_digits_of_the_variance() -> None:
    x = draw(50, 2, 30, 30).data
    layer = nn.BatchNorm2d(2, momentum=1.0)
    layer(Tensor(x + np.float32(4096)))
    np.testing.assert_allclose(layer.running_var, x.var(axis=(0, 2, 3), ddof=1), rtol=1e-3)


def test_a_mean_that_drifts_from_image_to_image_counts_as_variance() -> None:
    x = draw(64, 2, 30, 30).data + np.arange(64, dtype=np.float32)[:, None, None, None]
    layer = nn.BatchNorm2d(2, momentum=1.0)
    layer(Tensor(x))
    np.testing.assert_allclose(layer.running_mean, x.mean(axis=(0, 2, 3), dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(layer.running_var, x.var(axis=(0, 2, 3), ddof=1, dtype=np.float64), rtol=1e-6)


def test_a_nan_reaches_its_channel_through_the_relu() -> None:
    x = draw(3, 2, 4, 4)
    x.data[1, 0, 2, 2] = np.nan
    out = ops.batch_norm(x, None, None, relu=True).data
    assert np.isnan(out[:, 0]).all()
    assert not np.isnan(out[:, 1]).any()


def test_between_convolutions_the_channels_stay_last() -> None:
    """Everything of a residual block: else each layer would copy its input."""
    x, one, two = draw(4, 8, 6, 6), nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8, relu=True)
    first = ops.conv2d(x, one.weight, padding=1)
    second = two(first)
    outputs = [first, second, two(first, second), ops.relu(first), first + second, ops.max_pool2d(first, 2)]
    assert all(is_channels_last(y.data) for y in outputs)


@pytest.mark.parametrize(
    "operation",
    [
        ops.relu,
        lambda x: x + x,
        lambda x: ops.batch_norm(x, None, None, x, relu=True),
        lambda x: ops.max_pool2d(x, 2),
    ],
)
def test_gradients_between_convolutions_keep_the_channels_last(operation) -> None:
    """Seen by a node that stands where the convolution in front would."""
    seen = []
    in_front = ops.permute(draw(4, 6, 6, 8), (0, 3, 1, 2))
    backward = in_front.node.backward
    in_front.node.backward = lambda g: (seen.append(g), backward(g))[1]
    out = operation(in_front)
    out.backward(np.ones_like(out.data))
    assert is_channels_last(seen[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([draw(3, 2), draw(3), draw(2)], "do not fit"),
        ([draw(3, 2), draw(2), draw(1)], "do not fit"),
        ([draw(3), None, None], "do not fit"),
        ([draw(3, 0), None, None], "do not fit"),
        ([draw(3, 2), None, None, draw(1, 2)], "cannot be added"),
        ([draw(0, 2), None, None], "no variance"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        ops.batch_norm(*arguments)


def test_integers_are_refused() -> None:
    with pytest.raises(TypeError, match="floating input expected, got uint8"):
        ops.batch_norm(np.zeros((3, 2), np.uint8), None, None)


def test_no_images_at_all_in_evaluation() -> None:
    assert nn.BatchNorm2d(3, relu=True).eval()(draw(0, 3, 4, 4)).shape == (0, 3, 4, 4)


def test_a_layer_says_that_it_cuts_off() -> None:
    assert repr(nn.BatchNorm2d(3, relu=True)) == "BatchNorm2d(3, eps=1e-05, momentum=0.1, relu=True)"
