"""The forms of EMNIST and MNIST: place, size, softness and shape, of ink of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from seqdl_data.glyphs import FORMS, _weights, fit, fit_all

SIZES = [12, 25, 50, 120, 191, 192, 500]


def bar(high: int, wide: int) -> np.ndarray:
    """A full rectangle of ink on some paper."""
    ink = np.zeros((high + 9, wide + 14), np.uint8)
    ink[3 : 3 + high, 8 : 8 + wide] = 255
    return ink


def letter(size: int, pen: float = 0.1) -> np.ndarray:
    """An R, `size` pixels high, with soft edges."""
    image = Image.new("L", (4 * size, 4 * size))
    draw = ImageDraw.Draw(image)
    corners = [(1, 3.5), (1, 0.5), (2.6, 0.5), (2.8, 1.2), (2.6, 2), (1.1, 2), (2.9, 3.5)]
    draw.line([(x * size, y * size) for x, y in corners], 255, round(3 * pen * size), "curve")
    return np.asarray(image.reduce(3))


def extent(image: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero((image >= 128).any(1)), np.flatnonzero((image >= 128).any(0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


@pytest.mark.parametrize("size", SIZES)
def test_the_longer_side_fills_22_pixels_and_its_blur_24(size: int) -> None:
    image = fit(bar(size, size // 3))
    assert (image.shape, image.dtype, image.max()) == ((28, 28), np.uint8, 255)
    assert extent(image)[:2] == (3, 25)
    assert image[:2].max() <= 8  # the border
    assert image[-2:].max() <= 8


@pytest.mark.parametrize(("high", "wide"), [(60, 20), (20, 60), (60, 60), (7, 60)])
def test_the_aspect_ratio_is_kept_and_the_box_is_centred(high: int, wide: int) -> None:
    top, bottom, left, right = extent(fit(bar(high, wide)))
    assert bottom - top == pytest.approx(22.2 * high / max(high, wide), abs=0.8)
    assert right - left == pytest.approx(22.2 * wide / max(high, wide), abs=0.8)
    assert (top + bottom, left + right) == (28, 28)


def test_the_image_is_that_of_the_slow_way() -> None:
    """Blur, crop and reduce by the formulas, pixel for pixel, in a large picture."""
    ink = letter(50)[:, :]
    rows, columns = np.flatnonzero((ink >= 128).any(1)), np.flatnonzero((ink >= 128).any(0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / 255.0
    longer = max(ink.shape)
    expected = slow_fit(ink, sigma=longer / 50, scale=24 / (1 + 4 / 50) / longer)
    np.testing.assert_allclose(fit(letter(50)).astype(float), expected, atol=1)


def slow_fit(ink: np.ndarray, sigma: float, scale: float) -> np.ndarray:
    """Each pixel as a sum over all pixels of the ink, of the kernel of blurring and bicubic reduction."""

    def cubic(x: float) -> float:
        x = abs(x)
        if x < 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0

    def blurred(x: float) -> float:  # the cubic, stretched to a pixel of the image, after the blur
        steps = np.arange(-int(np.ceil(3 * sigma)), int(np.ceil(3 * sigma)) + 1)
        shares = np.exp(-0.5 * (steps / sigma) ** 2)
        return sum(share * cubic((x - step) * scale) for step, share in zip(steps, shares / shares.sum(), strict=True))

    def weights(pixels: int) -> np.ndarray:
        centres = [(i + 0.5 - 14) / scale + pixels / 2 for i in range(28)]
        found = np.array([[blurred(j + 0.5 - centre) for j in range(pixels)] for centre in centres])
        whole = [sum(cubic((j + 0.5 - c) * scale) for j in range(-200, 300)) for c in centres]
        return found / np.array(whole)[:, None]

    image = weights(ink.shape[0]) @ ink @ weights(ink.shape[1]).T
    return (image * 255 / image.max()).clip(0, 255)


@pytest.mark.parametrize("size", SIZES[1:])
def test_a_letter_of_any_size_gives_nearly_the_same_image(size: int) -> None:
    expected = fit(letter(100)).astype(float)
    assert np.abs(fit(letter(size)) - expected).mean() < 2 + 150 / size


def test_thick_pens_stay_thick_and_thin_ones_thin() -> None:
    ink = [fit(letter(60, pen)).mean() for pen in (0.03, 0.1, 0.25)]
    assert ink[0] < 0.6 * ink[1] < 0.6 * ink[2]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float32, np.float64])
def test_the_unit_of_the_ink_does_not_matter(dtype: type) -> None:
    ink = letter(50) > 100
    np.testing.assert_array_equal(fit(ink.astype(dtype)), fit(ink.astype(np.uint8) * 255))
    np.testing.assert_array_equal(fit(ink.astype(np.float32) * 0.01), fit(ink))


def test_faint_ink_far_away_does_not_move_the_letter() -> None:
    ink = np.pad(letter(50), 40)
    stained = ink.copy()
    stained[0, 0] = 90
    np.testing.assert_array_equal(fit(stained), fit(ink))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ink", [np.zeros((5, 5)), np.zeros((0, 3)), np.zeros((4, 0), np.uint8)])
def test_no_ink_gives_a_black_image(ink: np.ndarray, form: str) -> None:
    assert not fit(ink, form).any()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (1, 3000), (2, 2)])
def test_ink_of_odd_sizes_gives_an_image(shape: tuple[int, int], form: str) -> None:
    image = fit(np.ones(shape, bool), form)
    assert (image.shape, image.max()) == ((28, 28), 255)


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    inks = [letter(size) for size in (20, 33, 70)]
    np.testing.assert_array_equal(fit_all(inks), np.stack([fit(ink) for ink in inks]))
    assert fit_all([]).shape == (0, 28, 28)


def test_weights_are_kept_and_cannot_be_changed() -> None:
    weights = _weights(50, 50, FORMS["emnist"])
    assert weights is _weights(50, 50, FORMS["emnist"])
    assert not weights.flags.writeable


def test_ink_in_colour_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(5, 5, 3\)"):
        fit(np.zeros((5, 5, 3)))


# MNIST


@pytest.mark.parametrize("size", SIZES)
def test_mnist_fills_20_pixels(size: int) -> None:
    image = fit(bar(size, size // 3), "mnist")
    assert extent(image)[:2] == (4, 24)


def test_mnist_puts_the_centre_of_mass_into_the_middle() -> None:
    ink = np.zeros((40, 40), np.uint8)
    ink[:30, 5:12] = ink[22:30, 5:35] = 255  # an L
    image = fit(ink, "mnist").astype(float)
    steps = np.arange(28)
    assert image.sum(1) @ steps / image.sum() == pytest.approx(14, abs=0.51)
    assert image.sum(0) @ steps / image.sum() == pytest.approx(14, abs=0.51)


def test_redrawn_strokes_give_the_images_of_unipen(shared_data: Path) -> None:
    with np.load(shared_data / "vision/other-hands/unipen-letters.npz") as file:
        ends = file["stroke_ptr"][file["char_ptr"][:301]]
        points, pens, images = file["points"][: ends[-1]], file["pen"][:300], file["images"][:300]
        strokes, characters = file["stroke_ptr"], file["char_ptr"][:301]
    redrawn = []
    for number in range(300):
        lines = [points[strokes[s] : strokes[s + 1]] for s in range(characters[number], characters[number + 1])]
        redrawn.append(draw(lines, float(pens[number]), size=120))
    likeness = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(fit_all(redrawn), images, strict=True)]
    assert np.mean(likeness) > 0.94
    assert np.quantile(likeness, 0.02) > 0.8


def draw(lines: list[np.ndarray], pen: float, size: int) -> np.ndarray:
    whole = np.concatenate(lines).astype(float)
    low, span = whole.min(0), max(np.ptp(whole, axis=0).max(), 1)
    image = Image.new("L", (size * 2, size * 2))
    canvas = ImageDraw.Draw(image)
    for line in lines:
        spots = [tuple(spot) for spot in (line - low) / span * size + size / 2]
        canvas.line(spots, 255, max(1, round(pen * size)), "curve")
        for x, y in spots:
            canvas.ellipse([x - pen * size / 2, y - pen * size / 2, x + pen * size / 2, y + pen * size / 2], 255)
    return np.asarray(image)
