"""Threads. Work is cut into blocks that depend on its shape alone, never on the number of threads.

So the results are the same bits for any number of threads. While our threads run, BLAS uses one thread each.
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
    if threads != _State.threads and _State.pool is not None:
        _State.pool.shutdown()
        _State.pool = None
    _State.threads = threads


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg.cython_blas  # noqa: F401  the kernels' BLAS must be loaded to be bounded

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
    """Blocks of a batch for recurrent layers: 32 to 64 rows, as smaller products would starve BLAS."""
    return split(batch, -(-batch // 64) if batch > 128 else batch // 16 if batch < 64 else 2)


def row_blocks(rows: int, work_per_row: int) -> list[tuple[int, int]]:
    """Blocks of rows, each worth the 50 microseconds that handing it to a thread costs; 8 at the most."""
    return split(rows, min(8, rows * work_per_row // 2_000_000))


def matmul(a: Array, b: Array, out: Array | None = None) -> Array:
    """a (M, K) @ b (K, N) -> (M, N), cut along the longer side of the result."""
    (rows, inner), columns = a.shape, b.shape[1]
    if out is None:
        out = np.empty((rows, columns), np.result_type(a, b))
    if columns > rows:

        def work(i: int, j: int) -> None:
            np.matmul(a, b[:, i:j], out=out[:, i:j])

        run(work, row_blocks(columns, inner * rows))
    else:

        def work(i: int, j: int) -> None:
            np.matmul(a[i:j], b, out=out[i:j])

        run(work, row_blocks(rows, inner * columns))
    return out
