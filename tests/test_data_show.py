"""`seqdl data` for characters: what is listed, built, fetched, told and shown; sheets of samples."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from characters import random_images, some_characters, write_characters, write_pair
from PIL import Image
from typer.testing import CliRunner, Result

from seqdl_cli.data import app
from seqdl_data.dataset import read_info
from seqdl_data.errors import InputError, SeqdlError, UsageError
from seqdl_data.images import read_images
from seqdl_data.official import IDX_SETS, Release
from seqdl_data.sheets import drawn, sheet


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqdl_data.files._sync", lambda path: None)


def run(*arguments: object, **options: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)  # type: ignore[arg-type]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_characters(tmp_path / "c.parquet", train=some_characters(40), test=some_characters(2))


# build


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """IDX files to train and to test on."""
    write_pair(tmp_path, "mine-train", random_images(10), np.array([1, 2] * 5))
    write_pair(tmp_path, "mine-test", random_images(4), np.array([1, 2] * 2))
    return tmp_path


def test_idx_hands_every_option_over(folder: Path) -> None:
    options = ["--classes", "x Yy", "--first-label", 1, "--transposed", "--valid-every", 5]
    words = ["--name", "mine", "--source", "me", "--licence", "CC0"]
    result = run("build", "idx", "--from", folder, "-o", folder / "o", *options, *words)
    assert result.exit_code == 0, result.output
    info = read_info(folder / "o")
    assert (info.name, info.source, info.licence, info.classes) == ("mine", "me", "CC0", ("x", "Yy"))
    np.testing.assert_array_equal(read_images(folder / "o", "test")[0].images, random_images(4).swapaxes(1, 2))
    assert result.stdout == ""
    assert "train 8 rows" in result.stderr
    assert "valid 2 rows" in result.stderr


def test_several_files_may_follow_from(folder: Path) -> None:
    files = sorted(folder.glob("mine-*"))
    options = ["--classes", "letters", "--first-label", "1"]
    assert run("build", "idx", "--from", *files, "-o", folder / "o", *options).exit_code == 0
    each = [word for file in files for word in ("--from", file)]
    assert run("build", "idx", *each, "-o", folder / "p", *options).exit_code == 0
    assert read_info(folder / "o").counts == read_info(folder / "p").counts


def test_official_sets_are_built_from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = replace(IDX_SETS["mnist"], releases=(Release(60, 20),), valid_last=5)
    for stem, count in (("train", 60), ("t10k", 20)):
        write_pair(tmp_path, stem, random_images(count), np.zeros(count))
    monkeypatch.setitem(IDX_SETS, "mnist", kind)  # the command holds the real one
    result = run("build", "mnist", "--from", tmp_path, "-o", tmp_path / "o")
    assert isinstance(result.exception, InputError)
    assert "60 + 20 images, but the set has 60,000 + 10,000" in str(result.exception)


def test_npz_pen_and_images_are_built(tmp_path: Path) -> None:
    pen = {"points": np.zeros((3, 2)), "stroke_ptr": np.arange(4), "char_ptr": np.arange(4)}
    np.savez(tmp_path / "a.npz", images=random_images(3), labels=np.ones(3, int), case=np.full(3, "u"), **pen)
    (tmp_path / "in/B_upper").mkdir(parents=True)
    Image.fromarray(np.pad(np.full((9, 4), 255, np.uint8), 9)).save(tmp_path / "in/B_upper/1.png")
    assert run("build", "npz", "--from", tmp_path / "a.npz", "--split", "test", "-o", tmp_path / "n").exit_code == 0
    assert run("build", "pen", "--from", tmp_path / "a.npz", "-o", tmp_path / "p").exit_code == 0
    assert run("build", "images", "--from", tmp_path / "in", "-o", tmp_path / "i").exit_code == 0
    assert read_info(tmp_path / "n").counts["test"]["rows"] == 3
    assert read_info(tmp_path / "p").classes == ("A",)
    assert read_info(tmp_path / "i").classes == ("B",)


@pytest.mark.parametrize("kind", ["mnist", "idx", "pen", "npz", "images"])
def test_a_dataset_cannot_go_to_standard_output(kind: str) -> None:
    assert isinstance(run("build", kind, "--from", "x", "-o", "-").exception, UsageError)


@pytest.mark.parametrize("kind", ["npz", "images"])
def test_one_source_is_one(kind: str) -> None:
    assert run("build", kind, "--from", "x", "y", "-o", "o").exit_code == 2


# list, info, fetch


def test_list_names_every_set_that_can_be_built() -> None:
    built = run("build", "--help").stdout
    lines = run("list").stdout.splitlines()
    names = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert set(IDX_SETS) <= set(names)
    assert all(f" {name} " in built for name in names)
    assert "124,800 + 20,800, or 88,800 + 14,800 images, 26 classes" in run("list").stdout


def test_list_as_json_is_one_document_with_a_schema() -> None:
    document = json.loads(run("list", "--json").stdout)
    assert document["schema"] == "seqdl.data.list/1"
    assert {each["name"] for each in document["sets"]} == set(IDX_SETS)


def test_info_names_the_classes(dataset: Path) -> None:
    assert "classes  3: a Bb 7" in run("info", dataset).stdout.splitlines()


@pytest.mark.parametrize("name", ["recovered", "imagenet"])
def test_what_cannot_be_fetched_is_wrong_use(name: str) -> None:
    result = run("fetch", name)
    assert isinstance(result.exception, UsageError)
    assert "mnist, emnist-letters" in str(result.exception)


@pytest.mark.parametrize("options", [["--url", "http://127.0.0.1:9/"], []])
def test_the_place_to_fetch_from_is_an_option_or_a_variable(tmp_path: Path, options: list[str]) -> None:
    given = ["-o", tmp_path / "o", "--folder", tmp_path / "f", "--timeout", 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("seqdl_data.fetch_sets.WAIT", 0)
        patch.setattr("time.sleep", lambda seconds: None)
        result = run("fetch", "mnist", *given, *options, env={"SEQDL_DATA_URL": "http://127.0.0.1:9"})
    assert isinstance(result.exception, SeqdlError)
    assert "http://127.0.0.1:9/train-images-idx3-ubyte.gz: cannot fetch" in str(result.exception)


# show


def test_show_draws_characters_on_the_terminal(dataset: Path) -> None:
    result = run("show", dataset, "--count", 3, "--split", "test", env={"COLUMNS": "60"})
    lines = result.stdout.splitlines()
    assert len(lines) == 15  # two labels, 14 rows of cells
    assert set("".join(lines[1:])) <= set(" \u2580\u2584\u2588 '.|")
    test, _ = read_images(dataset, "test")
    assert sorted(lines[0].split()) == sorted(("a", "Bb", "7")[label] for label in test.labels)


def test_show_writes_a_picture(dataset: Path, tmp_path: Path) -> None:
    assert run("show", dataset, "-o", tmp_path / "s.png").stdout == ""
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.format == "PNG"
        assert picture.size[0] > 200


def test_show_draws_the_same_for_a_seed_and_others_for_another(dataset: Path) -> None:
    first, again, other = (run("show", dataset, "--count", 4, "--seed", seed).stdout for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(("label", "expected"), [("Bb", {"Bb"}), ("b", {"Bb"}), ("7", {"7"}), ("a7", {"a", "7"})])
def test_show_of_one_label(dataset: Path, label: str, expected: set[str]) -> None:
    result = run("show", dataset, "--label", label, "--count", 40, env={"COLUMNS": "29"})
    assert set(result.stdout.splitlines()[::15]) == {word.center(28).rstrip() for word in expected}


def test_show_of_what_is_not_there(dataset: Path) -> None:
    assert "no such characters in valid" in run("show", dataset, "--split", "valid").stderr
    for options in (["--label", "q"], ["--split", "dev"]):
        assert isinstance(run("show", dataset, *options).exception, UsageError)
    assert run("show", dataset, "--count", 0).exit_code == 2
    assert isinstance(run("show", __file__).exception, InputError)


@pytest.mark.parametrize("command", [["list"], ["fetch"], ["show"], ["build", "mnist"], ["build", "images"]])
def test_help_ends_with_an_example(command: list[str]) -> None:
    assert f"Example: seqdl data {' '.join(command)}" in " ".join(run(*command, "--help").stdout.split())


def test_help_and_list_load_nothing_heavy() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from seqdl_cli.data import app\n"
        "for words in ('--help', 'list', 'show --help'):\n"
        "    assert CliRunner().invoke(app, words).exit_code == 0\n"
        "assert not {'numpy', 'pyarrow', 'PIL', 'urllib.request'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})


# Sheets


def test_a_sheet_holds_every_image_in_black_on_white() -> None:
    images = np.zeros((5, 28, 28), np.uint8)
    images[:, 10:20, 10:20] = 255
    page = sheet(images, ["a"] * 5, columns=3, scale=1)
    assert page.dtype == np.uint8
    corners = [page[top : top + 28, left : left + 28] for top in (2, 2 + 40) for left in (2, 32, 62)]
    for number, cell in enumerate(corners):
        expected = 255 - images[number] if number < 5 else np.full((28, 28), 255)
        np.testing.assert_array_equal(cell, expected)


def test_a_caption_stands_below_its_image() -> None:
    without, page = (sheet(np.zeros((2, 28, 28), np.uint8), [word, ""]) for word in ("", "W"))
    changed = np.argwhere(page != without)
    assert len(changed) > 20
    assert (changed[:, 0] >= 60).all()
    assert (changed[:, 1] <= 60).all()


def test_a_drawing_by_hand() -> None:
    image = np.array([[[0, 200], [200, 0], [255, 255], [255, 0]]], np.uint8)
    assert drawn(image, ["x"], style="blocks").splitlines() == ["x", "\u2584\u2580", "\u2588\u2580"]
    assert drawn(image, ["x"], style="ascii").splitlines() == ["x", ".'", "|'"]


@pytest.mark.parametrize(("width", "columns"), [(10, 1), (28, 1), (56, 1), (57, 2), (86, 3)])
def test_a_drawing_fits_the_terminal(width: int, columns: int) -> None:
    text = drawn(np.full((3, 28, 28), 255, np.uint8), ["a", "b", "c"], width=width)
    assert max(map(len, text.splitlines())) == 29 * columns - 1
