"""The matcher against its slow twin: the same windows, the same scores to the last bit, in order."""

from __future__ import annotations

import gzip
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqdl import parallel
from seqdl.dna import matcher
from seqdl.dna.matcher import Matcher, Matches, ScoreCounter
from seqdl.kernels import motifs

Array = np.ndarray


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = parallel.get_num_threads()
    yield
    parallel.set_num_threads(before)


@pytest.fixture(params=["sweep", "index"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything by one of the two ways, whatever pays."""
    use(monkeypatch, request.param)
    return request.param


def use(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    monkeypatch.setattr(matcher, "LOOK_UP", np.inf if way == "sweep" else -np.inf)
    monkeypatch.setattr(matcher, "CANDIDATE", 0.01)  # lists even long ones


def bases(count: int, seed: int = 0, missing: float = 0.01) -> Array:
    draws = np.random.default_rng(seed)
    return np.where(draws.random(count) < missing, 4, draws.integers(0, 4, count)).astype(np.uint8)


def matrix(width: int, seed: int = 0) -> Array:
    """Log-odds of random frequencies, some of them 0."""
    draws = np.random.default_rng([seed, width])
    with np.errstate(divide="ignore"):
        return np.log2(draws.dirichlet([0.3] * 4, width).round(3) / 0.25)


def threshold(matrix: Array, p: float, seed: int = 0) -> float:
    """Reached by about p of random windows: one of their scores, so that equality occurs."""
    windows = np.random.default_rng(seed).integers(0, 4, (1000, len(matrix)))
    scores = np.sort(np.array([naive.motif_score(window, matrix) for window in windows.tolist()]))
    return float(scores[int((1 - p) * 999)])


def listed(matches: Matches) -> list[tuple[int, int, float]]:
    assert [a.dtype for a in matches] == [np.int64, np.int32, np.float64]
    return list(zip(*(a.tolist() for a in matches), strict=True))


def agree(matrices: list[Array], thresholds: list[float], codes: Array, start: int = 0, end: int | None = None) -> int:
    found = listed(Matcher(matrices, thresholds).find(codes, start, end))
    assert found == naive.motif_hits(codes.tolist(), matrices, thresholds, start, end)
    return len(found)


@pytest.mark.parametrize("width", [1, 2, 3, 5, 9, 10, 11, 12, 13, 23, 60])
def test_all_widths_and_shares_of_hits(width: int, way: str) -> None:
    codes, matrices = bases(1500), [matrix(width, seed) for seed in range(4)]
    hits = [agree(matrices, [threshold(m, p) for m in matrices], codes) for p in (0.002, 0.05, 0.5)]
    assert 0 < hits[0] <= hits[1] <= hits[2]


def test_matrices_of_all_widths_together(way: str) -> None:
    matrices = [matrix(width) for width in (7, 1, 60, 15, 10, 11, 3)]
    assert agree(matrices, [threshold(m, 0.02) for m in matrices], bases(3000)) > 100


def test_a_threshold_of_minus_infinity_is_reached_by_every_window_of_bases(way: str) -> None:
    codes, matrices = bases(300), [matrix(5), np.full((2, 4), -np.inf), np.zeros((3, 4))]
    assert agree(matrices, [-np.inf] * 3, codes) > 700


@pytest.mark.parametrize("limit", [-1e300, -50.0, -3.0, 0.0])
def test_low_thresholds(limit: float, way: str) -> None:
    assert agree([matrix(4), np.zeros((3, 4)), matrix(20)], [limit] * 3, bases(500)) > 100


def test_thresholds_that_nothing_reaches(way: str) -> None:
    impossible = np.array([[1.0, 0, 0, 0], [-np.inf] * 4])
    assert agree([matrix(6), matrix(6), impossible], [np.inf, 1e9, -1e300], bases(500)) == 0


def test_the_best_score_is_reached_only_by_the_best_window(way: str) -> None:
    m = np.array([[0.1, 0, 0, 0], [0.2, 0, 0, 0], [0.3, 0, 0, 0]])
    best = 0.1 + 0.2 + 0.3
    assert best != 0.3 + 0.2 + 0.1  # what another order of addition would say
    codes = np.array([0, 0, 0, 1, 0, 0, 0, 0], np.uint8)
    assert [hit[0] for hit in listed(Matcher([m, m], [best, np.nextafter(best, 1)]).find(codes))] == [0, 4, 5]


@pytest.mark.parametrize("length", [0, 1, 4, 5, 6, 9, 10, 11])
def test_codes_about_as_long_as_the_matrix(length: int, way: str) -> None:
    agree([matrix(5), matrix(10)], [-3.0, -9.0], bases(length, missing=0))


def test_windows_that_hold_no_base_never_match(way: str) -> None:
    codes = np.array([0, 0, 4, 0, 0, 0, 255, 0, 0, 0], np.uint8)
    assert [hit[0] for hit in listed(Matcher([np.zeros((3, 4))], [0.0]).find(codes))] == [3, 7]


def test_no_matrices_find_nothing() -> None:
    assert listed(Matcher([], []).find(bases(100))) == []


def test_codes_may_be_read_only_or_strided() -> None:
    codes = bases(400)
    wanted = listed(Matcher([matrix(4)], [0.0]).find(codes))
    twice = np.repeat(codes, 2)
    codes.setflags(write=False)
    for same in (codes, twice[::2]):
        assert listed(Matcher([matrix(4)], [0.0]).find(same)) == wanted


EDGE = motifs.BLOCK


@pytest.mark.parametrize(("start", "end"), [(0, None), (EDGE - 30, EDGE + 30), (50, 50), (60, 50), (-5, 10**9)])
def test_every_window_of_the_range_belongs_to_one_block(start: int, end: int | None, way: str) -> None:
    codes, matrices = bases(EDGE + 700), [matrix(12), matrix(2)]
    inside = listed(Matcher(matrices, [threshold(m, 0.03) for m in matrices]).find(codes, start, end))
    everything = listed(Matcher(matrices, [threshold(m, 0.03) for m in matrices]).find(codes))
    last = len(codes) if end is None else end
    assert inside == [hit for hit in everything if start <= hit[0] < last]
    if end is None:
        assert everything == naive.motif_hits(codes.tolist(), matrices, [threshold(m, 0.03) for m in matrices])


def test_threads_and_blocks_change_nothing(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    codes, matrices = bases(200_000), [matrix(width) for width in (8, 12, 15)]
    results = []
    for threads, work in itertools.product((1, 2), (1.0, 1e9)):
        parallel.set_num_threads(threads)
        monkeypatch.setattr(matcher, "PER_TASK", work)
        results.append(listed(Matcher(matrices, [threshold(m, 0.01) for m in matrices]).find(codes)))
    assert results.count(results[0]) == len(results)
    assert len(results[0]) > 1000


def test_more_candidates_than_there_is_room_for(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher, "CANDIDATES", 700)
    assert agree([matrix(3, seed) for seed in range(4)], [-1e300] * 4, bases(1000)) > 1000


numbers = st.one_of(st.floats(-20, 20), st.integers(-3, 3).map(float), st.just(-np.inf))
ways = st.sampled_from(["sweep", "index"])
columns = st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=1, max_size=14).map(np.array)
sequences = st.lists(st.sampled_from([0, 1, 2, 3, 3, 2, 1, 0, 4]), max_size=80).map(lambda x: np.array(x, np.uint8))


@given(
    st.lists(st.tuples(columns, st.floats(-60, 60)), min_size=1, max_size=4),
    sequences,
    st.sampled_from(["sweep", "index"]),
)
@settings(max_examples=80, deadline=None)
def test_any_matrix_threshold_and_sequence(pairs, codes, way) -> None:  # type: ignore[no-untyped-def]
    with pytest.MonkeyPatch.context() as patch:
        use(patch, way)
        agree([m for m, _ in pairs], [t for _, t in pairs], codes)


@pytest.mark.parametrize(
    ("matrices", "thresholds"),
    [
        ([np.zeros((0, 4))], [0.0]),
        ([np.zeros((3, 5))], [0.0]),
        ([np.full((2, 4), np.nan)], [0.0]),
        ([np.full((2, 4), np.inf)], [0.0]),
        ([np.zeros((2, 4))], []),
        ([np.zeros((2, 4))], [np.nan]),
    ],
)
def test_what_is_no_matrix_or_threshold_is_refused(matrices: list[Array], thresholds: list[float]) -> None:
    with pytest.raises(ValueError, match="matri"):
        Matcher(matrices, thresholds)


def test_codes_of_another_type_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        Matcher([np.zeros((2, 4))], [0.0]).find(np.zeros(5, np.int64))


@pytest.mark.parametrize("lowest", [-100_000, -3000, 2000, 10**6])
def test_counts_of_rounded_scores(lowest: int) -> None:
    codes, m = bases(EDGE + 500), matrix(6)
    highest = lowest + 5000
    counter = ScoreCounter(m, lowest, highest)
    counter.add(codes, 0, 1000)
    counter.add(codes, 1000)
    scores = [score for *_, score in naive.motif_hits(codes.tolist(), [m], [-1e300])]
    rounded = [round(score * 1024) for score in scores]
    assert counter.counts.tolist() == np.bincount(
        [r - lowest for r in rounded if lowest <= r <= highest], minlength=5001
    ).tolist()  # fmt: skip


def jaspar(folder: Path, count: int) -> list[Array]:
    """Counts of the first matrices of the vertebrates."""
    path = folder / "dna/motifs/jaspar2024/JASPAR2024_CORE_vertebrates_non-redundant_pfms_transfac.txt.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    blocks = re.findall(r"PO\s+A\s+C\s+G\s+T\n((?:\d+\s.*\n)+)", text)[:count]
    return [np.array([row.split()[1:5] for row in block.splitlines()], float) for block in blocks]


def test_a_bacterium_and_20_matrices_as_biopython_finds_them(shared_data: Path) -> None:
    from Bio.motifs.matrix import PositionSpecificScoringMatrix

    fasta = gzip.decompress((shared_data / "dna/genomes/ecoli/GCF_000005845.2_ASM584v2_genomic.fna.gz").read_bytes())
    text = b"".join(fasta.split(b"\n")[1:])[:500_000].upper()
    codes = np.frombuffer(text.translate(bytes.maketrans(b"ACGT", bytes(range(4)))), np.uint8)
    counts = [c for c in jaspar(shared_data, 60) if len(c) > 8][:20]
    forward = [np.log2((c + 0.025) / (c + 0.025).sum(axis=1, keepdims=True) / 0.25) for c in counts]
    matrices = forward + [m[::-1, ::-1] for m in forward]
    thresholds = [0.65 * m.max(axis=1).sum() for m in matrices]
    found = Matcher(matrices, thresholds).find(codes)
    total = 0
    for number, m in enumerate(matrices):
        pssm = PositionSpecificScoringMatrix("ACGT", dict(zip("ACGT", m.T.tolist(), strict=True)))
        theirs = sorted(pssm.search(text.decode(), threshold=thresholds[number], both=False))
        ours = found.position[found.matrix == number]
        assert ours.tolist() == [position for position, _ in theirs]
        np.testing.assert_allclose(found.score[found.matrix == number], [s for _, s in theirs], atol=1e-4)
        total += len(theirs)
    assert total > 1000
