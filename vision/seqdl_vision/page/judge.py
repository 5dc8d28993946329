"""What the model says of sets of components, each asked about once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from seqdl_data.glyphs import fit_all
from seqdl_vision.letters import Letters
from seqdl_vision.page.components import Array, Components
from seqdl_vision.page.crops import Cropper
from seqdl_vision.page.forms import Forms

# What a segment counts for. Found by search on lines put together from the letters of UNIPEN writers.
RELATIVE = 0.25  # how far a character is judged beside the other characters, not by how well it stands in the line
NOTHING = 10.0  # nats for what is surely no character, beside its small chance to be one
ORDINARY = 1.6  # letter heights: the doubts of a wider segment count more
FLOOR = 1e-5
TOGETHER = 256  # pictures the model is asked about at once


Key = tuple[tuple[int, int], ...]


class Judge:
    """Chances of forms for sets of components of a page; what was asked once is remembered.

    tick: called after every few hundred pictures.
    """

    def __init__(
        self,
        components: Components,
        grey: Array,
        letters: Letters,
        forms: Forms,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.components, self.grey, self.letters, self.forms, self.tick = components, grey, letters, forms, tick
        self.known: dict[Key, Array] = {}

    def __call__(self, sets: Sequence[Sequence[int]]) -> tuple[Array, Array]:
        """(N, F) chances of forms by shape alone and (N,) that of no character, for N sets of component numbers."""
        keys = [self.key(members) for members in sets]
        new = [key for key in dict.fromkeys(keys) if key not in self.known]
        crop = Cropper(self.components, self.grey)
        for at in range(0, len(new), TOGETHER):
            some = new[at : at + TOGETHER]
            images = fit_all(crop([n for n, _ in key]) for key in some)
            self.known.update(zip(some, self.letters.probabilities(images), strict=True))
            self.tick()
        probabilities = np.array([self.known[key] for key in keys], np.float32).reshape(len(keys), -1)
        if not keys:
            return np.empty((0, len(self.forms)), np.float32), np.empty(0, np.float32)
        return self.forms.chances(probabilities), probabilities[:, self.forms.nothing].sum(axis=1)

    def key(self, members: Sequence[int]) -> Key:
        """A set of components as they are now: what has been cut has another area."""
        return tuple((n, int(self.components.areas[n])) for n in sorted(members))


def nats(forms: Forms, chances: Array, nothing: Array, widths: Array) -> Array:
    """(N,) at most 0: how good a character each segment makes; widths (N,) in letter heights."""
    folded = forms.without_case(chances)  # a letter and a digit of one shape are told apart later, by the word
    best = sum(folded[:, kind].max(axis=1, initial=0) for kind in (forms.digit, ~forms.digit))
    total = chances.sum(axis=1) + nothing
    share = np.log(np.maximum(best, FLOOR)) - RELATIVE * np.log(np.maximum(total, FLOOR))
    return np.asarray(np.minimum(share, 0) * np.maximum(1, widths / ORDINARY) ** 2 - NOTHING * nothing)
