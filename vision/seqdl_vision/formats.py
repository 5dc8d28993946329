"""What was read, as text, TSV or JSON, a page at a time.

Each format is a function of the readings that have a page; it yields text as they come, and nothing for none. hOCR
has a module of its own.

TSV has Tesseract's columns, and its numbers of levels: 1 a page, 4 a line, 5 a word. Below each word stand its
characters, level 6; three columns follow Tesseract's twelve: char_num, alternatives and picture. conf is 0-100, -1
where there is none. As there, nothing is quoted; page_num counts the pages of one picture.

JSON is a document a line, one for each page (schema seqdl.ocr/1). Boxes are [left, top, right, bottom] in pixels of
the upright photo, half-open; confidences and probabilities are 0-1. A word that a prior changed has "before", its
text without the prior.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from seqdl_vision.hocr import hocr
from seqdl_vision.page.result import Box, Character, Line, Page, Reading, Word

SCHEMA = "seqdl.ocr/1"
TESSERACT = "level page_num block_num par_num line_num word_num left top width height conf text"
COLUMNS = (*TESSERACT.split(), "char_num", "alternatives", "picture")
DIGITS = 4  # of a probability, after the point


def text(readings: Iterable[Reading]) -> Iterator[str]:
    """The lines of each page; below a line that names it where the picture has several."""
    for reading in readings:
        yield heading(reading, False) + reading.result().text


def headed_text(readings: Iterable[Reading]) -> Iterator[str]:
    """The lines of each page, below a line that names it."""
    for reading in readings:
        yield heading(reading, True) + reading.result().text


def heading(reading: Reading, headed: bool) -> str:
    """The line above the text of a page, where it needs one: of several pages, and if `headed`."""
    return f"=== {printable(reading.name)} ===\n" if headed or reading.pages > 1 else ""


def tsv(readings: Iterable[Reading]) -> Iterator[str]:
    """A row for each page, line, word and character."""
    for index, reading in enumerate(readings):
        if index == 0:
            yield "\t".join(COLUMNS) + "\n"
        picture = printable(reading.picture)
        rows = _rows(reading.result(), reading.number)
        yield "".join("\t".join((*map(str, row), picture)) + "\n" for row in rows)


def as_json(readings: Iterable[Reading]) -> Iterator[str]:
    """A document for each page."""
    for reading in readings:
        yield json.dumps(document(reading), ensure_ascii=False) + "\n"


TEXT_FORMATS: dict[str, Callable[[Iterable[Reading]], Iterator[str]]] = {
    "text": text,
    "tsv": tsv,
    "json": as_json,
    "hocr": hocr,
}


def document(reading: Reading) -> dict[str, Any]:
    """All that is known of a page that was read, as plain lists and dictionaries."""
    page = reading.result()
    return {
        "schema": SCHEMA,
        "picture": printable(reading.picture),
        "page": reading.number,
        "pages": reading.pages,
        "width": page.width,
        "height": page.height,
        "notes": list(page.notes),
        "text": page.text,
        "lines": [_line(line) for line in page.lines],
    }


def printable(name: str) -> str:
    """A path on one line of valid text: bytes that are not UTF-8 and control characters become U+FFFD."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)


def _line(line: Line) -> dict[str, Any]:
    return {"text": line.text, "box": corners(line.box), "words": [_word(word) for word in line.words]}


def _word(word: Word) -> dict[str, Any]:
    return {
        "text": word.text,
        **({} if word.before is None else {"before": word.before}),
        "box": corners(word.box),
        "confidence": round(word.confidence, DIGITS),
        "characters": [_character(character) for character in word.characters],
    }


def _character(character: Character) -> dict[str, Any]:
    return {
        "text": character.text,
        "box": corners(character.box),
        "confidence": round(character.confidence, DIGITS),
        "alternatives": [[text, round(probability, DIGITS)] for text, probability in character.alternatives],
    }


def corners(box: Box) -> list[int]:
    return [box.left, box.top, box.right, box.bottom]


def _rows(page: Page, number: int) -> Iterator[tuple[Any, ...]]:
    """The cells of each row, but for the picture."""
    yield (1, number, 0, 0, 0, 0, *_cells(Box(0, 0, page.width, page.height)), -1, "", 0, "")
    for l, line in enumerate(page.lines, 1):
        yield (4, number, 1, 1, l, 0, *_cells(line.box), -1, "", 0, "")
        for w, word in enumerate(line.words, 1):
            yield (5, number, 1, 1, l, w, *_cells(word.box), _percent(word.confidence), word.text, 0, "")
            for c, character in enumerate(word.characters, 1):
                others = " ".join(f"{text} {probability:.{DIGITS}f}" for text, probability in character.alternatives)
                sure = _percent(character.confidence)
                yield (6, number, 1, 1, l, w, *_cells(character.box), sure, character.text, c, others)


def _cells(box: Box) -> tuple[int, int, int, int]:
    return box.left, box.top, box.width, box.height


def _percent(confidence: float) -> str:
    return f"{100 * confidence:.2f}"
