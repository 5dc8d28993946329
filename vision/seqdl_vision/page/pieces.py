"""Pieces: the smallest parts a line is made of, in reading order. A character is a run of pieces.

A piece is a component, or what lies between two cuts of one, with the marks that sit over or at it: the dots of i and
j, bars and strokes that do not touch their letter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqdl_vision.page.components import BOTTOM, LEFT, RIGHT, TOP, Array, Components
from seqdl_vision.page.cuts import cut_component
from seqdl_vision.page.lines import SMALL, TextLine
from seqdl_vision.page.slant import upright_spans

WIDE = 0.6  # letter heights: what is narrower is not cut
OVER = 0.6  # of the narrower span: components that share so many columns belong together
NEAR = 0.5  # letter heights that a dot may be aside of its letter
TINY = 0.25  # letter heights: a letter is not lower
ABOVE = 0.35  # of a line's zone: a dot ends above this
LARGE_DOT = 0.65  # letter heights
DOT_SIZE = 0.5  # letter heights at most
UPPER = 0.35  # of a letter: a dot beside this part of it may be its own
TORN = 0.3  # letter heights between a letter and a part of it that does not touch it


@dataclass
class Piece:
    """A part of a line.

    members: component numbers. left, right: its columns with the slant undone; box_left, box_right: as they are.
    crossed: strokes of ink between this piece and the one before, of which it was cut off; None if it was not. mark: a
    dot, comma or hyphen on its own. dotted: a dot stands over it.
    """

    members: list[int]
    left: float
    right: float
    box_left: float
    box_right: float
    crossed: float | None = None
    mark: bool = False
    dotted: bool = False

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2

    def absorb(self, other: Piece) -> None:
        self.members += other.members
        self.left, self.right = min(self.left, other.left), max(self.right, other.right)
        self.box_left, self.box_right = min(self.box_left, other.box_left), max(self.box_right, other.box_right)


def line_pieces(components: Components, line: TextLine, slant: float, cut: Array) -> list[Piece]:
    """The pieces of a line from left to right; `cut` (N,) bool says which components may be cut."""
    marks = [n for n in line.members if _is_mark(components, n, line)]
    letters = [n for n in line.members if n not in marks]
    pieces = _joined(_single(components, letters, line, slant))
    pieces = [part for piece in pieces for part in _cut(components, piece, line, slant, cut)]
    for mark in _single(components, marks, line, slant):
        mark.mark = True
        home = _home(components, mark, pieces, line)
        if home is None:
            pieces.append(mark)
        else:
            home.dotted |= _is_dot(components, mark, home, line)
            home.absorb(mark)
    return sorted(pieces, key=lambda piece: piece.middle)


def _is_mark(components: Components, n: int, line: TextLine) -> bool:
    """Whether a component is too small for a letter: a dot, a dash, or anything small above where letters stand."""
    left, top, right, bottom = components.boxes[n]
    width, height = (right - left) / line.height, (bottom - top) / line.height
    zone_top, base = line.zone((left + right) / 2)
    above = bottom < zone_top + ABOVE * (base - zone_top)
    flat = width > 1.5 * height and bottom - top < 2.2 * components.stroke
    return bool(height < TINY or (height < SMALL and flat) or (above and max(width, height) < LARGE_DOT))


def _single(components: Components, members: list[int], line: TextLine, slant: float) -> list[Piece]:
    """A piece for each component."""
    spans = np.concatenate(
        [upright_spans(components, line, slant, members), components.boxes[members][:, [LEFT, RIGHT]]], axis=1
    )
    return [Piece([n], *span) for n, span in zip(members, spans.tolist(), strict=True)]


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
    zone = line.zone(float(components.centres[main, 0]))
    numbers, crossed = cut_component(components, main, zone, line.height, slant)
    parts = _single(components, numbers, line, slant)
    for part, cost in zip(parts[1:], crossed, strict=True):
        part.crossed = cost
    for other in _single(components, [n for n in piece.members if n != main], line, slant):
        min(parts, key=lambda part: abs(part.middle - other.middle)).absorb(other)
    return parts


def _is_dot(components: Components, mark: Piece, home: Piece, line: TextLine) -> bool:
    """Whether a mark is a dot over its letter, and not a bar or a torn stroke."""
    box, letter = components.boxes[mark.members[0]], components.union(home.members)
    small = max(box[RIGHT] - box[LEFT], box[BOTTOM] - box[TOP]) <= DOT_SIZE * line.height
    return bool(small and box[BOTTOM] <= letter[TOP] + 0.1 * line.height)


def _home(components: Components, mark: Piece, pieces: list[Piece], line: TextLine) -> Piece | None:
    """The piece that a mark is a part of, or None for a sign of its own."""
    _, top, _, bottom = components.boxes[mark.members[0]]
    best, least = None, np.inf
    for piece in pieces:
        box = components.union(piece.members)
        aside = max(piece.left - mark.middle, mark.middle - piece.right, 0) / line.height
        above, below = (box[TOP] - bottom) / line.height, (top - box[BOTTOM]) / line.height
        if above >= 0 or (top + bottom) / 2 < box[TOP] + UPPER * (box[BOTTOM] - box[TOP]):
            fits = aside <= (NEAR if above >= 0 else NEAR / 2) and above <= 1
            off = abs(mark.middle - piece.middle) + 0.5 * (piece.right - piece.left)  # dots are over narrow letters
            distance = off / line.height + 0.3 * max(above, 0)
        else:
            fits = aside <= 0 and below <= TORN
            distance = aside + max(below, 0)
        if fits and distance < least:
            best, least = piece, distance
    return best


def merged(pieces: list[Piece]) -> Piece:
    """All pieces as one, which is a character."""
    first, *others = pieces
    for other in others:
        first.absorb(other)
    first.mark = False
    return first
