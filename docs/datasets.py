"""The data that the chapters run on, in one folder: real ones where they are at hand, else our own.

Real: what `seqdl data build` makes of files that a user has (the folder --from, laid out as tests/conftest.py finds
it), or `seqdl data fetch` gets. Our own: characters that a program writes, a text that the shipped model writes, the
samples. A chapter reads the same names either way, and prints which it ran on. docs/build.py gathers them by itself;

    python docs/datasets.py [FOLDER]

does it for who opens a chapter in Jupyter: into docs/chapters/data, real ones from FOLDER; MNIST is fetched.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from seqdl_data.images import ImageSet

from seqdl_data.files import write_bytes

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
RECORD = "II"  # of S. pombe: the shipped model of sites has not seen it
OWN_EACH = 80  # characters of a class that a program writes
OWN_SOURCE = "written by a program (samples/hand.py): for a short run, or where no real data are at hand"

# What `seqdl data` is told, in the order of preference; FROM stands for the folder of real data.
COMMANDS = {
    "mnist.parquet": [("build", "mnist", "--from", "FROM/vision/mnist"), ("fetch", "mnist")],
    "letters.parquet": [
        ("build", "emnist-letters", "--from", "FROM/vision/emnist/gzip"),
        ("build", "recovered", "--from", "FROM/vision/emnist"),
    ],
    "hands.parquet": [
        ("build", "pen", "--fit", "--from", "FROM/vision/other-hands/unipen-letters.npz",
         "--source", "UNIPEN train_r01_v07, the letters of 194 writers; International Unipen Foundation",
         "--licence", "CC BY 4.0"),
    ],
}  # fmt: skip
PHOTOS = {"photo": "hellodl_cleaned.jpeg", "dim-photo": "hellodl_test1.jpg"}


def gather(folder: Path, real: Path | None) -> list[str]:
    """Fill `folder` with what is not there yet, from `real` where that is given; return a line for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(SAMPLES / "note.jpg", folder / "own-note.jpg")
    shutil.copy(SAMPLES / "note.txt", folder / "own-note.txt")
    said = [f"{real}: no such folder; real data only where they can be fetched"] if real and not real.is_dir() else []
    for name in COMMANDS:
        path = folder / name
        there = path.exists() and not (real and _source(path) == OWN_SOURCE)
        if not there and not (real and _made(path, real)):
            _write_characters(path)
        said.append(f"{name}: {_source(path)}")
    for take in (_text, _photos, _genome):
        said += take(folder, real)
    return said


def _made(path: Path, real: Path) -> bool:
    """Whether `seqdl data` could make it, in one of the ways."""
    for way in COMMANDS[path.name]:
        words = [word.replace("FROM", str(real)) for word in way]
        there = way[0] == "fetch" or Path(words[words.index("--from") + 1]).exists()
        command = [sys.executable, "-m", "seqdl_cli.main", "data", *words, "-o", str(path)]
        if way[0] == "fetch":
            command += ["--folder", str(path.parent / "downloads"), "--timeout", "10"]
        if there and subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0:
            return True
    return False


def _source(path: Path) -> str:
    from seqdl_data.dataset import read_info

    return read_info(path).source


def _text(folder: Path, real: Path | None) -> Iterable[str]:
    path, found = folder / "shakespeare.txt", real and real / "text/tinyshakespeare/input.txt"
    if found and found.exists():
        shutil.copy(found, path)
        return ["shakespeare.txt: tinyshakespeare"]
    own = folder / "own-text.txt"
    if not own.exists():
        from seqdl.text import CharModel

        text = "".join(piece.text for piece in CharModel.load().generate(length=20_000, seed=1))
        write_bytes(own, text.encode())
    shutil.copy(own, path)
    return ["shakespeare.txt: 20,000 characters that the shipped model wrote"]


def _photos(folder: Path, real: Path | None) -> Iterable[str]:
    labels = real and real / "vision/real/labels.tsv"
    if labels and labels.exists():
        rows = (line.split("\t") for line in labels.read_text().splitlines())
        texts = {row[0]: row[3].replace("\\n", "\n") for row in rows}
        for name, file in PHOTOS.items():
            shutil.copy(labels.parent / file, folder / f"{name}.jpg")
            (folder / f"{name}.txt").write_text(texts[file] + "\n")
        return ["photo.jpg, dim-photo.jpg: the series' own"]
    for name in PHOTOS:
        shutil.copy(SAMPLES / "note.jpg", folder / f"{name}.jpg")
        shutil.copy(SAMPLES / "note.txt", folder / f"{name}.txt")
    return ["photo.jpg, dim-photo.jpg: samples/note.jpg"]


def _genome(folder: Path, real: Path | None) -> Iterable[str]:
    found = real and real / "dna/genomes/spombe"
    if found and found.is_dir():
        with gzip.open(found / "spombe_I_II.fa.gz", "rt") as lines, open(folder / "genome.fa", "w") as record:
            inside = False
            for line in lines:
                inside = line.split()[0] == f">{RECORD}" if line.startswith(">") else inside
                record.write(line * inside)
        with gzip.open(found / "spombe_I_II.introns.bed.gz", "rt") as lines:
            (folder / "introns.bed").write_text("".join(line for line in lines if line.split("\t")[0] == RECORD))
        return [f"genome.fa, introns.bed: chromosome {RECORD} of S. pombe"]
    shutil.copy(SAMPLES / "genes.fa", folder / "genome.fa")
    shutil.copy(SAMPLES / "introns.bed", folder / "introns.bed")
    return ["genome.fa, introns.bed: samples/genes.fa"]


def _write_characters(path: Path) -> None:
    """The dataset of this name, of characters that a program writes: its strokes, drawn with many pens."""
    from seqdl_data.images import Part, counts_of, write_images
    from seqdl_data.official import DIGITS, LETTERS

    classes = DIGITS if path.name == "mnist.parquet" else LETTERS
    seeds = {"train": OWN_EACH, "valid": OWN_EACH // 8, "test": OWN_EACH // 8}
    sets = {split: _own_set(classes, each, seed=(len(path.name), n)) for n, (split, each) in enumerate(seeds.items())}
    parts = {split: Part(counts_of(images), [images]) for split, images in sets.items()}
    write_images(path, parts, classes, source=OWN_SOURCE, licence="MIT", command="docs/build.py")


def _own_set(classes: Sequence[str], each: int, seed: Sequence[int]) -> ImageSet:
    """So many characters of each class, in a mixed order, each by a writer of its own."""
    sys.path.insert(0, str(SAMPLES))
    from hand import Hand, strokes

    from seqdl_data.images import ImageSet
    from seqdl_data.strokes import Strokes
    from seqdl_vision.augment import redraw

    draw = np.random.default_rng(seed)
    labels = draw.permutation(np.repeat(np.arange(len(classes)), each))
    parts = []
    for label in labels:
        signs = classes[label]
        hand = Hand(60, slant=draw.normal(0.08, 0.1), shake=0.03)
        lines = [line.astype(np.float32) for line in strokes(signs[draw.integers(len(signs))], hand, draw)]
        stroke_ptr = np.cumsum([0, *map(len, lines)])
        parts.append(Strokes(np.concatenate(lines), stroke_ptr, np.array([0, len(lines)])))
    way = Strokes.joined(parts)
    images = np.rint(255 * redraw(way, np.arange(len(labels)), 28, draw)).astype(np.uint8)
    writers = np.array([f"program {n}" for n in range(len(labels))], object)
    return ImageSet(images, labels, tuple(classes), writers, way)


if __name__ == "__main__":
    print(*gather(Path(__file__).parent / "chapters" / "data", Path((sys.argv[1:] or ["."])[0])), sep="\n")
