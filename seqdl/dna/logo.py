"""Sequence logos: letters as high as what they tell, as SVG, or as PNG where matplotlib is installed.

    from seqdl.dna.logo import logo_heights, write_logo
    write_logo("tata.svg", logo_heights(motif), title="TATA box", limits=(0, 2))

A picture is laid out once, in pixels from the top left, as polygons, lines and words; each format then writes these.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import numpy as np

from seqdl.dna.background import UNIFORM
from seqdl.dna.motif import Motif
from seqdl.errors import SeqdlError, UsageError
from seqdl_data.files import replacing
from seqdl_data.motif_record import BASES

COLOURS = {"A": "#2a9d3f", "C": "#2066b0", "G": "#f2a01f", "T": "#d6332b"}
INK, PALE = "#333333", "#c8c8c8"
FORMATS = ("svg", "png")
PLOT_HEIGHT = 170
LETTER_WIDTHS = (12, 34)  # of a column: least, most
WANTED_WIDTH = 900  # of all columns together, within the above
RIGHT, TOP, BOTTOM = 14, 14, 52
TITLE_HEIGHT = 26
GAP = 0.04  # between letters, as a share of a column's width
SMALLEST = 0.2  # pixels: lower letters are not drawn
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"

Points = np.ndarray  # (N, 2)


def logo_heights(motif: Motif, background: Any = UNIFORM) -> np.ndarray:
    """(W, 4) bits: the information of each position shared out by frequency."""
    return motif.frequencies * motif.information(background)[:, None]


def write_logo(path: str | PathLike[str], heights: np.ndarray, **labels: Any) -> None:
    """Draw into a .svg or .png file (see logo_svg); UsageError for another ending, SeqdlError without matplotlib."""
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        raise UsageError(f"{path}: the name of a logo must end in .svg or .png")
    if suffix == "png":
        picture = _layout(heights, **labels)
        with replacing(path) as temporary:
            _write_png(picture, temporary)
        return
    text = logo_svg(heights, **labels)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def logo_svg(heights: np.ndarray, **labels: Any) -> str:
    """The logo as an SVG document.

    heights (W, 4): of A C G T at each position, in any unit. Letters below 0 hang upside down under the axis.
    Labels, all optional: title; description (for those who cannot see it); x_label, y_label; first, the number of
    the first position; limits, the lowest and highest value of the axis, which grows if letters are higher.
    UsageError for heights of another shape or not finite.
    """
    return _svg(_layout(heights, **labels))


class _Letter(NamedTuple):
    base: str
    x: float
    y: float  # of its foot
    width: float
    height: float  # upwards; negative hangs


class _Line(NamedTuple):
    x1: float
    y1: float
    x2: float
    y2: float
    colour: str


class _Word(NamedTuple):
    text: str
    x: float
    y: float  # of the line it stands on
    size: float
    anchor: str  # start, middle or end
    turned: bool = False
    bold: bool = False


class _Picture(NamedTuple):
    width: float
    height: float
    title: str
    description: str
    letters: list[_Letter]
    lines: list[_Line]
    words: list[_Word]


def _layout(
    heights: np.ndarray,
    *,
    title: str = "",
    description: str = "",
    x_label: str = "position",
    y_label: str = "bits",
    first: int = 1,
    limits: tuple[float, float] | None = None,
) -> _Picture:
    heights = np.asarray(heights, np.float64)
    if heights.ndim != 2 or heights.shape[1] != 4 or not len(heights) or not np.isfinite(heights).all():
        raise UsageError(f"a logo needs finite heights of shape (positions, 4), got {heights.shape}")
    step = min(max(WANTED_WIDTH / len(heights), LETTER_WIDTHS[0]), LETTER_WIDTHS[1])
    top = TOP + (TITLE_HEIGHT if title else 0)
    ticks = _ticks(heights, limits)
    low, high = ticks[0], ticks[-1]
    left = 42 + 8 * max(len(_number(tick)) for tick in ticks)
    right, bottom = left + step * len(heights), top + PLOT_HEIGHT

    def y(value: float) -> float:
        return top + (high - value) / (high - low) * PLOT_HEIGHT

    lines = [_Line(left, top, left, bottom, INK), _Line(left, y(0), right, y(0), INK if low == 0 else PALE)]
    words = []
    for tick in ticks:
        lines.append(_Line(left - 5, y(tick), left, y(tick), INK))
        words.append(_Word(_number(tick), left - 9, y(tick) + 4.5, 13, "end"))
    every = _numbered_every(step, max(len(str(first)), len(str(first + len(heights)))))
    for k in range(len(heights)):
        if (first + k) % every == 0 or (k == 0 and every == 1):
            words.append(_Word(_number(first + k), left + (k + 0.5) * step, bottom + 18, 12, "middle"))
    words.append(_Word(x_label, (left + right) / 2, bottom + 40, 13, "middle"))
    words.append(_Word(y_label, 17, (top + bottom) / 2, 13, "middle", turned=True))
    if title:
        words.append(_Word(title, left, TOP + 12, 15, "start", bold=True))
    letters = [
        _Letter(base, left + (k + GAP / 2) * step, y(foot), step * (1 - GAP), y(foot) - y(foot + height))
        for k, row in enumerate(heights)
        for base, foot, height in _stack(row)
    ]
    letters = [letter for letter in letters if abs(letter.height) >= SMALLEST]
    width = max(right, left + 8.5 * len(title)) + RIGHT
    description = description or f"Sequence logo of {len(heights)} positions: {_reading(heights)}"
    return _Picture(width, bottom + BOTTOM, title, description, letters, lines, words)


def _stack(row: np.ndarray) -> list[tuple[str, float, float]]:
    """(base, foot, height) of one position's letters: from 0 outwards, the largest last."""
    letters = []
    for sign in (1, -1):
        foot = 0.0
        for k in sorted(np.flatnonzero(row * sign > 0), key=lambda k: abs(row[k])):
            letters.append((BASES[k], foot, float(row[k])))
            foot += float(row[k])
    return letters


def _reading(heights: np.ndarray) -> str:
    """The highest letter of each position, a dot where none is above 0."""
    return "".join(BASES[k] if row[k] > 0 else "." for k, row in zip(heights.argmax(axis=1), heights, strict=True))


def _ticks(heights: np.ndarray, limits: tuple[float, float] | None) -> list[float]:
    """From below to above all stacks and `limits`, with 0 among them, in steps of 1, 2 or 5 times a power of 10."""
    low, high = limits or (0.0, 0.0)
    low = min(low, float(np.minimum(heights, 0).sum(axis=1).min()), 0.0)
    high = max(high, float(np.maximum(heights, 0).sum(axis=1).max()), 0.0)
    span = high - low or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = power * next(m for m in (1, 2, 2.5, 5, 10) if m * power * 4 >= span * (1 - 1e-9))
    down, up = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(down, max(up, down + 1) + 1)]


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "\u2212")


def _numbered_every(step: float, digits: int) -> int:
    """How far apart the numbers below the axis stand, so that they do not touch."""
    needed = (digits + 1) * 8 / step
    return next(every for every in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**9) if every >= needed)


# The letters, in a box from (0, 0) at the foot to (1, 1): polygons, of which one inside another is a hole.


def _arc(rx: float, ry: float, begin: float, end: float) -> Points:
    """Points on an ellipse around (0.5, 0.5), angles in degrees."""
    angles = np.radians(np.linspace(begin, end, 2 + int(abs(end - begin) // 6)))
    return np.stack([0.5 + rx * np.cos(angles), 0.5 + ry * np.sin(angles)], axis=1)


def _filling(points: Points) -> Points:
    """Stretched to the whole box."""
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - low) / (high - low)


def _glyphs() -> dict[str, list[Points]]:
    a = [(0, 0), (0.375, 1), (0.625, 1), (1, 0), (0.79, 0), (0.715, 0.22), (0.285, 0.22), (0.21, 0)]
    hole = [(0.66, 0.385), (0.5, 0.835), (0.34, 0.385)]  # the other way round than its letter
    t = [(0, 1), (1, 1), (1, 0.84), (0.625, 0.84), (0.625, 0), (0.375, 0), (0.375, 0.84), (0, 0.84)]
    c = np.concatenate([_arc(0.5, 0.5, 38, 322), _arc(0.29, 0.345, 316, 44)])
    # The bowl of G ends in a stem that a bar joins from the left.
    stem = np.array([(0.93, 0.52), (0.53, 0.52), (0.53, 0.37), (0.73, 0.37), (0.73, 0.22)])
    g = np.concatenate([_arc(0.5, 0.5, 38, 308), [(0.93, 0.20)], stem, _arc(0.29, 0.345, 305, 44)])
    return {"A": [np.array(a), np.array(hole)], "C": [_filling(c)], "G": [_filling(g)], "T": [np.array(t)]}


GLYPHS = _glyphs()


def _svg(picture: _Picture) -> str:
    width, height = math.ceil(picture.width), math.ceil(picture.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" aria-labelledby="title description">',
        f'<title id="title">{_safe(picture.title or "Sequence logo")}</title>',
        f'<desc id="description">{_safe(picture.description)}</desc>',
        '<rect width="100%" height="100%" fill="white"/>',
        "<defs>",
        *(f'<path id="{b}" fill="{COLOURS[b]}" fill-rule="evenodd" d="{_path(GLYPHS[b])}"/>' for b in BASES),
        "</defs>",
    ]
    for letter in picture.letters:  # glyphs stand on their feet, y of SVG grows downwards
        place = f"matrix({letter.width:.2f} 0 0 {-letter.height:.2f} {letter.x:.2f} {letter.y:.2f})"
        parts.append(f'<use href="#{letter.base}" transform="{place}"/>')
    for line in picture.lines:
        ends = f'x1="{line.x1:.2f}" y1="{line.y1:.2f}" x2="{line.x2:.2f}" y2="{line.y2:.2f}"'
        parts.append(f'<line {ends} stroke="{line.colour}" stroke-width="1.2" stroke-linecap="square"/>')
    for word in picture.words:
        turn = f' transform="rotate(-90 {word.x:.2f} {word.y:.2f})"' if word.turned else ""
        weight = ' font-weight="bold"' if word.bold else ""
        style = f'font-family="{FONT}" font-size="{word.size:g}" fill="{INK}" text-anchor="{word.anchor}"{weight}'
        parts.append(f'<text x="{word.x:.2f}" y="{word.y:.2f}" {style}{turn}>{_safe(word.text)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _path(polygons: Sequence[Points]) -> str:
    return " ".join("M" + " L".join(f"{x:.4g} {y:.4g}" for x, y in polygon) + " Z" for polygon in polygons)


def _safe(text: str) -> str:
    """For XML, which knows no control characters."""
    return escape(re.sub(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text))


def _write_png(picture: _Picture, path: Path) -> None:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import PathPatch
    except ImportError as error:
        raise SeqdlError("a logo in PNG needs matplotlib: pip install 'seqdl[plot]', or write .svg") from error

    figure = Figure(figsize=(picture.width / 100, picture.height / 100), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, picture.width), ylim=(picture.height, 0))
    axes.axis("off")
    points = 0.72  # to a pixel of 100 to the inch
    for letter in picture.letters:
        scale, foot = np.array([letter.width, -letter.height]), np.array([letter.x, letter.y])
        outline = _compound([polygon * scale + foot for polygon in GLYPHS[letter.base]])
        axes.add_patch(PathPatch(outline, facecolor=COLOURS[letter.base], linewidth=0))
    for line in picture.lines:
        axes.plot([line.x1, line.x2], [line.y1, line.y2], color=line.colour, linewidth=1.2 * points)
    for word in picture.words:
        axes.text(
            word.x,
            word.y,
            word.text,
            fontsize=word.size * points,
            color=INK,
            ha={"start": "left", "middle": "center", "end": "right"}[word.anchor],
            va="center" if word.turned else "baseline",
            rotation=90 if word.turned else 0,
            weight="bold" if word.bold else "normal",
            parse_math=False,  # a name may hold a dollar sign
        )
    figure.savefig(path, format="png", dpi=200)


def _compound(polygons: Sequence[Points]) -> Any:
    """One matplotlib path of several polygons."""
    from matplotlib.path import Path as Outline

    codes = [code for p in polygons for code in [Outline.MOVETO, *[Outline.LINETO] * (len(p) - 1), Outline.CLOSEPOLY]]
    return Outline(np.concatenate([np.concatenate([p, p[:1]]) for p in polygons]), codes)
