"""All that a line may be divided into, and how probable each part is as each character."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqdl_vision.page.components import BOTTOM, LEFT, RIGHT, TOP, Array, Components
from seqdl_vision.page.forms import Forms
from seqdl_vision.page.judge import Judge, nats
from seqdl_vision.page.lattice import Segment, best_path, segments
from seqdl_vision.page.lines import TextLine
from seqdl_vision.page.metrics import Metrics, measure
from seqdl_vision.page.pieces import Piece

MARK = -2.8  # nats of a mark on its own
STEM = 0.6  # letter heights that what is under a dot is wide at most
BAR_HIGH, BAR_WIDE = 2.5, 2.2  # strokes that an upright stroke is high at least, and wide at most, or
BAR_SLIM = 0.22  # of its height


@dataclass
class Candidates:
    """Of one line: its pieces, the segments (S) they may be joined to, the components and boxes (S, 4) of each.

    spans (S, 2): their columns with the slant undone. dotted, mark, bar (S,) bool: with a dot over it; a mark on its
    own; no more than an upright stroke. chances (S, F): of forms by the shape alone, and nothing (S,) that of no
    character.
    """

    line: TextLine
    pieces: list[Piece]
    segments: list[Segment]
    members: list[list[int]]
    boxes: Array
    spans: Array
    dotted: Array
    mark: Array
    bar: Array
    chances: Array
    nothing: Array

    @property
    def widths(self) -> Array:
        """(S,) in letter heights."""
        return np.asarray(self.spans[:, 1] - self.spans[:, 0]) / self.line.height

    def places(self) -> tuple[Array, Array, Array]:
        """(S,) middle columns, and tops and bottoms in rows from the line's base."""
        columns = (self.boxes[:, LEFT] + self.boxes[:, RIGHT]) / 2
        base = self.line.base + self.line.slope * columns
        return columns, self.boxes[:, TOP] - base, self.boxes[:, BOTTOM] - base

    def with_geometry(self, forms: Forms, metrics: Metrics | None) -> Array:
        """(S, F) chances that take into account dots, and where in the line each segment stands."""
        chances = np.where(self.bar[:, None], forms.as_bars(self.chances), self.chances) * forms.dots(self.dotted)
        if metrics is not None:
            chances = chances * np.exp(metrics.evidence(forms, *self.places(), self.dotted))
        return chances

    def path(self, forms: Forms, chances: Array) -> list[int]:
        """The segments that divide the line best, by chances (S, F)."""
        scores = nats(forms, chances, self.nothing, self.widths)
        return best_path(len(self.pieces), self.segments, np.where(self.mark, MARK, scores))

    def metrics(self, forms: Forms, chances: Array, path: list[int]) -> Metrics | None:
        """How high letters stand, by those on a path that are sure."""
        path = [s for s in path if not self.mark[s]]
        if not path:
            return None
        columns, tops, bottoms = (values[path] for values in self.places())
        sure = forms.without_case(self.chances[path]).max(axis=1)
        return measure(forms, chances[path].argmax(axis=1), sure, columns, tops, bottoms)


def candidates(components: Components, line: TextLine, pieces: list[Piece], known: Array) -> Candidates:
    """The candidates of a line, still to be judged.

    known (P,): nats of each piece on its own where these are known, else -inf. A segment that costs more than its
    pieces do apart is left out.
    """
    runs = segments(pieces, line, known)
    parts = [pieces[run.first : run.last] for run in runs]
    members = [[n for piece in part for n in piece.members] for part in parts]
    boxes = np.array([components.union(each) for each in members]).reshape(-1, 4)
    spans = [(min(piece.left for piece in part), max(piece.right for piece in part)) for part in parts]
    upright = np.array(spans).reshape(-1, 2)
    widths, heights = upright[:, 1] - upright[:, 0], boxes[:, BOTTOM] - boxes[:, TOP]
    dot = np.array([any(piece.dotted for piece in part) for part in parts], bool)
    slim = np.minimum(widths, boxes[:, RIGHT] - boxes[:, LEFT])  # the slant is that of the page, not of each letter
    return Candidates(
        line, pieces, runs, members, boxes, upright,
        dotted=dot & (widths <= STEM * line.height),
        mark=np.array([part[0].mark for part in parts], bool),
        bar=(heights > BAR_HIGH * components.stroke)
        & (slim <= np.maximum(BAR_WIDE * components.stroke, BAR_SLIM * heights)),
        chances=np.empty(0), nothing=np.empty(0),
    )  # fmt: skip


def judged(lines: list[Candidates], judge: Judge) -> list[Candidates]:
    """Ask about all segments of a page at once; marks on their own are not asked about."""
    chances, nothing = judge([m for line in lines for m, mark in zip(line.members, line.mark, strict=True) if not mark])
    at = 0
    for line in lines:
        asked = np.flatnonzero(~line.mark)
        line.chances, line.nothing = np.zeros((len(line.mark), chances.shape[1]), np.float32), np.ones(len(line.mark))
        line.chances[asked], line.nothing[asked] = chances[at : at + len(asked)], nothing[at : at + len(asked)]
        at += len(asked)
    return lines
