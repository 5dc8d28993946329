"""Products with packed weights, for loops that multiply by the same matrix again and again.

A BLAS call copies the weight matrix into its own layout each time; a recurrent layer would pay that at every
step. Here the matrix is packed once, and a tile of the result stays in vector registers while the loop over the
inner dimension runs. Each element is summed in the order of that dimension, however the rows are cut into
blocks, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.core import types
from numba.extending import intrinsic, register_jitable

from seqdl.kernels.jit import kernel
from seqdl.kernels.vectors import AVX2, AVX512, INDEX, VECTOR_BYTES, Code

VECTORS = 4  # side by side in a panel
ROWS = 3 if AVX2 and not AVX512 else 4  # in a tile; 4 x 4 accumulators want more than 16 registers
NARROW_ROWS = 2 * ROWS  # of a tile of half the width, for the last columns

BLOCK = 32 * ROWS  # rows that see all panels before the next ones do
INNER = 512  # a longer inner dimension is cut: of a transposed operand these rows stay in the cache
LINE = 16  # elements that are copied together out of a transposed matrix: a cache line of float32


def panel_width(dtype: Any) -> int:
    """Columns in a panel of packed weights."""
    return VECTORS * VECTOR_BYTES // np.dtype(dtype).itemsize


def pack(weight: np.ndarray) -> np.ndarray:
    """(K, N) -> (panels, K, width): columns in panels as a tile reads them, the last one filled up with zeros."""
    inner, columns = weight.shape
    width = panel_width(weight.dtype)
    packed = np.empty((-(-columns // width), inner, width), weight.dtype)
    fill_panels(*flat(weight), inner, columns, packed.reshape(-1))
    return packed


def flat(weight: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The memory under weight (M, N), and how far apart in it rows and elements lie: one type for all layouts."""
    row, step = (distance // weight.itemsize for distance in weight.strides)
    if row < 0 or step < 0:
        return flat(weight.copy())
    span = 1 + (len(weight) - 1) * row + (weight.shape[1] - 1) * step if weight.size else 0
    return np.lib.stride_tricks.as_strided(weight, (span,), (weight.itemsize,), writeable=False), row, step


def as_panels(weight: np.ndarray) -> np.ndarray:
    """A view of weight (K, N), whose rows are dense and N panels long, as if it were packed."""
    inner, columns = weight.shape
    width, size = panel_width(weight.dtype), weight.itemsize
    strides = (width * size, weight.strides[0], size)
    return np.lib.stride_tricks.as_strided(weight, (columns // width, inner, width), strides)


@kernel
def fill_panels(weight, row, step, inner, columns, packed):  # type: ignore[no-untyped-def]
    """Copy weight (K, N), as `flat` gives it, into packed (panels K width), zeros behind the last column."""
    width = VECTORS * VECTOR_BYTES // packed.itemsize
    for p in range(-(-columns // width)):
        left, begin = min(width, columns - p * width), p * width * step
        for first in range(0, inner, LINE):  # of a transposed view whole cache lines are read
            panel = packed[(p * inner + first) * width : (p * inner + min(first + LINE, inner)) * width]
            lines = len(panel) // width
            if step == 1:
                for k in range(lines):
                    at = begin + (first + k) * row
                    source, target = weight[at : at + left], panel[k * width : (k + 1) * width]
                    for j in range(left):
                        target[j] = source[j]
            else:
                for j in range(left):
                    source = weight[begin + j * step + first * row :]
                    for k in range(lines):
                        panel[k * width + j] = source[k * row]
            for k in range(lines):
                for j in range(left, width):
                    panel[k * width + j] = 0


@register_jitable
def address(array):  # type: ignore[no-untyped-def]
    """Of an array, always of one type, so that `multiply_rows` is compiled once: NumPy's is unsigned."""
    return np.int64(array.ctypes.data)


class Operand(NamedTuple):
    """The left side of a product: rows that lie anywhere and consist of runs. Distances in elements."""

    data: int  # address
    rows_at: np.ndarray  # int64: how far each row lies behind `data`
    runs_at: np.ndarray  # int64: how far each run of a row lies behind the row
    length: int  # of a run, in elements
    step: int  # from one element to the next


class Panels(NamedTuple):
    """The right side, in panels as wide as a tile."""

    data: int
    panel: int  # from one to the next
    row: int  # from one row of a panel to the next


class Rows(NamedTuple):
    """Dense rows that lie anywhere. As the start of a product all may be the same one."""

    data: int  # address
    rows_at: np.ndarray  # int64: how far each row lies behind `data`


def _tile(rows: int, width: int) -> Any:
    """An intrinsic that computes a tile of c = start + a @ panel, so many rows and vectors.

    Arguments: the fields of an Operand (tables as addresses, and how many runs there are), the address of a panel
    and the distance between its rows, the fields of the Rows of start and c, how many columns of these two there are
    (more than the tile's are not touched), and a number that only tells the type.
    """

    @intrinsic
    def tile(typingctx, a, a_at, runs_at, runs, length, step, panel, panel_row, start, start_at, c, c_at, left, like):  # type: ignore[no-untyped-def]
        lanes = VECTOR_BYTES * 8 // like.bitwidth

        def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            code, scalar = Code(builder, lanes), context.get_value_type(like)
            a, a_at, runs_at, runs, length, step, panel, panel_row, start, start_at, c, c_at, left, _ = arguments
            a, panel, start, c = (code.pointer(address, scalar) for address in (a, panel, start, c))
            a_at, runs_at, start_at, c_at = (code.pointer(table, INDEX) for table in (a_at, runs_at, start_at, c_at))

            def rows_of(pointer, table):  # type: ignore[no-untyped-def]
                return [code.at(pointer, builder.load(code.at(table, r))) for r in range(rows)]

            def vectors(pointer):  # type: ignore[no-untyped-def]
                return [code.at(pointer, lanes * v) for v in range(width)]

            a_rows = rows_of(a, a_at)

            def one_run(n, weights, *sums):  # type: ignore[no-untyped-def]
                here = builder.load(code.at(runs_at, n))
                heads = [code.at(row, here) for row in a_rows]

                def one_step(k, weights, *sums):  # type: ignore[no-untyped-def]
                    values = [code.splat(builder.load(code.at(head, builder.mul(k, step)))) for head in heads]
                    loaded = [code.load(pointer) for pointer in vectors(weights)]
                    pairs = [(value, weight) for value in values for weight in loaded]
                    products = [code.fma(*pair, total) for pair, total in zip(pairs, sums, strict=True)]
                    return [code.at(weights, panel_row), *products]

                return code.loop("step", length, [weights, *sums], one_step)

            masks = [code.below(left, lanes * v) for v in range(width)] * rows
            starts = [pointer for row in rows_of(start, start_at) for pointer in vectors(row)]
            begin = [code.load_some(pointer, mask) for pointer, mask in zip(starts, masks, strict=True)]
            sums = code.loop("run", runs, [panel, *begin], one_run)[1:]
            results = [pointer for row in rows_of(c, c_at) for pointer in vectors(row)]
            for value, pointer, mask in zip(sums, results, masks, strict=True):
                code.store_some(value, pointer, mask)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 13, like), codegen

    return tile


tile_of_many, tile_of_one = _tile(ROWS, VECTORS), _tile(1, VECTORS)
narrow_tile_of_many, narrow_tile_of_one = _tile(NARROW_ROWS, VECTORS // 2), _tile(1, VECTORS // 2)


@kernel
def multiply(a, packed, start, c):  # type: ignore[no-untyped-def]
    """c (M, N) = start + a (M, K) @ w (K, N), with w from `pack`. a may have any strides, rows of c must be dense.

    start: one row (1, N) for all, or (M, N); it may be c itself.
    """
    size = c.itemsize
    start_row = start.strides[0] // size if len(start) > 1 else 0
    left = (address(a), a.strides[0] // size, a.strides[1] // size)
    panels = Panels(address(packed), packed.strides[0] // size, packed.strides[1] // size)
    ends = (address(start), start_row, address(c), c.strides[0] // size)
    multiply_at(left, panels, ends, len(c), packed.shape[1], c.shape[1], size, c.dtype.type(0))


@kernel
def multiply_at(left, panels, ends, rows, inner, columns, size, zero):  # type: ignore[no-untyped-def]
    """What `multiply` does. left: address of a, distances of its rows and elements; ends: address of start, distance
    of its rows, and the same of c. Works on addresses alone, so that it is compiled once for all memory layouts.
    size: bytes of an element; zero only tells the type.
    """
    (a, a_row, step), (start, start_row, c, c_row) = left, ends
    block = min(rows, BLOCK)
    a_rows, start_rows, c_rows, whole = (
        evenly(block, a_row),
        evenly(block, start_row),
        evenly(block, c_row),
        evenly(1, 0),
    )
    for m in range(0, rows, BLOCK):  # so that these rows stay in the cache while all panels pass
        operand = Operand(a + m * a_row * size, a_rows, whole, inner, step)
        begin = Rows(start + m * start_row * size, start_rows)
        result = Rows(c + m * c_row * size, c_rows)
        multiply_rows(operand, panels, begin, result, min(BLOCK, rows - m), columns, size, zero)


@kernel
def evenly(count, distance):  # type: ignore[no-untyped-def]
    """A table of so many rows, or runs, that lie as far apart."""
    table = np.empty(count, np.int64)
    for n in range(count):
        table[n] = n * distance
    return table


@kernel
def multiply_rows(a, panels, start, c, rows, columns, size, zero):  # type: ignore[no-untyped-def]
    """c = start + a @ w for an Operand of so many rows, the Panels of w, and Rows of so many columns.

    size: bytes of an element; zero only tells the type.
    """
    width = VECTORS * VECTOR_BYTES // size
    a_at, start_at, c_at = address(a.rows_at), address(start.rows_at), address(c.rows_at)
    for first in range(0, columns, width):
        left, behind = columns - first, first * size
        narrow = left <= width // 2
        right = (panels.data + first // width * panels.panel * size, panels.row)
        m = 0
        while m < rows:
            row = 8 * m  # bytes of the tables
            operand = (a.data, a_at + row, address(a.runs_at), len(a.runs_at), a.length, a.step)
            ends = (start.data + behind, start_at + row, c.data + behind, c_at + row, left, zero)
            if narrow and m + NARROW_ROWS <= rows:
                narrow_tile_of_many(*operand, *right, *ends)
                m += NARROW_ROWS
            elif narrow:
                narrow_tile_of_one(*operand, *right, *ends)
                m += 1
            elif m + ROWS <= rows:
                tile_of_many(*operand, *right, *ends)
                m += ROWS
            else:
                tile_of_one(*operand, *right, *ends)
                m += 1


def multiply_unpacked(a: np.ndarray, b: np.ndarray, start: np.ndarray, c: np.ndarray) -> None:
    """c (M, N) = start + a (M, K) @ b (K, N), all of any strides but for c's rows, start as for `multiply`."""
    size, start_row = c.itemsize, start.strides[0] if len(start) > 1 else 0
    left = (a.ctypes.data, a.strides[0] // size, a.strides[1] // size)
    ends = (start.ctypes.data, start_row // size, c.ctypes.data, c.strides[0] // size)
    multiply_flat(left, *flat(b), ends, *c.shape, a.shape[1])


@kernel
def multiply_flat(left, weight, row, step, ends, rows, columns, inner):  # type: ignore[no-untyped-def]
    """Pack weight, as `flat` gives it, and multiply; left and ends as for `multiply_at`.

    The inner dimension is cut, so that the packed part of the weight stays in the cache.
    """
    size, zero = weight.itemsize, weight.dtype.type(0)
    width = VECTORS * VECTOR_BYTES // size
    packed = np.empty(-(-columns // width) * min(inner, INNER) * width, weight.dtype)
    (a, a_row, a_step), (start, start_row, c, c_row) = left, ends
    for k in range(0, max(inner, 1), INNER):
        count = min(INNER, inner - k)
        fill_panels(weight[k * row :], row, step, count, columns, packed)
        panels = Panels(address(packed), count * width, width)
        part = (a + k * a_step * size, a_row, a_step)
        multiply_at(part, panels, (start, start_row, c, c_row), rows, count, columns, size, zero)
        start, start_row = c, c_row  # the next part is added


@kernel
def add_columns(a, sums, first, last):  # type: ignore[no-untyped-def]
    """sums[first:last] += the sums of these columns of a (M, N), row after row."""
    for m in range(len(a)):
        row, target = a[m, first:last], sums[first:last]
        for j in range(last - first):
            target[j] += row[j]
