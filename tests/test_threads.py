"""Threads: the same bits for any number of them, errors that arrive, BLAS limits that are given back."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from seqdl import Tensor, get_num_threads, nn, ops, optim, parallel, set_num_threads


@pytest.fixture(autouse=True)
def same_number_of_threads_afterwards():
    before = get_num_threads()
    yield
    set_num_threads(before)


def draw(*shape: int) -> Tensor:
    values = np.random.default_rng([3, *shape]).normal(size=shape)
    return Tensor(values.astype(np.float32), requires_grad=True)


def recurrent(kind):
    layer = kind(12, 16, num_layers=2, bidirectional=True, dropout=0.2, generator=np.random.default_rng(0))
    x = draw(5, 140, 12)
    layer.generator = np.random.default_rng(1)
    out, final = layer(x)
    total = (out * draw(*out.shape).data).sum()
    for state in final if isinstance(final, tuple) else (final,):
        total = total + (state * draw(*state.shape).data).sum()
    return total, [x, *layer.parameters()]


def projected(function, *inputs):
    out = function(*inputs)
    return (out * draw(*out.shape).data).sum(), inputs


# Each is large enough to be cut into several blocks; returns a number and the tensors whose gradients count.
JOBS = {
    "lstm": lambda: recurrent(nn.LSTM),
    "gru": lambda: recurrent(nn.GRU),
    "linear": lambda: projected(ops.linear, draw(400, 300), draw(200, 300), draw(200)),
    "matmul": lambda: projected(ops.matmul, draw(300, 250), draw(250, 400)),
    "conv2d": lambda: projected(ops.conv2d, draw(40, 6, 16, 16), draw(16, 6, 3, 3), draw(16)),
    "conv2d in tiles": lambda: projected(ops.conv2d, draw(40, 16, 17, 16), draw(20, 16, 3, 3), draw(20)),
    "conv2d with a sum": lambda: projected(
        lambda *leaves: ops.conv2d(*leaves, relu=True),
        draw(40, 6, 16, 16),
        draw(16, 6, 3, 3),
        draw(16),
        draw(40, 16, 14, 14),
    ),
    "conv2d with a pool": lambda: projected(
        lambda *leaves: ops.conv2d(*leaves, pool={"kernel_size": 2}, gelu=True),
        draw(40, 6, 16, 16),
        draw(16, 6, 3, 3),
        draw(16),
    ),
    "max_pool2d": lambda: projected(lambda x: ops.max_pool2d(x, 2), draw(36, 8, 64, 64)),
    "batch_norm": lambda: projected(
        lambda *leaves: ops.batch_norm(*leaves, relu=True), draw(60, 6, 44, 44), draw(6), draw(6)
    ),
    "batch_norm with a sum": lambda: projected(
        lambda *leaves: ops.batch_norm(*leaves, relu=True), draw(60, 6, 44, 44), draw(6), draw(6), draw(60, 6, 44, 44)
    ),
    "embedding": lambda: projected(lambda w: ops.embedding(w, np.arange(70_000) % 50), draw(50, 64)),
    "cross_entropy": lambda: projected(
        lambda x: ops.cross_entropy(x, np.arange(3000) % 150, label_smoothing=0.1, reduction="none"),
        draw(3000, 150),
    ),
}


@pytest.mark.parametrize("name", JOBS)
def test_any_number_of_threads_gives_the_same_bits(name, monkeypatch) -> None:
    blocks, run = [], parallel.run
    monkeypatch.setattr(parallel, "run", lambda work, b: (blocks.append(len(b)), run(work, b))[1])
    results = []
    for threads in (1, 2, 3):
        set_num_threads(threads)
        value, tensors = JOBS[name]()
        value.backward()
        results.append([value.data, *(t.grad for t in tensors)])
    assert max(blocks) > 1  # else nothing was shared out, and this test tests nothing
    for other in results[1:]:
        for ours, theirs in zip(results[0], other, strict=True):
            assert ours.tobytes() == theirs.tobytes()


def test_optimiser_step_gives_the_same_bits() -> None:
    results = []
    for threads in (1, 3):
        set_num_threads(threads)
        weight = nn.Parameter(draw(700, 800).data.copy())
        weight.grad = draw(800, 700).data.reshape(700, 800)
        optim.AdamW([weight]).step()
        results.append(weight.data.tobytes())
    assert len(parallel.row_blocks(700 * 800, 8)) > 1
    assert results[0] == results[1]


@pytest.mark.parametrize("aside", [False, True])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_block_runs_once(threads, aside) -> None:
    set_num_threads(threads)
    done = np.zeros(100, int)

    def work(lo: int, hi: int) -> None:
        done[lo:hi] += 1

    parallel.run(work, parallel.split(100, 7), aside=aside)
    np.testing.assert_array_equal(done, 1)


def test_a_caller_aside_does_no_block() -> None:
    set_num_threads(2)
    workers = []
    parallel.run(lambda lo, hi: workers.append(threading.get_ident()), parallel.split(100, 7), aside=True)
    assert len(workers) == 7
    assert threading.get_ident() not in workers


@pytest.mark.parametrize("aside", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_an_exception_in_a_block_is_raised_in_the_caller(threads, aside) -> None:
    set_num_threads(threads)

    def work(lo: int, hi: int) -> None:
        if lo > 0:
            raise KeyError(f"block {lo}")

    with pytest.raises(KeyError, match="block 5"):
        parallel.run(work, [(0, 5), (5, 10)], aside=aside)
    parallel.run(lambda lo, hi: None, [(0, 5), (5, 10)], aside=aside)  # and the threads still work


def test_no_block_still_runs_when_an_exception_arrives() -> None:
    set_num_threads(2)
    begun, finished = threading.Event(), []

    def work(lo: int, hi: int) -> None:
        if lo == 0:
            begun.wait()
            raise KeyError("early")
        begun.set()
        threading.Event().wait(0.05)
        finished.append(lo)

    with pytest.raises(KeyError, match="early"):
        parallel.run(work, [(0, 1), (1, 2)])
    assert finished == [1]


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_blas_has_one_thread_inside_and_its_own_number_again_outside() -> None:
    with parallel.single_threaded_blas():
        pass  # so that the libraries are loaded
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with parallel.single_threaded_blas():
            assert blas_threads() == {1}
            with parallel.single_threaded_blas():
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == before


def test_blas_limits_are_given_back_after_an_exception() -> None:
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(ZeroDivisionError), parallel.single_threaded_blas():
            1 // 0  # noqa: B018
        assert blas_threads() == before


@pytest.mark.parametrize("threads", [0, -1])
def test_less_than_one_thread_is_refused(threads) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        set_num_threads(threads)


@pytest.mark.parametrize(
    ("size", "parts", "edges"),
    [(10, 3, [0, 3, 6, 10]), (2, 5, [0, 1, 2]), (0, 4, [0, 0]), (7, 1, [0, 7])],
)
def test_split_covers_the_range_in_order(size, parts, edges) -> None:
    assert parallel.split(size, parts) == list(itertools.pairwise(edges))


@pytest.mark.parametrize("batch", [0, 1, 2, 31, 100])
@pytest.mark.parametrize("threads", [1, 3])
def test_batch_blocks_cover_the_batch_in_order(batch, threads) -> None:
    set_num_threads(threads)
    blocks = parallel.batch_blocks(batch)
    assert [i for lo, hi in blocks for i in range(lo, hi)] == list(range(batch))
    assert len(blocks) <= threads


def test_matmul_adds_a_bias_and_takes_transposed_views() -> None:
    a, b, bias = draw(700, 30).data, draw(700, 20).data, draw(20).data
    np.testing.assert_allclose(parallel.matmul(a.T, b, bias), a.T @ b + bias, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(parallel.matmul(b.T, a), b.T @ a, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(
    ("M", "K", "N"), [(3, 20_000, 192), (190, 9000, 4), (90, 2000, 64), (70, 1000, 128), (1, 1, 1)]
)
def test_matmul_takes_every_shape_its_own_way(threads, M, K, N) -> None:
    set_num_threads(threads)
    a, b, wide = draw(K, M).data, draw(K, N).data, np.full((M, N + 2), np.nan, np.float32)
    np.testing.assert_allclose(parallel.matmul(a.T, b), a.T @ b, rtol=1e-5, atol=1e-3)
    parallel.matmul(a.T, b, out=wide[:, 1:-1])
    np.testing.assert_allclose(wide[:, 1:-1], a.T @ b, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(parallel.column_sums(a), a.sum(axis=0), rtol=1e-5, atol=1e-3)


def test_two_threads_of_the_caller_share_the_pool_while_a_third_resizes_it() -> None:
    set_num_threads(2)
    sums: list[int] = []

    def compute() -> None:
        for _ in range(200):
            done = np.zeros(8, int)
            parallel.run(lambda lo, hi, done=done: done.__setitem__(slice(lo, hi), 1), parallel.split(8, 4))
            sums.append(int(done.sum()))

    callers = [threading.Thread(target=compute) for _ in range(2)]
    for caller in callers:
        caller.start()
    for threads in [3, 2] * 20:
        set_num_threads(threads)
    for caller in callers:
        caller.join()
    assert sums == [8] * 400
