"""Why a model thinks what it thinks of a site: every base around it changed, one at a time, and looked at again.

In-silico saturation mutagenesis: for each base within `around` of the site and each of the three other letters,
the change of the site's log-odds, as the model calibrates them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqdl.dna.logo import logo_svg, write_logo
from seqdl.dna.sitemodel import SiteModel, block_codes
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
    the letter that stands there, and where none is known.
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

    def svg(self, title: str = "") -> str:
        """A logo: each base as high as its importance, hanging where change would help; shows itself in a notebook."""
        return logo_svg(self.heights(), **self._labels(title))

    def save(self, path: str | os.PathLike[str], title: str = "") -> None:
        """Write the logo; errors as write_logo."""
        write_logo(path, self.heights(), **self._labels(title))

    def _labels(self, title: str) -> dict[str, Any]:
        return {
            "title": title or f"{self.name} ({self.strand}), probability {self.probability:.3f}",
            "y_label": "fall of log-odds",
            "x_label": "bases from the junction",
            "first": -self.site,
        }

    def _repr_svg_(self) -> str:
        return self.svg()


def explain(
    model: SiteModel, codes: Array, at: int, strand: str = "+", around: int = AROUND, start: int = 0
) -> list[Explanation]:
    """What drives each kind of site whose reported bases include position `at` of a record.

    codes (N,) begin at `start` of the record and reach `model.flank` beyond `at` on either side, or to its ends. The
    probability is that of a scan. Empty where no site of the model can be: a donor needs GT or GC behind it, an
    acceptor AG before.
    """
    own = reverse_complement(codes) if strand == "-" else codes
    place = len(codes) - 1 - (at - start) if strand == "-" else at - start
    found = []
    for k, kind in enumerate(model.kinds):
        possible = np.flatnonzero(kind.candidates(own))
        for junction in possible[
            (possible - kind.lead <= place) & (place < possible - kind.lead + kind.width)
        ].tolist():
            position = start + (len(codes) - 1 - junction if strand == "-" else junction)
            lo, window = block_codes(codes, start, position, model.context)
            filled = max(0, lo + len(window) - start - len(codes))  # unknown bases behind the record's end
            if strand == "-":
                window, at_window, inside = (
                    reverse_complement(window),
                    len(window) - 1 - position + lo,
                    (filled, len(window)),
                )
            else:
                at_window, inside = position - lo, (0, len(window) - filled)
            found.append(_explained(model, k, strand, window, at_window, inside, around))
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
    (piece,) = read_fasta(genome, left=model.flank, right=model.flank, regions=[region], beyond=True)
    return [
        each for strand in strands for each in explain(model, piece.codes, region.start, strand, around, piece.start)
    ]


def _explained(
    model: SiteModel, k: int, strand: str, window: Array, junction: int, inside: tuple[int, int], around: int
) -> Explanation:
    """`inside`: the part of the window (T,) that belongs to the record."""
    lo, hi = max(junction - around, inside[0]), min(junction + around, inside[1])
    own = window[lo:hi]
    changes = [
        (place, base) for place in range(hi - lo) for base in range(UNKNOWN) if own[place] not in (base, UNKNOWN)
    ]
    sequences = np.tile(window, (1 + len(changes), 1))
    for row, (place, base) in enumerate(changes, 1):
        sequences[row, lo + place] = base
    logits = model.logits_at(sequences, junction, k)
    odds = model.calibrated(k, logits)
    effect = np.zeros((hi - lo, UNKNOWN))
    effect[tuple(np.array(changes).T)] = odds[1:] - odds[0]
    probability = float(model.probability(k, logits[:1])[0])
    return Explanation(model.kinds[k].name, strand, probability, decode(own).decode(), junction - lo, effect)
