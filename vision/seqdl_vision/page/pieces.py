"""Pieces: the smallest parts a line is made of, in reading order. A character is a run of pieces.

A piece is a component, or what lies between two cuts of one, with the marks that sit over or at it: the dots of i and
j, bars and strokes that do not touch their letter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqdl_vision.page.components import BOTTOM, TOP, Array, Components
from seqdl_vision.page.cuts import cut_component
from seqdl_vision.page.lines import SMALL, TextLine
from seqdl_vision.page.slant import upright_spans

WIDE = 0.6  # letter heights: what is narrower is not cut
OVER = 0.6  # of the narrower span: components that share so many columns belong together
NEAR = 0.5  # letter heights that a dot may be aside of its letter
ABOVE = 0.35  # of a line's zone: a dot ends above this
LARGE_DOT = 0.65  # letter heights
TORN = 0.3  # letter heights between a letter and a part of it that does not touch it


@dataclass
class Piece:
    """members: component numbers. left, right: columns with the slant undone. crossed: strokes of ink between this
    piece and the one before, of which it was cut off; None if it was not. mark: a dot, comma or hyphen on its own."""

    members: list[int]
    left: float
    right: float
    crossed: float | None = None
    mark: bool = False

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2

    def absorb(self, other: Piece) -> None:
        self.members += other.members
        self.left, self.right = min(self.left, other.left), max(self.right, other.right)


def line_pieces(components: Components, line: TextLine, slant: float, cut: Array) -> list[Piece]:
    """The pieces of a line from left to right; `cut` (N,) bool says which components may be cut."""
    marks = [n for n in line.members if _is_mark(components, n, line)]
    letters = [n for n in line.members if n not in marks]
    pieces = [Piece([n], *span) for n, span in zip(letters, _spans(components, letters, line, slant), strict=True)]
    pieces = _joined(pieces)
    pieces = [part for piece in pieces for part in _cut(components, piece, line, slant, cut)]
    alone = [Piece([n], *span, mark=True) for n, span in zip(marks, _spans(components, marks, line, slant), strict=True)]
    for mark in alone:
        home = _home(components, mark, pieces, line)
        if home is None:
            pieces.append(mark)
        else:
            home.absorb(mark)
    return sorted(pieces, key=lambda piece: piece.middle)


def _is_mark(components: Components, n: int, line: TextLine) -> bool:
    """Whether a component is too small for a letter, or small and above where letters stand."""
    left, top, right, bottom = components.boxes[n]
    zone_top, base = line.zone((left + right) / 2)
    above = bottom < zone_top + ABOVE * (base - zone_top)
    return bottom - top < SMALL * line.height or (above and max(right - left, bottom - top) < LARGE_DOT * line.height)


def _spans(components: Components, members: list[int], line: TextLine, slant: float) -> Array:
    return upright_spans(components, line, slant, members)


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Letters drawn in parts that stand over each other made one."""
    out: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: piece.middle):
        for other in out[-3:]:
            shared = min(piece.right, other.right) - max(piece.left, other.left)
            if shared >= OVER * min(piece.right - piece.left, other.right - other.left):
                other.absorb(piece)
                break
        else:
            out.append(piece)
    return out


def _cut(components: Components, piece: Piece, line: TextLine, slant: float, cut: Array) -> list[Piece]:
    """A piece cut wherever its widest component may be; the parts of the others go with the nearest."""
    widths = components.widths[piece.members]
    main = piece.members[int(widths.argmax())]
    if main >= len(cut) or not cut[main] or piece.right - piece.left < WIDE * line.height:
        return [piece]
    numbers, crossed = cut_component(components, main, line, slant)
    spans = _spans(components, numbers, line, slant)
    parts = [Piece([n], *span, cost) for n, span, cost in zip(numbers, spans, [None, *crossed], strict=True)]
    for n in piece.members:
        if n != main:
            other = Piece([n], *_spans(components, [n], line, slant)[0])
            min(parts, key=lambda part: abs(part.middle - other.middle)).absorb(other)
    return parts


def _home(components: Components, mark: Piece, pieces: list[Piece], line: TextLine) -> Piece | None:
    """The piece that a mark is a part of, or None for a sign of its own."""
    _, top, _, bottom = components.boxes[mark.members[0]]
    best, least = None, np.inf
    for piece in pieces:
        box = components.union(piece.members)
        aside = max(piece.left - mark.middle, mark.middle - piece.right, 0) / line.height
        above, below = (box[TOP] - bottom) / line.height, (top - box[BOTTOM]) / line.height
        if above >= 0 or (top + bottom) / 2 < box[TOP]:
            fits = aside <= NEAR and above <= 1
            distance = aside + 0.3 * max(above, 0)
        else:
            fits = aside <= 0 and below <= TORN
            distance = aside + max(below, 0)
        if fits and distance < least:
            best, least = piece, distance
    return best
