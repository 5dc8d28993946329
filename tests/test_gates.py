"""Gates laid open: the same states as the layers' kernels, and a step worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqdl import Tensor, dna, nn
from seqdl.errors import InputError, UsageError
from seqdl.gates import gates
from seqdl.text import CharModel
from seqdl_data.nucleotides import decode, encode, reverse_complement

GENERATOR = np.random.default_rng(1)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("cell", [nn.GRU, nn.LSTM])
def test_states_are_those_of_the_layer(cell: Any, bias: bool, bidirectional: bool) -> None:
    layer = cell(5, 4, num_layers=2, bias=bias, bidirectional=bidirectional, generator=GENERATOR)
    x = GENERATOR.standard_normal((7, 3, 5), np.float32)
    starts = (Tensor(GENERATOR.standard_normal((2 * layer.directions, 3, 4), np.float32)) for _ in "hc")
    state = tuple(starts) if cell is nn.LSTM else next(starts)
    found = gates(layer, x, state)
    last = [found[name]["h"] for name in ("l1", "l1_reverse")[: layer.directions]]
    np.testing.assert_allclose(np.concatenate(last, axis=2), layer(x, state)[0].data, atol=1e-6)


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


def test_gates_of_inputs_in_float64_are_float32_as_the_layers_states_are() -> None:
    layer = nn.GRU(5, 4, generator=GENERATOR)
    assert gates(layer, np.ones((3, 2, 5)))["l0"]["h"].dtype == np.float32


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros((6, 2, 3), np.float32), r"expected \(T, B, 5\), or integers \(T, B\), got \(6, 2, 3\)"),
        (np.zeros((0, 2, 5), np.float32), "one step at least, got none"),
        (np.array([[0], [5]]), r"integers must be in \[0, 5\), found 0 to 5"),
        (np.array([[-1], [2]]), "found -1 to 2"),
    ],
)
def test_inputs_that_the_layer_does_not_take_are_refused(x: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        gates(nn.GRU(5, 4), x)


def test_a_text_model_traces_each_character() -> None:
    model = CharModel.load()
    trace = model.trace("To be,\nor not")
    assert trace.characters == tuple("To be,\nor not")
    assert list(trace.layers) == ["l0", "l1"]
    assert {name: values.shape for name, values in trace.layers["l1"].items()} == dict.fromkeys("rznh", (13, 512))


def test_without_a_text_the_newline_is_traced_with_which_writing_begins(model_file: Any) -> None:
    assert CharModel.load(model_file).trace("").characters == ("\n",)


def test_a_character_of_several_bytes_takes_several_steps(model_file: Any) -> None:
    trace = CharModel.load(model_file).trace("ä!")
    assert trace.characters == ("\\xc3", "\\xa4", "!")


@pytest.fixture
def genome(tmp_path: Path) -> Path:
    path = tmp_path / "g.fa"
    path.write_bytes(b">other\nACGT\n>one\n" + decode(GENERATOR.integers(0, 4, 900).astype(np.uint8)) + b"\n")
    return path


@pytest.mark.parametrize("strand", ["+", "-"])
def test_a_region_is_traced_as_the_network_reads_it_with_its_context(genome: Path, strand: str) -> None:
    model = dna.SiteModel.load()
    bases = genome.read_text().split()[-1]
    around = encode(bases[300 - model.context : 340 + model.context].encode())
    codes = around if strand == "+" else reverse_complement(around)
    hidden = model.network(codes[None]).data[model.context : model.context + 40, 0]
    trace = dna.trace_region(model, genome, dna.Region("one", 300, 340), strand)
    assert "".join(trace.characters) == decode(codes[model.context : model.context + 40]).decode()
    last = [trace.layers[name]["h"] for name in ("l1", "l1_reverse")]
    np.testing.assert_allclose(np.concatenate(last, axis=1), hidden, atol=1e-5)


@pytest.mark.parametrize("strand", ["+", "-"])
def test_at_the_ends_of_a_record_there_is_less_context(genome: Path, strand: str) -> None:
    model = dna.SiteModel.load()
    whole = dna.trace_region(model, genome, dna.Region("one"), strand).layers["l0"]["h"]
    ends = [dna.trace_region(model, genome, dna.Region("one", *span), strand) for span in ((0, 500), (500, 900))]
    start = ends[0 if strand == "+" else 1]
    assert len(whole) == 900
    np.testing.assert_allclose(start.layers["l0"]["h"], whole[: len(start.characters)], atol=1e-5)


def test_another_strand_and_region_are_refused(genome: Path) -> None:
    model = dna.SiteModel.load()
    with pytest.raises(UsageError, match=r"strand '\.': \+ or - is needed"):
        dna.trace_region(model, genome, dna.Region("one"), ".")
    with pytest.raises(InputError, match="two"):
        dna.trace_region(model, genome, dna.Region("two"))
