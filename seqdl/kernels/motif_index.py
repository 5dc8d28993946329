"""The index of motifs.py: for each word of WORD bases the matrices that can still reach their threshold with it.

W: the columns of a matrix (W, 4). A matrix narrower than a word has all letters in the columns that it lacks.
"""

from __future__ import annotations

import numpy as np

from seqdl.kernels.jit import kernel
from seqdl.kernels.motifs import WORD


@kernel
def largest_of(matrix, largest):  # type: ignore[no-untyped-def]
    """largest (W,): the best entry of each column."""
    for j in range(len(matrix)):
        largest[j] = max(max(matrix[j, 0], matrix[j, 1]), max(matrix[j, 2], matrix[j, 3]))


@kernel
def words_of(matrix, offset, needed, most, words):  # type: ignore[no-untyped-def]
    """How many words in the columns from `offset` on let the best of all other columns reach what is needed.

    They are written to `words`, ascending, as far as it reaches. Gives up above `most`, and returns most + 1. Goes
    through the words like an odometer that skips all that begin with what cannot reach it.
    """
    largest, reach = np.empty(len(matrix), np.float64), np.zeros(WORD + 1, np.float64)
    largest_of(matrix, largest)
    width = min(WORD, len(matrix) - offset)
    for j in range(len(matrix)):
        reach[WORD] += 0.0 if offset <= j < offset + width else largest[j]
    for j in range(WORD - 1, -1, -1):
        reach[j] = reach[j + 1] + (largest[offset + j] if j < width else 0.0)  # the best from column j on
    sums, letters, count, j, word = np.zeros(WORD + 1, np.float64), np.zeros(WORD, np.int64), 0, 0, 0
    while j >= 0:
        if letters[j] == 4:
            j, word = j - 1, word >> 2
            if j >= 0:
                letters[j] += 1
            continue
        sums[j + 1] = sums[j] + (matrix[offset + j, letters[j]] if j < width else 0.0)
        if sums[j + 1] + reach[j + 1] < needed:
            letters[j] += 1
        elif j == WORD - 1:
            if count == most:
                return most + 1
            if count < len(words):
                words[count] = word << 2 | letters[j]
            count += 1
            letters[j] += 1
        else:
            j, word = j + 1, word << 2 | letters[j]
            letters[j] = 0
    return count


@kernel
def choose_cores(columns, first, needed, most, core, count):  # type: ignore[no-untyped-def]
    """Where the core of each matrix begins that has the fewest words, and their number: most[m] + 1 if above most[m].

    columns (sum of W, 4), those of m are first[m] to first[m + 1]; needed, most, core, count: (M,).
    """
    for m in range(len(needed)):
        matrix = columns[first[m] : first[m + 1]]
        core[m], count[m] = 0, most[m] + 1
        for offset in range(max(1, len(matrix) - WORD + 1)):
            words = words_of(matrix, offset, needed[m], min(most[m], count[m]), np.empty(0, np.uint32))
            if words < count[m]:
                core[m], count[m] = offset, words


@kernel
def fill_index(columns, first, needed, core, chosen, count, starts):  # type: ignore[no-untyped-def]
    """Returns the lists of all words, one behind the other; starts (4 ** WORD + 1,), zeros: filled with their places.

    chosen: the matrices to list, ascending; count (M,): of their words.
    """
    words = np.empty(np.max(count[chosen]) if len(chosen) > 0 else 0, np.uint32)
    for m in chosen:
        words_of(columns[first[m] : first[m + 1]], core[m], needed[m], count[m], words)
        for n in range(count[m]):
            starts[words[n] + 1] += 1
    for w in range(1, len(starts)):
        starts[w] += starts[w - 1]
    lists = np.empty(starts[-1], np.uint32)
    for m in chosen[::-1]:  # from the back, so that the places end up where the lists begin
        words_of(columns[first[m] : first[m + 1]], core[m], needed[m], count[m], words)
        for n in range(count[m]):
            starts[words[n] + 1] -= 1
            lists[starts[words[n] + 1]] = m
    for w in range(len(starts) - 1):
        starts[w] = starts[w + 1]
    starts[len(starts) - 1] = len(lists)
    return lists
