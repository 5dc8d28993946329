"""Why a model thinks what it thinks of a site: every base around it changed, one at a time, and looked at again.

In-silico saturation mutagenesis: for each base within `around` of the site and each of the three other letters,
the change of the site's log-odds, as the model calibrates them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from seqdl.dna.sitemodel import SiteModel
from seqdl.errors import UsageError
from seqdl_data.fasta import read_fasta
from seqdl_data.nucleotides import UNKNOWN, decode, reverse_complement
from seqdl_data.regions import Region

Array = np.ndarray
AROUND = 30


@dataclass(frozen=True)
class Explanation:
    """One site and what its bases do, in the strand's own direction.

    strand: "+" or "-". letters: W letters around the site. site: index of the first base after the junction.
    effect (W, 4): log-odds (nats) with that base changed to A, C, G, T, minus those of the sequence as it is; 0 for
    the letter that stands there.
    """

    name: str
    strand: str
    probability: float
    letters: str
    site: int
    effect: Array

    @property
    def importance(self) -> Array:
        """(W,): how much the log-odds fall, on average, when a base is changed; below 0 where change would help."""
        return -self.effect.sum(axis=1) / 3

    def heights(self) -> Array:
        """(W, 4) for a logo: each base's importance at the letter that stands there."""
        heights = np.zeros_like(self.effect)
        for row, (letter, value) in enumerate(zip(self.letters, self.importance, strict=True)):
            if letter in "ACGT":
                heights[row, "ACGT".index(letter)] = value
        return heights


def explain(model: SiteModel, codes: Array, at: int, strand: str = "+", around: int = AROUND) -> list[Explanation]:
    """What drives each kind of site whose reported bases include position `at` of a sequence with these codes (N,).

    The sequence may be a part of a record that reaches `model.context + around` bases beyond `at` on either side.
    Empty where no site of the model can be: a donor needs GT or GC behind it, an acceptor AG before.
    """
    codes = reverse_complement(codes) if strand == "-" else codes
    place = len(codes) - 1 - at if strand == "-" else at
    found = []
    for k, kind in enumerate(model.kinds):
        possible = np.flatnonzero(kind.candidates(codes))
        for junction in possible[(possible - kind.lead <= place) & (place < possible - kind.lead + kind.width)]:
            found.append(_explained(model, k, strand, codes, int(junction), around))
    return found


def explain_place(
    model: SiteModel, genome: str | os.PathLike[str], place: str, strands: str = "+-", around: int = AROUND
) -> list[Explanation]:
    """`explain` for one base of a FASTA file, "record:position" with positions from 1.

    UsageError for anything else, InputError where the file does not have it.
    """
    record, _, position = place.rpartition(":")
    digits = position.replace(",", "")
    if not (record and digits.isdecimal() and int(digits)):
        raise UsageError(f"{place}: name a record and one base of it, from 1 on, such as chrI:12345")
    region = Region(record, int(digits) - 1, int(digits))
    flank = model.context + around + max(kind.reach for kind in model.kinds)
    (piece,) = read_fasta(genome, left=flank, right=flank, regions=[region], beyond=True)
    at = region.start - piece.start
    return [each for strand in strands for each in explain(model, piece.codes, at, strand, around)]


def _explained(model: SiteModel, k: int, strand: str, codes: Array, junction: int, around: int) -> Explanation:
    lo, hi = max(junction - around, 0), min(junction + around, len(codes))
    first = max(junction - around - model.context, 0)
    piece = codes[first : junction + around + model.context]
    changed = [piece]
    for place in range(lo - first, hi - first):
        for base in range(UNKNOWN):
            other = piece.copy()
            other[place] = base
            changed.append(other)
    logits = model.logits_at(np.stack(changed), junction - first, k)
    odds = model.calibrated(k, logits)
    effect = (odds[1:] - odds[0]).reshape(hi - lo, UNKNOWN)
    own = codes[lo:hi]
    known = own < UNKNOWN
    effect[known, own[known]] = 0  # what rounding left of it
    probability = float(model.probability(k, logits[:1])[0])
    return Explanation(model.kinds[k].name, strand, probability, decode(own).decode(), junction - lo, effect)
