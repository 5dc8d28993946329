"""The light of the blank paper, and the photo as the share of it that the ink takes away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from seqdl import parallel
from seqdl_vision.kernels import ink as kernels

Array = np.ndarray

TILES = 48  # along the longer side of the picture
SMALLEST_TILE = 8  # pixels of the view
BRIGHT = 0.8  # the paper's light is this quantile of a tile: most of a tile is paper, even between letters
DARKEST = 4.0  # of 255: under it a camera sees no more than noise, so nothing is divided by less


@dataclass(frozen=True)
class Paper:
    """light (G, K, C) float32: what the blank paper of each square tile of `tile` pixels of the view sends back."""

    light: Array
    tile: int

    def missing(self, view: Array) -> Array:
        """view (h, w, C) float32 -> the share of the paper's light that is missing, 0 for paper, towards 1 for ink."""
        rows = (np.arange(view.shape[0]) + 0.5) / self.tile - 0.5
        columns = (np.arange(view.shape[1]) + 0.5) / self.tile - 0.5
        grid = np.meshgrid(rows, columns, indexing="ij")
        light = [ndimage.map_coordinates(c, grid, order=1, mode="nearest") for c in np.moveaxis(self.light, -1, 0)]
        return np.float32(1) - view / np.stack(light, axis=-1)


def paper_of(view: Array) -> Paper:
    """The paper's light over a view (h, w, C) float32.

    A tile that ink covers takes the light of its neighbours (a closing of the grid of tiles).
    """
    tile = max(SMALLEST_TILE, round(max(view.shape[:2]) / TILES))
    light = tile_quantiles(view, tile, BRIGHT)
    light = ndimage.grey_closing(light, size=(3, 3, 1), mode="nearest")
    light = ndimage.median_filter(light, size=(3, 3, 1), mode="nearest")
    return Paper(np.maximum(light, np.float32(DARKEST)), tile)


def tiles_of(view: Array, tile: int) -> Array:
    """view (h, w, C) cut into tiles: (G, K, tile * tile, C); the last ones are filled up with the picture's edge."""
    height, width, channels = view.shape
    down, across = -height % tile, -width % tile
    view = np.pad(view, ((0, down), (0, across), (0, 0)), "symmetric")
    view = view.reshape(view.shape[0] // tile, tile, view.shape[1] // tile, tile, channels)
    return view.swapaxes(1, 2).reshape(view.shape[0], view.shape[2], tile * tile, channels)


def tile_quantiles(view: Array, tile: int, quantile: float) -> Array:
    """view (h, w, C) float32 -> that quantile of each tile (G, K, C) float32."""
    tiles = tiles_of(view, tile)
    place = int(quantile * (tiles.shape[2] - 1))
    return np.ascontiguousarray(np.partition(tiles, place, axis=2)[:, :, place])


def flattened(photo: Array, paper: Paper, weights: Array, level: float, view_factor: int, factor: int) -> Array:
    """photo (H, W, C) uint8 -> how much ink (H // factor, W // factor) uint8.

    weights (C,): the channels' shares; level: the missing light that counts as full ink, 255.
    """
    height, width, _ = photo.shape
    out = np.empty((height // factor, width // factor), np.uint8)
    step, gain = np.float32(paper.tile * view_factor), np.float32(255 / level)
    weights = weights.astype(np.float32)
    parallel.run(
        lambda lo, hi: kernels.absorbed(photo, paper.light, weights, step, gain, out, lo, hi),
        parallel.batch_blocks(len(out)),
    )
    return out
