"""Convolution with kernels of 3 x 3 by Winograd's minimal filtering: four outputs by 16 products instead of 36.

A tile of 4 x 4 pixels d and a kernel w give a tile of 2 x 2 outputs, in each direction by the same three matrices:

    y = A' [ sum over channels of (G w G') * (B' d B) ] A        (Lavin and Gray 2016; * element by element)

so that each of the 16 elements is a matrix product of its own, (tiles, C) @ (C, O), over all tiles. The gradient
goes the same way back. Here the 16 elements are called planes; their arrays are (16, tiles, channels).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from seqdl.kernels.jit import kernel
from seqdl.kernels.product import VECTOR_BYTES, VECTORS, Operand, Panels, Rows, address, evenly, multiply_rows
from seqdl.kernels.vectors import INDEX, Code

PLANES = 16
Matrix = Sequence[Sequence[float]]
BIAS = 5  # the plane that all four outputs of a tile hold once
CACHED = 1 << 17  # elements of the planes that are worked on together
B = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))  # B'
G = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
A = ((1, 1, 1, 0), (0, 1, -1, -1))  # A'


def _combined(code: Code, matrix: Matrix, vectors: Sequence[Any]) -> list[Any]:
    """matrix @ vectors, by sums and differences where its numbers are 1 and -1."""
    builder, results = code.builder, []
    for row in matrix:
        total = None
        for factor, vector in sorted(zip(row, vectors, strict=True), key=lambda term: -term[0]):  # positive ones first
            if factor == 0:
                continue
            if abs(factor) != 1:
                vector = builder.fmul(vector, code.splat(ir.Constant(vector.type.element, abs(factor))))
            if total is None:
                total = vector if factor > 0 else builder.fneg(vector)
            else:
                total = builder.fadd(total, vector) if factor > 0 else builder.fsub(total, vector)
        results.append(total)
    return results


def _transform(matrix: Matrix, into_planes: bool, edges: bool = False, add: bool = False) -> Any:
    """An intrinsic: matrix @ d @ matrix', each element of d being a vector of channels.

    Arguments: address of the first pixel, elements to the one below and to the one on the right, address of the first
    plane, elements to the next one, how many channels are left, how many rows and columns of pixels there are (if
    edges: those beyond are 0, or not written), and a number that tells the type. add: to what the pixels hold.
    """
    height, width = len(matrix), len(matrix[0])

    @intrinsic
    def transform(typingctx, image, below, beside, planes, plane, left, rows, columns, like):  # type: ignore[no-untyped-def]
        def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            code, scalar = Code(builder, VECTOR_BYTES * 8 // like.bitwidth), context.get_value_type(like)
            image, below, beside, planes, plane, left, rows, columns, _ = arguments
            image, planes, whole = code.pointer(image, scalar), code.pointer(planes, scalar), code.below(left)

            def pixel(i, j):  # type: ignore[no-untyped-def]
                at = builder.add(builder.mul(INDEX(i), below), builder.mul(INDEX(j), beside))
                if not edges or i == j == 0:
                    return code.at(image, at), whole
                inside = [builder.icmp_signed("<", INDEX(n), end) for n, end in ((i, rows), (j, columns))]
                return code.at(image, at), code.below(builder.select(builder.and_(*inside), left, INDEX(0)))

            def element(i, j):  # type: ignore[no-untyped-def]
                return code.at(planes, builder.mul(INDEX(4 * i + j), plane)), whole

            source, target = (pixel, element) if into_planes else (element, pixel)
            columns_in = [[code.load_some(*source(i, j)) for i in range(width)] for j in range(width)]
            half = [_combined(code, matrix, column) for column in columns_in]
            for i in range(height):
                for j, value in enumerate(_combined(code, matrix, [column[i] for column in half])):
                    pointer, mask = target(i, j)
                    value = builder.fadd(value, code.load_some(pointer, mask)) if add else value
                    code.store_some(value, pointer, mask)
            return context.get_dummy_value()

        return types.void(*[types.intp] * 8, like), codegen

    return transform


def _turned(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


filter_in, filter_back = _transform(G, True), _transform(_turned(G), False)
tile_in, tile_back = _transform(B, True), _transform(_turned(B), False, add=True)
output_out, output_back = _transform(A, False, edges=True), _transform(_turned(A), True, edges=True)
FILTER_IN, FILTER_BACK, TILE_IN, TILE_BACK, OUTPUT_BACK, OUTPUT_OUT = range(6)  # for `transform_tiles`


class Tiles(NamedTuple):
    """How images are cut into tiles."""

    rows: int  # of tiles in an image; 0: this convolution is not made of tiles
    columns: int
    together: int  # rows of tiles, as many as fit the cache


def tiles(rows: int, columns: int, channels: int, outputs: int) -> Tiles:
    """Of maps of (rows, columns): none where too much would be computed beside the maps, or for a few channels."""
    down, across = -(-rows // 2), -(-columns // 2)
    if min(channels, outputs) < 16 or 20 * down * across > 9 * rows * columns:
        return Tiles(0, 0, 0)
    return Tiles(down, across, max(1, CACHED // (PLANES * across * (channels + outputs))))


def filter_planes(weight: np.ndarray) -> np.ndarray:
    """(9, C, O) -> (16, C, O)."""
    planes = np.empty((PLANES, *weight.shape[1:]), weight.dtype)
    channels = weight[0].size
    transform_tiles(FILTER_IN, weight.reshape(1, 3, -1), planes.reshape(-1), channels, Tiles(1, 1, 1), 0, 1)
    return planes


@kernel
def filter_gradient(grad_planes, grad_weight):  # type: ignore[no-untyped-def]
    """grad_weight (9 C, O) of the gradient of its planes, (16, C, O)."""
    weight = grad_weight.reshape(1, 3, -1)
    transform_tiles(FILTER_BACK, weight, grad_planes.reshape(-1), grad_planes[0].size, Tiles(1, 1, 1), 0, 1)


@kernel
def transform_tiles(way, images, planes, channels, tiles, first, last):  # type: ignore[no-untyped-def]
    """Between images (b, rows, columns channels) and planes, flat: rows of tiles [first, last) of all images."""
    lanes, size, zero = VECTOR_BYTES // images.itemsize, images.itemsize, images.dtype.type(0)
    (_, height, line), plane, target = images.shape, (last - first) * tiles.columns * channels, address(planes)
    for row in range(first, last):
        b, top = row // tiles.rows, 2 * (row % tiles.rows)
        for q in range(tiles.columns):
            source = address(images) + ((b * height + top) * line + 2 * q * channels) * size
            rows, columns = height - top, line // channels - 2 * q
            for c in range(0, channels, lanes):
                where = (source + c * size, line, channels, target + c * size, plane, channels - c, rows, columns, zero)
                if way == TILE_IN:
                    tile_in(*where)
                elif way == OUTPUT_OUT:
                    output_out(*where)
                elif way == OUTPUT_BACK:
                    output_back(*where)
                elif way == TILE_BACK:
                    tile_back(*where)
                elif way == FILTER_IN:
                    filter_in(*where)
                else:
                    filter_back(*where)
            target += channels * size


@kernel
def convolve_tiles(frames, packed, bias, maps, tiles, images):  # type: ignore[no-untyped-def]
    """maps (b, rows, columns O) = bias + convolution of frames (b, height, width C), of so many images.

    packed: each plane of the kernel, (16, panels, C, width)
    """
    size, channels, outputs, rows = frames.itemsize, packed.shape[2], len(bias), images * tiles.rows
    most = min(tiles.together, rows) * tiles.columns
    planes, products = np.empty(PLANES * most * channels, frames.dtype), np.empty(PLANES * most * outputs, frames.dtype)
    inputs_at, outputs_at, same, whole = evenly(most, channels), evenly(most, outputs), evenly(most, 0), evenly(1, 0)
    nothing = np.zeros(outputs, frames.dtype)
    for first in range(0, rows, tiles.together):
        last = min(first + tiles.together, rows)
        count = (last - first) * tiles.columns
        transform_tiles(TILE_IN, frames, planes, channels, tiles, first, last)
        for n in range(PLANES):
            left = Operand(address(planes) + n * count * channels * size, inputs_at, whole, channels, 1)
            right = Panels(address(packed[n]), packed.strides[1] // size, packed.strides[2] // size)
            start = Rows(address(bias) if n == BIAS else address(nothing), same)
            result = Rows(address(products) + n * count * outputs * size, outputs_at)
            multiply_rows(left, right, start, result, count, outputs, size, frames.dtype.type(0))
        transform_tiles(OUTPUT_OUT, maps, products, outputs, tiles, first, last)


@kernel
def tiles_backward(frames, maps, packed, grad_frames, grad_planes, tiles, images):  # type: ignore[no-untyped-def]
    """grad_planes (16, C, O) += the gradient of the kernel's planes; grad_frames += that of the frames, unless empty.

    frames (b, height, width C)    maps (b, rows, columns O): gradient of the outputs
    packed: each plane of the kernel turned, (16, panels, O, width)
    """
    size, (_, channels, outputs), rows = frames.itemsize, grad_planes.shape, images * tiles.rows
    most, width = min(tiles.together, rows) * tiles.columns, VECTORS * VECTOR_BYTES // size
    planes = np.empty(PLANES * most * channels, frames.dtype)
    upstream = np.empty(PLANES * most * outputs + width, frames.dtype)  # as a right side it is read in whole panels
    inputs_at, outputs_at, same, whole = evenly(most, channels), evenly(most, outputs), evenly(most, 0), evenly(1, 0)
    turned_at, sums_at, nothing = evenly(channels, 1), evenly(channels, outputs), np.zeros(channels, frames.dtype)
    for first in range(0, rows, tiles.together):
        last = min(first + tiles.together, rows)
        count = (last - first) * tiles.columns
        transform_tiles(TILE_IN, frames, planes, channels, tiles, first, last)
        transform_tiles(OUTPUT_BACK, maps, upstream, outputs, tiles, first, last)
        for n in range(PLANES):
            seen, given = address(planes) + n * count * channels * size, address(upstream) + n * count * outputs * size
            left, right = Operand(seen, turned_at, whole, count, channels), Panels(given, width, outputs)
            sums = Rows(address(grad_planes[n]), sums_at)
            multiply_rows(left, right, sums, sums, channels, outputs, size, frames.dtype.type(0))
            if grad_frames.size > 0:  # the gradient of a plane takes its place
                left = Operand(given, outputs_at, whole, outputs, 1)
                right = Panels(address(packed[n]), packed.strides[1] // size, packed.strides[2] // size)
                start, result = Rows(address(nothing), same), Rows(seen, inputs_at)
                multiply_rows(left, right, start, result, count, channels, size, frames.dtype.type(0))
        if grad_frames.size > 0:
            transform_tiles(TILE_BACK, grad_frames, planes, channels, tiles, first, last)
