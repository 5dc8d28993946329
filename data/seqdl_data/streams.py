"""Bytes from a file or a pipe, a block at a time; the text in gzip data."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from seqdl_data.errors import InputError, unreadable

PIECE = 1 << 20
GZIP_MAGIC = b"\x1f\x8b\x08"
GZIP_BLOCK = 1 << 16  # small: what follows a gzip member is copied, and bgzip has a member every 64 KiB


def standard_input() -> BinaryIO:
    """The bytes of standard input; InputError where it is closed."""
    if sys.stdin is None:  # closed with <&-
        raise InputError("standard input is closed; give a file, or pipe something in")
    return sys.stdin.buffer


def plain_pieces(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """What is in `stream` from here on, in pieces of 1 byte to 1 MiB; `name` is for messages."""
    try:
        while piece := stream.read(PIECE):
            yield piece
    except OSError as error:
        raise unreadable(name, error) from error


def unzipped(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """The text in gzip data: of all members (`cat a.gz b.gz`, bgzip); zeros after a member are padding."""
    offset = 0
    member = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for block in (block for piece in pieces for block in cut(piece, GZIP_BLOCK)):
        offset += len(block)
        while block := block.lstrip(b"\0") if member.eof else block:
            if member.eof:
                member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                plain = member.decompress(block, PIECE)
            except zlib.error as error:
                raise InputError(f"{name}: damaged gzip after byte {offset - len(block)}: {error}") from error
            block = member.unused_data or member.unconsumed_tail
            if plain:
                yield plain
    if not member.eof:
        raise InputError(f"{name}: gzip data ends too early, at byte {offset}; is the file complete?")


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """`data` in slices of `size` bytes, the last one shorter."""
    return (data[at : at + size] for at in range(0, len(data), size))
