"""The steps of reading a page as pictures, for whoever wants to see why it was read so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from seqdl_vision.page.candidates import Candidates
from seqdl_vision.page.components import Array, Components

PALETTE = ((200, 30, 30), (20, 120, 20), (30, 60, 200), (170, 30, 170), (0, 140, 150), (190, 110, 0))


def show_reading(
    debug: Callable[[str, Array], None], components: Components, found: list[Candidates], paths: list[list[int]]
) -> None:
    """Lines, pieces and characters, each in a colour."""
    debug("9-lines", coloured(components, [[n for piece in line.pieces for n in piece.members] for line in found]))
    debug("10-pieces", coloured(components, [piece.members for line in found for piece in line.pieces]))
    chosen = [line.members[s] for line, path in zip(found, paths, strict=True) for s in path]
    debug("11-characters", coloured(components, chosen))


def coloured(components: Components, groups: Sequence[Sequence[int]]) -> Array:
    """(H, W, 3) uint8: each group of components in a colour of its own on white, what is in none in light grey."""
    colours = np.full((len(components) + 1, 3), 200, np.uint8)
    colours[0] = 255
    for number, members in enumerate(groups):
        colours[np.array(members) + 1] = PALETTE[number % len(PALETTE)]
    return colours[components.labels]
