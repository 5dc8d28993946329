"""From components to lines with all they may be divided into, judged by the model.

Components are judged whole first. What is surely a character is not cut, and what surely are two is not joined, so that
the model is asked about few more pictures than there are characters where these stand apart.
"""

from __future__ import annotations

import numpy as np

from seqdl_vision.page.candidates import Candidates, candidates, judged
from seqdl_vision.page.components import Array, Components
from seqdl_vision.page.judge import Judge, Key, nats
from seqdl_vision.page.lines import TextLine, find_lines, one_line
from seqdl_vision.page.pieces import line_pieces, merged
from seqdl_vision.page.slant import find_slant

PAGE, BLOCK, LINE, WORD, CHARACTER = 3, 6, 7, 8, 10  # Tesseract's page segmentation modes
DOUBT = -0.5  # nats: a component that is less sure to be a character may be cut


def lay_out(components: Components, judge: Judge, psm: int) -> list[Candidates]:
    """The lines of a page, or all as one line for psm 7 and 8; `components` is changed where letters touch."""
    lines = find_lines(components) if psm in (PAGE, BLOCK) else one_line(components)
    slant = find_slant(components, lines)
    sure, cut = _whole(components, judge, lines, slant)
    out = []
    for line in lines:
        pieces = line_pieces(components, line, slant, cut)
        known = np.array([sure.get(judge.key(piece.members), -np.inf) for piece in pieces])
        out.append(candidates(components, line, pieces, known))
    return judged(out, judge)


def _whole(components: Components, judge: Judge, lines: list[TextLine], slant: float) -> tuple[dict[Key, float], Array]:
    """Nats of each piece where no component is cut, and (N,) bool: the components that should be."""
    cut = np.zeros(len(components), bool)
    uncut = [line_pieces(components, line, slant, cut) for line in lines]
    # Pieces that are perfect apart are not joined: candidates with single pieces alone.
    alone = [candidates(components, line, p, np.zeros(len(p))) for line, p in zip(lines, uncut, strict=True)]
    sure: dict[Key, float] = {}
    for found in judged(alone, judge):
        scores = nats(judge.forms, found.with_geometry(judge.forms, None), found.nothing, found.widths)
        for members, score in zip(found.members, scores.tolist(), strict=True):
            sure[judge.key(members)] = score
            cut[members] = score < DOUBT
    return sure, cut


def all_in_one(components: Components, judge: Judge) -> list[Candidates]:
    """All ink as one character."""
    out = []
    for line in one_line(components):
        pieces = line_pieces(components, line, 0.0, np.zeros(len(components), bool))
        out.append(candidates(components, line, [merged(pieces)], np.zeros(1)))
    return judged(out, judge)
