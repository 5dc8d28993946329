"""Datasets made of examples of a site: where they are put, what is said of the rest, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from seqdl_data import implants
from seqdl_data.dataset import read_info
from seqdl_data.errors import InputError
from seqdl_data.implants import COPIES, build_implants
from seqdl_data.nucleotides import decode, encode, reverse_complement
from seqdl_data.sites import UNSAID, Stretch, read_stretches, split_of

PARTS = ("train", "valid", "test")
WIDTH = 15


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqdl_data.files._sync", lambda path: None)
    monkeypatch.setattr(implants, "ROW", 500)
    monkeypatch.setattr(implants, "MADE_UP", 20_000)


def random_letters(count: int, seed: int) -> bytes:
    return decode(np.random.default_rng(seed).integers(0, 4, count).astype(np.uint8))


EXAMPLES = [random_letters(WIDTH, seed) for seed in range(60)]


def fasta(path: Path, sequences: list[bytes]) -> Path:
    path.write_bytes(b"".join(b">s%d\n%s\n" % (n, each) for n, each in enumerate(sequences)))
    return path


def build(tmp_path: Path, background: list[bytes] | None = None, **options) -> dict[str, list[Stretch]]:
    """The stretches of each split."""
    positives = fasta(tmp_path / "sites.fa", options.pop("examples", EXAMPLES))
    genome = None if background is None else fasta(tmp_path / "genome.fa", background)
    info, width = build_implants(tmp_path / "d.parquet", positives, genome, **options)
    assert (info.name, info.classes, width) == ("sites", ("none", "site"), WIDTH)
    assert read_info(tmp_path / "d.parquet") == info
    return {part: read_stretches(tmp_path / "d.parquet", part)[0] for part in PARTS}


def implanted(stretches: list[Stretch]) -> list[bytes]:
    """The letters around each label, the junction before base W // 2."""
    places = [(s, at) for s in stretches for at in np.flatnonzero(s.labels == 1)]
    return [decode(s.codes[at - WIDTH // 2 : at - WIDTH // 2 + WIDTH]) for s, at in places]


@pytest.mark.parametrize("background", [None, [random_letters(30_000, 100)]], ids=["made up", "given"])
def test_every_example_lies_in_its_split_and_training_has_copies(
    background: list[bytes] | None, tmp_path: Path
) -> None:
    found = build(tmp_path, background)
    for part in PARTS:
        own = [each for each in EXAMPLES if split_of(encode(each).tobytes()) == part]
        assert own
        assert sorted(implanted(found[part])) == sorted(own * (COPIES if part == "train" else 1))


def test_sizes_of_the_splits(tmp_path: Path) -> None:
    found = build(tmp_path, [random_letters(30_000, 100)])
    assert [sum(len(s.codes) for s in found[part]) for part in PARTS] == [24_000, 3_000, 3_000]
    assert sorted(s.record for part in PARTS for s in found[part])[0] == "s0"


def test_made_up_background_follows_the_examples_steps(tmp_path: Path) -> None:
    poor = [b"ATTATATAATTATAA", b"TAATATTATAATTAT"] * 20
    letters = b"".join(decode(s.codes) for s in build(tmp_path, examples=poor)["train"])
    assert len(letters) == 16_000
    assert sum(map(letters.count, (b"A", b"T"))) > 0.9 * len(letters)
    assert letters.count(b"C") > 0


def test_the_background_is_as_given_but_for_the_examples(tmp_path: Path) -> None:
    genome = random_letters(5_000, 100)
    found = build(tmp_path, [genome], examples=EXAMPLES[:20])
    stretch = found["train"][0]
    differs = np.flatnonzero(stretch.codes != encode(genome[: len(stretch.codes)]))
    junctions = np.flatnonzero(stretch.labels == 1)
    assert len(differs)
    assert np.abs(differs[:, None] - junctions).min(axis=1).max() <= WIDTH // 2


@pytest.mark.parametrize("turn", [False, True], ids=["forward", "reverse"])
def test_of_known_places_nothing_is_said(turn: bool, tmp_path: Path) -> None:
    known = EXAMPLES[0]
    there = decode(reverse_complement(encode(known))) if turn else known
    genome = random_letters(5_000, 100)[:100] + there + random_letters(5_000, 101)
    labels = build(tmp_path, [genome], examples=EXAMPLES[:20], seed=3)["train"][0].labels
    assert (labels[100 : 100 + WIDTH] == UNSAID).all()
    assert (labels == UNSAID).sum() == WIDTH


def test_of_unknown_bases_nothing_is_said(tmp_path: Path) -> None:
    labels = build(tmp_path, [b"N" * 450 + random_letters(9_550, 1)], examples=EXAMPLES[:20])["train"][0].labels
    assert (labels[:450] == UNSAID).mean() > 0.8  # an example may have fallen there
    assert (labels[500:] != UNSAID).all()


def test_equal_examples_are_in_one_split(tmp_path: Path) -> None:
    found = build(tmp_path, examples=EXAMPLES * 2)
    parts = [set(implanted(found[part])) for part in PARTS]
    assert sum(map(len, parts)) == len(set().union(*parts)) == len(EXAMPLES)


def test_a_seed_makes_one_dataset(tmp_path: Path) -> None:
    one, same, other = (build(tmp_path, seed=seed)["train"] for seed in (1, 1, 2))
    assert all(np.array_equal(a.codes, b.codes) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a.codes, b.codes) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (EXAMPLES[:19], "sites.fa: 19 examples; a network needs 20"),
        ([*EXAMPLES, b"ACGT"], "sites.fa: record s60: 4 bases where the first has 15; align them"),
        ([b"", *EXAMPLES], "sites.fa: record s0: no example of a site, but empty"),
        ([*EXAMPLES, b""], "sites.fa: record s60: 0 bases where the first has 15"),
        ([random_letters(70_000, 1)], "record s0: no example of a site, but a long sequence"),
    ],
    ids=["too few", "unequal", "first is empty", "last is empty", "a genome"],
)
def test_examples_that_will_not_do(examples: list[bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        build_implants(tmp_path / "d.parquet", fasta(tmp_path / "sites.fa", examples))
    assert not (tmp_path / "d.parquet").exists()


BACKGROUNDS = {"4 bases": 4, "nothing to validate on": 4_000, "less than the examples": 5_000}


@pytest.mark.parametrize("size", BACKGROUNDS.values(), ids=BACKGROUNDS)
def test_a_background_without_room(size: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="background is too short"):
        build(tmp_path, [random_letters(size, 1)], examples=EXAMPLES * 2)


def test_only_the_beginning_of_a_large_background_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(implants, "MOST", 10_000)
    found = build(tmp_path, [random_letters(30_000, 100)])
    assert sum(len(s.codes) for part in PARTS for s in found[part]) == 10_000
