"""Reading any range of bytes of a file, also of one packed by bgzip, which is a chain of small gzip members."""

from __future__ import annotations

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from seqdl_data.dataset import open_bytes
from seqdl_data.errors import InputError, unreadable
from seqdl_data.sources import is_bgzip
from seqdl_data.streams import GZIP_MAGIC


class Ranges(Protocol):
    size: int  # bytes, unpacked

    def read(self, start: int, end: int) -> bytes:
        """Bytes [start, end), fewer where the file ends."""


@contextmanager
def open_ranges(path: str | os.PathLike[str]) -> Iterator[Ranges | None]:
    """Access to any bytes of a plain or bgzip file; None for other gzip, standard input, pipes, devices."""
    if os.fspath(path) == "-" or not os.path.isfile(path):
        yield None
        return
    with open_bytes(path) as stream:
        head = stream.read(18)
        name = os.fspath(path)
        if is_bgzip(head):
            yield _Bgzip.of(stream, name)
        else:
            yield None if head.startswith(GZIP_MAGIC) else _Plain(stream, name)


class _Plain:
    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name = stream, name
        self.size = os.fstat(stream.fileno()).st_size

    def read(self, start: int, end: int) -> bytes:
        try:
            self._stream.seek(start)
            return self._stream.read(max(0, end - start))
        except OSError as error:
            raise unreadable(self._name, error) from error


class _Bgzip:
    """A table of all members, made by hopping from header to header: 50,000 seeks for a human genome.

    That takes a fraction of a second and, unlike a .gzi file, cannot be out of date.
    """

    def __init__(self, stream: BinaryIO, name: str, members: list[tuple[int, int]]) -> None:
        """`members`: where each begins, packed and unpacked, with the two sizes of the file as last entry."""
        self._stream, self._name = stream, name
        self._packed = [packed for packed, _ in members]
        self._unpacked = [unpacked for _, unpacked in members]
        self.size = self._unpacked[-1]
        self._latest = (-1, b"")  # a number of a member and its text: neighbours are often read next

    @classmethod
    def of(cls, stream: BinaryIO, name: str) -> _Bgzip | None:
        """None where not every member is bgzip's, or the last one is not whole."""
        size = os.fstat(stream.fileno()).st_size
        members = [(0, 0)]
        while members[-1][0] < size:
            packed, unpacked = members[-1]
            stream.seek(packed)
            head = stream.read(18)
            if not is_bgzip(head) or len(head) < 18:
                return None
            following = packed + struct.unpack("<H", head[16:])[0] + 1
            stream.seek(following - 4)
            length = stream.read(4)
            if len(length) < 4:
                return None
            members.append((following, unpacked + struct.unpack("<I", length)[0]))
        return cls(stream, name, members)

    def read(self, start: int, end: int) -> bytes:
        parts = []
        number = bisect_right(self._unpacked, start) - 1
        while number < len(self._packed) - 1 and self._unpacked[number] < end:
            first = self._unpacked[number]
            parts.append(self._member(number)[max(0, start - first) : end - first])
            number += 1
        return b"".join(parts)

    def _member(self, number: int) -> bytes:
        if self._latest[0] != number:
            try:
                self._stream.seek(self._packed[number])
                data = self._stream.read(self._packed[number + 1] - self._packed[number])
                self._latest = (number, zlib.decompress(data, zlib.MAX_WBITS | 16))
            except OSError as error:
                raise unreadable(self._name, error) from error
            except zlib.error as error:
                raise InputError(f"{self._name}: damaged gzip at byte {self._packed[number]}: {error}") from error
        return self._latest[1]
