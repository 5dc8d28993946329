"""The best way to divide a line into characters: every run of pieces is judged, and the best path of runs is taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seqdl_vision.page.components import Array
from seqdl_vision.page.lines import TextLine
from seqdl_vision.page.pieces import Piece

MOST = 6  # pieces of a character at most
WIDEST = 2.0  # letter heights that a character is wide at most
GAP = 0.4  # letter heights between the parts of a character at most
JOIN = 1.5  # nats that joining two parts that do not touch costs, and for each letter height between them:
JOIN_GAP = 9.0
JOIN_OVER = 0.6  # where their boxes share columns
CUT = 0.5  # nats that a cut costs, and for each stroke that it crosses:
CUT_STROKE = 1.0


@dataclass
class Segment:
    """Pieces first to last (not included) of a line, taken as one character."""

    first: int
    last: int
    cost: float


def segments(pieces: list[Piece], line: TextLine, known: Array) -> list[Segment]:
    """All runs of pieces that may be a character, with what they cost by their geometry alone, in nats.

    known (P,): nats of each piece on its own, at most 0, or -inf where that is not known. Runs that cost more than
    their pieces do apart are left out: no best path goes through them.
    """
    found = []
    for first in range(len(pieces)):
        cost, right = 0.0, pieces[first].right
        for last in range(first + 1, min(first + MOST, len(pieces)) + 1):
            piece, before = pieces[last - 1], pieces[last - 2]
            if last - first > 1:
                joint = _joint(before, piece, right, line)
                right = max(right, piece.right)
                if joint is None or right - pieces[first].left > WIDEST * line.height:
                    break
                cost += joint
            if last - first == 1 or cost < -known[first:last].sum():
                found.append(Segment(first, last, cost + _cut(pieces, last)))
    return found


def _cut(pieces: list[Piece], place: int) -> float:
    """Nats for ending a character before pieces[place]."""
    crossed = pieces[place].crossed if place < len(pieces) else None
    return 0.0 if crossed is None else CUT + CUT_STROKE * crossed


def _joint(before: Piece, piece: Piece, right: float, line: TextLine) -> float | None:
    """Nats for taking a piece with those before it, which end at column `right`; None where that cannot be."""
    if piece.crossed is not None:
        return 0.0
    gap = min(piece.left - right, piece.box_left - before.box_right) / line.height
    if gap > GAP or piece.mark or before.mark:
        return None
    return (JOIN_OVER if piece.box_left < before.box_right else JOIN) + JOIN_GAP * max(gap, 0)


def best_path(count: int, segments: list[Segment], scores: Array) -> list[int]:
    """Indices of the segments that divide pieces 0 to count at the least cost; scores (S,): nats of each, to add."""
    least = np.full(count + 1, np.inf)
    least[0] = 0
    came = np.full(count + 1, -1)
    order = sorted(range(len(segments)), key=lambda s: segments[s].first)
    for s in order:
        segment = segments[s]
        total = least[segment.first] + segment.cost - scores[s]
        if total < least[segment.last]:
            least[segment.last], came[segment.last] = total, s
    path, at = [], count
    while at > 0:
        path.append(int(came[at]))
        at = segments[path[-1]].first
    return path[::-1]
