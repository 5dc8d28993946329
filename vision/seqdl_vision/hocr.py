"""What was read as hOCR 1.2: XHTML whose elements say in their title where they are and how sure.

Pages are ocr_page, lines ocr_line, words ocrx_word, characters ocrx_cinfo. x_wconf and x_confs are 0-100. The
alternatives stand in a property of ours, x_alternatives, each followed by its x_conf, since programs that collect the
text between the tags would take the specification's <ins> and <del> for words. Nothing stands between the characters
of a word for the same reason. Specification: https://kba.github.io/hocr-spec/1.2/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from xml.sax.saxutils import escape

from seqdl_data.version import VERSION
from seqdl_vision.page.result import Box, Character, Line, Reading, Word

HEAD = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<title>seqdl ocr</title>
<meta http-equiv="Content-Type" content="text/html; charset=utf-8"/>
<meta name="ocr-system" content="seqdl {VERSION}"/>
<meta name="ocr-capabilities" content="ocr_page ocr_line ocrx_word ocrx_cinfo"/>
</head>
<body>
"""
TAIL = "</body>\n</html>\n"


def hocr(readings: Iterable[Reading]) -> Iterator[str]:
    """One document for all readings that have a page; it is whole after the last piece."""
    index = 0
    for index, reading in enumerate(readings, 1):
        yield (HEAD if index == 1 else "") + _page(reading, index)
    if index:
        yield TAIL


def _page(reading: Reading, index: int) -> str:
    page = reading.result()
    words = count(1)
    lines = (_line(line, f"{index}_{number}", words, index) for number, line in enumerate(page.lines, 1))
    image = _quoted(reading.picture)
    title = f"image {image}; {_bbox(Box(0, 0, page.width, page.height))}; ppageno {index - 1}"
    return f"<div {_attributes('ocr_page', f'page_{index}', title)}>\n{''.join(lines)}</div>\n"


def _line(line: Line, number: str, words: Iterator[int], page: int) -> str:
    inside = "\n".join(_word(word, f"{page}_{next(words)}") for word in line.words)
    return f"<span {_attributes('ocr_line', f'line_{number}', _bbox(line.box))}>{inside}</span>\n"


def _word(word: Word, number: str) -> str:
    title = f"{_bbox(word.box)}; x_wconf {100 * word.confidence:.2f}"
    inside = "".join(map(_character, word.characters))
    return f"<span {_attributes('ocrx_word', f'word_{number}', title)}>{inside}</span>"


def _character(character: Character) -> str:
    title = f"x_bboxes {_corners(character.box)}; x_confs {100 * character.confidence:.2f}"
    if character.alternatives:
        others = (f"{_quoted(text)} {100 * probability:.2f}" for text, probability in character.alternatives)
        title += f"; x_alternatives {' '.join(others)}"
    return f"<span {_attributes('ocrx_cinfo', '', title)}>{escape(character.text)}</span>"


def _attributes(kind: str, name: str, title: str) -> str:
    own = f' id="{name}"' if name else ""
    return f'class="{kind}"{own} title="{escape(title, {chr(34): "&quot;"})}"'


def _bbox(box: Box) -> str:
    return f"bbox {_corners(box)}"


def _corners(box: Box) -> str:
    return f"{box.left} {box.top} {box.right} {box.bottom}"


def _quoted(text: str) -> str:
    """A string of a property. What would end it, and the ; that parts properties, are written as in a URL.

    So are control characters and bytes that are not UTF-8, which XML cannot hold.
    """
    raw = (letter if letter.isprintable() and letter not in '";%' else _url(letter) for letter in text)
    return '"' + "".join(raw) + '"'


def _url(letter: str) -> str:
    return "".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogateescape"))
