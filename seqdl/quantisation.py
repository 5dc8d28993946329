"""Weights in fewer bits, as model files hold them. A scheme says how each array of floats is stored:

float32   as it is
float16   in half the bytes; an array with values beyond what float16 can hold stays float32
int8      by row, w = value * scale: int8 under NAME and a float32 scale for each row under NAME.scale; the rows of a
          convolution's kernels are its output channels
q4        in 4 bits, as "Hello Deep Learning" has it: the weights of an array in order of size are cut into 16 bins of
          equal population, and each becomes the mean of its bin. NAME holds the numbers of the bins, two in a byte of
          uint8, in row-major order, the first in the low half; NAME.bins the 16 means, float32; NAME.shape, int64

int8 and q4 are for matrices and kernels; vectors, such as biases, are float16 then. Arrays of integers, such as a
count of batches, stay as they are.
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray
SCHEMES = ("float32", "float16", "int8", "q4")
BINS = 16


def quantise(arrays: dict[str, Array], scheme: str) -> dict[str, Array]:
    """The arrays that a file holds for these."""
    if scheme == "float32":
        return arrays
    stored: dict[str, Array] = {}
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            stored[name] = array
        elif array.ndim < 2 or scheme == "float16":
            stored[name] = _half(array)
        elif scheme == "int8":
            values, scale = quantise_rows(array.reshape(len(array), -1))
            stored[name], stored[f"{name}.scale"] = values.reshape(array.shape), scale
        else:
            stored[name], stored[f"{name}.bins"] = quantise_bins(array)
            stored[f"{name}.shape"] = np.array(array.shape, np.int64)
    return stored


def dequantise(stored: dict[str, Array], scheme: str) -> dict[str, Array]:
    """The arrays again, float32 what was of floats; KeyError for one that is missing, ValueError for a misfit."""
    if scheme not in SCHEMES:
        raise ValueError(f"stored as {scheme!r}, which this version does not know")
    if scheme == "float32":
        return stored
    coded = [name for name, array in stored.items() if array.dtype in (np.int8, np.uint8)]
    parts = {f"{name}.{part}" for name in coded for part in ("scale", "bins", "shape")}
    return {name: _dequantised(name, stored) for name in stored if name not in parts}


def _dequantised(name: str, stored: dict[str, Array]) -> Array:
    array = stored[name]
    if array.dtype == np.int8:
        scale = stored[f"{name}.scale"]
        return array.astype(np.float32) * scale.reshape(-1, *[1] * (array.ndim - 1))
    if array.dtype == np.uint8:
        return dequantise_bins(array, stored[f"{name}.bins"], tuple(stored[f"{name}.shape"].tolist()))
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _half(array: Array) -> Array:
    if np.abs(array).max(initial=0) > np.finfo(np.float16).max:
        return array.astype(np.float32)
    return array.astype(np.float16)


def quantise_rows(weight: Array) -> tuple[Array, Array]:
    """int8 values (R, C) and float32 scales (R,), so that values * scales[:, None] is nearest to weight."""
    scale = np.abs(weight).max(axis=1).astype(np.float32) / np.float32(127)
    scale[scale == 0] = 1
    return np.rint(weight / scale[:, None]).astype(np.int8), scale


def quantise_bins(weight: Array) -> tuple[Array, Array]:
    """Numbers of bins, two a byte (ceil(N / 2),) uint8, and the mean of each bin (16,) float32, of N weights.

    The populations differ by one at most; fewer weights than bins leave bins empty, whose mean is 0.
    """
    flat = weight.ravel()
    rank = np.empty(len(flat), np.int64)
    rank[np.argsort(flat, kind="stable")] = np.arange(len(flat))
    number = rank * BINS // max(len(flat), 1)
    population = np.bincount(number, minlength=BINS)
    sums = np.bincount(number, flat.astype(np.float64), minlength=BINS)
    codes = np.zeros(-(-len(flat) // 2) * 2, np.uint8)
    codes[: len(flat)] = number
    return codes[::2] | codes[1::2] << 4, (sums / np.maximum(population, 1)).astype(np.float32)


def dequantise_bins(codes: Array, means: Array, shape: tuple[int, ...]) -> Array:
    """float32 (shape): each weight the mean of its bin. ValueError where the numbers of weights do not fit."""
    size = math.prod(shape)
    if means.shape != (BINS,) or len(codes) != -(-size // 2):
        raise ValueError(f"{len(codes)} bytes and {means.shape[0]} bins for {size} weights")
    numbers = np.stack([codes & 15, codes >> 4], axis=1).ravel()[:size]
    return means.astype(np.float32)[numbers].reshape(shape)
