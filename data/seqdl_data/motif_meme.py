"""MEME's motif files: minimal and full text (versions 3 to 5), the web page (4.10 and later) and the XML.

Read here rather than with Bio.motifs: its `minimal` parser rounds the probabilities to whole sites, wants one exact
layout, knows neither the page nor the alphabets of version 5, and tells neither line nor reason when it stops.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np

from seqdl_data.motif_record import BASES, MotifRecord, Source

ATTRIBUTE = re.compile(r"(\w+)\s*=\s*(\S+)")
ALPHABET = re.compile(r"ALPHABET\s*=\s*(\S+)")
MATRIX = "letter-probability matrix:"
DATA = re.compile(r"\bvar data\s*=\s*")
SLACK = 0.05  # printed probabilities add up to 1 within this


def is_meme_text(source: Source) -> bool:
    return any(line.startswith("MEME version") for line in source.lines[:200])


def read_meme_text(source: Source) -> list[MotifRecord]:
    """The motifs of a text; each must have a letter-probability matrix."""
    records: list[MotifRecord] = []
    background = None
    open_motif: tuple[int, str, str] | None = None  # line, id, alt: named, its matrix still to come
    lines = enumerate(source.lines)
    for index, line in lines:
        if line.startswith("ALPHABET"):
            _check_alphabet(source, index, _alphabet(line, lines))
        elif line.startswith("Background letter frequencies"):
            background = _background_lines(source, index)
        elif line.startswith("MOTIF"):
            _expect_no(open_motif, source)
            open_motif = (index, *_names(source, index))
        elif line.startswith(MATRIX):
            if open_motif is None:
                raise source.error(index, "a matrix before any line `MOTIF name`")
            records.append(_text_motif(source, index, open_motif[1:], background))
            open_motif = None
    _expect_no(open_motif, source)
    return records


def _expect_no(open_motif: tuple[int, str, str] | None, source: Source) -> None:
    if open_motif is not None:
        raise source.error(open_motif[0], f"motif {open_motif[1]} has no letter-probability matrix")


def _names(source: Source, index: int) -> tuple[str, str]:
    """Id and alternate name: `MOTIF id alt`; in a full output a `width = ...` follows."""
    words = re.split(r"\s+width\s*=", source.lines[index])[0].split()[1:]
    if not words:
        raise source.error(index, "MOTIF without a name")
    return words[0], words[1] if len(words) > 1 else ""


def _alphabet(line: str, lines: Iterator[tuple[int, str]]) -> str:
    """The letters: of `ALPHABET= ACGT`, or of the lines up to `END ALPHABET`, but for those that `=` explains."""
    if found := ALPHABET.match(line):
        return found.group(1)
    letters = ""
    for _, line in lines:
        if line.startswith("END ALPHABET"):
            break
        if line.strip() and "=" not in re.sub('"[^"]*"', "", line):
            letters += "".join(re.findall(r"(?:^|~)\s*(\S)", line))
    return "".join(sorted(set(letters)))


def _check_alphabet(source: Source, index: int | None, letters: str) -> None:
    if letters.upper().replace("U", "T") != BASES:
        protein = " (a protein motif)" if len(letters) >= 20 else ""
        raise source.error(index, f"the alphabet is {letters}{protein}; only ACGT and ACGU can be read")


def _background_lines(source: Source, index: int) -> np.ndarray:
    """Of the lines that follow `index`: pairs of letter and frequency, on one line or several."""
    words: list[str] = []
    for line in source.lines[index + 1 : index + 6]:
        words += line.split()
        if len(words) >= 8:
            break
    found = dict(zip((w.upper().replace("U", "T") for w in words[:8:2]), words[1:8:2], strict=False))
    if set(found) != set(BASES):
        raise source.error(index, "expected four letters A C G T with their frequencies on the next line")
    return _background(source, index, source.numbers(index + 1, [found[base] for base in BASES]))


def _background(source: Source, index: int | None, values: list[float]) -> np.ndarray:
    background = np.array(values, np.float64)
    if background.shape != (4,) or not (background > 0).all() or abs(background.sum() - 1) > SLACK:
        raise source.error(index, f"background frequencies {values}: expected four above 0 that add up to 1")
    return background / background.sum()


def _text_motif(source: Source, index: int, names: tuple[str, str], background: np.ndarray | None) -> MotifRecord:
    attributes = dict(ATTRIBUTE.findall(source.lines[index]))
    if attributes.get("alength", "4") != "4":
        letters = attributes["alength"]
        protein = " (a protein motif)" if letters == "20" else ""
        raise source.error(index, f"motif {names[0]}: alength= {letters}{protein}; only DNA and RNA can be read")
    places = list(_row_places(source, index))
    rows = [source.numbers(k, source.lines[k].split()) for k in places]
    matrix = source.matrix(names[0], rows, places or index)
    if (width := attributes.get("w")) not in (None, str(len(rows))):
        raise source.error(index, f"motif {names[0]}: w= {width}, but {len(rows)} rows follow")
    _check_sums(source, names[0], matrix, places)
    sites = source.numbers(index, [attributes.get("nsites", "0")])[0]
    return MotifRecord(*names, matrix, max(sites, 0.0), background)


def _row_places(source: Source, index: int) -> Iterator[int]:
    """The lines with numbers that follow line `index`, after blank ones."""
    k = index + 1
    while k < len(source.lines) and not source.lines[k].strip():
        k += 1
    while k < len(source.lines) and (words := source.lines[k].split()) and _is_number(words[0]):
        yield k
        k += 1


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _check_sums(source: Source, name: str, matrix: np.ndarray, places: list[int] | None = None) -> None:
    off = np.abs(matrix.sum(axis=1) - 1) > SLACK
    if off.any():
        k = int(off.argmax())
        total = matrix[k].sum()
        raise source.error(
            places[k] if places else None, f"motif {name}, position {k + 1}: probabilities add up to {total:.4g}, not 1"
        )


def read_markup(source: Source) -> list[MotifRecord]:
    """The motifs of MEME's web page, which holds them as JSON, or of its XML."""
    text = "\n".join(source.lines)
    try:
        if found := DATA.search(text):
            return _page_motifs(source, json.JSONDecoder().raw_decode(text, found.end())[0])
        root = ElementTree.fromstring(text.encode())
        if root.tag == "MEME":
            return _xml_motifs(source, root)
    except ElementTree.ParseError:
        pass  # a page without data, or markup of another kind
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise source.error(None, f"markup without the motifs that MEME writes ({error}); give MEME's text") from error
    raise source.error(None, "markup, but neither a web page nor the XML of MEME; give MEME's text")


def _page_motifs(source: Source, data: Any) -> list[MotifRecord]:
    alphabet = data["alphabet"]
    _check_alphabet(source, None, "".join(s["symbol"] for s in alphabet["symbols"][: alphabet["ncore"]]))
    frequencies = data.get("background", {}).get("freqs")
    background = None if frequencies is None else _background(source, None, frequencies)
    motifs = [(m["id"], m.get("alt") or "", m["pwm"], float(m.get("nsites", 0))) for m in data["motifs"]]
    return [_markup_motif(source, *motif, background) for motif in motifs]


def _xml_motifs(source: Source, root: ElementTree.Element) -> list[MotifRecord]:
    symbols = {letter.get("id"): letter.get("symbol", "") for letter in root.iterfind(".//alphabet/letter")}
    core = [letter.get("symbol", "") for letter in root.iterfind(".//alphabet/letter") if letter.get("equals") is None]
    _check_alphabet(source, None, "".join(sorted(core)))
    order = [identity for base in BASES for identity, symbol in symbols.items() if symbol.replace("U", "T") == base]

    def array(element: ElementTree.Element) -> list[float]:
        values = {value.get("letter_id"): float(value.text or "nan") for value in element.iterfind("value")}
        return [values[identity] for identity in order]

    frequencies = root.find(".//background_frequencies/alphabet_array")
    background = None if frequencies is None else _background(source, None, array(frequencies))
    return [
        _markup_motif(
            source,
            motif.get("name", "") or motif.get("id", ""),
            motif.get("alt", ""),
            [array(row) for row in motif.iterfind("probabilities/alphabet_matrix/alphabet_array")],
            float(motif.get("sites", 0)),
            background,
        )
        for motif in root.iterfind("motifs/motif")
    ]


def _markup_motif(
    source: Source, name: str, alt: str, rows: list[list[float]], sites: float, background: np.ndarray | None
) -> MotifRecord:
    if not rows:
        raise source.error(None, f"motif {name} has no columns")
    matrix = source.matrix(name, rows, [None] * len(rows))  # type: ignore[list-item]  # one long line or none: no place
    _check_sums(source, name, matrix)
    return MotifRecord(name, alt, matrix, sites, background)
