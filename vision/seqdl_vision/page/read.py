"""Reading a page: its ink, its lines, the best way to divide them into characters, and what these spell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_lowercase, digits

import numpy as np

from seqdl_vision.letters import Letters
from seqdl_vision.page.candidates import Candidates, candidates
from seqdl_vision.page.components import LEFT, RIGHT, Array, Components, find_components
from seqdl_vision.page.compose import Found, composed, into_words, spelt
from seqdl_vision.page.forms import Forms
from seqdl_vision.page.ink import find_ink
from seqdl_vision.page.lines import TextLine, find_lines, one_line
from seqdl_vision.page.pieces import Piece, all_in_one, line_pieces
from seqdl_vision.page.prior import TextModel
from seqdl_vision.page.punctuation import sign
from seqdl_vision.page.result import Page
from seqdl_vision.page.slant import find_slant

Debug = Callable[[str, Array], None]
PAGE, BLOCK, LINE, WORD, CHARACTER = 3, 6, 7, 8, 10


@dataclass(frozen=True)
class ReadOptions:
    """How to read a page.

    psm: what the picture holds, in Tesseract's numbers: 3 a page, 6 a block of text, 7 a line, 8 a word, 10 a single
    character. symbols: the characters that may be read, in either case. A character that is less sure than
    min_confidence (0 to 1) is written as `unknown`, its alternatives kept. lm: a model of text that weighs what the
    pictures leave open, such as seqdl.text.CharModel; words that it changes keep what they were before.
    """

    psm: int = PAGE
    min_confidence: float = 0.0
    unknown: str = "?"
    symbols: str = digits + ascii_lowercase
    lm: TextModel | None = None


def read_page(
    photo: Array, letters: Letters, options: ReadOptions | None = None, *, debug: Debug | None = None
) -> Page:
    """Read an upright photo (H, W) or (H, W, 3) uint8 of dark handwriting on light paper.

    debug: called with a name and a picture after each step. A page without ink has no lines, and its notes say so.
    """
    options = options or ReadOptions()
    ink = find_ink(photo, debug=debug)
    forms = Forms(letters.labels, options.symbols)
    components = find_components(ink.mask, ink.stroke)
    laid_out = lay_out(components, options.psm)
    found = candidates(components, ink.grey, laid_out, letters, forms)
    paths = [best_characters(line, forms, components.stroke) for line in found]
    if debug is not None:
        debug("9-lines", coloured(components, [line.members for line, _ in laid_out]))
        debug("10-pieces", coloured(components, [p.members for _, pieces in laid_out for p in pieces]))
        debug(
            "11-characters",
            coloured(components, [m for line, (path, _) in zip(found, paths, strict=True) for m in line.chosen(path)]),
        )
    words = into_words([characters for _, characters in paths], whole=options.psm in (WORD, CHARACTER))
    read = iter(spelt([word for line in words for word in line], forms, options.lm))
    counts = [len(line) for line in words]
    lines = composed(read, counts, forms, ink.to_photo, options.min_confidence, options.unknown)
    return Page(lines, photo.shape[1], photo.shape[0], ink.notes)


def lay_out(components: Components, psm: int) -> list[tuple[TextLine, list[Piece]]]:
    """The lines of a page, and the pieces each is made of."""
    lines = find_lines(components) if psm in (PAGE, BLOCK) else one_line(components)
    slant = find_slant(components, lines)
    cut = np.full(len(components), psm != CHARACTER)
    laid_out = [(line, line_pieces(components, line, slant, cut)) for line in lines]
    return [(line, all_in_one(pieces)) for line, pieces in laid_out] if psm == CHARACTER else laid_out


def best_characters(line: Candidates, forms: Forms, stroke: float) -> tuple[list[int], list[Found]]:
    """A line's best path: found once by the shapes alone, and again with the heights of letters that this gives."""
    chances = line.with_geometry(forms, None)
    path = line.path(forms, chances)
    metrics = line.metrics(forms, chances, path)
    if metrics is not None:
        chances = line.with_geometry(forms, metrics)
        path = line.path(forms, chances)
    found = []
    for s in path:
        box, (left, right) = line.boxes[s], (edge / line.line.height for edge in line.span(s))
        each = Found(box, left, right, chances[s], float(line.nothing[s]))
        if line.mark[s]:
            base = line.line.zone(float(box[LEFT] + box[RIGHT]) / 2)[1] + (metrics.rise if metrics else 0)
            each.sign = sign(box, line.line, base, stroke)
        if each.sign or not line.mark[s]:
            found.append(each)
    return path, found


def coloured(components: Components, groups: list[list[int]]) -> Array:
    """(H, W, 3) uint8: each group of components in a colour of its own on white, what is in none in light grey."""
    colours = np.full((len(components) + 1, 3), 200, np.uint8)
    colours[0] = 255
    for number, members in enumerate(groups):
        colours[np.array(members) + 1] = PALETTE[number % len(PALETTE)]
    return colours[components.labels]


PALETTE = ((200, 30, 30), (20, 120, 20), (30, 60, 200), (170, 30, 170), (0, 140, 150), (190, 110, 0))
