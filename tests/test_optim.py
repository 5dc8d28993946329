"""Optimisers against their formulas, schedules at listed positions, clipping."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest

from seqdl import Parameter, Tensor, nn, optim

GRADIENTS = np.random.default_rng(6).normal(size=(5, 3, 4))
START = np.random.default_rng(7).normal(size=(3, 4))


def parameter(values=START, dtype=np.float64) -> Parameter:
    return Parameter(np.array(values, dtype))


def walk(optimizer: optim.Optimizer, gradients=GRADIENTS) -> np.ndarray:
    """The weight after a step along each gradient."""
    (weight,) = optimizer.params
    for gradient in gradients:
        weight.grad = gradient.astype(weight.dtype)
        optimizer.step()
    return weight.data


# Steps


@pytest.mark.parametrize(
    ("momentum", "dampening", "decay", "nesterov"),
    [(0, 0, 0, False), (0.9, 0, 0, False), (0.9, 0.4, 0.1, False), (0.8, 0, 0.1, True), (0, 0, 0.1, False)],
)
def test_sgd_equals_its_formula_over_five_steps(momentum, dampening, decay, nesterov) -> None:
    ours = walk(optim.SGD([parameter()], 0.1, momentum, dampening, decay, nesterov))
    w, v = START, None
    for g in GRADIENTS:
        w, v = naive.sgd_step(w, g, v, 0.1, momentum, dampening, decay, nesterov)
    np.testing.assert_allclose(ours, w, rtol=1e-12)


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_adam_equals_its_formula_over_five_steps(kind, decay, dtype, rtol) -> None:
    ours = walk(kind([parameter(dtype=dtype)], 0.01, (0.8, 0.95), 1e-6, decay))
    l2, shrink = (decay, 0.0) if kind is optim.Adam else (0.0, decay)
    w, m, v = START, 0.0, 0.0
    for t, g in enumerate(GRADIENTS, start=1):
        w, m, v = naive.adam_step(w, g, m, v, t, 0.01, 0.8, 0.95, 1e-6, l2, shrink)
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, w, rtol=rtol)


def test_momentum_zero_steps_along_the_current_gradient() -> None:
    """Fault 2 of hello-dl: its step with momentum 0 went along the previous batch's gradient."""
    optimizer = optim.SGD([parameter([0.0, 0.0])], lr=1.0, momentum=0.0)
    np.testing.assert_array_equal(walk(optimizer, [np.array([1.0, 0])]), [-1, 0])
    np.testing.assert_array_equal(walk(optimizer, [np.array([0.0, 5])]), [-1, -5])


def test_dampening_without_momentum_does_nothing() -> None:
    optimizer = optim.SGD([parameter([0.0])], lr=1.0, momentum=0.0, dampening=0.5)
    assert [walk(optimizer, [np.array([2.0])])[0] for _ in range(2)] == [-2, -4]


def test_momentum_by_hand() -> None:
    optimizer = optim.SGD([parameter([0.0])], lr=1.0, momentum=0.5)
    positions = [walk(optimizer, [np.array([g])])[0] for g in (1.0, 1.0, 0.0)]
    assert positions == [-1, -2.5, -3.25]  # velocities 1, 1.5, 0.75


def test_adam_counts_one_step_a_batch() -> None:
    """Fault 5 of hello-dl: its counter advanced twice. A constant gradient moves Adam by lr each time."""
    optimizer = optim.Adam([parameter([0.0])], lr=0.1, eps=0.0)
    positions = [walk(optimizer, [np.array([3.0])])[0] for _ in range(3)]
    np.testing.assert_allclose(positions, [-0.1, -0.2, -0.3], rtol=1e-12)
    assert optimizer.steps.tolist() == [3] * len(optimizer.params)


@pytest.mark.parametrize(("kind", "lr"), [(optim.SGD, 0.1), (optim.AdamW, 0.1)])
def test_weight_decay_acts_once_without_a_gradient(kind, lr) -> None:
    """Fault 8 of hello-dl: weight decay was left out, and one layer counted three times."""
    ours = walk(kind([parameter()], lr=lr, weight_decay=0.5), [np.zeros((3, 4))])
    np.testing.assert_allclose(ours, START * (1 - 0.1 * 0.5), rtol=1e-12)


def test_a_parameter_without_gradient_stays() -> None:
    moving, still = parameter(), parameter()
    optimizer = optim.Adam([moving, still])
    moving.grad = GRADIENTS[0]
    optimizer.step()
    np.testing.assert_array_equal(still.data, START)
    assert not np.array_equal(moving.data, START)


@pytest.mark.parametrize("shape", [(), (1,), (3, 4, 2)])
@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_steps_move_the_array_itself(kind, shape) -> None:
    weight = Parameter(np.zeros(shape, np.float32))
    array, weight.grad = weight.data, np.ones(shape, np.float32)
    kind([weight], lr=0.5).step()
    np.testing.assert_allclose(array, -0.5, rtol=1e-6)


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam])
def test_a_parameter_in_column_order_moves_too(kind) -> None:
    weight = Parameter(np.zeros((3, 2)).T)
    weight.grad = np.array([[1.0, -1, 1], [-1, 1, -1]])
    kind([weight], lr=0.5).step()
    np.testing.assert_allclose(weight.data, -0.5 * weight.grad, rtol=1e-6)


def test_state_dict_resumes_to_the_same_bits() -> None:
    whole = walk(optim.AdamW([parameter()], 0.01))
    first = optim.AdamW([parameter()], 0.01)
    halfway = walk(first, GRADIENTS[:2]).copy()
    second = optim.AdamW([parameter(halfway)], 0.5)
    second.load_state_dict({name: array.copy() for name, array in first.state_dict().items()})
    np.testing.assert_array_equal(walk(second, GRADIENTS[2:]), whole)


def test_state_of_another_optimiser_is_refused() -> None:
    with pytest.raises(ValueError, match="optimiser state does not fit"):
        optim.SGD([parameter()]).load_state_dict(optim.Adam([parameter()]).state_dict())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.SGD([]), "SGD: no parameters"),
        (lambda: optim.Adam([parameter()], lr=-1), "lr must not be negative"),
        (lambda: optim.SGD([parameter()], nesterov=True), "nesterov needs a momentum"),
    ],
)
def test_senseless_arguments_are_refused(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_zero_grad_clears_the_gradients() -> None:
    weight = parameter()
    weight.grad = GRADIENTS[0]
    optim.SGD([weight]).zero_grad()
    assert weight.grad is None


def test_training_reaches_the_least_squares_solution() -> None:
    rng = np.random.default_rng(0)
    x, true = rng.normal(size=(50, 3)), np.array([[1.0, -2, 0.5]])
    layer = nn.Linear(3, 1, bias=False).to(np.float64)
    optimizer = optim.Adam(layer.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        ((layer(Tensor(x)) - x @ true.T) ** 2).mean().backward()
        optimizer.step()
    np.testing.assert_allclose(layer.weight.data, true, atol=1e-3)


# Schedules: lr is 2, so the rates are twice the factors


def rates(make, positions) -> list[float]:
    optimizer = optim.SGD([parameter()], lr=2.0)
    schedule, found = make(optimizer), []
    for position in range(max(positions) + 1):
        if position in positions:
            found.append(optimizer.lr)
        schedule.step()
    return found


SCHEDULES = [
    (lambda o: optim.ConstantLR(o, 0.25, 3), {0: 0.5, 2: 0.5, 3: 2, 9: 2}),
    (lambda o: optim.ConstantLR(o, 1, 0), {0: 2, 5: 2}),
    (lambda o: optim.StepLR(o, 4, 0.1), {0: 2, 3: 2, 4: 0.2, 7: 0.2, 8: 0.02}),
    (lambda o: optim.LinearLR(o, 0.5, 1.0, 4), {0: 1, 1: 1.25, 3: 1.75, 4: 2, 8: 2}),
    (lambda o: optim.LinearLR(o), {0: 2 / 3, 5: 2}),
    (
        lambda o: optim.CosineAnnealingLR(o, 8, 0.4),
        {0: 2, 2: 1.2 + 0.8 * math.sqrt(0.5), 4: 1.2, 8: 0.4, 20: 0.4},
    ),
    (
        lambda o: optim.SequentialLR(o, [optim.LinearLR(o, 0.1, 1.0, 4), optim.CosineAnnealingLR(o, 8, 0.4)], [4]),
        {0: 0.2, 2: 1.1, 4: 2, 8: 1.2, 12: 0.4, 15: 0.4},
    ),
]


@pytest.mark.parametrize(("make", "wanted"), SCHEDULES)
def test_schedule_at_listed_steps(make, wanted) -> None:
    assert rates(make, list(wanted)) == pytest.approx(list(wanted.values()), rel=1e-12)


def test_schedule_at_a_share_of_a_budget() -> None:
    optimizer = optim.SGD([parameter()], lr=2.0)
    schedule = optim.CosineAnnealingLR(optimizer, T_max=1.0)
    for share, wanted in ((0.5, 1.0), (1.0, 0.0), (0.0, 2.0), (0.25, 1 + math.sqrt(0.5))):
        schedule.at(share)
        assert optimizer.lr == pytest.approx(wanted)


def test_plateau_waits_for_patience_and_stops_at_the_least_rate() -> None:
    optimizer = optim.SGD([parameter()], lr=1.0)
    plateau = optim.ReduceLROnPlateau(optimizer, factor=0.1, patience=1, min_lr=0.05)
    found = []
    for metric in (3.0, 2.0, 2.0, 2.5, 1.0, 1.0, 0.99999, 1.0, 1.0):
        plateau.step(metric)
        found.append(round(optimizer.lr, 12))
    assert found == [1, 1, 1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05]


# Clipping


def with_gradients(*gradients) -> list[Parameter]:
    parameters = []
    for gradient in gradients:
        array = np.array(gradient, np.float32)
        parameters.append(Parameter(np.zeros_like(array)))
        parameters[-1].grad = array
    return parameters


def test_clipping_scales_all_gradients_by_their_common_norm() -> None:
    parameters = with_gradients([[3.0, 0.0]], 4.0)
    assert optim.clip_grad_norm_(iter(parameters), 1.0) == 5.0
    np.testing.assert_allclose(parameters[0].grad, [[0.6, 0]], rtol=1e-6)
    np.testing.assert_allclose(parameters[1].grad, 0.8, rtol=1e-6)


def test_clipping_leaves_short_and_missing_gradients_alone() -> None:
    parameters = [*with_gradients([3.0, 4.0]), Parameter(np.zeros(2))]
    assert optim.clip_grad_norm_(parameters, 6.0) == 5.0
    np.testing.assert_array_equal(parameters[0].grad, [3, 4])
    assert parameters[1].grad is None


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_clipping_leaves_gradients_that_are_not_finite_for_the_caller(bad) -> None:
    (weight,) = with_gradients([bad, 1.0])
    assert not math.isfinite(optim.clip_grad_norm_([weight], 1.0))
    np.testing.assert_array_equal(weight.grad, np.array([bad, 1], np.float32))


def test_clipping_reaches_a_gradient_of_a_single_number_from_backward() -> None:
    weight = Parameter(np.array(1.0, np.float32))
    (weight * 10.0).backward()
    optim.clip_grad_norm_([weight], 1.0)
    np.testing.assert_allclose(weight.grad, 1.0, rtol=1e-6)


def test_plateau_of_a_metric_that_should_rise() -> None:
    optimizer = optim.SGD([nn.Parameter(np.zeros(1, np.float32))], lr=1.0)
    plateau = optim.ReduceLROnPlateau(optimizer, "max", patience=0)  # torch's second argument
    rates = []
    for metric in (0.5, 0.6, 0.6, 0.7):
        plateau.step(metric)
        rates.append(optimizer.lr)
    assert rates == pytest.approx([1, 1, 0.1, 0.1])
    with pytest.raises(ValueError, match="min or max"):
        optim.ReduceLROnPlateau(optimizer, "best")
