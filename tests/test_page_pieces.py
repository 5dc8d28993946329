"""From components to pieces and back to characters: seams, dots, the lattice and its best path."""

from __future__ import annotations

from itertools import combinations, pairwise

import naive
import numpy as np
import pytest
from PIL import Image, ImageDraw

from seqdl_vision.kernels import seams
from seqdl_vision.page.components import Components, find_components
from seqdl_vision.page.crops import Cropper
from seqdl_vision.page.cuts import cut_component
from seqdl_vision.page.lattice import Segment, best_path, segments
from seqdl_vision.page.lines import TextLine, find_lines
from seqdl_vision.page.pieces import Piece, line_pieces, merged

STROKE = 6.0
LINE = TextLine([], 0.0, 20.0, 70.0, 50.0)


def drawn(*rings: int, bars: tuple[int, ...] = (), dots: tuple[tuple[int, int], ...] = ()) -> Components:
    """Rings of 50 pixels, bars as high, and dots, by their left edges; the line is between rows 20 and 70."""
    image = Image.new("L", (600, 100), 0)
    pen = ImageDraw.Draw(image)
    for left in rings:
        pen.ellipse((left, 20, left + 50, 70), outline=255, width=6)
    for left in bars:
        pen.rectangle((left, 20, left + 5, 69), fill=255)
    for left, top in dots:
        pen.rectangle((left, top, left + 6, top + 6), fill=255)
    return find_components(np.asarray(image) > 0, STROKE)


def pieces_of(components: Components, slant: float = 0.0) -> list[Piece]:
    (line,) = find_lines(components)
    return line_pieces(components, line, slant, np.ones(len(components), bool))


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (9, 12)])
def test_seams_cost_what_the_naive_search_finds(shape: tuple[int, int]) -> None:
    ink = np.random.default_rng(1).integers(0, 4, shape).astype(np.float32)
    costs = np.full_like(ink, np.nan)
    seams.cheapest(ink, np.float32(0.5), costs)
    assert costs == pytest.approx(naive.cheapest_seams(ink, 0.5))


def test_a_seam_that_is_followed_costs_what_was_found() -> None:
    ink = np.random.default_rng(2).integers(0, 5, (12, 15)).astype(np.float32)
    costs, path = np.empty_like(ink), np.full(12, -1, np.int32)
    seams.cheapest(ink, np.float32(0.25), costs)
    seams.follow(costs, np.float32(0.25), 11, 7, path)
    assert path[-1] == 7
    steps = np.abs(np.diff(path))
    assert steps.max() <= 1
    assert ink[np.arange(12), path].sum() + 0.25 * steps.sum() == pytest.approx(float(costs[11, 7]))


def test_two_rings_that_touch_are_cut_where_they_touch() -> None:
    components = drawn(20, 67)
    ink = components.labels > 0
    numbers, crossed = cut_component(components, 0, (20.0, 70.0), 50.0, 0.0)
    assert len(crossed) == len(numbers) - 1
    cuts = components.boxes[numbers[1:], 0]
    assert np.abs(cuts - 68).min() <= 4
    assert np.array_equal(components.labels > 0, ink)
    assert components.areas.sum() == ink.sum()


def test_pieces_of_a_component_follow_each_other_and_say_what_was_cut() -> None:
    components = drawn(20, 67, 200)
    pieces = pieces_of(components)
    assert [piece.middle for piece in pieces] == sorted(piece.middle for piece in pieces)
    assert pieces[0].crossed is None
    assert 0.5 < max(piece.crossed or 0 for piece in pieces) < 2.3
    assert sorted(n for piece in pieces for n in piece.members) == list(range(len(components)))


def test_what_may_not_be_cut_stays_whole() -> None:
    components = drawn(20, 67)
    (line,) = find_lines(components)
    assert len(line_pieces(components, line, 0.0, np.zeros(1, bool))) == 1


def test_a_dot_goes_to_the_narrow_letter_below_even_if_it_is_aside() -> None:
    pieces = pieces_of(drawn(20, 130, bars=(100,), dots=((108, 4),)))
    dotted = [piece for piece in pieces if piece.dotted]
    assert [piece.left for piece in dotted] == [100]
    assert not any(piece.mark for piece in pieces)


def test_a_full_stop_is_a_mark_of_its_own() -> None:
    pieces = pieces_of(drawn(20, 100, dots=((160, 63),)))
    assert [piece.mark for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_one_character_takes_all_pieces() -> None:
    piece = merged(pieces_of(drawn(20, 100, dots=((160, 63),))))
    assert len(piece.members) >= 3
    assert not piece.mark


def runs(*crossed: float | None, step: float = 30, width: float = 28) -> list[Piece]:
    return [Piece([n], *((n * step, n * step + width) * 2), c) for n, c in enumerate(crossed)]


def all_segments(pieces: list[Piece]) -> list[Segment]:
    return segments(pieces, LINE, np.full(len(pieces), -np.inf))


def test_pieces_that_are_better_apart_are_not_joined() -> None:
    known = np.array([-0.1, -0.2, -5.0])
    assert {(s.first, s.last) for s in segments(runs(None, None, None), LINE, known)} >= {(1, 3), (0, 3)}
    assert (0, 2) not in {(s.first, s.last) for s in segments(runs(None, None, None), LINE, known)}


def test_pieces_of_one_component_join_freely_and_cost_where_they_are_cut() -> None:
    found = {(s.first, s.last): s.cost for s in all_segments(runs(None, 1.0))}
    assert found[0, 2] == 0
    assert found[0, 1] > 0 == found[1, 2]


def test_what_is_far_apart_is_not_joined() -> None:
    assert [(s.first, s.last) for s in all_segments(runs(None, None, step=60))] == [(0, 1), (1, 2)]


def test_a_wide_piece_is_a_segment_all_the_same() -> None:
    assert [(s.first, s.last) for s in all_segments(runs(None, 1.0, width=150, step=150))] == [(0, 1), (1, 2)]


def test_the_best_path_is_that_of_all_paths() -> None:
    generator = np.random.default_rng(4)
    for _ in range(20):
        found = [Segment(a, b, generator.random()) for a in range(6) for b in range(a + 1, min(a + 3, 6) + 1)]
        scores = generator.normal(0, 1, len(found))
        own = {(s.first, s.last): s.cost - score for s, score in zip(found, scores, strict=True)}

        def cost(cuts: tuple[int, ...], own: dict[tuple[int, int], float] = own) -> float:
            ends = (0, *cuts, 6)
            return sum(own.get(pair, np.inf) for pair in pairwise(ends))

        best = min(cost(cuts) for n in range(6) for cuts in combinations(range(1, 6), n))
        path = [found[s] for s in best_path(6, found, scores)]
        assert cost(tuple(s.last for s in path[:-1])) == pytest.approx(best)


def test_a_line_without_pieces_has_an_empty_path() -> None:
    assert best_path(0, [], np.empty(0)) == []


def test_a_crop_holds_its_components_alone() -> None:
    components = drawn(20, 60, bars=(36,))  # a bar inside the first ring
    grey = np.where(components.labels > 0, 255, 0).astype(np.uint8)
    crop = Cropper(components, grey)
    for n in range(len(components)):
        assert np.count_nonzero(crop([n])) == components.areas[n]
    assert crop([0]).ndim == 2
