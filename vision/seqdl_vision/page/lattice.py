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
JOIN = 0.6  # nats that joining two parts that do not touch costs, and for each letter height between them:
JOIN_GAP = 12.0
CUT = 0.2  # nats for each stroke that a cut crosses
FLOOR = 1e-6


@dataclass
class Segment:
    """Pieces first to last (not included) of a line, taken as one character."""

    first: int
    last: int
    cost: float


def segments(pieces: list[Piece], line: TextLine) -> list[Segment]:
    """All runs of pieces that may be a character, with what they cost by their geometry alone, in nats."""
    found = []
    for first in range(len(pieces)):
        cost, right = 0.0, pieces[first].right
        for last in range(first + 1, min(first + MOST, len(pieces)) + 1):
            piece = pieces[last - 1]
            if last - first > 1:
                if piece.crossed is None:
                    gap = (piece.left - right) / line.height
                    if gap > GAP or piece.mark or pieces[last - 2].mark:
                        break
                    cost += JOIN + JOIN_GAP * max(gap, 0)
                right = max(right, piece.right)
                if last - first > 1 and right - pieces[first].left > WIDEST * line.height:
                    break
            ends = cost
            if last < len(pieces) and pieces[last].crossed is not None:
                ends += CUT * pieces[last].crossed
            found.append(Segment(first, last, ends))
    return found


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
