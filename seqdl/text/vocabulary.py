"""From text to symbols and back: bytes, or the characters of the training text."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from seqdl.errors import InputError, ModelFileError

Array = np.ndarray
UNKNOWN = "\N{REPLACEMENT CHARACTER}"


class ByteVocabulary:
    """256 symbols, the bytes themselves: any file works, nothing is unknown."""

    kind = "bytes"
    size = 256
    dtype = np.dtype(np.uint8)

    def encode(self, data: bytes) -> Array:
        """Symbols (N,) uint8 of the bytes."""
        return np.frombuffer(data, np.uint8)

    def encode_stream(self, pieces: Iterable[bytes], name: str = "text") -> Iterator[Array]:
        return map(self.encode, pieces)

    def decode(self, symbols: Iterable[int]) -> bytes:
        return bytes(symbols)

    def allowed(self) -> Array:
        """Which symbols may be generated, (V,) bool."""
        return np.ones(self.size, np.bool_)

    def unknown_share(self, symbols: Array) -> float:
        return 0.0

    def metadata(self) -> dict[str, Any]:
        return {"kind": self.kind}


class CharVocabulary:
    """The characters of a text; symbol 0 stands for every other one and is never generated."""

    kind = "characters"

    def __init__(self, characters: str) -> None:
        self.characters = UNKNOWN + characters
        self.size = len(self.characters)
        self.dtype = np.dtype(np.uint8 if self.size <= 1 << 8 else np.uint16 if self.size <= 1 << 16 else np.uint32)
        points = np.array([ord(c) for c in self.characters])
        self._symbol_of = np.zeros(points.max() + 1, self.dtype)
        self._symbol_of[points] = np.arange(self.size)

    @classmethod
    def of(cls, pieces: Iterable[bytes], name: str = "text") -> CharVocabulary:
        """All characters that occur, in order of their code points. InputError where it is not UTF-8."""
        counts: Counter[str] = Counter()
        for text in decoded(pieces, name):
            counts.update(text)
        return cls("".join(sorted(set(counts) - {UNKNOWN})))

    def encode(self, data: bytes) -> Array:
        """Symbols (N,) of UTF-8 text; InputError where it is not UTF-8."""
        return np.concatenate([np.empty(0, self.dtype), *self.encode_stream([data])])

    def encode_stream(self, pieces: Iterable[bytes], name: str = "text") -> Iterator[Array]:
        for text in decoded(pieces, name):
            points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
            known = points < len(self._symbol_of)
            yield np.where(known, self._symbol_of[np.where(known, points, 0)], 0).astype(self.dtype)

    def decode(self, symbols: Iterable[int]) -> bytes:
        return "".join(self.characters[s] for s in symbols).encode()

    def allowed(self) -> Array:
        allowed = np.ones(self.size, np.bool_)
        allowed[0] = False
        return allowed

    def unknown_share(self, symbols: Array) -> float:
        """The share of symbols that stand for unknown characters."""
        return float(np.mean(symbols == 0)) if len(symbols) else 0.0

    def metadata(self) -> dict[str, Any]:
        return {"kind": self.kind, "characters": self.characters[1:]}


Vocabulary = ByteVocabulary | CharVocabulary


def vocabulary_from(metadata: Any) -> Vocabulary:
    """The vocabulary that a model file describes."""
    try:
        if metadata["kind"] == ByteVocabulary.kind:
            return ByteVocabulary()
        if metadata["kind"] == CharVocabulary.kind:
            return CharVocabulary(metadata["characters"])
    except (KeyError, TypeError) as error:
        raise ModelFileError(f"damaged vocabulary in the model file: {error}") from error
    raise ModelFileError(f"unknown vocabulary {metadata['kind']!r} in the model file: upgrade seqdl")


def decoded(pieces: Iterable[bytes], name: str) -> Iterator[str]:
    """Decode UTF-8 whose characters may be cut by the pieces; InputError names the byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    try:
        for piece in pieces:
            offset += len(piece)
            yield decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        at = offset - len(error.object) + error.start  # object: what was held back, and the piece
        raise InputError(f"{name}: byte {at} is not UTF-8 ({error.reason}); use the byte vocabulary for it") from error
