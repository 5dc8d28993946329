"""Learned sites as a scanner: every candidate of both strands that a model finds likely enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from seqdl.dna.pipeline import digest
from seqdl.dna.sitemodel import BLOCK, SiteModel
from seqdl.errors import UsageError
from seqdl_data.fasta import Piece
from seqdl_data.hits import Kind, hit_table

if TYPE_CHECKING:
    import pyarrow as pa

MIN_PROBABILITY = 0.5
BLOCKS = 160  # in a piece: whole batches, and few blocks cut by a piece's ends


class SiteScanner:
    """Finds sites whose calibrated probability is at least `min_probability`, on both strands.

    A hit is the bases that the model's SiteKind reports, for splice sites one on the exon's side of the junction: the
    last of an exon before a donor, the first after an acceptor. Its score is the probability.
    """

    kind: Kind = "site"
    beyond = True
    piece = BLOCKS * BLOCK

    def __init__(self, model: SiteModel, min_probability: float = MIN_PROBABILITY) -> None:
        if not 0 <= min_probability <= 1:
            raise UsageError(f"--min-probability must be between 0 and 1, got {min_probability}")
        self.model, self.min_probability = model, min_probability
        self.left = self.right = model.flank

    def describe(self) -> dict[str, Any]:
        arrays = self.model.network.state_dict()
        return {
            "kind": "site",
            "weights": digest(b"".join(np.asarray(arrays[name]).tobytes() for name in sorted(arrays))),
            "kinds": [[kind.name, kind.rule, kind.lead, kind.width] for kind in self.model.kinds],
            "calibration": [list(pair) for pair in self.model.calibration],
            "context": self.model.context,
            "min_probability": self.min_probability,
        }

    def scan(self, pieces: Sequence[Piece]) -> pa.Table:
        """The sites of some pieces, one piece after the other."""
        return self.scan_together([pieces])[0]

    def scan_together(
        self, groups: Sequence[Sequence[Piece]], tick: Callable[[], None] = lambda: None
    ) -> list[pa.Table]:
        """A table for each of several groups of pieces, which go through the network together; tick as for judge."""
        pieces = [piece for group in groups for piece in group]
        calls = self.model.judge(pieces, tick=tick)
        probability = self.model.probabilities(calls)
        widths = np.array([kind.width for kind in self.model.kinds])
        kept = probability >= self.min_probability
        start, kinds = calls.start[kept], calls.kind[kept]
        stretch = calls.stretch[kept]
        table = hit_table(
            [piece.record for piece in pieces],
            stretch,
            start,
            start + widths[kinds],
            calls.reverse[kept],
            [kind.name for kind in self.model.kinds],
            kinds,
            probability[kept],
        )
        ends = np.searchsorted(stretch, np.cumsum([len(group) for group in groups])).tolist()
        return [table.slice(lo, hi - lo) for lo, hi in pairwise([0, *ends])]
