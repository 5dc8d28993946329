"""Pages read whole: drawn here and read by a model that knows their shapes, and the real photos by the shipped one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from seqdl.errors import UsageError
from seqdl_data.glyphs import fit_all
from seqdl_data.pictures import open_picture
from seqdl_vision.letters import Letters, model_path
from seqdl_vision.page.read import ReadOptions, read_page
from seqdl_vision.page.result import Page
from seqdl_vision.score import score

HEIGHT, PEN = 60, 7
SHAPES = {  # strokes in a box one letter high: x from 0, y from 0 (top) to 1 (base)
    "o": [[(0.4 + 0.3 * np.cos(t), 0.7 + 0.3 * np.sin(t)) for t in np.linspace(0, 2 * np.pi, 40)]],
    "z": [[(0, 0.4), (0.6, 0.4), (0, 1), (0.6, 1)]],
    "v": [[(0, 0.4), (0.3, 1), (0.6, 0.4)]],
    "h": [[(0, 0), (0, 1)], [(0, 0.6), (0.3, 0.45), (0.5, 0.6), (0.5, 1)]],
    "i": [[(0.1, 0.45), (0.1, 1)], [(0.1, 0.12), (0.11, 0.13)]],
    "t": [[(0.3, 0.1), (0.3, 1)], [(0, 0.4), (0.6, 0.4)]],
    "7": [[(0, 0), (0.6, 0), (0.2, 1)]],
}
WIDTH = {c: max(x for stroke in strokes for x, _ in stroke) for c, strokes in SHAPES.items()}


def write(pen: ImageDraw.ImageDraw, character: str, left: float, base: float, ink: int = 30) -> None:
    for stroke in SHAPES[character]:
        points = [(left + x * HEIGHT, base + (y - 1) * HEIGHT) for x, y in stroke]
        pen.line(points, fill=ink, width=PEN, joint="curve")
        for x, y in (points[0], points[-1]):
            pen.ellipse((x - PEN / 2, y - PEN / 2, x + PEN / 2, y + PEN / 2), fill=ink)


def paper(*lines: str, gap: float = 0.25, space: float = 1.0, size: tuple[int, int] = (1000, 500)) -> np.ndarray:
    """A page (H, W) uint8 with these lines, gaps in letter heights."""
    image = Image.new("L", size, 225)
    pen = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        left = 60.0
        for character in line:
            if character == " ":
                left += space * HEIGHT
                continue
            write(pen, character, left, 120 + 140 * number)
            left += (WIDTH[character] + gap) * HEIGHT + PEN
    noise = np.random.default_rng(1).normal(0, 3, (size[1], size[0]))
    return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)


class Knows:
    """Says which of the shapes a picture is by the nearest one, and nothing where none is near."""

    labels = ("", *SHAPES)

    def __init__(self, sharpness: float = 60) -> None:
        self.sharpness = sharpness
        self.shapes = np.stack([self.shape(c) for c in SHAPES]).astype(np.float32)

    @staticmethod
    @cache
    def shape(character: str) -> np.ndarray:
        image = Image.new("L", (200, 200), 0)
        write(ImageDraw.Draw(image), character, 60, 150, ink=255)
        return fit_all([np.asarray(image)])[0]

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        far = np.square(images[:, None] / np.float32(255) - self.shapes / 255).mean(axis=(2, 3))
        logits = np.column_stack([np.full(len(images), -self.sharpness / 30), -self.sharpness * far])
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)


KNOWS = Knows()


def read(picture: np.ndarray, **options: object) -> Page:
    return read_page(picture, KNOWS, ReadOptions(**options))  # type: ignore[arg-type]


def test_lines_and_words_are_read() -> None:
    assert read(paper("hot viz hit", "zoo 77")).text == "hot viz hit\nzoo 77\n"


def test_letters_far_apart_are_words_all_the_same() -> None:
    assert read(paper("hot hit", "vivi zoo", gap=0.9, space=1.8)).text == "hot hit\nvivi zoo\n"


def test_letters_that_touch_are_cut() -> None:
    assert read(paper("zoo oovo zoz", gap=-0.08)).text == "zoo oovo zoz\n"


def test_three_colours_are_read_like_grey() -> None:
    picture = paper("hot zoo")
    assert read(np.repeat(picture[..., None], 3, axis=2)).text == read(picture).text == "hot zoo\n"


def test_boxes_lie_inside_in_reading_order_and_chances_sum_to_one_at_most() -> None:
    picture = paper("hot viz hit", "zoo 77")
    page = read(picture)
    assert (page.width, page.height) == (1000, 500)
    for line in page.lines:
        lefts = [c.box.left for word in line.words for c in word.characters]
        assert lefts == sorted(lefts)
    for c in page.characters:
        assert 0 <= c.box.left < c.box.right <= 1000
        assert 0 <= c.box.top < c.box.bottom <= 500
        assert picture[c.box.top : c.box.bottom, c.box.left : c.box.right].min() < 80
        assert c.alternatives[0] == (c.text, c.confidence)
        assert 0 < sum(chance for _, chance in c.alternatives) <= 1 + 1e-6
        assert len({text for text, _ in c.alternatives}) == len(c.alternatives) <= 5


def test_a_blank_page_has_no_lines_and_says_so() -> None:
    page = read(np.full((300, 400), 200, np.uint8))
    assert page.text == ""
    assert page.notes


def test_what_is_not_sure_is_unknown_but_keeps_its_alternatives() -> None:
    page = read(paper("hot"), min_confidence=1.0, unknown="~")
    assert page.text == "~~~\n"
    assert "".join(c.alternatives[0][0] for c in page.characters) == "hot"


def test_digits_alone_make_digits_of_all() -> None:
    assert read(paper("zoo 77"), symbols="0123456789").text.replace(" ", "") == "77777\n"


@pytest.mark.parametrize(("psm", "text"), [(7, "hot zoo\n"), (8, "hotzoo\n")])
def test_a_line_or_a_word_is_asked_for(psm: int, text: str) -> None:
    assert read(paper("hot zoo", size=(1000, 200)), psm=psm).text == text


def test_a_single_character_is_not_divided() -> None:
    (character,) = read(paper("i", size=(200, 200)), psm=10).characters
    assert character.text == "i"
    assert character.box.height > 0.8 * HEIGHT


def test_a_model_of_text_weighs_alternatives_and_both_readings_are_kept() -> None:
    def score_(text: str) -> SimpleNamespace:
        return SimpleNamespace(nats=np.array([0.0 if "z" in text[n : n + 2] else 30.0 for n in range(len(text) - 1)]))

    options = ReadOptions(lm=SimpleNamespace(score=score_))
    page = read_page(paper("vi zo"), Knows(sharpness=15), options)  # type: ignore[arg-type]
    changed = [word for line in page.lines for word in line.words if word.before is not None]
    assert changed
    assert all(word.before != word.text and "z" in word.text for word in changed)
    assert read(paper("vi zo")).text == "vi zo\n"


def test_debug_shows_lines_pieces_and_characters() -> None:
    shown = {}
    read_page(paper("hot"), KNOWS, debug=lambda name, picture: shown.update({name: picture}))  # type: ignore[arg-type]
    assert {"9-lines", "10-pieces", "11-characters"} <= shown.keys()
    colours = {tuple(c) for c in shown["11-characters"].reshape(-1, 3).tolist()}
    assert len(colours) == 1 + len("hot")


@pytest.mark.parametrize("after", [1, 4])
def test_a_tick_ends_the_reading(after: int) -> None:
    ticks = iter(range(after))

    def tick() -> None:
        if next(ticks, None) is None:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        read_page(paper("hot viz"), KNOWS, tick=tick)  # type: ignore[arg-type]


def test_the_same_page_gives_the_same_reading() -> None:
    assert read(paper("hot viz")) == read(paper("hot viz"))


@pytest.mark.parametrize(
    ("reference", "reading", "characters", "found", "said"),
    [
        ("ab cd", "AB CD.", 1.0, 1, 1), ("ab cd", "abcd", 1.0, 0, 0), ("ab cd", "ab xd", 0.75, 1, 1),
        ("ab\ncd", "a b\ncd", 1.0, 1, 2), ("abcd", "", 0.0, 0, 0), ("ab cd", "b cd", 0.75, 1, 1),
    ],
)  # fmt: skip
def test_readings_are_scored(reference: str, reading: str, characters: float, found: int, said: int) -> None:
    result = score(reference, reading)
    assert (result.characters, result.found, result.said) == (characters, found, said)


def test_a_reference_of_no_character_is_refused() -> None:
    with pytest.raises(UsageError, match=r"the reference '\.\.\.' holds no letter or digit"):
        score("...", "abc")


FLOORS = {  # characters right, a little below what the shipped model reads
    "bmitt_pangram.jpg": 0.94,
    "sd19_form8_lower.png": 0.88,
    "azure_form_p1_col.png": 0.82,
    "simplehtr_line.png": 0.88,
}


@pytest.mark.parametrize("name", FLOORS)
def test_real_photos_are_read(name: str, shared_data: Path) -> None:
    if not model_path(None).exists():
        pytest.skip("no shipped model")
    rows = (shared_data / "vision/real/labels.tsv").read_text().splitlines()
    reference = next(row.split("\t")[3].replace("\\n", "\n") for row in rows if row.startswith(f"{name}\t"))
    page = read_page(open_picture(shared_data / "vision/real" / name).pixels, Letters.load())
    result = score(reference, page.text)
    assert result.characters >= FLOORS[name], page.text
    assert result.found == result.boundaries, page.text
