"""Weights in fewer bits: what a file holds, what comes back, and what `seqdl quantize` says of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from seqdl.errors import InputError, ModelFileError, UsageError
from seqdl.modelfile import load_model, read_metadata, save_model
from seqdl.quantisation import (
    BINS,
    SCHEMES,
    dequantise,
    dequantise_bins,
    quantise,
    quantise_bins,
    quantise_rows,
)
from seqdl.training.loop import Settings
from seqdl_cli.main import app
from seqdl_data.images import ImageSet, Part, write_images
from seqdl_vision.letters import Letters
from seqdl_vision.quantise import quantise_letters
from seqdl_vision.training import LetterSettings, train_letters

RANDOM = np.random.default_rng(1)
ARRAYS = {
    "conv.weight": RANDOM.standard_normal((6, 3, 3, 3)).astype(np.float32),
    "linear.weight": RANDOM.standard_normal((5, 7)).astype(np.float32),
    "linear.bias": RANDOM.standard_normal(5).astype(np.float32),
    "norm.running_var": np.array([1e5, 1e-9], np.float32),
    "norm.num_batches_tracked": np.array(70_001),
}


def again(scheme: str) -> dict[str, np.ndarray]:
    return dequantise(quantise(ARRAYS, scheme), scheme)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_array_comes_back_in_its_shape_and_as_float32(scheme: str) -> None:
    back = again(scheme)
    assert {name: a.shape for name, a in back.items()} == {name: a.shape for name, a in ARRAYS.items()}
    assert {a.dtype for a in back.values()} == {np.dtype(np.float32), np.dtype(np.int64)}
    assert back["norm.num_batches_tracked"] == 70_001


@pytest.mark.parametrize(("scheme", "most"), [("float16", 2e-3), ("int8", 0.02), ("q4", 0.9)])
def test_weights_come_back_as_near_as_the_scheme_allows(scheme: str, most: float) -> None:
    for name in ("conv.weight", "linear.weight", "linear.bias"):
        assert np.abs(again(scheme)[name] - ARRAYS[name]).max() < most


@pytest.mark.parametrize("scheme", ["float16", "int8", "q4"])
def test_what_float16_cannot_hold_stays_float32(scheme: str) -> None:
    np.testing.assert_array_equal(again(scheme)["norm.running_var"], ARRAYS["norm.running_var"])
    assert quantise(ARRAYS, scheme)["linear.bias"].dtype == np.float16


def test_int8_has_a_scale_for_each_output_channel_of_a_kernel() -> None:
    stored = quantise(ARRAYS, "int8")
    assert stored["conv.weight"].dtype == np.int8
    assert stored["conv.weight"].shape == (6, 3, 3, 3)
    np.testing.assert_allclose(stored["conv.weight.scale"], np.abs(ARRAYS["conv.weight"]).max(axis=(1, 2, 3)) / 127)
    error = np.abs(again("int8")["conv.weight"] - ARRAYS["conv.weight"]).max(axis=(1, 2, 3))
    assert (error <= stored["conv.weight.scale"] * 0.5001).all()


def naive_bins(weight: np.ndarray) -> np.ndarray:
    """Each weight as the mean of its sixteenth, from the definition."""
    order = sorted(range(weight.size), key=lambda n: (weight.flat[n], n))
    out = np.empty(weight.size)
    for b in range(BINS):
        inside = [n for rank, n in enumerate(order) if rank * BINS // weight.size == b]
        out[inside] = np.mean([weight.flat[n] for n in inside]) if inside else 0
    return out.reshape(weight.shape)


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 160, 333])
def test_q4_is_the_mean_of_bins_of_equal_population(size: int) -> None:
    weight = np.random.default_rng(size).standard_normal((1, size)).astype(np.float32)
    codes, means = quantise_bins(weight)
    assert (codes.dtype, len(codes), means.shape) == (np.uint8, -(-size // 2), (16,))
    np.testing.assert_allclose(dequantise_bins(codes, means, weight.shape), naive_bins(weight), rtol=1e-6)
    population = np.bincount(np.stack([codes & 15, codes >> 4], 1).ravel()[:size], minlength=16)
    assert population.max() - population.min() <= 1


def test_q4_packs_two_weights_in_a_byte_the_first_in_the_low_half() -> None:
    codes, means = quantise_bins(np.arange(32, dtype=np.float32).reshape(2, 16)[:, ::-1])
    assert codes[0] == 7 | 7 << 4  # 15 and 14, the seventh pair from below
    assert means.tolist() == [2 * n + 0.5 for n in range(16)]


def test_q4_of_equal_weights_gives_them_back() -> None:
    weight = np.full((3, 7), 0.25, np.float32)
    np.testing.assert_array_equal(dequantise_bins(*quantise_bins(weight), (3, 7)), weight)


def test_q4_of_what_comes_back_changes_nothing_more() -> None:
    once = again("q4")["conv.weight"]
    np.testing.assert_allclose(dequantise_bins(*quantise_bins(once), once.shape), once, rtol=1e-6)


def test_an_array_whose_own_name_ends_like_a_part_stays() -> None:
    arrays = {"norm.scale": np.ones(3, np.float32), "norm": np.ones(3, np.float32)}
    assert dequantise(quantise(arrays, "q4"), "q4").keys() == arrays.keys()


def test_a_file_of_the_first_int8_models_reads_as_before(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    values, scale = quantise_rows(ARRAYS["linear.weight"])
    bias = ARRAYS["linear.bias"].astype(np.float16)
    document = {"schema": 1, "kind": "text", "quantised": "int8"}
    stored = {"w": values, "w.scale": scale, "b": bias}
    save_file(stored, tmp_path / "old.safetensors", {"seqdl": json.dumps(document)})
    arrays, _ = load_model(tmp_path / "old.safetensors", "text")
    np.testing.assert_array_equal(arrays["w"], values.astype(np.float32) * scale[:, None])
    np.testing.assert_array_equal(arrays["b"], bias.astype(np.float32))
    assert list(arrays) == ["b", "w"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w.bins": None}, "w.bins' is missing"),
        ({"w.shape": None}, "w.shape' is missing"),
        ({"w.bins": np.zeros(15, np.float32)}, "15 bins"),
        ({"w.shape": np.array([5, 8])}, "18 bytes"),
        ({"w.shape": np.array([-5, -7])}, "negative|unknown|reshape"),
        ({"w.shape": np.array([5.0, 7.0])}, "integers"),
    ],
)
def test_a_damaged_q4_file_is_an_error_that_names_it(tmp_path: Path, change: dict, message: str) -> None:
    from safetensors.numpy import save_file

    stored = quantise({"w": ARRAYS["linear.weight"]}, "q4") | change
    stored = {name: array for name, array in stored.items() if array is not None}
    document = {"schema": 1, "kind": "text", "quantised": "q4"}
    save_file(stored, tmp_path / "m.safetensors", {"seqdl": json.dumps(document)})
    with pytest.raises(ModelFileError, match=f"m.safetensors: damaged.*({message})"):
        load_model(tmp_path / "m.safetensors", "text")


def test_a_scheme_of_a_later_version_is_an_error(tmp_path: Path) -> None:
    save_model(tmp_path / "m.safetensors", "text", {}, {})
    document = read_metadata(tmp_path / "m.safetensors") | {"quantised": "q2"}
    from safetensors.numpy import save_file

    save_file({"w": np.zeros(2, np.uint8)}, tmp_path / "m.safetensors", {"seqdl": json.dumps(document)})
    with pytest.raises(ModelFileError, match="'q2', which this version does not know"):
        load_model(tmp_path / "m.safetensors", "text")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A residual network trained on three kinds of bars, in runs/bars beside bars.parquet."""
    folder = tmp_path_factory.mktemp("bars")
    images = np.random.default_rng(1).integers(0, 60, (60, 28, 28), np.uint8)
    labels = np.arange(60) % 3
    for image, label in zip(images, labels, strict=True):
        image[4 : 4 + 6 * (label + 1), 6:22] = 255
    data = ImageSet(images, labels, ("a", "b", "7"), np.full(60, "", object))
    part = Part({"rows": 60}, [data])
    about = {"source": "drawn", "licence": "CC0", "command": "seqdl data build npz /home/me/bars.npz"}
    write_images(folder / "bars.parquet", {"train": part, "valid": part}, data.classes, **about)
    settings = LetterSettings(width=4, batch=12, augment=0, junk=0, dropout=0)
    train_letters([folder / "bars.parquet"], folder / "runs/bars", Settings(epochs=6, validations=1), settings)
    return folder / "runs/bars"


@pytest.mark.parametrize("scheme", ["float16", "int8", "q4"])
def test_a_model_in_fewer_bits_names_the_same_bars(run_folder: Path, tmp_path: Path, scheme: str) -> None:
    report = quantise_letters(run_folder, tmp_path / "small.safetensors", scheme)
    before, after = report["before"]["parts"][0], report["after"]["parts"][0]
    assert (after["data"], after["split"]) == ("bars", "valid")  # there is no test part
    assert before["accuracy"] == 1
    assert after["accuracy"] == 1
    assert report["after"]["bytes"] == (tmp_path / "small.safetensors").stat().st_size < report["before"]["bytes"]


def test_the_card_says_what_was_measured_and_names_no_folder(run_folder: Path, tmp_path: Path) -> None:
    quantise_letters(run_folder, tmp_path / "small.safetensors", "q4", licence="mine")
    card = Letters.load(tmp_path / "small.safetensors").card
    assert (card["quantised"], card["source"], card["licence"]) == ("q4", "drawn", "mine")
    assert card["quantisation"]["measured_on"] == "the valid part of bars (60 pictures)"
    assert card["quantisation"]["after"]["bytes"] == (tmp_path / "small.safetensors").stat().st_size
    assert card["training"]["paths"] == ["bars.parquet"]
    assert card["training"]["data"][0]["command"] == "seqdl data build npz bars.npz"


def test_without_the_datasets_there_is_nothing_to_measure_on(run_folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes((run_folder / "best.safetensors").read_bytes())
    with pytest.raises(InputError, match="name others to measure on with --data"):
        quantise_letters(moved, tmp_path / "small.safetensors")
    assert not (tmp_path / "small.safetensors").exists()
    quantise_letters(moved, tmp_path / "small.safetensors", datasets=[run_folder.parents[1] / "bars.parquet"])


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["quantize", *map(str, arguments)])


def test_the_command_prints_accuracy_and_size_before_and_after(run_folder: Path, tmp_path: Path) -> None:
    result = run(run_folder, "-o", tmp_path / "small.safetensors", "--to", "q4")
    header, before, after = result.stdout.splitlines()
    assert header.split() == ["bytes", "bars,", "accuracy"]
    assert before.split()[2] == after.split()[2] == "1.0000"
    assert "measured on the valid part of bars" in result.stderr


def test_the_command_prints_json(run_folder: Path, tmp_path: Path) -> None:
    document = json.loads(run(run_folder, "-o", tmp_path / "small.safetensors", "--json").stdout)
    assert (document["schema"], document["scheme"]) == ("seqdl.quantize/1", "int8")
    assert document["after"]["parts"][0]["accuracy"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--to", "int3"), 2, "--to must be one of float32, float16, int8, q4"),
        (("--text", "x.txt"), 2, "--text is for a text model"),
    ],
)
def test_wrong_use_of_the_command(run_folder: Path, tmp_path: Path, arguments: tuple, code: int, message: str) -> None:
    result = run(run_folder, "-o", tmp_path / "small.safetensors", *arguments)
    assert result.exit_code == code
    assert f"seqdl: error: {message}" in result.stderr


def test_a_site_model_is_measured_on_one_dataset(tmp_path: Path) -> None:
    result = run("spombe", "-o", tmp_path / "s", "--data", "a", "--data", "b")
    assert result.exit_code == UsageError.exit_code
    assert "--data may be given once" in result.stderr
