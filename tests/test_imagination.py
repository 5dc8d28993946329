"""`seqdl imagine`: pictures that excite a label, found through the network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from seqdl import nn, parallel
from seqdl.errors import UsageError
from seqdl_cli.main import app
from seqdl_vision import imagination
from seqdl_vision.imagination import Imagination, imagine, save_sheet
from seqdl_vision.letters import Letters, build


class Halves(nn.Module):
    """Label 0 likes ink at the left and none at the right, label 1 the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten, self.linear = nn.Flatten(), nn.Linear(784, 2, bias=False)
        left = np.where(np.arange(28) < 14, 0.1, -0.1).astype(np.float32)
        self.linear.weight.data[...] = np.stack([np.tile(left, 28), np.tile(-left, 28)])

    def forward(self, x: object) -> object:
        return self.linear(self.flatten(x))


def halves() -> Letters:
    return Letters(Halves().eval(), {"network": "halves"}, ("l", "Rr"))


QUICK = Imagination(steps=30, starts=2)


def test_each_label_gets_ink_where_it_likes_it() -> None:
    left, right = imagine(halves(), ["l", "Rr"], QUICK)
    assert (left.label, right.label) == ("l", "Rr")
    assert left.image[:, :13].mean() > 5 * left.image[:, 15:].mean()
    assert right.image[:, 15:].mean() > 5 * right.image[:, :13].mean()
    assert min(left.probability, right.probability) > 0.99


def test_pictures_are_in_full_ink_and_their_probability_is_the_model_s() -> None:
    model = halves()
    (found,) = imagine(model, ["l"], QUICK)
    assert (found.image.shape, found.image.dtype, found.image.max()) == ((28, 28), np.uint8, 255)
    assert found.probability == model.probabilities(found.image[None])[0, 0]


def test_the_seed_decides_and_threads_do_not() -> None:
    before = parallel.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            parallel.set_num_threads(threads)
            found.append(imagine(halves(), ["l"], QUICK)[0].image)
    finally:
        parallel.set_num_threads(before)
    np.testing.assert_array_equal(*found)
    assert (imagine(halves(), ["l"], Imagination(30, 2, seed=2))[0].image != found[0]).any()


def test_the_weights_keep_their_values_and_gradients() -> None:
    model = halves()
    before = model.network.linear.weight.data.copy()
    imagine(model, ["l"], QUICK)
    weight = model.network.linear.weight
    np.testing.assert_array_equal(weight.data, before)
    assert weight.grad is None
    assert weight.requires_grad


def test_the_gradient_of_moved_copies_comes_back_to_its_place() -> None:
    """Of a linear network it is the weight itself, blurred by the moves: in the middle of each half as it is."""
    model = halves()
    images = np.zeros((64, 28, 28), np.float32)
    gradient = imagination._gradient(model.network, images, 0, np.random.default_rng(1)).mean(axis=0)
    np.testing.assert_allclose(gradient[10:18, 6:9], 0.2, rtol=0.1)  # of the label's logit less the other's
    np.testing.assert_allclose(gradient[10:18, 19:22], -0.2, rtol=0.1)


def test_of_several_pictures_that_is_taken_whose_copies_are_the_surest() -> None:
    images = np.zeros((2, 28, 28), np.float32)
    images[0, 10:18, 13] = 0.5  # just left of the middle: moved a little it is of the other half
    images[1, 10:18, 6] = 0.5
    found = imagination._best(halves(), 0, images, np.random.default_rng(1))
    np.testing.assert_array_equal(found.image, images[1] * 510)


def test_the_gradient_of_the_log_odds_is_that_of_finite_differences() -> None:
    logits, label, step = np.random.default_rng(1).standard_normal((3, 5)), 2, 1e-6

    def log_odds(z: np.ndarray) -> np.ndarray:
        return z[:, label] - np.log(np.exp(np.delete(z, label, axis=1)).sum(axis=1))

    for k in range(5):
        ahead = logits.copy()
        ahead[:, k] += step
        slope = (log_odds(ahead) - log_odds(logits)) / step
        np.testing.assert_allclose(imagination._rise_of_log_odds(logits, label)[:, k], slope, rtol=1e-4)


def test_a_label_s_picture_does_not_depend_on_the_others() -> None:
    alone = imagine(halves(), ["Rr"], QUICK)[0].image
    np.testing.assert_array_equal(imagine(halves(), ["l", "Rr"], QUICK)[1].image, alone)


def test_pictures_have_a_border_of_paper() -> None:
    image = imagine(halves(), ["l"], QUICK)[0].image
    assert not image[:2].any()
    assert not image[:, :2].any()
    assert image[2:-2, 2].any()


def test_progress_goes_up_to_all_of_it() -> None:
    shares: list[float] = []
    assert len(imagine(halves(), ["l", "Rr"], Imagination(5, 2), shares.append)) == 2
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert len(shares) == 10


def test_a_label_is_found_by_any_of_its_characters() -> None:
    model = Letters(Halves(), {}, ("", "A", "Rr"))
    assert [model.label_of(name) for name in ("r", "R", "Rr", "A", "none")] == ["Rr", "Rr", "Rr", "A", ""]
    with pytest.raises(UsageError, match="no label for 'a'; it knows A Rr"):
        model.label_of("a")
    with pytest.raises(UsageError, match="'none'"):
        halves().label_of("none")


def test_a_sheet_shows_all_pictures(tmp_path: Path) -> None:
    found = imagine(halves(), ["l", "Rr"], QUICK)
    save_sheet(tmp_path / "one.png", found[:1])
    save_sheet(tmp_path / "two.png", found)
    with Image.open(tmp_path / "one.png") as one, Image.open(tmp_path / "two.png") as two:
        assert min(one.size) > 280
        assert two.width > 2 * 4 * 28


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    architecture = {"network": "mlp"}
    labels = ("", "a", "Bb")
    Letters(build(architecture, 3, np.random.default_rng(1)).eval(), architecture, labels).save(path)
    return path


def run(model: Path, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["imagine", "--model", str(model), "--steps", "3", *map(str, arguments)])


def test_the_command_draws_with_characters_and_says_how_sure(model: Path) -> None:
    result = run(model, "a", "B")
    assert result.exit_code == 0, result.stderr
    assert set("▀▄█") & set(result.stdout)
    assert result.stdout.splitlines()[0].split()[::2] == ["a", "Bb"]


def test_the_command_makes_a_picture_and_json_of_all_labels(model: Path, tmp_path: Path) -> None:
    result = run(model, "--all", "-o", tmp_path / "all.png", "--json", "--starts", 1, "--seed", 7)
    document = json.loads(result.stdout)
    assert (document["schema"], document["seed"]) == ("seqdl.imagine/1", 7)
    assert [each["label"] for each in document["pictures"]] == ["", "a", "Bb"]
    assert np.array(document["pictures"][0]["pixels"]).shape == (28, 28)
    assert (tmp_path / "all.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "name the characters to imagine, or give --all"),
        (("a", "--all"), 2, "name the characters to imagine, or give --all"),
        (("x",), 2, "the model has no label for 'x'; it knows a Bb"),
        (("a", "-o", "x.jpg"), 2, "x.jpg: the name of the picture must end in .png"),
        (("a", "--steps", "0"), 2, "'--steps'"),
        (("a", "-o", "/dev/null/x.png"), 5, "cannot write"),
    ],
)
def test_wrong_use(model: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    result = run(model, *arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""
