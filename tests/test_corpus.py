"""Reading a corpus: every kind of source in, the exact bytes out, or an error that names the file."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqdl_data.corpus import PIECE, has_splits, read_pieces
from seqdl_data.errors import InputError, UsageError
from seqdl_data.text import build_text


def read(*paths: Path | str, stdin: bytes = b"", split: str | None = None) -> bytes:
    return b"".join(read_pieces(paths, stdin=io.BytesIO(stdin), split=split))


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def put_table(path: Path, **columns: object) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_files_follow_each_other_without_separator(tmp_path: Path) -> None:
    assert read(put(tmp_path / "b", b"to be"), put(tmp_path / "a", b"or not")) == b"to beor not"


@pytest.mark.parametrize("content", [b"a\r\nb\r\n", b"\xff\xfe\x00\x80 \xc3", b"\0" * 9, b"no newline", b"PAR", b""])
def test_any_bytes_come_back_as_they_are(tmp_path: Path, content: bytes) -> None:
    assert read(put(tmp_path / "a.txt", content)) == content
    assert read("-", stdin=content) == content


def test_pieces_are_never_empty_nor_above_one_mebibyte(tmp_path: Path) -> None:
    plain = os.urandom(PIECE) * 2 + b"end"
    packed = put(tmp_path / "a", gzip.compress(plain, 1))
    row = put_table(tmp_path / "p", text=[plain])
    for paths in ([put(tmp_path / "b", plain)], [packed], [row], [put(tmp_path / "c", b"")]):
        assert all(0 < len(piece) <= PIECE for piece in read_pieces(paths))


def test_folder_is_read_in_order_of_paths(tmp_path: Path) -> None:
    for name in ("c", "a/z", "a/b/y", "B", "a.txt"):
        put(tmp_path / name, f"{name} ".encode())
    assert read(tmp_path) == b"B a/b/y a/z a.txt c "


def test_hidden_files_and_folders_are_skipped(tmp_path: Path) -> None:
    put(tmp_path / ".git/config", b"no")
    put(tmp_path / "sub/.DS_Store", b"no")
    put(tmp_path / "sub/a", b"yes")
    assert read(tmp_path) == b"yes"


def test_hidden_file_is_read_when_named(tmp_path: Path) -> None:
    assert read(put(tmp_path / ".notes", b"yes")) == b"yes"


def test_pipes_and_dangling_links_in_a_folder_are_skipped(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("nowhere")
    put(tmp_path / "a", b"yes")
    assert read(tmp_path) == b"yes"


def test_folder_without_files_is_an_error(tmp_path: Path) -> None:
    put(tmp_path / "texts/.hidden", b"no")
    with pytest.raises(InputError, match=r"texts: no files"):
        read(tmp_path / "texts")


def test_missing_file_is_reported_before_any_piece(tmp_path: Path) -> None:
    first = put(tmp_path / "a", b"here")
    with pytest.raises(InputError, match=r"gone\.txt: cannot read: No such file"):
        read_pieces([first, tmp_path / "gone.txt"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    put(tmp_path / "secret", b"no").chmod(0)
    with pytest.raises(InputError, match="secret: cannot read: Permission denied"):
        read(tmp_path / "secret")


def test_gzip_is_recognised_without_its_name(tmp_path: Path) -> None:
    packed = gzip.compress(b"to be\n")
    assert read(put(tmp_path / "a.txt", packed)) == b"to be\n"
    assert read("-", stdin=packed) == b"to be\n"


def test_plain_text_with_a_gzip_name_is_plain(tmp_path: Path) -> None:
    assert read(put(tmp_path / "a.gz", b"to be\n")) == b"to be\n"


def test_gzip_of_several_members_and_padding(tmp_path: Path) -> None:
    packed = gzip.compress(b"to be ") + gzip.compress(b"") + gzip.compress(b"or not") + bytes(512)
    assert read(put(tmp_path / "a.gz", packed)) == b"to be or not"


@pytest.mark.parametrize("kept", [3, 11, 5000, -1])
def test_truncated_gzip_is_an_error_with_the_offset(tmp_path: Path, kept: int) -> None:
    packed = gzip.compress(os.urandom(200_000))[:kept]
    with pytest.raises(InputError, match=rf"a.gz: gzip data ends too early, at byte {len(packed)};"):
        read(put(tmp_path / "a.gz", packed))


def test_damaged_gzip_is_an_error_with_the_offset(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(os.urandom(200_000)))
    packed[-6] ^= 1  # the checksum
    with pytest.raises(InputError, match=r"a.gz: damaged gzip after byte \d+: .*incorrect data check"):
        read(put(tmp_path / "a.gz", bytes(packed)))


def test_garbage_after_gzip_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="incorrect header"):
        read(put(tmp_path / "a.gz", gzip.compress(b"to be") + b"garbage"))


def test_parquet_rows_end_in_a_newline_and_nulls_are_skipped(tmp_path: Path) -> None:
    path = put_table(tmp_path / "rows", number=[1, 2, 3, 4], words=["to", "be\n", None, ""])
    assert read(path) == b"to\nbe\n\n"


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.binary(), pa.large_binary(), pa.dictionary(pa.int32(), pa.string())]
)
def test_parquet_column_of_every_text_type(tmp_path: Path, kind: pa.DataType) -> None:
    assert read(put_table(tmp_path / "rows", words=pa.array(["to", "be"]).cast(kind))) == b"to\nbe\n"


def test_parquet_prefers_the_column_named_text(tmp_path: Path) -> None:
    assert read(put_table(tmp_path / "rows", title=["Hamlet"], text=["to be"])) == b"to be\n"


@pytest.mark.parametrize("columns", [{"title": ["a"], "body": ["b"]}, {"number": [1], "words": [["a"]]}])
def test_parquet_without_a_clear_text_column_lists_the_columns(tmp_path: Path, columns: dict[str, list]) -> None:
    listed = ".*".join(rf"{name} \(" for name in columns)
    with pytest.raises(InputError, match=f"rows: .* Columns: {listed}"):
        read(put_table(tmp_path / "rows", **columns))


def test_parquet_with_many_row_groups_keeps_the_order(tmp_path: Path) -> None:
    lines = [f"line {number}" for number in range(1000)]
    pq.write_table(pa.table({"text": lines}), tmp_path / "rows", row_group_size=300)
    assert read(tmp_path / "rows").decode().splitlines() == lines


@pytest.mark.parametrize("kept", [4, 100, -1])
def test_truncated_parquet_is_an_error(tmp_path: Path, kept: int) -> None:
    whole = put_table(tmp_path / "rows", text=["to be"] * 99).read_bytes()
    with pytest.raises(InputError, match="rows: damaged Parquet"):
        read(put(tmp_path / "rows", whole[:kept]))


def test_parquet_on_standard_input_works_from_a_file_but_not_from_a_pipe(tmp_path: Path) -> None:
    content = put_table(tmp_path / "rows", text=["to be"]).read_bytes()
    assert read("-", stdin=content) == b"to be\n"
    ends = os.pipe()
    os.write(ends[1], content)
    os.close(ends[1])
    with open(ends[0], "rb") as pipe, pytest.raises(InputError, match="cannot come through a pipe"):
        list(read_pieces(["-"], stdin=pipe))


def test_split_selects_the_rows_of_a_text_dataset(tmp_path: Path) -> None:
    build_text([put(tmp_path / "a", b"0123456789")], tmp_path / "d", valid_fraction=0.2, test_fraction=0.1)
    parts = [read(tmp_path / "d", split=split) for split in ("train", "valid", "test", None)]
    assert parts == [b"0123456", b"78", b"9", b"0123456789"]


def test_split_of_what_has_none_is_wrong_use(tmp_path: Path) -> None:
    for path in (put(tmp_path / "a", b"text"), put_table(tmp_path / "rows", text=["a"])):
        with pytest.raises(UsageError, match=f"{path.name}: has no split 'valid'"):
            read(path, split="valid")


def test_unknown_split_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="choose one of train, valid, test"):
        read_pieces([put(tmp_path / "a", b"text")], split="dev")


def test_has_splits_only_for_text_datasets(tmp_path: Path) -> None:
    text = put(tmp_path / "a", b"text")
    build_text([text], tmp_path / "d")
    assert has_splits(tmp_path / "d")
    others = (text, put_table(tmp_path / "rows", text=["a"]), tmp_path, "-", tmp_path / "gone")
    assert not any(has_splits(path) for path in others)


def test_reading_plain_text_imports_neither_pyarrow_nor_numpy(tmp_path: Path) -> None:
    path = put(tmp_path / "a", b"text")
    code = (
        "import sys, seqdl_data, seqdl_data.errors, seqdl_data.corpus as c;"
        f"assert not c.has_splits({str(path)!r}) and list(c.read_pieces([{str(path)!r}])) == [b'text'];"
        "assert not {'numpy', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
