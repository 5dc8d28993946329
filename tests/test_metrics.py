"""Rankings and probabilities: the figures beside their definitions, and a calibration that finds what made the data."""

from __future__ import annotations

import math

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqdl.metrics import (
    auroc,
    average_precision,
    calibration_error,
    confusion_table,
    fit_platt,
    fit_temperature,
    rejection,
    reliability,
    top_k_accuracy,
    wilson,
)

RANKED = {"average precision": average_precision, "auroc": auroc, "top-k": top_k_accuracy}
NOTHING = np.empty(0)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=30))
def test_rankings_equal_their_definitions_ties_included(cases: list[tuple[int, bool]]) -> None:
    scores, truth = np.array([float(s) for s, _ in cases]), np.array([t for _, t in cases])
    assert average_precision(scores, truth) == pytest.approx(naive.average_precision(scores, truth), nan_ok=True)
    assert auroc(scores, truth) == pytest.approx(naive.auroc(scores, truth), nan_ok=True)
    assert top_k_accuracy(scores, truth) == pytest.approx(naive.top_k_accuracy(scores, truth), nan_ok=True)


def test_a_ranking_worked_out_by_hand() -> None:
    scores, truth = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([True, False, True, True, False])
    assert average_precision(scores, truth) == pytest.approx((1 / 1 + 2 / 3 + 3 / 4) / 3)
    assert auroc(scores, truth) == pytest.approx(4 / 6)
    assert top_k_accuracy(scores, truth) == pytest.approx(2 / 3)


@pytest.mark.parametrize("measure", RANKED.values(), ids=RANKED)
def test_no_ranking_of_nothing(measure) -> None:
    assert math.isnan(measure(NOTHING, NOTHING.astype(bool)))


@pytest.mark.parametrize("measure", RANKED.values(), ids=RANKED)
def test_no_ranking_without_a_true_one(measure) -> None:
    assert math.isnan(measure(np.array([3.0, 1.0]), np.array([False, False])))


def test_of_true_ones_alone_the_precision_is_one_and_no_auroc() -> None:
    scores, truth = np.array([3.0, 1.0]), np.array([True, True])
    assert average_precision(scores, truth) == top_k_accuracy(scores, truth) == 1
    assert math.isnan(auroc(scores, truth))


@pytest.mark.parametrize("measure", [average_precision, auroc])
def test_equal_scores_may_come_in_any_order(measure) -> None:
    scores, truth = np.zeros(6), np.array([True, False, True, False, False, False])
    assert measure(scores, truth) == measure(scores, truth[::-1]) == (0.5 if measure is auroc else 1 / 3)


def test_reliability_by_hand() -> None:
    table = reliability(np.array([0.1, 0.3, 0.6, 1.0]), np.array([False, True, True, True]), bins=2)
    assert table == [pytest.approx((2, 0.2, 0.5)), pytest.approx((2, 0.8, 1.0))]
    assert calibration_error(table) == pytest.approx((0.3 + 0.2) / 2)


def test_a_bin_owns_its_lower_edge_and_the_last_one_both() -> None:
    table = reliability(np.array([0.0, 0.5, 1.0]), np.zeros(3, bool), bins=2)
    assert [each.total for each in table] == [1, 2]


def test_empty_bins_count_nothing() -> None:
    table = reliability(np.array([0.95, 0.95]), np.array([True, False]))
    assert [each.total for each in table] == [0] * 9 + [2]
    assert math.isnan(table[0].predicted)
    assert calibration_error(table) == pytest.approx(0.45)


def test_no_calibration_error_of_nothing() -> None:
    assert math.isnan(calibration_error(reliability(NOTHING, NOTHING.astype(bool))))


@pytest.mark.parametrize(("a", "b"), [(1.0, 0.0), (0.5, -2.0), (2.0, 1.0)])
def test_platt_recovers_what_made_the_data(a: float, b: float) -> None:
    generator = np.random.default_rng(1)
    logits = generator.normal(0, 2, 50_000).astype(np.float32)
    truth = generator.random(50_000) < 1 / (1 + np.exp(-(a * logits + b)))
    assert fit_platt(logits, truth) == pytest.approx((a, b), abs=0.06)


def test_platt_finds_the_lowest_loss_for_its_targets() -> None:
    generator = np.random.default_rng(2)
    logits, truth = generator.normal(0, 3, 200), generator.random(200) < 0.3
    a, b = fit_platt(logits, truth)
    best = naive.platt_loss(a, b, logits, truth)
    around = [(a + da, b + db) for da in (-0.01, 0, 0.01) for db in (-0.01, 0, 0.01) if da or db]
    assert all(naive.platt_loss(*each, logits, truth) > best for each in around)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
def test_platt_of_separable_data_stays_finite_and_right(scale: float) -> None:
    logits = np.concatenate([np.full(50, -scale), np.full(50, scale)]).astype(np.float32)
    a, b = fit_platt(logits, logits > 0)
    assert 1 / (1 + math.exp(-(a * scale + b))) == pytest.approx(51 / 52, abs=1e-3)
    assert 1 / (1 + math.exp(-(-a * scale + b))) == pytest.approx(1 / 52, abs=1e-3)


@pytest.mark.parametrize("truth", [True, False])
def test_platt_of_one_class_is_its_share(truth: bool) -> None:
    a, b = fit_platt(np.linspace(-1, 1, 5), np.full(5, truth))
    assert (a, b) == pytest.approx((0, math.log(6) if truth else -math.log(6)), abs=1e-6)


def test_platt_of_nothing_leaves_the_logits_alone() -> None:
    assert fit_platt(NOTHING, NOTHING.astype(bool)) == (1, 0)


def test_wilson_interval_of_known_cases() -> None:
    low, high = wilson(81, 263)  # Newcombe 1998, table I: 0.2553 to 0.3662
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    assert wilson(0, 20) == (pytest.approx(0, abs=1e-12), pytest.approx(0.1611, abs=1e-4))
    assert wilson(0, 0) == (0, 1)


def test_a_temperature_undoes_the_one_that_logits_were_made_with() -> None:
    generator = np.random.default_rng(1)
    chances = generator.dirichlet(np.ones(5), 4000)
    drawn = np.array([generator.choice(5, p=p) for p in chances])
    right = np.eye(5, dtype=bool)[drawn]
    assert fit_temperature(np.log(chances) * 3, right) == pytest.approx(3, rel=0.1)
    assert fit_temperature(np.empty((0, 5)), np.empty((0, 5), bool)) == 1


def test_a_confusion_table_counts_truth_by_row_and_answer_by_column() -> None:
    truth, guess = np.array([0, 0, 1, 1, 1]), np.array([0, 2, 1, 1, 0])
    assert confusion_table(truth, guess, 2, answers=3).tolist() == [[1, 0, 1], [1, 2, 0]]
    assert confusion_table(truth[:1], guess[:1], 2).tolist() == [[1, 0], [0, 0]]
    assert confusion_table(truth[:0], guess[:0], 2, answers=0).shape == (2, 0)


def test_rejection_answers_the_surest_first() -> None:
    answered, right = rejection(np.array([0.2, 0.9, 0.6, 0.8]), np.array([False, True, False, True]))
    np.testing.assert_allclose(answered, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(right, [1, 1, 2 / 3, 0.5])


def test_rejection_of_nothing_is_empty() -> None:
    assert [curve.size for curve in rejection(NOTHING, NOTHING.astype(bool))] == [0, 0]
