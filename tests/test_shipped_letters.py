"""The models of characters that ship: their cards, and how well they know hands that they have not seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from seqdl.modelfile import read_metadata
from seqdl_data.hands import build_hands
from seqdl_data.idx_sets import build_idx_set
from seqdl_data.images import ImageSet, read_images
from seqdl_data.official import IDX_SETS
from seqdl_vision.evaluation import Figures, corrupted, figures, judge
from seqdl_vision.letters import SHIPPED, Letters, model_path
from seqdl_vision.symbols import NO_CHARACTER, only


def test_together_they_are_small() -> None:
    assert sum(model_path(name).stat().st_size for name in SHIPPED) < 3e6


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_carries_its_card_and_no_folder(name: str) -> None:
    card = read_metadata(model_path(name))
    assert card["licence"]
    assert card["source"]
    assert card["quantisation"]["measured_on"].startswith("the test part")
    commands = [card["training"]["command"], *(data["command"] for data in card["training"]["data"])]
    assert not any(Path(word).is_absolute() for command in commands for word in command.split())
    assert all("/" not in file for file in card["training"]["paths"])


@pytest.mark.parametrize(("name", "labels"), [("letters", 37), ("digits", 10), ("alphanumeric", 47)])
def test_a_shipped_model_knows_its_characters_and_what_is_none(name: str, labels: int) -> None:
    known = Letters.load(name).labels
    assert len(known) == labels + 1
    assert NO_CHARACTER in known


@pytest.fixture(scope="module")
def recovered(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    path = tmp_path_factory.mktemp("data") / "recovered.parquet"
    build_idx_set(IDX_SETS["recovered"], [shared_data / "vision/emnist"], path)
    return read_images(path, "test")[0]


@pytest.fixture(scope="module")
def strangers(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    """Chars74K, of whose writers nothing is trained on."""
    path = tmp_path_factory.mktemp("data") / "chars74k.parquet"
    build_hands(shared_data / "vision/other-hands/chars74k-writers-00-27.npz", path, split="test")
    return only(read_images(path, "test")[0], str.isalpha)


def of(letters: Letters, data: ImageSet, spoilt: bool = False) -> Figures:
    return figures(judge(letters, data, merge_case=True, images=corrupted(data.images) if spoilt else None))


def test_letters_of_the_hands_it_learned_from(recovered: ImageSet) -> None:
    letters = Letters.load("letters")
    clean, spoilt = of(letters, recovered), of(letters, recovered, spoilt=True)
    assert clean.accuracy > 0.965
    assert clean.top2 > 0.993
    assert clean.calibration_error < 0.02
    assert spoilt.accuracy > clean.accuracy - 0.02


@pytest.mark.parametrize("name", ["letters", "alphanumeric"])
def test_letters_of_strangers(name: str, strangers: ImageSet) -> None:
    assert of(Letters.load(name), strangers).accuracy > 0.955


def test_digits_of_mnists_test_part(shared_data: Path, tmp_path: Path) -> None:
    fitted = replace(IDX_SETS["mnist"], fitted=True)
    build_idx_set(fitted, [shared_data / "vision/mnist"], tmp_path / "mnist.parquet")
    assert of(Letters.load("digits"), read_images(tmp_path / "mnist.parquet", "test")[0]).accuracy > 0.995
