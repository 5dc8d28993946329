"""Whole commands over photos: seconds and peak memory of `seqdl ocr`, and characters a second on full pages.

    python bench/page_speed.py [--quick] [--write]

A photo of 12 megapixels with the note of samples/pages.py, a page of 1,000 characters in the same hand, and, where
the data is there, the 12-megapixel photo of somebody else. From file to text on stdout, process start included; then
the page alone in a process that has read it before. Medians of three runs; the kernels' cache is warm.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import measure
import numpy as np
from measure import DATA, ROOT, Ledger, Options
from PIL import Image

sys.path[:0] = [str(ROOT / part) for part in ("data", "vision", "samples")]
from hand import Hand  # noqa: E402
from pages import Sheet, mixed  # noqa: E402

SEQDL = (sys.executable, "-m", "seqdl_cli.main", "ocr", "-q", "-o", "/dev/null", "--format", "tsv")
PHOTO = DATA.parent / "vision/real/breta_page01.jpg"
PANGRAMS = "the quick brown fox jumps over a lazy dog while five boxing wizards pack my box with liquor jugs"
CHARACTERS = 1000


def large_note(path: Path) -> int:
    """The sample note enlarged to 4,000 x 3,000 pixels; how many characters it holds."""
    note = Image.open(ROOT / "samples/note.jpg").resize((4000, 2250), Image.Resampling.BICUBIC)
    sheet = Image.new("RGB", (4000, 3000), note.getpixel((3900, 2200)))
    sheet.paste(note)
    sheet.save(path, quality=90)
    return characters((ROOT / "samples/note.txt").read_text())


def full_page(path: Path) -> int:
    """A page of 1,000 characters, lines of small writing on white; how many there are."""
    draw, sheet, hand = np.random.default_rng(4), Sheet(2400, 3200), Hand(46)
    words, left, number = PANGRAMS.split(), CHARACTERS, 0
    for row in range(31):
        line = ""
        while left and len(line) < 60:
            word = words[number % len(words)][:left]
            line, left, number = f"{line} {word}".strip(), left - len(word), number + 1
        sheet.write(line, 120, 160 + 96 * row, hand, 4.5, draw)
    paper = np.full((3200, 2400, 3), 245, np.float32)
    Image.fromarray(mixed(paper, sheet.ink(), (30, 30, 60)).astype(np.uint8)).save(path)
    return CHARACTERS


def characters(text: str) -> int:
    return sum(not c.isspace() for c in text)


def rows(options: Options, folder: Path) -> Iterator[list[str]]:
    note, page = folder / "note.jpg", folder / "page.png"
    cases = {"note, 12 megapixels": (note, large_note(note)), "page, 7.7 megapixels": (page, full_page(page))}
    if PHOTO.exists() and not options.quick:
        cases["photo by somebody else, 12 megapixels"] = (PHOTO, 35)
    for name, (path, count) in cases.items():
        for threads in options.threads:
            runs = [measure.run((*SEQDL, path, "-t", threads)) for _ in range(3)]
            seconds, peak = statistics.median(s for s, _ in runs), max(peak for _, peak in runs)
            inside = warm(path, threads)
            print(name, threads, f"{seconds:.2f} s", f"{peak / 1e6:.0f} MB", file=sys.stderr, flush=True)
            rate = f"{count / inside:,.0f}"
            yield [name, f"{count:,}", str(threads), f"{seconds:.2f}", f"{peak / 1e6:.0f}", f"{inside:.2f}", rate]


def warm(path: Path, threads: int) -> float:
    """Seconds from the file to a Page with model and kernels loaded."""
    from seqdl import parallel
    from seqdl_data.pictures import open_picture
    from seqdl_vision import Letters, read_page

    parallel.set_num_threads(threads)
    letters, times = Letters.load(), []
    for _ in range(4):
        began = time.perf_counter()
        read_page(open_picture(path).pixels, letters)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def bench(options: Options) -> None:
    ledger, folder = Ledger("page_speed"), Path(measure.SCRATCH.name)
    measure.run((*SEQDL, ROOT / "samples/note.jpg"))
    head = ["picture", "characters", "threads", "whole command, s", "peak MB", "within a process, s", "characters/s"]
    measure.publish(ledger, measure.table(head, rows(options, folder)), options)


if __name__ == "__main__":
    measure.main({}, bench, __doc__)
