"""Labels as strings of the characters they may be: "7", "a", "Cc" (one form in both cases), "" (no character).

EMNIST's merged letters are "Aa" to "Zz": the data do not know the case. A model's labels are the finest that its
training data can teach, and a label of one fits a label of another if they share a character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from seqdl_data.images import ImageSet

Array = np.ndarray
NO_CHARACTER = ""
TWO_FORMS = frozenset("abdefghnqrt")  # whose two cases look different, as EMNIST's balanced set has it


def model_labels(classes: Iterable[str]) -> tuple[str, ...]:
    """The labels for a model of data with these classes, in the order of the alphabet, digits first.

    A letter of two forms gets a label for each case where a class knows it, any other letter one for both.
    """
    known = set(classes)
    characters = sorted(set("".join(known)))
    labels: dict[str, None] = {}
    for character in characters:
        letter = character.lower()
        if letter == character.upper() or (letter in TWO_FORMS and known & {letter, letter.upper()}):
            labels[character] = None
        else:
            labels[letter.upper() + letter] = None
    return alphabetical(labels)


def alphabetical(labels: Iterable[str]) -> tuple[str, ...]:
    """Labels in the order of the alphabet, digits and "no character" first, a capital before its small letter."""
    return tuple(sorted(labels, key=lambda label: (label[:1].lower(), label)))


def fits(classes: Sequence[str], labels: Sequence[str]) -> Array:
    """(C, K) bool: which classes and labels share a character."""
    return np.array([[not set(of).isdisjoint(label) for label in labels] for of in classes]).reshape(-1, len(labels))


def without_case(classes: Sequence[str]) -> tuple[tuple[str, ...], Array]:
    """Classes with the cases merged ("A", "a", "Cc" -> "Aa", "Cc"), and for each class the index (C,) of its own."""
    names = ["".join(sorted({form for c in of for form in (c.upper(), c.lower())})) for of in classes]
    merged = tuple(dict.fromkeys(names))
    return merged, np.array([merged.index(name) for name in names], np.int64)


def only(data: ImageSet, wanted: Callable[[str], bool]) -> ImageSet:
    """The characters of a set whose class is wanted; the others are no classes of the result."""
    kept = np.array([wanted(name) for name in data.classes], bool)
    part = data.select(kept[data.labels])
    names = tuple(name for name in data.classes if wanted(name))
    return ImageSet(part.images, (np.cumsum(kept) - 1)[part.labels], names, part.writers, part.strokes)
