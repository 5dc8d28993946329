"""Characters from NumPy archives: what their arrays say, who wrote them, which split they go to."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from characters import random_images, some_strokes

from seqdl_data.errors import InputError, UsageError
from seqdl_data.glyphs import fit_all
from seqdl_data.hands import build_hands, split_of_writer
from seqdl_data.images import read_images


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqdl_data.files._sync", lambda path: None)


def archive(folder: Path, count: int = 40, **arrays) -> Path:  # type: ignore[no-untyped-def]
    path = folder / "hands.npz"
    np.savez(path, **({"images": random_images(count)} | arrays))
    return path


def classes_of(path: Path, split: str = "train") -> list[str]:
    some, info = read_images(path, split)
    return [info.classes[label] for label in some.labels]


@pytest.mark.parametrize(
    ("arrays", "options", "expected"),
    [
        ({"char": np.frombuffer(b"7aZ", np.uint8)}, {}, ["7", "a", "Z"]),
        ({"labels": np.array([1, 26, 2]), "case": np.array(["u", "l", "l"])}, {}, ["A", "z", "b"]),
        ({"labels": np.array([9, 0, 9])}, {}, ["9", "0", "9"]),
        ({"labels": np.array([1, 26, 3])}, {"merged": True}, ["Aa", "Zz", "Cc"]),
    ],
)
def test_what_a_character_is(tmp_path: Path, arrays: dict, options: dict, expected: list[str]) -> None:
    info = build_hands(archive(tmp_path, 3, **arrays), tmp_path / "out", split="train", **options)
    assert classes_of(tmp_path / "out") == expected
    assert info.classes == tuple(sorted(set(expected)))


def test_all_of_a_writer_goes_to_one_split(tmp_path: Path) -> None:
    names = np.array([f"hand {number}" for number in range(200)])
    writer = np.random.default_rng(1).integers(0, 200, 2000)
    path = archive(tmp_path, 2000, labels=np.zeros(2000, int), writer=writer, writer_names=names)
    info = build_hands(path, tmp_path / "out")
    writers = {split: set(read_images(tmp_path / "out", split)[0].writers) for split in ("train", "valid", "test")}
    assert sum(map(len, writers.values())) == len(set.union(*writers.values())) == 200
    assert all(split_of_writer(name) == split for split, some in writers.items() for name in some)
    assert 4 <= len(writers["valid"]) <= 18
    assert 10 <= len(writers["test"]) <= 32
    assert info.counts["test"]["writers"] == len(writers["test"])


def test_shares_are_near_one_and_two_in_twenty() -> None:
    found = Counter(split_of_writer(f"writer {number}") for number in range(4000))
    assert found["valid"] == pytest.approx(200, abs=50)
    assert found["test"] == pytest.approx(400, abs=70)


def test_characters_of_unknown_writers_are_split_by_their_pixels(tmp_path: Path) -> None:
    images = np.repeat(random_images(300), 2, axis=0)  # equal ones stay together
    writer = np.full(600, 65535, np.uint16)
    info = build_hands(archive(tmp_path, images=images, labels=np.zeros(600, int), writer=writer), tmp_path / "out")
    assert all(count["rows"] % 2 == 0 for count in info.counts.values())
    assert 20 <= info.counts["test"]["rows"] <= 110
    assert "writers" not in info.counts["train"]


def test_doubtful_characters_are_not_trained_on(tmp_path: Path) -> None:
    doubt = np.arange(400) % 4
    build_hands(archive(tmp_path, 400, labels=doubt, knn_agree=doubt), tmp_path / "out")
    assert set(classes_of(tmp_path / "out")) == {"1", "2", "3"}
    assert set(classes_of(tmp_path / "out", "test")) == {"0", "1", "2", "3"}


def test_strokes_come_with_their_characters(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    pen = some_strokes(random.integers(1, 4, 40), random)
    points = (pen.points * 255).astype(np.uint8)
    path = archive(
        tmp_path, labels=np.ones(40, int), case=np.full(40, "u"), knn_agree=np.arange(40) % 2, points=points,
        stroke_ptr=pen.stroke_ptr.astype(np.uint32), char_ptr=pen.char_ptr.astype(np.uint32),
    )  # fmt: skip
    build_hands(path, tmp_path / "out", pen=True, split="train")
    found, _ = read_images(tmp_path / "out", "train")
    assert found.strokes is not None
    for number, row in enumerate(range(1, 40, 2)):
        ends = pen.stroke_ptr[pen.char_ptr[row] : pen.char_ptr[row + 1] + 1]
        expected = [points[lo:hi].tolist() for lo, hi in pairwise(ends)]
        assert [stroke.tolist() for stroke in found.strokes.of(number)] == expected


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, "without labels or char; has images"),
        ({"images": random_images(4)[:, :27], "labels": np.zeros(4)}, r"images \(4, 27, 28\) uint8, expected"),
        ({"images": random_images(4) / 255, "labels": np.zeros(4)}, "float64, expected"),
        ({"labels": np.zeros(3, int)}, r"labels \(3,\), expected \(40,\)"),
        ({"labels": np.full(40, 10)}, "labels from 10 to 10, expected 0 to 9, or --merged"),
        ({"labels": np.full(40, -1)}, "labels from -1 to -1"),
        ({"labels": np.full(40, 0), "case": np.full(40, "u")}, "expected 1 to 26 and case u or l"),
        ({"labels": np.full(40, 1), "case": np.full(40, "x")}, "expected 1 to 26 and case u or l"),
        (
            {"labels": np.zeros(40, int), "writer": np.full(40, 2), "writer_names": np.array(["a", "b"])},
            "writers up to 2, but 2 writer_names",
        ),
    ],
)
def test_an_archive_of_another_form_is_refused(tmp_path: Path, arrays: dict, message: str) -> None:
    with pytest.raises(InputError, match=f"hands.npz: .*{message}"):
        build_hands(archive(tmp_path, **arrays), tmp_path / "out")


def test_fitted_images_fill_the_box_of_emnist_and_stay_in_their_split(tmp_path: Path) -> None:
    small = np.zeros((60, 28, 28), np.uint8)
    small[:, 10:18, 12:15] = np.arange(100, 160)[:, None, None]
    source = archive(tmp_path, images=small, char=np.full(60, ord("l"), np.uint8))
    build_hands(source, tmp_path / "plain")
    build_hands(source, tmp_path / "fitted", fitted=True)
    plain, fitted = (read_images(tmp_path / name, "train")[0] for name in ("plain", "fitted"))
    np.testing.assert_array_equal(fitted.images, fit_all(plain.images))
    inked = np.flatnonzero(fitted.images[0].max(axis=1) > 127)  # the letter without its blurred edge
    assert 20 <= inked[-1] - inked[0] <= 24


@pytest.mark.parametrize("name", ["char_ptr", "stroke_ptr"])
def test_pointers_that_do_not_fit_are_refused(tmp_path: Path, name: str) -> None:
    random = np.random.default_rng(3)
    pen = some_strokes(random.integers(1, 4, 40), random)
    arrays = {"points": pen.points, "stroke_ptr": pen.stroke_ptr, "char_ptr": pen.char_ptr}
    arrays[name] = arrays[name][:-1]
    with pytest.raises(InputError, match="do not fit"):
        build_hands(archive(tmp_path, labels=np.zeros(40, int), **arrays), tmp_path / "out", pen=True)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"\x93NUMPY\x01\x00 not really", b"text"])
def test_what_is_no_archive_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "hands.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"hands\.npz: "):
        build_hands(tmp_path / "hands.npz", tmp_path / "out")


@pytest.mark.parametrize("seed", range(40))
def test_a_mutated_archive_is_built_or_an_input_error(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    content = bytearray(archive(tmp_path, 2, labels=np.zeros(2, int)).read_bytes())
    content[int(random.integers(len(content)))] ^= int(random.integers(1, 256))
    (tmp_path / "hands.npz").write_bytes(content[: None if seed % 2 else int(random.integers(len(content)))])
    with suppress(InputError):
        build_hands(tmp_path / "hands.npz", tmp_path / "out")


def test_an_archive_of_objects_runs_nothing(tmp_path: Path) -> None:
    path = archive(tmp_path, labels=np.array([{}] * 40, object))
    with pytest.raises(InputError, match=r"hands\.npz: not a NumPy archive"):
        build_hands(path, tmp_path / "out")


def test_another_split_than_the_three_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="split 'dev'"):
        build_hands(archive(tmp_path), tmp_path / "out", split="dev")


def test_unipen_is_split_by_writer(shared_data: Path, tmp_path: Path) -> None:
    info = build_hands(shared_data / "vision/other-hands/unipen-letters.npz", tmp_path / "u", pen=True)
    assert {split: count["writers"] for split, count in info.counts.items()} == {"train": 154, "valid": 14, "test": 26}
    assert "".join(info.classes) == "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("file", "options", "rows"),
    [
        ("chars74k-writers-00-27", {"split": "test"}, 1736),
        ("omniglot-latin", {}, 507),
        ("bhmsds-wxyz", {}, 5600),
    ],
)
def test_other_hands_are_built(shared_data: Path, tmp_path: Path, file: str, options: dict, rows: int) -> None:
    info = build_hands(shared_data / f"vision/other-hands/{file}.npz", tmp_path / "o", **options)
    assert sum(count["rows"] for count in info.counts.values()) == rows
