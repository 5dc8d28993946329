"""A folder of labelled pictures as a dataset: names of folders, forms of pictures, splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seqdl_data.errors import InputError, UsageError
from seqdl_data.glyphs import fit
from seqdl_data.images import read_images
from seqdl_data.picture_folder import build_picture_folder, character_in, class_of


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqdl_data.files._sync", lambda path: None)


INK = np.zeros((60, 60), np.uint8)
INK[10:50, 20:26] = INK[44:50, 20:45] = 255  # an L


def put(root: Path, name: str, picture: np.ndarray = 255 - INK) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("a", "a"), ("A", "A"), ("7", "7"), ("é", "é"), ("&", "&"), ("Aa", "Aa"), ("A_upper", "A"), ("a_upper", "A"),
        ("upper_A", "A"), ("Lower-a", "a"), ("lower_A", "a"), ("A_caps", "A"), ("a_small", "a"), ("uppercase_q", "Q"),
        ("Sample001", "0"), ("Sample011", "A"), ("Sample062", "z"), ("Sample063", None), ("Sample000", None),
        ("aa", None), ("aA", None), ("AB", None), ("11", None), ("cats", None), ("upper_7", None), (" ", None),
    ],
)  # fmt: skip
def test_names_of_folders(folder: str, expected: str | None) -> None:
    assert class_of(folder) == expected


def test_folders_become_classes(tmp_path: Path) -> None:
    for name in ("in/b/1.png", "in/A_upper/1.png", "in/A_upper/2.jpg", "in/7/x.png", "in/.cache/x.png"):
        put(tmp_path, name)
    (tmp_path / "in/readme.txt").write_text("beside the folders")
    (tmp_path / "in/7/Thumbs.db").write_text("litter")
    (tmp_path / "in/7/.DS_Store").write_text("litter")
    info = build_picture_folder(tmp_path / "in", tmp_path / "out", split="train", source="me")
    train, _ = read_images(tmp_path / "out", "train")
    assert info.classes == ("7", "A", "b")
    assert train.labels.tolist() == [0, 1, 1, 2]
    assert info.source == "me"


@pytest.mark.parametrize("picture", [255 - INK, INK, np.where(INK > 0, 40, 200).astype(np.uint8)])
def test_dark_on_light_and_light_on_dark_come_out_alike(tmp_path: Path, picture: np.ndarray) -> None:
    found = character_in(put(tmp_path, "x.png", picture))
    assert np.abs(found.astype(int) - fit(INK)).max() <= 1


def test_a_coloured_picture_on_uneven_paper_shows_the_letter(tmp_path: Path) -> None:
    paper = 200 + np.linspace(-15, 15, 60)[:, None] + np.random.default_rng(1).normal(0, 4, (60, 60))
    photo = np.where(INK[..., None] > 0, (30, 40, 120), np.repeat(paper[..., None], 3, 2)).astype(np.uint8)
    found = character_in(put(tmp_path, "x.png", photo))
    assert np.corrcoef(found.ravel(), fit(INK).ravel())[0, 1] > 0.98
    assert found[:15, 18:].max() < 10  # beside the L there is paper


def test_an_image_in_our_form_is_taken_as_it_is(tmp_path: Path) -> None:
    image = fit(INK)
    np.testing.assert_array_equal(character_in(put(tmp_path, "x.png", image)), image)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_all_may_go_to_one_split(tmp_path: Path, split: str) -> None:
    put(tmp_path, "in/a/1.png")
    info = build_picture_folder(tmp_path / "in", tmp_path / "out", split=split)
    assert {name: count["rows"] for name, count in info.counts.items() if count["rows"]} == {split: 1}


def test_folders_of_splits_are_obeyed(tmp_path: Path) -> None:
    for name, count in (("train", 3), ("val", 2), ("test", 1)):
        for number in range(count):
            put(tmp_path, f"in/{name}/a/{number}.png")
    info = build_picture_folder(tmp_path / "in", tmp_path / "out")
    assert [count["rows"] for count in info.counts.values()] == [3, 2, 1]


def test_without_them_pictures_are_split_by_their_pixels(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for number in range(100):
        picture = random.integers(0, 2, (20, 20), np.uint8).repeat(2, 0).repeat(2, 1) * 255
        for copy in ("", " copy"):
            put(tmp_path, f"in/a/{number}{copy}.png", np.pad(picture, 3))
    info = build_picture_folder(tmp_path / "in", tmp_path / "out")
    rows = [count["rows"] for count in info.counts.values()]
    assert sum(rows) == 200
    assert all(count % 2 == 0 for count in rows)
    assert 120 < rows[0] < 200


def test_a_bad_picture_is_named(tmp_path: Path) -> None:
    put(tmp_path, "in/a/1.png")
    (tmp_path / "in/a/2.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"in/a/2\.png: not a picture"):
        build_picture_folder(tmp_path / "in", tmp_path / "out")
    put(tmp_path, "in/a/2.png", np.full((30, 30), 250, np.uint8))
    with pytest.raises(InputError, match=r"in/a/2\.png: shows nothing"):
        build_picture_folder(tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_that_name_no_character_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "in/cats/1.png")
    with pytest.raises(InputError, match="in/cats: names no character"):
        build_picture_folder(tmp_path / "in", tmp_path / "out")


def test_nothing_to_read_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        build_picture_folder(tmp_path / "gone", tmp_path / "out")
    (tmp_path / "in/a").mkdir(parents=True)
    with pytest.raises(InputError, match="in: no pictures"):
        build_picture_folder(tmp_path / "in", tmp_path / "out")
    with pytest.raises(UsageError, match="'dev'"):
        build_picture_folder(tmp_path / "in", tmp_path / "out", split="dev")
