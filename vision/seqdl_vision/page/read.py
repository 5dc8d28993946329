"""Reading a page: its ink, its lines, the best way to divide them into characters, and what these spell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_lowercase, digits

import numpy as np

from seqdl_vision.letters import Letters
from seqdl_vision.page.candidates import Candidates, candidates
from seqdl_vision.page.components import LEFT, RIGHT, Array, Components, find_components
from seqdl_vision.page.forms import Forms
from seqdl_vision.page.ink import Ink, find_ink
from seqdl_vision.page.lines import find_lines, one_line
from seqdl_vision.page.pieces import Piece, line_pieces
from seqdl_vision.page.punctuation import sign
from seqdl_vision.page.result import Box, Character, Line, Page, Word
from seqdl_vision.page.slant import find_slant
from seqdl_vision.page.spelling import spell
from seqdl_vision.page.words import word_gap

Debug = Callable[[str, Array], None]
SHOWN = 5  # alternatives of a character
SIGN = 0.8  # how sure punctuation is, told by its shape alone


@dataclass(frozen=True)
class ReadOptions:
    """How to read a page.

    psm: what the picture holds, in Tesseract's numbers: 3 a page, 6 a block of text, 7 a line, 8 a word, 10 a single
    character. symbols: the characters that may be read, in either case. A character that is less sure than
    min_confidence (0 to 1) is written as `unknown`, its alternatives kept.
    """

    psm: int = 3
    min_confidence: float = 0.0
    unknown: str = "?"
    symbols: str = digits + ascii_lowercase


@dataclass
class _Item:
    """A character on its way: its box on the ink picture, columns without slant, chances (F,) or its sign."""

    box: Array
    left: float
    right: float
    chances: Array
    nothing: float
    sign: str | None = None


def read_page(photo: Array, letters: Letters, options: ReadOptions | None = None, *, debug: Debug | None = None) -> Page:
    """Read an upright photo (H, W) or (H, W, 3) uint8 of dark handwriting on light paper.

    debug: called with a name and a picture after each step. A page without ink has no lines, and its notes say so.
    """
    options = options or ReadOptions()
    return read_ink(find_ink(photo, debug=debug), letters, options, (photo.shape[0], photo.shape[1]))


def read_ink(ink: Ink, letters: Letters, options: ReadOptions, size: tuple[int, int], trace=None) -> Page:
    """Read the ink of a photo of `size` (height, width)."""
    forms = Forms(letters.labels, options.symbols)
    components = find_components(ink.mask, ink.stroke)
    lines = find_lines(components) if options.psm in (3, 6) else one_line(components)
    slant = find_slant(components, lines)
    cut = np.full(len(components), options.psm != 10)
    laid_out = [(line, line_pieces(components, line, slant, cut)) for line in lines]
    if options.psm == 10:
        laid_out = [(line, [_all_in_one(pieces)]) for line, pieces in laid_out]
    found = candidates(components, ink.grey, laid_out, letters, forms)
    items = [_items(line, forms, components, trace) for line in found]
    words = _words(found, items, whole=options.psm in (8, 10))
    spelt = iter(spell(forms, [np.stack([i.chances for i in word if not i.sign] or [np.ones(len(forms))]) for line in words for word in line]))
    read = [Line(tuple(_word(word, next(spelt)[1], forms, ink, options) for word in line)) for line in words if line]
    return Page(tuple(read), size[1], size[0], ink.notes)


def _all_in_one(pieces: list[Piece]) -> Piece:
    first, *others = pieces
    first.mark = False
    for other in others:
        first.absorb(other)
    return first


def _items(line: Candidates, forms: Forms, components: Components, trace=None) -> list[_Item]:
    """The characters of a line's best path: found once by shape alone, and again with the heights that gives."""
    chances = line.with_geometry(forms, None)
    path = line.path(forms, chances)
    metrics = line.metrics(forms, chances, path)
    if metrics is not None:
        chances = line.with_geometry(forms, metrics)
        path = line.path(forms, chances)
    if trace is not None:
        trace.append((line, chances, path, metrics))
    items = []
    for s in path:
        box, (left, right) = line.boxes[s], line.span(s)
        item = _Item(box, left, right, chances[s], float(line.nothing[s]))
        if line.mark[s]:
            base = line.line.zone(float(box[LEFT] + box[RIGHT]) / 2)[1] + (metrics.rise if metrics else 0)
            item.sign = sign(box, line.line, base, components.stroke)
            if item.sign is None:
                continue
        items.append(item)
    return items


def _words(found: list[Candidates], lines: list[list[_Item]], whole: bool) -> list[list[list[_Item]]]:
    """Lines of words of items. whole: each line is one word."""
    gaps = [_gaps([i for i in items if not i.sign]) / c.line.height for c, items in zip(found, lines, strict=True)]
    limit = np.inf if whole else word_gap(np.concatenate([*gaps, np.empty(0)]))
    out = []
    for candidates_, items in zip(found, lines, strict=True):
        words: list[list[_Item]] = []
        right = -np.inf
        for item in items:
            apart = (item.left - right) / candidates_.line.height > limit
            if not words or (apart and not item.sign):
                words.append([])
            words[-1].append(item)
            right = right if item.sign else item.right
        out.append([word for word in words if any(not item.sign for item in word)])
    return out


def _gaps(items: list[_Item]) -> Array:
    return np.array([b.left - a.right for a, b in zip(items, items[1:], strict=False)])


def _word(items: list[_Item], picks: Array, forms: Forms, ink: Ink, options: ReadOptions) -> Word:
    spelt = iter(picks)
    return Word(tuple(_character(item, None if item.sign else int(next(spelt)), forms, ink, options) for item in items))


def _character(item: _Item, pick: int | None, forms: Forms, ink: Ink, options: ReadOptions) -> Character:
    box = ink.to_photo(Box(*item.box.tolist()))
    if pick is None:
        return Character(str(item.sign), box, SIGN, ((str(item.sign), SIGN),))
    share = forms.without_case(item.chances[None])[0]
    share = share / (share.sum() + item.nothing)
    order = np.argsort(-share, kind="stable")[:SHOWN]
    order = [forms.folded[pick], *(k for k in order if k != forms.folded[pick])][:SHOWN]
    upper = bool(forms.upper[pick])
    alternatives = tuple((_cased(forms.characters[k], upper), float(share[k])) for k in order if share[k] > 0)
    confidence = float(share[forms.folded[pick]])
    text = forms.characters[pick] if confidence >= options.min_confidence else options.unknown
    return Character(text, box, confidence, alternatives)


def _cased(character: str, upper: bool) -> str:
    return character.upper() if upper else character
