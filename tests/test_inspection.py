"""A look inside: figures of arrays, what layers give, `seqdl inspect`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from seqdl import nn
from seqdl.inspection import BINS, Figures, figures_of, recorded_outputs
from seqdl.modelfile import save_model
from seqdl.tensor import no_grad
from seqdl_cli.main import app
from seqdl_vision.inspection import as_maps, first_kernels, look, maps_sheet, save_pictures
from seqdl_vision.inspection import pictures_of_layers as layers_of
from seqdl_vision.letters import Letters, build
from seqdl_vision.network import NETWORKS, pictures

LABELS = ("", "7", "A", "a", "Cc")


def letters(network: str = "residual") -> Letters:
    architecture = {"network": network, **({"width": 4} if network == "residual" else {})}
    built = build(architecture, len(LABELS), np.random.default_rng(1))
    return Letters(built.eval(), architecture, LABELS, temperature=1.5)


@pytest.fixture
def picture() -> np.ndarray:
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 12:16] = 255
    return image


def test_figures_of_an_array() -> None:
    figures = Figures.of("w", np.array([[0.0, 1.0], [2.0, 1.0]], np.float32))
    assert (figures.mean, figures.low, figures.high, figures.zeros) == (1, 0, 2, 0.25)
    assert figures.counts.sum() == 4
    assert figures.counts[[0, BINS // 2, -1]].tolist() == [1, 2, 1]


def test_bars_are_as_high_as_their_counts_and_one_is_seen() -> None:
    figures = Figures.of("w", np.array([0.0] * 1000 + [1.0]))
    assert figures.bars() == "█" + " " * (BINS - 2) + "▁"
    assert figures.bars(" .#") == "#" + " " * (BINS - 2) + "."


@pytest.mark.parametrize("values", [np.array([np.nan, 1, 2, np.inf]), np.empty(0), np.zeros(()), np.full(3, np.nan)])
def test_figures_take_any_array(values: np.ndarray) -> None:
    figures = Figures.of("w", values)
    assert figures.counts.sum() == np.isfinite(values).sum()
    assert len(figures.bars()) == BINS


def test_figures_of_a_network_are_those_of_its_floats() -> None:
    names = [each.name for each in figures_of(letters().network)]
    assert "stem.norm.running_var" in names
    assert "stem.norm.num_batches_tracked" not in names


class Branch(nn.Module):
    """A module that passes on what its layer gave, and drops nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.drop, self.relu = nn.Linear(2, 3), nn.Dropout(0.5), nn.ReLU()

    def forward(self, x: np.ndarray) -> object:
        return self.relu(self.drop(self.linear(x)))


def test_outputs_are_recorded_in_order_without_what_is_passed_on() -> None:
    network = nn.Sequential(Branch(), nn.Flatten(), nn.Linear(3, 2)).eval()
    network[0].linear.bias.data[0] = -9  # so that the ReLU changes something
    x = np.ones((1, 2), np.float32)
    with recorded_outputs(network) as outputs:
        result = network(x)
    names = [(each.name, each.kind) for each in outputs]
    assert names == [("0.linear", "Linear"), ("0.relu", "ReLU"), ("2", "Linear")]
    np.testing.assert_array_equal(outputs[-1].values, result.data)
    np.testing.assert_array_equal(outputs[0].values, network[0].linear(x).data)


def test_a_network_is_as_before_even_after_an_error() -> None:
    network = Branch()
    with pytest.raises(ValueError, match="shape"), recorded_outputs(network):
        raise ValueError("shape")
    assert all("forward" not in vars(part) for _, part in network.named_modules())


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_can_be_looked_into(name: str, picture: np.ndarray) -> None:
    model = letters(name)
    seen = look(model, picture)
    with no_grad():
        logits = model.network(pictures(picture[None])).data
    np.testing.assert_array_equal(seen.layers[-1].values, logits)
    assert seen.probabilities.sum() == pytest.approx(1, abs=1e-5)
    made = list(layers_of(seen))
    assert len({each.name for each in made}) == 1 + len(seen.layers) >= 6
    assert min(min(each.image.size) for each in made) > 30


def test_the_likeliest_labels_come_first(picture: np.ndarray) -> None:
    best = look(letters(), picture).best(3)
    assert [share for _, share in best] == sorted((share for _, share in best), reverse=True)
    assert len(best) == 3


def test_a_vector_becomes_a_map_in_rows() -> None:
    maps = as_maps(np.arange(40.0))
    assert maps.shape == (1, 2, 32)
    assert maps[0, 1, :8].tolist() == list(range(32, 40))
    assert not maps[0, 1, 8:].any()
    assert as_maps(np.arange(5.0)).shape == (1, 1, 5)


def test_maps_share_one_scale() -> None:
    image = maps_sheet("x", np.stack([np.full((2, 2), 4.0), np.full((2, 2), 2.0)]))
    tones = {pixel for _, pixel in image.getcolors(1 << 16)}
    assert {(255, 255, 255), (128, 128, 128)} <= tones  # the largest is white, half of it grey


def test_kernels_are_those_of_the_layer_that_reads_the_picture() -> None:
    name, kernels = first_kernels(letters().network) or ("", np.empty(0))
    assert name.startswith("stem.conv.weight")
    assert kernels.shape == (4, 3, 3)
    _, kernels = first_kernels(letters("mlp").network) or ("", np.empty(0))
    assert kernels.shape == (128, 28, 28)
    assert first_kernels(nn.Linear(5, 3)) is None


def test_pictures_go_to_a_folder_or_into_one_file(tmp_path: Path, picture: np.ndarray) -> None:
    made = list(layers_of(look(letters("mlp"), picture)))
    save_pictures(tmp_path / "inside", made)
    assert {path.stem for path in (tmp_path / "inside").iterdir()} == {each.name for each in made}
    save_pictures(tmp_path / "all.png", made)
    with Image.open(tmp_path / "all.png") as image:
        assert image.height == sum(each.image.height for each in made)


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    letters().save(tmp_path / "letters.safetensors")
    return tmp_path / "letters.safetensors"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A bar of ink on grey paper."""
    pixels = np.full((90, 70), 200, np.uint8)
    pixels[10:80, 30:40] = 20
    Image.fromarray(pixels).save(tmp_path / "bar.png")
    return tmp_path / "bar.png"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)])


def test_inspect_prints_layers_weights_and_card(model_path: Path) -> None:
    result = run(model_path)
    assert result.exit_code == 0, result.stderr
    assert "stage2.second.conv  Conv2d       16x16x3x3    2,304" in result.stdout
    assert "linear.bias " in result.stdout
    assert "temperature: 1.5" in result.stdout


def test_inspect_of_a_picture_prints_it_and_what_the_model_says(model_path: Path, photo: Path, tmp_path: Path) -> None:
    result = run(model_path, "--image", photo, "-o", tmp_path / "inside")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("█") > 20
    assert "none " in result.stdout or "Cc " in result.stdout
    names = {path.name for path in (tmp_path / "inside").iterdir()}
    assert {"weights.png", "kernels.png", "00-input.png", "01-stem.conv.png"} <= names
    assert f"wrote {len(names)} pictures" in result.stderr


def test_a_terminal_without_unicode_gets_other_letters(model_path: Path, photo: Path) -> None:
    result = CliRunner(charset="ascii").invoke(app, ["inspect", str(model_path), "--image", str(photo)])
    assert result.exit_code == 0, result.exception
    assert "||||" in result.stdout
    assert "#" in result.stdout


def test_inspect_json(model_path: Path, photo: Path) -> None:
    document = json.loads(run(model_path, "--image", photo, "--json").stdout)
    assert (document["schema"], document["kind"]) == ("seqdl.inspect/1", "characters")
    assert document["weights"] == sum(p.size for p in letters().network.parameters())
    assert sum(each["probability"] for each in document["picture"]["labels"]) == pytest.approx(1, abs=1e-5)
    assert np.array(document["picture"]["pixels"]).shape == (28, 28)
    assert document["picture"]["layers"][-1]["shape"] == [5]


@pytest.mark.parametrize(("name", "kind"), [("spombe", "sites"), ("shakespeare", "text")])
def test_inspect_of_the_shipped_models_of_other_kinds(name: str, kind: str, tmp_path: Path) -> None:
    result = run(name, "-o", tmp_path / "weights.png", "-q")
    assert f"a model of kind '{kind}'" in result.stdout
    assert "rnn.weight_hh_l0 " in result.stdout
    assert (tmp_path / "weights.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["gone"], 4, "gone: no such model file"),
        (["spombe", "--image", "a.png"], 2, "--image is for a model of characters, spombe is one of kind 'sites'"),
        (["{model}", "--image", "gone.png"], 3, "gone.png: cannot read"),
        (["{folder}/other.safetensors"], 4, "this is a model of kind 'checkpoint', expected one of text, sites, char"),
        (["{model}", "-o", "{model}/x"], 5, "cannot write"),
    ],
)
def test_what_cannot_be_inspected(model_path: Path, arguments: list[str], code: int, message: str) -> None:
    save_model(model_path.with_name("other.safetensors"), "checkpoint", {}, {})
    result = run(*(each.format(model=model_path, folder=model_path.parent) for each in arguments))
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""


def test_pictures_are_written_though_the_reader_of_the_text_is_gone(model_path: Path, tmp_path: Path) -> None:
    paths = repr([folder for folder in sys.path if folder])
    code = f"import sys; sys.path[:0] = {paths}; from seqdl_cli.main import main; main()"
    command = [sys.executable, "-c", code, "inspect", str(model_path), "-o", str(tmp_path / "all.png")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=120) == 0
    assert (tmp_path / "all.png").exists()
