"""A single row times packed weights, which waits for memory: two panels at once.

Twice as many sums in flight as in a tile of product.py hide the latency of the multiply-adds, and two places that
are read in turn let the hardware fetch further ahead. Each element is summed as in product.py, to the same bits.
"""

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import intrinsic

from seqdl.kernels.jit import kernel
from seqdl.kernels.product import VECTORS, multiply
from seqdl.kernels.vectors import VECTOR_BYTES, Code

# Microseconds a character of all products of LSTM 2x128 (0.85 MB, in L2) and 2x512 (12.8 MB, in L3), one thread of a
# Zen 4: 9.8 and 156 by product.multiply, 8.5 and 151 so. Tried and no faster: four panels at once, two or four k at a
# time, panels in the other direction at every second character, all W_hh before any W_ih, one buffer for all weights,
# huge pages. Software prefetch, 0.5 to 128 kB ahead, took L3 from 85 to 70 GB/s.


def _two_panels(typingctx, a, panel, other, c, inner, like):  # type: ignore[no-untyped-def]
    """Add a (K,) @ two panels (K, width) to c (2 width,).

    Arguments: the addresses of a, of both panels and of c; K; and a number that only tells the type.
    """
    lanes = VECTOR_BYTES * 8 // like.bitwidth

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        code = Code(builder, lanes)
        a, *panels, c = (code.pointer(address, context.get_value_type(like)) for address in arguments[:4])

        def vectors(pointer, count=VECTORS):  # type: ignore[no-untyped-def]
            return [code.at(pointer, lanes * v) for v in range(count)]

        def step(k, here, there, *sums):  # type: ignore[no-untyped-def]
            value = code.splat(builder.load(code.at(a, k)))
            weights = [code.load(place) for place in (*vectors(here), *vectors(there))]
            products = [code.fma(value, weight, total) for weight, total in zip(weights, sums, strict=True)]
            return [code.at(here, VECTORS * lanes), code.at(there, VECTORS * lanes), *products]

        targets = vectors(c, 2 * VECTORS)
        _, _, *sums = code.loop("step", arguments[4], [*panels, *map(code.load, targets)], step)
        for total, target in zip(sums, targets, strict=True):
            code.store(total, target)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 5, like), codegen


two_panels: Any = intrinsic(_two_panels)


@kernel
def multiply_row(a, packed, c):  # type: ignore[no-untyped-def]
    """What product.multiply does, for one row: c (1, N) += a (1, K) @ w (K, N), both rows dense."""
    size, zero = c.itemsize, c.dtype.type(0)
    panels, inner, width = packed.shape
    pairs = c.shape[1] // (2 * width) if inner > 0 else 0
    for p in range(pairs):
        panel = packed.ctypes.data + 2 * p * packed.strides[0]
        target = c.ctypes.data + 2 * p * width * size
        two_panels(a.ctypes.data, panel, panel + packed.strides[0], target, inner, zero)
    if 2 * pairs < panels:
        rest = c[:, 2 * pairs * width :]
        multiply(a, packed[2 * pairs :], rest, rest)
