"""What reading a page gives: lines of words of characters, each with its place and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from seqdl_data.errors import SeqdlError


@dataclass(frozen=True)
class Box:
    """Pixels of the upright photo: columns left to right, rows top to bottom, 0-based and half-open."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @classmethod
    def around(cls, boxes: Sequence[Self]) -> Self:
        """The smallest box that holds all of them; there must be one at least."""
        lefts, tops, rights, bottoms = zip(*((b.left, b.top, b.right, b.bottom) for b in boxes), strict=True)
        return cls(min(lefts), min(tops), max(rights), max(bottoms))


@dataclass(frozen=True)
class Character:
    """A character as read: `text` is the best of its alternatives, or the sign for "not sure".

    alternatives: (character, probability), the most probable first; the probabilities are calibrated and, with what
    is left out, sum to 1. confidence is the probability of the reading.
    """

    text: str
    box: Box
    confidence: float
    alternatives: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Word:
    """Characters without a gap; there is one at least.

    before: the text that a prior (--lm) has changed, as the pictures alone would have it; None where it did not.
    """

    characters: tuple[Character, ...]
    before: str | None = None

    @property
    def text(self) -> str:
        return "".join(character.text for character in self.characters)

    @property
    def box(self) -> Box:
        return Box.around([character.box for character in self.characters])

    @property
    def confidence(self) -> float:
        """That of its least sure character."""
        return min(character.confidence for character in self.characters)


@dataclass(frozen=True)
class Line:
    """Words on one baseline, from left to right; there is one at least."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def box(self) -> Box:
        return Box.around([word.box for word in self.words])


@dataclass(frozen=True)
class Page:
    """All that was read of a picture of width x height pixels; `notes` say what a user should know of it."""

    lines: tuple[Line, ...]
    width: int
    height: int
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The lines, each ended by a newline; empty where nothing is written."""
        return "".join(f"{line.text}\n" for line in self.lines)

    @property
    def characters(self) -> tuple[Character, ...]:
        return tuple(character for line in self.lines for word in line.words for character in word.characters)


@dataclass(frozen=True)
class Reading:
    """A page of a picture, as it was read, or the error that stood in the way.

    picture: the path as given, "-" for standard input. number: which of its pages, from 1, and `pages`
    how many it has. photo: the upright picture, uint8 (H, W) or (H, W, 3), to draw on; None where it could not be
    opened. place: where below a folder what is made of the picture goes.
    """

    picture: str
    number: int = 1
    pages: int = 1
    page: Page | None = None
    photo: np.ndarray | None = None
    error: SeqdlError | None = None
    place: str = ""

    def result(self) -> Page:
        """The page; the error is raised where there is none."""
        if self.page is None:
            raise self.error or SeqdlError(f"{self.name}: was not read")
        return self.page

    @property
    def name(self) -> str:
        """The picture, and which of its pages where it has several."""
        picture = "standard input" if self.picture == "-" else self.picture
        return picture if self.pages == 1 else f"{picture}, page {self.number}"
