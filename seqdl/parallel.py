"""Threads, and why their number changes no result.

Where rows do not touch each other and each is computed in one order, there is a block for each thread; where a sum
runs over blocks, the blocks depend on the shape alone.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Generic, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from seqdl.kernels import product

Array = np.ndarray
S = TypeVar("S")
T = TypeVar("T")


def available_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _State:
    threads = available_cores()
    depth = 0
    lock = threading.Lock()
    here = threading.local()  # alone: this thread does an item of `in_order`
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


def run(work: Callable[[int, int], None], blocks: list[tuple[int, int]], *, aside: bool = False) -> None:
    """Call work(start, end) for each block, on as many threads as set, this one among them.

    aside: this thread waits while others do all. Where other processes are busy, the system may put a thread that is
    woken on the core of the one that wakes it; then it can begin at once, not milliseconds later.

    An exception in a block is raised here, once the blocks that had begun are done; the others are left out.
    Inside `in_order` there are other items for the other threads: all blocks run in this one.
    """
    if getattr(_State.here, "alone", False):
        for block in blocks:
            work(*block)
        return
    waiting = deque(blocks)

    def work_off() -> None:
        while waiting:
            try:
                block = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            work(*block)

    aside = aside and _State.threads > 1 and len(blocks) > 1
    tasks = _on_other_threads(work_off, len(blocks) if aside else min(len(blocks), _State.threads) - 1)
    try:
        if aside:
            wait(tasks)
        else:
            work_off()  # this thread takes its share too
    finally:
        waiting.clear()
        errors = [task.exception() for task in tasks if not task.cancel()]  # waits for those that have begun
    for error in errors:
        if error is not None:
            raise error


def _on_other_threads(work: Callable[[], None], wanted: int) -> list[Future[None]]:
    """Begin `work` on as many of our threads as there are, `wanted` at most."""
    with _State.lock:  # several threads of the caller's may be here: one pool for all, and none shut down meanwhile
        helpers = min(_State.threads, wanted)
        if helpers > 0 and _State.pool is None:
            _State.pool = ThreadPoolExecutor(_State.threads, thread_name_prefix="seqdl")
        return [_State.pool.submit(work) for _ in range(helpers)] if _State.pool else []


def in_order(work: Callable[[S], T], items: Iterable[S]) -> Iterator[T]:
    """work(item) of each item, in the order of the items, on as many threads as set, this one among them.

    The items are drawn in this thread, two ahead for each thread.
    """
    threads = _State.threads
    if threads == 1:
        yield from map(work, items)
        return

    def alone(item: S) -> T:
        _State.here.alone = True
        try:
            return work(item)
        finally:
            _State.here.alone = False

    pool = ThreadPoolExecutor(threads - 1, thread_name_prefix="seqdl")
    waiting: deque[_Task[S, T]] = deque()
    try:
        for item in items:
            waiting.append(_Task(item, pool.submit(alone, item)))
            if len(waiting) > 2 * threads:
                yield _first_result(alone, waiting)
        while waiting:
            yield _first_result(alone, waiting)
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass
class _Task(Generic[S, T]):
    item: S
    result: Future[T]


def _first_result(work: Callable[[S], T], waiting: deque[_Task[S, T]]) -> T:
    """The result of the first task. Until it is there, this thread does those that no other has begun."""
    while not waiting[0].result.done():
        task = next((task for task in waiting if task.result.cancel()), None)
        if task is None:
            break
        task.result = Future()
        task.result.set_result(work(task.item))
    return waiting.popleft().result.result()


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


def matmul(a: Array, b: Array, bias: Array | None = None, out: Array | None = None) -> Array:
    """a (M, K) @ b (K, N) + bias (N,) -> (M, N), the work shared between the threads.

    a and b may be transposed views, the rows of `out` must be dense. Every element is summed in the same order,
    whatever the number of threads.
    """
    if a.dtype != b.dtype or a.dtype.kind != "f":
        raise TypeError(f"matmul: one floating type expected on both sides, got {a.dtype} and {b.dtype}")
    rows, columns = len(a), b.shape[1]
    width = product.panel_width(a.dtype)
    if columns < width // 4 and columns < rows and out is None and bias is None:
        return matmul(b.T, a.T).T  # a panel would be mostly empty
    out = np.empty((rows, columns), a.dtype) if out is None else out
    start = np.zeros((1, columns), a.dtype) if bias is None else bias[None]
    panels = -(-columns // width)
    threads = min(_State.threads, 1 + a.size * columns // 4_000_000)
    unpacked = rows <= product.ROWS and columns % width == 0 and b.strides[1] == b.itemsize  # packing would cost more

    def share_panels(first: int, last: int) -> None:
        lo, hi = first * width, min(last * width, columns)
        if unpacked:
            product.multiply(a, product.as_panels(b[:, lo:hi]), start[:, lo:hi], out[:, lo:hi])
        else:
            product.multiply_unpacked(a, b[:, lo:hi], start[:, lo:hi], out[:, lo:hi])

    def share_rows(lo: int, hi: int) -> None:
        product.multiply_unpacked(a[lo:hi], b, start, out[lo:hi])

    if unpacked or panels % threads == 0 or panels >= 4 * threads:  # each thread packs what only it needs
        run(share_panels, split(panels, threads))
    else:
        run(share_rows, split(rows, threads))
    return out


def column_sums(a: Array) -> Array:
    """(M, N) -> (N,), each column summed in order of the rows, the columns shared between the threads."""
    a = np.ascontiguousarray(a)
    sums = np.zeros(a.shape[1], a.dtype)
    run(
        lambda lo, hi: product.add_columns(a, sums, lo, hi),
        split(len(sums), min(_State.threads, 1 + a.size // 500_000)),
    )
    return sums
