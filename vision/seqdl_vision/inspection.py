"""Pictures of the inside of a network: its weights, its first layer's kernels, what each layer makes of a picture."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from seqdl.inspection import Figures, Output, recorded_outputs
from seqdl.nn import Module
from seqdl.tensor import no_grad
from seqdl_vision.charts import Histogram, histogram_chart
from seqdl_vision.letters import Letters
from seqdl_vision.network import SIDE, pictures
from seqdl_vision.tiles import INK, PALE, PAPER, Line, Tile, grey, save_png, sheet, signed

Array = np.ndarray
ACROSS = 16  # maps in a row
WIDE = 72  # pixels that a map should have on its sheet, about


@dataclass(frozen=True)
class Seen:
    """A character (28, 28) uint8 as the network reads it, the probabilities (K,) of its labels, its layers' outputs."""

    image: Array
    labels: tuple[str, ...]
    probabilities: Array
    layers: tuple[Output, ...]

    def best(self, count: int = 5) -> list[tuple[str, float]]:
        """The likeliest labels."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.labels[k], float(self.probabilities[k])) for k in order]


def look(letters: Letters, image: Array) -> Seen:
    """What a model and each layer of its network make of one picture (28, 28) uint8."""
    with recorded_outputs(letters.network) as layers, no_grad():
        letters.network(pictures(image[None]))
    probabilities = letters.probabilities(image[None])[0]
    return Seen(image, letters.labels, probabilities, tuple(layers))


class NamedPicture(NamedTuple):
    """A picture to save, under this name."""

    name: str
    image: Image.Image


def pictures_of_weights(network: Module, figures: Sequence[Figures]) -> Iterator[NamedPicture]:
    """Histograms of all arrays, and the first layer's kernels where that layer reads pictures."""
    yield NamedPicture("weights", weights_chart(figures))
    kernels = first_kernels(network)
    if kernels is not None:
        yield NamedPicture("kernels", maps_sheet(*kernels))


def pictures_of_layers(seen: Seen) -> Iterator[NamedPicture]:
    """What the network sees, and a sheet for each layer, numbered in their order."""
    best = [Line(f"{label or 'none'}  {share:.1%}", PALE if n else INK) for n, (label, share) in enumerate(seen.best())]
    yield NamedPicture("00-input", sheet([Tile(seen.image, best)], 1, 8, "What the network sees"))
    for number, layer in enumerate(seen.layers, 1):
        title = f"{layer.name}, {layer.kind}, {'x'.join(map(str, layer.values.shape[1:]))}"
        yield NamedPicture(f"{number:02}-{layer.name}", maps_sheet(title, as_maps(layer.values[0])))


def weights_chart(figures: Sequence[Figures]) -> Image.Image:
    """A histogram of each array."""
    panels = []
    for each in figures:
        about = f"{'x'.join(map(str, each.shape)) or 'one'}  mean {each.mean:.2g}, deviation {each.std:.2g}"
        panels.append(Histogram(each.name, about, each.counts, each.low, each.high))
    return histogram_chart(panels, title="Weights")


def first_kernels(network: Module) -> tuple[str, Array] | None:
    """A title and the kernels (N, h, w) of the first layer that holds any; None where that does not read pictures."""
    for name, parameter in network.named_parameters():
        if parameter.ndim == 4:
            kernels = parameter.data.reshape(-1, *parameter.shape[2:])
        elif parameter.ndim == 2 and parameter.shape[1] == SIDE * SIDE:
            kernels = parameter.data.reshape(-1, SIDE, SIDE)
        else:
            return None
        return f"{name}: red above zero, blue below", kernels
    return None


def as_maps(values: Array) -> Array:
    """(C, h, w) of one picture's output: maps as they are, a vector (K,) as one map in rows of 32."""
    if values.ndim == 3:
        return values
    flat = values.ravel()
    width = min(2 * ACROSS, max(flat.size, 1))
    padded = np.zeros(-(-flat.size // width) * width, flat.dtype)
    padded[: flat.size] = flat
    return padded.reshape(1, -1, width)


def maps_sheet(title: str, maps: Array) -> Image.Image:
    """Maps (N, h, w) on one scale: grey from 0 on where none is negative, else red above zero and blue below."""
    most = float(np.abs(maps).max(initial=0))
    paint = signed if maps.min(initial=0) < 0 else grey
    side = max(maps.shape[1:])
    scale = max(2, round((WIDE if len(maps) > 1 else 8 * WIDE) / side))
    columns = min(ACROSS, math.ceil(math.sqrt(2 * len(maps))))
    return sheet([Tile(paint(each, most)) for each in maps], columns, min(scale, 24), title)


def save_pictures(path: str | os.PathLike[str], found: Sequence[NamedPicture]) -> None:
    """Each into a folder under its name, or where `path` ends in .png all into one, below each other."""
    path = Path(path)
    if path.suffix.lower() == ".png":
        save_png(path, _stacked([each.image for each in found]))
        return
    for each in found:
        save_png(path / f"{each.name}.png", each.image)


def _stacked(images: Sequence[Image.Image]) -> Image.Image:
    paper = Image.new("RGB", (max(each.width for each in images), sum(each.height for each in images)), PAPER)
    top = 0
    for image in images:
        paper.paste(image, (0, top))
        top += image.height
    return paper
