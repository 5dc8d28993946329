"""All that a line may be divided into, and how probable each part is as each character."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqdl_data.glyphs import fit_all
from seqdl_vision.letters import Letters
from seqdl_vision.page.components import BOTTOM, LEFT, RIGHT, TOP, Array, Components
from seqdl_vision.page.crops import Cropper
from seqdl_vision.page.forms import DOTTED, Forms
from seqdl_vision.page.lattice import Segment, best_path, segments
from seqdl_vision.page.lines import TextLine
from seqdl_vision.page.metrics import Metrics, measure
from seqdl_vision.page.pieces import Piece

# What a segment counts for. Found by search on lines put together from the letters of UNIPEN writers.
MARK = -2.0  # nats of a mark on its own
RELATIVE = 0.65  # how far a character is judged beside the other characters, not by how well it stands in the line
NOTHING = 4.0  # nats for what is surely no character, beside its small chance to be one
ORDINARY = 1.5  # letter heights: the doubts of a wider segment count more
FLOOR = 1e-5
DOT_OVER_OTHERS = 0.15  # how often a dot over a letter belongs to none of i and j
NO_DOT = 0.5  # how often i and j are left without
BAR_LONG, BAR_WIDE, BAR_SLIM = (
    2.5,
    2.2,
    0.22,
)  # strokes high at least; strokes wide at most, or that share of the height
STEM = 0.6  # letter heights that what is under a dot is wide at most


@dataclass
class Candidates:
    """Of one line: its pieces, the segments (S) they may be joined to, boxes (S, 4) of those on the page.

    dotted, mark, bar (S,) bool: with a dot over it; a mark on its own; no more than an upright stroke.

    chances (S, F): probabilities of forms by the model alone, and nothing (S,) that of no character.
    """

    line: TextLine
    pieces: list[Piece]
    segments: list[Segment]
    boxes: Array
    dotted: Array
    mark: Array
    bar: Array
    chances: Array
    nothing: Array

    def chosen(self, path: list[int]) -> list[list[int]]:
        """The components of each segment of a path."""
        runs = [self.segments[s] for s in path]
        return [[n for piece in self.pieces[run.first : run.last] for n in piece.members] for run in runs]

    def span(self, s: int) -> tuple[float, float]:
        """First and last column of a segment with the slant undone."""
        pieces = self.pieces[self.segments[s].first : self.segments[s].last]
        return min(piece.left for piece in pieces), max(piece.right for piece in pieces)

    def rows(self) -> tuple[Array, Array]:
        """(S,) tops and bottoms in rows from the line's base."""
        base = self.line.base + self.line.slope * (self.boxes[:, LEFT] + self.boxes[:, RIGHT]) / 2
        return self.boxes[:, TOP] - base, self.boxes[:, BOTTOM] - base

    def with_geometry(self, forms: Forms, metrics: Metrics | None) -> Array:
        """(S, F) chances that take into account dots, and where in the line each segment stands."""
        ij = np.array([c in DOTTED for c in forms.characters], bool)
        dots = np.where(
            ij, np.where(self.dotted, 1.0, NO_DOT)[:, None], np.where(self.dotted, DOT_OVER_OTHERS, 1.0)[:, None]
        )
        chances = np.where(self.bar[:, None], forms.as_bars(self.chances), self.chances) * dots
        if metrics is not None:
            chances = chances * np.exp(metrics.evidence(forms, *self.rows(), self.dotted))
        return chances

    def path(self, forms: Forms, chances: Array) -> list[int]:
        """The segments that divide the line best, by chances (S, F)."""
        folded = forms.without_case(chances)  # a letter and a digit of one shape are told apart later, by the word
        best = sum(folded[:, kind].max(axis=1, initial=0) for kind in (forms.digit, ~forms.digit))
        total = chances.sum(axis=1) + self.nothing
        nats = np.log(np.maximum(best, FLOOR)) - RELATIVE * np.log(np.maximum(total, FLOOR))
        widths = np.array([np.subtract(*self.span(s)[::-1]) for s in range(len(self.segments))]) / self.line.height
        scores = nats * np.maximum(1, widths / ORDINARY) ** 2 - NOTHING * self.nothing
        return best_path(len(self.pieces), self.segments, np.where(self.mark, MARK, scores))

    def metrics(self, forms: Forms, chances: Array, path: list[int]) -> Metrics | None:
        """How high letters stand, by those on a path that are sure."""
        path = [s for s in path if not self.mark[s]]
        if not path:
            return None
        tops, bottoms = (rows[path] for rows in self.rows())
        sure = forms.without_case(self.chances[path]).max(axis=1)
        return measure(forms, chances[path].argmax(axis=1), sure, tops, bottoms)


def candidates(
    components: Components, grey: Array, laid_out: list[tuple[TextLine, list[Piece]]], letters: Letters, forms: Forms
) -> list[Candidates]:
    """The candidates of each line, all judged by the model in one batch."""
    crop = Cropper(components, grey)
    out, inks = [], []
    for line, pieces in laid_out:
        runs = segments(pieces, line)
        members = [[n for piece in pieces[run.first : run.last] for n in piece.members] for run in runs]
        mark = np.array([pieces[run.first].mark for run in runs], bool)
        boxes = np.array([components.union(m) for m in members]).reshape(-1, 4)
        dotted = np.array([_dotted(pieces[run.first : run.last], line) for run in runs], bool)
        inks += [crop(m) for m in members]
        bar = np.array(
            [_bar(pieces[run.first : run.last], box, components.stroke) for run, box in zip(runs, boxes, strict=True)],
            bool,
        )
        out.append(Candidates(line, pieces, runs, boxes, dotted, mark, bar, np.empty(0), np.empty(0)))
    probabilities = letters.probabilities(fit_all(inks))
    at = 0
    for each in out:
        mine = probabilities[at : at + len(each.segments)]
        each.chances, each.nothing = forms.chances(mine), mine[:, forms.nothing].sum(axis=1)
        at += len(mine)
    return out


def _dotted(pieces: list[Piece], line: TextLine) -> bool:
    """Whether these pieces are a narrow letter with a dot over it."""
    width = max(piece.right for piece in pieces) - min(piece.left for piece in pieces)
    return width <= STEM * line.height and any(piece.dotted for piece in pieces)


def _bar(pieces: list[Piece], box: Array, stroke: float) -> bool:
    """Whether these pieces are one upright stroke."""
    width = max(piece.right for piece in pieces) - min(piece.left for piece in pieces)
    height = float(box[BOTTOM] - box[TOP])
    return height > BAR_LONG * stroke and width <= max(BAR_WIDE * stroke, BAR_SLIM * height)
