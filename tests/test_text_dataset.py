"""Text datasets: the bytes that went in come out, the splits are exact, the file says what it is."""

from __future__ import annotations

import errno
import json
import random
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqdl_data.corpus import read_pieces
from seqdl_data.dataset import KEY, read_info
from seqdl_data.errors import InputError, OutputError, UsageError
from seqdl_data.text import ROW, build_text, split_sizes
from seqdl_data.version import VERSION

SHAKESPEARE_BYTES = 1_115_394


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_bytes(random.Random(1).randbytes(3 * ROW + 5))
    return path


def read(path: Path, split: str | None = None) -> bytes:
    return b"".join(read_pieces([path], split=split))


def rewrite(path: Path, **changes: object) -> None:
    """Change what the dataset at `path` says of itself."""
    table = pq.read_table(path)
    info = json.loads(table.schema.metadata[KEY])
    pq.write_table(table.replace_schema_metadata({KEY: json.dumps({**info, **changes})}), path)


def test_train_and_valid_sizes_of_shakespeare_are_exact(tmp_path: Path) -> None:
    content = random.Random(2).randbytes(SHAKESPEARE_BYTES)
    (tmp_path / "in").write_bytes(content)
    info = build_text([tmp_path / "in"], tmp_path / "out")
    assert {split: count["bytes"] for split, count in info.counts.items()} == {
        "train": 1_003_854,
        "valid": 111_540,
        "test": 0,
    }
    assert read(tmp_path / "out", "train") == content[:1_003_854]
    assert read(tmp_path / "out", "valid") == content[1_003_854:]


def test_real_shakespeare_comes_back(tmp_path: Path, shared_data: Path) -> None:
    path = shared_data / "text" / "tinyshakespeare" / "input.txt"
    info = build_text([path], tmp_path / "out")
    assert info.counts["valid"] == {"rows": 2, "bytes": 111_540}
    assert read(tmp_path / "out") == path.read_bytes()


@pytest.mark.parametrize(
    ("total", "valid", "test", "sizes"),
    [
        (10, 0.8, 0.1, (1, 8, 1)),
        (10, 0.1, 0.1, (8, 1, 1)),
        (1, 0.1, 0.0, (0, 1, 0)),
        (7, 0.0, 0.0, (7, 0, 0)),
        (10**15, 0.1, 0.2, (7 * 10**14, 10**14, 2 * 10**14)),
    ],
)
def test_split_sizes(total: int, valid: float, test: float, sizes: tuple[int, int, int]) -> None:
    assert tuple(split_sizes(total, valid, test).values()) == sizes


fractions = st.floats(0, 0.49)


@settings(deadline=None)  # the machine may be busy
@given(content=st.binary(min_size=1, max_size=300), valid=fractions, test=fractions)
def test_splits_concatenated_are_the_corpus(content: bytes, valid: float, test: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "in.txt"), Path(folder, "out")
        source.write_bytes(b"|" + content)  # the bar keeps gzip and Parquet magic off the start
        build_text([source], output, valid_fraction=valid, test_fraction=test)
        parts = [read(output, split) for split in ("train", "valid", "test")]
        assert b"".join(parts) == read(output) == b"|" + content


def test_rows_hold_at_most_64_kib_and_are_not_null(tmp_path: Path, corpus: Path) -> None:
    info = build_text([corpus], tmp_path / "out", valid_fraction=0.25)
    table = pq.read_table(tmp_path / "out")
    assert [len(row) for row in table["text"].to_pylist()] == [ROW, ROW, 16387, 49154]
    assert table["split"].to_pylist() == ["train"] * 3 + ["valid"]
    assert info.counts["train"] == {"rows": 3, "bytes": 147459}
    assert table.schema.field("text") == pa.field("text", pa.large_binary(), nullable=False)
    assert table.schema.field("split") == pa.field("split", pa.string(), nullable=False)


def test_text_longer_than_a_row_group_keeps_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqdl_data.text.ROW", 7)
    monkeypatch.setattr("seqdl_data.text.GROUP", 3)
    content = bytes(range(256))
    (tmp_path / "in").write_bytes(content)
    build_text([tmp_path / "in"], tmp_path / "out")
    assert pq.ParquetFile(tmp_path / "out").num_row_groups == 11 + 2
    assert read(tmp_path / "out", "train") + read(tmp_path / "out", "valid") == content


def test_building_twice_gives_the_same_rows(tmp_path: Path, corpus: Path) -> None:
    build_text([corpus], tmp_path / "one")
    build_text([corpus], tmp_path / "two")
    assert pq.read_table(tmp_path / "one").equals(pq.read_table(tmp_path / "two"))


def test_dataset_can_be_made_from_datasets(tmp_path: Path, corpus: Path) -> None:
    build_text([corpus], tmp_path / "one")
    build_text([tmp_path / "one", tmp_path / "one"], tmp_path / "two", valid_fraction=0.5)
    assert read(tmp_path / "two") == corpus.read_bytes() * 2


def test_file_is_compressed_with_zstd(tmp_path: Path, corpus: Path) -> None:
    build_text([corpus], tmp_path / "out")
    assert pq.read_metadata(tmp_path / "out").row_group(0).column(0).compression == "ZSTD"


def test_info_is_read_back(tmp_path: Path, corpus: Path) -> None:
    info = build_text([corpus], tmp_path / "noise.parquet", source="random", licence="CC0", command="seqdl data build")
    assert read_info(tmp_path / "noise.parquet") == info
    assert (info.name, info.kind, info.version, info.seqdl_version) == ("noise", "text", 1, VERSION)


@pytest.mark.parametrize("content", [b"", b"plain text"])
def test_info_of_what_is_not_parquet(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.txt: not a Parquet file"):
        read_info(tmp_path / "a.txt")


def test_info_of_foreign_parquet(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "rows")
    with pytest.raises(InputError, match="rows: Parquet, but not made by seqdl"):
        read_info(tmp_path / "rows")


def test_info_of_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone: cannot read"):
        read_info(tmp_path / "gone")


def test_newer_dataset_says_which_seqdl_made_it(tmp_path: Path, corpus: Path) -> None:
    build_text([corpus], tmp_path / "out")
    rewrite(tmp_path / "out", version=2, seqdl_version="7.0")
    with pytest.raises(InputError, match=r"out: made by seqdl 7\.0, newer than"):
        read_info(tmp_path / "out")


@pytest.mark.parametrize("stored", [b"{", b"[]", b'{"version": 1}', b'{"version": "1"}'])
def test_damaged_metadata_is_an_error(tmp_path: Path, stored: bytes) -> None:
    pq.write_table(pa.table({"text": ["a"]}).replace_schema_metadata({KEY: stored}), tmp_path / "out")
    with pytest.raises(InputError, match="out: damaged `seqdl` metadata"):
        read_info(tmp_path / "out")


def test_dataset_of_another_kind_is_not_a_text(tmp_path: Path, corpus: Path) -> None:
    build_text([corpus], tmp_path / "out")
    rewrite(tmp_path / "out", kind="letters")
    with pytest.raises(InputError, match="out: a dataset of kind 'letters', where text is needed"):
        read(tmp_path / "out")


@pytest.mark.parametrize("columns", [["text", "split"], ["split"]])
def test_dataset_that_lost_rows_or_columns_is_an_error(tmp_path: Path, corpus: Path, columns: list[str]) -> None:
    build_text([corpus], tmp_path / "out")
    pq.write_table(pq.read_table(tmp_path / "out").select(columns).slice(0, 2), tmp_path / "out")
    with pytest.raises(InputError, match="not the one its metadata describes"):
        read(tmp_path / "out")


def test_one_flipped_bit_in_the_text_is_seen(tmp_path: Path, corpus: Path) -> None:
    build_text([corpus], tmp_path / "out")
    content = bytearray((tmp_path / "out").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "out").write_bytes(content)
    with pytest.raises(InputError, match="out: damaged Parquet"):
        read(tmp_path / "out")


def test_empty_corpus_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(InputError, match="empty: no text"):
        build_text([tmp_path / "empty"], tmp_path / "new" / "out")
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(("valid", "test"), [(-0.1, 0), (0, -0.1), (1, 0), (0.5, 0.5), (float("nan"), 0)])
def test_fractions_out_of_range_are_wrong_use(tmp_path: Path, corpus: Path, valid: float, test: float) -> None:
    with pytest.raises(UsageError, match="fraction"):
        build_text([corpus], tmp_path / "out", valid_fraction=valid, test_fraction=test)


def test_output_inside_a_folder_that_is_read_is_wrong_use(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(UsageError, match="which is read"):
        build_text([corpus.parent], tmp_path / "out.parquet")


def test_output_below_a_file_is_an_output_error(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        build_text([corpus], corpus / "out")
    assert list(tmp_path.iterdir()) == [corpus]


def test_full_disk_leaves_the_old_file_alone(tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "out").write_bytes(b"old")
    monkeypatch.setattr("seqdl_data.text._write_split", full)
    with pytest.raises(OutputError, match="out: cannot write: No space left"):
        build_text([corpus], tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"old"
    assert sorted(tmp_path.iterdir()) == [corpus, tmp_path / "out"]
