"""From photo to ink: pages drawn by the test, whose ink is known, and the real photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pages import PARTS, in_light, on_paper, turned, write
from PIL import Image
from scipy import ndimage

from seqdl import parallel
from seqdl_vision.page.ink import Ink, find_ink
from seqdl_vision.page.parts import Parts
from seqdl_vision.page.result import Box

Array = np.ndarray
SHAPE = (400, 640)
WORDS = ["HELLO.", "UNiOnyA", "LinE"]
BLUE, PALE_BLUE = (20, 90, 190), (70, 150, 220)


def parts_of(words: list[str]) -> int:
    return sum(PARTS.get(name, 1) for word in words for name in word)


def count(ink: Ink) -> int:
    return len(Parts.of(ink.mask).pixels)


def found_and_false(ink: Ink, truth: Array) -> tuple[float, float]:
    """The share of the true ink (H, W) that is in the mask, and that of the mask that is not within a pixel of it."""
    assert ink.mask.shape == truth.shape
    beyond = ink.mask & ~ndimage.binary_dilation(truth > 0.05, np.ones((3, 3)))
    return (ink.mask & (truth > 0.5)).sum() / (truth > 0.5).sum(), beyond.sum() / ink.mask.sum()


def light(name: str) -> Array | float:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    edge = ndimage.gaussian_filter(np.where(x + y < 450, 1, 0.6), 4)
    across = 0.3 + 0.7 * x / SHAPE[1]
    return {"even": 1.0, "dim": 0.25, "from the right": across, "in half a shadow": edge}[name]


def ruled(photo: Array, rows: range, colour: tuple[int, ...], thickness: int = 3) -> Array:
    """The photo float32 with lines under its ink: a line's light times that of what is written on it."""
    for row in rows:
        photo[row : row + thickness] *= np.float32(colour) / np.float32((228, 226, 218))
    return photo


@pytest.mark.parametrize(
    "page",
    [
        np.zeros((1, 1), np.uint8),
        np.full((3, 5, 3), 200, np.uint8),
        np.full((1, 500), 255, np.uint8),
        np.zeros((300, 400), np.uint8),
        np.full((300, 400, 3), 255, np.uint8),
        np.full((300, 400), 128, np.uint8),
        in_light(on_paper(np.zeros(SHAPE)), noise=8),
        in_light(on_paper(np.zeros(SHAPE)), light("from the right"), noise=3),
        in_light(ruled(on_paper(np.zeros(SHAPE)), range(40, 380, 40), BLUE), noise=3),
        in_light(ruled(on_paper(np.zeros(SHAPE)), range(40, 380, 40), (90, 90, 90)), noise=3)[..., 0],
    ],
    ids=["1x1", "tiny", "one row", "black", "white", "grey", "noise", "shading", "blue rules", "grey rules"],
)
def test_a_page_without_writing_has_no_ink(page: Array) -> None:
    ink = find_ink(page)
    assert ink.mask.shape == ink.grey.shape == page.shape[:2]
    assert not ink.mask.any()
    assert not ink.grey.any()
    assert (ink.stroke, ink.notes) == (0.0, ("no ink",))


@pytest.mark.parametrize("noise", [0, 6])
@pytest.mark.parametrize("name", ["even", "dim", "from the right", "in half a shadow"])
def test_the_ink_and_nothing_else_is_found_in_any_light(name: str, noise: float) -> None:
    truth = write(WORDS, SHAPE)
    ink = find_ink(in_light(on_paper(truth), light(name), noise * (0.4 if name == "dim" else 1)))
    found, false = found_and_false(ink, truth)
    assert found > 0.97
    assert false < 0.01
    assert count(ink) == parts_of(WORDS)
    assert 3 <= ink.stroke <= 5


@pytest.mark.parametrize("pen", [(30, 40, 150), (180, 30, 40), (150, 150, 150)], ids=["blue", "red", "pencil"])
def test_pens_of_any_colour_are_seen(pen: tuple[int, ...]) -> None:
    truth = write(WORDS, SHAPE)
    found, false = found_and_false(find_ink(in_light(on_paper(truth, pen), noise=4)), truth)
    assert found > 0.97
    assert false < 0.01


def test_strokes_of_a_blurred_photo_keep_their_width() -> None:
    truth = write(["HEHEHEHEHEH"] * 4, SHAPE, letter=28, pen=4)
    photo = ndimage.gaussian_filter(on_paper(truth), (1.5, 1.5, 0))
    ink = find_ink(in_light(photo, noise=2))
    assert 0.9 < ink.mask.sum() / (truth > 0.5).sum() < 1.45


def test_grey_is_full_in_the_strokes_soft_at_their_edges_and_0_elsewhere() -> None:
    truth = write(WORDS, SHAPE)
    ink = find_ink(in_light(on_paper(truth), noise=2))
    assert ink.grey.dtype == np.uint8
    assert np.median(ink.grey[truth > 0.99]) > 240
    assert not ink.grey[ndimage.distance_transform_edt(truth < 0.05) > 3].any()
    assert ((ink.grey > 50) & (ink.grey < 200)).any()


@pytest.mark.parametrize("thickness", [2, 4])
@pytest.mark.parametrize("colour", [PALE_BLUE, (70, 70, 80)], ids=["blue", "as dark as the ink"])
def test_rules_go_and_the_letters_on_them_stay_whole(colour: tuple[int, ...], thickness: int) -> None:
    truth = write(["HELLO", "NAyHE", "yALLA"], SHAPE)
    rows = range(80, 380, 80)  # the letters' feet are in them, and the tail of y crosses them
    ink = find_ink(in_light(ruled(on_paper(truth), rows, colour, thickness), noise=2))
    found, false = found_and_false(ink, truth)
    assert found > 0.9
    assert false < 0.03
    assert count(ink) == 15
    assert not ink.grey[ndimage.distance_transform_edt(truth < 0.05) > 6].any()


def test_the_rough_edge_of_a_rule_leaves_no_crumbs() -> None:
    truth = write(["HNAEL", "LEANH"], SHAPE)
    photo = in_light(on_paper(truth), noise=2)
    generator = np.random.default_rng(3)
    for column in range(SHAPE[1]):
        top, bottom = 93 + generator.integers(0, 4), 100 + generator.integers(0, 4)
        photo[top:bottom, column] = 50
    ink = find_ink(photo)
    assert count(ink) == 10
    assert found_and_false(ink, truth)[1] < 0.01


def test_a_bowl_whose_bottom_lies_in_a_rule_is_closed_and_an_n_stays_open() -> None:
    words = ["OUnHn", "UOnOU"]
    truth = write(words, SHAPE)
    photo = in_light(on_paper(truth), noise=2)
    for row in range(79, 200, 80):
        photo[row - 2 : row + 3] = 40  # hides the bottoms
    parts = Parts.of(find_ink(photo).mask)
    assert len(parts.pixels) == 10
    middles = parts.lefts + parts.widths // 2
    shut = [parts.labels[76:84, m].any() for m in middles[np.argsort(middles[parts.tops < 90])][:5]]
    assert shut == [True, True, False, False, False]


def test_a_frame_goes_and_the_letters_in_it_stay() -> None:
    truth = write(["HELLO", "", "AEU"], SHAPE)
    photo = in_light(on_paper(truth), noise=2)
    for top, bottom, left, right in ((25, 100, 20, 320), (185, 260, 20, 220)):
        photo[[top, top + 1, top + 2, bottom, bottom + 1], left:right] = 50
        photo[top : bottom + 2, [left, left + 1, left + 2, right, right + 1]] = 50
    ink = find_ink(photo)
    found, false = found_and_false(ink, truth)
    assert found > 0.97
    assert false < 0.01
    assert count(ink) == 8


def test_a_letter_that_reaches_from_rule_to_rule_is_no_frame() -> None:
    truth = write(["nOnOnO", "OnOnOO"], SHAPE)
    truth[42:118, 200:204] = truth[122:198, 300:304] = 1  # as tall as two letters
    photo = ruled(on_paper(truth), range(40, 300, 80), (60, 60, 60), 2)
    ink = find_ink(in_light(photo, noise=2))
    assert ink.mask[60:100, 200:204].all()
    assert ink.mask[140:180, 300:304].all()


def test_a_dot_near_a_letter_stays_and_a_lonely_one_goes() -> None:
    truth = write(["Hi.", "LL"], SHAPE)
    photo = on_paper(truth)
    photo[300:304, 500:504] = 40
    photo[45, 300] = 40
    ink = find_ink(in_light(photo, noise=2))
    assert count(ink) == 1 + 2 + 1 + 2
    assert not ink.mask[:, 250:].any()


@pytest.mark.parametrize("degrees", [-8.0, -2.0, 1.0, 5.0])
def test_a_turned_page_is_turned_back_and_its_boxes_lead_to_the_photo(degrees: float) -> None:
    words = ["HELLONEHALL", "EHNALLHENLA", "LANEHELLAHN"]
    truth = write(words, (400, 800))
    photo = in_light(on_paper(truth), noise=2)
    ink = find_ink(turned(photo, degrees))
    assert abs(float(ink.notes[0].split()[3]) - degrees) < 0.31 if abs(degrees) >= 2 else True
    tops = Parts.of(ink.mask).tops
    assert np.ptp(np.sort(tops)[:11]) <= 8  # the first line is level
    expected = np.asarray(Image.fromarray((truth * 255).astype(np.uint8)).rotate(-degrees)) > 127
    assert_boxes_agree(ink, expected)


def assert_boxes_agree(ink: Ink, truth: Array) -> None:
    """Each part of the ink lies where a part of the truth (H, W) bool is, on the photo."""
    ours, theirs = Parts.of(ink.mask), Parts.of(truth)
    sides = np.stack([ours.lefts, ours.tops, ours.rights, ours.bottoms], axis=1)
    boxes = [ink.to_photo(Box(*map(int, box))) for box in sides]
    middles = np.array([((b.left + b.right) / 2, (b.top + b.bottom) / 2) for b in boxes])
    true = np.stack([(theirs.lefts + theirs.rights) / 2, (theirs.tops + theirs.bottoms) / 2], axis=1)
    assert abs(middles[:, None] - true).max(axis=2).min(axis=1).max() < 5


def test_a_single_large_letter_is_ink_and_is_not_turned() -> None:
    truth = write(["A"], (330, 330), letter=150, pen=24)
    ink = find_ink(in_light(on_paper(truth), noise=2))
    assert count(ink) == 1
    assert ink.notes == ()


@pytest.mark.parametrize("scale", [0.4, 1, 2, 5])
def test_letters_come_out_neither_large_nor_tiny(scale: float) -> None:
    shape = (int(SHAPE[0] * scale), int(SHAPE[1] * scale))
    truth = write(WORDS, shape, letter=40 * scale, pen=max(1.5, 4 * scale))
    ink = find_ink(in_light(on_paper(truth), noise=2))
    assert 25 <= np.median(Parts.of(ink.mask).heights) <= 100
    assert count(ink) == parts_of(WORDS)
    assert_boxes_agree(ink, truth > 0.5)


def test_what_is_not_paper_is_not_ink() -> None:
    truth = write(WORDS, SHAPE)
    paper = in_light(on_paper(truth), noise=2)
    y, x = np.mgrid[:600, :900]
    grain = 1 + 0.3 * np.sin(0.9 * x + 6 * np.sin(y / 60))
    photo = in_light(np.broadcast_to(np.float32((130, 80, 30)), (600, 900, 3)), grain, noise=2)
    photo[90:490, 130:770] = paper
    inner = np.zeros((600, 900), np.float32)
    inner[90:490, 130:770] = truth
    found, false = found_and_false(find_ink(photo), inner)
    assert found > 0.97
    assert false < 0.01


def test_chalk_on_a_board_is_ink() -> None:
    truth = write(WORDS, SHAPE)
    ink = find_ink(in_light(on_paper(truth, pen=(220, 220, 210), paper=(40, 60, 50)), noise=3))
    found, false = found_and_false(ink, truth)
    assert ink.notes == ("light writing on a dark page",)
    assert found > 0.97
    assert false < 0.01


@pytest.mark.parametrize("shade", [(190, 205, 225), (90, 90, 95)], ids=["faint", "dark"])
def test_squared_paper_goes(shade: tuple[int, ...]) -> None:
    truth = write(["HAENyL", "nyOHAL"], SHAPE)
    photo = ruled(on_paper(truth), range(10, SHAPE[0], 28), shade, 2)
    photo = ruled(photo.swapaxes(0, 1), range(10, SHAPE[1], 28), shade, 2).swapaxes(0, 1)
    found, false = found_and_false(find_ink(in_light(photo, noise=1)), truth)
    assert found > 0.85
    assert false < 0.03


def test_dots_in_a_row_go() -> None:
    truth = write(["HAEL", "", "NAHL"], SHAPE)
    photo = on_paper(truth)
    for column in range(30, 600, 14):
        photo[140:144, column : column + 5] = 40
    found, false = found_and_false(find_ink(in_light(photo, noise=2)), truth)
    assert found > 0.97
    assert false < 0.01


def test_dust_is_not_ink() -> None:
    generator = np.random.default_rng(0)
    photo = on_paper(np.zeros((1200, 1600), np.float32))
    for y, x in generator.integers(5, 1190, (60, 2)):
        photo[y : y + generator.integers(1, 4), x : x + generator.integers(1, 4)] = 60
    assert find_ink(in_light(photo, noise=2)).notes == ("no ink",)


def test_a_dark_edge_of_the_photo_and_a_blot_are_not_ink() -> None:
    truth = write(WORDS, SHAPE)
    photo = in_light(on_paper(truth), noise=2)
    photo[:, :12] = 20
    photo[385:] = 30
    photo[250:330, 500:590] = 60
    photo[50:110, 636:] = 60
    found, false = found_and_false(find_ink(photo), truth)
    assert found > 0.97
    assert false < 0.01


def test_each_step_is_shown_in_its_order() -> None:
    steps: list[tuple[str, Array]] = []
    photo = turned(in_light(on_paper(write(WORDS * 2, (600, 640))), noise=2), 3)
    find_ink(photo, debug=lambda name, picture: steps.append((name, picture)))
    assert [name[0] for name, _ in steps] == list("12345678")
    assert {picture.dtype.name for _, picture in steps} == {"uint8", "bool"}
    assert all(picture.ndim == 2 for _, picture in steps)


def test_the_number_of_threads_changes_nothing() -> None:
    photo = turned(in_light(on_paper(write(WORDS, SHAPE)), light("in half a shadow"), noise=6), 3)
    before, inks = parallel.get_num_threads(), []
    for threads in (1, 3):
        parallel.set_num_threads(threads)
        inks.append(find_ink(photo))
    parallel.set_num_threads(before)
    assert (inks[0].mask == inks[1].mask).all()
    assert (inks[0].grey == inks[1].grey).all()


def test_a_thin_stroke_beside_thick_ones_stays_and_a_soft_shade_goes() -> None:
    truth = write(["HEHNH"], SHAPE, pen=6)
    truth[45:78, 305:307] = 1
    photo = on_paper(truth)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    photo *= (1 - 0.45 * np.exp(-((y - 60) ** 2 / 300 + (x - 450) ** 2 / 60)))[..., None]
    ink = find_ink(in_light(photo, noise=2))
    assert ink.mask[50:75, 305:307].all()
    assert not ink.mask[:, 400:].any()


# Parts of ink in each photo: as many as a careful eye counts, give or take a broken stroke or two letters that touch.
REAL = {
    "azure_form_p1_col.png": (27, 31),
    "bmitt_pangram.jpg": (35, 37),
    "breta_page01.jpg": (13, 18),
    "gcv_handwritten.jpg": (47, 56),
    "gcv_handwritten_crop.png": (47, 54),
    "hellodl_cleaned.jpeg": (53, 57),
    "hellodl_test1.jpg": (11, 14),
    "sd19_form8_lower.png": (28, 33),
    "sd19_form8_upper.png": (26, 34),
    "simplehtr_line.png": (16, 20),
}


@pytest.mark.parametrize("name", REAL)
def test_the_writing_of_a_real_photo_stays_and_its_rules_go(shared_data: Path, name: str) -> None:
    with Image.open(shared_data / "vision" / "real" / name) as picture:
        paper = Image.new("RGB", picture.size, "white")
        paper.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
    parts = Parts.of(find_ink(np.asarray(paper)).mask)
    low, high = REAL[name]
    assert low <= len(parts.pixels) <= high
    flat = parts.widths > 8 * parts.heights
    assert not flat.any()
