"""`seqdl ocr`: read handwriting from photos."""

from __future__ import annotations

import os
import string
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seqdl_cli.common import Json, Quiet, Threads, start
from seqdl_cli.ocr_job import Job, Targets
from seqdl_data.errors import UsageError

if TYPE_CHECKING:
    from seqdl_vision import Found


FORMATS = ("text", "tsv", "json", "hocr", "png")
ENDINGS = {
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "json",
    ".hocr": "hocr",
    ".html": "hocr",
    ".xhtml": "hocr",
    ".png": "png",
}
KINDS = {  # what may be read; the names are those of the shipped models
    "letters": string.ascii_letters,
    "digits": string.digits,
    "alphanumeric": string.ascii_letters + string.digits,
}
LAYOUTS = (3, 6, 7, 8, 10)


def ocr(
    pictures: Annotated[
        list[str],
        typer.Argument(
            metavar="PHOTO",
            help="Photos or scans, each of one or several pages; folders, for all pictures in and below them; "
            "- is stdin.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the result goes; - is stdout. With --format png and several pictures, or a folder of them: "
            "the folder for the results.",
        ),
    ] = "-",
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            show_default="by the ending of -o, else text",
            help="text; tsv (Tesseract's columns, characters as level 6); json (a document a line for each page); "
            "hocr; or png (the picture with a box around each character, below it the letter and its confidence).",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            show_default="the shipped one for what is read",
            help="Model of characters: a file, a run's folder, or a shipped one: alphanumeric, letters, digits.",
        ),
    ] = None,
    letters: Annotated[bool, typer.Option("--letters", help="Read letters only. Default: off.")] = False,
    digits: Annotated[bool, typer.Option("--digits", help="Read digits only. Default: off.")] = False,
    alphanumeric: Annotated[bool, typer.Option("--alphanumeric", help="Read letters and digits. Default: on.")] = False,
    psm: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="What the picture shows, by Tesseract's numbers: 3 a page, find out; 6 one block of text; 7 one "
            "line; 8 one word; 10 one character.",
        ),
    ] = 3,
    min_confidence: Annotated[
        float,
        typer.Option(
            metavar="P", help="Write the sign of --unknown for characters less sure than this, 0-1; 0 is off."
        ),
    ] = 0.0,
    unknown: Annotated[
        str, typer.Option(metavar="SIGN", help="What stands for a character below --min-confidence; any text.")
    ] = "?",
    lm: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            show_default="off",
            help="Let a text model of `seqdl train text` weigh the alternatives: a file, a run's folder, or the "
            "shipped one: shakespeare. What it changes is told on stderr, with both readings.",
        ),
    ] = None,
    debug_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", show_default="off", help="Write a picture of each step into this folder."),
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, show_default="120,000,000", help="Refuse larger pictures; 1 or more."),
    ] = None,
    as_json: Json = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Read handwriting, printed rather than joined, from photos and scans.

    Each character comes with its box, a calibrated confidence and its alternatives, in every format but text. Several
    pictures share one model; their results come in order. A picture that cannot be read is reported on stderr while
    the others are read, and the exit code is 3. A picture without writing gives empty text.

    Example: seqdl ocr note.jpg

    Example: seqdl ocr scans/ -o scans.tsv --min-confidence 0.6

    Example: seqdl ocr form.png --digits -o read.png
    """
    kind = _kind(letters, digits, alphanumeric)
    form = _format(form, as_json, output)
    _check(pictures, psm, min_confidence, unknown)
    if form == "png" and output == "-" and sys.stdout.isatty():
        raise UsageError("a terminal shows no picture: give -o FILE.png")
    start(threads, quiet)
    from seqdl.text import CharModel
    from seqdl_vision import Letters, ReadOptions, find_pictures

    found = find_pictures(pictures)
    targets = _targets(output, pictures, found) if form == "png" and output != "-" else None
    _refuse_to_overwrite([output] if targets is None else [targets(each.place, 1) for each in found], found)
    prior = None if lm is None else CharModel.load(lm)
    options = ReadOptions(psm=psm, min_confidence=min_confidence, unknown=unknown, symbols=KINDS[kind], lm=prior)
    job = Job(found, Letters.load(model or kind), options, max_pixels, debug_dir, quiet)
    if form == "png":
        job.draw(targets)
    else:
        job.write(form, output)
    if job.exit_code:
        raise typer.Exit(job.exit_code)


def _kind(letters: bool, digits: bool, alphanumeric: bool) -> str:
    """What to read, which is also the name of the model for it."""
    given = [name for name, on in zip(KINDS, (letters, digits, alphanumeric), strict=True) if on]
    if len(given) > 1:
        raise UsageError(f"--{' and --'.join(given)} exclude each other: give one")
    return given[0] if given else "alphanumeric"


def _format(form: str | None, as_json: bool, output: str) -> str:
    if form is not None and form not in FORMATS:
        raise UsageError(f"--format must be one of {', '.join(FORMATS)}, got {form!r}")
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} exclude each other: give one")
    return "json" if as_json else form or ENDINGS.get(Path(output).suffix.lower(), "text")


def _check(pictures: list[str], psm: int, min_confidence: float, unknown: str) -> None:
    if pictures.count("-") > 1:
        raise UsageError("standard input can be read only once: give - once")
    if psm not in LAYOUTS:
        raise UsageError(f"--psm must be one of {', '.join(map(str, LAYOUTS))}, got {psm}")
    if not 0 <= min_confidence <= 1:
        raise UsageError(f"--min-confidence must be between 0 and 1, got {min_confidence}")
    if not unknown.isprintable():
        raise UsageError(f"--unknown must be printable, got {unknown!r}")


def _targets(output: str, pictures: list[str], found: list[Found]) -> Targets:
    """The file for a page of a picture, given its place: in the folder -o where there are several pictures."""
    folder = len(found) > 1 or os.path.isdir(output) or any(map(os.path.isdir, pictures))

    def target(place: str, number: int) -> Path:
        path = Path(output, f"{place}.png") if folder else Path(output)
        return path if number == 1 else path.with_name(f"{path.stem}-{number}.png")

    return target


def _refuse_to_overwrite(outputs: Iterable[str | Path], found: list[Found]) -> None:
    inputs = {os.path.realpath(each.path) for each in found if each.path != "-"}
    for output in outputs:
        if os.path.realpath(output) in inputs and str(output) != "-":
            raise UsageError(f"{output}: is read by this command; choose another file to write")
