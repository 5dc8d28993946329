"""Components and lines of pages drawn here: boxes for letters, in rows that a test lays out."""

from __future__ import annotations

import numpy as np
import pytest

from seqdl_vision.page.components import find_components, letter_height, weighted_median
from seqdl_vision.page.lines import TextLine, find_lines, one_line
from seqdl_vision.page.slant import find_slant, upright_spans

STROKE = 4.0


def page(*boxes: tuple[int, int, int, int], size: tuple[int, int] = (400, 900)) -> np.ndarray:
    """A mask with filled boxes (left, top, width, height)."""
    mask = np.zeros(size, bool)
    for left, top, width, height in boxes:
        mask[top : top + height, left : left + width] = True
    return mask


def row(top: int, count: int = 8, *, left: int = 20, step: int = 40, rise: float = 0.0, heights=(40, 30)):  # type: ignore[no-untyped-def]
    """Letters on a baseline, tall and small ones in turn."""
    for n in range(count):
        height = heights[n % len(heights)]
        yield left + n * step, round(top + 40 - height + rise * n * step), 20, height


def lines_of(mask: np.ndarray) -> list[TextLine]:
    return find_lines(find_components(mask, STROKE))


def test_components_have_boxes_and_areas() -> None:
    found = find_components(page((10, 20, 5, 30), (50, 60, 7, 8)), STROKE)
    assert found.boxes.tolist() == [[10, 20, 15, 50], [50, 60, 57, 68]]
    assert found.areas.tolist() == [150, 56]
    assert found.union([0, 1]).tolist() == [10, 20, 57, 68]


def test_dots_do_not_count_for_the_height_of_letters() -> None:
    dots = [(700 + 12 * n, 300, 5, 5) for n in range(12)]
    assert letter_height(find_components(page(*row(20), *dots), STROKE)) in (30, 40)


def test_weighted_median() -> None:
    assert weighted_median(np.array([5.0, 1.0, 9.0]), np.array([1, 1, 5])) == 9


def test_rows_become_lines_from_top_to_bottom() -> None:
    lines = lines_of(page(*row(200), *row(20), *row(300, 3)))
    assert [len(line.members) for line in lines] == [8, 8, 3]
    assert np.diff([line.base for line in lines]).min() > 50


@pytest.mark.parametrize("rise", [-0.08, 0.05, 0.1])
def test_slanted_rows_are_one_line_each(rise: float) -> None:
    lines = lines_of(page(*row(100, 20, rise=rise), *row(200, 20, rise=rise)))
    assert [len(line.members) for line in lines] == [20, 20]
    assert lines[0].slope == pytest.approx(rise, abs=0.02)


def test_members_go_from_left_to_right() -> None:
    (line,) = lines_of(page(*row(20)))
    components = find_components(page(*row(20)), STROKE)
    assert np.all(np.diff(components.boxes[line.members, 0]) > 0)


def interlaced(gap: int) -> np.ndarray:
    """Two rows in which every other letter has a tail or is tall, so that these touch where `gap` is small."""
    upper = [(20 + 40 * n, 20, 20, 40 + 18 * (n % 2)) for n in range(10)]
    lower = [(25 + 40 * n, 78 + gap - 18 * (n % 2), 20, 40 + 18 * (n % 2)) for n in range(10)]
    return page(*upper, *lower)


def test_close_lines_whose_tails_and_tall_letters_overlap_stay_apart() -> None:
    upper = [(20 + 40 * n, 20, 15, 40 + 18 * (n % 2)) for n in range(10)]
    lower = [(37 + 40 * n, 85 - 18 * (n % 2), 15, 40 + 18 * (n % 2)) for n in range(10)]
    assert [len(line.members) for line in lines_of(page(*upper, *lower))] == [10, 10]


@pytest.mark.parametrize("gap", [4, 10, 17])
def test_letters_of_two_lines_that_touch_are_cut_apart(gap: int) -> None:
    components = find_components(interlaced(gap), STROKE)
    ink = (components.labels > 0).copy()
    lines = find_lines(components)
    assert [len(line.members) for line in lines] == [10, 10]
    assert np.array_equal(components.labels > 0, ink)
    assert components.boxes[lines[0].members, 3].max() <= components.boxes[lines[1].members, 1].min() + 18


def test_wide_gaps_between_letters_do_not_end_a_line() -> None:
    assert [len(line.members) for line in lines_of(page(*row(20, 8, step=110)))] == [8]


def test_dots_commas_and_torn_tails_go_to_the_nearest_line() -> None:
    dot, comma, tail = (66, 10, 6, 6), (345, 56, 6, 10), (102, 64, 16, 20)
    lines = lines_of(page(*row(20), *row(200), dot, comma, tail))
    assert [len(line.members) for line in lines] == [11, 8]


def test_a_stray_far_from_all_lines_belongs_to_none() -> None:
    lines = lines_of(page(*row(20), (600, 350, 8, 8)))
    assert [len(line.members) for line in lines] == [8]


def test_a_page_without_ink_has_no_lines() -> None:
    components = find_components(np.zeros((20, 30), bool), 0.0)
    assert find_lines(components) == [] == one_line(components)


def test_one_line_takes_all_in_order() -> None:
    components = find_components(page(*row(20), *row(200)), STROKE)
    (line,) = one_line(components)
    assert sorted(line.members) == list(range(16))
    assert np.all(np.diff(components.centres[line.members, 0]) >= 0)


def leaning(slant: float) -> np.ndarray:
    """Two rows of strokes that go `slant` columns to the right for each row up."""
    mask = np.zeros((300, 900), bool)
    for base in (100, 200):
        for left in range(60, 800, 45):
            for y in range(60):
                x = round(left + slant * y)
                mask[base - y, x : x + 5] = True
    return mask


@pytest.mark.parametrize("slant", [-0.3, 0.0, 0.2, 0.45])
def test_the_slant_is_found_and_undone(slant: float) -> None:
    components = find_components(leaning(slant), STROKE)
    lines = find_lines(components)
    found = find_slant(components, lines)
    assert found == pytest.approx(slant, abs=0.06)
    spans = upright_spans(components, lines[0], found, lines[0].members)
    assert np.all(spans[:, 1] - spans[:, 0] < 12)


def test_nothing_has_no_slant() -> None:
    assert find_slant(find_components(np.zeros((9, 9), bool), 0.0), []) == 0
