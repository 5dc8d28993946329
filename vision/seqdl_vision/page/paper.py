"""Where the paper is, and the light that it sends back where nothing is written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

Array = np.ndarray

TILES = 48  # along the longer side of the picture
SMALLEST_TILE = 8  # pixels of the view
BRIGHT = 0.8  # the paper's light is this quantile of a tile: most of a tile is paper, even between letters
DARKEST = 4.0  # of 255: under it a camera sees no more than noise, so nothing is divided by less
STEP = 0.2  # paper next to paper differs by less than this share of its light
AS_BRIGHT = 0.7  # of the paper's light in every channel: paper too
SHADOW = 0.4  # of the paper's light, if it is as much in every channel: paper in a shadow
SAME_COLOUR = 1.2
SHADED = 0.93  # of a tile's light: what is less within it is a shadow
COARSEST = 4  # pixels of the view: the edges of shadows are followed at this step
LEAST_SHADOW = 1e-3  # of the picture


@dataclass(frozen=True)
class Paper:
    """light (G, K, C) float32: what blank paper sends back in the middle of each square of `step` pixels of the view.

    here (T, U) bool: which square tiles of `tile` pixels of the view show paper; elsewhere `light` is that of the
    nearest paper.
    """

    light: Array
    step: int
    here: Array
    tile: int

    def light_at(self, shape: tuple[int, ...], step: int) -> Array:
        """The light (h, w, C) at the middles of squares of `step` pixels of the view."""
        rows, columns = ((np.arange(n, dtype=np.float32) + 0.5) * (step / self.step) - 0.5 for n in shape[:2])
        return _interpolated(_interpolated(self.light, rows).swapaxes(0, 1), columns).swapaxes(0, 1)

    def missing(self, view: Array) -> Array:
        """view (h, w, C) float32 -> the share of the paper's light that is missing, 0 for paper, towards 1 for ink."""
        return np.float32(1) - view / self.light_at(view.shape, 1)

    def inside(self, shape: tuple[int, ...], step: int) -> Array:
        """Which squares (h, w) of `step` pixels of the view lie on paper, a tile away from its edge or more."""
        here = ndimage.binary_erosion(self.here, np.ones((3, 3), bool), border_value=1)
        rows = np.minimum(np.arange(shape[0]) * step // self.tile, here.shape[0] - 1)
        columns = np.minimum(np.arange(shape[1]) * step // self.tile, here.shape[1] - 1)
        return np.asarray(here[rows[:, None], columns])


def paper_of(view: Array, widest: int) -> Paper:
    """The paper of a view (h, w, C) float32, in which no stroke is `widest` tiles wide.

    Tiles that ink covers take the light of those around them (a closing of the grid of tiles), and so do the table
    and whatever else is not paper: there all that is darker than paper is one large blot.
    """
    tile = max(SMALLEST_TILE, round(max(view.shape[:2]) / TILES))
    light = np.maximum(tile_quantiles(view, tile, BRIGHT), np.float32(DARKEST))
    here = where_paper_is(light)
    nearest = ndimage.distance_transform_edt(~here, return_distances=False, return_indices=True)
    light = ndimage.grey_closing(light[tuple(nearest)], size=(widest, widest, 1), mode="nearest")
    return Paper(ndimage.median_filter(light, size=(3, 3, 1), mode="nearest"), tile, here, tile)


def shaded(paper: Paper, view: Array, widest: float) -> Paper:
    """The paper with the edges of its shadows as sharp as the view (h, w, C) shows them.

    What is darker than paper and wider than `widest` pixels of the view, more than any stroke, is a shadow: a closing
    fills the strokes alone. Without such shadows the paper as it was.
    """
    step = min(max(1, int(widest / 6)), COARSEST)
    height, width, channels = (view.shape[0] // step, view.shape[1] // step, view.shape[2])
    small = view[: height * step, : width * step].reshape(height, step, width, step, channels).mean(axis=(1, 3))
    size = 2 * int(widest / step / 2) + 1
    filled = np.maximum(ndimage.grey_closing(small, size=(size, size, 1), mode="nearest"), np.float32(DARKEST))
    light = paper.light_at(filled.shape, step)
    shadow = paper.inside(filled.shape, step) & (filled < SHADED * light).all(axis=2)
    if shadow.mean() < LEAST_SHADOW:
        return paper
    return Paper(np.where(shadow[..., None], filled, light), step, paper.here, paper.tile)


def where_paper_is(light: Array) -> Array:
    """light (G, K, C) of the tiles -> (G, K) bool.

    The paper is the area of even light that is largest and brightest, with what it encloses and with areas as bright
    or in a shadow of the same colour.
    """
    areas, count = areas_of_even_light(light)
    sizes = np.bincount(areas.ravel(), minlength=count + 1)[1:]
    typical = np.array([np.median(light[areas == area], axis=0) for area in range(1, count + 1)])
    main = int(np.argmax(sizes * typical.min(axis=1)))
    ratios = typical / typical[main]
    low, high = ratios.min(axis=1), ratios.max(axis=1)
    paper = (low > AS_BRIGHT) | ((low > SHADOW) & (high < SAME_COLOUR * low))
    return np.asarray(ndimage.binary_fill_holes(np.concatenate([[False], paper])[areas]))


def areas_of_even_light(light: Array) -> tuple[Array, int]:
    """Labels (G, K) from 1 on, and their number: tiles side by side of nearly the same light belong together."""
    rows, columns = light.shape[:2]
    light = np.log(light + np.float32(DARKEST))  # the shares are differences here
    linked = np.zeros((2 * rows - 1, 2 * columns - 1), bool)  # tiles, and between them whether they belong together
    linked[::2, ::2] = True
    linked[1::2, ::2] = abs(np.diff(light, axis=0)).max(axis=2) < STEP
    linked[::2, 1::2] = abs(np.diff(light, axis=1)).max(axis=2) < STEP
    labels, count = ndimage.label(linked)
    return labels[::2, ::2], count


def tiles_of(view: Array, tile: int) -> Array:
    """view (h, w, C) cut into tiles: (G, K, tile * tile, C); the last ones are filled up with the picture's edge."""
    height, width, channels = view.shape
    view = np.pad(view, ((0, -height % tile), (0, -width % tile), (0, 0)), "symmetric")
    view = view.reshape(view.shape[0] // tile, tile, view.shape[1] // tile, tile, channels)
    return view.swapaxes(1, 2).reshape(view.shape[0], view.shape[2], tile * tile, channels)


def tile_quantiles(view: Array, tile: int, quantile: float) -> Array:
    """view (h, w, C) float32 -> that quantile of each tile (G, K, C) float32."""
    tiles = tiles_of(view, tile)
    place = int(quantile * (tiles.shape[2] - 1))
    return np.ascontiguousarray(np.partition(tiles, place, axis=2)[:, :, place])


def _interpolated(values: Array, places: Array) -> Array:
    """values (N, ...) at places between 0 and N - 1 of its first axis, linear, the ends held."""
    places = np.clip(places, 0, len(values) - 1)
    before = np.minimum(places.astype(int), max(len(values) - 2, 0))
    after = np.minimum(before + 1, len(values) - 1)
    share = (places - before).astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
    return values[before] * (1 - share) + values[after] * share
