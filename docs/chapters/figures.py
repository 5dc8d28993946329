"""The figures of the series "Hello Deep Learning" beside those that the chapters come to.

A chapter calls keep() with the name of a row; chapter 11 and bench/chapters.py make the table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """What is compared: the chapter, what it is, what the series says of it, and how its data differ from ours."""

    chapter: int
    name: str
    series: str
    difference: str = ""


EMNIST_DIGITS = "series: EMNIST digits (240,000 + 40,000); here: MNIST (60,000 + 10,000)"
EMNIST_LETTERS = "series: EMNIST letters (124,800 + 20,800), reached on 1 CPU; here: the letters that the chapter names"

FEW = "here: mean of 3 trainings on 2,000 pictures of MNIST, whole test set"
SAME_PHOTO = "the same picture, which was looked at while our reader was made; other letters to learn from"

ROWS = [
    Row(1, "3 or 7: difference of averages, cut at 0", "82.2%", EMNIST_DIGITS + " in EMNIST's box"),
    Row(1, "3 or 7: cut in the middle", "97.0%", EMNIST_DIGITS + " in EMNIST's box"),
    Row(2, "3 or 7: one layer, trained", "98.0%", EMNIST_DIGITS + "; the series stops when it passes 98"),
    Row(4, "digits, MLP", "92.2%", EMNIST_DIGITS),
    Row(5, "digits moved and spoiled, MLP", "about 50%", "moved by up to 2 pixels, 5 pixels inverted, in both"),
    Row(
        5,
        "the same, trained on moved and spoiled digits",
        "recovers",
        "the series shows its letter network, in a chart",
    ),
    Row(5, "letters, the series' CNN: seconds to 80%", "about an hour", EMNIST_LETTERS + "; series: with Adam"),
    Row(5, "letters, the series' CNN: seconds to 85%", "about a day", EMNIST_LETTERS + "; series: with plain SGD"),
    Row(5, "letters, the series' CNN, at the end", "85%, one of two above 95%", EMNIST_LETTERS),
    Row(7, "2,000 digits, MLP: no remedy", "not told", FEW),
    Row(7, "2,000 digits, MLP: dropout", "does not do a lot", FEW + "; series: its letter network"),
    Row(7, "2,000 digits, MLP: weight decay", "more robust, no figure", FEW + "; the series shows how weights shrink"),
    Row(7, "2,000 digits, MLP: augmentation", "recovers", FEW + "; the series shows its letter network, in a chart"),
    Row(7, "2,000 digits, MLP with augmentation: 4 bits for 32", "talked about", FEW),
    Row(
        8,
        "the series' photo",
        "an l and a t taken for a c (48 of 50 letters, by our count of its picture)",
        SAME_PHOTO + "; its author had fitted his writing to the training data",
    ),
    Row(8, "the series' dim photo", "not told", "a sample in its repository; the same"),
    Row(
        9, "text, tinyshakespeare, nats a character", "not told", "the series wrote in the style of its author's posts"
    ),
    Row(9, "splice sites, S. pombe, average precision", "promised, not written"),
    Row(10, "calibration error on other hands", "not told"),
]


def keep(name: str, value: str, seconds: float | None = None) -> None:
    """Note a figure, as it shall stand in the table, and the seconds of training it took; KeyError for no row."""
    names = [row.name for row in ROWS]
    if name not in names:
        raise KeyError(f"{name!r} is no row of figures.ROWS")
    RESULTS.mkdir(exist_ok=True)
    document = {"name": name, "value": value, "seconds": seconds}
    (RESULTS / f"{names.index(name):02}.json").write_text(json.dumps(document))


def kept(folder: Path = RESULTS) -> dict[str, dict[str, object]]:
    """What was noted, by name."""
    documents = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return {document["name"]: document for document in documents}


def table(folder: Path = RESULTS) -> str:
    """Markdown: the series beside us; "not run" where a chapter noted nothing."""
    found = kept(folder)
    lines = ["| chapter | what | the series | here | seconds | what differs |", "| --- | --- | --- | --- | --- | --- |"]
    for row in ROWS:
        ours = found.get(row.name, {"value": "not run", "seconds": None})
        seconds = "" if ours["seconds"] is None else f"{ours['seconds']:.0f}"
        lines.append(f"| {row.chapter} | {row.name} | {row.series} | {ours['value']} | {seconds} | {row.difference} |")
    return "\n".join(lines)
