"""From the upright photo to its ink: the first steps of reading a page, put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from seqdl_vision.page.binarise import binarised
from seqdl_vision.page.deskew import turned, turning
from seqdl_vision.page.flatten import flattened
from seqdl_vision.page.result import Box
from seqdl_vision.page.rules import without_rules
from seqdl_vision.page.scale import boxes_of, letter_height, reduced, stroke_width, view_factor, working_factor
from seqdl_vision.page.specks import without_specks
from seqdl_vision.page.survey import survey

Array = np.ndarray
Debug = Callable[[str, Array], None]

WINDOW = 2.0  # letter heights: Sauvola's window
STRAIGHT = 0.25  # degrees: a page turned by less is left as it is


@dataclass(frozen=True)
class Placement:
    """Where the ink picture lies on the upright photo of width x height pixels.

    matrix (2, 3): from (x, y, 1) of a pixel's corner in the ink picture to (x, y) in the photo.
    """

    matrix: Array
    width: int
    height: int

    def __call__(self, box: Box) -> Box:
        """The box of the photo around a box of the ink picture, cut at the photo's edge; one pixel at least."""
        corners = np.array([(x, y, 1) for x in (box.left, box.right) for y in (box.top, box.bottom)]) @ self.matrix.T
        left, top = np.floor(corners.min(axis=0) + 1e-6).astype(int)
        right, bottom = np.ceil(corners.max(axis=0) - 1e-6).astype(int)
        left, top = min(max(left, 0), self.width - 1), min(max(top, 0), self.height - 1)
        return Box(left, top, max(left + 1, min(right, self.width)), max(top + 1, min(bottom, self.height)))


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


def find_ink(photo: Array, *, debug: Debug | None = None) -> Ink:
    """The ink of an upright photo (H, W) or (H, W, 3) uint8, dark writing on light paper.

    debug: called with a name and a picture (uint8 or bool) after each step. A page without ink gives an empty mask
    and says so in its notes.
    """
    show = debug or (lambda name, picture: None)
    photo = photo[..., None] if photo.ndim == 2 else photo
    height, width, _ = photo.shape
    small = view_factor(height, width)
    view = reduced(photo, small)
    found = survey(view)
    show("1-view", view.mean(axis=2).astype(np.uint8))
    show("2-view-ink", found.mask)
    factor = working_factor(found.letter * small)
    if found.letter == 0:
        return _no_ink(height, width)
    grey = flattened(photo, found.paper, found.weights, found.level, small, factor)
    show("3-flattened", 255 - grey)
    matrix, notes = np.eye(2, 3), []
    if abs(found.degrees) >= STRAIGHT:
        matrix, shape = turning(grey.shape[0], grey.shape[1], found.degrees)
        grey = turned(grey, matrix, shape)
        notes.append(f"page turned by {found.degrees:.1f} degrees")
        show("4-deskewed", 255 - grey)
    letter = found.letter * small / factor
    mask = binarised(grey, 255, WINDOW * letter)
    show("5-binarised", ~mask)
    stroke = stroke_width(mask)
    written = without_rules(mask, letter, stroke)
    show("6-without-rules", ~written)
    _, boxes, pixels = boxes_of(written)
    letter = letter_height(boxes, pixels, mask.shape)
    stroke = stroke_width(written)
    written = without_specks(written, letter, stroke)
    show("7-without-specks", ~written)
    if not written.any():
        return _no_ink(height, width)
    grey = _of_writing(grey, mask, written, stroke)
    show("8-ink", 255 - grey)
    return Ink(written, grey, _placement(matrix, factor, height, width), stroke, tuple(notes))


def _no_ink(height: int, width: int) -> Ink:
    empty = np.zeros((height, width), np.uint8)
    return Ink(empty.astype(bool), empty, Placement(np.eye(2, 3), width, height), 0.0, ("no ink",))


def _of_writing(grey: Array, mask: Array, written: Array, stroke: float) -> Array:
    """grey where there is writing, with the soft edge of its strokes but not what was taken out of the mask."""
    edge = max(1, round(stroke / 3))
    near = ndimage.binary_dilation(written, np.ones((3, 3), bool), iterations=edge)
    return np.where(near & ~(mask & ~written), grey, 0).astype(np.uint8)


def _placement(matrix: Array, factor: int, height: int, width: int) -> Placement:
    """From pixel centres of the ink picture to those of the picture before turning, to corners of the photo."""
    linear = matrix[:, :2]
    offset = matrix[:, 2] + 0.5 - linear @ np.array([0.5, 0.5])
    return Placement(np.column_stack([linear, offset]) * factor, width, height)
