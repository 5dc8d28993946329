"""A corpus as two arrays of symbols, training and validation, however large: they are mapped from a file."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqdl.errors import InputError, OutputError
from seqdl.text.vocabulary import ByteVocabulary, CharVocabulary, Vocabulary
from seqdl_data.corpus import has_splits, read_pieces

Array = np.ndarray
PIECE = 1 << 20


@dataclass
class Corpus:
    """Symbols for training and for validation, and where they came from."""

    train: Array
    valid: Array
    vocabulary: Vocabulary
    sha256: str  # of the bytes, training then validation
    split: str  # in words, for reports
    bytes: int  # of both parts
    valid_bytes: int

    def bits_per_byte(self, nats: float) -> float:
        """Nats a symbol of the validation part, as bits a byte of it."""
        return nats / math.log(2) * len(self.valid) / self.valid_bytes


def read_corpus(
    paths: Sequence[str | os.PathLike[str]],
    vocabulary: Vocabulary | str = "bytes",
    valid_fraction: float = 0.1,
) -> Corpus:
    """Read files, folders, stdin ("-"), gzip or Parquet as seqdl_data.corpus does.

    vocabulary: "bytes", "characters" (those of the training part) or one that exists. A dataset made by `seqdl
    data build text` brings its split; of anything else the last `valid_fraction` of the bytes is validation.
    InputError for an empty corpus.
    """
    names = ", ".join(os.fspath(p) for p in paths)
    if len(paths) == 1 and os.fspath(paths[0]) != "-" and has_splits(paths[0]):
        parts = [_spool(read_pieces(paths, split=split)) for split in ("train", "valid")]
        split = "train and valid as fixed in the dataset"
    else:
        whole = _spool(read_pieces(paths))
        cut = _character_start(whole, int(len(whole) * (1 - valid_fraction)))
        parts = [whole[:cut], whole[cut:]]
        split = f"first {cut} bytes training, last {len(whole) - cut} bytes validation"
    if len(parts[0]) == 0:
        raise InputError(f"{names}: the corpus is empty; nothing to learn from")
    if vocabulary == "characters":
        vocabulary = CharVocabulary.of(_pieces(parts[0]), names)
    elif isinstance(vocabulary, str):
        vocabulary = ByteVocabulary()
    digest = hashlib.sha256()
    for part in parts:
        for piece in _pieces(part):
            digest.update(piece)
    train, valid = (_encode(part, vocabulary, names) for part in parts)
    sizes = [len(part) for part in parts]
    return Corpus(train, valid, vocabulary, digest.hexdigest(), split, sum(sizes), sizes[1])


def _character_start(text: Array, cut: int) -> int:
    """The first byte from `cut` on that is not inside a UTF-8 character (at most 3 further)."""
    for at in range(cut, min(cut + 4, len(text))):
        if text[at] & 0xC0 != 0x80:
            return at
    return cut


def _encode(part: Array, vocabulary: Vocabulary, names: str) -> Array:
    if isinstance(vocabulary, ByteVocabulary):
        return part
    return _spool(vocabulary.encode_stream(_pieces(part), names), vocabulary.dtype)


def _pieces(part: Array) -> Iterator[bytes]:
    for start in range(0, len(part), PIECE):
        yield part[start : start + PIECE].tobytes()


def _spool(pieces: Iterable[Any], dtype: Any = np.uint8) -> Array:
    """Write the pieces to an unnamed temporary file and map it: memory stays bounded, the file goes with us."""
    try:
        with tempfile.TemporaryFile(prefix="seqdl-corpus-") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            if file.tell() == 0:
                return np.empty(0, dtype)
            return np.memmap(file, dtype, mode="r")
    except OSError as error:
        raise OutputError(
            f"{tempfile.gettempdir()}: cannot spool the corpus: {error.strerror}; set TMPDIR to a folder with space"
        ) from error
