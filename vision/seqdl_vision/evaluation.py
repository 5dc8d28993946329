"""How well a model names characters that it has not seen, and how well it knows when it does not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from seqdl.errors import UsageError
from seqdl.metrics import Bin, calibration_error, confusion_table, reliability, softmax, wilson
from seqdl.nn import Module, evaluating
from seqdl.tensor import no_grad
from seqdl_data.images import ImageSet
from seqdl_vision.augment import flip_pixels
from seqdl_vision.letters import Letters
from seqdl_vision.network import pictures
from seqdl_vision.symbols import NO_CHARACTER, fits, without_case

Array = np.ndarray
SHIFT, FLIPS = 2, 5  # the series' corruption: moved by up to two pixels, five pixels inverted


@dataclass(frozen=True)
class Judged:
    """What a model says of labelled pictures, the labels that no class fits left out.

    images (N, 28, 28) that were judged; probabilities (N, K) of `labels`; right (N, K) bool: which labels are true of
    each picture; truth (N,) index into `classes`.
    """

    labels: tuple[str, ...]
    classes: tuple[str, ...]
    probabilities: Array
    right: Array
    truth: Array
    images: Array

    @property
    def guess(self) -> Array:
        """(N,) index of the most likely label."""
        return self.probabilities.argmax(axis=1)

    @property
    def correct(self) -> Array:
        """(N,) bool."""
        return self.right[np.arange(len(self.right)), self.guess]


@dataclass(frozen=True)
class Figures:
    """How good a model is on pictures: shares of them, with 95% intervals (Wilson), and calibration."""

    count: int
    accuracy: float
    interval: tuple[float, float]
    top2: float
    top2_interval: tuple[float, float]
    nats: float
    calibration_error: float
    reliability: list[Bin]


def judge(model: Letters | Module, data: ImageSet, merge_case: bool = False, images: Array | None = None) -> Judged:
    """What the model says of the pictures of `data`, or of `images` in their place.

    model: may be a network of one's own too, with a logit for each class of the data, (B, 1, 28, 28) -> (B, classes);
    it is judged in evaluation, and is in training afterwards if it was before. UsageError for another number of logits.
    merge_case: both cases of a letter count as one. Labels that fit no class of the data, such as "no character" or
    digits where there are letters alone, are not choices: their probability goes to the others.
    """
    images = data.images if images is None else images
    letters, logits = (model, model.logits(images)) if isinstance(model, Letters) else _own_network(model, data, images)
    return judge_logits(logits, letters.labels, letters.temperature, replace(data, images=images), merge_case)


def _own_network(network: Module, data: ImageSet, images: Array) -> tuple[Letters, Array]:
    """The network with the classes as its labels, and its logits."""
    with evaluating(network), no_grad():
        given = network(pictures(images[:1])).shape[1:]
    if given != (len(data.classes),):
        raise UsageError(f"the network gives {given} logits, the data have {len(data.classes)} classes")
    letters = Letters(network, {}, data.classes)
    return letters, letters.logits(images)


def judge_logits(
    logits: Array, labels: tuple[str, ...], temperature: float, data: ImageSet, merge_case: bool = False
) -> Judged:
    """As `judge`, of logits (N, K) that a model gave."""
    possible = np.flatnonzero(fits(data.classes, labels).any(axis=0))
    names, classes, truth = tuple(labels[k] for k in possible), data.classes, data.labels
    probabilities = softmax(logits[:, possible] / temperature)
    if merge_case:
        names, own = without_case(names)
        merged = np.zeros((len(probabilities), len(names)))
        np.add.at(merged.T, own, probabilities.T)
        classes, of = without_case(classes)
        probabilities, truth = merged, of[truth]
    return Judged(names, classes, probabilities, fits(classes, names)[truth], truth, data.images)


def figures(judged: Judged) -> Figures:
    """The figures of what was judged."""
    n = len(judged.truth)
    order = np.argsort(-judged.probabilities, axis=1, kind="stable")[:, :2]
    second = np.take_along_axis(judged.right, order, axis=1).any(axis=1)
    likelihood = np.maximum((judged.probabilities * judged.right).sum(axis=1), 1e-30)
    bins = reliability(judged.probabilities.max(axis=1), judged.correct)
    return Figures(
        count=n,
        accuracy=float(judged.correct.mean()) if n else float("nan"),
        interval=wilson(int(judged.correct.sum()), n),
        top2=float(second.mean()) if n else float("nan"),
        top2_interval=wilson(int(second.sum()), n),
        nats=float(-np.log(likelihood).mean()) if n else float("nan"),
        calibration_error=calibration_error(bins),
        reliability=bins,
    )


def corrupted(
    images: Array, generator: np.random.Generator | None = None, shift: int = SHIFT, flips: int = FLIPS
) -> Array:
    """(N, H, W) float32 in [0, 1]: uint8 images moved by up to `shift` pixels each way, `flips` of each inverted.

    As chapter 5 of "Hello Deep Learning" spoils its digits. Without a generator always in the same way, for tests;
    with one anew at each call, to train on.
    """
    generator = generator or np.random.default_rng(1)
    padded = np.pad(pictures(images)[:, 0], ((0, 0), (shift, shift), (shift, shift)))
    moves = generator.integers(-shift, shift + 1, (len(images), 2))
    rows, columns = (np.arange(n) + shift - moves[:, [axis]] for axis, n in enumerate(images.shape[1:]))
    moved = padded[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]
    return flip_pixels(moved, np.full(len(moved), flips), generator)


def confusion(judged: Judged) -> Array:
    """(C, K) int64: how often a picture of each class got each label."""
    return confusion_table(judged.truth, judged.guess, len(judged.classes), len(judged.labels))


def is_junk(letters: Letters, images: Array) -> Array:
    """(N,) float64: the probability that each picture is no character; zeros where the model was not taught that."""
    if NO_CHARACTER not in letters.labels:
        return np.zeros(len(images))
    return letters.probabilities(images)[:, letters.labels.index(NO_CHARACTER)].astype(np.float64)
