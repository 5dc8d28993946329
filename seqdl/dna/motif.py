"""A motif: what bases stand at each position of a binding site, and the scores that follow from it.

from seqdl.dna.motif import read_motifs
for motif in read_motifs("JASPAR2024_CORE.meme"):
    print(motif.id, motif.consensus, motif.information().sum())
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any

import numpy as np

from seqdl.dna.background import UNIFORM, checked
from seqdl.errors import UsageError
from seqdl_data import motif_files
from seqdl_data.motif_record import BASES, IUPAC, MotifRecord

SITES = 20.0  # behind a motif that does not tell, as the MEME suite assumes
PSEUDO = 0.1  # FIMO's --motif-pseudo
LETTERS = {"".join(sorted(set(bases))): letter for letter, bases in IUPAC.items() if letter != "U"}


@dataclass(frozen=True, eq=False)
class Motif:
    """A motif of W positions. UsageError for frequencies that cannot be."""

    id: str
    alt: str  # its other name, "" if it has none
    frequencies: np.ndarray  # (W, 4) float64, read-only, columns A C G T, rows add up to 1
    sites: float = 0.0  # number of sites the frequencies come from, 0 where unknown
    background: np.ndarray | None = field(default=None, repr=False)  # (4,) of its file, if that gives one

    def __post_init__(self) -> None:
        values = np.array(self.frequencies, np.float64)
        if values.ndim != 2 or values.shape[1] != 4 or not len(values):
            raise UsageError(f"motif {self.id}: frequencies of shape {values.shape}, expected (positions, 4)")
        if not (values >= 0).all() or not np.isfinite(values).all() or not values.any(axis=1).all():
            raise UsageError(f"motif {self.id}: frequencies must be 0 or more, not all 0 in a position")
        sums = values.sum(axis=1, keepdims=True)
        # What adds up to 1 stays as it is, to the bit: a motif and its reverse complement score exactly alike.
        values /= np.where(np.abs(sums - 1) < 1e-12, 1.0, sums)
        object.__setattr__(self, "frequencies", _read_only(values))
        if self.background is not None:
            object.__setattr__(self, "background", _read_only(checked(self.background)))

    @classmethod
    def from_record(cls, record: MotifRecord) -> Motif:
        """From what a reader of seqdl_data gives: its counts or frequencies."""
        return cls(record.id, record.alt, record.matrix, record.sites, record.background)

    @classmethod
    def from_consensus(cls, text: str) -> Motif:
        """From a word in IUPAC letters such as TATAWAW; UsageError for any other letter."""
        return cls.from_record(motif_files.from_consensus(text))

    def __len__(self) -> int:
        """W, its positions."""
        return len(self.frequencies)

    def scores(self, background: Any = UNIFORM, pseudo: float = PSEUDO, prior: Any = None) -> np.ndarray:
        """(W, 4) float64: log2(p / background) in bits, p = (frequency sites + pseudo prior) / (sites + pseudo).

        FIMO's formula: `pseudo` observations drawn from the prior join the sites, 20 of these where their number is
        unknown. The prior is the background; FIMO takes it as given where the background is then averaged over
        both strands. With pseudo 0 a base never seen scores -inf. UsageError for a background that is not four
        values above 0, for a negative pseudo.
        """
        background = checked(background)
        prior = background if prior is None else checked(prior)
        if not 0 <= pseudo < np.inf:
            raise UsageError(f"the motif pseudocount must be 0 or more, got {pseudo}")
        sites = self.sites or SITES
        chances = (self.frequencies * sites + pseudo * prior) / (sites + pseudo)
        with np.errstate(divide="ignore"):
            return np.log2(chances / background)

    def information(self, background: Any = UNIFORM) -> np.ndarray:
        """(W,) bits each position tells: sum of f log2(f / background); against UNIFORM this is 2 - entropy.

        No pseudocount, no correction for few sites.
        """
        f = self.frequencies
        ratio = np.divide(f, checked(background), where=f > 0, out=np.ones_like(f))
        return (f * np.log2(ratio)).sum(axis=1)

    @property
    def consensus(self) -> str:
        """W letters of the IUPAC code, by the rules of Cavener (Nucleic Acids Research 15:1353, 1987).

        One base where it has more than half and twice the next; two where they have more than three quarters;
        three where the fourth never occurs; else N.
        """
        return "".join(_letter(row) for row in self.frequencies)

    def reverse_complement(self) -> Motif:
        """The motif as it reads on the other strand, under the same names."""
        other = None if self.background is None else self.background[::-1]
        return replace(self, frequencies=self.frequencies[::-1, ::-1], background=other)


def read_motifs(path: str | PathLike[str]) -> list[Motif]:
    """All motifs of a file of any common kind (see seqdl_data.motif_files), at least one; InputError for others."""
    return [Motif.from_record(record) for record in motif_files.read_motifs(path)]


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


def _letter(row: np.ndarray) -> str:
    order = np.argsort(-row, kind="stable")
    first, second, _, last = row[order]
    if first > row.sum() - first and first > 2 * second:
        kept = 1
    elif 4 * (first + second) > 3 * row.sum():
        kept = 2
    else:
        kept = 4 if last > 0 else 3
    return LETTERS["".join(sorted(BASES[k] for k in order[:kept]))]
