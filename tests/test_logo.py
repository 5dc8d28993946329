"""Sequence logos: what is drawn, in both formats."""

from __future__ import annotations

import builtins
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from seqdl.dna import Explanation
from seqdl.dna.logo import COLOURS, GLYPHS, logo_heights, logo_svg, write_logo
from seqdl.dna.motif import Motif
from seqdl.errors import OutputError, SeqdlError, UsageError

SVG = "{http://www.w3.org/2000/svg}"
MOTIF = Motif("m", "", [[1, 0, 0, 0], [0.5, 0, 0.5, 0], [0.1, 0.2, 0.3, 0.4], [1, 1, 1, 1]])


def letters(svg: str) -> list[tuple[str, float, float, float, float]]:
    """(base, x, foot, width, height) of each letter; heights upwards, in pixels."""
    uses = ElementTree.fromstring(svg.encode()).iter(f"{SVG}use")
    found = []
    for use in uses:
        a, _, _, d, e, f = (float(word) for word in use.get("transform", "")[len("matrix(") : -1].split())
        found.append((use.get("href", "")[1:], e, f, a, -d))
    return found


def test_heights_are_frequencies_times_information() -> None:
    heights = logo_heights(MOTIF)
    np.testing.assert_allclose(heights[:2], [[2, 0, 0, 0], [0.5, 0, 0.5, 0]], atol=1e-12)
    np.testing.assert_allclose(heights[3], 0, atol=1e-12)


def test_letters_are_as_high_as_asked_the_largest_on_top() -> None:
    drawn = letters(logo_svg(logo_heights(MOTIF), limits=(0, 2)))
    pixels_to_a_bit = drawn[0][4] / 2
    third = [letter for letter in drawn if letter[0] in "ACGT"][3:]
    assert [letter[0] for letter in third] == ["A", "C", "G", "T"]
    for letter, height in zip(third, logo_heights(MOTIF)[2], strict=True):
        assert letter[4] == pytest.approx(height * pixels_to_a_bit, abs=0.02)
    for lower, upper in pairwise(third):
        assert upper[2] == pytest.approx(lower[2] - lower[4], abs=0.02)
    assert len(drawn) == 1 + 2 + 4  # nothing for the position that tells nothing


def test_negative_letters_hang_from_the_axis() -> None:
    drawn = letters(logo_svg(np.array([[1.0, -0.25, -0.5, 0]])))
    by_base = {letter[0]: letter for letter in drawn}
    assert by_base["A"][4] > 0 > by_base["C"][4] > by_base["G"][4]
    assert by_base["A"][2] == by_base["C"][2]
    assert by_base["G"][2] == pytest.approx(by_base["C"][2] - by_base["C"][4], abs=0.02)


def test_the_picture_says_what_it_is_and_escapes_what_it_is_told() -> None:
    root = ElementTree.fromstring(
        logo_svg(logo_heights(MOTIF), title="<a> & \x07b", x_label="x", y_label="y", first=-2)
    )
    assert root.find(f"{SVG}title").text == "<a> & \ufffdb"  # type: ignore[union-attr]
    assert "AATTT"[:1] in root.find(f"{SVG}desc").text  # type: ignore[union-attr, operator]
    words = [word.text for word in root.iter(f"{SVG}text")]
    assert {"x", "y", "<a> & \ufffdb", "\u22122", "1", "0"} <= set(words)


@pytest.mark.parametrize("W", [1, 7, 60, 300, 2000])
def test_any_width_has_numbers_that_do_not_touch(W: int) -> None:
    root = ElementTree.fromstring(logo_svg(np.full((W, 4), 0.1), y_label="", x_label=""))
    words = [(float(w.get("x", 0)), w.text or "") for w in root.iter(f"{SVG}text") if w.get("text-anchor") == "middle"]
    numbers = sorted(word for word in words if word[1])
    assert numbers
    assert all(b[0] - a[0] > 7 * len(b[1]) for a, b in pairwise(numbers))


@pytest.mark.parametrize("scale", [1e-9, 1, 1e6])
def test_the_axis_reaches_beyond_the_letters_at_any_scale(scale: float) -> None:
    drawn = letters(logo_svg(np.array([[3.3, 0, -1.7, 0]]) * scale))
    assert len(drawn) == 2
    assert all(10 < abs(letter[4]) <= 170 for letter in drawn)


def test_no_information_at_all_is_an_empty_plot() -> None:
    assert letters(logo_svg(np.zeros((5, 4)))) == []


@pytest.mark.parametrize("heights", [np.zeros((0, 4)), np.zeros((3, 5)), np.zeros(4), np.full((1, 4), np.nan)])
def test_heights_of_another_shape_are_refused(heights: np.ndarray) -> None:
    with pytest.raises(UsageError, match="a logo needs finite heights"):
        logo_svg(heights)


@pytest.mark.parametrize("base", "ACGT")
def test_each_glyph_fills_its_box(base: str) -> None:
    points = np.concatenate(GLYPHS[base])
    np.testing.assert_allclose([points.min(axis=0), points.max(axis=0)], [[0, 0], [1, 1]], atol=1e-12)


def test_a_png_shows_the_same_colours(tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image")
    write_logo(tmp_path / "logo.png", np.eye(4), title="$ m _ $")
    pixels = (image.imread(tmp_path / "logo.png")[:, :, :3] * 255).round().astype(int).reshape(-1, 3)
    for colour in COLOURS.values():
        wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        assert (np.abs(pixels - wanted).max(axis=1) <= 1).sum() > 50


def test_an_a_has_a_hole_in_png(tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image")
    write_logo(tmp_path / "a.png", np.array([[1.0, 0, 0, 0]]), limits=(0, 1))
    pixels = image.imread(tmp_path / "a.png")[:, :, :3]
    green = np.abs(pixels * 255 - [0x2A, 0x9D, 0x3F]).max(axis=2) < 2
    rows, columns = np.nonzero(green)
    middle = green[rows.min() : rows.max(), (columns.min() + columns.max()) // 2]
    assert 0.2 < middle.mean() < 0.6  # the tip and the bar, with white between and below


def test_without_matplotlib_png_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SeqdlError, match=r"pip install 'seqdl\[plot\]', or write .svg"):
        write_logo(tmp_path / "logo.png", logo_heights(MOTIF))
    assert list(tmp_path.iterdir()) == []


def test_other_endings_and_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must end in \.svg or \.png"):
        write_logo(tmp_path / "logo.pdf", logo_heights(MOTIF))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_logo(tmp_path / "file" / "logo.svg", logo_heights(MOTIF))


def test_an_explanation_draws_itself_around_its_junction(tmp_path: Path) -> None:
    effect = np.zeros((4, 4))
    effect[1, :] = [-3, -3, 0, -3]  # the G
    explanation = Explanation("donor", "+", 0.9, "AGTN", 1, effect)
    picture = explanation._repr_svg_()
    assert [letter[0] for letter in letters(picture)] == ["G"]
    assert "donor (+), probability 0.900" in picture
    explanation.save(tmp_path / "why.svg", "why")
    assert (tmp_path / "why.svg").read_text() == explanation.svg("why")
