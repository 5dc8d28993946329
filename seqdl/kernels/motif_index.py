"""The index of motifs.py: for each word of WORD bases the matrices that can still reach their threshold with it.

W: the columns of a matrix (W, 4). A matrix narrower than a word has all letters in the columns that it lacks.
"""

from __future__ import annotations

import numpy as np

from seqdl.kernels.jit import kernel
from seqdl.kernels.motifs import WORD


@kernel
def prepare(columns, first, last, offset, core, reach):  # type: ignore[no-untyped-def]
    """core (WORD, 4): the columns from first + offset on, then zeros. reach (WORD + 1,): the best from column n on.

    The columns that are not in the core count in all of reach.
    """
    reach[WORD] = 0.0
    for column in range(first, last):
        n = column - first - offset
        largest = max(max(columns[column, 0], columns[column, 1]), max(columns[column, 2], columns[column, 3]))
        if 0 <= n < WORD:
            reach[n] = largest
        else:
            reach[WORD] += largest
    for n in range(WORD - 1, -1, -1):
        missing = first + offset + n >= last
        reach[n] = reach[n + 1] + (0.0 if missing else reach[n])
        for letter in range(4):
            core[n, letter] = 0.0 if missing else columns[first + offset + n, letter]


@kernel
def words_of(core, reach, needed, most, words):  # type: ignore[no-untyped-def]
    """How many words of a core, see `prepare`, can reach what is needed; gives up above `most`, and returns most + 1.

    They are written to `words`, ascending, as far as it reaches. Goes through the words like an odometer that skips
    all that begin with what cannot reach it.
    """
    sums, letters, count, n, word = np.zeros(WORD, np.float64), np.zeros(WORD, np.int64), 0, 0, 0
    while n >= 0:
        if letters[n] == 4:
            n, word = n - 1, word >> 2
            if n >= 0:
                letters[n] += 1
            continue
        total = sums[n] + core[n, letters[n]]
        if total + reach[n + 1] < needed:
            letters[n] += 1
        elif n < WORD - 1:
            word = word << 2 | letters[n]
            n += 1
            sums[n], letters[n] = total, 0
        elif count == most:
            return most + 1
        else:
            if count < len(words):
                words[count] = word << 2 | letters[n]
            count += 1
            letters[n] += 1
    return count


@kernel
def choose_cores(columns, first, needed, most, offsets, counts):  # type: ignore[no-untyped-def]
    """Where the core of each matrix begins that has the fewest words, and their number: most[m] + 1 if above most[m].

    columns (sum of W, 4), those of m are first[m] to first[m + 1]; needed, most, offsets, counts: (M,).
    """
    core, reach, none = np.empty((WORD, 4), np.float64), np.empty(WORD + 1, np.float64), np.empty(0, np.uint32)
    for m in range(len(needed)):
        offsets[m], counts[m] = 0, most[m] + 1
        for offset in range(max(1, first[m + 1] - first[m] - WORD + 1)):
            prepare(columns, first[m], first[m + 1], offset, core, reach)
            words = words_of(core, reach, needed[m], min(most[m], counts[m]), none)
            if words < counts[m]:
                offsets[m], counts[m] = offset, words


@kernel
def fill_index(columns, first, needed, offsets, counts, chosen, starts, lists):  # type: ignore[no-untyped-def]
    """lists: the matrices of all words; starts (4 ** WORD + 2,), zeros: where the list of a word begins, and the end.

    chosen: the matrices to list, ascending; counts (M,): of their words, which lists has room for. The last element
    of starts is spare.
    """
    core, reach = np.empty((WORD, 4), np.float64), np.empty(WORD + 1, np.float64)
    words = np.empty(len(lists), np.uint32)
    for counting in (True, False):
        for k in range(len(chosen)):
            m = chosen[k]
            prepare(columns, first[m], first[m + 1], offsets[m], core, reach)
            for n in range(words_of(core, reach, needed[m], counts[m], words)):
                if counting:
                    starts[words[n] + 2] += 1
                else:  # starts[w + 1] runs from where the list of w begins to where it ends
                    lists[starts[words[n] + 1]] = m
                    starts[words[n] + 1] += 1
        if counting:
            for w in range(1, len(starts)):
                starts[w] += starts[w - 1]
