"""The tensor and its graph: what backward computes, what it frees, and what it refuses."""

from __future__ import annotations

import operator
import threading
import weakref

import numpy as np
import pytest
from test_gradients import CASES

import seqdl
from seqdl import GradientError, GraphError, Tensor, no_grad, ops


def leaf(values, dtype=np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


@pytest.fixture
def own_operations():
    """Operations made in a test leave the table when it ends."""
    kept = dict(seqdl.OPERATIONS)
    yield
    seqdl.OPERATIONS.clear()
    seqdl.OPERATIONS.update(kept)


# Values and types


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"), ([[1.0, 2.0]], "float32"), ([1, 2], "int64"),
        (np.ones(2), "float64"), (np.float64(1), "float64"), (np.ones(2, np.float16), "float16"),
    ],
)  # fmt: skip
def test_lists_of_floats_become_float32_and_arrays_keep_their_type(data, dtype) -> None:
    assert Tensor(data).dtype == dtype


def test_integers_cannot_require_gradients() -> None:
    with pytest.raises(TypeError, match="int64"):
        Tensor([1, 2], requires_grad=True)


@pytest.mark.parametrize("symbol", ["add", "sub", "mul", "truediv"])
@pytest.mark.parametrize("other", [2.0, 3, np.float64(2), np.int64(3), np.array([1.5, 2]), np.array([[1], [4]])])
def test_arithmetic_with_numbers_and_arrays_on_either_side(symbol, other) -> None:
    function, x = getattr(operator, symbol), Tensor([[2.0, 4.0]])
    for ours, wanted in (
        (function(x, other), function(x.data, other)),
        (function(other, x), function(other, x.data)),
    ):
        assert isinstance(ours, Tensor)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours.data, wanted, rtol=1e-6)


def test_matrix_product_with_an_array_on_either_side() -> None:
    x, y = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal((Tensor(x) @ y).data, x @ y)
    np.testing.assert_array_equal((x @ Tensor(y)).data, x @ y)


def test_methods_compute_what_their_names_say() -> None:
    x = np.random.default_rng(0).uniform(0.5, 2, (2, 3, 4))
    t = Tensor(x)
    for ours, wanted in (
        (t.sum((0, 2)), x.sum((0, 2))), (t.mean(1, keepdims=True), x.mean(1, keepdims=True)),
        (t.max(-1), x.max(-1)), (t.var(1), x.var(1)), (t.transpose(0, -1), x.swapaxes(0, -1)),
        (t.reshape(4, -1), x.reshape(4, -1)), (t.reshape((6, 4)), x.reshape(6, 4)),
        (t.permute(2, 0, 1), x.transpose(2, 0, 1)), (t[1, ..., 2:], x[1, ..., 2:]),
        (t.exp(), np.exp(x)), (t.log(), np.log(x)), (t.sqrt(), np.sqrt(x)), (t.tanh(), np.tanh(x)),
        (t.sigmoid(), 1 / (1 + np.exp(-x))), ((t - 1).relu(), np.maximum(x - 1, 0)), (-t, -x), (t**2, x * x),
    ):  # fmt: skip
        np.testing.assert_allclose(ours.data, wanted, rtol=1e-14)


def test_repr_names_the_operation() -> None:
    assert repr(Tensor([1.0])) == "Tensor([1.], dtype=float32)"
    assert repr(leaf([1.0]) * 2) == "Tensor([2.], dtype=float64, made by mul)"


# Gradients


@pytest.mark.parametrize(
    ("left", "right"), [((3, 4), (4,)), ((3, 1), (1, 4)), ((2, 3, 4), (3, 1)), ((), (2, 2)), ((1,), (3, 2))]
)
def test_broadcast_inputs_get_the_sum_over_their_repeats(left, right) -> None:
    rng = np.random.default_rng(0)
    x, y = leaf(rng.normal(size=left)), leaf(rng.normal(size=right))
    upstream = rng.normal(size=np.broadcast_shapes(left, right))
    (x * y).backward(upstream)
    for ours, other in ((x, y), (y, x)):
        whole = upstream * other.data
        twin = np.zeros(ours.shape)
        for at in np.ndindex(*whole.shape):
            inner = at[len(at) - ours.ndim :]
            twin[tuple(i if n > 1 else 0 for i, n in zip(inner, ours.shape, strict=True))] += whole[at]
        np.testing.assert_allclose(ours.grad, twin, rtol=1e-12)


def test_diamond_graph_adds_up_both_ways() -> None:
    x = leaf(0.5)
    y = x * x
    (y * 3 + y.exp() * x).backward()
    # d/dx (3 x^2 + x exp(x^2)) = 6 x + exp(x^2) (1 + 2 x^2)
    np.testing.assert_allclose(x.grad, 3 + np.exp(0.25) * 1.5, rtol=1e-14)


def test_an_old_operation_used_late_waits_for_all_its_gradients() -> None:
    x = leaf(2.0)
    early = x * 3
    late = early
    for _ in range(5):
        late = late * 2
    (early + late + early * late).backward()  # 3x + 96x + 288x^2
    np.testing.assert_allclose(x.grad, 99 + 2 * 288 * 2)


def test_the_same_tensor_twice_in_one_operation() -> None:
    x = leaf([2.0, 3.0])
    (x * x).backward(np.array([1.0, 10.0]))
    np.testing.assert_array_equal(x.grad, [4, 60])


def test_gradients_accumulate_over_two_graphs() -> None:
    x = leaf([1.0, 2.0])
    (x * 3).sum().backward()
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [5, 7])


def test_accumulating_leaves_gradients_taken_earlier_alone() -> None:
    x = leaf([1.0])
    (x * 3).backward(np.ones(1))
    first = x.grad
    (x * 3).backward(np.ones(1))
    np.testing.assert_array_equal(first, [3])


def test_two_leaves_do_not_share_the_memory_of_a_gradient() -> None:
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (x + y).backward(np.ones(2))
    x.grad *= 5
    np.testing.assert_array_equal(y.grad, [1, 1])


def test_gradient_of_a_single_number_is_an_array() -> None:
    x = leaf(2.0, np.float32)
    for _ in range(2):
        (x * 3.0).backward()
        assert isinstance(x.grad, np.ndarray)
        assert (x.grad.shape, x.grad.dtype) == ((), np.float32)
    assert x.grad == 6


def test_gradient_of_a_transposed_use_is_row_major() -> None:
    x = leaf(np.ones((2, 3)))
    x.transpose(0, 1).backward(np.arange(6.0).reshape(3, 2))
    assert x.grad.flags.c_contiguous
    np.testing.assert_array_equal(x.grad, [[0, 2, 4], [1, 3, 5]])


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2)])
def test_outputs_left_unused_count_as_zero(wanted) -> None:
    rng = np.random.default_rng(1)
    inputs = [leaf(rng.normal(size=s)) for s in ((3, 2, 2), (1, 2, 2), (1, 2, 2), (8, 2), (8, 2), (8,), (8,))]

    def some(*tensors):
        outputs = ops.lstm(*tensors)
        return tuple(outputs[i] for i in wanted)

    assert seqdl.gradcheck(some, *inputs)


def test_constants_beside_parameters_get_no_gradient() -> None:
    x, constant = leaf([2.0]), Tensor(np.array([3.0]))
    (x * constant).backward(np.ones(1))
    assert constant.grad is None
    np.testing.assert_array_equal(x.grad, [3])


def random_upstream(outputs) -> Tensor:
    rng = np.random.default_rng(5)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    return sum((y * rng.normal(size=y.shape)).sum() for y in outputs)


@pytest.mark.parametrize(
    ("function", "inputs"),
    [pytest.param(*case, id=f"{name}-{i}") for name, cases in CASES.items() for i, case in enumerate(cases)],
)
def test_float32_stays_float32_through_every_operation(function, inputs) -> None:
    singles = [Tensor(x.data.astype(np.float32), requires_grad=True) if isinstance(x, Tensor) else x for x in inputs]
    random_upstream(function(*singles)).backward()
    random_upstream(function(*inputs)).backward()
    for ours, double in zip(singles, inputs, strict=True):
        if isinstance(ours, Tensor):
            assert ours.grad.dtype == np.float32
            np.testing.assert_allclose(ours.grad, double.grad, rtol=1e-3, atol=1e-4)
            double.grad = None


# The graph: depth, memory, reuse


def test_backward_through_fifty_thousand_operations() -> None:
    x = leaf([1.0])
    y = x
    for _ in range(50_000):
        y = y + x
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [50_001])


def test_a_deep_graph_can_be_dropped_without_backward() -> None:
    x = leaf([1.0])
    y = x
    for _ in range(50_000):
        y = y * 1.0
    node = weakref.ref(y)
    del y
    assert node() is None


def test_backward_frees_the_tensors_in_between() -> None:
    x = leaf(np.ones(3))
    between = x * 2
    alive = weakref.ref(between)
    loss = (between * between).sum()
    del between
    assert alive() is not None
    loss.backward()
    assert alive() is None


def test_backward_frees_the_arrays_kept_for_the_way_back() -> None:
    array = np.ones(3)
    alive = weakref.ref(array)
    loss = (leaf(np.ones(3)) * Tensor(array)).sum()
    del array
    assert alive() is not None
    loss.backward()
    assert alive() is None


def test_backward_twice_raises_and_names_the_operation() -> None:
    loss = (leaf([1.0, 2.0]) * 2).sum()
    loss.backward()
    with pytest.raises(GraphError, match="sum: this graph was freed"):
        loss.backward()


def test_part_of_a_graph_that_was_freed_raises() -> None:
    x = leaf([1.0])
    shared = x * 2
    (shared * 3).sum().backward()
    with pytest.raises(GraphError, match="mul: this graph was freed"):
        (shared * 4).sum().backward()


@pytest.mark.parametrize("shape", [(3,), (2, 1), (), (2, 2, 1)])
def test_upstream_gradient_of_another_shape_raises(shape) -> None:
    y = leaf(np.ones((2, 2))) * 2
    with pytest.raises(GraphError, match=r"for a tensor of \(2, 2\)"):
        y.backward(np.ones(shape))


def test_several_values_need_an_upstream_gradient() -> None:
    with pytest.raises(GraphError, match=r"shape \(2,\) needs an upstream gradient"):
        (leaf([1.0, 2.0]) * 2).backward()


def test_a_tensor_of_constants_has_no_backward() -> None:
    with pytest.raises(GraphError, match="depends on nothing"):
        (Tensor([1.0]) * 2).backward()


def test_missing_gradient_names_the_operation(own_operations) -> None:
    @ops.operation("(*) -> (*)")
    def forgetful(x):
        return x * 1, lambda g: (None,)

    with pytest.raises(GraphError, match="forgetful: no gradient for an input of shape"):
        forgetful(leaf([1.0])).backward(np.ones(1))


def test_gradient_of_another_type_names_the_operation(own_operations) -> None:
    @ops.operation("(*) -> (*)")
    def widening(x):
        return x * 1, lambda g: (g.astype(np.float64),)

    with pytest.raises(GraphError, match="widening: gradient of type float64 for an input of float32"):
        widening(leaf([1.0], np.float32)).backward(np.ones(1))


# no_grad and detach


def test_no_grad_records_nothing_and_ends() -> None:
    x = leaf([1.0])
    with no_grad():
        y = x * 2
        assert not seqdl.is_grad_enabled()
    assert y.is_leaf
    assert not y.requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert seqdl.is_grad_enabled()


def test_no_grad_nests() -> None:
    with no_grad():
        with no_grad():
            pass
        assert not seqdl.is_grad_enabled()


def test_no_grad_does_not_reach_other_threads() -> None:
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(seqdl.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_detach_shares_values_and_cuts_history() -> None:
    x = leaf([3.0])
    y = x * 2
    cut = y.detach()
    (y * cut).sum().backward()
    np.testing.assert_array_equal(x.grad, [12])  # not 24: cut counts as a constant
    assert cut.numpy() is y.data


# gradcheck can fail


def wrong_when_upstream_varies():
    """Fault 1 of hello-dl: mixes the upstream values, which shows only if they differ."""

    @ops.operation("(*), (*) -> (*)")
    def scale(x, w):
        return x * w, lambda g: (g * w, np.full_like(g, g.mean()) * x)

    return scale


def test_constant_upstream_hides_a_wrong_gradient_and_gradcheck_finds_it(own_operations) -> None:
    scale, x, w = wrong_when_upstream_varies(), leaf([1.0, 2.0, 3.0]), leaf([4.0, 5.0, 6.0])
    scale(x, w).sum().backward()
    np.testing.assert_array_equal(w.grad, x.data)  # looks right
    with pytest.raises(GradientError, match=r"input 1, element \(\d,\): gradient .*, finite difference"):
        seqdl.gradcheck(scale, x, w)


@pytest.mark.parametrize("factor", [1.001, 0.999, -1.0, 0.0, np.nan])
def test_gradcheck_finds_a_gradient_that_is_off(own_operations, factor) -> None:
    @ops.operation("(*) -> (*)")
    def off(x):
        return x * x, lambda g: (g * 2 * x * factor,)

    with pytest.raises(GradientError, match=r"input 0, element \(0, 0\)|input 0, element \(0, 1\)"):
        seqdl.gradcheck(off, leaf([[1.0, 2.0]]))


def test_gradcheck_finds_one_wrong_element_and_says_which(own_operations) -> None:
    @ops.operation("(*) -> (*)")
    def spotty(x):
        spot = np.ones_like(x)
        spot[1, 2] = 1.01
        return x * x, lambda g: (g * 2 * x * spot,)

    with pytest.raises(GradientError, match=r"element \(1, 2\)"):
        seqdl.gradcheck(spotty, leaf(np.ones((2, 3))))


def test_gradcheck_needs_something_to_check() -> None:
    with pytest.raises(GradientError, match="no float64 tensor"):
        seqdl.gradcheck(ops.exp, Tensor([1.0]))


def test_gradcheck_leaves_its_inputs_as_they_were() -> None:
    x = leaf([1.0, 2.0])
    seqdl.gradcheck(ops.exp, x)
    np.testing.assert_array_equal(x.data, [1, 2])
    assert x.grad is None


def test_numpy_makes_an_array_of_the_values() -> None:
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    array = np.asarray(x)
    assert array.dtype == np.float32
    assert np.shares_memory(array, x.data)
    assert not np.shares_memory(np.array(x), x.data)
    np.testing.assert_array_equal(np.asarray(x, np.float64), [[1, 2], [3, 4]])


def test_shapes_and_axes_may_be_given_as_one_sequence() -> None:
    x = Tensor(np.zeros((2, 3, 4)))
    assert x.reshape([4, -1]).shape == x.reshape((4, 6)).shape == (4, 6)
    assert x.permute((2, 0, 1)).shape == x.permute([2, 0, 1]).shape == (4, 2, 3)
    assert Tensor([5.0]).reshape(()).shape == ()
