"""Max-pooling over images whose channels lie side by side, (B, H, W, C), and the window that slides over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from numba.core import types
from numba.extending import intrinsic

from seqdl.kernels.jit import kernel
from seqdl.kernels.vectors import NUMBER, VECTOR_BYTES, Code


class Window(NamedTuple):
    """Where a kernel looks: its size, stride, padding, dilation, and how many positions it takes."""

    height: int
    width: int
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    rows: int
    columns: int


@kernel
def overlap(position, size, stride, padding, length):  # type: ignore[no-untyped-def]
    """Along one axis: the pixel of the window's first place, and which places [first, last) lie on the image."""
    start = position * stride - padding
    return start, max(0, -start), min(size, length - start)


def _walk(code: Code, places: Sequence[Any], state: Sequence[Any], body: Any) -> Any:
    """state = body(offset in elements, number in each lane, *state) for all places that lie on the image, row by row.

    places: how many rows of them, elements from one row to the next, the same of columns, the number of the first
    place, and what is added to it from row to row.
    """
    builder, (rows, row, columns, column, first, width) = code.builder, places

    def one_row(i, *state):  # type: ignore[no-untyped-def]
        def one_place(j, *state):  # type: ignore[no-untyped-def]
            offset = builder.add(builder.mul(i, row), builder.mul(j, column))
            number = builder.add(first, builder.add(builder.mul(i, width), j))
            return body(offset, code.splat(builder.trunc(number, NUMBER)), *state)

        return code.loop("column", columns, state, one_place)

    return code.loop("row", rows, state, one_row)


def _largest(noted: bool) -> Any:
    """An intrinsic: the largest values in a window, of one vector of channels, and, if noted, their places.

    Arguments: the address of the first place, what `_walk` takes, the addresses of the result and the places, how
    many channels are left, and a number of the type of each array.
    """

    @intrinsic
    def largest(typingctx, x, rows, row, columns, column, first, width, out, where, left, like, place):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            code = Code(builder, VECTOR_BYTES * 8 // like.bitwidth)
            x, *places, out, where, left, _, _ = arguments
            x, out = (code.pointer(address, context.get_value_type(like)) for address in (x, out))
            where, mask = code.pointer(where, context.get_value_type(place)), code.below(left)

            def compare(offset, number, best, *at):  # type: ignore[no-untyped-def]
                value = code.load_some(code.at(x, offset), mask)
                larger, nan = builder.fcmp_ordered(">", value, best), builder.fcmp_unordered("uno", value, value)
                larger = builder.or_(larger, nan)
                return [builder.select(larger, new, old) for new, old in ((value, best), *((number, a) for a in at))]

            begin = [code.load_some(x, mask), *([code.splat(builder.trunc(places[4], NUMBER))] if noted else [])]
            best, *at = _walk(code, places, begin, compare)
            code.store_some(best, out, mask)
            for number in at:
                code.store_some(code.resized(number, where.type.pointee), where, mask)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 10, like, place), codegen

    return largest


largest, largest_noted = _largest(False), _largest(True)


@intrinsic
def give_back(typingctx, grad, where, rows, row, columns, column, first, width, grad_x, left, like, place):  # type: ignore[no-untyped-def]
    """Of one vector of channels: add each gradient to the place that `largest_noted` noted."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        code = Code(builder, VECTOR_BYTES * 8 // like.bitwidth)
        grad, where, *places, grad_x, left, _, _ = arguments
        grad, grad_x = (code.pointer(address, context.get_value_type(like)) for address in (grad, grad_x))
        mask = code.below(left)
        upstream = code.load_some(grad, mask)
        at = code.resized(code.load_some(code.pointer(where, context.get_value_type(place)), mask), NUMBER)

        def add(offset, number):  # type: ignore[no-untyped-def]
            target = code.at(grad_x, offset)
            won = builder.and_(mask, builder.icmp_unsigned("==", at, number))
            code.store_some(builder.fadd(code.load_some(target, won), upstream), target, won)
            return []

        _walk(code, places, [], add)
        return context.get_dummy_value()

    return types.void(*[types.intp] * 10, like, place), codegen


@kernel
def max_pool(x, out, where, window):  # type: ignore[no-untyped-def]
    """out (B, rows, columns, C): the largest value in each window; where, unless empty: which of its places that was.

    Places are counted row by row; the first of equal ones counts, and a NaN counts as largest.
    """
    images, height, width, channels = x.shape
    lanes, size, zero, none = VECTOR_BYTES // x.itemsize, x.itemsize, x.dtype.type(0), where.dtype.type(0)
    for b in range(images):
        for p in range(window.rows):
            top, i0, i1 = overlap(p, window.height, window.stride[0], window.padding[0], height)
            for q in range(window.columns):
                left, j0, j1 = overlap(q, window.width, window.stride[1], window.padding[1], width)
                places = (i1 - i0, width * channels, j1 - j0, channels, i0 * window.width + j0, window.width)
                source = x.ctypes.data + (((b * height + top + i0) * width + left + j0) * channels) * size
                at = ((b * window.rows + p) * window.columns + q) * channels
                for c in range(0, channels, lanes):
                    target, place = out.ctypes.data + (at + c) * size, where.ctypes.data + (at + c) * where.itemsize
                    if where.size > 0:
                        largest_noted(source + c * size, *places, target, place, channels - c, zero, none)
                    else:
                        largest(source + c * size, *places, target, place, channels - c, zero, none)


@kernel
def max_pool_backward(grad, where, grad_x, window):  # type: ignore[no-untyped-def]
    """grad_x (B, H, W, C): each gradient goes to the pixel that won its window."""
    images, height, width, channels = grad_x.shape
    lanes, size, zero, none = VECTOR_BYTES // grad_x.itemsize, grad_x.itemsize, grad.dtype.type(0), where.dtype.type(0)
    for b in range(images):
        pixels = grad_x[b].ravel()
        for k in range(len(pixels)):
            pixels[k] = 0
        for p in range(window.rows):
            top, i0, i1 = overlap(p, window.height, window.stride[0], window.padding[0], height)
            for q in range(window.columns):
                left, j0, j1 = overlap(q, window.width, window.stride[1], window.padding[1], width)
                places = (i1 - i0, width * channels, j1 - j0, channels, i0 * window.width + j0, window.width)
                target = grad_x.ctypes.data + (((b * height + top + i0) * width + left + j0) * channels) * size
                at = ((b * window.rows + p) * window.columns + q) * channels
                for c in range(0, channels, lanes):
                    source, place = grad.ctypes.data + (at + c) * size, where.ctypes.data + (at + c) * where.itemsize
                    give_back(source, place, *places, target + c * size, channels - c, zero, none)  # type: ignore[call-arg]
