"""Bases as numbers: A 0, C 1, G 2, T or U 3, 4 for the letters that leave a base open, 255 for what is no base."""

from __future__ import annotations

import numpy as np

A, C, G, T, UNKNOWN = range(5)
BAD = 255
LETTERS = np.frombuffer(b"ACGTN", np.uint8)
COMPLEMENT = np.array([T, G, C, A, UNKNOWN], np.uint8)


def _code_table() -> bytes:
    table = bytearray([BAD]) * 256
    for letters, code in (("A", A), ("C", C), ("G", G), ("TU", T), ("RYSWKMBDHVN", UNKNOWN)):
        for letter in letters + letters.lower():
            table[ord(letter)] = code
    return bytes(table)


CODES = _code_table()  # of each byte, for bytes.translate


def encode(letters: bytes) -> np.ndarray:
    """Codes (N,) uint8 of letters, upper or lower case, DNA or RNA."""
    return np.frombuffer(letters.translate(CODES), np.uint8)


def decode(codes: np.ndarray) -> bytes:
    """Upper-case letters of codes (N,); N where the base is unknown."""
    return LETTERS[codes].tobytes()


def reverse_complement(codes: np.ndarray) -> np.ndarray:
    """Codes (..., N) of the other strand, read in its own direction."""
    return COMPLEMENT[codes[..., ::-1]]
