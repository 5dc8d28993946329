"""The mix of the colours in which the ink is dark and the ruled lines are not."""

from __future__ import annotations

from itertools import product

import numpy as np

Array = np.ndarray

EVEN = 0.1  # of the paper's light: less contrast than a few times this is not traded for fainter rules


def channel_weights(ink: Array, rules: Array, unevenness: Array) -> Array:
    """Shares (C,) of the channels, their sum 1, none negative: most ink for little of the rules and the paper's grain.

    ink (C,): light that the ink takes away, typically; rules (C, C): mean outer product of what the rules take away,
    zeros where there are none; unevenness (C,): deviation of the blank paper.

    Fisher's discriminant: (w . ink)^2 / (w' S w) is greatest at w = S^-1 ink, S the scatter of what is not ink. A
    negative share would sharpen the noise that JPEG leaves in colours, so channels are left out instead.
    """
    scatter = np.diag(np.maximum(unevenness, EVEN) ** 2) + rules
    best, most = np.full(len(ink), 1 / len(ink)), -1.0
    for used in product([False, True], repeat=len(ink)):
        if any(used):
            part = np.ix_(used, used)
            weights = np.linalg.solve(scatter[part], ink[list(used)])
            value = float(ink[list(used)] @ weights)
            if value > most and (weights > 0).all():
                best, most = np.zeros(len(ink)), value
                best[list(used)] = weights / weights.sum()
    return best.astype(np.float32)
