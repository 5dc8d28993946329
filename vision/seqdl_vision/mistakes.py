"""The worst mistakes of a model, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from seqdl_vision.evaluation import Judged
from seqdl_vision.tiles import BAD, Line, Tile, grey, sheet

Array = np.ndarray
MISTAKES, ACROSS, SCALE = 60, 10, 3  # on the sheet, in a row of it, pixels to a pixel


class Mistake(NamedTuple):
    """picture (28, 28) uint8, what it is, what it was taken for, and the probability that was given to that."""

    picture: Array
    truth: str
    guess: str
    confidence: float


def worst_mistakes(judged: Sequence[Judged], most: int = MISTAKES) -> list[Mistake]:
    """The wrong answers that the model was surest of, the surest first."""
    found = []
    for each in judged:
        confidence = each.probabilities.max(axis=1)
        wrong = np.flatnonzero(~each.correct)
        for n in wrong[np.argsort(-confidence[wrong], kind="stable")[:most]].tolist():
            image = each.images[n]
            picture = image if image.dtype == np.uint8 else grey(image, 1.0)
            names = each.classes[each.truth[n]], each.labels[each.guess[n]]
            found.append(Mistake(picture, *names, float(confidence[n])))
    return sorted(found, key=lambda each: -each.confidence)[:most]


def mistakes_sheet(*judged: Judged, most: int = MISTAKES) -> Image.Image:
    """A picture of the worst mistakes: what each is, and below what it was taken for and how surely."""
    mistakes = worst_mistakes(judged, most)
    tiles = [
        Tile(m.picture, [Line(f"is {m.truth}"), Line(f"said {m.guess}  {m.confidence:.1%}", BAD)]) for m in mistakes
    ]
    total, count = sum(int((~each.correct).sum()) for each in judged), sum(len(each.truth) for each in judged)
    title = f"The {len(tiles)} surest of {total:,} mistakes in {count:,} pictures" if tiles else "No mistakes"
    return sheet(tiles, ACROSS, SCALE, title)
