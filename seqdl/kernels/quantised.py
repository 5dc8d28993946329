"""Products with int8 weights: a quarter of the bytes of float32, which is what a single row waits for.

A row of a, all of it within [-1, 1], becomes int16 in steps of 2^-14, weights are widened from int8 on the way into
the registers, and adjacent pairs of products add up in int32, exactly, as the instructions for that do: so the
order of the sum is free, and no bit depends on how rows are cut into tiles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from seqdl.kernels.jit import kernel
from seqdl.kernels.product import ROWS, VECTORS
from seqdl.kernels.vectors import INDEX, VECTOR_BYTES, Code

ONE = np.float32(1 << 14)  # what 1 becomes
LANES = VECTOR_BYTES // 4
WIDTH = VECTORS * LANES  # columns in a panel
PAIRS = 512  # at most in one int32: 2 x 512 x 127 x 2^14 is less than 2^31


def pack(values: np.ndarray) -> np.ndarray:
    """int8 (K, N) -> (panels, pairs, 2 WIDTH): for each pair of k the columns of a panel, filled up with zeros."""
    inner, columns = values.shape
    panels, pairs = -(-columns // WIDTH), -(-inner // 2)
    padded = np.zeros((2 * pairs, panels * WIDTH), np.int8)
    padded[:inner, :columns] = values
    return np.ascontiguousarray(padded.reshape(pairs, 2, panels, WIDTH).transpose(2, 0, 3, 1)).reshape(
        panels, pairs, 2 * WIDTH
    )


def pack_scale(scale: np.ndarray) -> np.ndarray:
    """float32 (N,), what an int8 step of each column is worth -> filled up to whole panels, for an int16 row of a."""
    padded = np.zeros(-(-len(scale) // WIDTH) * WIDTH, np.float32)
    padded[: len(scale)] = scale / ONE
    return padded


def _tile(rows: int) -> Any:
    """An intrinsic that fills sums (rows, WIDTH) int32 with (rows, pairs, 2) int16 @ a panel (pairs, WIDTH, 2) int8.

    Arguments: the addresses of a's first row, the panel, and sums; the distance between rows of a in pairs; pairs.
    Plain LLVM: each machine's backend knows the pattern (on x86 vpmaddwd, or vpdpwssd, which adds too).
    """

    @intrinsic
    def tile(typingctx, a, panel, sums, a_row, pairs):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            byte, short, word = (ir.IntType(bits) for bits in (8, 16, 32))
            wide = ir.VectorType(word, 2 * LANES)
            words, columns = Code(builder, LANES), Code(builder, 2 * LANES)
            pointers = zip(arguments[:3], (word, byte, word), strict=True)
            a, panel, sums = (words.pointer(address, kind) for address, kind in pointers)
            a_row, pairs = arguments[3:]

            def every_second(value, first):  # type: ignore[no-untyped-def]
                places = ir.Constant(ir.VectorType(word, LANES), list(range(first, 2 * LANES, 2)))
                return builder.shuffle_vector(value, ir.Constant(wide, ir.Undefined), places)

            def both_everywhere(pair):  # type: ignore[no-untyped-def]
                return builder.sext(builder.bitcast(words.splat(pair), ir.VectorType(short, 2 * LANES)), wide)

            def add_up(pair, weight, total):  # type: ignore[no-untyped-def]
                products = builder.mul(pair, weight, flags=["nsw"])
                both = builder.add(every_second(products, 0), every_second(products, 1), flags=["nsw"])
                return builder.add(total, both)

            def step(k, line, *totals):  # type: ignore[no-untyped-def]
                places = [words.at(line, 2 * LANES * v) for v in range(VECTORS)]
                weights = [builder.sext(columns.load(place), wide) for place in places]
                heads = [words.at(a, builder.add(builder.mul(a_row, INDEX(r)), k)) for r in range(rows)]
                values = [both_everywhere(_unaligned(builder.load(head))) for head in heads]
                terms = [(value, weight) for value in values for weight in weights]
                added = [add_up(*term, total) for term, total in zip(terms, totals, strict=True)]
                return [words.at(line, 2 * WIDTH), *added]

            nothing = [ir.Constant(ir.VectorType(word, LANES), None)] * (rows * VECTORS)
            for n, total in enumerate(words.loop("pairs", pairs, [panel, *nothing], step)[1:]):
                words.store(total, words.at(sums, n * LANES))
            return context.get_dummy_value()

        return types.void(*[types.intp] * 5), codegen

    return tile


def _unaligned(load: ir.LoadInstr) -> ir.LoadInstr:
    load.align = 2  # a pair of int16
    return load


tile_of_many, tile_of_three, tile_of_two, tile_of_one = _tile(ROWS), _tile(3), _tile(2), _tile(1)


@kernel
def to_short(a, short):  # type: ignore[no-untyped-def]
    """Fill short (S, >= K) int16 with a (S, K), which lies within [-1, 1], times ONE, and zeros behind."""
    for s in range(len(a)):
        row, target = a[s], short[s]
        for k in range(len(row)):
            target[k] = np.int16(np.int32(np.rint(row[k] * ONE)))
        for k in range(len(row), len(target)):
            target[k] = 0


@kernel
def add_scaled(sums, scale, c):  # type: ignore[no-untyped-def]
    """c (N,) += sums (>= N,) * scale (>= N,), in float32."""
    for j in range(len(c)):
        c[j] += np.float32(sums[j]) * scale[j]


@kernel
def multiply_short(short, packed, scale, c):  # type: ignore[no-untyped-def]
    """c (S, N) += short (S, 2 pairs) @ values (2 pairs, N) * scale (N,), the int8 values from `pack`.

    short: int16 as `to_short` leaves it. scale: from `pack_scale`.
    """
    rows, columns = c.shape
    sums = np.empty((ROWS, WIDTH), np.int32)
    for p in range(len(packed)):
        left = min(WIDTH, columns - p * WIDTH)
        for start in range(0, packed.shape[1], PAIRS):
            panel, pairs = packed[p, start:], min(PAIRS, packed.shape[1] - start)
            m = 0
            while m < rows:
                # Five rows are three and two: one alone would cost nearly as much as two.
                count = ROWS - 1 if rows - m == ROWS + 1 else min(ROWS, rows - m)
                source = short.ctypes.data + m * short.strides[0] + 4 * start
                operands = (source, panel.ctypes.data, sums.ctypes.data, short.strides[0] // 4, pairs)
                if count == ROWS:
                    tile_of_many(*operands)
                elif count == 3:
                    tile_of_three(*operands)
                elif count == 2:
                    tile_of_two(*operands)
                else:
                    tile_of_one(*operands)
                for r in range(count):
                    add_scaled(sums[r], scale[p * WIDTH :], c[m + r, p * WIDTH : p * WIDTH + left])
                m += count
