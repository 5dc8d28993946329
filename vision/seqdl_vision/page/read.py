"""Reading a page: its ink, its lines, the best way to divide them into characters, and what these spell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_lowercase, digits

import numpy as np

from seqdl_vision.letters import Letters
from seqdl_vision.page.candidates import Candidates
from seqdl_vision.page.components import LEFT, RIGHT, Array, find_components
from seqdl_vision.page.compose import Found, composed, into_words, spelt
from seqdl_vision.page.forms import Forms
from seqdl_vision.page.ink import find_ink
from seqdl_vision.page.judge import Judge
from seqdl_vision.page.layout import CHARACTER, PAGE, WORD, all_in_one, lay_out
from seqdl_vision.page.prior import TextModel
from seqdl_vision.page.punctuation import sign
from seqdl_vision.page.result import Page
from seqdl_vision.page.steps import show_reading

Debug = Callable[[str, Array], None]
Tick = Callable[[], None]


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
    photo: Array,
    letters: Letters,
    options: ReadOptions | None = None,
    *,
    debug: Debug | None = None,
    tick: Tick = lambda: None,
) -> Page:
    """Read an upright photo (H, W) or (H, W, 3) uint8 of dark handwriting on light paper.

    debug: called with a name and a picture after each step. tick: called every now and then; what it raises ends the
    reading. A page without ink has no lines, and its notes say so.
    """
    options = options or ReadOptions()
    ink = find_ink(photo, debug=debug, tick=tick)
    if not ink.mask.any():
        return Page((), photo.shape[1], photo.shape[0], ink.notes)
    forms = Forms(letters.labels, options.symbols)
    components = find_components(ink.mask, ink.stroke)
    judge = Judge(components, ink.grey, letters, forms, tick)
    found = all_in_one(components, judge) if options.psm == CHARACTER else lay_out(components, judge, options.psm)
    paths = [best_characters(line, forms, components.stroke) for line in found]
    if debug is not None:
        show_reading(debug, components, found, [path for path, _ in paths])
    words = into_words([characters for _, characters in paths], whole=options.psm in (WORD, CHARACTER))
    read = iter(spelt([word for line in words for word in line], forms, options.lm))
    counts = [len(line) for line in words]
    lines = composed(read, counts, forms, ink.to_photo, options.min_confidence, options.unknown)
    return Page(lines, photo.shape[1], photo.shape[0], ink.notes)


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
        box, span = line.boxes[s], line.spans[s] / line.line.height
        each = Found(box, float(span[0]), float(span[1]), chances[s], float(line.nothing[s]))
        if line.mark[s]:
            column = float(box[LEFT] + box[RIGHT]) / 2
            rise = metrics.baseline(np.array([column]))[0] if metrics else 0.0
            each.sign = sign(box, line.line, line.line.zone(column)[1] + rise, stroke)
        if each.sign or not line.mark[s]:
            found.append(each)
    return path, found
