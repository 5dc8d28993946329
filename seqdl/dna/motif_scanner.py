"""Motifs as a scanner: scores, p-values and q-values of all windows that reach a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seqdl.dna.background import both_strands, checked
from seqdl.dna.matcher import Matcher
from seqdl.dna.motif import Motif
from seqdl.dna.pipeline import PIECE, Joined, digest
from seqdl.dna.pvalue import UNITS, ScoreDistribution, fimo_units
from seqdl.errors import UsageError
from seqdl_data.fasta import Piece
from seqdl_data.hits import Kind, hit_table, matched_sequences

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray
SMALLEST_PIECE = 1 << 12  # bases
EVEN = 1e-9  # bits: the strands of a palindrome differ by as much in the order in which they are added up


class MotifScanner:
    """Finds windows of M motifs with a p-value of at most `thresh`, on both strands.

    `background` (4,) float64 is what the pseudocounts (`pseudo` is FIMO's --motif-pseudo) are drawn from; scores and
    p-values are measured against that of both strands together, or with `norc` against itself, as FIMO has it.
    `norc` leaves out the reverse strand; with `max_strand` a motif that hits both strands at one place is reported
    once, where it scores higher (+ where it scores the same). `matched_sequence` False leaves that column empty.
    `fimo_rounding` rounds the scores to FIMO's coarser steps, which makes p-values of motifs with many ties its own.
    A motif of which no word can reach `thresh` finds nothing, and `warnings` says so.
    """

    kind: Kind = "motif"
    left = 0
    beyond = False

    def __init__(
        self,
        motifs: Sequence[Motif],
        background: Sequence[float] | Array,
        *,
        thresh: float = 1e-4,
        pseudo: float = 0.1,
        norc: bool = False,
        max_strand: bool = False,
        matched_sequence: bool = True,
        fimo_rounding: bool = False,
    ) -> None:
        if not motifs:
            raise UsageError("a scan needs at least one motif")
        prior = checked(background)
        self.background = prior if norc else both_strands(prior)
        self.ids, self.alts = [motif.id for motif in motifs], [motif.alt for motif in motifs]
        scores = [motif.scores(self.background, pseudo, prior=prior) for motif in motifs]
        self.distributions = [
            ScoreDistribution(each, self.background, fimo_units(each) if fimo_rounding else UNITS) for each in scores
        ]
        self.scores = [distribution.scores for distribution in self.distributions]  # of these p-values are exact
        self.widths = np.array([len(scores) for scores in self.scores])
        self.right = int(self.widths.max()) - 1
        self.norc, self.max_strand, self.matched_sequence = norc, max_strand, matched_sequence
        self.q_values: list[Array] | None = None
        self.warnings: list[str] = []
        self.set_thresholds(thresh)

    def set_thresholds(self, p: float) -> None:
        """Report what has a p-value of at most this."""
        if not 0 < p <= 1:
            raise UsageError(f"--thresh must be above 0 and at most 1, got {p}")
        reached = [distribution.threshold(p) for distribution in self.distributions]
        never = [name for name, score in zip(self.ids, reached, strict=True) if score is None]
        shown = ", ".join(never[:3]) + (" ..." if len(never) > 3 else "")
        self.warnings = [
            f"note: {len(never)} of {len(self.ids)} motifs can have no hit: their best score has a p-value above "
            f"{p:g} ({shown}); raise --thresh"
        ][: len(never)]
        self.thresh = p
        self._use(np.array([np.inf if score is None else score for score in reached]))

    def set_q_values(self, q_values: list[Array], any_p: bool) -> None:
        """Report what has one of these q-values, and a p-value as low as before or `any_p`.

        q_values: for each motif those of scores 0, 1, 2 ... units below its best one, as far as they are low enough.
        """
        self.q_values = q_values
        within = np.array([len(q) for q in q_values])
        # Half a unit below the lowest score meant, as ScoreDistribution.threshold has it.
        steps = zip(self.distributions, within, strict=True)
        lowest = np.array([(d.best - n + 0.5) / d.units if n else np.inf for d, n in steps])
        if any_p:
            self.warnings = []
        self._use(lowest if any_p else np.maximum(self.thresholds, lowest))

    def _use(self, thresholds: Array) -> None:
        self.thresholds = thresholds
        # Those of the reverse strand, read along the forward one, are number m + M.
        backwards = [] if self.norc else [scores[::-1, ::-1] for scores in self.scores]
        self.matcher = Matcher([*self.scores, *backwards], np.tile(thresholds, self.strands))
        tails = [d.tail(n - 1)[:n] for d, n in zip(self.distributions, self._reach(), strict=True)]
        self._p = _Lookup.of(self.distributions, tails)
        self._q = None if self.q_values is None else _Lookup.of(self.distributions, self.q_values)

    def _reach(self) -> list[int]:
        """For each motif how many different scores, in units, reach its threshold."""
        pairs = zip(self.distributions, self.thresholds, strict=True)
        return [int(d.deficits(score)) + 1 if np.isfinite(score) else 1 for d, score in pairs]

    @property
    def strands(self) -> int:
        return 1 if self.norc else 2

    @property
    def piece(self) -> int:
        """So many bases that the hits of random sequence would take some 20 MB."""
        return int(np.clip(PIECE / (self.thresh * self.strands * len(self.ids)), SMALLEST_PIECE, PIECE))

    def describe(self) -> dict[str, Any]:
        numbers = b"".join(array.tobytes() for array in [*self.scores, *(self.q_values or [])])
        return {
            "kind": "motif",
            "motifs": list(zip(self.ids, self.alts, self.widths.tolist(), strict=True)),
            "scores": digest(numbers + self.thresholds.tobytes() + self.background.tobytes()),
            "norc": self.norc,
            "max_strand": self.max_strand,
            "matched_sequence": self.matched_sequence,
        }

    def scan(self, pieces: Sequence[Piece]) -> pa.Table:
        """The hits of some pieces, one piece after the other."""
        joined = Joined.of(pieces)
        found = self.matcher.find(joined.codes)
        piece, place, owned = joined.places(found.position)
        keep = owned & self._better_strand(found) if self.max_strand else owned
        at, matrix, score = found.position[keep], found.matrix[keep], found.score[keep]
        minus, motif = np.divmod(matrix, len(self.ids))
        width, place = self.widths[motif], place[keep]
        return hit_table(
            [each.record for each in pieces],
            piece[keep],
            place,
            place + width,
            minus.astype(bool),
            self.ids,
            motif,
            score,
            alt_names=self.alts,
            p_value=self._p.of_scores(motif, score),
            q_value=None if self._q is None else self._q.of_scores(motif, score),
            matched_sequence=matched_sequences(joined.codes, at, width, minus == 1) if self.matched_sequence else None,
        )

    def _better_strand(self, found: Any) -> Array:
        """(N,) bool: False where the same motif scores higher at the same place on the other strand."""
        motifs = len(self.ids)
        key = found.position * motifs + found.matrix % motifs
        order = np.argsort(key, kind="stable")  # + before -, as they come
        first = np.flatnonzero(key[order][1:] == key[order][:-1])
        plus, minus = order[first], order[first + 1]
        minus_wins = found.score[minus] > found.score[plus] + EVEN
        keep = np.ones(len(key), bool)
        keep[np.where(minus_wins, plus, minus)] = False
        return keep


class _Lookup(NamedTuple):
    """Values by motif and score, those of all motifs one after the other."""

    values: Array  # float64: of scores 0, 1, 2 ... units below a motif's best
    first: Array  # (M,) int64: where those of each motif begin
    best: Array  # (M,) int64, in units
    units: Array  # (M,) int64, to a bit

    @classmethod
    def of(cls, distributions: Sequence[ScoreDistribution], values: Sequence[Array]) -> _Lookup:
        lengths = np.array([len(each) for each in values])
        best, units = np.array([(each.best, each.units) for each in distributions]).T
        return cls(np.concatenate(values), np.cumsum(lengths) - lengths, best, units)

    def of_scores(self, motif: Array, score: Array) -> Array:
        """(N,) float64 of scores (N,) in bits that reach their thresholds."""
        return self.values[self.first[motif] + self.best[motif] - np.rint(score * self.units[motif]).astype(np.int64)]
