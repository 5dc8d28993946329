"""What a site model is trained on: pieces of equal length drawn from labelled sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqdl_data.nucleotides import UNKNOWN
from seqdl_data.sites import UNSAID, Stretch

Array = np.ndarray
IGNORED = -100  # cross_entropy's ignore_index


class Batch(NamedTuple):
    """B pieces of T bases: codes (B, T) uint8, sites and structure (B, T) int64 with -100 where nothing is said."""

    codes: Array
    sites: Array
    structure: Array


def has_sites(stretch: Stretch) -> bool:
    """Whether any base of it is labelled as a site."""
    return bool(((stretch.labels > 0) & (stretch.labels != UNSAID)).any())


class Examples:
    """Labelled sequences end to end, to draw pieces from; one of them at least has a site.

    A share of the pieces (`near_sites`) hold a site at a random place, the others lie anywhere: sites are rare, and
    a network that sees few of them learns slowly. Calibration takes back what that does to the probabilities.
    """

    def __init__(self, stretches: Sequence[Stretch], length: int) -> None:
        self.length = min(length, max(len(s.codes) for s in stretches))
        gap = self.length  # unknown bases between two sequences: no piece holds parts of two
        self.codes = _laid_out([s.codes for s in stretches], UNKNOWN, gap)
        self.labels = _laid_out([s.labels for s in stretches], UNSAID, gap)
        unsaid = [np.full(len(s.codes), UNSAID, np.uint8) if s.structure is None else s.structure for s in stretches]
        self.structure = _laid_out(unsaid, UNSAID, gap)
        sizes = np.array([len(s.codes) for s in stretches])
        self.starts = gap + np.concatenate([[0], np.cumsum(sizes + gap)[:-1]])
        self.ends = self.starts + sizes
        self.sites = np.flatnonzero((self.labels > 0) & (self.labels != UNSAID))
        self.bases = int(sizes.sum())
        self.chances = np.cumsum(sizes) / self.bases

    def draw(self, count: int, near_sites: float, generator: np.random.Generator) -> Batch:
        """`count` pieces; one in ten has lost an end of random length, as at the end of a contig."""
        near = round(count * near_sites)
        places = generator.choice(self.sites, near) if near else np.empty(0, np.int64)
        which = np.searchsorted(self.chances, generator.random(count - near), side="right")
        anywhere = self.starts[which] + (generator.random(count - near) * (self.ends - self.starts)[which]).astype(int)
        at = np.concatenate([places, anywhere])
        sequence = np.searchsorted(self.starts, at, side="right") - 1
        first = at - generator.integers(0, self.length, count)
        # Within the sequence where it is long enough, otherwise all of it at the beginning of the piece.
        first = np.maximum(np.minimum(first, self.ends[sequence] - self.length), self.starts[sequence])
        rows = first[:, None] + np.arange(self.length)
        codes = self.codes[rows]
        beyond = rows >= self.ends[sequence][:, None]
        lost = generator.integers(1, max(self.length // 2, 2), count)
        column = np.arange(self.length)
        side = generator.random(count)[:, None]
        beyond |= (side < 0.05) & (column < lost[:, None])
        beyond |= (side > 0.95) & (column >= self.length - lost[:, None])
        codes[beyond] = UNKNOWN
        return Batch(codes, _targets(self.labels[rows], beyond), _targets(self.structure[rows], beyond))


def _targets(labels: Array, beyond: Array) -> Array:
    return np.where((labels == UNSAID) | beyond, IGNORED, labels.astype(np.int64))


def _laid_out(parts: Sequence[Array], filler: int, gap: int) -> Array:
    """The parts one after another, with `gap` fillers before, between and after them."""
    between = np.full(gap, filler, np.uint8)
    return np.concatenate([between] + [each for part in parts for each in (part, between)])
