"""From what the model says of each character to text: letters or digits, and which case, judged by the word."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqdl_vision.page.components import Array

FLOOR = 1e-4
MIXED = 6.0  # nats for a word of letters and digits
DIGITS = 1.0  # nats for a word of digits alone


class Alphabet:
    """What a model's labels may mean: probabilities of labels to those of characters without case."""

    def __init__(self, labels: Sequence[str], allowed: str) -> None:
        self.characters = sorted({c.lower() for label in labels for c in label if c.lower() in allowed.lower()})
        self.to_characters = np.zeros((len(labels), len(self.characters)), np.float32)
        self.upper = np.zeros((len(labels), len(self.characters)), np.float32)
        for k, label in enumerate(labels):
            for c in {c.lower() for c in label}:
                if c in self.characters:
                    self.to_characters[k, self.characters.index(c)] = 1
            if label and label == label.upper() and label != label.lower():
                self.upper[k, self.characters.index(label.lower())] = 1
            elif label != label.lower():
                self.upper[k, self.characters.index(label[0].lower())] = 0.5
        self.digit = np.array([c.isdigit() for c in self.characters])

    def of(self, probabilities: Array) -> Array:
        return probabilities @ self.to_characters


def choose(chances: Array, digit: Array) -> Array:
    """(N,) index of the character for each of a word's, chances (N, C), all letters or all digits where it can be."""
    logs = np.log(np.maximum(chances, FLOOR))
    best = logs.argmax(axis=1)
    if not digit.any() or digit.all():
        return best
    letters, digits = logs[:, ~digit], logs[:, digit]
    scores = [letters.max(axis=1).sum(), digits.max(axis=1).sum() - DIGITS, logs.max(axis=1).sum() - MIXED]
    kind = int(np.argmax(scores))
    if kind == 2:
        return best
    kept = np.flatnonzero(digit if kind == 1 else ~digit)
    return kept[(digits if kind == 1 else letters).argmax(axis=1)]
