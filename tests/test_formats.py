"""What was read, written in each format and read back by other programs' parsers."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from seqdl_data.errors import InputError
from seqdl_vision import certainty, drawing, formats, hocr
from seqdl_vision.page.result import Box, Character, Line, Page, Reading, Word

XHTML = "{http://www.w3.org/1999/xhtml}"
AWKWARD = 'a "b"; c%\t\udcff.png'  # a quote, the sign that parts properties, a tab, a byte that is not UTF-8


def word(text: str, left: int, top: int, confidence: float = 0.91) -> Word:
    """10 x 20 pixels for each character, 2 between them; the second alternative is half as likely."""
    boxes = [Box(left + 12 * at, top, left + 12 * at + 10, top + 20) for at in range(len(text))]
    return Word(
        tuple(
            Character(letter, box, confidence, ((letter, confidence), ("o", (1 - confidence) / 2)))
            for letter, box in zip(text, boxes, strict=True)
        )
    )


PAGE = Page(
    (Line((word("Hi", 10, 5), word("a&<", 60, 6, 0.4))), Line((word('"x;"', 12, 40, 0.77),))),
    120,
    80,
    ("turned by 2.1 degrees",),
)
READINGS = [Reading("a.png", 1, 1, PAGE), Reading("b.tif", 1, 2, Page((), 9, 9)), Reading("b.tif", 2, 2, PAGE)]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))


def elements(text: str, kind: str) -> list[ElementTree.Element]:
    return [each for each in ElementTree.fromstring(text.encode()).iter() if each.get("class") == kind]


def properties(element: ElementTree.Element) -> dict[str, str]:
    """As hocr-tools part a title: at each semicolon, then at the first blank."""
    return dict(part.split(None, 1) for part in element.attrib["title"].split(";"))


def test_text_is_the_lines_of_the_page() -> None:
    assert "".join(formats.text(READINGS[:1])) == 'Hi a&<\n"x;"\n'


def test_text_of_further_pages_stands_below_a_line_that_names_them() -> None:
    written = "".join(formats.headed_text(READINGS))
    assert [line for line in written.splitlines() if line.startswith("===")] == [
        "=== a.png ===",
        "=== b.tif, page 1 ===",
        "=== b.tif, page 2 ===",
    ]


@pytest.mark.parametrize("name", formats.TEXT_FORMATS)
def test_nothing_read_is_nothing_written(name: str) -> None:
    assert list(formats.TEXT_FORMATS[name](iter(()))) == []


@pytest.mark.parametrize("name", formats.TEXT_FORMATS)
def test_pages_are_written_as_they_come(name: str) -> None:
    pieces = formats.TEXT_FORMATS[name](READINGS[index] if index < 1 else 1 / 0 for index in range(2))
    assert next(pieces)


@pytest.mark.parametrize("name", formats.TEXT_FORMATS)
def test_a_reading_without_a_page_raises_its_error(name: str) -> None:
    failed = Reading("x.png", error=InputError("x.png: not a picture"))
    with pytest.raises(InputError, match="not a picture"):
        list(formats.TEXT_FORMATS[name]([failed]))


def test_tsv_has_the_columns_of_tesseract_and_ours_behind() -> None:
    table = rows("".join(formats.tsv(READINGS)))
    assert " ".join(list(table[0])[:12]) == formats.TESSERACT
    first, line, whole = table[0], table[1], table[2]
    assert [first[name] for name in ("level", "width", "height", "conf", "text")] == ["1", "120", "80", "-1", ""]
    assert [line[name] for name in ("level", "line_num", "word_num", "conf")] == ["4", "1", "0", "-1"]
    assert [whole[name] for name in ("left", "top", "width", "height", "conf", "text")] == [
        "10", "5", "22", "20", "91.00", "Hi",
    ]  # fmt: skip


def test_tsv_puts_the_text_together_again() -> None:
    table = rows("".join(formats.tsv(READINGS)))
    for level, joined in (("5", ["Hi", "a&<", '"x;"']), ("6", [*"Hia&<", *'"x;"'])):
        assert [row["text"] for row in table if row["level"] == level and row["picture"] == "a.png"] == joined


def test_tsv_numbers_the_pages_of_each_picture_and_the_characters_of_each_word() -> None:
    table = rows("".join(formats.tsv(READINGS)))
    assert [(row["picture"], row["page_num"]) for row in table if row["level"] == "1"] == [
        ("a.png", "1"), ("b.tif", "1"), ("b.tif", "2"),
    ]  # fmt: skip
    second = [row for row in table if row["level"] == "6" and row["picture"] == "a.png"][2:5]
    assert [(row["word_num"], row["char_num"]) for row in second] == [("2", "1"), ("2", "2"), ("2", "3")]
    assert second[0]["alternatives"] == "a 0.4000 o 0.3000"


def test_tsv_keeps_to_its_columns_whatever_a_file_is_called() -> None:
    table = rows("".join(formats.tsv([Reading(AWKWARD, page=PAGE)])))
    assert all(None not in row and row["picture"] == 'a "b"; c%\ufffd\ufffd.png' for row in table)


def test_json_is_a_document_for_each_page() -> None:
    documents = [json.loads(line) for line in "".join(formats.as_json(READINGS)).splitlines()]
    assert [(each["schema"], each["picture"], each["page"]) for each in documents] == [
        ("seqdl.ocr/1", "a.png", 1), ("seqdl.ocr/1", "b.tif", 1), ("seqdl.ocr/1", "b.tif", 2),
    ]  # fmt: skip
    assert documents[0]["notes"] == ["turned by 2.1 degrees"]
    assert documents[1]["lines"] == []


def test_json_has_box_confidence_and_alternatives_of_each_character() -> None:
    line = formats.document(READINGS[0])["lines"][0]
    assert line["box"] == [10, 5, 94, 26]
    assert line["words"][1]["characters"][0] == {
        "text": "a",
        "box": [60, 6, 70, 26],
        "confidence": 0.4,
        "alternatives": [["a", 0.4], ["o", 0.3]],
    }


def test_json_is_valid_text_whatever_a_file_is_called() -> None:
    written = "".join(formats.as_json([Reading(AWKWARD, page=PAGE)]))
    assert json.loads(written.encode())["picture"].startswith('a "b"; c%')


def test_hocr_nests_pages_lines_words_and_characters() -> None:
    written = "".join(hocr.hocr(READINGS))
    counts = {kind: len(elements(written, kind)) for kind in ("ocr_page", "ocr_line", "ocrx_word", "ocrx_cinfo")}
    assert counts == {"ocr_page": 3, "ocr_line": 4, "ocrx_word": 6, "ocrx_cinfo": 18}
    (line, *_) = elements(written, "ocr_line")
    assert [each.get("class") for each in line] == ["ocrx_word", "ocrx_word"]
    names = re.findall(r'id="(\w+)"', written)
    assert len(names) == len(set(names)) == 3 + 4 + 6


def test_hocr_says_what_the_specification_requires() -> None:
    root = ElementTree.fromstring("".join(hocr.hocr(READINGS)).encode())
    meta = {each.get("name"): each.get("content") for each in root.iter(f"{XHTML}meta")}
    assert meta["ocr-system"].startswith("seqdl ")
    assert set(meta["ocr-capabilities"].split()) == {"ocr_page", "ocr_line", "ocrx_word", "ocrx_cinfo"}


def test_the_text_of_hocr_is_the_text_of_the_page() -> None:
    """As hocr-tools collect it: everything between the tags of a line."""
    lines = elements("".join(hocr.hocr(READINGS[:1])), "ocr_line")
    assert ["".join(line.itertext()) for line in lines] == ["Hi\na&<", '"x;"']


def test_titles_of_hocr_hold_boxes_and_confidences() -> None:
    written = "".join(hocr.hocr(READINGS[2:]))
    (page,) = elements(written, "ocr_page")
    assert properties(page) == {"image": '"b.tif"', "bbox": "0 0 120 80", "ppageno": "0"}
    second = elements(written, "ocrx_word")[1]
    assert properties(second) == {"bbox": "60 6 94 26", "x_wconf": "40.00"}
    assert properties(second[0]) == {
        "x_bboxes": "60 6 70 26", "x_confs": "40.00", "x_alternatives": '"a" 40.00 "o" 30.00',
    }  # fmt: skip


def test_hocr_is_xml_whatever_stands_in_names_and_text() -> None:
    written = "".join(hocr.hocr([Reading(AWKWARD, page=PAGE)]))
    (page,) = elements(written, "ocr_page")
    assert properties(page)["image"] == '"a %22b%22%3B c%25%09%FF.png"'
    marks = [each for each in elements(written, "ocrx_cinfo") if each.text in '";']
    assert [properties(each)["x_alternatives"].split()[0] for each in marks] == ['"%22"', '"%3B"', '"%22"']


def test_the_summary_names_what_is_not_sure_with_the_next_best() -> None:
    assert certainty.summary(PAGE, 0.5) == (
        "3 of 9 characters are not sure (below 0.5): "
        "a 0.40 or o 0.30 in 'a&<', & 0.40 or o 0.30 in 'a&<', < 0.40 or o 0.30 in 'a&<'"
    )
    assert certainty.summary(PAGE, 0.3) == ""


def test_the_summary_stays_short() -> None:
    page = Page((Line((word("x" * 30, 0, 0, 0.2),)),), 400, 20)
    line = certainty.summary(page, 0.5)
    assert line.count(" or ") == certainty.SHOWN
    assert line.endswith(", 25 more")
    assert len(line) < 300
    one = Page((Line((word("x", 0, 0, 0.2),)),), 10, 20)
    assert certainty.summary(one, 0.5).startswith("1 of 1 characters is not sure")


def test_what_a_prior_changed_is_told_with_both_readings() -> None:
    words = (word("cat", 0, 0), Word(word("the", 50, 0).characters, before="tne"))
    page = Page((Line(words),), 100, 20)
    assert certainty.changes(page) == "the prior reads 'the' for 'tne'"
    assert certainty.changes(PAGE) == ""
    first, second = formats.document(Reading("a.png", page=page))["lines"][0]["words"]
    assert "before" not in first
    assert (second["text"], second["before"]) == ("the", "tne")


# The picture


def photo(page: Page, channels: tuple[int, ...] = ()) -> np.ndarray:
    return np.full((page.height, page.width, *channels), 200, np.uint8)


def scaled(page: Page, by: int) -> Page:
    def box(b: Box) -> Box:
        return Box(b.left * by, b.top * by, b.right * by, b.bottom * by)

    lines = tuple(
        Line(
            tuple(
                Word(tuple(Character(c.text, box(c.box), c.confidence, c.alternatives) for c in word.characters))
                for word in line.words
            )
        )
        for line in page.lines
    )
    return Page(lines, page.width * by, page.height * by)


@pytest.mark.parametrize("by", [1, 2, 20])
@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_letters_in_the_drawn_picture_have_a_size_to_read_labels_at(by: int, channels: tuple[int, ...]) -> None:
    page = scaled(PAGE, by)
    drawn = drawing.annotate(photo(page, channels), page)
    height = 20 * by * drawn.width / page.width
    assert drawn.mode == "RGB"
    assert drawing.SMALLEST - 1 <= height <= drawing.LARGEST + 1


def test_a_box_has_the_colour_of_its_confidence() -> None:
    page = scaled(PAGE, 2)
    drawn = np.asarray(drawing.annotate(photo(page), page))
    for line in page.lines:
        first = line.words[0].characters[0]
        assert tuple(drawn[first.box.top, first.box.left]) == drawing.colour(first.confidence)
    assert drawing.colour(0.0) == drawing.LOW
    assert drawing.colour(1.0) == drawing.HIGH


def test_what_is_not_sure_is_marked() -> None:
    page = scaled(PAGE, 2)
    sure, marked = (np.asarray(drawing.annotate(photo(page), page, unsure)) for unsure in (0.3, 0.5))
    places = np.argwhere((sure != marked).any(axis=2))
    words = [word.box for line in page.lines for word in line.words]
    assert places[:, 1].min() >= words[1].left - 4
    assert places[:, 1].max() < words[1].right + 4
    assert (marked == drawing.LOW).all(axis=2).sum() > 500
    assert not (sure == drawing.LOW).all(axis=2).any()


def test_labels_of_the_lowest_line_have_room() -> None:
    """Below a photo that ends with its letters."""
    page = Page((Line((word("ab", 0, 0),)),), 22, 20)
    drawn = np.asarray(drawing.annotate(photo(page), page))
    assert len(drawn) >= drawing.SMALLEST + drawing.LABEL
    assert (drawn[drawing.SMALLEST + 2 :] < 200).any()
    assert (drawn[-1] == 255).all()


@pytest.mark.parametrize("page", [Page((), 1, 1), Page((), 300, 200)], ids=["1x1", "blank"])
def test_a_page_without_text_is_drawn_as_it_is(page: Page) -> None:
    drawn = drawing.annotate(photo(page), page)
    assert drawn.size[0] >= page.width
    assert len(set(np.asarray(drawn)[: page.height, : page.width].reshape(-1).tolist())) == 1


def test_the_drawn_picture_has_a_largest_size() -> None:
    page = Page((Line((Word((Character("i", Box(5, 5, 6, 8), 0.9, ()),)),)),), 4000, 3000)
    drawn = drawing.annotate(photo(page), page)
    assert drawn.width * drawn.height <= drawing.MOST_PIXELS * 1.01


@pytest.mark.parametrize(
    "picture", [np.eye(3, dtype=bool), np.arange(12, dtype=np.uint8).reshape(3, 4), photo(PAGE, (3,))],
    ids=["bool", "grey", "colour"],
)  # fmt: skip
def test_steps_become_png_files_in_a_folder(tmp_path: Path, picture: np.ndarray) -> None:
    drawing.steps_into(tmp_path / "new")("1-step", picture)
    (file,) = (tmp_path / "new").iterdir()
    assert file.name == "1-step.png"
    assert np.array_equal(np.asarray(Image.open(file)), picture * (255 if picture.dtype == bool else 1))
