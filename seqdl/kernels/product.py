"""Products with packed weights, for loops that multiply by the same matrix again and again.

A BLAS call copies the weight matrix into its own layout each time; a recurrent layer would pay that at every
step. Here the matrix is packed once, and a tile of the result stays in vector registers while the loop over the
inner dimension runs. Each element is summed in the order of that dimension, however the rows are cut into
blocks, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

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


@kernel
def fill_panels(weight, packed):  # type: ignore[no-untyped-def]
    """Copy weight (K, N), of any layout, into packed (panels, K, width)."""
    panels, inner, width = packed.shape
    for p in range(panels):
        left = min(width, weight.shape[1] - p * width)
        for k in range(inner):
            source, target = weight[k, p * width : p * width + left], packed[p, k]
            for j in range(left):
                target[j] = source[j]
            for j in range(left, width):
                target[j] = 0


def _tile(rows: int) -> Any:
    """An intrinsic that adds a (rows, K) @ panel (K, width) to a tile of c.

    Written in LLVM's vector types, as no loop in Python keeps its accumulators in registers. Arguments: the
    addresses of a's first row, the panel, and the tile in c; in elements the distance between rows of a, within
    a row of a, and between rows of c; K > 0; and a number that only tells the type.
    """

    @intrinsic
    def tile(typingctx, a, panel, c, a_row, a_step, c_row, inner, like):  # type: ignore[no-untyped-def]
        lanes = VECTOR_BYTES * 8 // like.bitwidth

        def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            scalar = context.get_value_type(like)
            vector, index = ir.VectorType(scalar, lanes), ir.IntType(64)
            name = f"llvm.fma.v{lanes}f{like.bitwidth}"
            fma_type = ir.FunctionType(vector, [vector] * 3)
            fma = cgutils.get_or_insert_function(builder.module, fma_type, name)
            a, panel, c = (builder.inttoptr(x, scalar.as_pointer()) for x in arguments[:3])
            a_row, a_step, c_row, inner = arguments[3:7]

            def at(pointer, offset):  # type: ignore[no-untyped-def]
                return builder.gep(pointer, [offset if isinstance(offset, ir.Value) else index(offset)])

            def vectors(pointer):  # type: ignore[no-untyped-def]
                return [builder.bitcast(at(pointer, lanes * v), vector.as_pointer()) for v in range(VECTORS)]

            def load(pointer):  # type: ignore[no-untyped-def]
                value = builder.load(pointer)
                value.align = like.bitwidth // 8
                return value

            def splat(value):  # type: ignore[no-untyped-def]
                none = ir.Constant(vector, ir.Undefined)
                first = builder.insert_element(none, value, ir.IntType(32)(0))
                return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None))

            a_rows = [at(a, builder.mul(a_row, index(r))) for r in range(rows)]
            c_rows = [vectors(at(c, builder.mul(c_row, index(r)))) for r in range(rows)]
            before, loop = builder.block, builder.append_basic_block("inner")
            start = [[load(pointer) for pointer in row] for row in c_rows]
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(index)
            k.add_incoming(index(0), before)
            sums = [[builder.phi(vector) for _ in range(VECTORS)] for _ in range(rows)]
            weights = [load(pointer) for pointer in vectors(at(panel, builder.mul(k, index(VECTORS * lanes))))]
            following = builder.add(k, index(1))
            k.add_incoming(following, loop)
            for r in range(rows):
                value = splat(builder.load(at(a_rows[r], builder.mul(k, a_step))))
                for v in range(VECTORS):
                    sums[r][v].add_incoming(start[r][v], before)
                    total = builder.call(fma, [value, weights[v], sums[r][v]])
                    sums[r][v].add_incoming(total, loop)
                    start[r][v] = total
            after = builder.append_basic_block("after")
            builder.cbranch(builder.icmp_signed("<", following, inner), loop, after)
            builder.position_at_end(after)
            for r in range(rows):
                for v in range(VECTORS):
                    builder.store(start[r][v], c_rows[r][v], align=like.bitwidth // 8)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 7, like), codegen

    return tile


tile_of_many, tile_of_one = _tile(ROWS), _tile(1)


@kernel
def fill(row, c):  # type: ignore[no-untyped-def]
    """Each row of c (M, N) becomes row (N,). NumPy's c[:] = row takes two seconds longer to compile."""
    for m in range(c.shape[0]):
        for j in range(c.shape[1]):
            c[m, j] = row[j]


@kernel
def multiply(a, packed, c):  # type: ignore[no-untyped-def]
    """c (M, N) += a (M, K) @ w (K, N), with w from `pack`. a may have any strides, rows of c must be dense."""
    for m in range(0, len(c), BLOCK):  # so that these rows stay in the cache while all panels pass
        multiply_block(a[m : m + BLOCK], packed, c[m : m + BLOCK])


@kernel
def multiply_block(a, packed, c):  # type: ignore[no-untyped-def]
    """What multiply does, for rows that fit into the cache."""
    size, zero = c.itemsize, c.dtype.type(0)
    panels, inner, width = packed.shape
    rows, columns = c.shape
    a_row, a_step, c_row = a.strides[0] // size, a.strides[1] // size, c.strides[0] // size
    edge = np.empty((ROWS, width), c.dtype)
    for p in range(panels if inner > 0 else 0):
        panel = packed.ctypes.data + p * packed.strides[0]
        left = min(width, columns - p * width)
        m = 0
        while m < rows:
            count = ROWS if m + ROWS <= rows else 1
            source = a.ctypes.data + m * a.strides[0]
            if left == width:
                target, stride = c.ctypes.data + m * c.strides[0] + p * width * size, c_row
            else:  # a panel wider than what is left of c goes through a buffer
                target, stride = edge.ctypes.data, width
                for r in range(count):
                    for j in range(left):
                        edge[r, j] = c[m + r, p * width + j]
            if count > 1:
                tile_of_many(source, panel, target, a_row, a_step, stride, inner, zero)
            else:
                tile_of_one(source, panel, target, a_row, a_step, stride, inner, zero)
            if left < width:
                for r in range(count):
                    for j in range(left):
                        c[m + r, p * width + j] = edge[r, j]
            m += count
