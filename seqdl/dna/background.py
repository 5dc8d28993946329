"""How frequent each base is where there is no motif: the yardstick of scores and p-values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqdl.errors import UsageError
from seqdl_data.motif_files import read_background

if TYPE_CHECKING:
    from seqdl.dna.motif import Motif

UNIFORM = np.full(4, 0.25)
UNIFORM.flags.writeable = False
SLACK = 0.05  # given frequencies add up to 1 within this


def checked(background: Any) -> np.ndarray:
    """(4,) float64 that adds up to 1, from four frequencies of A C G T; UsageError where one is not above 0."""
    values = np.array(background, np.float64)
    if values.shape != (4,) or not np.isfinite(values).all() or not (values > 0).all():
        raise UsageError(f"background: expected four frequencies above 0 (A C G T), got {values.tolist()}")
    if abs(values.sum() - 1) > SLACK:
        raise UsageError(f"background frequencies add up to {values.sum():.4g}, not 1")
    return values / values.sum()


def named(name: str, motifs: Sequence[Motif]) -> np.ndarray:
    """The background called "uniform" or "motif" (that of the motifs' file), or the one in the file `name`.

    UsageError where the motifs' file gives none, InputError for a file that is no background (MEME's --bfile).
    """
    if name == "uniform":
        return UNIFORM
    if name != "motif":
        return read_background(name)
    if motifs[0].background is None:
        raise UsageError("the motif file gives no background frequencies; name a file of them, or take uniform")
    return motifs[0].background


def count_bases(pieces: Iterable[np.ndarray]) -> np.ndarray:
    """(4,) int64: how often A C G T occur in arrays of codes (uint8: A0 C1 G2 T3, all else is not counted)."""
    counts = np.zeros(4, np.int64)
    for codes in pieces:
        counts += np.bincount(codes, minlength=5)[:4]
    return counts


def from_counts(counts: np.ndarray) -> np.ndarray:
    """(4,) frequencies from counts of A C G T; one is added to each, as MEME does, so that none is 0."""
    return (counts + 1) / (counts.sum() + 4)


def both_strands(background: np.ndarray) -> np.ndarray:
    """The background of both strands together: A as T, C as G. A motif and its reverse complement score alike."""
    return (background + background[::-1]) / 2
