"""IDX files, gzip or not: the form in which MNIST and EMNIST come.

Two zero bytes, a byte for the type of the numbers, a byte for the number of dimensions, each dimension as a big-endian
32-bit integer, then the numbers, big-endian, the last dimension fastest.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from math import prod

import numpy as np

from seqdl_data.errors import InputError
from seqdl_data.sources import text_blocks

Array = np.ndarray
TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
BLOCK = 1 << 20  # bytes, about, that `items` holds at a time


class IdxFile:
    """An IDX file whose header has been read: `shape`, `dtype` (big-endian), and what it holds, once, by `items`."""

    def __init__(self, blocks: Iterator[bytes], name: str) -> None:
        self.name = name
        self._bytes = _Bytes(blocks, name)
        self.dtype, dimensions = self._magic()
        self.shape = tuple(self._dimension(number, dimensions) for number in range(dimensions))

    def _magic(self) -> tuple[np.dtype, int]:
        zero, zeros, kind, dimensions = self._bytes.take(4, "the first four bytes")
        if zero or zeros:
            raise InputError(
                f"{self.name}: byte {0 if zero else 1} is {zero or zeros}, but an IDX file begins with two zeros"
            )
        if kind not in TYPES:
            raise InputError(f"{self.name}: byte 2 is {kind}, no type of IDX ({', '.join(map(str, TYPES))})")
        if not dimensions:
            raise InputError(f"{self.name}: byte 3 says no dimensions, expected 1 or more")
        return np.dtype(TYPES[kind]), dimensions

    def _dimension(self, number: int, of: int) -> int:
        return int.from_bytes(self._bytes.take(4, f"dimension {number + 1} of {of}"), "big")

    def items(self, most: int | None = None) -> Iterator[Array]:
        """The numbers, (n, *shape[1:]) at a time with n at most `most`, in the machine's byte order.

        InputError where the file ends before they do, or goes on after them.
        """
        size = prod(self.shape[1:]) * self.dtype.itemsize
        step = most or max(1, BLOCK // max(size, 1))
        for start in range(0, self.shape[0], step):
            count = min(step, self.shape[0] - start)
            block = self._bytes.take(
                count * size, f"the {self.shape[0]:,} items of {size:,} bytes that its header says"
            )
            yield np.frombuffer(block, self.dtype).reshape(count, *self.shape[1:]).astype(self.dtype.newbyteorder("="))
        self._bytes.end()


@contextmanager
def open_idx(path: str | os.PathLike[str]) -> Iterator[IdxFile]:
    """The IDX file at `path`, plain or gzip by its content; a few MiB of memory however large it is.

    InputError, which names the file and the byte, for anything that is not such a file, whole and nothing after it.
    """
    with closing(text_blocks(path)) as blocks:
        yield IdxFile(blocks, os.fspath(path))


def read_idx(path: str | os.PathLike[str]) -> Array:
    """All of an IDX file as one array; errors as in `open_idx`."""
    with open_idx(path) as file:
        blocks = list(file.items())
        if blocks:
            return np.concatenate(blocks)
        return np.empty(file.shape, file.dtype.newbyteorder("="))


class _Bytes:
    """Bytes to be taken one after another; `at` counts them."""

    def __init__(self, blocks: Iterator[bytes], name: str) -> None:
        self.name, self.at, self._rest, self._blocks = name, 0, b"", blocks

    def take(self, count: int, what: str) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while have < count:
            piece = next(self._blocks, None)
            if piece is None:
                raise InputError(
                    f"{self.name}: ends at byte {self.at + have}, within {what}; is the file complete, and IDX?"
                )
            parts.append(piece)
            have += len(piece)
        whole = b"".join(parts)
        self._rest, self.at = whole[count:], self.at + count
        return whole[:count]

    def end(self) -> None:
        if self._rest or any(self._blocks):
            raise InputError(f"{self.name}: goes on after byte {self.at}, where by its header it should end")
