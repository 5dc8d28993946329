"""IDX files: what they hold, and every way in which they can be broken."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from characters import idx

from seqdl_data.errors import InputError
from seqdl_data.idx import TYPES, open_idx, read_idx

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
WHOLE = idx(IMAGES)
HEADER = 16


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "x-idx3-ubyte"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_reading_gives_what_was_written(tmp_path: Path, pack) -> None:  # type: ignore[no-untyped-def]
    found = read_idx(written(tmp_path, pack(WHOLE)))
    np.testing.assert_array_equal(found, IMAGES)
    assert found.dtype == np.uint8


@pytest.mark.parametrize("code", TYPES)
def test_every_type_is_read_in_the_order_of_the_machine(tmp_path: Path, code: int) -> None:
    numbers = np.array([[1, 2, -3], [100, 5, 6]]).astype(TYPES[code])
    found = read_idx(written(tmp_path, bytes([0, 0, code, 2]) + struct.pack(">2I", 2, 3) + numbers.tobytes()))
    np.testing.assert_array_equal(found, numbers)
    assert found.dtype.isnative


def test_a_file_is_read_some_items_at_a_time(tmp_path: Path) -> None:
    with open_idx(written(tmp_path, WHOLE)) as file:
        assert file.shape == (3, 4, 5)
        blocks = list(file.items(2))
    assert [len(block) for block in blocks] == [2, 1]
    np.testing.assert_array_equal(np.concatenate(blocks), IMAGES)


@pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (5, 0)])
def test_nothing_at_all_has_a_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    assert read_idx(written(tmp_path, idx(np.empty(shape, np.uint8)))).shape == shape


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_file_cut_at_any_byte_says_where_it_ends(tmp_path: Path, length: int) -> None:
    with pytest.raises(InputError, match=f"x-idx3-ubyte: ends at byte {length}, "):
        read_idx(written(tmp_path, WHOLE[:length]))


@pytest.mark.parametrize("length", [1, 2, 5, 10, 30, -9, -8, -4, -1])
def test_cut_gzip_is_an_input_error(tmp_path: Path, length: int) -> None:
    with pytest.raises(InputError, match=r"x-idx3-ubyte: .* byte"):
        read_idx(written(tmp_path, gzip.compress(WHOLE)[:length]))


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, 1, "byte 0 is 1, but"),
        (1, 7, "byte 1 is 7, but"),
        (2, 0x0A, "byte 2 is 10, no type"),
        (3, 0, "byte 3 says no dimensions"),
        (3, 4, "ends at byte 76"),  # a part of the numbers is taken for a dimension
        (3, 2, "goes on after byte 24"),
        (7, 2, "goes on after byte 56"),
        (7, 4, "ends at byte 76, within the 4 items of 20 bytes"),
        (4, 255, "ends at byte 76"),
    ],
)
def test_a_wrong_header_says_which_byte(tmp_path: Path, at: int, value: int, message: str) -> None:
    content = bytearray(WHOLE)
    content[at] = value
    with pytest.raises(InputError, match=f"x-idx3-ubyte: {message}"):
        read_idx(written(tmp_path, bytes(content)))


def test_any_header_gives_numbers_or_an_input_error(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(300):
        content = bytearray(WHOLE)
        for at in random.integers(0, HEADER, 2):
            content[at] = random.choice([0, 1, 2, 3, 8, 9, 255])
        try:
            read_idx(written(tmp_path, bytes(content)))
        except InputError as error:
            refused += "x-idx3-ubyte" in str(error)
    assert refused > 200


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone"):
        read_idx(tmp_path / "gone")


def test_mnist_has_its_shape(shared_data: Path) -> None:
    images = read_idx(shared_data / "vision/mnist/t10k-images-idx3-ubyte.gz")
    assert (images.shape, images.dtype) == ((10_000, 28, 28), np.uint8)
