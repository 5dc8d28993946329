"""Words: gaps of two kinds, spellings, heights of letters, punctuation."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from seqdl_vision.page.forms import LOOKALIKES, Forms
from seqdl_vision.page.lines import TextLine
from seqdl_vision.page.metrics import Metrics, measure
from seqdl_vision.page.prior import best_spellings, likely_spellings
from seqdl_vision.page.punctuation import sign
from seqdl_vision.page.spelling import spell
from seqdl_vision.page.words import word_gap, word_gaps

ALL = "0123456789abcdefghijklmnopqrstuvwxyz"
LABELS = ("", "0", "1", "2", "A", "a", "Cc", "g", "h", "Ii", "Ll", "N", "n", "Oo", "Pp", "T", "t")
FORMS = Forms(LABELS, ALL)
LINE = TextLine([], 0.0, 40.0, 100.0, 60.0)


def normal(mean: float, spread: float, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, spread, count)


@pytest.mark.parametrize(
    ("inside", "between"),
    [((0.1, 0.08), (0.8, 0.2)), ((0.25, 0.1), (1.3, 0.2)), ((1.0, 0.2), (3.0, 0.5)), ((-0.05, 0.1), (0.6, 0.1))],
)
def test_gaps_between_words_are_told_from_those_inside(
    inside: tuple[float, float], between: tuple[float, float]
) -> None:
    narrow, wide = normal(*inside, 40), normal(*between, 9, 1)
    assert narrow.max() < word_gap(np.concatenate([narrow, wide])) < wide.min()


def test_one_very_wide_gap_does_not_hide_the_others() -> None:
    gaps = np.concatenate([normal(0.9, 0.2, 30), [2.7, 2.8, 5.3]])
    assert gaps[:30].max() < word_gap(gaps) < 2.7


@pytest.mark.parametrize("seed", range(20))
def test_a_row_of_letters_far_apart_is_one_word(seed: int) -> None:
    gaps = np.clip(normal(0.8, 0.3, 25, seed), 0.1, None)
    assert word_gap(gaps) > gaps.max()


@pytest.mark.parametrize("gaps", [[], [0.2], [0.3, 0.25], [0.1, 0.3, 0.2, 0.2]])
def test_few_narrow_gaps_end_no_word(gaps: list[float]) -> None:
    assert word_gap(np.array(gaps)) > 0.5


def test_a_line_of_smaller_gaps_than_the_page_has_its_own() -> None:
    page, line = (
        np.concatenate([normal(0.9, 0.1, 40), normal(3, 0.2, 9, 1)]),
        np.array([0.05, 0.02, 0.5, 0.08, 0.6, 0.04]),
    )
    limits = word_gaps([page, line, np.array([0.1])])
    assert 1.3 < limits[0] == limits[2] < 2.6
    assert 0.1 < limits[1] < 0.5


def test_two_short_words() -> None:
    assert 0.2 < word_gap(np.array([0.1, 1.4, 0.2])) < 1.4


def chances(**of: float) -> np.ndarray:
    out = np.zeros(len(FORMS))
    for name, value in of.items():
        out[FORMS.characters.index(name.removeprefix("_"))] = value
    return out


def test_labels_of_both_cases_share_their_chance() -> None:
    found = FORMS.chances(np.eye(len(LABELS), dtype=np.float32)[[LABELS.index("Pp")]])[0]
    assert found[FORMS.characters.index("P")] == found[FORMS.characters.index("p")] == pytest.approx(0.5)


def test_no_chance_is_lost_to_lookalikes() -> None:
    label = np.eye(len(LABELS), dtype=np.float32)
    assert FORMS.chances(label).sum(axis=1) == pytest.approx([0] + [1] * (len(LABELS) - 1))
    zero = FORMS.chances(label[[LABELS.index("0")]])[0]
    assert zero[FORMS.characters.index("o")] > 0
    assert len(LOOKALIKES) > 3


@pytest.mark.parametrize(("allowed", "expected"), [("0123456789", "012"), ("abcdefghijklmnopqrstuvwxyz", "")])
def test_only_allowed_characters_are_forms(allowed: str, expected: str) -> None:
    assert "".join(c for c in Forms(LABELS, allowed).characters if c.isdigit()) == expected


def spelt(*words: list[np.ndarray]) -> list[str]:
    found = spell(FORMS, [np.stack(word) for word in words])
    return ["".join(FORMS.characters[k] for k in each.picks) for each in found]


def test_a_word_of_letters_makes_its_ring_an_o_and_a_number_a_zero() -> None:
    ring = chances(o=0.3, O=0.3, _0=0.4)
    assert spelt([chances(n=0.9), ring, chances(t=0.9)]) == ["not"]
    assert spelt([chances(_1=0.9), ring, chances(_2=0.9)]) == ["102"]


def test_the_kind_of_word_says_how_sure_a_ring_is() -> None:
    ring = chances(o=0.3, O=0.3, _0=0.4)
    word = np.stack([chances(n=0.9), ring, chances(t=0.9)])
    (spelling,) = spell(FORMS, [word])
    shares = spelling.shares(FORMS, word, np.zeros(3))
    assert shares[1, FORMS.characters.index("o")] > 0.9
    assert shares[1, FORMS.characters.index("0")] < 0.1
    totals = shares[:, FORMS.folded == np.arange(len(FORMS))].sum(axis=1)
    assert ((totals > 0.99) & (totals <= 1 + 1e-6)).all()


def test_capitals_follow_the_word() -> None:
    open_case = [chances(c=0.5, C=0.5), chances(o=0.5, O=0.5)]
    assert spelt([chances(N=0.9), *open_case]) in (["Nco"], ["NCO"])
    assert spelt([*open_case, chances(N=0.9), chances(T=0.9)]) == ["CONT"]
    assert spelt([*open_case, chances(n=0.9), chances(t=0.9)]) == ["cont"]


def test_a_page_in_capitals_makes_a_doubtful_word_capitals() -> None:
    doubtful = [chances(c=0.5, C=0.5), chances(o=0.5, O=0.5)]
    capitals = [chances(N=0.9), chances(A=0.9), chances(T=0.9)]
    assert spelt(doubtful, *[capitals] * 5)[0] == "CO"
    assert spelt(doubtful)[0] == "co"


def heights(text: str, small: float = 30, capital: float = 50) -> Metrics | None:
    """The metrics that a line with these letters, ideally written, gives."""
    picks = np.array([FORMS.characters.index(c) for c in text], np.int64)
    tops, bottoms = (rows[picks] for rows in FORMS.heights(small, capital, dotted=False))
    return measure(FORMS, picks, np.ones(len(picks)), 40.0 * np.arange(len(picks)), 3 - tops, 3 + bottoms)


def test_heights_come_from_letters_that_are_known() -> None:
    metrics = heights("nahTapgl")
    assert metrics is not None
    assert (metrics.small, metrics.capital) == pytest.approx((30, 50))
    assert metrics.baseline(np.array([-100.0, 77.0])) == pytest.approx([3, 3])


def test_the_baseline_follows_the_writing() -> None:
    picks = np.full(20, FORMS.characters.index("n"))
    columns = 40.0 * np.arange(20)
    bottoms = np.where(np.arange(20) < 10, 0.0, 12.0)
    metrics = measure(FORMS, picks, np.ones(20), columns, bottoms - 30, bottoms)
    assert metrics is not None
    assert metrics.baseline(np.array([0.0, 800.0])) == pytest.approx([0, 12])
    assert metrics.small == pytest.approx(30)


@pytest.mark.parametrize(("text", "small", "capital"), [("nana", 30, 30 / 0.62), ("THAN".replace("H", "A"), 31, 50)])
def test_one_kind_of_letters_gives_both_heights(text: str, small: float, capital: float) -> None:
    metrics = heights(text)
    assert metrics is not None
    assert (metrics.small, metrics.capital) == pytest.approx((small, capital))


def test_nothing_sure_gives_no_heights() -> None:
    assert measure(FORMS, np.array([0]), np.array([0.2]), np.zeros(1), np.array([-40.0]), np.zeros(1)) is None


def test_where_a_letter_stands_tells_its_case_and_g_from_nothing_else() -> None:
    metrics = heights("nahTapgl")
    assert metrics is not None
    rows = np.array([[-27.0, 3.0], [-47.0, 3.0], [-27.0, 23.0]])
    evidence = metrics.evidence(FORMS, np.zeros(3), rows[:, 0], rows[:, 1], np.zeros(3, bool))
    assert np.all(evidence <= 0)
    at = FORMS.characters.index
    assert evidence[0, at("o")] > evidence[0, at("O")]
    assert evidence[1, at("O")] > evidence[1, at("o")]
    assert evidence[2, at("p")] > evidence[2, at("P")]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 94, 7, 101), "."), ((0, 94, 8, 112), ","), ((0, 40, 5, 55), "'"), ((0, 75, 25, 81), "-"),
        ((0, 94, 1, 95), None), ((0, 97, 60, 103), None), ((0, 64, 7, 72), None),
    ],
)  # fmt: skip
def test_marks_are_told_by_place_and_shape(box: tuple[int, int, int, int], expected: str | None) -> None:
    assert sign(np.array(box), LINE, 100.0, 5.0) == expected


class Bigrams:
    """A model of text that knows which letters may follow which: 0.1 nats for those, 5 for others."""

    def __init__(self, *pairs: str) -> None:
        self.pairs, self.asked = pairs, ""

    def score(self, text: str) -> SimpleNamespace:
        self.asked += text
        nats = [0.1 if text[n : n + 2] in self.pairs else 5.0 for n in range(len(text) - 1)]
        return SimpleNamespace(nats=np.array(nats, np.float32))


def test_likely_spellings_come_in_order_with_the_reading_among_them() -> None:
    word = np.stack([chances(n=0.6, h=0.4), chances(a=0.995, o=0.005)])
    first = np.array([FORMS.characters.index(c) for c in "ha"])
    found = likely_spellings(word, first)
    assert ["".join(FORMS.characters[k] for k in picks) for picks, _ in found] == ["na", "ha"]
    assert found[0][1] == pytest.approx(-np.log(0.6 * 0.995))


def test_a_model_of_text_chooses_among_what_the_pictures_allow() -> None:
    model = Bigrams("th", "ha", "at")
    best = best_spellings(["tnat", "a"], [[("tnat", 0.5), ("that", 1.5)], [("a", 0.1)]], model)
    assert best == [1, 0]
    assert "a" not in model.asked.split("\n")[-1]


def test_what_the_pictures_are_sure_of_stands() -> None:
    assert best_spellings(["tnat"], [[("tnat", 0.0), ("that", 20.0)]], Bigrams("th", "ha", "at")) == [0]
