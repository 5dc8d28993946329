"""Each kernel by itself on one thread: time, arithmetic and memory rates, and its share of what bounds it.

    python bench/kernels.py [--quick] [--write] [--only adam]

FLOPs and bytes are counted, not measured: 2 FLOPs a multiply-add, a tanh or the like TANH_FLOPS, and every array that
is read or written once. The bound is the slower of two: the FLOPs at the rate of 2048^3 matrix products (the
faster of NumPy's and ours), or the bytes at the rate at which NumPy copies as many bytes (so from the cache level
in which they fit). Share of the limit = time of that bound / time of the kernel; far below it neither is
what a kernel waits for, but its own instructions. Kernels that work in place get
their input back before each repeat, outside the clock; that leaves it in the cache as far as it fits.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import measure
import numpy as np
from measure import ROOT, Ledger, Options

sys.path[:0] = [str(ROOT), str(ROOT / "data")]

from seqdl import Tensor, no_grad, ops, parallel  # noqa: E402
from seqdl.kernels import activation, embedding, generation, one_row, optimiser, pooling, product, quantised, recurrent  # noqa: E402
from seqdl.text.network import CharNetwork  # noqa: E402
from seqdl.text.streams import Streams  # noqa: E402
from seqdl.text.streams import pack as pack_network  # noqa: E402

NEITHER = 0.4  # below this share a kernel waits for its own instructions: scalar code, latency, calls
TANH_FLOPS = 20  # of the rational: 8 multiply-adds, a division, the clamps
PRODUCTS = [  # M, K, N of performance.md and of the trainings' steps
    (2048, 2048, 2048), (7500, 256, 768), (64, 512, 2048), (100, 256, 768), (50, 128, 512), (1, 512, 2048),
]  # fmt: skip
STEPS, BATCH, HIDDEN = 100, 64, 512  # of the gate passes

# What was tried and what it gave, by kernel: shown in the table. Figures as measured when the kernel was written, on
# one thread of an AMD EPYC with Zen 4 cores, not by this script.
GATES = "libm's tanh: 80 times slower, it keeps the loop scalar; the inputs' product for all steps ahead of the loop: "
TRIED = {
    "multiply": "a BLAS call each step: 62 GFLOP/s at 32x512x2048 against 114 (it packs the weights anew)",
    "multiply_row": "one panel at a time: 156 against 151 us for LSTM 2x512, 9.8 against 8.5 for 2x128; four panels, "
    "k unrolled, huge pages, one buffer, alternating direction: no faster; prefetch: 85 down to 70 GB/s",
    "matmul": "at 512x2500x128 and 2048x6400x512: the transposed product, 82 and 93 GFLOP/s against 87 and 102; "
    "BLAS, 84 and 99; rows or columns for each thread: equal",
    "fill_panels": "columns innermost where the matrix is transposed: 2.1 against 0.5 ms",
    "lstm_forward": GATES + "equal here, but an array more in memory",
    "gru_forward": GATES + "a bidirectional GRU of 64 made 4,080 windows/s, now 7,500",
    "gru_backward": "gradients of inputs and state in arrays of their own: a third more memory",
    "max_pool": "loops that numba vectorises, at 26x26x32: 11.6 us an image against 3.7",
    "max_pool_backward": "the same: 10.3 us against 4.2",
    "conv2d": "gathering patches, then a product: 158 us an image for the letter network's three against 70; the "
    "image's gradient as a convolution: 1.4 and 2.3 times the FLOPs, not built",
}


@dataclass
class Kernel:
    """One line of the table. `reset` brings the arrays back that `work` overwrites."""

    name: str
    shape: str
    work: Callable[[], Any]
    flops: float
    bytes: float
    reset: Callable[[], Any] = lambda: None


def draw(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def size(*arrays: np.ndarray) -> int:
    return sum(array.nbytes for array in arrays)


def products() -> Iterator[Kernel]:
    for M, K, N in PRODUCTS:
        a, packed, c = draw(M, K), product.pack(draw(K, N)), draw(M, N)

        def work(a: Any = a, packed: Any = packed, c: Any = c) -> None:
            product.multiply(a, packed, c, c)

        yield Kernel("multiply", f"{M}x{K}x{N}", work, 2.0 * M * K * N, size(a, packed, c, c))
    row, packed, c = draw(1, HIDDEN), product.pack(draw(HIDDEN, 4 * HIDDEN)), draw(1, 4 * HIDDEN)
    yield Kernel("multiply_row", f"1x{HIDDEN}x{4 * HIDDEN}", lambda: one_row.multiply_row(row, packed, c),
                 2.0 * HIDDEN * c.size, size(packed))  # fmt: skip
    eight = quantised.pack(np.random.default_rng(0).integers(-127, 128, (HIDDEN, 4 * HIDDEN)).astype(np.int8))
    scale = quantised.pack_scale(draw(4 * HIDDEN))
    for M in (1, BATCH):
        short, sums = np.zeros((M, HIDDEN), np.int16), draw(M, 4 * HIDDEN)
        quantised.to_short(draw(M, HIDDEN), short)

        def int8(short: Any = short, sums: Any = sums) -> None:
            quantised.multiply_short(short, eight, scale, sums)

        yield Kernel("multiply_short (int8)", f"{M}x{HIDDEN}x{4 * HIDDEN}", int8, 2.0 * HIDDEN * sums.size, size(eight))
    gates, states = draw(STEPS * BATCH, 4 * HIDDEN), draw(STEPS * BATCH, HIDDEN)
    yield Kernel("matmul, weight gradient", f"{gates.shape[1]}x{len(gates)}x{HIDDEN}",
                 lambda: parallel.matmul(gates.T, states), 2.0 * gates.size * HIDDEN,
                 size(gates, states) + 4 * gates.shape[1] * HIDDEN)  # fmt: skip
    weight = draw(4 * HIDDEN, HIDDEN)
    for name, w in (("fill_panels", weight), ("fill_panels, transposed", weight.T)):
        packed = product.pack(w)

        def fill(w: Any = w, packed: Any = packed) -> None:
            product.fill_panels(*product.flat(w), *w.shape, packed.reshape(-1))

        yield Kernel(name, "{}x{}".format(*w.shape), fill, 0, size(w, packed))


def gate_passes() -> Iterator[Kernel]:
    """The kernels of the layers with an empty inner dimension: the products vanish, the gates stay."""
    T, B, H = STEPS, BATCH, HIDDEN
    shape = f"T {T}, batch {B}, H {H}"
    h, c, grad, dh, dc = draw(T + 2, B, H), draw(T + 2, B, H), draw(T, B, H), draw(B, H), draw(B, H)

    def nothing(columns: int) -> np.ndarray:
        return product.pack(np.empty((0, columns), np.float32))

    def inputs(columns: int) -> recurrent.Inputs:
        return recurrent.Inputs(np.random.default_rng(0).integers(0, 65, (T, B)), draw(65, columns),
                                draw(0, 0, 0), nothing(columns), draw(1, columns))  # fmt: skip

    up = recurrent.Upstream(nothing(H), nothing(0), np.zeros((1, H), np.float32), grad, draw(0, 0, 0), False)

    def case(name: str, work: Callable[[], Any], gates: np.ndarray, flops: int, moved: int) -> Kernel:
        before = gates.copy()
        return Kernel(name, shape, work, float(flops * T * B * H), moved, lambda: np.copyto(gates, before))

    gates, of_symbols, end = draw(T, B, 4 * H), inputs(4 * H), (0, False, 0, B)
    yield case("lstm_forward, gates",
               lambda: recurrent.lstm_forward(of_symbols, nothing(4 * H), gates, h, c, *end),
               gates, 5 * TANH_FLOPS + 10, 2 * size(gates) + size(h, c))  # fmt: skip
    yield case("lstm_backward, gates", lambda: recurrent.lstm_backward(up, gates, c, dh, dc, *end),
               gates, TANH_FLOPS + 27, 2 * size(gates) + size(c, grad))  # fmt: skip
    three, hidden, of_three = draw(T, B, 3 * H), draw(T, B, H), inputs(3 * H)
    yield case("gru_forward, gates",
               lambda: recurrent.gru_forward(of_three, nothing(2 * H), nothing(H), draw(1, H), three, hidden, h, *end),
               three, 3 * TANH_FLOPS + 10, 2 * size(three) + size(hidden, h))  # fmt: skip
    yield case("gru_backward, gates", lambda: recurrent.gru_backward(up, nothing(H), three, hidden, h, dh, *end),
               three, 20, 2 * size(three, hidden) + size(h, grad))  # fmt: skip


def small_ones() -> Iterator[Kernel]:
    rows, index = draw(STEPS * BATCH, 4 * HIDDEN), np.random.default_rng(0).integers(0, 65, STEPS * BATCH)
    sums = np.zeros((65, 4 * HIDDEN), np.float32)
    yield Kernel("add_rows", "{}x{} into 65".format(*rows.shape),
                 lambda: embedding.add_rows(rows, index, sums, 0, 4 * HIDDEN), rows.size,
                 size(rows, index, sums, sums))  # fmt: skip
    for count in (100_000, 3_000_000):
        weight, gradient, mean, square = draw(count), draw(count), draw(count), np.abs(draw(count))

        def adam(weight: Any = weight, gradient: Any = gradient, mean: Any = mean, square: Any = square) -> None:
            optimiser.adam_step(weight, gradient, mean, square, 1e-3, 0.9, 0.999, 1e-8, 0.0, 0.01, 10, 0, len(weight))

        yield Kernel("adam_step", f"{count:,} weights", adam, 15.0 * count, 7 * size(weight))


def images() -> Iterator[Kernel]:
    """Of the letter network's second layer, 64 images, channels last inside the kernels."""
    x, weight, bias = draw(64, 32, 13, 13), draw(64, 32, 3, 3), draw(64)
    y, wide = draw(64, 64, 11, 11), draw(64, 11, 11, 64)
    small, where = np.empty((64, 5, 5, 64), np.float32), np.empty((64, 5, 5, 64), np.uint8)
    pool = pooling.Window(2, 2, (2, 2), (0, 0), (1, 1), 5, 5)
    yield Kernel("max_pool", "64x11x11x64, 2x2", lambda: pooling.max_pool(wide, small, where, pool),
                 wide.size, size(wide, small, where))  # fmt: skip
    yield Kernel("max_pool_backward", "64x5x5x64",
                 lambda: pooling.max_pool_backward(small, where, wide, pool), small.size,
                 size(small, where, wide))  # fmt: skip
    flat, value = small.reshape(-1), np.empty(small.size, np.float32)
    yield Kernel("gelu", f"{small.size:,}", lambda: activation.gelu(flat, value),
                 1.0 * TANH_FLOPS * len(flat), size(flat, value))  # fmt: skip
    yield Kernel("gelu_backward", f"{small.size:,}",
                 lambda: activation.gelu_backward(flat, flat, value),
                 1.0 * TANH_FLOPS * len(flat), size(flat, flat, value))  # fmt: skip
    flops = 2.0 * y.size * weight[0].size

    def forward() -> Any:
        with no_grad():
            return ops.conv2d(Tensor(x), Tensor(weight), Tensor(bias))

    yield Kernel("conv2d, all of it", "64x32x13x13 to 64, 3x3", forward, flops, size(x, weight, y))
    made: list[Tensor] = []

    def remake() -> None:
        leaves = [Tensor(array, requires_grad=True) for array in (x, weight, bias)]
        made[:] = [ops.conv2d(*leaves)]

    yield Kernel("conv2d backward, all of it", "64x32x13x13 to 64, 3x3", lambda: made[0].backward(y), 2 * flops,
                 2 * size(x, weight, y), remake)  # fmt: skip


def writing() -> Iterator[Kernel]:
    for cell, layers, hidden in (("lstm", 2, 128), ("lstm", 2, 512), ("gru", 3, 256), ("gru", 1, 512)):
        weights = pack_network(CharNetwork(65, cell, hidden, layers).eval())
        state = Streams.fresh(weights, cell == "lstm", 1, 0).state
        read = size(weights.weight_hh, weights.weight_ih[1:], weights.decoder)
        gates, symbols = 4 if cell == "lstm" else 3, np.full(1, 7)

        def work(weights: Any = weights, state: Any = state, symbols: Any = symbols) -> None:
            generation.advance(weights, state, symbols, 0, 1)

        flops = read / 2 + layers * hidden * TANH_FLOPS * (gates + 1 if cell == "lstm" else gates)
        yield Kernel("advance (one symbol)", f"{cell.upper()} {layers}x{hidden}", work, flops, read)


GROUPS = (products, gate_passes, small_ones, images, writing)


def seconds(kernel: Kernel, options: Options) -> float:
    """Median of single calls, enough of them for options.seconds / 4, five at least, after one to warm up."""
    times: list[float] = []
    while len(times) < options.rounds + 1 or sum(times) < options.seconds / 4:
        kernel.reset()
        began = time.perf_counter()
        kernel.work()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def copying(count: float, options: Options) -> float:
    """Bytes a second of a copy that reads and writes `count` bytes together."""
    source = np.ones(max(int(count) // 8, 64), np.float32)
    target = np.empty_like(source)
    repeats = max(1, int(2e6 / source.nbytes))  # a call costs as much as copying a few kilobytes

    def work() -> None:
        for _ in range(repeats):
            np.copyto(target, source)

    return 2 * source.nbytes * repeats / seconds(Kernel("copy", "", work, 0, 0), options)


def row(kernel: Kernel, limit: float, options: Options, ledger: Ledger) -> list[str]:
    took = seconds(kernel, options)
    arithmetic, memory = kernel.flops / limit, kernel.bytes / copying(kernel.bytes, options)
    of_limit = max(arithmetic, memory) / took
    ledger.ratios[f"kernel {kernel.name}, {kernel.shape}: share of limit"] = of_limit
    bound = "arithmetic" if arithmetic > memory else "memory"
    if of_limit < NEITHER:
        bound = f"instructions ({bound} would allow more)"
    shown = f"{kernel.flops / took / 1e9:.0f}" if kernel.flops else "-"
    return [kernel.name, kernel.shape, f"{took * 1e6:,.1f}", shown, f"{kernel.bytes / took / 1e9:.1f}",
            f"{of_limit:.0%}", bound, TRIED.get(re.split("[, ]", kernel.name)[0], "")]  # fmt: skip


def bench(options: Options) -> None:
    measure.stay_on(1)
    parallel.set_num_threads(1)
    ledger, rows = Ledger("kernels"), []
    with parallel.single_threaded_blas():
        a = draw(measure.LIMIT_SIZE, measure.LIMIT_SIZE)
        packed, out = product.pack(a), np.zeros_like(a)
        ways = (lambda: np.matmul(a, a, out=out), lambda: product.multiply(a, packed, out, out))
        limit = 2.0 * len(a) ** 3 / min(seconds(Kernel("limit", "", way, 0, 0), options) for way in ways)
        for group in GROUPS:
            for kernel in group():
                if all(text in f"{kernel.name} {kernel.shape}" for text in options.only):
                    rows.append(row(kernel, limit, options, ledger))
                    print(" | ".join(rows[-1][:-1]), file=sys.stderr, flush=True)
    head = [
        "kernel, one thread",
        "shape",
        "microseconds",
        "GFLOP/s",
        "GB/s",
        "of the limit",
        "bound by",
        "what was tried",
    ]
    said = f"Limit of arithmetic: {limit / 1e9:.0f} GFLOP/s; of memory: the rate of a copy of as many bytes. "
    said += "What was tried was measured when the kernel was written, not in this run."
    measure.publish(ledger, f"{measure.table(head, rows)}\n\n{said}", options)


if __name__ == "__main__":
    measure.main({}, bench, __doc__)
