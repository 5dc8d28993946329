"""Gates laid open: the same states as the layers' kernels, and a step worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from seqdl import Tensor, nn
from seqdl.gates import gates
from seqdl.text import CharModel

GENERATOR = np.random.default_rng(1)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_states_are_those_of_the_layer(cell: Any, bias: bool, bidirectional: bool) -> None:
    layer = cell(5, 4, num_layers=2, bias=bias, bidirectional=bidirectional, generator=GENERATOR)
    x = GENERATOR.standard_normal((7, 3, 5), np.float32)
    found = gates(layer, x)
    last = [found[name]["h"] for name in ("l1", "l1_reverse")[: layer.directions]]
    np.testing.assert_allclose(np.concatenate(last, axis=2), layer(x)[0].data, atol=1e-6)


@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_a_given_state_is_where_it_starts(cell: Any) -> None:
    layer = cell(5, 4, generator=GENERATOR)
    x = GENERATOR.integers(0, 5, (6, 2))
    _, state = layer(x[:3])
    later = gates(layer, x[3:], state)["l0"]
    for name, values in later.items():
        np.testing.assert_allclose(values, gates(layer, x)["l0"][name][3:], atol=1e-6)


def test_integers_are_one_hot_and_batch_first_turns_only_the_input() -> None:
    layer = nn.GRU(5, 4, batch_first=True, generator=GENERATOR)
    symbols = GENERATOR.integers(0, 5, (2, 6))
    found = gates(layer, symbols)["l0"]
    assert found["r"].shape == (6, 2, 4)
    np.testing.assert_allclose(found["h"].swapaxes(0, 1), layer(symbols)[0].data, atol=1e-6)


def test_one_step_of_a_gru_by_hand() -> None:
    layer = nn.GRU(1, 1, bias=False)
    layer.load_state_dict(
        {
            "weight_ih_l0": np.array([[1.0], [2.0], [3.0]], np.float32),
            "weight_hh_l0": np.array([[4.0], [5.0], [6.0]], np.float32),
        }
    )
    found = gates(layer, np.full((1, 1, 1), 0.1, np.float32), Tensor(np.full((1, 1, 1), 0.2, np.float32)))["l0"]
    r, z = 1 / (1 + math.exp(-(0.1 + 0.8))), 1 / (1 + math.exp(-(0.2 + 1.0)))
    n = math.tanh(0.3 + r * 1.2)
    expected = {"r": r, "z": z, "n": n, "h": (1 - z) * n + z * 0.2}
    assert {name: values.item() for name, values in found.items()} == pytest.approx(expected, rel=1e-6)


def test_one_step_of_an_lstm_by_hand() -> None:
    layer = nn.LSTM(1, 1, bias=False)
    layer.load_state_dict(
        {
            "weight_ih_l0": np.array([[1.0], [2.0], [3.0], [4.0]], np.float32),
            "weight_hh_l0": np.array([[5.0], [6.0], [7.0], [8.0]], np.float32),
        }
    )
    state = tuple(Tensor(np.full((1, 1, 1), value, np.float32)) for value in (0.2, 0.3))  # h, c
    found = gates(layer, np.full((1, 1, 1), 0.1, np.float32), state)["l0"]
    i, f, o = (1 / (1 + math.exp(-both)) for both in (0.1 + 1.0, 0.2 + 1.2, 0.4 + 1.6))
    g = math.tanh(0.3 + 1.4)
    c = f * 0.3 + i * g
    expected = {"i": i, "f": f, "g": g, "o": o, "c": c, "h": o * math.tanh(c)}
    assert {name: values.item() for name, values in found.items()} == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_gates_are_float32(cell: Any) -> None:
    found = gates(cell(5, 4, generator=GENERATOR), GENERATOR.integers(0, 5, (3, 2)))["l0"]
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}


def test_inputs_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(T, B, 5\), or integers \(T, B\), got \(6, 2, 3\)"):
        gates(nn.GRU(5, 4), np.zeros((6, 2, 3), np.float32))


def test_a_text_model_traces_each_character() -> None:
    model = CharModel.load()
    trace = model.trace("To be,\nor not")
    assert trace.characters == tuple("To be,\nor not")
    assert list(trace.layers) == ["l0", "l1"]
    assert {name: values.shape for name, values in trace.layers["l1"].items()} == dict.fromkeys("rznh", (13, 512))


def test_a_character_of_several_bytes_takes_several_steps(model_file: Any) -> None:
    trace = CharModel.load(model_file).trace("ä!")
    assert trace.characters == ("\\xc3", "\\xa4", "!")
