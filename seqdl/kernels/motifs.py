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
            matrices; what remains are the candidates.

Matrices: M of them, W columns each, all columns one below the other.
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


class Matrices(NamedTuple):
    columns: Any  # (sum of W, LETTERS) float64
    first: Any  # (M + 1,) int64: the columns of m are first[m] to first[m + 1]
    thresholds: Any  # (M,) float64


class Sweeps(NamedTuple):
    """S matrices that are swept, G groups of columns each."""

    matrix: Any  # (S,) int64
    first: Any  # (S + 1,) int64: its groups are first[s] to first[s + 1]
    tables: Any  # (sum of G, LANES) uint8: what a word of a group falls short of the best one
    limits: Any  # (S,) uint8: how much a hit may fall short of


class Index(NamedTuple):
    first: Any  # (4 ** WORD + 1,) int32: the list of word w is first[w] to first[w + 1]; empty: no index
    matrix: Any  # int32
    core: Any  # (M,) int64: the column with which the core begins


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
def group_words(codes, start, words):  # type: ignore[no-untyped-def]
    """words[i]: the word of GROUP bases at start + i; codes above 3 count as some base, missing ones as A."""
    count = max(0, min(len(words), len(codes) - start - GROUP + 1))
    ours = codes[start : start + count + GROUP - 1]
    for i in range(count):
        word = ours[i] & 3
        for n in range(1, GROUP):
            word = word << 2 | ours[i + n] & 3
        words[i] = word
    for i in range(count, len(words)):
        word = 0
        for n in range(GROUP):
            at = start + i + n
            word = word << 2 | (codes[at] & 3 if at < len(codes) else 0)
        words[i] = word


@kernel(in_order=True)
def score(codes, at, columns, first, last):  # type: ignore[no-untyped-def]
    """The score of the window at `at` under columns first to last, added up in their order."""
    total = 0.0
    for column in range(first, last):
        total += columns[column, codes[at + column - first] & 7]
    return total


@kernel
def larger(old, length, needed):  # type: ignore[no-untyped-def]
    """An array that holds the first `length` elements of an old one and has room for `needed` ones."""
    new = np.empty(max(needed, 2 * len(old)), old.dtype)
    new[:length] = old[:length]
    return new


@kernel
def sweep(codes, start, end, words, sums, matrices, sweeps, s, origin, keys, scores, count):  # type: ignore[no-untyped-def]
    """Append the hits of sweep s that begin in [start, end)."""
    m, limit, groups = sweeps.matrix[s], sweeps.limits[s], sweeps.first[s + 1] - sweeps.first[s]
    first, last, threshold = matrices.first[m], matrices.first[m + 1], matrices.thresholds[m]
    tables = sweeps.tables.ctypes.data + sweeps.first[s] * LANES
    end = min(end, len(codes) - (last - first) + 1)
    for at in range(start, end, STEP):
        if fall_short(words.ctypes.data + at - start, tables, groups, limit, sums.ctypes.data):
            for v in range(VECTORS):
                bits = within(sums.ctypes.data + v * LANES, limit)
                while bits != 0:
                    window = at + v * LANES + lowest(bits)
                    bits &= bits - np.uint64(1)
                    if window < end:
                        found = score(codes, window, matrices.columns, first, last)
                        if found >= threshold:
                            keys[count] = (window - origin) * len(matrices.thresholds) + m
                            scores[count] = found
                            count += 1
    return count


@kernel
def find(codes, start, end, matrices, sweeps, index):  # type: ignore[no-untyped-def]
    """Keys and scores of the hits that begin in [start, end), in no order. Key: (position - start) * M + matrix."""
    keys, scores, count = np.empty(1024, np.int64), np.empty(1024, np.float64), 0
    widest = 0
    for m in range(len(matrices.thresholds)):
        widest = max(widest, matrices.first[m + 1] - matrices.first[m])
    words, sums = np.empty(BLOCK + STEP + widest + GROUP, np.uint8), np.empty(STEP, np.uint8)
    for lo in range(start, end, BLOCK):
        hi = min(lo + BLOCK, end)
        if len(sweeps.matrix) > 0:
            group_words(codes, lo, words[: hi - lo + STEP + widest])
        for s in range(len(sweeps.matrix)):
            if count + hi - lo > len(keys):
                keys, scores = larger(keys, count, count + hi - lo), larger(scores, count, count + hi - lo)
            count = sweep(codes, lo, hi, words, sums, matrices, sweeps, s, start, keys, scores, count)
    return keys[:count], scores[:count]
