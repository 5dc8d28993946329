"""Patches of images as rows of a matrix and back, and max-pooling. The images [lo, hi) of the batch."""

from __future__ import annotations

import numpy as np

from seqdl.kernels.jit import kernel


@kernel
def image_to_columns(x, columns, stride, padding, dilation, size, lo, hi):  # type: ignore[no-untyped-def]
    """x (B, C, H, W) -> columns (B, C kh kw, OH OW): what each kernel element sees, zero outside the image.

    stride, padding, dilation, size: (rows, columns); size is (kh, kw, OH, OW).
    """
    channels, height, width = x.shape[1:]
    kh, kw, out_h, out_w = size
    for b in range(lo, hi):
        for k in range(channels * kh * kw):
            channel, i, j = k // (kh * kw), k // kw % kh, k % kw
            for p in range(out_h):
                row = p * stride[0] - padding[0] + i * dilation[0]
                for q in range(out_w):
                    column = q * stride[1] - padding[1] + j * dilation[1]
                    inside = 0 <= row < height and 0 <= column < width
                    columns[b, k, p * out_w + q] = x[b, channel, row, column] if inside else 0


@kernel
def columns_to_image(columns, x, stride, padding, dilation, size, lo, hi):  # type: ignore[no-untyped-def]
    """The transpose of image_to_columns: add each column element to the pixel it was read from."""
    channels, height, width = x.shape[1:]
    kh, kw, out_h, out_w = size
    for b in range(lo, hi):
        x[b] = 0
        for k in range(channels * kh * kw):
            channel, i, j = k // (kh * kw), k // kw % kh, k % kw
            for p in range(out_h):
                row = p * stride[0] - padding[0] + i * dilation[0]
                for q in range(out_w):
                    column = q * stride[1] - padding[1] + j * dilation[1]
                    if 0 <= row < height and 0 <= column < width:
                        x[b, channel, row, column] += columns[b, k, p * out_w + q]


@kernel
def max_pool(x, out, where, size, stride, padding, lo, hi):  # type: ignore[no-untyped-def]
    """Largest value of each window and its place: x (B, C, H, W) -> out, where (B, C, OH, OW).

    where holds row * W + column of the first largest value, as PyTorch's indices; a NaN counts as largest.
    """
    channels, height, width = x.shape[1:]
    for b in range(lo, hi):
        for c in range(channels):
            for p in range(out.shape[2]):
                for q in range(out.shape[3]):
                    top, left = p * stride[0] - padding[0], q * stride[1] - padding[1]
                    best, at = -np.inf, -1
                    for row in range(max(top, 0), min(top + size[0], height)):
                        for column in range(max(left, 0), min(left + size[1], width)):
                            value = x[b, c, row, column]
                            if at < 0 or value > best or value != value:
                                best, at = value, row * width + column
                    out[b, c, p, q], where[b, c, p, q] = best, at


@kernel
def max_pool_backward(grad, where, grad_x, lo, hi):  # type: ignore[no-untyped-def]
    """Send each gradient to the pixel that won: grad, where (B, C, OH, OW) -> grad_x (B, C, H W)."""
    for b in range(lo, hi):
        grad_x[b] = 0
        for c in range(grad.shape[1]):
            for p in range(grad.shape[2]):
                for q in range(grad.shape[3]):
                    grad_x[b, c, where[b, c, p, q]] += grad[b, c, p, q]
