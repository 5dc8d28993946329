"""Charts made with Pillow alone: which class is taken for which, how far probabilities are true, how weights lie.

Drawn three times as large as they come out, so that lines are smooth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageColor, ImageDraw

from seqdl.metrics import Bin, wilson
from seqdl_vision.tiles import BAD, GAP, GOOD, INK, MARGIN, PALE, PAPER, TITLE, WORDS, font

Array = np.ndarray
FINE = 3  # how much larger a chart is drawn
CELL = 20  # pixels of a confusion table's cell
SIDE, BELOW = 260, 60  # pixels of a reliability diagram, and of the counts below it
BARS = (250, 76)  # pixels of a histogram
GRID = "#dddddd"


class Pen:
    """Draws in pixels of the picture that comes out."""

    def __init__(self, width: int, height: int) -> None:
        self.paper = Image.new("RGB", (width * FINE, height * FINE), PAPER)
        self.draw = ImageDraw.Draw(self.paper)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1) -> None:
        self.draw.line([(x * FINE, y * FINE) for x, y in points], colour, round(width * FINE))

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        left, top, right, bottom = (round(v * FINE) for v in (x, y, x + width, y + height))
        if left < right and top < bottom:
            self.draw.rectangle([left, top, right - 1, bottom - 1], colour)

    def dot(self, x: float, y: float, radius: float, colour: str) -> None:
        self.draw.ellipse([(v + d) * FINE for d in (-radius, radius) for v in (x, y)], colour)

    def words(self, x: float, y: float, text: str, size: float = WORDS, colour: str = INK, anchor: str = "la") -> None:
        """anchor: Pillow's two letters for the place of x and y in the text, "la" its left and top."""
        self.draw.text((x * FINE, y * FINE), text, colour, font(round(size * FINE)), anchor=anchor)

    def image(self) -> Image.Image:
        return self.paper.reduce(FINE)


HEADING = "What it is (rows), and what it was taken for (columns)"


def confusion_chart(
    table: Array, rows: Sequence[str], columns: Sequence[str] | None = None, right: Array | None = None
) -> Image.Image:
    """How often what is of the class at the left, counts (C, K) in a row, got the label at the top.

    columns: the labels' names, by default the classes'. right (C, K) bool: which labels are true of a class, by
    default those of the same name: those cells are blue and the others red, each as strong as its share of the row.
    At the end of a row stands the share that was right.
    """
    columns = rows if columns is None else columns
    right = np.array([[row == column for column in columns] for row in rows]) if right is None else right
    left, top = MARGIN + 46, MARGIN + TITLE + GAP + 2 * WORDS
    end = left + len(columns) * CELL
    wide = int(font(TITLE).getlength(HEADING)) + 2 * MARGIN
    pen = Pen(max(end + 64 + MARGIN, wide), top + len(rows) * CELL + MARGIN)
    pen.words(MARGIN, MARGIN - 3, HEADING, TITLE)
    for k, name in enumerate(columns):
        pen.words(left + (k + 0.5) * CELL, top - 4, name or "none", WORDS, anchor="ms")
    pen.words(end + 8, top - 4, "right", WORDS, PALE, "ls")
    totals = table.sum(axis=1)
    for c, name in enumerate(rows):
        y = top + c * CELL
        pen.words(left - 8, y + CELL / 2, name or "none", WORDS, anchor="rm")
        for k in np.flatnonzero(table[c]).tolist():
            _cell(pen, left + k * CELL, y, int(table[c, k]), table[c, k] / totals[c], bool(right[c, k]))
        if totals[c]:
            pen.words(end + 8, y + CELL / 2, f"{table[c][right[c]].sum() / totals[c]:.1%}", 11, INK, "lm")
    for n in range(len(columns) + 1):
        pen.line([(left + n * CELL, top), (left + n * CELL, top + len(rows) * CELL)], GRID, 1 / FINE)
    for n in range(len(rows) + 1):
        pen.line([(left, top + n * CELL), (end, top + n * CELL)], GRID, 1 / FINE)
    return pen.image()


def _cell(pen: Pen, x: float, y: float, count: int, share: float, right: bool) -> None:
    strength = 0.15 + 0.85 * (share if right else min(1.0, 5 * share))  # a twentieth of a class would hardly show
    pen.box(x, y, CELL, CELL, _mixed(GOOD if right else BAD, strength))
    size = 10 if count < 1000 else 8
    pen.words(x + CELL / 2, y + CELL / 2, str(count), size, PAPER if strength > 0.5 else INK, "mm")


def _mixed(colour: str, strength: float) -> str:
    """A colour on white paper, 0 to 1 of it."""
    parts = (round(255 + (part - 255) * strength) for part in ImageColor.getrgb(colour)[:3])
    return "#" + "".join(f"{part:02x}" for part in parts)


class Curve(NamedTuple):
    """A reliability diagram to draw."""

    name: str
    table: Sequence[Bin]
    error: float


def reliability_chart(curves: Sequence[Curve]) -> Image.Image:
    """For each curve: of what got a probability, how many were right, with 95% intervals; and how many there were."""
    columns = max(1, min(3, len(curves)))
    width, height = SIDE + 70, SIDE + BELOW + 110
    rows = -(-len(curves) // columns)
    pen = Pen(columns * width + 2 * MARGIN, rows * height + 2 * MARGIN)
    for number, curve in enumerate(curves):
        row, column = divmod(number, columns)
        _reliability(pen, MARGIN + column * width + 44, MARGIN + row * height + 2 * TITLE + 8, curve)
    return pen.image()


def _reliability(pen: Pen, left: float, top: float, curve: Curve) -> None:
    def at(x: float, y: float) -> tuple[float, float]:
        return left + x * SIDE, top + (1 - y) * SIDE

    pen.words(left, top - 2 * TITLE - 4, curve.name, TITLE - 2)
    pen.words(left, top - TITLE, f"calibration error {curve.error:.4f}", WORDS, PALE)
    for tick in np.arange(0, 1.01, 0.25):
        pen.line([at(tick, 0), at(tick, 1)], GRID)
        pen.line([at(0, tick), at(1, tick)], GRID)
        pen.words(left - 6, at(0, tick)[1], f"{tick:g}", 11, PALE, "rm")
        pen.words(at(tick, 0)[0], top + SIDE + BELOW + 14, f"{tick:g}", 11, PALE, "ma")
    pen.line([at(0, 0), at(1, 1)], PALE)
    full = [each for each in curve.table if each.total]
    for total, predicted, observed in full:
        interval = wilson(round(observed * total), total)
        pen.line([at(predicted, interval[0]), at(predicted, interval[1])], _mixed(GOOD, 0.5), 2)
    pen.line([at(each.predicted, each.observed) for each in full], GOOD, 2)
    for each in full:
        pen.dot(*at(each.predicted, each.observed), 4, GOOD)
    _counts(pen, left, top + SIDE + 8, curve.table)
    pen.words(left + SIDE / 2, top + SIDE + BELOW + 30, "probability of the answer", WORDS, INK, "ma")
    pen.words(left + 6, top + 6, "share that was right", WORDS, PALE)


def _counts(pen: Pen, left: float, top: float, table: Sequence[Bin]) -> None:
    """How many pictures each bin holds, the fullest one as high as there is room."""
    most = max((each.total for each in table), default=0)
    for n, each in enumerate(table):
        high = (BELOW - 14) * each.total / max(most, 1)
        x = left + n * SIDE / len(table)
        pen.box(x + 1, top + BELOW - high, SIDE / len(table) - 2, high, _mixed(GOOD, 0.35))
        if each.total:
            pen.words(x + SIDE / len(table) / 2, top + BELOW - high - 2, f"{each.total}", 9, PALE, "ms")
    pen.line([(left, top + BELOW), (left + SIDE, top + BELOW)], PALE)


class Histogram(NamedTuple):
    """Values between low and high, counted in bins of equal width; a line of words about them."""

    name: str
    about: str
    counts: Array
    low: float
    high: float


def histogram_chart(histograms: Sequence[Histogram], columns: int = 4, title: str = "") -> Image.Image:
    """A panel for each, bars as high as the counts of its own; a line marks zero."""
    columns = max(1, min(columns, len(histograms)))
    width, height = BARS[0] + 24, BARS[1] + 64
    rows = -(-len(histograms) // columns)
    top = MARGIN + (TITLE + GAP if title else 0)
    pen = Pen(columns * width + 2 * MARGIN - 24, top + rows * height + MARGIN - 16)
    pen.words(MARGIN, MARGIN - 3, title, TITLE)
    for number, histogram in enumerate(histograms):
        row, column = divmod(number, columns)
        _histogram(pen, MARGIN + column * width, top + row * height, histogram)
    return pen.image()


def _histogram(pen: Pen, left: float, top: float, h: Histogram) -> None:
    bottom, most = top + BARS[1] + 32, max(int(h.counts.max(initial=0)), 1)
    pen.words(left, top, h.name, WORDS)
    pen.words(left, top + 15, h.about, 11, PALE)
    step = BARS[0] / max(len(h.counts), 1)
    for n, count in enumerate(h.counts):
        high = BARS[1] * count / most
        pen.box(left + n * step, bottom - high, step - 0.5, high, _mixed(GOOD, 0.75))
    if h.low < 0 < h.high:
        zero = left + BARS[0] * -h.low / (h.high - h.low)
        pen.line([(zero, bottom - BARS[1]), (zero, bottom)], PALE, 0.7)
    pen.line([(left, bottom), (left + BARS[0], bottom)], PALE)
    pen.words(left, bottom + 3, f"{h.low:.3g}", 11, PALE)
    pen.words(left + BARS[0], bottom + 3, f"{h.high:.3g}", 11, PALE, "ra")
