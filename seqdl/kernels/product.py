"""Products with packed weights, for loops that multiply by the same matrix again and again.

A BLAS call copies the weight matrix into its own layout each time; a recurrent layer would pay that at every
step. Here the matrix is packed once, and a tile of the result stays in vector registers while the loop over the
inner dimension runs. Each element is summed in the order of that dimension, however the rows are cut into
blocks, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from seqdl.kernels.jit import kernel

_FEATURES = binding.get_host_cpu_features()
_AVX512, _AVX2 = (bool(_FEATURES.get(name)) for name in ("avx512f", "avx2"))
VECTOR_BYTES = 64 if _AVX512 else 32 if _AVX2 else 16
VECTORS = 4  # side by side in a panel
ROWS = 3 if _AVX2 and not _AVX512 else 4  # in a tile; 4 x 4 accumulators want more than 16 registers

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
    fill_panels(weight, packed)
    return packed


def as_panels(weight: np.ndarray) -> np.ndarray:
    """A view of weight (K, N), whose rows are dense and N panels long, as if it were packed."""
    inner, columns = weight.shape
    width, size = panel_width(weight.dtype), weight.itemsize
    strides = (width * size, weight.strides[0], size)
    return np.lib.stride_tricks.as_strided(weight, (columns // width, inner, width), strides, writeable=False)


@kernel
def fill_panels(weight, packed):  # type: ignore[no-untyped-def]
    """Copy weight (K, N), of any layout, into packed (panels, K, width), zeros behind the last column."""
    panels, inner, width = packed.shape
    for p in range(panels):
        part = weight[:, p * width : (p + 1) * width]
        columns = part.shape[1]
        for first in range(0, inner, LINE):  # of a transposed view whole cache lines are read
            source, target = part[first : first + LINE], packed[p, first : first + LINE]
            if part.strides[0] < part.strides[1]:
                for j in range(columns):
                    for k in range(len(source)):
                        target[k, j] = source[k, j]
            else:
                for k in range(len(source)):
                    for j in range(columns):
                        target[k, j] = source[k, j]
            for k in range(len(source)):
                for j in range(columns, width):
                    target[k, j] = 0


class Operand(NamedTuple):
    """The left side of a product: rows that consist of runs. Addresses in bytes, distances in elements."""

    data: int  # address
    rows_at: int  # address of an int64 for each row, how far it lies behind `data`
    runs: int  # in a row
    run: int  # from one to the next
    length: int  # elements in a run
    step: int  # from one to the next


class Panels(NamedTuple):
    """The right side, in panels as wide as a tile."""

    data: int
    panel: int  # from one to the next
    row: int  # from one row of a panel to the next


class Rows(NamedTuple):
    """A matrix with dense rows. As the start of a product it may be a single row, 0 apart from the next."""

    data: int
    row: int


def _tile(rows: int) -> Any:
    """An intrinsic that computes a tile of c = start + a @ panel.

    Written in LLVM's vector types, as no loop in Python keeps its accumulators in registers. Arguments: the fields
    of an Operand, the address of a panel and the distance between its rows, the fields of the Rows of start and c,
    how many columns of these two there are (more than a panel's are not touched), and a number that only tells
    the type.
    """

    @intrinsic
    def tile(typingctx, a, rows_at, runs, run, length, step, panel, panel_row, start, start_row, c, c_row, left, like):  # type: ignore[no-untyped-def]
        lanes = VECTOR_BYTES * 8 // like.bitwidth

        def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            scalar, index = context.get_value_type(like), ir.IntType(64)
            vector = ir.VectorType(scalar, lanes)
            bits, mask, align = f"v{lanes}f{like.bitwidth}", ir.VectorType(ir.IntType(1), lanes), ir.IntType(32)
            some = ir.Constant(ir.IntType(32), like.bitwidth // 8)

            def function(name, result, *operands):  # type: ignore[no-untyped-def]
                return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, operands), name)

            fma = function(f"llvm.fma.{bits}", vector, vector, vector, vector)
            fetch = function(f"llvm.masked.load.{bits}.p0", vector, vector.as_pointer(), align, mask, vector)
            put = function(f"llvm.masked.store.{bits}.p0", ir.VoidType(), vector, vector.as_pointer(), align, mask)
            a, rows_at, runs, run, length, step, panel, panel_row, start, start_row, c, c_row, left, _ = arguments
            a, panel, start, c = (builder.inttoptr(x, scalar.as_pointer()) for x in (a, panel, start, c))
            rows_at = builder.inttoptr(rows_at, index.as_pointer())

            def at(pointer, offset):  # type: ignore[no-untyped-def]
                return builder.gep(pointer, [offset if isinstance(offset, ir.Value) else index(offset)])

            def vectors(pointer):  # type: ignore[no-untyped-def]
                return [builder.bitcast(at(pointer, lanes * v), vector.as_pointer()) for v in range(VECTORS)]

            def rows_of(pointer, distance):  # type: ignore[no-untyped-def]
                return [v for r in range(rows) for v in vectors(at(pointer, builder.mul(distance, index(r))))]

            def load(pointer):  # type: ignore[no-untyped-def]
                value = builder.load(pointer)
                value.align = like.bitwidth // 8
                return value

            def splat(value):  # type: ignore[no-untyped-def]
                none = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
                first = builder.insert_element(none, value, ir.IntType(32)(0))
                return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None))

            def inside(v):  # type: ignore[no-untyped-def]
                """Which lanes of a panel's vector v are columns that there are."""
                numbers = ir.Constant(ir.VectorType(index, lanes), [lanes * v + lane for lane in range(lanes)])
                return builder.icmp_signed("<", numbers, splat(left))

            def loop(name, count, values, body):  # type: ignore[no-untyped-def]
                """values = body(n, values) for each n below count; returns the last ones."""
                before = builder.block
                top, inside, after = (builder.append_basic_block(f"{name}.{part}") for part in ("top", "in", "end"))
                builder.branch(top)
                builder.position_at_end(top)
                phis = [builder.phi(value.type) for value in [index(0), *values]]
                builder.cbranch(builder.icmp_signed("<", phis[0], count), inside, after)
                builder.position_at_end(inside)
                following = [builder.add(phis[0], index(1)), *body(*phis)]
                for phi, first, later in zip(phis, [index(0), *values], following, strict=True):
                    phi.add_incoming(first, before)
                    phi.add_incoming(later, builder.block)
                builder.branch(top)
                builder.position_at_end(after)
                return phis[1:]

            a_rows = [at(a, builder.load(at(rows_at, r))) for r in range(rows)]

            def one_run(n, weights, *sums):  # type: ignore[no-untyped-def]
                heads = [at(pointer, builder.mul(n, run)) for pointer in a_rows]

                def one_step(k, weights, *sums):  # type: ignore[no-untyped-def]
                    values = [splat(builder.load(at(pointer, builder.mul(k, step)))) for pointer in heads]
                    loaded = [load(pointer) for pointer in vectors(weights)]
                    pairs = [(value, weight) for value in values for weight in loaded]
                    products = [builder.call(fma, [*pair, total]) for pair, total in zip(pairs, sums, strict=True)]
                    return [at(weights, panel_row), *products]

                return loop("step", length, [weights, *sums], one_step)

            masks = [inside(v) for v in range(VECTORS)] * rows
            begin = [
                builder.call(fetch, [pointer, some, mask, ir.Constant(vector, None)])
                for pointer, mask in zip(rows_of(start, start_row), masks, strict=True)
            ]
            sums = loop("run", runs, [panel, *begin], one_run)[1:]
            for value, pointer, mask in zip(sums, rows_of(c, c_row), masks, strict=True):
                builder.call(put, [value, pointer, some, mask])
            return context.get_dummy_value()

        return types.void(*[types.intp] * 13, like), codegen

    return tile


tile_of_many, tile_of_one = _tile(ROWS), _tile(1)


@kernel
def multiply(a, packed, start, c):  # type: ignore[no-untyped-def]
    """c (M, N) = start + a (M, K) @ w (K, N), with w from `pack`. a may have any strides, rows of c must be dense.

    start: one row (1, N) for all, or (M, N); it may be c itself.
    """
    size = c.itemsize
    rows_at = np.empty(min(len(c), BLOCK), np.int64)
    for m in range(len(rows_at)):
        rows_at[m] = m * (a.strides[0] // size)
    panels = Panels(packed.ctypes.data, packed.strides[0] // size, packed.strides[1] // size)
    start_row = start.strides[0] if len(start) > 1 else 0
    for m in range(0, len(c), BLOCK):  # so that these rows stay in the cache while all panels pass
        here = a.ctypes.data + m * a.strides[0]
        operand = Operand(here, rows_at.ctypes.data, 1, 0, packed.shape[1], a.strides[1] // size)
        begin = Rows(start.ctypes.data + m * start_row, start_row // size)
        result = Rows(c.ctypes.data + m * c.strides[0], c.strides[0] // size)
        multiply_rows(operand, panels, begin, result, min(BLOCK, len(c) - m), c.shape[1], size, c.dtype.type(0))


@kernel
def multiply_rows(a, panels, start, c, rows, columns, size, zero):  # type: ignore[no-untyped-def]
    """c = start + a @ w for an Operand of so many rows, the Panels of w, and Rows of so many columns.

    Works on addresses alone, so that it is compiled once for all memory layouts. size: bytes of an element;
    zero only tells the type.
    """
    width = VECTORS * VECTOR_BYTES // size
    for first in range(0, columns, width):
        panel = panels.data + first // width * panels.panel * size
        m = 0
        while m < rows:
            operand = (a.data, a.rows_at + 8 * m, a.runs, a.run, a.length, a.step)
            begin = start.data + (m * start.row + first) * size
            result = c.data + (m * c.row + first) * size
            left = columns - first
            if m + ROWS <= rows:
                tile_of_many(*operand, panel, panels.row, begin, start.row, result, c.row, left, zero)
                m += ROWS
            else:
                tile_of_one(*operand, panel, panels.row, begin, start.row, result, c.row, left, zero)
                m += 1


@kernel
def multiply_columns(a, b, start, c, first, last):  # type: ignore[no-untyped-def]
    """c[:, first:last] = start + a (M, K) @ b (K, N), all of any strides but for c's rows, start as for multiply.

    The inner dimension is cut, so that the packed part of b stays in the cache.
    """
    inner, size = a.shape[1], c.itemsize
    width = VECTORS * VECTOR_BYTES // size
    packed = np.empty((-(-(last - first) // width), min(inner, INNER), width), c.dtype)
    target = c[:, first:last]
    for k in range(0, max(inner, 1), INNER):
        part = packed[:, : min(INNER, inner - k)]
        fill_panels(b[k : k + INNER, first:last], part)
        multiply(a[:, k : k + INNER], part, target if k > 0 else start[:, first:last], target)


@kernel
def add_columns(a, sums, first, last):  # type: ignore[no-untyped-def]
    """sums[first:last] += the sums of these columns of a (M, N), row after row."""
    for m in range(len(a)):
        row, target = a[m, first:last], sums[first:last]
        for j in range(last - first):
            target[j] += row[j]
