"""p-values beside the enumeration of all words and beside FIMO's output; q-values beside scipy's."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from seqdl.dna.background import UNIFORM, both_strands
from seqdl.dna.motif import Motif, read_motifs
from seqdl.dna.pvalue import ScoreDistribution, benjamini_hochberg, fimo_units
from seqdl.errors import UsageError

SKEWED = np.array([0.37, 0.11, 0.19, 0.33])
# Of the non-redundant protein database's genes, FIMO's default background.
NRDB = np.array([0.281774, 0.222020, 0.228876, 0.267330])


def drawn(W: int, seed: int = 0) -> Motif:
    return Motif("m", "", np.random.default_rng([W, seed]).dirichlet(np.full(4, 0.4), W), sites=25)


def all_words(scores: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Score and chance of each of the 4^W words."""
    words = np.array(list(itertools.product(range(4), repeat=len(scores))))
    return scores[np.arange(len(scores)), words].sum(axis=1), background[words].prod(axis=1)


@pytest.mark.parametrize("background", [UNIFORM, SKEWED], ids=["uniform", "skewed"])
@pytest.mark.parametrize("W", [1, 2, 4, 7])
def test_pvalues_are_those_of_all_words(W: int, background: np.ndarray) -> None:
    distribution = ScoreDistribution(drawn(W).scores(background), background)
    scores, chances = all_words(distribution.scores, background)
    wanted = np.array([chances[scores >= score].sum() for score in scores[:: max(1, len(scores) // 500)]])
    ours = distribution.pvalue(scores[:: max(1, len(scores) // 500)])
    np.testing.assert_allclose(ours, wanted, rtol=1e-9)


@pytest.mark.parametrize("W", [3, 6])
def test_rounding_moves_a_score_by_no_more_than_stated(W: int) -> None:
    matrix = drawn(W).scores(SKEWED)
    scores, chances = all_words(matrix, SKEWED)
    ours = ScoreDistribution(matrix, SKEWED, units=64).pvalue(scores)
    off = (W + 1) / 2 / 64 + 1e-9
    for score, p in zip(scores[::7], ours[::7], strict=True):
        assert chances[scores >= score + off].sum() - 1e-12 <= p <= chances[scores >= score - off].sum() + 1e-12


@pytest.mark.parametrize("p", [0.9, 0.5, 0.01, 1e-3, 2e-4])
@pytest.mark.parametrize("W", [2, 6, 7])
def test_the_threshold_is_the_lowest_score_within_p(W: int, p: float) -> None:
    distribution = ScoreDistribution(drawn(W).scores(SKEWED), SKEWED)
    scores, chances = all_words(distribution.scores, SKEWED)
    reached = [s for s in np.unique(scores) if chances[scores >= s].sum() <= p * (1 + 1e-12)]
    threshold = distribution.threshold(p)
    if not reached:
        assert threshold is None
    else:
        assert threshold is not None
        np.testing.assert_array_equal(scores >= threshold, scores >= min(reached))


def test_a_threshold_that_no_score_reaches_is_none_and_the_smallest_is_known() -> None:
    distribution = ScoreDistribution(Motif.from_consensus("ACGTAC").scores())
    assert distribution.smallest == 0.25**6
    assert distribution.threshold(1e-4) is None
    scores, _ = all_words(Motif.from_consensus("ACGTAC").scores(), UNIFORM)
    assert (scores >= distribution.threshold(0.25**6)).sum() == 1  # the best word alone


@pytest.mark.parametrize("word", ["ACGTAC", "WWSSRN", "TATAWAWR"])
def test_words_of_a_consensus_fall_on_the_right_side_of_every_threshold(word: str) -> None:
    matrix = Motif.from_consensus(word).scores(SKEWED)
    distribution = ScoreDistribution(matrix, SKEWED)
    grid, chances = all_words(distribution.scores, SKEWED)
    exact, _ = all_words(matrix, SKEWED)
    for p in (1e-3, 0.01, 0.1):
        threshold = distribution.threshold(p)
        assert chances[grid >= threshold].sum() <= p
        if word != "TATAWAWR":  # where scores lie apart, words by the matrix as given do not cross either
            np.testing.assert_array_equal(exact >= threshold, grid >= threshold)


def test_the_grid_is_near_the_matrix_and_its_sums_are_exact() -> None:
    matrix = drawn(20).scores()
    distribution = ScoreDistribution(matrix)
    assert np.abs(distribution.scores - matrix).max() <= 0.5 / 1024
    words = np.random.default_rng(1).integers(0, 4, (100, 20))
    terms = distribution.scores[np.arange(20), words]
    np.testing.assert_array_equal(terms.sum(axis=1), np.sum(terms[:, ::-1].astype(np.longdouble), axis=1))


def test_pvalues_fall_with_the_score_from_one_and_are_never_zero() -> None:
    matrix = drawn(12).scores(SKEWED)
    p = ScoreDistribution(matrix, SKEWED).pvalue(np.linspace(matrix.min(axis=1).sum(), matrix.max(axis=1).sum(), 5000))
    assert (np.diff(p) <= 0).all()
    assert p[0] == pytest.approx(1, abs=1e-12)
    assert p[-1] == pytest.approx(np.prod(SKEWED[matrix.argmax(axis=1)]))
    assert ScoreDistribution(matrix, SKEWED).pvalue(1e6) == p[-1]
    assert ScoreDistribution(matrix, SKEWED).pvalue(-1e6) == 1


def test_the_order_of_questions_changes_no_answer() -> None:
    matrix = drawn(15).scores(SKEWED)
    scores = np.linspace(matrix.min(axis=1).sum(), matrix.max(axis=1).sum(), 300)
    once, grown = ScoreDistribution(matrix, SKEWED), ScoreDistribution(matrix, SKEWED)
    grown.threshold(1e-5)
    np.testing.assert_array_equal(once.pvalue(scores), np.array([grown.pvalue(s) for s in scores[::-1]])[::-1])
    assert once.threshold(1e-5) == ScoreDistribution(matrix, SKEWED).threshold(1e-5)


def test_both_strands_share_a_distribution_where_the_background_does() -> None:
    motif, background = drawn(9), both_strands(SKEWED)
    plus, minus = (ScoreDistribution(m.scores(background), background) for m in (motif, motif.reverse_complement()))
    np.testing.assert_allclose(plus.tail(plus.range), minus.tail(minus.range), rtol=1e-12)
    assert plus.threshold(1e-3) == minus.threshold(1e-3)


def test_words_that_score_minus_infinity_count_as_lowest() -> None:
    matrix = Motif("m", "", [[1, 1, 0, 0], [3, 0, 0, 1]]).scores(SKEWED, pseudo=0)
    distribution = ScoreDistribution(matrix, SKEWED)
    lowest = matrix[np.isfinite(matrix)].min()
    assert distribution.pvalue(-np.inf) == 1
    assert distribution.pvalue(matrix[0, :2].min() + matrix[1, [0, 3]].min()) == pytest.approx(
        SKEWED[:2].sum() * SKEWED[[0, 3]].sum()
    )
    assert np.isfinite(lowest)
    assert distribution.threshold(0.999) < distribution.best / 1024


def test_arrays_keep_their_shape_and_none_is_fine() -> None:
    distribution = ScoreDistribution(drawn(5).scores())
    assert distribution.pvalue(np.zeros((2, 3))).shape == (2, 3)
    assert distribution.pvalue(np.zeros(0)).shape == (0,)
    assert float(distribution.pvalue(0.0)) > 0


def test_what_cannot_be_is_refused() -> None:
    for scores in (np.zeros((0, 4)), np.zeros((3, 3)), np.full((1, 4), -np.inf), np.full((2, 4), np.nan)):
        with pytest.raises(UsageError, match="scores: expected"):
            ScoreDistribution(scores)
    with pytest.raises(UsageError, match="units must be 1 or more"):
        ScoreDistribution(np.zeros((1, 4)), units=0)
    for p in (0.0, -1.0, np.nan):
        with pytest.raises(UsageError, match="must be above 0"):
            ScoreDistribution(np.zeros((1, 4))).threshold(p)


def test_thresholds_of_a_whole_library_are_quick(shared_data: Path) -> None:
    path = shared_data / "dna/motifs/jaspar2024/JASPAR2024_CORE_vertebrates_non-redundant_pfms_transfac.txt.gz"
    motifs = read_motifs(path)
    ScoreDistribution(motifs[0].scores()).threshold(1e-4)  # compiles
    begin = time.perf_counter()
    thresholds = [ScoreDistribution(motif.scores()).threshold(1e-4) for motif in motifs]
    assert time.perf_counter() - begin < 3  # 0.11 s on an idle core
    assert sum(threshold is None for threshold in thresholds) == 98  # six positions, or next to nothing known


# beside FIMO 4.12

RUNS = {  # motif file, output, --motif-pseudo
    "MCM1": ("MCM1.meme.html.gz", "fimo.txt", 0.01, 6),
    "CRP": ("crp0.meme.xml", "fimo-motif23.txt", 0.1, 38),
}


def golden(shared_data: Path, run: str) -> list[tuple[np.ndarray, np.ndarray, float, float]]:
    """(matrix, word as codes, score, p-value) of each line of the output.

    The background was fitted: none but NRDB averaged over both strands, with pseudocounts drawn from NRDB as it
    is, gives FIMO's scores; the motif file's is off by more than a bit.
    """
    library, output, pseudo, count = RUNS[run]
    folder = shared_data / "dna/motifs/golden/fimo-tests"
    motifs = {motif.id: motif for motif in read_motifs(folder / library)}
    lines = [line.split("\t") for line in (folder / output).read_text().splitlines() if not line.startswith("#")]
    assert len(lines) == count
    return [
        (
            motifs[line[0]].scores(both_strands(NRDB), pseudo, prior=NRDB),
            np.array(["ACGT".index(base) for base in line[9]]),
            float(line[6]),
            float(line[7]),
        )
        for line in lines
    ]


@pytest.mark.parametrize("run", RUNS)
def test_on_its_grid_scores_and_pvalues_are_fimos_to_the_printed_digit(shared_data: Path, run: str) -> None:
    for scores, word, score, p in golden(shared_data, run):
        units = fimo_units(scores)
        distribution = ScoreDistribution(scores, both_strands(NRDB), units)
        ours = distribution.scores[np.arange(len(word)), word].sum()
        assert ours == pytest.approx(score, abs=1e-4)
        assert float(distribution.pvalue(ours)) == pytest.approx(p, rel=5e-3)


@pytest.mark.parametrize("run", RUNS)
def test_without_its_rounding_scores_are_fimos_within_a_twentieth_of_a_bit(shared_data: Path, run: str) -> None:
    for scores, word, score, p in golden(shared_data, run):
        ours = scores[np.arange(len(word)), word].sum()
        assert ours == pytest.approx(score, abs=0.05)
        if run == "MCM1":  # the other two stem from 2 and 3 sites: ties that FIMO's coarser steps cut differently
            assert float(ScoreDistribution(scores, both_strands(NRDB)).pvalue(ours)) == pytest.approx(p, rel=0.02)


# q-values


def test_qvalues_are_scipys() -> None:
    draws = np.random.default_rng(3)
    p = np.round(draws.beta(0.5, 2, 4000), 3) + 1e-4  # many ties
    values, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    shuffled = draws.permutation(len(values))
    ours = np.empty(len(values))
    ours[shuffled] = benjamini_hochberg(values[shuffled], counts[shuffled], len(p))
    np.testing.assert_allclose(ours[inverse], false_discovery_control(np.minimum(p, 1)), rtol=1e-12)


def test_qvalues_below_the_limit_of_what_is_listed_are_exact() -> None:
    p = np.sort(np.random.default_rng(4).beta(0.4, 1.5, 3000))
    wanted = false_discovery_control(p)
    listed = p[p < 0.5]
    ours = benjamini_hochberg(listed, np.ones(len(listed), int), len(p))
    exact = ours < 0.5
    assert exact.any()
    np.testing.assert_allclose(ours[exact], wanted[: len(listed)][exact], rtol=1e-12)
    assert (wanted[: len(listed)][~exact] >= 0.5).all()


def test_qvalues_of_counts_of_zero_and_of_nothing() -> None:
    assert benjamini_hochberg(np.array([]), np.array([], int), 10).shape == (0,)
    np.testing.assert_allclose(benjamini_hochberg(np.array([0.01, 0.02, 0.03]), np.array([0, 2, 1]), 4), [0.04] * 3)
    with pytest.raises(UsageError, match="3 p-values of only 2 tests"):
        benjamini_hochberg(np.array([0.1]), np.array([3]), 2)
