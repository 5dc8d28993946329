"""Layers: names, state_dict, train and eval, initial values, and what each computes."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
from scipy.stats import kstest, norm

import seqdl
from seqdl import Module, Parameter, StateError, Tensor, nn, ops

RNG = np.random.default_rng(11)


def draw(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


class Net(Module):
    """Two levels of modules, parameters of its own, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5))
        self.head = nn.Linear(4, 2, bias=False)
        self.scale = Parameter(np.ones(2, np.float32))

    def forward(self, x):
        return self.head(self.body(x)) * self.scale


# Names and state


def test_parameters_are_named_by_their_path() -> None:
    names = [name for name, _ in Net().named_parameters()]
    assert sorted(names) == [
        "body.0.bias", "body.0.weight", "body.1.bias", "body.1.weight", "head.weight", "scale",
    ]  # fmt: skip


def test_buffers_are_named_by_their_path() -> None:
    names = [name for name, _ in Net().named_buffers()]
    assert names == ["body.1.running_mean", "body.1.running_var", "body.1.num_batches_tracked"]


def test_modules_are_named_by_their_path() -> None:
    names = [name for name, _ in Net().named_modules()]
    assert names == ["", "body", "body.0", "body.1", "body.2", "body.3", "head"]


def test_recurrent_weights_have_pytorchs_names_and_shapes() -> None:
    shapes = {name: p.shape for name, p in nn.GRU(5, 3, num_layers=2, bidirectional=True).named_parameters()}
    assert list(shapes)[:4] == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert shapes["weight_ih_l0_reverse"] == (9, 5)
    assert shapes["weight_ih_l1_reverse"] == (9, 6)
    assert shapes["weight_hh_l1"] == (9, 3)
    assert shapes["bias_hh_l1_reverse"] == (9,)
    assert len(shapes) == 16


def test_recurrent_layers_without_bias_have_none() -> None:
    assert [name for name, _ in nn.LSTM(5, 3, bias=False).named_parameters()] == ["weight_ih_l0", "weight_hh_l0"]


def test_a_shared_parameter_counts_once_but_keeps_both_names() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert len(list(net.parameters())) == 3
    assert set(net.state_dict()) == {"0.weight", "0.bias", "1.weight", "1.bias"}


def test_state_dict_round_trip_gives_the_same_outputs() -> None:
    one, other, x = Net(), Net(), draw(6, 3)
    one(x)  # moves the running figures
    assert not np.array_equal(one.eval()(x).data, other.eval()(x).data)
    other.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(one(x).data, other(x).data)


def test_load_state_dict_copies_into_the_same_arrays() -> None:
    layer = nn.Linear(2, 2)
    before, state = layer.weight.data, {"weight": np.ones((2, 2)), "bias": np.zeros(2)}
    layer.load_state_dict(state)
    state["weight"][:] = 7
    assert layer.weight.data is before
    assert before.dtype == np.float32
    np.testing.assert_array_equal(before, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": None}, "missing weight"),
        ({"wieght": np.ones(2)}, "unknown wieght"),
        ({"bias": np.ones(3)}, "bias is (3,), expected (2,)"),
    ],
)
def test_state_that_does_not_fit_says_what_and_changes_nothing(change, message) -> None:
    layer = nn.Linear(2, 2)
    kept = {name: array.copy() for name, array in layer.state_dict().items()}
    state = {"weight": np.ones((2, 2)), "bias": np.ones(2)} | change
    with pytest.raises(StateError) as caught:
        layer.load_state_dict({name: array for name, array in state.items() if array is not None})
    assert str(caught.value) == f"state_dict does not fit Linear: {message}"
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, kept[name])


def test_state_error_lists_all_faults() -> None:
    with pytest.raises(StateError, match="missing weight; missing bias; unknown a; unknown b"):
        nn.Linear(2, 2).load_state_dict({"a": np.ones(1), "b": np.ones(1)})


def test_train_and_eval_reach_every_module() -> None:
    net = Net()
    assert net.eval() is net
    assert not any(module.training for _, module in net.named_modules())
    net.train()
    assert all(module.training for _, module in net.named_modules())


def test_zero_grad_clears_every_gradient() -> None:
    net = Net()
    net(draw(4, 3)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_to_converts_parameters_and_floating_buffers() -> None:
    net = Net().to(np.float64)
    assert {array.dtype.name for array in net.state_dict().values()} == {"float64", "int64"}
    assert net(Tensor(draw(4, 3), dtype=np.float64)).dtype == np.float64


def test_summary_counts_weights_by_hand() -> None:
    lines = seqdl.summary(Net()).splitlines()
    assert [line.split() for line in lines] == [
        ["name", "layer", "shapes", "weights"],
        ["-", "Net", "2", "2"],
        ["body.0", "Linear", "4x3", "4", "16"],
        ["body.1", "BatchNorm1d", "4", "4", "8"],
        ["head", "Linear", "2x4", "8"],
        ["total", "34"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_repr_shows_the_tree() -> None:
    assert repr(nn.Sequential(nn.Linear(2, 3), nn.ReLU())) == (
        "Sequential(\n  (0): Linear(in_features=2, out_features=3, bias=True)\n  (1): ReLU()\n)"
    )


def test_sequential_applies_in_order_and_can_be_indexed() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Flatten())
    x = draw(4, 2)
    wanted = np.tanh(x @ net[0].weight.data.T + net[0].bias.data)
    np.testing.assert_allclose(net(x).data, wanted, rtol=1e-5)
    assert len(net) == 3
    assert isinstance(net[-1], nn.Flatten)


def test_a_module_without_forward_says_so() -> None:
    with pytest.raises(NotImplementedError, match=r"Module has no forward\(\)"):
        Module()(1)


# What layers compute


@pytest.mark.parametrize("before", [True, False])
def test_evaluating_ends_in_the_mode_that_was_also_after_an_error(before: bool) -> None:
    net = nn.Sequential(nn.Dropout(0.5)).train(before)
    seen = []

    def fail() -> None:
        with nn.evaluating(net):
            seen.append(net[0].training)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == [False]
    assert net[0].training is before


def test_evaluating_leaves_each_module_in_its_own_mode() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout(0.5))
    net[0].eval()
    with nn.evaluating(net):
        assert not net[1].training
    assert [net.training, net[0].training, net[1].training] == [True, False, True]
    net.eval()[1].train()
    with nn.evaluating(net):
        assert not net[1].training


@pytest.mark.parametrize("layer", [nn.GRU(3, 4), nn.LSTM(3, 4, bidirectional=True)])
@pytest.mark.parametrize("symbol", [-1, 3, 500_000])
def test_a_symbol_that_a_recurrent_layer_has_no_input_for_is_refused(layer: nn.Module, symbol: int) -> None:
    with pytest.raises(ValueError, match=rf"integers in \[0, 3\) expected, found {min(symbol, 2)} to {max(symbol, 2)}"):
        layer(np.array([[2], [symbol]]))


def test_dropout_does_nothing_in_evaluation_or_with_p_zero() -> None:
    x = Tensor(draw(5, 5))
    assert nn.Dropout(0.9).eval()(x) is x
    assert nn.Dropout(0.0)(x) is x


def test_dropout_zeroes_a_share_and_scales_the_rest() -> None:
    x = Tensor(np.ones((200, 500), np.float32))
    out = nn.Dropout(0.3, generator=np.random.default_rng(0))(x).data
    assert set(np.unique(out)) == {0, np.float32(1 / 0.7)}
    assert (out == 0).mean() == pytest.approx(0.3, abs=0.006)  # 4 sigma of 100,000 draws


def test_dropout_sends_gradients_through_the_same_mask() -> None:
    x = Tensor(np.ones(1000, np.float32), requires_grad=True)
    out = nn.Dropout(0.5)(x)
    out.sum().backward()
    np.testing.assert_array_equal(x.grad, out.data)


def test_recurrent_dropout_acts_between_layers_and_only_in_training() -> None:
    x = draw(4, 3, 2)
    one, two = nn.LSTM(2, 8, dropout=0.5), nn.LSTM(2, 8, num_layers=2, dropout=0.5)
    np.testing.assert_array_equal(one(x)[0].data, one.eval()(x)[0].data)
    assert not np.array_equal(two(x)[0].data, two(x)[0].data)
    np.testing.assert_array_equal(two.eval()(x)[0].data, two(x)[0].data)


def test_batch_norm_running_figures_by_hand() -> None:
    layer = nn.BatchNorm2d(1, momentum=0.5)
    x = np.array([1, 2, 3, 6], np.float32).reshape(2, 1, 2, 1)  # mean 3, sum of squares about it 14
    out = layer(x).data
    np.testing.assert_allclose(out.ravel(), (x.ravel() - 3) / np.sqrt(14 / 4 + 1e-5), rtol=1e-6)
    np.testing.assert_allclose(layer.running_mean, [1.5])
    np.testing.assert_allclose(layer.running_var, [0.5 + 0.5 * 14 / 3], rtol=1e-5)
    assert layer.num_batches_tracked == 1


def test_batch_norm_in_evaluation_uses_the_running_figures_and_leaves_them() -> None:
    layer = nn.BatchNorm1d(2).eval()
    layer.running_mean[:], layer.running_var[:] = [1, 2], [4, 9]
    out = layer(np.array([[3, 5]], np.float32)).data
    np.testing.assert_allclose(out, [[1, 1]], rtol=1e-5)
    np.testing.assert_array_equal(layer.running_mean, [1, 2])
    assert layer.num_batches_tracked == 0


def test_batch_norm_of_one_value_per_channel_is_refused() -> None:
    with pytest.raises(ValueError, match="has no variance"):
        nn.BatchNorm1d(3)(draw(1, 3))


def test_batch_norm_without_running_figures_has_the_gradient_of_what_it_does() -> None:
    inputs = [Tensor(RNG.normal(size=s), requires_grad=True) for s in ((4, 3), (3,), (3,))]
    assert seqdl.gradcheck(lambda *t: seqdl.ops.batch_norm(*t, training=False), *inputs)


def test_layer_norm_normalises_each_row() -> None:
    layer, x = nn.LayerNorm((2, 3)), draw(4, 2, 3)
    layer.weight.data[:], layer.bias.data[:] = 2, 1
    flat = x.reshape(4, 6).astype(np.float64)
    wanted = 2 * (flat - flat.mean(1, keepdims=True)) / np.sqrt(flat.var(1, keepdims=True) + 1e-5) + 1
    np.testing.assert_allclose(layer(x).data.reshape(4, 6), wanted, rtol=1e-4, atol=1e-5)


def test_layer_norm_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"LayerNorm\(\(3,\)\) got an input of shape \(2, 4\)"):
        nn.LayerNorm(3)(Tensor(draw(2, 4)))


def test_gelu_at_listed_values() -> None:
    x = np.array([-2, -0.5, 0, 1, 3], np.float32)
    np.testing.assert_allclose(nn.GELU()(x).data, x * norm.cdf(x), rtol=1e-5)


def test_conv2d_and_max_pool_layers_pass_their_options_on() -> None:
    conv = nn.Conv2d(2, 3, (3, 2), stride=2, padding=(1, 0), dilation=(1, 2))
    pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)
    x = draw(2, 2, 8, 9)
    out = conv(x).data
    wanted = naive.conv2d(x, conv.weight.data, conv.bias.data, (2, 2), (1, 0), (1, 2))
    np.testing.assert_allclose(out, wanted, rtol=1e-5, atol=1e-6)
    pooled = naive.max_pool2d(out, (3, 3), (2, 2), (1, 1), True)[0]
    np.testing.assert_array_equal(pool(out).data, pooled)
    conv.pool = pool
    np.testing.assert_array_equal(conv(x).data, pooled)
    conv.gelu = True
    np.testing.assert_allclose(conv(x).data, pooled * norm.cdf(pooled), rtol=1e-5, atol=1e-6)
    assert set(conv.state_dict()) == {"weight", "bias"}


def test_losses_as_modules() -> None:
    logits, target = draw(5, 3), np.array([0, 2, 1, 1, 0])
    loss = nn.CrossEntropyLoss(weight=np.array([1, 2, 3.0]), ignore_index=2, label_smoothing=0.1)(logits, target)
    wanted = naive.cross_entropy(logits, target, np.array([1, 2, 3.0]), 2, 0.1)
    assert loss.item() == pytest.approx(wanted, rel=1e-5)
    assert nn.MSELoss()(Tensor([1.0, 3.0]), np.array([0, 1])).item() == 2.5


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("batch_first", [False, True])
def test_integers_mean_one_hot_vectors(kind, batch_first) -> None:
    layer = kind(5, 4, num_layers=2, bidirectional=True, batch_first=batch_first)
    symbols = RNG.integers(0, 5, (6, 3))
    results = []
    for x in (symbols, np.eye(5, dtype=np.float32)[symbols]):
        out, final = layer(x)
        (out * draw_like(out)).sum().backward()
        state = final[0] if isinstance(final, tuple) else final
        results.append([out.data, state.data, *(p.grad for p in layer.parameters())])
        layer.zero_grad()
    for ours, wanted in zip(*results, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-5)


def draw_like(x: Tensor) -> np.ndarray:
    return np.random.default_rng(2).normal(size=x.shape).astype(np.float32)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_batch_first_only_exchanges_axes(kind) -> None:
    layer, x = kind(3, 4), draw(6, 2, 3)
    wanted, _ = layer(x)
    layer.batch_first = True
    out, _ = layer(x.transpose(1, 0, 2))
    np.testing.assert_array_equal(out.data, wanted.data.transpose(1, 0, 2))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_state_carried_over_continues_the_sequence(kind) -> None:
    layer, x = kind(3, 4, num_layers=2), draw(7, 2, 3)
    whole, _ = layer(x)
    first, state = layer(x[:4])
    second, _ = layer(x[4:], state)
    np.testing.assert_allclose(np.concatenate([first.data, second.data]), whole.data, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_recurrent_layers_take_arrays_of_doubles_as_float32(kind) -> None:
    layer, x = kind(3, 4), draw(5, 2, 3)
    out, _ = layer(x.astype(np.float64))
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.data, layer(x)[0].data)


@pytest.mark.parametrize("shape", [(4, 3), (2, 4, 5), (2, 2, 2, 3)])
def test_recurrent_layers_refuse_other_shapes(shape) -> None:
    with pytest.raises(ValueError, match="LSTM expects"):
        nn.LSTM(3, 4)(draw(*shape))


def test_a_state_for_another_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"initial state: float32 \(1, 3, 4\) expected"):
        nn.GRU(2, 4)(draw(5, 3, 2), np.zeros((1, 2, 4), np.float32))


def test_lstm_step_by_hand() -> None:
    layer = nn.LSTM(1, 1)
    for name, rows in {"weight_ih_l0": [1, 2, 3, 4], "weight_hh_l0": [0.5, 0.6, 0.7, 0.8]}.items():
        getattr(layer, name).data[:] = np.array(rows)[:, None]
    layer.bias_ih_l0.data[:], layer.bias_hh_l0.data[:] = [0.1, 0.2, 0.3, 0.4], 0
    _, (h, c) = layer([[[0.5]]], (Tensor([[[0.25]]]), Tensor([[[-1.0]]])))
    # pre-activations x w + h u + b: i 0.725, f 1.35, g 1.975, o 2.6
    wanted = -1 / (1 + math.exp(-1.35)) + math.tanh(1.975) / (1 + math.exp(-0.725))
    assert c.item() == pytest.approx(wanted, rel=1e-5)
    assert h.item() == pytest.approx(math.tanh(wanted) / (1 + math.exp(-2.6)), rel=1e-5)


# Initial values


def uniform_within(values: np.ndarray, bound: float) -> None:
    """Every value in the interval, and their distribution flat (a 1 in 10,000 chance to fail for a new seed)."""
    assert np.abs(values).max() <= bound
    assert kstest(values.ravel(), "uniform", (-bound, 2 * bound)).pvalue > 1e-4


@pytest.mark.parametrize(
    ("make", "bound"),
    [
        (lambda g: nn.Linear(25, 400, generator=g), 1 / 5),
        (lambda g: nn.Conv2d(4, 300, (3, 3), generator=g), 1 / 6),
        (lambda g: nn.LSTM(9, 16, 2, generator=g), 1 / 4),
        (lambda g: nn.GRU(9, 16, bidirectional=True, generator=g), 1 / 4),
    ],
)
def test_layers_start_uniform_within_one_over_the_root_of_their_inputs(make, bound) -> None:
    values = np.concatenate([p.data.ravel() for p in make(np.random.default_rng(1)).parameters()])
    assert values.dtype == np.float32
    uniform_within(values, bound)


def test_embedding_starts_normal() -> None:
    weight = nn.Embedding(200, 50, generator=np.random.default_rng(1)).weight.data
    assert kstest(weight.ravel(), "norm").pvalue > 1e-4


def test_normalisations_start_as_the_identity() -> None:
    for layer in (nn.LayerNorm(3), nn.BatchNorm2d(3)):
        np.testing.assert_array_equal(layer.weight.data, 1)
        np.testing.assert_array_equal(layer.bias.data, 0)


def filled(function, shape, **options) -> np.ndarray:
    return function(np.full(shape, np.nan), generator=np.random.default_rng(4), **options)


@pytest.mark.parametrize(
    ("name", "shape", "bound"),
    [
        ("kaiming_uniform_", (200, 10, 3, 3), math.sqrt(2) * math.sqrt(3 / 90)),
        ("kaiming_uniform_", (200, 90), math.sqrt(2) * math.sqrt(3 / 90)),
        ("xavier_uniform_", (200, 10, 3, 3), math.sqrt(6 / (90 + 1800))),
        ("xavier_uniform_", (200, 90), math.sqrt(6 / (90 + 200))),
    ],
)
def test_uniform_bounds_from_the_fans(name, shape, bound) -> None:
    uniform_within(filled(getattr(nn.init, name), shape), bound)


@pytest.mark.parametrize(
    ("name", "std"), [("kaiming_normal_", math.sqrt(2 / 90)), ("xavier_normal_", math.sqrt(2 / 1890))]
)
def test_normal_deviations_from_the_fans(name, std) -> None:
    values = filled(getattr(nn.init, name), (200, 10, 3, 3))
    assert kstest(values.ravel() / std, "norm").pvalue > 1e-4


@pytest.mark.parametrize("shape", [(6, 6), (8, 3), (3, 8), (4, 2, 3, 3)])
def test_orthogonal_rows_or_columns_are_orthonormal_times_gain(shape) -> None:
    q = filled(nn.init.orthogonal_, shape, gain=3.0).reshape(shape[0], -1)
    product = q @ q.T if len(q) <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(product, 9 * np.eye(len(product)), atol=1e-12)


def test_fans_need_two_axes() -> None:
    assert nn.init.fans(np.empty((5, 4, 3, 2))) == (24, 30)
    with pytest.raises(ValueError, match="two or more axes"):
        nn.init.fans(np.empty(5))


def test_manual_seed_reproduces_weights_and_dropout() -> None:
    results = []
    for _ in range(2):
        seqdl.manual_seed(42)
        net = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Embedding(3, 2))
        results.append([*(p.data for p in net.parameters()), net[1](Tensor(np.ones(64, np.float32))).data])
    for ours, other in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, other)


def test_other_seeds_and_own_generators_draw_otherwise() -> None:
    seqdl.manual_seed(1)
    first = nn.Linear(8, 8).weight.data
    second = nn.Linear(8, 8, generator=np.random.default_rng(1)).weight.data
    seqdl.manual_seed(2)
    assert not np.array_equal(first, nn.Linear(8, 8).weight.data)
    np.testing.assert_array_equal(second, nn.Linear(8, 8, generator=np.random.default_rng(1)).weight.data)


def test_running_variance_of_a_channel_that_hardly_varies() -> None:
    """Not 1 / scale^2 - eps, which loses all digits (and may fall below 0) where the variance is far below eps."""
    x = (np.array([0, 1, 2, 3]) * 1e-6).astype(np.float32).reshape(4, 1, 1, 1)
    layer = nn.BatchNorm2d(1, momentum=1.0)
    layer(x)
    np.testing.assert_allclose(layer.running_var, np.var(x, ddof=1), rtol=1e-5)


@pytest.mark.parametrize(("reduction", "wanted"), [("mean", 2.5), ("sum", 5.0), ("none", [1.0, 4.0])])
def test_mse_loss_reductions(reduction: str, wanted: object) -> None:
    loss = nn.MSELoss(reduction)(Tensor([1.0, 2.0]), np.array([2.0, 4.0]))
    np.testing.assert_array_equal(loss.data, wanted)


def test_dropout_between_layers_without_a_generator_draws_from_the_default_one() -> None:
    layer = nn.GRU(2, 3, num_layers=2)
    weights = [w.data for w in layer._weights()]
    x, h = np.ones((4, 1, 2), np.float32), np.zeros((2, 1, 3), np.float32)
    results = []
    for seed in (1, 1, 2):
        seqdl.manual_seed(seed)
        results.append(ops.gru(x, h, *weights, dropout=0.5)[0].data)
    assert np.array_equal(results[0], results[1])
    assert not np.array_equal(results[0], results[2])
