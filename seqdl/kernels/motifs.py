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
def group_words(ours, words):  # type: ignore[no-untyped-def]
    """words[i]: the word of GROUP bases from ours[i] on; what is no base counts as some base."""
    for i in range(len(words)):
        word = ours[i] & 3
        for n in range(1, GROUP):
            word = word << 2 | ours[i + n] & 3
        words[i] = word


@kernel
def larger(old, length, needed):  # type: ignore[no-untyped-def]
    """An array with room for `needed` elements that begins with the first `length` ones of an old one."""
    if needed <= len(old):
        return old
    new = np.empty(max(needed, 2 * len(old)), old.dtype)
    new[:length] = old[:length]
    return new


@kernel
def sweep(words, count, sums, sweeps, s, where):  # type: ignore[no-untyped-def]
    """Fill `where` with those of `count` windows that may be hits of sweep s; returns how many."""
    limit, groups, found = sweeps.limits[s], sweeps.first[s + 1] - sweeps.first[s], 0
    tables = sweeps.tables.ctypes.data + sweeps.first[s] * LANES
    for at in range(0, count, STEP):
        if fall_short(words.ctypes.data + at, tables, groups, limit, sums.ctypes.data):  # type: ignore[call-arg]
            for v in range(VECTORS):
                bits = within(sums.ctypes.data + v * LANES, limit)
                while bits != 0:
                    window = at + v * LANES + lowest(bits)
                    bits &= bits - U(1)
                    if window < count:
                        where[found] = window
                        found += 1
    return found


@kernel
def look_up(ours, count, first, where, begin, end):  # type: ignore[no-untyped-def]
    """Of `count` words those whose lists are not empty: where they are, and what their lists are.

    Returns how many these are, and the length of all lists. Without branches: nobody can guess which words have one.
    """
    mask, word, kept, total = U(4**WORD - 1), U(0), U(0), 0
    for i in range(WORD - 1):
        word = word << U(2) | U(ours[i] & 3)
    for i in range(count):
        word = (word << U(2) | U(ours[i + WORD - 1] & 3)) & mask
        where[kept], begin[kept], end[kept] = i, first[word], first[word + U(1)]
        total += end[kept] - begin[kept]
        kept += U(begin[kept] != end[kept])
    return kept, total


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
def check(ours, margin, count, where, which, candidates, matrices, keys, scores):  # type: ignore[no-untyped-def]
    """Keys and scores of the candidates that are hits and are among `count` windows from ours[margin] on.

    where: of the candidates, in ours. Key: the window's number, shifted by 32 bits, and the matrix. Returns how many.
    """
    hits = U(0)
    for c in range(candidates):
        m, at = U(which[c]), U(where[c])
        window = np.int64(at) - margin
        scores[hits] = score(ours, at, matrices.columns, matrices.first[m], matrices.first[m + U(1)])
        keys[hits] = window << 32 | which[c]
        hits += U((scores[hits] >= matrices.thresholds[m]) & (window >= 0) & (window < count))
    return np.int64(hits)


@kernel
def sort(keys, scores, sorted_keys, sorted_scores, largest):  # type: ignore[no-untyped-def]
    """Sort by key, keys being from 0 to largest: into buckets, as many as there are keys, then by insertion."""
    shift = 0
    while largest >> shift > len(keys):
        shift += 1
    ends = np.zeros((largest >> shift) + 2, np.int64)
    for n in range(len(keys)):
        ends[(keys[n] >> shift) + 1] += 1
    for bucket in range(1, len(ends)):
        ends[bucket] += ends[bucket - 1]
    for n in range(len(keys)):
        bucket = keys[n] >> shift
        sorted_keys[ends[bucket]], sorted_scores[ends[bucket]] = keys[n], scores[n]
        ends[bucket] += 1
    for n in range(1, len(keys)):
        key, score, at = sorted_keys[n], sorted_scores[n], n
        while at > 0 and sorted_keys[at - 1] > key:
            sorted_keys[at], sorted_scores[at] = sorted_keys[at - 1], sorted_scores[at - 1]
            at -= 1
        sorted_keys[at], sorted_scores[at] = key, score


@kernel
def find(codes, start, end, widest, matrices, sweeps, index):  # type: ignore[no-untyped-def]
    """Hits that begin in [start, end): positions int64, matrices int32, scores float64, by position, then matrix.

    widest: largest padded W.
    """
    position, matrix, found, total = np.empty(64, np.int64), np.empty(64, np.int32), np.empty(64, np.float64), 0
    where, which = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.uint32)
    keys, scores = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.float64)
    sorted_keys, sorted_scores = keys.copy(), scores.copy()
    listed = np.empty((3, BLOCK + widest), np.uint32)
    ours, words = np.empty(BLOCK + STEP + 3 * widest + WORD, np.uint8), np.empty(BLOCK + STEP + widest, np.uint8)
    sums = np.empty(STEP, np.uint8)
    for lo in range(start, end, BLOCK):
        count, candidates = min(BLOCK, end - lo), 0
        copy_around(codes, lo - widest, ours)  # a core may begin before lo, or after the last window
        if len(sweeps.matrix) > 0:
            group_words(ours[widest:], words)
        for s in range(len(sweeps.matrix)):
            where, which = larger(where, candidates, candidates + count), larger(which, candidates, candidates + count)
            more = sweep(words, count, sums, sweeps, s, where[candidates:])
            for c in range(candidates, candidates + more):
                where[c] += widest
                which[c] = sweeps.matrix[s]
            candidates += more
        if len(index.first) > 0:
            lists, more = look_up(ours[widest:], count + widest, index.first, listed[0], listed[1], listed[2])
            where, which = larger(where, candidates, candidates + more), larger(which, candidates, candidates + more)
            for n in range(lists):
                for entry in range(listed[1, n], listed[2, n]):
                    m = index.matrix[entry]
                    where[candidates], which[candidates] = widest + listed[0, n] - index.core[m], m
                    candidates += 1
        keys, scores = larger(keys, 0, candidates + 1), larger(scores, 0, candidates + 1)
        hits = check(ours, widest, count, where, which, candidates, matrices, keys, scores)
        sorted_keys, sorted_scores = larger(sorted_keys, 0, hits), larger(sorted_scores, 0, hits)
        sort(keys[:hits], scores[:hits], sorted_keys, sorted_scores, count << 32)
        position, matrix = larger(position, total, total + hits), larger(matrix, total, total + hits)
        found = larger(found, total, total + hits)
        for n in range(hits):
            position[total + n], matrix[total + n] = lo + (sorted_keys[n] >> 32), sorted_keys[n] & 0xFFFFFFFF
            found[total + n] = sorted_scores[n]
        total += hits
    return position[:total], matrix[:total], found[:total]


@kernel
def count_scores(codes, start, end, widest, matrices, sweeps, scale, lowest, counts):  # type: ignore[no-untyped-def]
    """counts[n] += 1 for each window that begins in [start, end) and whose score is scale times lowest + n, rounded.

    There is one matrix, and it is swept for what reaches lowest; who scores less or more than all of counts is left
    out. Halves are rounded to even.
    """
    where, which = np.empty(BLOCK, np.uint32), np.zeros(BLOCK, np.uint32)
    keys, scores = np.empty(BLOCK + 1, np.int64), np.empty(BLOCK + 1, np.float64)
    ours, words = np.empty(BLOCK + STEP + 2 * widest, np.uint8), np.empty(BLOCK + STEP + widest, np.uint8)
    sums = np.empty(STEP, np.uint8)
    for lo in range(start, end, BLOCK):
        count = min(BLOCK, end - lo)
        copy_around(codes, lo, ours)
        group_words(ours, words)
        for s in range(len(sweeps.matrix)):  # none if no score is as high
            found = sweep(words, count, sums, sweeps, s, where)
            hits = check(ours, 0, count, where, which, found, matrices, keys, scores)
            for n in range(hits):
                place = np.int64(np.rint(scores[n] * scale)) - lowest
                if 0 <= place < len(counts):
                    counts[place] += 1
