"""Threads, and why their number changes no result.

Where rows do not touch each other and each is computed in one order, there is a block for each thread; where a sum
runs over blocks, the blocks depend on the shape alone. While our threads run, NumPy's BLAS uses one thread each.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from itertools import pairwise

import numpy as np
from threadpoolctl import ThreadpoolController

from seqdl.kernels import product

Array = np.ndarray


def available_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _State:
    threads = available_cores()
    depth = 0
    lock = threading.Lock()
    limiter: object = None
    pool: ThreadPoolExecutor | None = None


def get_num_threads() -> int:
    """Number of threads that seqdl computes with."""
    return _State.threads


def set_num_threads(threads: int) -> None:
    """Compute with at most `threads` threads from now on (default: the cores this process may use)."""
    if threads < 1:
        raise ValueError(f"threads must be at least 1, got {threads}")
    with _State.lock:
        pool, changed = _State.pool, threads != _State.threads
        if changed:
            _State.threads, _State.pool = threads, None
    if changed and pool is not None:
        pool.shutdown()


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """BLAS on one thread inside, as before outside. Nesting is cheap: only the outermost one acts."""
    with _State.lock:
        _State.depth += 1
        if _State.depth == 1:
            _State.limiter = _controller().limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        with _State.lock:
            _State.depth -= 1
            if _State.depth == 0:
                _State.limiter.restore_original_limits()  # type: ignore[attr-defined]


def run(work: Callable[[int, int], None], blocks: list[tuple[int, int]]) -> None:
    """Call work(start, end) for each block, on as many threads as set. An exception in a block is raised here."""
    with single_threaded_blas():
        if _State.threads == 1 or len(blocks) == 1:
            for start, end in blocks:
                work(start, end)
            return
        with _State.lock:  # several threads of the caller's may be here: one pool for all, and none shut down meanwhile
            if _State.pool is None:
                _State.pool = ThreadPoolExecutor(_State.threads, thread_name_prefix="seqdl")
            tasks = [_State.pool.submit(work, start, end) for start, end in blocks]
        for error in [task.exception() for task in tasks]:  # all are done before one is raised
            if error is not None:
                raise error


def split(size: int, parts: int) -> list[tuple[int, int]]:
    """Cut range(size) into at most `parts` pieces of nearly equal length, as (start, end)."""
    parts = max(1, min(parts, size))
    edges = [size * part // parts for part in range(parts + 1)]
    return list(pairwise(edges))


def batch_blocks(batch: int) -> list[tuple[int, int]]:
    """One block of a batch for each thread. Only for work whose rows do not touch each other in any way."""
    return split(batch, _State.threads)


def row_blocks(rows: int, work_per_row: int) -> list[tuple[int, int]]:
    """Blocks of rows, each worth the 50 microseconds that handing it to a thread costs; 8 at the most."""
    return split(rows, min(8, rows * work_per_row // 2_000_000))


def matmul(a: Array, b: Array, bias: Array | None = None) -> Array:
    """a (M, K) @ b (K, N) + bias (N,) -> (M, N), the rows shared between the threads.

    a and b may be transposed views. Every element is summed in the same order, whatever the number of threads.
    """
    if a.dtype != b.dtype or a.dtype.kind != "f":
        raise TypeError(f"matmul: one floating type expected on both sides, got {a.dtype} and {b.dtype}")
    rows, inner = a.shape
    out = np.empty((rows, b.shape[1]), a.dtype)
    out[...] = 0 if bias is None else bias
    blocks = split(rows, min(_State.threads, a.size * b.shape[1] // 2_000_000))
    length = inner if a.strides[1] == a.itemsize else product.INNER
    for start in range(0, inner, max(length, 1)):
        piece = slice(start, start + length)
        packed = product.pack(b[piece])

        def share(lo: int, hi: int, piece: slice = piece, packed: Array = packed) -> None:
            product.multiply(a[lo:hi, piece], packed, out[lo:hi])

        run(share, blocks)
    return out
