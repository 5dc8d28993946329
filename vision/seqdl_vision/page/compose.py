"""From the characters found on a page to its lines of words: gaps, spelling, punctuation, confidences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seqdl_vision.page.components import Array
from seqdl_vision.page.forms import Forms
from seqdl_vision.page.prior import TextModel, best_spellings, likely_spellings
from seqdl_vision.page.result import Box, Character, Line, Word
from seqdl_vision.page.spelling import allowed, spell
from seqdl_vision.page.words import word_gaps

SHOWN = 5  # alternatives of a character
SIGN = 0.8  # how sure punctuation is, told by its place and shape alone
Place = Callable[[Box], Box]


@dataclass
class Found:
    """A character on a line: its box (4,) on the ink picture, its columns with the slant undone in letter heights,
    chances (F,) of forms and `nothing` that of no character; or the sign of punctuation that it is."""

    box: Array
    left: float
    right: float
    chances: Array
    nothing: float
    sign: str | None = None


@dataclass
class Spelt:
    """A word: what was found; of those that are no signs the forms (N,), now and before a prior changed them, and how
    probable each form is of each (N, F)."""

    found: list[Found]
    picks: Array
    shares: Array
    before: Array | None = None


def into_words(lines: list[list[Found]], whole: bool) -> list[list[list[Found]]]:
    """Lines of words; each line is one word if `whole`. Punctuation goes with what is before it."""
    letters = [[each for each in line if not each.sign] for line in lines]
    gaps = [np.array([b.left - a.right for a, b in pairwise(line)]) for line in letters]
    out = []
    for line, limit in zip(lines, [np.inf] * len(lines) if whole else word_gaps(gaps), strict=True):
        words: list[list[Found]] = []
        right = -np.inf
        for each in line:
            if not words or (not each.sign and each.left - right > limit and any(not e.sign for e in words[-1])):
                words.append([])
            words[-1].append(each)
            right = right if each.sign else each.right
        out.append([word for word in words if any(not each.sign for each in word)])
    return [line for line in out if line]


def spelt(words: list[list[Found]], forms: Forms, model: TextModel | None) -> list[Spelt]:
    """Each word of a page with the forms it is made of; a model of text weighs them if there is one."""
    chances = [np.stack([each.chances for each in word if not each.sign]) for word in words]
    nothing = [np.array([each.nothing for each in word if not each.sign]) for word in words]
    spellings = spell(forms, chances)
    out = [
        Spelt(word, each.picks, each.shares(forms, *shapes))
        for word, each, *shapes in zip(words, spellings, chances, nothing, strict=True)
    ]
    if model is None:
        return out
    choices = [
        likely_spellings(word.shares * allowed(forms, each.kind, len(each.picks)), each.picks)
        for word, each in zip(out, spellings, strict=True)
    ]
    texts = [[(_text(forms, picks), nats) for picks, nats in word] for word in choices]
    best = best_spellings([_text(forms, each.picks) for each in spellings], texts, model)
    for word, choice, k in zip(out, choices, best, strict=True):
        if not np.array_equal(choice[k][0], word.picks):
            word.picks, word.before = choice[k][0], word.picks
    return out


def _text(forms: Forms, picks: Array) -> str:
    return "".join(forms.characters[k] for k in picks)


def composed(
    words: Iterator[Spelt], counts: list[int], forms: Forms, place: Place, least: float, unknown: str
) -> tuple[Line, ...]:
    """The lines of counts[n] words each; characters less sure than `least` are written as `unknown`."""
    return tuple(Line(tuple(_word(next(words), forms, place, least, unknown) for _ in range(n))) for n in counts)


def _word(word: Spelt, forms: Forms, place: Place, least: float, unknown: str) -> Word:
    shares, picks = iter(word.shares), iter(word.picks)
    characters = []
    for each in word.found:
        box = place(Box(*each.box.tolist()))
        if each.sign:
            characters.append(Character(each.sign, box, SIGN, ((each.sign, SIGN),)))
        else:
            characters.append(_character(box, int(next(picks)), next(shares), forms, least, unknown))
    return Word(tuple(characters), None if word.before is None else _with_signs(word, forms, word.before))


def _with_signs(word: Spelt, forms: Forms, picks: Array) -> str:
    letters = iter(_text(forms, picks))
    return "".join(each.sign or next(letters) for each in word.found)


def _character(box: Box, pick: int, share: Array, forms: Forms, least: float, unknown: str) -> Character:
    own = forms.folded[pick]
    others = [k for k in np.argsort(-share, kind="stable") if forms.folded[k] == k != own and share[k] > 0]
    cased = str.upper if forms.upper[pick] else str
    alternatives = [(forms.characters[pick], float(share[pick]))]
    alternatives += [(cased(forms.characters[k]), float(share[k])) for k in others[: SHOWN - 1]]
    sure = float(share[pick]) >= least
    return Character(forms.characters[pick] if sure else unknown, box, float(share[pick]), tuple(alternatives))
