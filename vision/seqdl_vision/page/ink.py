"""From the upright photo to its ink: the first steps of reading a page, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from seqdl import parallel
from seqdl_vision.kernels import ink as kernels
from seqdl_vision.page.binarise import binarised
from seqdl_vision.page.deskew import turned, turning
from seqdl_vision.page.flatten import flattened
from seqdl_vision.page.parts import Parts
from seqdl_vision.page.placement import Placement
from seqdl_vision.page.rules import without_rules
from seqdl_vision.page.scale import letter_height, reduced, stroke_width, view_factor, working_factor, zoom_factor
from seqdl_vision.page.strays import written_parts
from seqdl_vision.page.survey import Survey, survey

Array = np.ndarray
Debug = Callable[[str, Array], None]
Show = Callable[[str, Callable[[], Array]], None]  # the picture is made only where somebody looks

WINDOW = 2.0  # letter heights: Sauvola's window
STRAIGHT = 0.25  # degrees: a page turned by less is left as it is
WORTH_SAYING = 1.0  # degrees
PALE = 0.7  # of full ink: rules that the mix of colours leaves darker are known by their shape alone
BOARD = 100  # of 255: a page that is darker, and holds no ink, may be written on in white
READABLE = 7.0  # pixels of the photo: what is lower is dust, or nobody can read it
OFF_PAPER = 0.02  # of its pixels: what reaches farther over the paper's edge is the edge
SAMPLES = 20_000  # pixels of ink that tell how dark it is


@dataclass(frozen=True)
class Ink:
    """The handwriting of a photo, upright, its lines level, its letters some 40 to 80 pixels high where it had more.

    mask (H, W) bool: ink of the writing alone. grey (H, W) uint8: how much ink, 0 for paper to 255, the strokes'
    edges soft, rules taken out as in the mask. to_photo: from a box of these pictures to that of the photo.
    stroke: typical width of the strokes, in pixels of mask; 0 without ink. notes: what a user should know.
    """

    mask: Array
    grey: Array
    to_photo: Placement
    stroke: float
    notes: tuple[str, ...] = ()


def find_ink(photo: Array, *, debug: Debug | None = None, tick: Callable[[], None] = lambda: None) -> Ink:
    """The ink of an upright photo (H, W) or (H, W, 3) uint8: dark writing on light paper, or light on a dark board.

    debug: called with a name and a picture (uint8 or bool) after each step; tick: called then too. A page without ink
    gives an empty mask and says so in its notes.
    """

    def show(name: str, picture: Callable[[], Array]) -> None:
        tick()
        if debug:
            debug(name, picture())

    photo = photo[..., None] if photo.ndim == 2 else photo
    ink = _dark_ink(photo, show)
    if not ink.mask.any() and np.median(photo[::8, ::8]) < BOARD:
        light = _dark_ink(255 - photo, show)
        if light.mask.any():
            return replace(light, notes=("light writing on a dark page", *light.notes))
    return ink


def _dark_ink(photo: Array, show: Show) -> Ink:
    small = view_factor(*photo.shape[:2])
    view = reduced(photo, small)
    found = survey(view)
    show("1-view", lambda: view.mean(axis=2).astype(np.uint8))
    show("2-view-ink", lambda: _painted(found.writing, view.shape))
    if found.letter == 0:
        return _no_ink(photo)
    factor = working_factor(found.letter * small)
    grey, level, placement, notes = _flat_and_level(photo, found, small, factor, show)
    letter = found.letter * small / placement.scale
    mask = binarised(grey, level, WINDOW * letter)
    off = _on_view(mask, grey, level, found, placement, small)
    show("5-binarised", lambda: ~mask)
    without = without_rules(mask, placement, letter, _stroke_but(mask, off))
    show("6-without-rules", lambda: ~without)
    written, letter = _written(without, grey, off, placement)
    show("7-writing", lambda: ~written)
    if letter * placement.scale < READABLE:
        return _no_ink(photo)
    stroke = stroke_width(written)
    grey = _of_writing(grey, mask, written, level, stroke)
    show("8-ink", lambda: 255 - grey)
    return Ink(written, grey, placement, stroke, notes)


def _painted(places: Array, shape: tuple[int, ...]) -> Array:
    picture = np.ones(shape[:2], bool)
    picture[tuple(places.T)] = False
    return picture


def _no_ink(photo: Array) -> Ink:
    height, width = photo.shape[:2]
    empty = np.zeros((height, width), np.uint8)
    return Ink(empty.astype(bool), empty, Placement(np.eye(2, 3), width, height), 0.0, ("no ink",))


def _flat_and_level(
    photo: Array, found: Survey, small: int, factor: int, show: Show
) -> tuple[Array, float, Placement, tuple[str, ...]]:
    """How much ink (H, W) uint8 on the page turned level, that of full ink, where the page lies, and notes."""
    grey = flattened(photo, found.paper, found.weights, 2 * found.level, small, factor)
    show("3-flattened", lambda: 255 - grey)
    level = full_ink(grey, found.writing, small / factor)
    zoom = zoom_factor(found.letter * small / factor, grey.size)
    degrees = found.degrees if abs(found.degrees) >= STRAIGHT else 0.0
    if degrees == 0 and zoom == 1:
        return grey, level, Placement.of(np.eye(2, 3), factor, photo), ()
    matrix, shape = turning(grey.shape[0], grey.shape[1], degrees, zoom)
    grey = turned(grey, matrix, shape)
    show("4-level", lambda: 255 - grey)
    notes = (f"page turned by {degrees:.1f} degrees",) if abs(degrees) >= WORTH_SAYING else ()
    return grey, level, Placement.of(matrix, factor, photo), notes


def full_ink(grey: Array, writing: Array, ratio: float) -> float:
    """The grey of a stroke's core: the median of the darkest pixels of grey (H, W) in each pixel of a view.

    writing (N, 2): rows and columns of those pixels; ratio: how many times finer grey is than the view. The view
    itself shows thin strokes too pale.
    """
    rows, columns = writing.T
    step = -(-len(rows) // SAMPLES)
    rows, columns = rows[::step], columns[::step]
    block = np.arange(max(1, int(ratio)))
    y = np.minimum((rows * ratio).astype(int)[:, None] + block, grey.shape[0] - 1)
    x = np.minimum((columns * ratio).astype(int)[:, None] + block, grey.shape[1] - 1)
    return max(float(np.median(grey[y[:, :, None], x[:, None, :]].max(axis=(1, 2)))), 1.0)


def _on_view(
    mask: Array, grey: Array, level: float, found: Survey, placement: Placement, small: int
) -> tuple[Array, Array]:
    """Use what the view shows of each pixel of ink: the rows and columns of the ink that is not on paper.

    Where a rule is paler than the ink (by its colour), what is as pale leaves the mask.
    """
    paper = found.paper
    pale = 0 < found.rules < PALE
    if paper.here.all() and not pale:
        return np.zeros(0, int), np.zeros(0, int)
    rows, columns = np.nonzero(mask)
    x, y = placement.on_photo(columns + 0.5, rows + 0.5)
    row, column = (np.clip(v / small, 0, n - 1).astype(int) for v, n in zip((y, x), found.ruled.shape, strict=True))
    if pale:
        weak = found.ruled[row, column] & (grey[rows, columns] < (1 + found.rules) / 2 * level)
        mask[rows[weak], columns[weak]] = False
    off = ~paper.here[row // paper.tile, column // paper.tile]
    return rows[off], columns[off]


def _stroke_but(mask: Array, off: tuple[Array, Array]) -> float:
    """Width of the strokes of a mask, but for those at `off`."""
    if len(off[0]):
        mask = mask.copy()
        mask[off] = False
    return stroke_width(mask)


def _written(mask: Array, grey: Array, off: tuple[Array, Array], placement: Placement) -> tuple[Array, float]:
    """mask without the parts that are no writing, and the height of its letters, 0 without any.

    off: the places of the ink that is not on paper.
    """
    parts = Parts.of(mask)
    on_paper = parts.count(off) <= OFF_PAPER * parts.pixels
    mask = parts.mask(on_paper) if len(off[0]) else mask
    stroke = stroke_width(mask)
    letter = letter_height(parts, stroke, on_paper)
    kept = written_parts(parts, grey, on_paper, letter, stroke, placement)
    return parts.mask(kept), letter_height(parts, stroke, kept)


def _of_writing(grey: Array, mask: Array, written: Array, level: float, stroke: float) -> Array:
    """grey where there is writing, full ink at 255, with the soft edge of its strokes but not what left the mask."""
    reach = max(1, round(stroke / 3))
    full = np.minimum(np.arange(256) * (255 / level), 255).round().astype(np.uint8)
    out = np.empty_like(grey)
    parallel.run(
        lambda lo, hi: kernels.soft_edged(grey, mask, written, reach, full, out, lo, hi),
        parallel.batch_blocks(len(out)),
    )
    return out
