"""All that a training draws from: the pictures of several datasets, in a seeded order that can be resumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seqdl.random import generator_state, restore_generator
from seqdl_data.images import ImageSet
from seqdl_vision.augment import Augmentation, redraw
from seqdl_vision.junk import make_junk
from seqdl_vision.network import pictures
from seqdl_vision.symbols import NO_CHARACTER, fits

Array = np.ndarray


class Batch(NamedTuple):
    """pictures (B, H, W) float32 in [0, 1]; right (B, K) bool: the labels that are true of each."""

    pictures: Array
    right: Array


class Pool:
    """The pictures of `sets`, drawn in another order each time round; one that is given twice is seen twice as often.

    redrawn: share of the pictures with pen strokes that are drawn anew with another pen. junk: share of each batch
    that is no character, if `labels` has a label for that. augmentation: None leaves pictures as they are.
    """

    def __init__(
        self,
        sets: Sequence[ImageSet],
        labels: Sequence[str],
        generator: np.random.Generator,
        *,
        augmentation: Augmentation | None,
        redrawn: float = 0.0,
        junk: float = 0.0,
    ) -> None:
        self.sets, self.generator, self.augmentation, self.redrawn = sets, generator, augmentation, redrawn
        self.right = [fits(data.classes, labels)[data.labels] for data in sets]
        self.nothing = np.array([label == NO_CHARACTER for label in labels])
        self.junk = junk if self.nothing.any() else 0.0
        sizes = [len(data.images) for data in sets]
        self.set_of, self.row_of = np.repeat(np.arange(len(sets)), sizes), np.concatenate([*map(np.arange, sizes)])
        self.order = generator.permutation(len(self))
        self.position = 0

    def __len__(self) -> int:
        return len(self.set_of)

    def draw(self, count: int) -> Batch:
        """The next `count` pictures, the last of them replaced by junk."""
        which = self._next(count)
        images, right = self._pictures(which), self._right(which)
        junk = int(self.generator.binomial(count, self.junk)) if count > 1 else 0
        if junk:
            images[-junk:], right[-junk:] = make_junk(images, junk, self.generator), self.nothing
        return Batch(images if self.augmentation is None else self.augmentation(images, self.generator), right)

    def _next(self, count: int) -> Array:
        taken = self.order[self.position : self.position + count]
        self.position += len(taken)
        if len(taken) < count:
            self.order, self.position = self.generator.permutation(len(self)), 0
            return np.concatenate([taken, self._next(count - len(taken))])
        return taken

    def _pictures(self, which: Array) -> Array:
        out = np.empty((len(which), *self.sets[0].images.shape[1:]), np.float32)
        again = self.generator.random(len(which)) < self.redrawn
        for number, data in enumerate(self.sets):
            mine = self.set_of[which] == number
            rows = self.row_of[which[mine]]
            images = pictures(data.images[rows])[:, 0]
            if data.strokes is not None and again[mine].any():
                images[again[mine]] = redraw(data.strokes, rows[again[mine]], images.shape[1], self.generator)
            out[mine] = images
        return out

    def _right(self, which: Array) -> Array:
        return np.stack([self.right[s][r] for s, r in zip(self.set_of[which], self.row_of[which], strict=True)])

    def state(self) -> dict[str, Array]:
        """Where the drawing stands, for a checkpoint."""
        return {
            "generator": generator_state(self.generator),
            "order": self.order.astype(np.int32),
            "position": np.array(self.position),
        }

    def restore(self, state: dict[str, Array]) -> None:
        """Go on where `state` was taken."""
        restore_generator(self.generator, state["generator"])
        self.order, self.position = state["order"].astype(np.int64), state["position"].item()
