"""What `seqdl ocr` does with each page: write it, draw it, and say on stderr what there is to say."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from seqdl_cli.common import say, shown, write_output
from seqdl_cli.progress import PictureDisplay
from seqdl_data.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

    from seqdl_vision import Found, Letters, Reading, ReadOptions

Targets = Callable[[str, int], Path]  # the file for a page of a picture, given the picture's place
UNSURE = 0.5  # what is less sure is told and marked, where --min-confidence says nothing else


@dataclass
class Job:
    """Pictures to read with one model, and what became of them."""

    found: list[Found]
    letters: Letters
    options: ReadOptions
    max_pixels: int | None
    debug_dir: Path | None
    quiet: bool
    exit_code: int = 0  # of the first picture that could not be read

    @property
    def unsure(self) -> float:
        return self.options.min_confidence or UNSURE

    def write(self, form: str, output: str) -> None:
        """Everything in one of the formats that are text, each page as soon as it is read."""
        from seqdl_vision import TEXT_FORMATS, headed_text

        readings = self.readings()
        several = len(self.found) > 1
        if form == "text" and output == "-" and sys.stdout.isatty():
            self._print(readings, several)
            return
        written = headed_text(readings) if form == "text" and several else TEXT_FORMATS[form](readings)

        def pieces(write: Callable[[str], Any]) -> None:
            for piece in written:
                write(piece)

        write_output(output, pieces)

    def _print(self, readings: Iterable[Reading], headed: bool) -> None:
        """The text for a terminal: underlined, and red where colours are wanted, what is not sure."""
        from rich.console import Console
        from rich.text import Text

        from seqdl_vision import heading

        console = Console(highlight=False, soft_wrap=True)
        for reading in readings:
            text = Text(heading(reading, headed))
            for line in reading.result().lines:
                for number, word in enumerate(line.words):
                    text.append(" " if number else "")
                    for character in word.characters:
                        text.append(
                            shown(character.text), "red underline" if character.confidence < self.unsure else ""
                        )
                text.append("\n")
            console.print(text, end="")

    def draw(self, targets: Targets | None) -> None:
        """Each page as a picture in a file of its own; a single one to stdout where there are no targets."""
        from seqdl_vision import annotate, save_png

        waiting: list[Image] = []
        for reading in self.readings():
            assert reading.photo is not None
            picture = annotate(reading.photo, reading.result(), self.unsure)
            if targets is not None:
                save_png(targets(reading.place, reading.number), picture)
            elif waiting:
                raise UsageError("there are several pages: give -o FILE.png, and each gets a file")
            else:
                waiting.append(picture)
        for picture in waiting:
            picture.save(sys.stdout.buffer, format="PNG")

    def readings(self) -> Iterator[Reading]:
        """Those that have a page; what there is to say of each, and of those that have none, goes to stderr."""
        from seqdl_vision import read_pictures

        display = PictureDisplay(len(self.found), self.quiet)
        limits = {} if self.max_pixels is None else {"max_pixels": self.max_pixels}
        steps = None if self.debug_dir is None else self._steps
        read = False
        try:
            for reading in read_pictures(display.each(self.found), self.letters, self.options, debug=steps, **limits):
                display.clear()
                if reading.error is not None:
                    print(f"seqdl: error: {reading.error}", file=sys.stderr, flush=True)
                    self.exit_code = self.exit_code or reading.error.exit_code
                else:
                    read = True
                    self._tell(reading)
                    yield reading
        finally:
            display.clear()
        if not read:  # a file that would hold nothing is not made
            raise typer.Exit(self.exit_code)

    def _tell(self, reading: Reading) -> None:
        from seqdl_vision import changes, summary

        page = reading.result()
        notes = page.notes if page.lines or page.notes else ("nothing is written here",)
        for note in filter(None, (*notes, changes(page), summary(page, self.unsure))):
            say(f"{shown(reading.name)}: {note}", self.quiet)

    def _steps(self, found: Found, number: int) -> Callable[[str, Any], None]:
        """What writes the pictures of the steps of one page: into a folder for each where there are several."""
        from seqdl_vision import steps_into

        assert self.debug_dir is not None
        folder = self.debug_dir / found.place if len(self.found) > 1 else self.debug_dir
        return steps_into(folder / f"page-{number}" if number > 1 else folder)
