"""Training on characters: easy ones are learned, a resumed run is the uninterrupted one, the commands tell it."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shapes import shapes, write_shapes
from typer.testing import CliRunner, Result

from seqdl.errors import InputError, UsageError
from seqdl.training import checkpoint
from seqdl.training.loop import Report, Settings
from seqdl.training.runs import load_run
from seqdl_cli.main import app
from seqdl_data.images import read_images
from seqdl_vision.evaluation import figures, judge
from seqdl_vision.letters import Letters
from seqdl_vision.pool import Pool
from seqdl_vision.symbols import only
from seqdl_vision.training import LetterSettings, resume_letters, train_letters

TINY = LetterSettings(width=4, batch=20, dropout=0.1)
QUICK = Settings(epochs=4, validations=3, lr=0.01)


@pytest.fixture(autouse=True, scope="module")
def fast_disk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqdl_data.files._sync", lambda path: None)
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shapes(tmp_path_factory.mktemp("data") / "shapes.parquet")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, dataset: Path) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    train_letters([dataset], folder, QUICK, TINY)
    return folder


def test_easy_characters_are_learned(trained: Path, dataset: Path) -> None:
    letters = Letters.load(trained)
    assert letters.labels == ("", "7", "Ll", "Xx")
    got = figures(judge(letters, read_images(dataset, "test")[0]))
    assert got.accuracy > 0.9
    assert got.nats < 0.5


def test_the_model_file_tells_where_it_comes_from(trained: Path) -> None:
    card = Letters.load(trained).card
    assert card["training"]["data"][0]["name"] == "shapes"
    assert card["training"]["data"][0]["counts"]["train"]["rows"] == 240
    assert card["training"]["characters"]["width"] == 4
    assert card["metrics"]["validation"][0]["split"] == "valid"


def test_its_loss_is_that_of_the_calibrated_probabilities(trained: Path, dataset: Path) -> None:
    letters = Letters.load(trained)
    nats = figures(judge(letters, read_images(dataset, "valid")[0])).nats
    assert nats == pytest.approx(letters.card["metrics"]["validation_loss"], abs=1e-6)


def test_a_case_that_is_not_known_costs_nothing(tmp_path: Path) -> None:
    """Where each picture may be either of two labels, the loss is that of their sum: it goes to zero."""
    known = write_shapes(tmp_path / "known.parquet", ("l", "X"), train=80)
    merged = write_shapes(tmp_path / "merged.parquet", ("Ll", "Xx"))
    settings = replace(TINY, label_smoothing=0.0, augment=0.0, redrawn=0.0, junk=0.0)
    train_letters([known, merged], tmp_path / "run", QUICK, settings)
    assert load_run(tmp_path / "runs.sqlite", "run").validation[-1].loss < 0.2


def assert_same_run(one: Path, other: Path) -> None:
    (first, _), (second, _) = (checkpoint.load(folder / "last.safetensors") for folder in (one, other))
    assert set(first) == set(second)
    for name, array in first.items():
        if name not in ("progress/seconds",):
            np.testing.assert_array_equal(array, second[name], err_msg=name)


def interrupt_at(step: int):
    def watch(report: Report) -> None:
        if report.kind == "step" and report.progress.step == step:
            signal.raise_signal(signal.SIGINT)

    return watch


def test_resumed_run_is_the_uninterrupted_one(dataset: Path, tmp_path: Path) -> None:
    settings = replace(QUICK, epochs=2)
    train_letters([dataset], tmp_path / "whole", settings, TINY)
    stopped = train_letters([dataset], tmp_path / "torn", settings, TINY, watch=interrupt_at(7))
    assert stopped.ended == "interrupted"
    assert resume_letters(tmp_path / "torn").ended == "done"
    assert_same_run(tmp_path / "whole", tmp_path / "torn")


def test_stopped_before_the_first_validation_there_is_a_model(dataset: Path, tmp_path: Path) -> None:
    outcome = train_letters([dataset], tmp_path / "run", QUICK, TINY, watch=interrupt_at(1))
    assert outcome.figures == "not validated yet"
    assert Letters.load(tmp_path / "run").labels


def test_a_dataset_named_twice_is_seen_twice_as_often() -> None:
    one, other = shapes(30, 1), shapes(10, 2)
    pool = Pool([one, other, other], ("7", "Ll", "Xx"), np.random.default_rng(1), augmentation=None)
    drawn = pool.draw(50).pictures
    first = other.images[0].astype(np.float32) / np.float32(255)
    assert sum(np.array_equal(picture, first) for picture in drawn) == 2


def test_every_picture_comes_once_each_time_round() -> None:
    data = shapes(30, 1)
    pool = Pool([data], ("7", "Ll", "Xx"), np.random.default_rng(1), augmentation=None)
    for _ in range(2):
        drawn = np.concatenate([pool.draw(11).pictures, pool.draw(19).pictures])
        assert len(np.unique(drawn, axis=0)) == len(np.unique(data.images, axis=0))


def test_junk_takes_the_label_for_it_and_its_share() -> None:
    pool = Pool([shapes(30, 1)], ("", "7", "Ll", "Xx"), np.random.default_rng(1), augmentation=None, junk=0.3)
    right = np.concatenate([pool.draw(20).right for _ in range(50)])
    assert (right.sum(axis=1) == 1).all()
    assert right[:, 0].mean() == pytest.approx(0.3, abs=0.05)


def test_digits_are_taken_out_of_other_characters() -> None:
    digits = only(shapes(30, 1), str.isdigit)
    assert digits.classes == ("7",)
    assert len(digits) == 10
    assert set(digits.labels) == {0}


def test_a_dataset_that_changed_is_refused(tmp_path: Path) -> None:
    path = write_shapes(tmp_path / "shapes.parquet")
    train_letters([path], tmp_path / "run", QUICK, TINY, watch=interrupt_at(1))
    write_shapes(path, train=60)
    with pytest.raises(InputError, match="changed since the run began"):
        resume_letters(tmp_path / "run")


def test_a_folder_that_holds_a_run_is_refused(trained: Path, dataset: Path) -> None:
    with pytest.raises(UsageError, match="holds a run already"):
        train_letters([dataset], trained, QUICK, TINY)


@pytest.mark.parametrize(("split", "message"), [("train", "no pictures in its train"), ("valid", "to validate on")])
def test_an_empty_part_is_refused(split: str, message: str, tmp_path: Path) -> None:
    path = write_shapes(tmp_path / "some.parquet", **{split: 0})
    with pytest.raises(InputError, match=message) as caught:
        train_letters([path], tmp_path / "run", QUICK, TINY)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"network": "unheard"}, {"width": 0}, {"batch": 0}, {"dropout": 1.0}, {"label_smoothing": -0.1},
        {"augment": 4.0}, {"redrawn": 1.1}, {"junk": 1.0},
    ],
)  # fmt: skip
def test_settings_out_of_range(wrong: dict) -> None:
    with pytest.raises(UsageError):
        LetterSettings(**wrong)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_train_letters_says_how_it_ended_and_where(dataset: Path, tmp_path: Path) -> None:
    options = ("--epochs", "0.5", "--width", "2", "--validations", "1", "-o", tmp_path / "run")
    done = command("train", "letters", dataset, *options)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'run' / 'best.safetensors'}\n"
    assert "of shapes" in done.stderr


def test_train_digits_leaves_letters_out(dataset: Path, tmp_path: Path) -> None:
    options = ("--network", "mlp", "--epochs", "1", "--junk", "0", "--validations", "1", "-o", tmp_path / "run")
    done = command("train", "digits", dataset, *options)
    assert done.exit_code == 0, done.stderr
    assert Letters.load(tmp_path / "run").labels == ("7",)


def test_train_without_a_dataset_is_wrong_use() -> None:
    done = command("train", "letters")
    assert done.exit_code == 2
    assert "seqdl data list" in done.stderr
