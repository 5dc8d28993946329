"""Every kernel against its slow twin in naive.py. What a kernel must fill is NaN before the call."""

from __future__ import annotations

import sys

import naive
import numba
import numpy as np
import pytest
from scipy.special import erf

from seqdl import Tensor, ops
from seqdl.dna import matcher
from seqdl.kernels import (
    activation,
    convolution,
    embedding,
    generation,
    motif_index,
    motifs,
    normalisation,
    one_row,
    optimiser,
    pooling,
    product,
    quantised,
    recurrent,
    sampling,
    score_distribution,
    winograd,
)
from seqdl.kernels.jit import KERNELS, OPTIONS
from seqdl.ops.convolution import pool_window
from seqdl.quantisation import quantise_rows
from seqdl.text import SamplingOptions
from seqdl.text.network import CharNetwork
from seqdl.text.sampling import for_streams
from seqdl.text.streams import Streams, pack

TOLERANCE = {"float32": 3e-6, "float64": 1e-12}


@pytest.fixture(params=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> np.dtype:
    return np.dtype(request.param)


def close(ours: np.ndarray, twin: np.ndarray) -> None:
    """Equal within rounding of our type; NaN, a forgotten cell, is never equal."""
    tolerance = TOLERANCE[ours.dtype.name]
    np.testing.assert_allclose(ours, twin, rtol=tolerance, atol=tolerance, equal_nan=False)


def draw(*shape: int, dtype: np.dtype, seed: int = 0) -> np.ndarray:
    """Normal numbers that float32 can hold, so that twin and kernel read the same."""
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32).astype(dtype)


def states(initial: np.ndarray, steps: int, reverse: bool) -> np.ndarray:
    """(T + 2, B, H): NaN but for the initial state."""
    array = np.full((steps + 2, *initial.shape), np.nan, initial.dtype)
    array[-1 if reverse else 0] = initial
    return array


def test_every_kernel_has_a_test_here() -> None:
    modules = {m.__name__ for m in (activation, convolution, embedding, generation, optimiser, pooling, product)}
    modules |= {m.__name__ for m in (quantised, recurrent, sampling, one_row, motifs, motif_index)}
    modules |= {score_distribution.__name__, normalisation.__name__, winograd.__name__}
    names = {k.__name__ for k in KERNELS if k.__module__ in modules}
    tests = " ".join(name for name in vars(sys.modules[__name__]) if name.startswith("test_"))
    assert {name for name in names if f"test_{name}_" not in tests + "_"} == set()


# products with packed weights

WIDTH = product.panel_width(np.float64)
SIZES = pytest.mark.parametrize(
    ("M", "K", "N"),
    [(1, 1, 1), (product.ROWS, 5, WIDTH), (2 * product.ROWS + 1, 3, 2 * WIDTH + 1), (product.BLOCK + 2, 2, 3)],
)


@SIZES
def test_multiply_starts_from_what_is_there_or_from_a_row(dtype, M, K, N) -> None:
    a, w, c = draw(M, K, dtype=dtype), draw(K, N, dtype=dtype), draw(M, N, dtype=dtype)
    row, fresh = draw(1, N, dtype=dtype), np.full((M, N), np.nan, dtype)
    wanted = c + a @ w
    product.multiply(a, product.pack(w), row, fresh)
    product.multiply(a, product.pack(w), c, c)
    close(c, wanted)
    close(fresh, row + a @ w)


def test_multiply_reads_transposed_operands(dtype) -> None:
    a, w = draw(7, 9, dtype=dtype), draw(5, 7, dtype=dtype)
    c = np.zeros((9, 5), dtype)
    product.multiply(a.T, product.pack(w.T), c, c)
    close(c, a.T @ w.T)


def test_multiply_touches_only_its_part_of_a_wider_array(dtype) -> None:
    wide = np.full((3, 6), np.nan, dtype)
    wide[:, 2:4] = 0
    a, w = draw(3, 5, dtype=dtype), draw(5, 2, dtype=dtype)
    product.multiply(a, product.pack(w), wide[:, 2:4], wide[:, 2:4])
    close(wide[:, 2:4].copy(), a @ w)
    assert np.isnan(wide[:, [0, 1, 4, 5]]).all()


@pytest.mark.parametrize(("M", "K", "N"), [(0, 3, 2), (3, 0, 2), (3, 2, 0)])
def test_multiply_at_and_multiply_of_nothing_give_the_start(dtype, M, K, N) -> None:
    row, c = draw(1, N, dtype=dtype), np.full((M, N), np.nan, dtype)
    product.multiply(np.ones((M, K), dtype), product.pack(np.ones((K, N), dtype)), row, c)
    np.testing.assert_array_equal(c, np.tile(row, (M, 1)))


def test_multiply_gives_each_row_the_same_bits_in_any_block(dtype) -> None:
    a, packed = draw(11, 300, dtype=dtype), product.pack(draw(300, 70, dtype=dtype))
    whole, parts = np.zeros((2, 11, 70), dtype)
    product.multiply(a, packed, whole, whole)
    for lo, hi in ((0, 1), (1, 6), (6, 11)):
        product.multiply(a[lo:hi], packed, parts[lo:hi], parts[lo:hi])
    np.testing.assert_array_equal(whole, parts)


@pytest.mark.parametrize("K", [0, 1, 3, product.INNER + 1])
def test_multiply_flat_takes_any_strides_and_fills_its_columns_only(dtype, K) -> None:
    a, b, row = draw(K, 5, dtype=dtype).T, draw(K, 9, dtype=dtype), draw(1, 9, dtype=dtype)
    for right in (b, np.asfortranarray(b), np.repeat(b, 2, axis=1)[:, ::2], b[::-1].copy()[::-1]):
        c = np.full((5, 9), np.nan, dtype)
        product.multiply_unpacked(a, right[:, 2:8], row[:, 2:8], c[:, 2:8])
        np.testing.assert_allclose(c[:, 2:8], (row + a @ b)[:, 2:8], rtol=1e-5, atol=1e-4)
        assert np.isnan(c[:, [0, 1, 8]]).all()


def test_add_columns_adds_up_its_columns_only(dtype) -> None:
    a, sums = draw(7, 5, dtype=dtype), np.zeros(5, dtype)
    product.add_columns(a, sums, 1, 4)
    close(sums, np.r_[0, a.sum(axis=0)[1:4], 0].astype(dtype))


@pytest.mark.parametrize("columns", [1, WIDTH // 2, WIDTH // 2 + 1, WIDTH + 3])  # narrow and wide tiles
def test_multiply_rows_reads_and_writes_rows_that_lie_anywhere(dtype, columns) -> None:
    rows, length = 2 * product.NARROW_ROWS + 1, 4
    draws = np.random.default_rng(columns)
    memory, w = draw(400, dtype=dtype), draw(3 * length, columns, dtype=dtype)
    rows_at, runs_at = draws.integers(0, 200, rows), np.array([60, 0, 31])
    begin, c = draw(rows, columns, dtype=dtype, seed=1), np.full((2 * rows, columns), np.nan, dtype)
    results = draws.permutation(2 * rows)[:rows]
    multiply_scattered(memory, rows_at, runs_at, length, 2, product.pack(w), begin, c, results * columns)
    elements = np.add.outer(runs_at, 2 * np.arange(length)).ravel()
    close(c[results], begin + memory[rows_at[:, None] + elements] @ w)
    assert np.isnan(np.delete(c, results, axis=0)).all()


@numba.njit
def multiply_scattered(memory, rows_at, runs_at, length, step, packed, begin, c, results):
    size, rows, columns = c.itemsize, len(rows_at), c.shape[1]
    a = product.Operand(memory.ctypes.data, rows_at, runs_at, length, step)
    panels = product.Panels(packed.ctypes.data, packed.strides[0] // size, packed.strides[1] // size)
    start = product.Rows(begin.ctypes.data, product.evenly(rows, columns))
    result = product.Rows(c.ctypes.data, results)
    product.multiply_rows(a, panels, start, result, rows, columns, size, c.dtype.type(0))


def test_evenly_lists_multiples() -> None:
    np.testing.assert_array_equal(product.evenly(4, 3), [0, 3, 6, 9])
    np.testing.assert_array_equal(product.evenly(2, 0), [0, 0])


def test_fill_panels_pads_the_last_panel_with_zeros(dtype) -> None:
    width = product.panel_width(dtype)
    w = draw(product.LINE + 1, width + 1, dtype=dtype)
    for weight in (w, np.asfortranarray(w)):
        packed = np.full((2, *w.shape[:1], width), np.nan, dtype)
        product.fill_panels(*product.flat(weight), *w.shape, packed.reshape(-1))
        np.testing.assert_array_equal(np.hstack([packed[0], packed[1]])[:, : width + 1], w)
        assert not packed[1, :, 1:].any()


# LSTM and GRU: T steps, B sequences, 3 units

SHAPES = pytest.mark.parametrize(("T", "B"), [(4, 3), (1, 2), (3, 1)])
DIRECTIONS = pytest.mark.parametrize("reverse", [False, True])
H = 3


def as_inputs(gates: np.ndarray) -> recurrent.Inputs:
    """Symbols that stand for these gates (T, B, G H), each for its own."""
    T, B, rows = gates.shape
    nothing = np.empty((0, 0, 0), gates.dtype)
    packed = product.pack(gates[0, :0])
    return recurrent.Inputs(np.arange(T * B).reshape(T, B), gates.reshape(-1, rows), nothing, packed, gates[0, :1])


def upstream(w_hh: np.ndarray, grad_out: np.ndarray, rows: int) -> recurrent.Upstream:
    """The inputs' gradient is that of the gates."""
    T, B, _ = grad_out.shape
    nothing, to_inputs = np.zeros((1, rows), w_hh.dtype), np.full((T, B, rows), np.nan, w_hh.dtype)
    identity = product.pack(np.eye(rows, dtype=w_hh.dtype))
    return recurrent.Upstream(product.pack(w_hh), identity, nothing, grad_out, to_inputs, False)


def run_lstm(gates, w_hh, h0, c0, reverse, blocks=None, rows=None):
    T, B = gates.shape[:2]
    h, c = states(h0, T, reverse), states(c0, T, reverse)
    work = np.full((rows or T, *gates.shape[1:]), np.nan, gates.dtype)
    for lo, hi in blocks or [(0, B)]:
        recurrent.lstm_forward(as_inputs(gates), product.pack(w_hh.T), work, h, c, 0, reverse, lo, hi)
    return work, h, c


def lstm_inputs(T, B, dtype):
    return [draw(*s, dtype=dtype) for s in ((T, B, 4 * H), (4 * H, H), (B, H))] + [draw(B, H, dtype=dtype, seed=1)]


@SHAPES
@DIRECTIONS
def test_lstm_forward_equals_the_steps(dtype, T, B, reverse) -> None:
    inputs = lstm_inputs(T, B, dtype)
    _, h, c = run_lstm(*inputs, reverse)
    twin_h, twin_c = naive.lstm_layer(*inputs, reverse)
    close(h[1:-1], twin_h)
    close(c[1:-1], twin_c)


def test_lstm_forward_leaves_other_rows_of_the_batch_alone(dtype) -> None:
    inputs = lstm_inputs(4, 5, dtype)
    _, h, _ = run_lstm(*inputs, False, blocks=[(1, 3)])
    close(h[1:-1, 1:3].copy(), naive.lstm_layer(*inputs)[0][:, 1:3])
    assert np.isnan(h[1:, [0, 3, 4]]).all()


@SHAPES
@DIRECTIONS
def test_lstm_backward_equals_finite_differences_of_the_twin(dtype, T, B, reverse) -> None:
    inputs = lstm_inputs(T, B, dtype)
    up, up_h, up_c = (draw(*s, dtype=dtype, seed=2) for s in ((T, B, H), (B, H), (B, H)))
    work, _, c = run_lstm(*inputs, reverse)
    dh, dc = up_h.copy(), up_c.copy()
    given = upstream(inputs[1], up, 4 * H)
    recurrent.lstm_backward(given, work, c, dh, dc, 0, reverse, 0, B)
    close(given.inputs, work)
    doubles = [a.astype(np.float64) for a in inputs]

    def projected() -> float:
        h, c = naive.lstm_layer(*doubles, reverse)
        last = 0 if reverse else -1
        return (h * up).sum() + (h[last] * up_h).sum() + (c[last] * up_c).sum()

    for ours, i in ((work, 0), (dh, 2), (dc, 3)):
        np.testing.assert_allclose(ours, naive.slopes(projected, doubles[i]), rtol=1e-5, atol=2e-6)


def gru_inputs(T, B, dtype):
    return [draw(*s, dtype=dtype) for s in ((T, B, 3 * H), (3 * H, H), (3 * H,), (B, H))]


def run_gru(gates, w_hh, b_hh, h0, reverse):
    h, work = states(h0, len(gates), reverse), np.full_like(gates, np.nan)
    hidden = np.full_like(h[1:-1], np.nan)
    gates = gates + np.r_[b_hh[: 2 * H], np.zeros(H)].astype(gates.dtype)  # the recurrent bias that the caller adds
    packed = product.pack(w_hh[: 2 * H].T), product.pack(w_hh[2 * H :].T)
    recurrent.gru_forward(as_inputs(gates), *packed, b_hh[None, 2 * H :], work, hidden, h, 0, reverse, 0, len(h0))
    return work, hidden, h


@SHAPES
@DIRECTIONS
def test_gru_forward_equals_the_steps(dtype, T, B, reverse) -> None:
    inputs = gru_inputs(T, B, dtype)
    work, hidden, h = run_gru(*inputs, reverse)
    twin_h, activated, twin_hidden = naive.gru_layer(*inputs, reverse)
    close(h[1:-1], twin_h)
    close(work, activated)
    close(hidden, twin_hidden)


@SHAPES
@DIRECTIONS
def test_gru_backward_equals_finite_differences_of_the_twin(dtype, T, B, reverse) -> None:
    inputs = gru_inputs(T, B, dtype)
    w_hh, up, dh = inputs[1], draw(T, B, H, dtype=dtype, seed=2), draw(B, H, dtype=dtype, seed=3)
    up_h = dh.copy()
    work, hidden, h = run_gru(*inputs, reverse)
    given = upstream(w_hh[: 2 * H], up, 3 * H)
    recurrent.gru_backward(given, product.pack(w_hh[2 * H :]), work, hidden, h, dh, 0, reverse, 0, B)
    close(given.inputs, work)
    doubles = [a.astype(np.float64) for a in inputs]

    def projected() -> float:
        h = naive.gru_layer(*doubles, reverse)[0]
        return (h * up).sum() + (h[0 if reverse else -1] * up_h).sum()

    inside = np.concatenate([work[:, :, : 2 * H], hidden], axis=2).sum(axis=(0, 1))  # of the recurrent bias
    for ours, i in ((work, 0), (inside, 2), (dh, 3)):
        np.testing.assert_allclose(ours, naive.slopes(projected, doubles[i]), rtol=1e-5, atol=3e-6)


def test_read_inputs_multiplies_vectors_and_looks_symbols_up(dtype) -> None:
    x, w, bias = draw(2, 5, 3, dtype=dtype), draw(3, 4, dtype=dtype), draw(1, 4, dtype=dtype)
    gates, no_symbols = np.full((5, 4), np.nan, dtype), np.empty((0, 0), np.int64)
    recurrent.read_inputs(recurrent.Inputs(no_symbols, w[:0], x, product.pack(w), bias), 1, gates, 1, 4)
    close(gates[1:4], x[1, 1:4] @ w + bias)
    recurrent.read_inputs(as_inputs(gates[None]), 0, gates, 0, 0)
    assert np.isnan(gates[[0, 4]]).all()


def test_to_inputs_adds_a_second_direction_to_the_first(dtype) -> None:
    w, gates, there = draw(4, 3, dtype=dtype), draw(5, 4, dtype=dtype), draw(2, 5, 3, dtype=dtype)
    before, nothing = there.copy(), np.zeros((1, 4), dtype)
    for more in (True, False):
        up = recurrent.Upstream(product.pack(w), product.pack(w), nothing, there, there, more)
        recurrent.to_inputs(up, 1, gates, 1, 4)
        close(there[1, 1:4].copy(), gates[1:4] @ w + (before[1, 1:4] if more else 0))
    np.testing.assert_array_equal(there[:, [0, 4]], before[:, [0, 4]])


def test_lstm_forward_needs_one_row_of_gates_if_nobody_goes_back(dtype) -> None:
    inputs = lstm_inputs(4, 3, dtype)
    for reverse in (False, True):
        np.testing.assert_array_equal(run_lstm(*inputs, reverse, rows=1)[1][1:-1], run_lstm(*inputs, reverse)[1][1:-1])


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_stack_of_two_layers_equals_the_steps(dtype, cell, directions) -> None:
    rows, D = (4 if cell == "lstm" else 3) * H, 2
    widths = [D] * directions + [H * directions] * directions
    shapes = [s for width in widths for s in ((rows, width), (rows, H), (rows,), (rows,))]
    weights = [draw(*s, dtype=dtype, seed=i) for i, s in enumerate(shapes)]
    x = draw(5, 3, D, dtype=dtype)
    initial = [draw(2 * directions, 3, H, dtype=dtype, seed=i) for i in range(2 if cell == "lstm" else 1)]
    ours = getattr(ops, cell)(x, *initial, *weights, bidirectional=directions == 2)
    for our, twin in zip(ours, getattr(naive, cell)(x, *initial, weights, directions), strict=True):
        close(our.data, twin)


@pytest.mark.parametrize("nan_at", [0, 4, 7, 10])  # in gate i, f, g, o or r, z, n
def test_a_nan_in_any_gate_reaches_the_state(dtype, nan_at) -> None:
    lstm, gru = lstm_inputs(2, 2, dtype), gru_inputs(2, 2, dtype)
    lstm[0][0, 1, nan_at] = np.nan
    gru[0][0, 1, min(nan_at, 8)] = np.nan
    for h in (run_lstm(*lstm, False)[1], run_gru(*gru, False)[2]):
        assert np.isnan(h[1, 1]).any()
        assert np.isnan(h[2, 1]).all()
        assert not np.isnan(h[:-1, 0]).any()


# The rational tanh and sigmoid


@numba.njit(**OPTIONS)
def both(x, tanh_x, sigmoid_x):
    for i in range(len(x)):
        tanh_x[i] = recurrent.tanh(x[i])
        sigmoid_x[i] = recurrent.sigmoid(x[i])


def tanh_and_sigmoid(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    results = np.full_like(x, np.nan), np.full_like(x, np.nan)
    both(x, *results)
    return results


def dense_grid() -> np.ndarray:
    tiny = np.logspace(-30, 0, 100_000)
    return np.concatenate([np.linspace(-20, 20, 1_000_001), tiny, -tiny, [0, 1e30, -1e30]]).astype(np.float32)


def test_tanh_and_sigmoid_stay_within_the_documented_bound() -> None:
    x = dense_grid()
    tanh, sigmoid = tanh_and_sigmoid(x)
    exact = np.tanh(x.astype(np.float64))
    assert np.abs(tanh - exact).max() < naive.TANH_BOUND
    assert np.abs(sigmoid - (1 + np.tanh(x / np.float64(2))) / 2).max() < naive.TANH_BOUND


def test_tanh_is_odd_and_small_values_keep_their_digits() -> None:
    x = np.logspace(-30, 0.5, 10_000).astype(np.float32)
    tanh = tanh_and_sigmoid(x)[0]
    np.testing.assert_array_equal(tanh_and_sigmoid(-x)[0], -tanh)
    np.testing.assert_allclose(tanh, np.tanh(x.astype(np.float64)), rtol=1e-6)


def test_tanh_and_sigmoid_pass_a_nan_on_and_saturate_at_infinity(dtype) -> None:
    tanh, sigmoid = tanh_and_sigmoid(np.array([np.nan, np.inf, -np.inf], dtype))
    assert np.isnan(tanh[0])
    assert np.isnan(sigmoid[0])
    np.testing.assert_allclose(tanh[1:], [1, -1], atol=naive.TANH_BOUND)
    np.testing.assert_allclose(sigmoid[1:], [1, 0], atol=naive.TANH_BOUND)


# Convolution and pooling

GEOMETRIES = pytest.mark.parametrize(
    ("stride", "padding", "dilation"),
    [((1, 1), (0, 0), (1, 1)), ((2, 1), (1, 2), (1, 1)), ((1, 3), (2, 0), (2, 1))],
)


def patches(x, kernel, stride, padding, dilation):
    """(B OH OW, kh kw C) by the formula of the twin: a kernel of one 1 picks one element of the patch."""
    channels, count = x.shape[1], x.shape[1] * kernel[0] * kernel[1]
    picks = np.eye(count).reshape(-1, channels, *kernel)
    twin = naive.conv2d(x, picks, np.zeros(count), stride, padding, dilation)
    apart = twin.reshape(len(x), channels, *kernel, *twin.shape[2:])
    return apart.transpose(0, 4, 5, 2, 3, 1).reshape(-1, count), twin.shape[2:]


def channels_last(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def lines_of(x: np.ndarray) -> np.ndarray:
    """(B, C, H, W) -> (B, H, W C), as the kernels take images."""
    return channels_last(x).reshape(len(x), x.shape[2], -1)


def window_of(kernel, stride, padding, dilation, size) -> pooling.Window:
    return pooling.Window(*kernel, stride, padding, dilation, *size)


class Case:
    """Two images of 3 channels, a kernel (3, 2), maps of 4 outputs: patches and where the kernels find them."""

    def __init__(self, dtype, stride, padding, dilation, images=2) -> None:
        self.x = draw(images, 3, 6, 5, dtype=dtype)
        self.patches, size = patches(self.x, (3, 2), stride, padding, dilation)
        self.layout = convolution.layout(window_of((3, 2), stride, padding, dilation, size), 3, 6, 5, 4)
        self.maps = draw(images, *size, 4, dtype=dtype, seed=1)
        self.frames = np.full((images, *self.layout.frames[1:]), np.nan, dtype)

    def filled(self) -> np.ndarray:
        convolution.clear(self.frames)
        convolution.fill_frames(lines_of(self.x), self.frames, self.layout)
        return self.frames


@GEOMETRIES
def test_the_layout_points_at_the_patches(dtype, stride, padding, dilation) -> None:
    case = Case(dtype, stride, padding, dilation)
    layout, flat = case.layout, case.filled().ravel()
    positions = layout.positions[: len(case.patches)]
    np.testing.assert_array_equal(flat[positions[:, None] + layout.elements], case.patches)
    np.testing.assert_array_equal(np.add.outer(layout.runs, np.arange(layout.length)).ravel(), layout.elements)
    rows = np.add.outer(layout.lines, layout.step * np.arange(layout.maps[1]))
    np.testing.assert_array_equal(rows.ravel(), layout.positions)


@GEOMETRIES
def test_fill_frames_puts_zeros_around_the_images(dtype, stride, padding, dilation) -> None:
    case = Case(dtype, stride, padding, dilation)
    (rows, columns), x = padding, channels_last(case.x)
    framed = np.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
    np.testing.assert_array_equal(case.filled(), framed.reshape(case.frames.shape))


@GEOMETRIES
def test_empty_frames_takes_the_images_out(dtype, stride, padding, dilation) -> None:
    case = Case(dtype, stride, padding, dilation)
    x = np.full_like(lines_of(case.x), np.nan)
    convolution.empty_frames(case.filled(), x, case.layout)
    np.testing.assert_array_equal(x, lines_of(case.x))


def test_clear_leaves_zeros(dtype) -> None:
    frames = np.full((2, 3, 4), np.nan, dtype)
    convolution.clear(frames)
    np.testing.assert_array_equal(frames, 0)


def test_sum_pixels_sums_each_channel(dtype) -> None:
    maps, total = draw(2, 3, 4, 5, dtype=dtype), np.full(5, np.nan, dtype)
    convolution.sum_pixels(maps, total)
    close(total, maps.sum(axis=(0, 1, 2)))


@GEOMETRIES
def test_weight_gradient_adds_the_product_with_the_patches(dtype, stride, padding, dilation) -> None:
    case = Case(dtype, stride, padding, dilation)
    product = case.patches.T @ case.maps.reshape(-1, 4)
    behind = np.full((8, *case.maps.shape[1:]), np.nan, dtype)  # what lies behind the maps is read, but counts nothing
    maps, row, total = np.concatenate([case.maps, behind]), draw(1, 4, dtype=dtype), np.full((18, 4), np.nan, dtype)
    convolution.weight_gradient(case.filled(), maps, row, total, case.layout, 2)
    np.testing.assert_allclose(total, row + product, rtol=1e-5, atol=1e-5)
    convolution.weight_gradient(case.frames, maps, total, total, case.layout, 2)
    np.testing.assert_allclose(total, row + 2 * product, rtol=1e-5, atol=1e-5)


@GEOMETRIES
def test_image_gradient_adds_each_product_where_the_kernel_looked(dtype, stride, padding, dilation) -> None:
    case = Case(dtype, stride, padding, dilation)
    weight = draw(18, 4, dtype=dtype)
    wanted = np.zeros(case.frames.size)
    at = case.layout.positions[: len(case.patches), None] + case.layout.elements
    np.add.at(wanted, at, case.maps.reshape(-1, 4) @ weight.T)
    packed = product.pack(weight.reshape(6, 3, 4).transpose(0, 2, 1).reshape(-1, 3))
    convolution.image_gradient(case.maps, packed, case.frames, case.layout, 2)
    np.testing.assert_allclose(case.frames.ravel(), wanted, rtol=1e-5, atol=1e-5)


@GEOMETRIES
def test_convolve_patches_multiplies_them(dtype, stride, padding, dilation) -> None:
    case = Case(dtype, stride, padding, dilation)
    weight, bias, maps = draw(18, 4, dtype=dtype), draw(4, dtype=dtype), np.full_like(case.maps, np.nan)
    convolution.convolve_patches(case.filled(), product.pack(weight), bias, maps, case.layout)
    np.testing.assert_allclose(maps.reshape(-1, 4), case.patches @ weight + bias, rtol=1e-5, atol=1e-5)


def test_pools_knows_the_pooling_that_changes_nothing() -> None:
    options = [((1, 1), (1, 1)), ((2, 1), (1, 1)), ((1, 1), (1, 2))]
    assert [convolution.pools(pool_window((4, 4), *option)) for option in options] == [False, True, True]


def test_copy_copies_maps(dtype) -> None:
    source, target = draw(2, 3, 4, 5, dtype=dtype), np.full((2, 3, 4, 5), np.nan, dtype)
    convolution.copy(source, target)
    np.testing.assert_array_equal(target, source)


def convolution_case(dtype, images=5):
    """Images of 3 channels, a kernel (2, 3), a pooling that overlaps and reaches over the edge."""
    x, weight, bias = (draw(*s, dtype=dtype) for s in ((images, 3, 5, 6), (4, 3, 2, 3), (4,)))
    maps = naive.conv2d(x, weight, bias)
    layout = convolution.layout(window_of((2, 3), (1, 1), (0, 0), (1, 1), (4, 4)), 3, 5, 6, 4)
    pool = pool_window((4, 4), 3, 2, 1, ceil_mode=True)
    return x, weight, bias, naive.max_pool2d(maps, (3, 3), (2, 2), (1, 1), True), layout, pool


def test_convolve_fills_its_images_only(dtype) -> None:
    x, weight, bias, (twin, _), layout, pool = convolution_case(dtype)
    out, where = np.full((5, 3, 3, 4), np.nan, dtype), np.full((5, 3, 3, 4), 99, np.uint8)
    packed = convolution.pack_filter(weight.transpose(2, 3, 1, 0), layout)
    convolution.convolve(lines_of(x), packed, bias, out, where, layout, pool, 1, 4)
    close(out[1:4], channels_last(twin)[1:4])
    assert np.isnan(out[[0, 4]]).all()
    assert (where[[0, 4]] == 99).all()


def test_convolve_backward_equals_finite_differences_of_the_twin(dtype) -> None:
    x, weight, bias, _, layout, pool = convolution_case(dtype, images=2)
    out, where = np.empty((2, 3, 3, 4), dtype), np.empty((2, 3, 3, 4), np.uint8)
    filters, lines = weight.transpose(2, 3, 1, 0), lines_of(x)
    convolution.convolve(lines, convolution.pack_filter(filters, layout), bias, out, where, layout, pool, 0, 2)
    grad, grad_x = draw(2, 3, 3, 4, dtype=dtype, seed=5), np.full_like(lines, np.nan)
    grad_sum = np.full((19, 4), np.nan, dtype)
    turned = convolution.pack_filter(filters, layout, turned=True)
    convolution.convolve_backward(lines, grad, where, turned, grad_x, grad_sum, layout, pool, 0, 2)
    image, filters = x.astype(np.float64), weight.astype(np.float64)
    close(grad_sum[18], grad.sum(axis=(0, 1, 2)))

    def projected() -> float:
        maps = naive.conv2d(image, filters, bias)
        return (channels_last(naive.max_pool2d(maps, (3, 3), (2, 2), (1, 1), True)[0]) * grad).sum()

    slopes = naive.slopes(projected, image), naive.slopes(projected, filters)
    for ours, wanted in ((grad_x, lines_of(slopes[0])), (grad_sum[:18], slopes[1].transpose(2, 3, 1, 0))):
        np.testing.assert_allclose(ours, wanted.reshape(ours.shape), rtol=1e-5, atol=1e-5)


def test_convolution_in_groups_equals_the_whole() -> None:
    images = 8 * (convolution.GROUP // (60 * 60 * 4)) + 9  # more than fit into one group of each block
    x, weight = draw(images, 1, 61, 62, dtype=np.dtype("float32")), draw(4, 1, 2, 3, dtype=np.dtype("float32"))
    one_by_one = np.concatenate([ops.conv2d(x[i : i + 1], weight).data for i in range(images)])
    np.testing.assert_array_equal(ops.conv2d(x, weight).data, one_by_one)


@GEOMETRIES
def test_conv2d_equals_the_loops(dtype, stride, padding, dilation) -> None:
    x, weight, bias = (draw(*s, dtype=dtype) for s in ((2, 3, 7, 6), (4, 3, 2, 3), (4,)))
    ours = ops.conv2d(x, weight, bias, stride=stride, padding=padding, dilation=dilation).data
    close(ours, naive.conv2d(x, weight, bias, stride, padding, dilation))


@GEOMETRIES
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_conv2d_with_a_pool_is_both_operations(dtype, stride, padding, dilation, ceil_mode) -> None:
    x, weight, bias = (Tensor(draw(*s, dtype=dtype), True) for s in ((19, 3, 9, 12), (5, 3, 2, 3), (5,)))
    geometry = {"stride": stride, "padding": padding, "dilation": dilation}
    pool = {"kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 0), "ceil_mode": ceil_mode}
    results = []
    for out in (
        ops.conv2d(x, weight, bias, **geometry, pool=pool),
        ops.max_pool2d(ops.conv2d(x, weight, bias, **geometry), **pool),
    ):
        for leaf in (x, weight, bias):
            leaf.grad = None
        out.backward(draw(*out.shape, dtype=dtype, seed=1))
        results.append([out.data, x.grad, weight.grad, bias.grad])
    for ours, apart in zip(*results, strict=True):
        np.testing.assert_allclose(ours, apart, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [{"relu": True}, {"gelu": True}, {}])
@pytest.mark.parametrize("channels", [3, 16])
def test_conv2d_with_a_sum_and_an_activation_is_the_operations_one_by_one(dtype, channels, options) -> None:
    shapes = ((9, channels, 6, 8), (16, channels, 3, 3), (16,), (9, 16, 3, 4))
    leaves, results = [Tensor(draw(*s, dtype=dtype), True) for s in shapes], []
    apart = ops.max_pool2d(ops.conv2d(*leaves[:3], padding=1), 2) + leaves[3]
    apart = ops.relu(apart) if "relu" in options else ops.gelu(apart) if "gelu" in options else apart
    for out in (ops.conv2d(*leaves, padding=1, pool={"kernel_size": 2}, **options), apart):
        for leaf in leaves:
            leaf.grad = None
        out.backward(draw(*out.shape, dtype=dtype, seed=1))
        results.append([out.data, *(leaf.grad for leaf in leaves)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_conv2d_refuses_two_activations_and_sums_that_do_not_fit() -> None:
    x, weight = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))
    with pytest.raises(ValueError, match="one of gelu and relu"):
        ops.conv2d(x, weight, gelu=True, relu=True)
    with pytest.raises(ValueError, match=r"\(1, 1, 3, 3\) cannot be added to an output of \(1, 1, 2, 2\)"):
        ops.conv2d(x, weight, None, x)


def test_conv2d_adds_its_bias_once_whatever_the_channels() -> None:
    bias = np.array([1.5, -2.0])
    out = ops.conv2d(np.ones((1, 7, 3, 3)), np.zeros((2, 7, 2, 2)), bias).data
    np.testing.assert_array_equal(out, np.broadcast_to(bias[:, None, None], (1, 2, 2, 2)))


POOLS = [
    ((2, 2), (2, 2), (0, 0)), ((3, 2), (2, 1), (1, 0)), ((3, 3), (2, 2), (1, 1)), ((2, 3), (3, 3), (1, 1)),
    ((4, 4), (3, 2), (2, 2)),
]  # fmt: skip


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize(("size", "stride", "padding"), POOLS)
@pytest.mark.parametrize("shape", [(7, 6), (5, 8)])
def test_max_pool_equals_the_loops(dtype, shape, size, stride, padding, ceil_mode) -> None:
    x = np.round(draw(2, 2, *shape, dtype=dtype))  # with equal values: the first must win
    twin, twin_where = naive.max_pool2d(x, size, stride, padding, ceil_mode)
    window = window_of(size, stride, padding, (1, 1), twin.shape[2:])
    out = channels_last(np.full(twin.shape, np.nan, dtype))
    where = np.full(out.shape, 99, np.uint8)
    pooling.max_pool(channels_last(x), out, where, window)
    np.testing.assert_array_equal(out, channels_last(twin))
    p, q = np.indices(out.shape)[1:3]
    row, column = p * stride[0] - padding[0] + where // size[1], q * stride[1] - padding[1] + where % size[1]
    np.testing.assert_array_equal(row * shape[1] + column, channels_last(twin_where))
    np.testing.assert_array_equal(ops.max_pool2d(x, size, stride, padding, ceil_mode).data, twin)


def test_max_pool_backward_adds_up_where_windows_overlap(dtype) -> None:
    window = pooling.Window(2, 2, (1, 1), (0, 0), (1, 1), 2, 2)
    grad, where = draw(1, 2, 2, 1, dtype=dtype), np.array([3, 2, 1, 0], np.uint8).reshape(1, 2, 2, 1)
    image = np.full((1, 3, 3, 1), np.nan, dtype)
    pooling.max_pool_backward(grad, where, image, window)  # all four windows meet in the middle
    twin = np.zeros((1, 3, 3, 1), dtype)
    twin[0, 1, 1, 0] = grad.sum()
    close(image, twin)


@pytest.mark.parametrize("needs", [False, True])
def test_max_pool_lets_a_nan_win(dtype, needs) -> None:
    x = np.arange(16, dtype=dtype).reshape(1, 1, 4, 4)
    x[0, 0, 0, 0] = x[0, 0, 1, 2] = x[0, 0, 3, 3] = np.nan  # first, in the middle and last
    out = ops.max_pool2d(Tensor(x, requires_grad=needs), 2).data
    np.testing.assert_array_equal(out[0, 0], [[np.nan, np.nan], [13, np.nan]])


def test_overlap_is_what_a_window_and_the_image_share() -> None:
    cases = [pooling.overlap(position, 3, 2, 1, 4) for position in range(3)]
    assert cases == [(-1, 1, 3), (1, 0, 3), (3, 0, 1)]


@pytest.mark.parametrize("size", [16, 17, 257])  # the last places that a byte counts, two bytes, four
def test_max_pool_counts_as_many_places_as_there_are(size) -> None:
    x = Tensor(np.arange(float(size * size)).reshape(1, 1, size, size), requires_grad=True)
    ops.max_pool2d(x, size).sum().backward()
    assert np.argwhere(x.grad).tolist() == [[0, 0, size - 1, size - 1]]


def test_conv2d_passes_a_nan_to_the_windows_that_see_it(dtype) -> None:
    x = np.ones((1, 1, 3, 4), dtype)
    x[0, 0, 0, 0] = np.nan
    out = ops.conv2d(x, np.ones((1, 1, 2, 2), dtype)).data
    np.testing.assert_array_equal(np.isnan(out[0, 0]), [[True, False, False], [False, False, False]])


# Convolution in tiles of 2 x 2. Maps of 5 x 4 have a last row of tiles that hangs over.

MAPS, TILES = (5, 4), winograd.Tiles(3, 2, 2)
FRAMES = (2 * TILES.rows + 2, 2 * TILES.columns + 2)


@pytest.mark.parametrize(
    ("there", "back", "shape", "tiles"),
    [
        (winograd.TILE_IN, winograd.TILE_BACK, (2, *FRAMES, 3), TILES),
        (winograd.OUTPUT_BACK, winograd.OUTPUT_OUT, (2, *MAPS, 3), TILES),
        (winograd.FILTER_IN, winograd.FILTER_BACK, (1, 3, 3, 3), winograd.Tiles(1, 1, 1)),
    ],
)
def test_transform_tiles_goes_back_by_the_transposed(dtype, there, back, shape, tiles) -> None:
    """<T x, y> = <x, T' y> for all of the rows of tiles but the first."""
    first, last = min(1, len(shape[:1]) * tiles.rows - 1), shape[0] * tiles.rows
    x, returned = draw(*shape, dtype=dtype), np.zeros(shape, dtype)
    y = draw(16 * (last - first) * tiles.columns * 3, dtype=dtype, seed=1)
    planes = np.full_like(y, np.nan)
    flat = (shape[0], shape[1], -1)
    winograd.transform_tiles(there, x.reshape(flat), planes, 3, tiles, first, last)
    winograd.transform_tiles(back, returned.reshape(flat), y, 3, tiles, first, last)
    np.testing.assert_allclose((planes * y).sum(), (x * returned).sum(), rtol=1e-4, atol=1e-3)


def tiled_case(dtype):
    """Frames of 3 channels that lie in memory as a layout has them, a kernel for 4 outputs, a bias."""
    frames, weight, bias = (draw(*s, dtype=dtype) for s in ((2, *FRAMES, 3), (3, 3, 3, 4), (4,)))
    planes = winograd.filter_planes(weight.reshape(9, 3, 4))
    return frames, weight, bias, planes


def tiled_twin(frames: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    (rows, columns), image = MAPS, frames[:, : MAPS[0] + 2, : MAPS[1] + 2].transpose(0, 3, 1, 2)
    return channels_last(naive.conv2d(image, weight.transpose(3, 2, 0, 1), bias)[:, :, :rows, :columns])


def test_convolve_tiles_equals_the_loops(dtype) -> None:
    frames, weight, bias, planes = tiled_case(dtype)
    maps = np.full((2, MAPS[0], MAPS[1] * 4), np.nan, dtype)
    packed = np.stack([product.pack(plane) for plane in planes])
    winograd.convolve_tiles(frames.reshape(2, FRAMES[0], -1), packed, bias, maps, TILES, 2)
    np.testing.assert_allclose(maps.reshape(2, *MAPS, 4), tiled_twin(frames, weight, bias), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("needed", [True, False])
def test_tiles_backward_equals_finite_differences(dtype, needed) -> None:
    frames, weight, bias, planes = tiled_case(dtype)
    grad, grad_planes = draw(2, *MAPS, 4, dtype=dtype, seed=1), np.zeros_like(planes)
    grad_frames, grad_weight = np.zeros_like(frames if needed else frames[:0]), np.full((27, 4), np.nan, dtype)
    packed = np.stack([product.pack(plane.T) for plane in planes])
    lines = frames.reshape(2, FRAMES[0], -1), grad.reshape(2, MAPS[0], -1)
    given = grad_frames.reshape(len(grad_frames), FRAMES[0], FRAMES[1] * 3)
    winograd.tiles_backward(*lines, packed, given, grad_planes, TILES, 2)
    winograd.filter_gradient(grad_planes, grad_weight)
    images, filters = frames.astype(np.float64), weight.astype(np.float64)
    slopes = [
        naive.slopes(lambda: (tiled_twin(images, filters, bias) * grad).sum(), array) for array in (images, filters)
    ]
    np.testing.assert_allclose(grad_weight.reshape(weight.shape), slopes[1], rtol=1e-4, atol=1e-4)
    if needed:
        np.testing.assert_allclose(grad_frames, slopes[0], rtol=1e-4, atol=1e-4)


def test_filter_gradient_is_the_transposed_of_its_planes(dtype) -> None:
    weight, upstream = draw(9, 2, 3, dtype=dtype), draw(16, 2, 3, dtype=dtype)
    grad_weight = np.full((18, 3), np.nan, dtype)
    winograd.filter_gradient(upstream, grad_weight)
    given = (winograd.filter_planes(weight) * upstream).sum()
    np.testing.assert_allclose((grad_weight * weight.reshape(18, 3)).sum(), given, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("size", "padding"), [((4, 5), (1, 1)), ((5, 4), (0, 2)), ((7, 6), (0, 0))])
def test_conv2d_in_tiles_equals_the_loops(dtype, size, padding) -> None:
    x, weight, bias = (draw(*s, dtype=dtype) for s in ((2, 16, *size), (17, 16, 3, 3), (17,)))
    rows, columns = (size[axis] + 2 * padding[axis] - 2 for axis in (0, 1))
    assert winograd.tiles(rows, columns, 16, 17).rows > 0
    twin = naive.conv2d(x, weight, bias, padding=padding)
    np.testing.assert_allclose(ops.conv2d(x, weight, bias, padding=padding).data, twin, rtol=1e-5, atol=2e-5)


def test_tiles_are_not_for_a_few_channels_or_pixels() -> None:
    assert [winograd.tiles(*size).rows for size in ((28, 28, 1, 32), (1, 1, 32, 32), (7, 7, 32, 32))] == [0, 0, 4]


# Batch normalisation. Three channels: a line is not a power of two, and more rows than two chunks hold.


class Rows:
    """Rows of 3 channels, whole and flat, with the figures of each channel and room for the sums of each chunk."""

    def __init__(self, dtype) -> None:
        self.line = normalisation.line_length(3)
        count = 2 * normalisation.LINES * self.line // 3 + 100
        self.x, self.g, self.add = (draw(count, 3, dtype=dtype, seed=seed) for seed in range(3))
        self.figures = draw(3, 3, dtype=dtype)
        self.lines = normalisation.in_lines(list(self.figures), dtype)
        self.parts = np.full((3, 2, 3), np.nan)

    def out(self) -> np.ndarray:
        mean, factor, shift = self.figures
        return (self.x - mean) * factor + shift

    def chunks(self, values: np.ndarray) -> list[np.ndarray]:
        return np.split(values, [n * normalisation.LINES * self.line // 3 for n in (1, 2)])


def in_two_blocks(fill) -> None:
    """As two threads would."""
    fill(2, 3)
    fill(0, 2)


def test_moments_are_each_chunks_sum_and_squares_about_its_mean(dtype) -> None:
    case = Rows(dtype)
    case.x += dtype.type(1000)  # a mean that squares would drown in
    in_two_blocks(lambda *part: normalisation.moments(case.x.ravel(), case.parts, case.line, *part))
    for part, rows in zip(case.parts, case.chunks(case.x.astype(np.float64)), strict=True):
        np.testing.assert_allclose(part, [rows.sum(axis=0), rows.var(axis=0) * len(rows)], rtol=1e-5)


def test_fold_sums_each_channel_of_a_line(dtype) -> None:
    sums, total = draw(4, 3, dtype=dtype), np.full(3, np.nan)
    normalisation.fold(sums.ravel(), total)
    close(total.astype(dtype), sums.sum(axis=0))


def test_spread_repeats_each_channel_along_a_line(dtype) -> None:
    line = np.full(12, np.nan, dtype)
    normalisation.spread(np.array([1.0, 2, 3]), 0.5, line)
    np.testing.assert_array_equal(line, np.tile([0.5, 1, 1.5], 4))


@pytest.mark.parametrize("with_add", [False, True])
@pytest.mark.parametrize("floor", [0.0, -np.inf])
def test_normalise_adds_and_cuts_off(dtype, floor, with_add) -> None:
    case = Rows(dtype)
    case.x[5, 1] = np.nan
    add = case.add if with_add else case.add[:0]
    y = np.full(case.x.shape, np.nan, dtype)
    run = (case.x.ravel(), add.ravel(), case.lines, floor, y.ravel())
    in_two_blocks(lambda *part: normalisation.normalise(*run, *part))
    assert np.argwhere(np.isnan(y)).tolist() == [[5, 1]]
    twin = np.maximum(case.out() + (add if with_add else 0), floor)
    close(np.nan_to_num(y), np.nan_to_num(twin))


@pytest.mark.parametrize("floor", [0.0, -np.inf])
def test_sum_gradients_of_each_chunk(dtype, floor) -> None:
    case = Rows(dtype)
    run = (case.x.ravel(), case.g.ravel(), case.lines, floor, case.parts)
    in_two_blocks(lambda *part: normalisation.sum_gradients(*run, *part))
    g = (case.g * (case.out() > floor)).astype(np.float64)
    for part, given, about in zip(case.parts, case.chunks(g), case.chunks(g * (case.x - case.figures[0])), strict=True):
        np.testing.assert_allclose(part, [given.sum(axis=0), about.sum(axis=0)], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("floor", [0.0, -np.inf])
def test_gradient_of_each_row(dtype, floor) -> None:
    case, slopes = Rows(dtype), draw(3, 3, dtype=dtype, seed=4)
    grad_x = np.full(case.x.shape, np.nan, dtype)
    run = (case.x.ravel(), case.g.ravel(), case.lines, floor, normalisation.in_lines(list(slopes), dtype))
    in_two_blocks(lambda *part: normalisation.gradient(*run, grad_x.ravel(), *part))
    a, b, c = slopes
    close(grad_x, a * case.g * (case.out() > floor) - b - c * (case.x - case.figures[0]))


# ReLU


@pytest.mark.parametrize("count", [0, 90])
@pytest.mark.parametrize("floor", [0.0, -np.inf])
def test_add_and_cut_adds_and_cuts_off(dtype, floor, count) -> None:
    value, add = draw(90, dtype=dtype), draw(90, dtype=dtype, seed=1)[:count]
    value[7] = np.nan
    twin = np.maximum(value + (add if count else 0), floor)
    activation.add_and_cut(value, add, floor)
    np.testing.assert_array_equal(value, twin)


def test_relu_backward_keeps_what_was_let_through(dtype) -> None:
    g, y, kept = draw(90, dtype=dtype), np.maximum(draw(90, dtype=dtype, seed=1), 0), np.full(90, np.nan, dtype)
    activation.relu_backward(y, g, kept)
    np.testing.assert_array_equal(kept, g * (y > 0))


# GELU


def test_gelu_and_gelu_backward_are_within_the_bound_everywhere() -> None:
    x = np.linspace(-12, 12, 1_000_001).astype(np.float32)
    value, slope = np.full((2, len(x)), np.nan, np.float32)
    activation.gelu(x, value)
    activation.gelu_backward(x, np.ones_like(x), slope)
    wide = x.astype(np.float64)
    cdf = 0.5 * (1 + erf(wide / np.sqrt(2)))
    assert np.abs(value - wide * cdf).max() < 4e-7 * 6
    assert np.abs(slope - cdf - wide * np.exp(-wide * wide / 2) / np.sqrt(2 * np.pi)).max() < 4e-7


def test_gelu_passes_a_nan_on_and_fills_its_part_only() -> None:
    x, value = np.array([np.nan, 1, 2], np.float32), np.full(3, -1, np.float32)
    activation.gelu(x[:1], value[:1])
    np.testing.assert_array_equal(value, [np.nan, -1, -1])


def test_gelu_backward_passes_a_nan_on_and_fills_its_part_only() -> None:
    x, grad_x = np.array([np.nan, 0, 2], np.float32), np.full(3, -1, np.float32)
    activation.gelu_backward(x[:2], np.full(2, 4, np.float32), grad_x[:2])
    np.testing.assert_array_equal(grad_x, [np.nan, 2, -1])


def test_gelu_takes_a_gradient_of_another_memory_order() -> None:
    x = Tensor(draw(3, 4, dtype=np.dtype("float32")).T, requires_grad=True)
    upstream = draw(4, 3, dtype=np.dtype("float32"))
    ops.gelu(x).backward(upstream)
    wide = Tensor(x.data.astype(np.float64), requires_grad=True)
    ops.gelu(wide).backward(upstream)
    np.testing.assert_allclose(x.grad, wide.grad, rtol=1e-5, atol=1e-6)


# Embedding, loss, optimisers


def test_add_rows_sums_by_symbol_in_its_columns_only(dtype) -> None:
    rows, index = draw(6, 4, dtype=dtype), np.array([2, 0, 2, 2, 1, 0])
    out = np.zeros((4, 4), dtype)
    embedding.add_rows(rows, index, out, 1, 3)
    twin = np.array([[rows[index == v, j].sum() for j in range(4)] for v in range(4)])
    twin[:, [0, 3]] = 0
    close(out, twin)


def test_add_rows_passes_a_nan_to_its_symbol_only(dtype) -> None:
    out = np.zeros((2, 1), dtype)
    embedding.add_rows(np.array([[np.nan], [1.0]], dtype), np.array([0, 1]), out, 0, 1)
    np.testing.assert_array_equal(out, [[np.nan], [1]])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.15])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_equals_the_formula(dtype, reduction, smoothing, weighted) -> None:
    logits, target = draw(7, 5, dtype=dtype), np.array([0, 4, 2, 1, 1, 2, 3])
    options = {
        "weight": np.array([1, 2, 0.5, 3, 0.25]) if weighted else None,
        "ignore_index": 2, "label_smoothing": smoothing, "reduction": reduction,
    }  # fmt: skip
    ours = ops.cross_entropy(logits, target, **options).data
    close(ours, naive.cross_entropy(logits, target, **options))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_probabilities_is_that_of_each_class_weighed(dtype, reduction, weighted) -> None:
    logits, shares = draw(4, 3, dtype=dtype), np.array([[1, 0, 0], [0.5, 0.5, 0], [0.1, 0.2, 0.7], [0, 0, 1]], dtype)
    options = {"weight": np.array([1, 2, 0.5]) if weighted else None, "label_smoothing": 0.15}
    losses = [naive.cross_entropy(logits, np.full(4, k), **options, reduction="none") for k in range(3)]
    wanted = (np.stack(losses, axis=1) * shares).sum(axis=1)
    wanted = {"mean": wanted.mean(), "sum": wanted.sum(), "none": wanted}[reduction]
    close(ops.cross_entropy(logits, shares, **options, reduction=reduction).data, wanted)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_binary_cross_entropy_equals_the_formula(dtype, reduction) -> None:
    logits, target = draw(4, 3, dtype=dtype), np.linspace(0, 1, 12).reshape(4, 3)
    losses = naive.binary_cross_entropy_with_logits(logits, target)
    wanted = {"mean": losses.mean(), "sum": losses.sum(), "none": losses}[reduction]
    close(ops.binary_cross_entropy_with_logits(logits, target, reduction=reduction).data, wanted)


def test_binary_cross_entropy_of_logits_that_would_overflow_exp() -> None:
    logits = Tensor(np.array([1000, -1000, 1000, -1000], np.float32), requires_grad=True)
    losses = ops.binary_cross_entropy_with_logits(logits, np.array([1, 0, 0, 1]), reduction="none")
    losses.backward(np.ones(4))
    np.testing.assert_array_equal(losses.data, [0, 0, 1000, 1000])
    np.testing.assert_array_equal(logits.grad, [0, 0, 1, -1])


@pytest.mark.parametrize("loss", [ops.cross_entropy, ops.binary_cross_entropy_with_logits])
def test_a_loss_of_an_unknown_reduction_or_shape_says_so(loss) -> None:
    with pytest.raises(ValueError, match="mean, sum or none, got 'median'"):
        loss(np.zeros((3, 2)), np.zeros(3, int), reduction="median")
    with pytest.raises(ValueError, match=r"expected, got \(3, 2\) and \(4,\)"):
        loss(np.zeros((3, 2)), np.zeros(4, int))


def test_cross_entropy_of_logits_that_would_overflow_exp() -> None:
    logits = np.array([[1000.0, 0.0], [-1000.0, 0.0]], np.float32)
    losses = ops.cross_entropy(logits, np.array([1, 1]), reduction="none").data
    np.testing.assert_array_equal(losses, np.array([1000, 0], np.float32))


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_sgd_step_equals_the_formula_in_its_range(dtype, nesterov, first) -> None:
    w, g, v = (draw(6, dtype=dtype, seed=i) for i in range(3))
    numbers = 0.1, 0.9, 0.0 if nesterov else 0.3, 0.01
    twin = naive.sgd_step(w, g, None if first else v, *numbers, nesterov)
    ours = w.copy(), v.copy()
    optimiser.sgd_step(ours[0], g, ours[1], *numbers, nesterov, first, 1, 5)
    for our, old, new in zip(ours, (w, v), twin, strict=True):
        close(our, np.concatenate([old[:1], new[1:5], old[5:]]))


@pytest.mark.parametrize(("l2", "decay"), [(0.0, 0.0), (0.1, 0.0), (0.0, 0.1)])
def test_adam_step_equals_the_formula_in_its_range(dtype, l2, decay) -> None:
    w, g, m = (draw(6, dtype=dtype, seed=i) for i in range(3))
    v = m * m
    twin = naive.adam_step(w, g, m, v, 3, 0.01, 0.9, 0.99, 1e-8, l2, decay)
    ours = w.copy(), m.copy(), v.copy()
    optimiser.adam_step(ours[0], g, *ours[1:], 0.01, 0.9, 0.99, 1e-8, l2, decay, 3, 1, 5)
    for our, old, new in zip(ours, (w, m, v), twin, strict=True):
        close(our, np.concatenate([old[:1], new[1:5], old[5:]]))


def test_optimiser_steps_pass_a_nan_on(dtype) -> None:
    g = np.array([np.nan, 1], dtype)
    for step, arrays, tail in (
        (optimiser.sgd_step, 1, (0.1, 0.9, 0.0, 0.0, False, True)),
        (optimiser.adam_step, 2, (0.1, 0.9, 0.99, 1e-8, 0.0, 0.0, 1)),
    ):
        w = np.ones(2, dtype)
        step(w, g, *(np.zeros(2, dtype) for _ in range(arrays)), *tail, 0, 2)
        np.testing.assert_array_equal(np.isnan(w), [True, False])


@pytest.mark.parametrize(("K", "panels"), [(1, 2), (5, 0.1), (9, 1), (300, 3.5), (2, 4), (3, 0), (0, 2)])
def test_multiply_row_gives_the_bits_of_multiply(dtype, K, panels) -> None:
    N = int(panels * product.panel_width(dtype))
    a, packed, c = draw(1, K, dtype=dtype), product.pack(draw(K, N, dtype=dtype)), draw(1, N + 2, dtype=dtype)
    wanted = c.copy()
    product.multiply(a, packed, wanted[:, 1:-1], wanted[:, 1:-1])
    one_row.multiply_row(a, packed, c[:, 1:-1])
    np.testing.assert_array_equal(c, wanted)


# Products with int8 weights

INTEGERS = pytest.mark.parametrize(
    ("S", "K", "N"),
    [
        (1, 1, 1), (quantised.ROWS, 5, quantised.WIDTH), (2 * quantised.ROWS + 1, 8, 2 * quantised.WIDTH + 3),
        (1, 2 * quantised.PAIRS, 2), (quantised.ROWS + 1, 4 * quantised.PAIRS + 3, quantised.WIDTH + 1), (2, 3, 0),
        (0, 3, 2), (3, 0, 2), *((S, 6, quantised.WIDTH + 2) for S in range(1, 2 * quantised.ROWS + 1)),
    ],
)  # fmt: skip


@INTEGERS
@pytest.mark.parametrize("extreme", [False, True])
def test_multiply_short_is_exact(S, K, N, extreme) -> None:
    random = np.random.default_rng(0)
    a = random.integers(-(1 << 14), (1 << 14) + 1, (S, K)) if not extreme else np.full((S, K), 1 << 14)
    values = (random.integers(-127, 128, (K, N)) if not extreme else np.full((K, N), -127)).astype(np.int8)
    packed = quantised.pack(values)
    short = np.zeros((S, 2 * packed.shape[1]), np.int16)
    short[:, :K] = a
    wide = np.zeros((S, N + 2), np.float32)
    wide[:, [0, -1]] = np.nan
    quantised.multiply_short(short, packed, quantised.pack_scale(np.full(N, quantised.ONE)), wide[:, 1:-1])
    parts = [a[:, k : k + 2 * quantised.PAIRS] @ values[k : k + 2 * quantised.PAIRS].astype(np.int64)
             for k in range(0, K, 2 * quantised.PAIRS)]  # fmt: skip
    assert all((np.abs(part) < 1 << 31).all() for part in parts)
    twin = np.zeros((S, N), np.float32)
    for part in parts:  # each of them is rounded once, and their sum in float32
        twin += part.astype(np.float32)
    np.testing.assert_array_equal(wide[:, 1:-1], twin)
    assert np.isnan(wide[:, [0, -1]]).all()


def test_multiply_short_gives_the_product_of_the_dequantised_weights() -> None:
    w, a, c = draw(70, 33, dtype=np.dtype("float32")), np.linspace(-1, 1, 2 * 33, dtype=np.float32), np.float32(3)
    values, scale = quantise_rows(w)
    packed, out = quantised.pack(values.T), np.full((2, 70), c)
    short = np.empty((2, 2 * packed.shape[1]), np.int16)
    quantised.to_short(a.reshape(2, 33), short)
    quantised.multiply_short(short, packed, quantised.pack_scale(scale), out)
    np.testing.assert_allclose(
        out, c + a.reshape(2, 33) @ (values * scale[:, None]).T, atol=33 * 2**-15 * np.abs(w).max()
    )


def test_to_short_rounds_to_the_nearest_and_fills_up() -> None:
    a = np.array([[0, 1, -1], [0.3, -0.3, 2.0**-15]], np.float32)
    short = np.full((2, 4), 99, np.int16)
    quantised.to_short(a, short)
    np.testing.assert_array_equal(short, [[0, 1 << 14, -(1 << 14), 0], [4915, -4915, 0, 0]])


def test_add_scaled_adds() -> None:
    c = np.array([1, 2], np.float32)
    quantised.add_scaled(np.array([3, -4, 9], np.int32), np.array([0.5, 2, 9], np.float32), c)
    np.testing.assert_array_equal(c, [2.5, -6])


# Choosing a symbol: V symbols; seqdl.text.sampling's meaning of the options is in test_sampling.py


def rules(**options) -> np.void:
    return for_streams([SamplingOptions(**({"temperature": 1.0} | options))])[0]


def test_largest_is_the_first_of_equals() -> None:
    assert sampling.largest(np.array([1.0, 3.0, -np.inf, 3.0])) == 1
    assert sampling.largest(np.array([-np.inf])) == 0


@pytest.mark.parametrize("factor", [1.0, 0.1, 3.0])
def test_exponentials_equal_those_of_numpy(factor) -> None:
    scores = np.concatenate([-np.geomspace(1e-9, 690 / factor, 10_000), [0.0]])
    weights = np.full(len(scores), np.nan)
    total = sampling.exponentials(scores, 0.0, factor, weights)
    np.testing.assert_allclose(weights, np.exp(factor * scores), rtol=2e-13)
    assert weights[-1] == 1
    assert total == pytest.approx(weights.sum())


def test_exponentials_of_what_is_far_below_are_zero() -> None:
    weights = np.full(3, np.nan)
    assert sampling.exponentials(np.array([-np.inf, 0.0, -1e30]), 0.0, 1.0, weights) == 1
    np.testing.assert_array_equal(weights, [0, 1, 0])


def test_log_sum_equals_the_formula() -> None:
    logits = draw(9, dtype=np.dtype("float32")) * 5
    for symbol in range(9):
        ours = sampling.log_sum(logits, np.empty(9)) - logits[symbol]
        assert ours == pytest.approx(naive.cross_entropy(logits[None], np.array([symbol])))


@pytest.mark.parametrize("V", [1, 2, 3, 20, 65])
@pytest.mark.parametrize("K", [1, 2, 7, 65])
def test_likeliest_are_the_first_of_all_in_order(K, V) -> None:
    logits = np.round(np.random.default_rng(V).normal(0, 2, V)).astype(np.float32)  # with equal ones
    best, nats = np.full(min(K, V), -9), np.full(min(K, V), np.nan)
    sampling.likeliest(logits, 9.5, best, nats)
    np.testing.assert_array_equal(nats, 9.5 - logits[best])
    assert best.tolist() == sorted(range(V), key=lambda v: (-logits[v], v))[:K]


def test_penalise_moves_recent_symbols_and_forbids_others() -> None:
    logits, allowed = np.array([2, 2, -2, 5], np.float32), np.array([True, True, True, False])
    scores = np.full(4, np.nan)
    options = rules(repeat_penalty=4.0, presence_penalty=1.0, frequency_penalty=0.25)
    sampling.penalise(logits, allowed, np.array([0, 2, 1, 0]), options, scores)
    np.testing.assert_array_equal(scores, [2, 2 / 4 - 1 - 2 * 0.25, -2 * 4 - 1 - 0.25, -np.inf])


def test_drop_unlikely_leaves_the_likeliest() -> None:
    scores = np.log([0.1, 0.4, 0.2, 0.3])
    sampling.drop_unlikely(scores, scores[1], rules(top_k=2), np.empty(4))
    np.testing.assert_array_equal(np.isfinite(scores), [False, True, False, True])


def heap_of(scores: np.ndarray) -> np.ndarray:
    order = np.arange(len(scores))
    for at in range(len(scores) - 1, -1, -1):
        sampling.sink(order, scores, at, len(scores))
    return order


@pytest.mark.parametrize("V", [1, 2, 3, 20, 65])
def test_sink_makes_a_heap(V) -> None:
    scores = np.round(np.random.default_rng(V).normal(0, 2, V))  # with equal ones
    order = heap_of(scores)
    assert sorted(order) == list(range(V))
    assert all(sampling.likelier(scores, order[(v - 1) // 2], order[v]) for v in range(1, V))


@pytest.mark.parametrize("V", [1, 2, 3, 20, 65])
def test_take_gives_the_symbols_in_order(V) -> None:
    scores = np.round(np.random.default_rng(V).normal(0, 2, V))
    order = heap_of(scores)
    taken = [sampling.take(order, scores, V - n) for n in range(V)]
    assert taken == sorted(range(V), key=lambda v: (-scores[v], v)) == order[::-1].tolist()


def test_likelier_prefers_the_smaller_of_equals() -> None:
    scores = np.array([1.0, 2.0, 1.0])
    assert sampling.likelier(scores, 1, 0)
    assert sampling.likelier(scores, 0, 2)
    assert not sampling.likelier(scores, 2, 0)
    assert not sampling.likelier(scores, 0, 1)


def test_pick_walks_to_the_chance() -> None:
    logits, counts = np.log([0.2, 0.4, 0.1, 0.3]).astype(np.float32), np.zeros(4, np.int64)
    allowed, scratch = np.array([True, True, False, True]), np.empty((2, 4))
    for chance, wanted in ((0.0, 0), (0.22, 0), (0.23, 1), (0.66, 1), (0.67, 3), (0.999, 3)):
        assert sampling.pick(logits, allowed, counts, rules(), chance, scratch) == wanted


# Writing: S streams, each by itself


def test_lstm_gates_equal_the_twin(dtype) -> None:
    gates, h, c = draw(3, 20, dtype=dtype), np.full((3, 5), np.nan, dtype), draw(3, 5, dtype=dtype)
    twin_h, twin_c = naive.lstm_layer(gates[None], np.zeros((20, 5)), c, c)  # weights of zero: h does not count
    generation.lstm_gates(gates, h, c)
    close(h, twin_h[0])
    close(c, twin_c[0])


def test_gru_gates_equal_the_twin(dtype) -> None:
    n_in, r, z, n_old, h = (draw(3, 5, dtype=dtype, seed=i) for i in range(5))
    weights = np.vstack([np.zeros((10, 5)), np.eye(5)])  # the state's part of the candidate is h itself
    shifted = n_old.astype(np.float64) - h  # but for its bias, a row of which each stream has its own
    twin = [
        naive.gru_layer(np.hstack([r, z, n_in])[None, s : s + 1], weights, np.append(np.zeros(10), shifted[s]),
                        h[s : s + 1])[0]
        for s in range(3)
    ]  # fmt: skip
    generation.gru_gates(np.hstack([n_in, r, z, n_old]), h)
    close(h, np.concatenate(twin)[:, 0])


def test_copy_row_copies(dtype) -> None:
    row, target = draw(5, dtype=dtype), np.full(5, np.nan, dtype)
    generation.copy_row(row, target)
    np.testing.assert_array_equal(target, row)


def test_remember_forgets_the_oldest() -> None:
    recent, counts = np.array([-1, 2, 0]), np.array([1, 0, 1])
    for symbol in (1, 1, 2):
        generation.remember(symbol, recent, counts)
    assert (recent.tolist(), counts.tolist()) == ([1, 1, 2], [0, 2, 1])
    generation.remember(1, recent[:0], counts)
    assert counts.tolist() == [0, 2, 1]


def writers(cell: str, layers: int, count: int, remembered: int = 0) -> tuple[CharNetwork, Streams]:
    """A network of 5 symbols and 6 units with larger weights than usual, and streams that begin."""
    network = CharNetwork(5, cell, 6, layers, generator=np.random.default_rng(layers)).eval()
    for parameter in network.parameters():
        parameter.data *= 2
    return network, Streams.fresh(pack(network), cell == "lstm", count, remembered)


def twin_logits(network: CharNetwork, text: np.ndarray) -> np.ndarray:
    """(T, S, 5) after each symbol of text (T, S), by the slow twin in float64."""
    weights = [p.data.astype(np.float64) for p in network.rnn.parameters()]
    zero = np.zeros((network.rnn.num_layers, text.shape[1], 6))
    cell = network.architecture["cell"]
    out = getattr(naive, cell)(np.eye(5)[text], *[zero] * (2 if cell == "lstm" else 1), weights, 1)[0]
    return out @ network.decoder.weight.data.T.astype(np.float64) + network.decoder.bias.data


CELLS = pytest.mark.parametrize("cell", ["lstm", "gru"])


@CELLS
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_advance_moves_its_streams_as_the_twin(cell, layers) -> None:
    network, streams = writers(cell, layers, 7)
    text = np.random.default_rng(0).integers(0, 5, (20, 7))
    for symbols, wanted in zip(text, twin_logits(network, text), strict=True):
        streams.state.logits[...] = np.nan
        for lo, hi in ((0, 1), (1, 6)):
            generation.advance(streams.weights, streams.state, symbols, lo, hi)
        np.testing.assert_allclose(streams.state.logits[:6], wanted[:6], rtol=1e-5, atol=1e-6)
        assert np.isnan(streams.state.logits[6]).all()
    assert not streams.state.h[:, 6].any()


@CELLS
def test_advance_with_int8_weights_moves_as_with_their_values(cell) -> None:
    network, _ = writers(cell, 3, 5)
    for parameter in network.parameters():
        if parameter.data.ndim == 2:
            values, scale = quantise_rows(parameter.data)
            parameter.data[...] = values * scale[:, None]
    streams = Streams.fresh(pack(network, int8=True), cell == "lstm", 5, 0)
    text = np.random.default_rng(0).integers(0, 5, (20, 5))
    for symbols, wanted in zip(text, twin_logits(network, text), strict=True):
        generation.advance(streams.weights, streams.state, symbols, 0, 5)
        np.testing.assert_allclose(streams.state.logits, wanted, atol=1e-3)


def test_window_is_the_end_of_a_row() -> None:
    state = writers("gru", 1, 3, remembered=4)[1].state
    state.recent[...] = np.arange(12).reshape(3, 4)
    samplings = for_streams([SamplingOptions(repeat_penalty=1.5, repeat_last_n=last) for last in (0, 1, 4)])
    assert [generation.window(state, samplings, s).tolist() for s in range(3)] == [[], [7], [8, 9, 10, 11]]


@CELLS
def test_write_reads_what_is_given_and_chooses_the_rest(cell) -> None:
    network, streams = writers(cell, 2, 3, remembered=4)
    windows = [4, 0, 2]
    penalties = {"temperature": 0.9, "repeat_penalty": 1.5}
    samplings = for_streams([SamplingOptions(**penalties, repeat_last_n=last) for last in windows])
    given = np.random.default_rng(0).integers(0, 5, (30, 3))
    symbols, chances = np.where(np.arange(30)[:, None] < 10, given, -1), np.random.default_rng(1).random((30, 3))
    allowed, nats, scratch = np.ones(5, np.bool_), np.full((30, 3), np.nan), np.empty((2, 5))
    likeliest, their_nats = np.full((30, 3, 2), -9), np.full((30, 3, 2), np.nan)
    steps = generation.Steps(symbols, chances, nats, likeliest, their_nats)
    generation.write(streams.weights, streams.state, allowed, samplings, steps, 0, 3)
    logits = np.concatenate([np.zeros((1, 3, 5)), twin_logits(network, symbols)]).astype(np.float32)
    for n, s in np.ndindex(30, 3):
        counts = np.bincount(symbols[max(0, n - windows[s]) : n, s], minlength=5)
        chosen = sampling.pick(logits[n, s], allowed, counts, samplings[s], chances[n, s], scratch)
        assert symbols[n, s] == (given[n, s] if n < 10 else chosen)
        twin = [naive.cross_entropy(logits[n, s][None], np.array([v])) for v in range(5)]
        assert nats[n, s] == pytest.approx(twin[symbols[n, s]], abs=1e-5)
        assert likeliest[n, s].tolist() == np.argsort(twin, kind="stable")[:2].tolist()
        np.testing.assert_allclose(their_nats[n, s], np.sort(twin)[:2], atol=1e-5)
    for s, last in enumerate(windows):
        assert streams.state.recent[s].tolist() == [-1] * (4 - last) + symbols[30 - last :, s].tolist()
    np.testing.assert_allclose(streams.state.logits, logits[-1], rtol=1e-5, atol=1e-5)


# the distribution of scores


@pytest.mark.parametrize("D", [1, 2, 7, 40, 200])
@pytest.mark.parametrize("W", [1, 2, 5])
def test_convolve_columns_is_the_tally_of_all_words(W, D) -> None:
    draws = np.random.default_rng([W, D])
    deficits = np.sort(draws.integers(0, 12, (W, 4)), axis=1)
    deficits[:, 0] = 0
    deficits[0, 3] = 1 << 40  # a base that never is
    deficits[-1, 1] = 0  # two that cost the same
    chances = draws.dirichlet(np.ones(4), W)
    out, other = np.full((2, D), np.nan)
    score_distribution.convolve_columns(deficits, chances, out, other)
    close(out, naive.deficit_chances(deficits, chances, D))


# Batches of nothing


@pytest.mark.parametrize(("T", "B"), [(3, 0), (0, 2)])
def test_no_batch_or_no_steps_give_no_outputs_and_zero_gradients(T, B) -> None:
    weights = [ops.mul(draw(*s, dtype=np.dtype("float32")), 1.0) for s in ((12, 2), (12, 3), (12,), (12,))]
    for tensor in weights:
        tensor.requires_grad = True
    zeros = np.zeros((1, B, 3), np.float32)
    out, h, _ = ops.lstm(np.zeros((T, B, 2), np.float32), zeros, zeros, *weights)
    (out.sum() + h.sum()).backward()
    assert (out.shape, h.shape) == ((T, B, 3), (1, B, 3))
    assert all(not w.grad.any() for w in weights)


def test_convolution_and_pooling_of_no_images() -> None:
    images = np.zeros((0, 2, 6, 6), np.float32)
    assert ops.conv2d(images, np.zeros((3, 2, 3, 3), np.float32)).shape == (0, 3, 4, 4)
    assert ops.max_pool2d(images, 2).shape == (0, 2, 3, 3)


# motifs; tests/test_matcher.py has the cases of what a user gives


def motif_case(count: int = 3000, widths: tuple[int, ...] = (12, 3, 15), seed: int = 0) -> tuple:
    """codes, matrices, thresholds (reached by a few in a hundred), and the arguments that the kernels get."""
    draws = np.random.default_rng(seed)
    codes = draws.choice(5, count, p=[0.25, 0.25, 0.25, 0.24, 0.01]).astype(np.uint8)
    matrices = [draws.normal(size=(width, 4)) for width in widths]
    thresholds = np.array([1.2 * np.sqrt(width) for width in widths])
    made = matcher.Matcher(matrices, thresholds)
    return codes, matrices, thresholds, (made._widest, made._matrices, made._sweeps, made._index)


def with_index(matrices: list[np.ndarray], thresholds: np.ndarray) -> motifs.Index:
    offsets, counts = np.zeros(len(matrices), np.int64), np.full(len(matrices), 4**motifs.WORD)
    return matcher._index(matrices, thresholds, offsets, counts, np.arange(len(matrices)))


@pytest.mark.parametrize(("start", "length"), [(-3, 5), (-9, 4), (2, 4), (7, 9), (20, 3), (-2, 20)])
def test_copy_around_marks_what_is_missing(start, length) -> None:
    codes, ours = np.array([0, 1, 2, 3, 4, 12, 3, 2, 1, 0], np.uint8), np.full(length, 99, np.uint8)
    motifs.copy_around(codes, start, ours)
    inside = {at: code & 7 for at, code in enumerate(codes.tolist())}
    assert ours.tolist() == [inside.get(start + i, motifs.MISSING) for i in range(length)]


def test_group_words_reads_as_many_bases_as_a_look_up_takes() -> None:
    ours, words = np.random.default_rng(0).integers(0, 4, 200, np.uint8), np.full(150, 255, np.uint8)
    motifs.group_words(ours, 7, words)
    powers = 4 ** np.arange(motifs.GROUP)[::-1]
    assert words.tolist() == [ours[7 + i : 7 + i + motifs.GROUP] @ powers for i in range(150)]


def test_sweep_loses_no_hit_and_names_few_others() -> None:
    codes, matrices, thresholds, (widest, _, sweeps, _) = motif_case()
    room, count = motifs.room(widest, 3000), 2900
    motifs.copy_around(codes, 0, room.ours)
    motifs.group_words(room.ours, 0, room.words)
    for s in range(len(matrices)):
        room.candidates[:] = 7
        found = motifs.sweep(room.words, count, room.short, sweeps, s, room.candidates, 2, 5) - 2
        named = room.candidates[:, 2 : 2 + found]
        hits = {at for at, *_ in naive.motif_hits(codes.tolist(), [matrices[s]], thresholds[s : s + 1], 0, count)}
        assert hits <= set(named[0] - 5)
        assert len(hits) <= found <= len(hits) * 1.3 + 30  # and those that hold no base
        assert set(named[1]) == {s}
        assert named[0].max() - 5 < count
        assert (room.candidates[:, :2] == 7).all()


def test_look_up_keeps_the_words_with_a_list() -> None:
    draws = np.random.default_rng(0)
    lengths = np.where(draws.random(4**motifs.WORD) < 0.5, 0, draws.integers(1, 4, 4**motifs.WORD))
    first = np.cumsum([0, *lengths]).astype(np.uint32)
    ours, lists = draws.integers(0, 4, 300, np.uint8), np.zeros((3, 250), np.uint32)
    kept, total = motifs.look_up(ours, 9, 250, first, lists)
    words = [ours[9 + i : 9 + i + motifs.WORD] @ 4 ** np.arange(motifs.WORD)[::-1] for i in range(250)]
    wanted = [(9 + i, first[w], first[w + 1]) for i, w in enumerate(words) if lengths[w] > 0]
    assert list(zip(*lists[:, :kept].tolist(), strict=True)) == wanted
    assert total == lengths[words].sum()


def test_walk_lists_appends_every_entry() -> None:
    index = motifs.Index(np.zeros(0, np.uint32), np.array([4, 5, 0, 5], np.uint32), np.arange(6, dtype=np.uint32))
    lists, candidates = np.array([[20, 30], [0, 3], [3, 4]], np.uint32), np.zeros((2, 9), np.uint32)
    assert motifs.walk_lists(lists, 2, index, candidates, 1) == 5
    assert candidates[:, 1:5].tolist() == [[16, 15, 20, 25], [4, 5, 0, 5]]


def test_score_adds_in_the_order_of_the_columns() -> None:
    draws = np.random.default_rng(0)
    matrices = [draws.normal(size=(width, 4)) * 10.0 ** draws.integers(-9, 9, (width, 1)) for width in (1, 5, 12, 30)]
    padded, ours = matcher._padded(matrices, np.zeros(4)), draws.integers(0, 4, 300, np.uint8)
    ours[200] = motifs.MISSING
    for m, matrix in enumerate(matrices):
        for at in range(260):
            found = motifs.score(ours, np.uint64(at), padded.columns, padded.first[m], padded.first[m + 1])
            wanted = naive.motif_score(ours[at : at + len(matrix)].tolist(), matrix)
            assert np.isnan(found) if wanted is None else found == wanted


def test_check_keeps_the_hits_of_the_block() -> None:
    codes, matrices, thresholds, (_, padded, *_) = motif_case(400)
    margin, count = 30, 200
    where = np.tile(np.arange(10, 250), 3)  # some begin before the block, some behind it
    candidates = np.array([where, np.repeat([0, 1, 2], 240)], np.uint32)
    keys, scores = np.zeros((2, 721), np.int64), np.zeros((2, 721))
    hits = motifs.check(codes, margin, count, candidates, 720, padded, keys, scores)
    found = sorted(zip(keys[0, :hits].tolist(), scores[0, :hits].tolist(), strict=True))
    wanted = naive.motif_hits(codes.tolist(), matrices, thresholds, margin, margin + count)
    assert found == [((at - margin << 32) + m, total) for at, m, total in wanted]
    assert hits > 5


@pytest.mark.parametrize(("count", "largest"), [(0, 9), (1, 0), (5, 1000), (700, 10**6), (700, 1 << 46), (700, 3)])
def test_sort_orders_by_key(count, largest) -> None:
    keys, scores = np.zeros((2, count + 1), np.int64), np.random.default_rng(0).random((2, count + 1))
    keys[0] = np.random.default_rng(1).integers(0, largest + 1, count + 1)
    motifs.sort(keys, scores, count, largest, np.full(count + 3, 9))
    order = np.argsort(keys[0, :count], kind="stable")
    np.testing.assert_array_equal(keys[1, :count], keys[0, order])
    np.testing.assert_array_equal(scores[1, :count], scores[0, order])


@pytest.mark.parametrize("way", ["sweep", "index"])
def test_candidates_of_block_hold_every_hit_unless_there_is_no_room(way) -> None:
    codes, matrices, thresholds, (widest, _, sweeps, index) = motif_case()
    if way == "index":
        sweeps, index = matcher._sweeps(matrices, thresholds, np.arange(0)), with_index(matrices, thresholds)
    wanted = {(at, m) for at, m, _ in naive.motif_hits(codes.tolist(), matrices, thresholds, 100, 1100)}
    for most in (50, 20_000):
        room = motifs.room(widest, most)
        found = motifs.candidates_of_block(codes, 100, 1000, widest, sweeps, index, room)
        if most == 50:
            assert found == -1
        else:
            where, which = room.candidates[:, :found].astype(int)
            assert wanted <= set(zip(where - widest + 100, which, strict=True))


def test_find_stops_where_there_is_no_more_room() -> None:
    codes, matrices, thresholds, arguments = motif_case(motifs.BLOCK + 3000)
    wanted = naive.motif_hits(codes.tolist(), matrices, thresholds)
    room = motifs.room(arguments[0], 3 * motifs.BLOCK)
    first = motifs.candidates_of_block(codes, 0, motifs.BLOCK, arguments[0], *arguments[2:], room)
    for space, reached in ((10**5, len(codes)), (first, motifs.BLOCK), (first - 1, 0)):
        hits = motifs.hits(space)
        count, end = motifs.find(codes, 0, len(codes), motifs.BLOCK, *arguments, room, hits)
        assert end == reached
        found = list(zip(*(array[:count].tolist() for array in hits), strict=True))
        assert found == [hit for hit in wanted if hit[0] < end]


def test_count_scores_rounds_and_leaves_out_what_lies_outside() -> None:
    codes, (m, *_), *_ = motif_case()
    counter = matcher.ScoreCounter(m, 0, 40, scale=10)
    counter.add(codes, 10, 2000)
    scores = [round(total * 10) for *_, total in naive.motif_hits(codes.tolist(), [m], [-100.0], 10, 2000)]
    assert counter.counts.tolist() == [scores.count(n) for n in range(41)]


@pytest.mark.parametrize("width", [2, motifs.WORD, motifs.WORD + 3])
def test_prepare_tells_how_far_each_column_can_reach(width) -> None:
    matrix = np.random.default_rng(width).normal(size=(width + 4, 4))
    offset = 0 if width < motifs.WORD else 1
    core, reach = np.full((motifs.WORD, 4), np.nan), np.full(motifs.WORD + 1, np.nan)
    motif_index.prepare(matrix, 4, len(matrix), offset, core, reach)
    ours = matrix[4:]
    inside = ours[offset : offset + motifs.WORD]
    np.testing.assert_array_equal(core, np.pad(inside, ((0, motifs.WORD - len(inside)), (0, 0))))
    outside = ours.max(axis=1).sum() - inside.max(axis=1).sum()
    close(reach, np.array([core[n:].max(axis=1).sum() + outside for n in range(motifs.WORD + 1)]))


@pytest.fixture
def short_words(monkeypatch):
    """The twin goes through all words: 1024 will do. The kernels are run as Python."""
    monkeypatch.setattr(motif_index, "WORD", 5)
    for name in ("prepare", "words_of"):
        monkeypatch.setattr(motif_index, name, getattr(motif_index, name).py_func)


@pytest.mark.parametrize("width", [1, 4, 5, 9])
def test_words_of_lists_what_can_still_be_reached(width, short_words) -> None:
    matrix = np.random.default_rng(width).normal(size=(width, 4))
    matrix[0, 2] = -np.inf
    needed, offset = matrix.max(axis=1).sum() - 2, max(0, width - 6)
    core, reach, words = np.empty((5, 4)), np.empty(6), np.full(1024, 2**32 - 1, np.uint32)
    motif_index.prepare(matrix, 0, width, offset, core, reach)
    count = motif_index.words_of(core, reach, needed, 1024, words)
    assert words[:count].tolist() == naive.core_words(matrix, offset, 5, needed)
    assert (words[count:] == 2**32 - 1).all()
    assert motif_index.words_of(core, reach, needed, count - 1, words[:0]) == count


def test_choose_cores_finds_the_fewest_words(short_words) -> None:
    matrices = [np.random.default_rng(width).normal(size=(width, 4)) for width in (3, 8, 7)]
    columns, first = np.concatenate(matrices), np.cumsum([0, 3, 8, 7])
    needed, most = np.array([m.max(axis=1).sum() - 3 for m in matrices]), np.array([1024, 1024, 1])
    offsets, counts = np.full(3, -1), np.full(3, -1)
    motif_index.choose_cores.py_func(columns, first, needed, most, offsets, counts)
    for m in (0, 1):
        every = [len(naive.core_words(matrices[m], o, 5, needed[m])) for o in range(max(1, len(matrices[m]) - 4))]
        assert (offsets[m], counts[m]) == (np.argmin(every), min(every))
    assert counts[2] == 2  # above what was allowed


def test_fill_index_lists_every_word_of_the_chosen_matrices(short_words) -> None:
    matrices = [np.random.default_rng(width).normal(size=(width, 4)) for width in (3, 8, 7, 5)]
    columns, first, offsets = np.concatenate(matrices), np.cumsum([0, 3, 8, 7, 5]), np.array([0, 2, 1, 0])
    needed = np.array([m.max(axis=1).sum() - 3 for m in matrices])
    words = [naive.core_words(m, o, 5, n) for m, o, n in zip(matrices, offsets, needed, strict=True)]
    counts, chosen, starts = np.array([len(w) for w in words]), np.array([0, 1, 3]), np.zeros(1026, np.uint32)
    lists = np.full(counts[chosen].sum(), 99, np.uint32)
    motif_index.fill_index.py_func(columns, first, needed, offsets, counts, chosen, starts, lists)
    for word in range(1024):
        assert lists[starts[word] : starts[word + 1]].tolist() == [m for m in chosen if word in words[m]]


# What the kernels do not check, the operations must


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x, h, w: (x, h[:, :1], w), "initial state"),
        (lambda x, h, w: (x, h[:, :, :2], w), "initial state"),
        (lambda x, h, w: (x.astype(np.float64), h, w), "input"),
        (lambda x, h, w: (x, h.astype(np.float64), w), "initial state"),
        (lambda x, h, w: (x, h, [w[0], w[1], w[2][:5], w[3]]), "weight 2"),
        (lambda x, h, w: (x, h, [w[0][:6], *w[1:]]), "weight 0"),
    ],
)
def test_gru_refuses_arrays_that_do_not_fit(spoil, message) -> None:
    f4 = np.dtype("float32")
    weights = [draw(*s, dtype=f4) for s in ((9, 2), (9, 3), (9,), (9,))]
    x, h, weights = spoil(draw(4, 2, 2, dtype=f4), draw(1, 2, 3, dtype=f4), weights)
    with pytest.raises(ValueError, match=f"{message}: float32"):
        ops.OPERATIONS["gru"].on_arrays(x, h, *weights, needs=(False,) * 6)


def test_lstm_with_weights_in_column_order_gives_the_same() -> None:
    x, *weights = (draw(*s, dtype=np.dtype("float64")) for s in ((4, 2, 2), (12, 2), (12, 3), (12,), (12,)))
    zeros = np.zeros((1, 2, 3))
    wanted = ops.lstm(x, zeros, zeros, *weights)[0].data
    ours = ops.lstm(x, zeros, zeros, *(np.asfortranarray(w) for w in weights))[0].data
    close(ours, wanted)
