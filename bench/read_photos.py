"""Photos and scans of handwriting: characters and word boundaries right, ours beside Tesseract's.

    python bench/read_photos.py [--write] [--model FILE] [--annotated FOLDER] [--changed]

Ours reads every picture with the same options, none of them set for a picture; of Tesseract's page segmentation modes
3, 6, 7, 11 and 13 the one that is best for each picture counts. --changed reads each picture turned, enlarged,
reduced, darkened, noisy and pressed as well, and gives the means.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

sys.path[:0] = [str(Path(__file__).parent), *(str(Path(__file__).parent.parent / p) for p in ("", "data", "vision"))]
from measure import DATA, ROOT, machine_line, table, write_between  # noqa: E402

from seqdl_data.pictures import open_picture  # noqa: E402
from seqdl_vision import Letters, Page, Score, annotate, read_page, score  # noqa: E402

PHOTOS = DATA.parent / "vision" / "real"
MODES = (3, 6, 7, 11, 13)
Array = np.ndarray


class Photo(NamedTuple):
    path: Path
    reference: str
    hard: bool


def photos() -> Iterator[Photo]:
    """The pictures of labels.tsv."""
    with open(PHOTOS / "labels.tsv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            reference = row["transcription"].replace("\\n", "\n")
            yield Photo(PHOTOS / row["file"], reference, row["notes"].startswith("hard"))


def tesseract(path: Path, reference: str) -> tuple[Score, int] | None:
    """The best score of its modes and that mode; None where Tesseract is not installed."""
    if not shutil.which("tesseract"):
        return None
    scores = []
    for mode in MODES:
        command = ["tesseract", str(path), "-", "--psm", str(mode)]
        text = subprocess.run(command, capture_output=True, check=False).stdout.decode(errors="replace")
        scores.append((score(reference, text), mode))
    return max(scores, key=lambda each: each[0].characters)


def turned(photo: Array, degrees: float) -> Array:
    picture = Image.fromarray(photo)
    corner = tuple(int(v) for v in np.median(photo.reshape(-1, photo.shape[-1]), axis=0))
    return np.asarray(picture.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=corner))


def resized(photo: Array, factor: float) -> Array:
    size = (max(1, round(photo.shape[1] * factor)), max(1, round(photo.shape[0] * factor)))
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BICUBIC))


def noisy(photo: Array) -> Array:
    noise = np.random.default_rng(5).normal(0, 12, photo.shape)
    return np.clip(photo + noise, 0, 255).astype(np.uint8)


def pressed(photo: Array) -> Array:
    file = BytesIO()
    Image.fromarray(photo).save(file, "JPEG", quality=40)
    return np.asarray(Image.open(file))


CHANGES: dict[str, Callable[[Array], Array]] = {
    "as it is": lambda photo: photo,
    "turned by 2 degrees": lambda photo: turned(photo, 2),
    "turned by -3 degrees": lambda photo: turned(photo, -3),
    "half the size": lambda photo: resized(photo, 0.5),
    "twice the size": lambda photo: resized(photo, 2),
    "darkened to half": lambda photo: photo // 2,
    "noise of 12 levels": noisy,
    "JPEG of quality 40": pressed,
}


def rgb(path: Path) -> Array:
    picture = open_picture(path).pixels
    return picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)


def cells(photo: Photo, ours: Score, theirs: tuple[Score, int] | None) -> list[str]:
    ends = f"{ours.found} of {ours.boundaries}, {ours.said} said"
    other = f"{theirs[0].characters:.2f} (psm {theirs[1]})" if theirs else "-"
    return [photo.path.name + (", hard" if photo.hard else ""), f"{ours.characters:.3f}", other, ends]


def summary(scores: list[Score], theirs: list[Score]) -> list[str]:
    found, wanted, said = (sum(getattr(s, name) for s in scores) for name in ("found", "boundaries", "said"))
    other = f"**{np.mean([s.characters for s in theirs]):.2f}**" if theirs else "-"
    mean = f"**{np.mean([s.characters for s in scores]):.3f}**"
    f1 = 2 * found / max(1, wanted + said)
    return ["mean of those not marked hard", mean, other, f"**{found / wanted:.0%}** of {wanted}, F1 {f1:.2f}"]


def compare(letters: Letters, annotated: Path | None) -> str:
    rows, ours, theirs = [], [], []
    for photo in sorted(photos(), key=lambda photo: photo.hard):
        pixels = rgb(photo.path)
        page = read_page(pixels, letters)
        mine, other = score(photo.reference, page.text), tesseract(photo.path, photo.reference)
        rows.append(cells(photo, mine, other))
        print(f"{photo.path.name}\n{page.text}", file=sys.stderr)
        if not photo.hard:
            ours.append(mine)
            theirs += [other[0]] if other else []
        if annotated:
            save_annotated(pixels, page, annotated / f"{photo.path.stem}.png")
    rows.insert(len(ours), summary(ours, theirs))
    return table(["picture", "characters right, seqdl", "Tesseract 5, its best mode", "word boundaries"], rows)


def save_annotated(pixels: Array, page: Page, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    annotate(pixels, page).save(path)


def changed(letters: Letters) -> str:
    """The means over the pictures not marked hard, each changed in one way."""
    rows = []
    for name, change in CHANGES.items():
        scores = [score(p.reference, read_page(change(rgb(p.path)), letters).text) for p in photos() if not p.hard]
        found, wanted = sum(s.found for s in scores), sum(s.boundaries for s in scores)
        rows.append([name, f"{np.mean([s.characters for s in scores]):.3f}", f"{found} of {wanted}"])
    return table(["pictures not marked hard", "characters right", "word boundaries found"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--model", help="a model file or a shipped model's name")
    parser.add_argument("--annotated", type=Path, metavar="FOLDER", help="save pictures with the characters drawn in")
    parser.add_argument("--changed", action="store_true", help="read changed pictures too")
    arguments = parser.parse_args()
    letters = Letters.load(arguments.model)
    content = compare(letters, arguments.annotated)
    if arguments.changed:
        content += f"\n\n{changed(letters)}"
    content += f"\n\n{machine_line()} Made by `bench/read_photos.py`."
    if arguments.write:
        for file in (ROOT / "bench" / "RESULTS.md", ROOT / "README.md"):
            write_between(file, "bench/read_photos.py", content)
    print(content)


if __name__ == "__main__":
    main()
