"""A model of text as a prior over words: of the spellings that the pictures allow, the one that reads best.

The likeliest spellings of each word, by the pictures alone, are scored by the model after the word before, all of a
page in one text. Their nats count with a weight, as a model of other texts knows less of these words than of its own.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from seqdl_vision.page.components import Array

WEIGHT = 0.5  # of the model's nats beside those of the pictures
SPELLINGS = 16  # of a word that are compared
UNLIKELY = 0.01  # a character less probable than this is not tried


class TextModel(Protocol):
    """What knows text: score(text).nats (N - 1,) is the surprisal of each symbol after the first, in nats."""

    def score(self, text: str) -> Any: ...


def likely_spellings(chances: Array, first: Array) -> list[tuple[Array, float]]:
    """Up to SPELLINGS (picks (N,), nats) of a word, the likeliest first; `first` (N,), its reading, among them.

    chances (N, F): of each form at each place, 0 for what may not stand there.
    """
    beam: list[tuple[tuple[int, ...], float]] = [((), 0.0)]
    for place, own in zip(chances, first, strict=True):
        likely = [int(k) for k in np.argsort(-place, kind="stable")[:SPELLINGS] if place[k] > UNLIKELY or k == own]
        grown = [((*picks, k), nats - float(np.log(max(place[k], 1e-9)))) for picks, nats in beam for k in likely]
        beam = sorted(grown, key=lambda each: each[1])[:SPELLINGS]
    found = [(np.array(picks, np.int64), nats) for picks, nats in beam]
    if not any(np.array_equal(picks, first) for picks, _ in found):
        found.append((first, -float(np.log(np.maximum(chances[np.arange(len(first)), first], 1e-9)).sum())))
    return found


def best_spellings(texts: list[str], choices: list[list[tuple[str, float]]], model: TextModel) -> list[int]:
    """For each word of a page the index of the best of its choices (text, nats of the pictures).

    texts: the words as they were read. Case is left out: a model of text knows few words in capitals.
    """
    pieces, spans, at = ["\n"], [], 1
    for number, word in enumerate(choices):
        before = texts[number - 1].lower() + " " if number else ""
        for text, _ in word if len(word) > 1 else ():
            pieces.append(f"{before}{text.lower()} \n")
            spans.append((at + len(before), at + len(pieces[-1]) - 1))
            at += len(pieces[-1])
    nats = np.append(0.0, model.score("".join(pieces)).nats) if spans else np.zeros(1)
    scores = iter([float(nats[start:end].sum()) for start, end in spans])
    return [
        int(np.argmin([own + WEIGHT * next(scores) for _, own in word])) if len(word) > 1 else 0 for word in choices
    ]
