"""MNIST, EMNIST and other sets from IDX files: counts, labels, checksums, orientation, what is held out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from characters import random_images, write_pair

from seqdl_data.dataset import DatasetInfo
from seqdl_data.errors import InputError, UsageError
from seqdl_data.glyphs import fit_all
from seqdl_data.idx_sets import build_idx, build_idx_set
from seqdl_data.images import read_images
from seqdl_data.official import BYCLASS, BYMERGE, IDX_SETS, LETTERS, MNIST, RECOVERED, IdxSet, Release


@pytest.fixture(autouse=True)
def fast_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqdl_data.files._sync", lambda path: None)


def small(name: str, *releases: tuple[int, int], **changes) -> IdxSet:  # type: ignore[no-untyped-def]
    """A set like the official one, of a few images, whose checksums are not known."""
    kind = IDX_SETS[name]
    sizes = releases or ((60, 20),)
    words = [each.words for each in kind.releases] + [""] * 2
    return replace(
        kind,
        releases=tuple(Release(*size, words=word) for size, word in zip(sizes, words, strict=False)),
        **({"sha256": (), "valid_last": None} | changes),
    )


def written(kind: IdxSet, folder: Path, train: int = 60, test: int = 20, packed: bool = True) -> Path:
    """The four files of a set."""
    folder.mkdir(exist_ok=True)
    for number, count in ((0, train), (2, test)):
        labels = np.arange(count) % len(kind.classes) + kind.first_label
        write_pair(folder, kind.files[number].removesuffix("-images-idx3-ubyte"), random_images(count), labels, packed)
    return folder


def built(kind: IdxSet, folder: Path, **options) -> DatasetInfo:  # type: ignore[no-untyped-def]
    return build_idx_set(kind, [folder], folder / "out.parquet", **options)


@pytest.mark.parametrize("name", IDX_SETS)
def test_every_set_is_built_with_its_classes_and_orientation(tmp_path: Path, name: str) -> None:
    kind = small(name, (100, 20))
    written(kind, tmp_path, 100, 20)
    info = built(kind, tmp_path)
    test, _ = read_images(tmp_path / "out.parquet", "test")
    images = random_images(20)
    np.testing.assert_array_equal(test.images, images.swapaxes(1, 2) if name != "mnist" else images)
    assert [info.classes[label] for label in test.labels] == [kind.classes[n % len(kind.classes)] for n in range(20)]
    assert (info.name, info.licence) == (name, kind.licence)


def test_classes_are_those_of_the_paper() -> None:
    assert {name: len(kind.classes) for name, kind in IDX_SETS.items() if "emnist" in name} == {
        "emnist-letters": 26,
        "emnist-balanced": 47,
        "emnist-digits": 10,
        "emnist-mnist": 10,
        "emnist-byclass": 62,
        "emnist-bymerge": 47,
    }
    assert (LETTERS[0], LETTERS[25]) == ("Aa", "Zz")
    assert "".join(BYMERGE[36:]) == "abdefghnqrt"
    assert [name for name in BYMERGE if len(name) == 2] == [c + c.lower() for c in "CIJKLMOPSUVWXYZ"]


@pytest.mark.parametrize(("name", "classes", "first"), [("letters", LETTERS, 1), ("byclass", BYCLASS, 0)])
def test_classes_agree_with_the_official_map(shared_data: Path, name: str, classes: tuple, first: int) -> None:
    lines = (shared_data / f"vision/emnist/emnist-{name}-mapping.txt").read_text().split("\n")
    for label, *codes in (map(int, line.split()) for line in lines if line):
        assert classes[label - first] == "".join(map(chr, codes))


def test_checksums_agree_with_the_official_list(shared_data: Path) -> None:
    lines = (shared_data / "vision/emnist/official-files-sha256.tsv").read_text().splitlines()[1:]
    official = {line.split("\t")[2].removeprefix("gzip/"): line.split("\t")[0] for line in lines}
    for kind in IDX_SETS.values():
        if kind.packed:
            assert list(kind.sha256) == [official[f"{name}.gz"] for name in kind.files]


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({"valid_last": 7}, range(53, 60)),
        ({"valid_last": None}, range(40, 60)),
        ({"valid_last": 0}, []),
        ({"valid_every": 20}, [19, 39, 59]),
    ],
)
def test_what_is_held_out_to_validate(tmp_path: Path, changes: dict, valid) -> None:  # type: ignore[no-untyped-def]
    kind = small("mnist", **changes)
    built(kind, written(kind, tmp_path))
    train, _ = read_images(tmp_path / "out.parquet", "train")
    held_out, _ = read_images(tmp_path / "out.parquet", "valid")
    images, valid = random_images(60), list(valid)
    np.testing.assert_array_equal(held_out.images, images[valid])
    np.testing.assert_array_equal(train.images, np.delete(images, valid, 0))
    assert train.labels.tolist() == np.delete(np.arange(60) % 10, valid).tolist()


@pytest.mark.parametrize("name", IDX_SETS)
def test_other_counts_than_the_official_ones_are_refused(tmp_path: Path, name: str) -> None:
    kind = IDX_SETS[name]
    with pytest.raises(InputError, match=rf"{name}: 60 \+ 20 images, but the set has {kind.releases[0].train:,} \+"):
        built(kind, written(kind, tmp_path))


@pytest.mark.parametrize(("train", "test", "name"), [(60, 20, ""), (40, 10, " (first release)")])
def test_the_two_releases_of_the_letters_are_told_apart(tmp_path: Path, train: int, test: int, name: str) -> None:
    kind = small("emnist-letters", (60, 20), (40, 10))
    info = built(kind, written(kind, tmp_path, train, test))
    assert info.name == f"emnist-letters{name}"
    assert ("first release" if name else "second release") in info.source
    assert [info.counts[split]["rows"] for split in ("train", "valid", "test")] == [train - test, test, test]


def test_counts_of_both_releases() -> None:
    assert [(each.train, each.test) for each in IDX_SETS["emnist-letters"].releases] == [
        (124_800, 20_800),
        (88_800, 14_800),
    ]


# Checksums


def digests(kind: IdxSet, folder: Path) -> tuple[str, ...]:
    return tuple(hashlib.sha256((folder / f"{name}.gz").read_bytes()).hexdigest() for name in kind.files)


@pytest.fixture
def packed(tmp_path: Path) -> IdxSet:
    """A set whose .gz files have known checksums, in a folder `in`."""
    kind = small("emnist-digits")
    return replace(kind, sha256=digests(kind, written(kind, tmp_path / "in")))


def test_official_files_are_verified(tmp_path: Path, packed: IdxSet) -> None:
    assert built(packed, tmp_path / "in").source.endswith("; official checksums verified")


def test_another_file_than_the_official_one_is_refused_unless_asked(tmp_path: Path, packed: IdxSet) -> None:
    written(packed, tmp_path / "in")
    changed = replace(packed, sha256=(*packed.sha256[:2], "0" * 64, packed.sha256[3]))
    with pytest.raises(InputError, match=r"emnist-digits-test-images-idx3-ubyte.gz: not the official file"):
        built(changed, tmp_path / "in")
    assert "checksums not looked at" in built(changed, tmp_path / "in", unchecked=True).source


def test_unpacked_files_cannot_be_verified_and_that_is_said(tmp_path: Path, packed: IdxSet) -> None:
    written(packed, tmp_path / "plain", packed=False)
    assert "checksums known of the .gz files only" in built(packed, tmp_path / "plain").source


@pytest.mark.parametrize("zipped", [False, True])
def test_mnist_is_verified_by_what_its_files_hold(tmp_path: Path, zipped: bool) -> None:
    kind = small("mnist")
    plain = written(kind, tmp_path / "plain", packed=False)
    kind = replace(kind, sha256=tuple(hashlib.sha256((plain / name).read_bytes()).hexdigest() for name in kind.files))
    assert "official checksums verified" in built(kind, written(kind, tmp_path / "in", packed=zipped)).source
    with pytest.raises(InputError, match="not the official file of mnist"):
        built(replace(kind, sha256=("0" * 64, *kind.sha256[1:])), tmp_path / "in")


# Files


def test_files_may_be_named_with_a_dot_and_given_one_by_one(tmp_path: Path) -> None:
    kind = small("mnist")
    paths = []
    for name in kind.files:
        path = written(kind, tmp_path / "in", packed=False) / name
        paths.append(path.rename(path.with_name(name.replace("-idx", ".idx"))))
    assert build_idx_set(kind, paths, tmp_path / "out").counts["test"] == {"rows": 20}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    kind = small("mnist")
    (written(kind, tmp_path) / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InputError, match=r"without t10k-labels-idx1-ubyte\[.gz\], which mnist needs"):
        built(kind, tmp_path)
    with pytest.raises(InputError, match="gone: no such file or folder"):
        build_idx_set(kind, [tmp_path / "gone"], tmp_path / "out")


def test_an_archive_must_be_unpacked_first(tmp_path: Path) -> None:
    (tmp_path / "gzip.zip").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"gzip\.zip: an archive; unpack it"):
        build_idx_set(MNIST, [tmp_path / "gzip.zip"], tmp_path / "out")


def test_a_label_out_of_range_says_where(tmp_path: Path) -> None:
    kind = small("emnist-letters", (60, 20))
    written(kind, tmp_path)
    labels = np.arange(60) % 26 + 1
    labels[41] = 27
    write_pair(tmp_path, "emnist-letters-train", random_images(60), labels)
    with pytest.raises(InputError, match=r"train-labels-idx1-ubyte.gz: byte 49 is label 27, expected 1 to 26"):
        built(kind, tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((5, 28, 27)), np.zeros(5), "5 x 28 x 27 of uint8, expected images of 28 x 28"),
        (np.zeros((5, 784)), np.zeros(5), "5 x 784 of uint8, expected images"),
        (np.zeros((5, 28, 28)), np.zeros((5, 1)), "5 x 1 of uint8, expected a row of bytes"),
        (np.zeros((5, 28, 28)), np.zeros(4), "4 labels for the 5 of"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, images, labels, message: str) -> None:  # type: ignore[no-untyped-def]
    write_pair(tmp_path, "train", images, labels)
    with pytest.raises(InputError, match=message):
        build_idx(IdxSet("x", ("0",)), [tmp_path], tmp_path / "out")


def test_nothing_is_left_where_building_fails(tmp_path: Path) -> None:
    kind = small("mnist")
    written(kind, tmp_path / "in", packed=False)
    path = tmp_path / "in" / kind.files[0]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="ends at byte 47055"):
        build_idx_set(kind, [tmp_path / "in"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


# Any other IDX files


def test_any_pair_is_built_with_options(tmp_path: Path) -> None:
    write_pair(tmp_path, "mine-train", random_images(10), np.array([3, 4] * 5))
    kind = IdxSet("mine", ("x", "Yy"), first_label=3, transposed=True, valid_every=5)
    info = build_idx(kind, [tmp_path], tmp_path / "out", source="me", licence="CC0")
    train, _ = read_images(tmp_path / "out", "train")
    np.testing.assert_array_equal(train.images, np.delete(random_images(10), [4, 9], 0).swapaxes(1, 2))
    assert train.labels.tolist() == [0, 1, 0, 1, 1, 0, 1, 0]
    assert (info.name, info.source, info.classes) == ("mine", "me", ("x", "Yy"))
    assert [count["rows"] for count in info.counts.values()] == [8, 2, 0]


@pytest.mark.parametrize("test", ["test", "t10k", "heldout"])
def test_files_to_test_on_are_told_by_their_name(tmp_path: Path, test: str) -> None:
    for stem in ("train", test):
        write_pair(tmp_path, stem, random_images(3), np.zeros(3))
    info = build_idx(IdxSet("x", ("0",)), [tmp_path], tmp_path / "out")
    assert [count["rows"] for count in info.counts.values()] == [3, 0, 3]


def test_files_that_cannot_be_told_apart_are_wrong_use(tmp_path: Path) -> None:
    for stem in ("a-train", "b-train"):
        write_pair(tmp_path, stem, random_images(3), np.zeros(3))
    with pytest.raises(UsageError, match=r"a-train-images.*b-train-images.*which are the images"):
        build_idx(IdxSet("x", ("0",)), [tmp_path], tmp_path / "out")


def test_a_folder_without_idx_files_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs ...train-images-idx3-ubyte\[.gz\]"):
        build_idx(IdxSet("x", ("0",)), [tmp_path], tmp_path / "out")


@pytest.mark.parametrize("changes", [{"valid_last": 3}, {"valid_every": 1}])
def test_something_must_be_left_to_train_on(tmp_path: Path, changes: dict) -> None:
    write_pair(tmp_path, "train", random_images(3), np.zeros(3))
    with pytest.raises(UsageError, match="none would be left"):
        build_idx(replace(IdxSet("x", ("0",)), **changes), [tmp_path], tmp_path / "out")


def test_images_are_fitted_into_emnists_box_where_asked(tmp_path: Path) -> None:
    kind = small("mnist", fitted=True)
    info = built(kind, written(kind, tmp_path))
    test, _ = read_images(tmp_path / "out.parquet", "train")
    np.testing.assert_array_equal(test.images, fit_all(random_images(60)[: len(test)]))
    assert "fitted" in info.source


# The real ones


def test_mnist_is_verified_and_split(shared_data: Path, tmp_path: Path) -> None:
    info = build_idx_set(MNIST, [shared_data / "vision/mnist"], tmp_path / "m")
    assert [count["rows"] for count in info.counts.values()] == [55_000, 5_000, 10_000]
    assert "official checksums verified" in info.source
    test, _ = read_images(tmp_path / "m", "test")
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def test_the_recovered_letters_stand_upright(shared_data: Path, tmp_path: Path) -> None:
    build_idx_set(RECOVERED, [shared_data / "vision/emnist"], tmp_path / "r")
    test, info = read_images(tmp_path / "r", "test")
    mean = test.images[test.labels == info.classes.index("Tt")].mean(0)
    assert mean[2:8].sum() > 1.2 * mean[20:26].sum()  # the bar of a T is at its top
    assert info.counts["valid"]["rows"] == 994


@pytest.mark.slow
def test_letters_in_the_official_numbers(tmp_path: Path) -> None:
    """124,800 + 20,800 images of our own in files of the official form."""
    kind = replace(IDX_SETS["emnist-letters"], sha256=("0" * 64,) * 4)
    for part, count in (("train", 124_800), ("test", 20_800)):
        labels = np.arange(count) % 26 + 1
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 10:18, 13] = 255
        write_pair(tmp_path, f"emnist-letters-{part}", images, labels, packed=False)
    info = build_idx_set(kind, [tmp_path], tmp_path / "out")
    assert [count["rows"] for count in info.counts.values()] == [104_000, 20_800, 20_800]
    assert info.name == "emnist-letters"
