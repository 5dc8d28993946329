"""Finding the windows of a sequence whose score under a matrix reaches a threshold.

A score is the float64 sum of a window's entries, one a column, added in the order of the columns; a code above 3 (not
A, C, G, T) has the entry NaN, and NaN reaches no threshold. Two ways lead to the windows worth that sum, and neither
loses a hit:

    sweep   All windows, a vector of them at once. What each column's letter falls short of the column's best one is
            scaled and rounded down to a byte; so are the sums of 2 or 3 columns, for 16 or 64 words, which one
            instruction looks up for a whole vector. Bytes are added with saturation. Whoever is short of more than
            the threshold allows is no hit. Costs the same for each matrix, whatever its threshold.
    index   For each word of WORD bases the list of the matrices that can still reach their threshold when this word
            is in their core, the WORD columns for which there are fewest such words. One look-up a base serves all
            matrices, and few candidates remain where the core decides nearly alone. See motif_index.py.

Both name candidates, `check` adds up their scores. M: matrices, W: the columns of one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from seqdl.kernels.jit import kernel
from seqdl.kernels.vectors import BYTE, INDEX, LOOKUP, Code

GROUP = LOOKUP.bits // 2  # columns that one look-up covers
LANES, VECTORS = LOOKUP.lanes, 4
STEP = VECTORS * LANES  # windows that are summed together
BLOCK = 1 << 14  # windows whose words stay in the first cache
WORD = 10  # bases of a word of the index
LETTERS = 8  # entries of a column: A, C, G, T, then NaN, so that no code points elsewhere
PADDING = 4  # the columns of a matrix are filled up to a multiple of this with zeros, which change no sum
MISSING = 4  # the code of what is no base
U = np.uint64  # an index of this type needs no test for being negative


class Matrices(NamedTuple):
    columns: Any  # (sum of padded W * LETTERS,) float64
    first: Any  # (M + 1,) uint64: the padded columns of m are first[m] to first[m + 1]
    thresholds: Any  # (M,) float64


class Sweeps(NamedTuple):
    """S matrices that are swept, G groups of columns each."""

    matrix: Any  # (S,) uint32
    first: Any  # (S + 1,) int64: its groups are first[s] to first[s + 1]
    tables: Any  # (sum of G, LANES) uint8: what a word of a group falls short of the best one
    limits: Any  # (S,) uint8: how much a hit may fall short of


class Index(NamedTuple):
    first: Any  # (4 ** WORD + 1,) uint32: the list of word w is first[w] to first[w + 1]; empty: no index
    matrix: Any  # uint32, ascending in a list
    core: Any  # (M,) uint32: the column with which the core begins


class Room(NamedTuple):
    """What `find` works in, for `widest` columns (padded) at most. See `room`."""

    ours: Any  # (BLOCK + STEP + 3 widest + WORD,) uint8: codes around the windows, from `widest` before the first on
    words: Any  # (BLOCK + STEP + widest,) uint8
    short: Any  # (STEP,) uint8
    lists: Any  # (3, BLOCK + widest) uint32: words whose lists are not empty, where their lists begin, and end
    candidates: Any  # (2, C) uint32: where in `ours` they begin, and the matrix; C is the largest number
    keys: Any  # (2, C + 1) int64: of hits, as they come and sorted
    scores: Any  # (2, C + 1) float64
    ends: Any  # (C + 3,) int64: what sorting needs


class Hits(NamedTuple):
    position: Any  # (C,) int64
    matrix: Any  # (C,) int32
    score: Any  # (C,) float64


def room(widest: int, candidates: int) -> Room:
    """Room for as many candidates among the windows of a block."""
    return Room(
        np.empty(BLOCK + STEP + 3 * widest + WORD, np.uint8),
        np.empty(BLOCK + STEP + widest, np.uint8),
        np.empty(STEP, np.uint8),
        np.empty((3, BLOCK + widest), np.uint32),
        np.empty((2, candidates), np.uint32),
        np.empty((2, candidates + 1), np.int64),
        np.empty((2, candidates + 1), np.float64),
        np.empty(candidates + 3, np.int64),
    )


def hits(count: int) -> Hits:
    """Room for as many hits."""
    return Hits(np.empty(count, np.int64), np.empty(count, np.int32), np.empty(count, np.float64))


@intrinsic
def fall_short(typingctx, words, tables, groups, limit, sums):  # type: ignore[no-untyped-def]
    """Whether any of STEP windows falls short of no more than the limit; sums (STEP,): of how much each does.

    words, tables, sums: addresses of the first window's word, the matrix's first table, the sums.
    """

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        code = Code(builder, LANES)
        words, tables, sums = (code.pointer(arguments[n], BYTE) for n in (0, 1, 4))
        offsets = [LANES * v for v in range(VECTORS)]

        def add(n, *short):  # type: ignore[no-untyped-def]
            table = code.load(code.at(tables, builder.mul(n, INDEX(LANES))))
            window = code.at(words, builder.mul(n, INDEX(GROUP)))
            found = [code.look_up(table, code.load(code.at(window, offset))) for offset in offsets]
            return [code.add_bytes(a, b) for a, b in zip(short, found, strict=True)]

        none = ir.Constant(ir.VectorType(BYTE, LANES), None)
        short = code.loop("group", arguments[2], [none] * VECTORS, add)
        least = short[0]
        for one, offset in zip(short, offsets, strict=True):
            least = code.smaller(least, one)
            code.store(one, code.at(sums, offset))
        limit = code.splat(arguments[3])
        return builder.icmp_unsigned("!=", code.bits(builder.icmp_unsigned("<=", least, limit)), INDEX(0))

    return types.boolean(types.intp, types.intp, types.intp, types.uint8, types.intp), codegen


@intrinsic
def within(typingctx, sums, limit):  # type: ignore[no-untyped-def]
    """Which of LANES bytes at this address are at most the limit, as bits, the first one the lowest."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        code = Code(builder, LANES)
        short = code.load(code.pointer(arguments[0], BYTE))
        return code.bits(builder.icmp_unsigned("<=", short, code.splat(arguments[1])))

    return types.uint64(types.intp, types.uint8), codegen


@intrinsic
def lowest(typingctx, bits):  # type: ignore[no-untyped-def]
    """The number of the lowest bit that is set."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.intp(types.uint64), codegen


@kernel
def copy_around(codes, start, ours):  # type: ignore[no-untyped-def]
    """ours[i] = codes[start + i], below LETTERS; MISSING before the first and after the last one."""
    first = min(len(ours), max(0, -start))
    last = max(first, min(len(ours), len(codes) - start))
    ours[:first], ours[last:] = MISSING, MISSING
    inside, there = ours[first:last], codes[start + first : start + last]
    for i in range(len(inside)):
        inside[i] = there[i] & (LETTERS - 1)


@kernel
def group_words(ours, margin, words):  # type: ignore[no-untyped-def]
    """words[i]: the word of GROUP bases from ours[margin + i] on; what is no base counts as some base."""
    inside = ours[margin:]
    for i in range(len(words)):
        word = inside[i] & 3
        for n in range(1, GROUP):
            word = word << 2 | inside[i + n] & 3
        words[i] = word


@kernel
def sweep(words, count, short, sweeps, s, candidates, found, margin):  # type: ignore[no-untyped-def]
    """Append to `found` candidates those of `count` windows that may be hits of sweep s; returns how many are there.

    A candidate is where the window begins, margin and more, and the matrix. There must be room for all windows.
    """
    limit, groups = sweeps.limits[s], sweeps.first[s + 1] - sweeps.first[s]
    tables = sweeps.tables.ctypes.data + sweeps.first[s] * LANES
    for at in range(0, count, STEP):
        if fall_short(words.ctypes.data + at, tables, groups, limit, short.ctypes.data):  # type: ignore[call-arg]
            for v in range(VECTORS):
                bits = within(short.ctypes.data + v * LANES, limit)
                while bits != 0:
                    window = at + v * LANES + lowest(bits)
                    bits &= bits - U(1)
                    if window < count:
                        candidates[0, found], candidates[1, found] = margin + window, sweeps.matrix[s]
                        found += 1
    return found


@kernel
def look_up(ours, margin, count, first, lists):  # type: ignore[no-untyped-def]
    """Of `count` words from ours[margin] on those whose lists are not empty: where they are, and what their lists are.

    Returns how many these are, and the length of all lists. Without branches: nobody can guess which words have one.
    """
    mask, word, kept, total = U(4**WORD - 1), U(0), U(0), 0
    for i in range(margin, margin + WORD - 1):
        word = word << U(2) | U(ours[i] & 3)
    for i in range(margin, margin + count):
        word = (word << U(2) | U(ours[i + WORD - 1] & 3)) & mask
        begin, end = first[word], first[word + U(1)]
        lists[0, kept], lists[1, kept], lists[2, kept] = i, begin, end
        total += end - begin
        kept += U(begin != end)
    return np.int64(kept), total


@kernel
def walk_lists(lists, count, index, candidates, found):  # type: ignore[no-untyped-def]
    """Append to `found` candidates all of the lists; returns how many are there."""
    for n in range(count):
        for entry in range(lists[1, n], lists[2, n]):
            m = index.matrix[entry]
            candidates[0, found], candidates[1, found] = lists[0, n] - index.core[m], m
            found += 1
    return found


@kernel(in_order=True)
def score(ours, at, columns, first, last):  # type: ignore[no-untyped-def]
    """The score of the window from ours[at] on, added up in the order of the columns first to last."""
    total = 0.0
    while first < last:
        for n in range(PADDING):
            total += columns[(first + U(n)) * U(LETTERS) + U(ours[at + U(n)])]
        first, at = first + U(PADDING), at + U(PADDING)
    return total


@kernel
def check(ours, margin, count, candidates, found, matrices, keys, scores):  # type: ignore[no-untyped-def]
    """Keys and scores of those of `found` candidates that are hits, among `count` windows from ours[margin] on.

    Row 0 of each is filled. Key: the window's number, shifted by 32 bits, and the matrix. Returns how many.
    """
    hits = U(0)
    for c in range(found):
        at, m = U(candidates[0, c]), U(candidates[1, c])
        window = np.int64(at) - margin
        total = score(ours, at, matrices.columns, matrices.first[m], matrices.first[m + U(1)])
        keys[0, hits], scores[0, hits] = window << 32 | np.int64(m), total
        hits += U((total >= matrices.thresholds[m]) & (window >= 0) & (window < count))
    return np.int64(hits)


@kernel
def sort(keys, scores, count, largest, ends):  # type: ignore[no-untyped-def]
    """Rows 1 become `count` of rows 0 in the order of the keys: by buckets, as many as keys, then by insertion.

    Keys are from 0 to largest. ends (count + 3 or more,): overwritten.
    """
    shift = 0
    while largest >> shift > count:
        shift += 1
    for bucket in range((largest >> shift) + 2):
        ends[bucket] = 0
    for n in range(count):
        ends[(keys[0, n] >> shift) + 1] += 1
    for bucket in range((largest >> shift) + 1):
        ends[bucket + 1] += ends[bucket]
    for n in range(count):
        key, bucket = keys[0, n], keys[0, n] >> shift
        at = ends[bucket]
        keys[1, at], scores[1, at] = key, scores[0, n]
        ends[bucket] += 1
    for n in range(1, count):
        key, total, at = keys[1, n], scores[1, n], n
        while at > 0 and keys[1, at - 1] > key:
            keys[1, at], scores[1, at] = keys[1, at - 1], scores[1, at - 1]
            at -= 1
        keys[1, at], scores[1, at] = key, total


@kernel
def candidates_of_block(codes, start, count, widest, sweeps, index, room):  # type: ignore[no-untyped-def]
    """Fill room.ours and room.candidates for `count` windows from `start` on; returns how many, -1 if too many."""
    copy_around(codes, start - widest, room.ours)  # a core may begin before the first, or after the last window
    found, most = 0, room.candidates.shape[1]
    if len(sweeps.matrix) > 0:
        group_words(room.ours, widest, room.words)
    for s in range(len(sweeps.matrix)):
        if found + count > most:
            return -1
        found = sweep(room.words, count, room.short, sweeps, s, room.candidates, found, widest)
    if len(index.first) > 0:
        lists, total = look_up(room.ours, widest, count + widest, index.first, room.lists)
        if found + total > most:
            return -1
        found = walk_lists(room.lists, lists, index, room.candidates, found)
    return found


@kernel
def find(codes, start, end, step, widest, matrices, sweeps, index, room, hits):  # type: ignore[no-untyped-def]
    """Hits that begin in [start, end), by position, then matrix. Returns how many, and where it ended.

    Takes `step` windows at a time, BLOCK at most. Ends early if these have more candidates than there is room for,
    or room for hits.
    """
    total = 0
    for lo in range(start, end, step):
        count = min(step, end - lo)
        found = candidates_of_block(codes, lo, count, widest, sweeps, index, room)
        if found < 0 or total + found > len(hits.position):
            return total, lo
        more = check(room.ours, widest, count, room.candidates, found, matrices, room.keys, room.scores)
        sort(room.keys, room.scores, more, count << 32, room.ends)
        for n in range(more):
            key = room.keys[1, n]
            hits.position[total + n], hits.matrix[total + n] = lo + (key >> 32), key & 0xFFFFFFFF
            hits.score[total + n] = room.scores[1, n]
        total += more
    return total, end


@kernel
def count_scores(codes, start, end, widest, matrices, sweeps, index, room, scale, lowest, counts):  # type: ignore[no-untyped-def]
    """counts[n] += 1 for each window that begins in [start, end) and whose score times scale, rounded, is lowest + n.

    There is one matrix; its threshold must let all of these pass. Halves are rounded to even. room: for BLOCK.
    """
    for lo in range(start, end, BLOCK):
        count = min(BLOCK, end - lo)
        found = candidates_of_block(codes, lo, count, widest, sweeps, index, room)
        for n in range(check(room.ours, widest, count, room.candidates, found, matrices, room.keys, room.scores)):
            place = np.int64(np.rint(room.scores[0, n] * scale)) - lowest
            if 0 <= place < len(counts):
                counts[place] += 1
