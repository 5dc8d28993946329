"""How well characters are known: MNIST, EMNIST letters cut back out of words, hands that no training saw.

    python bench/characters.py [--folder DIR] [--minutes 4.5] [--model NAME=FILE]... [--write]

Digits: the series' letter network with ten labels and its digit network, trained here on MNIST's first 55,000 images
for so many minutes, our network for twice as long, the digit network for a quarter, once on the images as they are and
once on changed ones; the shipped models as they are. Letters: the shipped models; both cases of a letter count as one.
"corrupted": moved by up to 2 pixels each way, 5 pixels of each inverted, as in chapter 5 of "Hello Deep Learning".
Intervals are Wilson's at 95%.
--folder keeps datasets and runs for another time; --minutes 0 trains nothing and keeps those rows as they stand.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path[:0] = [
    str(Path(__file__).parent),
    *(str(Path(__file__).parent.parent / part) for part in ("", "data", "vision", "cli")),
]
from measure import DATA, ROOT, environment, machine_line, table, write_between  # noqa: E402

from seqdl_data.images import ImageSet, read_images  # noqa: E402
from seqdl_vision.evaluation import corrupted, figures, judge  # noqa: E402
from seqdl_vision.letters import Letters  # noqa: E402
from seqdl_vision.symbols import only  # noqa: E402

NAME = "bench/characters.py"
VISION = DATA.parent / "vision"
HANDS = VISION / "other-hands"
BUILD = {
    "mnist": ("mnist", "--from", VISION / "mnist"),
    "mnist-fitted": ("mnist", "--from", VISION / "mnist", "--fit"),
    "recovered": ("recovered", "--from", VISION / "emnist"),
    "unipen": ("pen", "--from", HANDS / "unipen-letters.npz"),
    "unipen-fitted": ("pen", "--from", HANDS / "unipen-letters.npz", "--fit"),
    "chars74k": ("npz", "--from", HANDS / "chars74k-writers-00-27.npz", "--split", "test"),
    "digits-hands": ("npz", "--from", HANDS / "digits-unipen-bhmsds.npz"),
}
TRAIN = {  # share of --minutes, options
    "series' letter network": (1, ("--network", "hello-dl", "--augment", "0.6")),
    "series' digit network, images as they are": (0.25, ("--network", "mlp", "--augment", "0", "--dropout", "0")),
    "series' digit network, changed images": (0.25, ("--network", "mlp", "--augment", "0.8", "--dropout", "0")),
    "residual network": (2, ("--width", "24", "--augment", "0.6", "--label-smoothing", "0.03")),
}
LETTERS = {
    "recovered": "EMNIST letters recovered from words, held-out part",
    "unipen-fitted": "UNIPEN, writers set aside, fitted to EMNIST's box",
    "unipen": "UNIPEN, writers set aside, as they are",
    "chars74k": "Chars74K, 28 writers, letters",
}
DIGITS = {
    "mnist-fitted": "MNIST test, fitted to EMNIST's box",
    "mnist": "MNIST test, as it is",
    "digits-hands": "UNIPEN and BHMSDS digits, writers set aside",
    "chars74k": "Chars74K, 28 writers, digits",
}
HEAD = ("pictures", "count", "model", "right, %", "one of two, %", "corrupted, %", "calibration error")


def seqdl(*arguments: object) -> None:
    """`seqdl ARGUMENTS` in a process of its own, the OpenBLAS of a user's machine."""
    subprocess.run([sys.executable, "-m", "seqdl_cli.main", *map(str, arguments)], check=True, env=environment())


def dataset(folder: Path, name: str) -> Path:
    path = folder / f"{name}.parquet"
    if not path.exists():
        seqdl("data", "build", *BUILD[name], "-o", path)
    return path


def percent(share: float, interval: tuple[float, float]) -> str:
    return f"{100 * share:.2f} ({100 * interval[0]:.2f} to {100 * interval[1]:.2f})"


def row(name: str, data: ImageSet, model: str, letters: Letters) -> list[str]:
    clean = figures(judge(letters, data, merge_case=True))
    spoilt = figures(judge(letters, data, merge_case=True, images=corrupted(data.images)))
    shares = [percent(clean.accuracy, clean.interval), percent(clean.top2, clean.top2_interval)]
    return [name, f"{clean.count:,}", model, *shares, f"{100 * spoilt.accuracy:.2f}", f"{clean.calibration_error:.4f}"]


def trained(folder: Path, minutes: float) -> Iterator[list[str]]:
    """The series' networks and ours, trained on MNIST as it is."""
    data = read_images(dataset(folder, "mnist"), "test")[0]
    for name, (share, options) in TRAIN.items():
        run = folder / name.replace(" ", "-")
        if not run.exists():
            limits = ("--minutes", share * minutes, "--junk", "0", "-q", "-o", run)
            seqdl("train", "digits", dataset(folder, "mnist"), *options, *limits)
        letters = Letters.load(run)
        yield row(DIGITS["mnist"], data, f"{name}, {letters.card['metrics']['seconds']:.0f} s", letters)


def shipped(folder: Path, models: dict[str, Letters]) -> Iterator[list[str]]:
    """The shipped models on what they have not seen."""
    for pictures, title in DIGITS.items():
        data = only(read_images(dataset(folder, pictures), "test")[0], str.isdigit)
        yield from (row(title, data, name, models[name]) for name in ("digits", "alphanumeric"))
    for pictures, title in LETTERS.items():
        data = only(read_images(dataset(folder, pictures), "test")[0], str.isalpha)
        yield from (row(title, data, name, models[name]) for name in ("letters", "alphanumeric"))
        if pictures == "unipen":
            sure = data.select(~in_doubt(data))
            yield from (
                row(f"{title}, no label in doubt", sure, name, models[name]) for name in ("letters", "alphanumeric")
            )


def in_doubt(data: ImageSet) -> np.ndarray:
    """(N,) bool: the UNIPEN letters that no neighbour agrees with, as their archive says."""
    with np.load(BUILD["unipen"][-1]) as archive:
        pairs = zip(archive["images"], archive["knn_agree"], strict=True)
        doubtful = {image.tobytes() for image, agree in pairs if agree == 0}
    return np.array([image.tobytes() in doubtful for image in data.images])


def with_standing(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The rows just measured, behind those of bench/RESULTS.md that were not measured anew."""
    text = (ROOT / "bench" / "RESULTS.md").read_text()
    part = text.split(f"<!-- {NAME} -->")[-1].split("<!-- /")[0] if f"<!-- {NAME} -->" in text else ""
    lines = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("| ")][2:]
    named = {(line[0], line[2].rpartition(", ")[0]): [*line] for line in lines if line[2].endswith(" s")}
    return [*(line for key, line in named.items() if key not in _keys(rows)), *map(list, rows)]


def _keys(rows: Sequence[Sequence[str]]) -> set[tuple[str, str]]:
    return {(row[0], row[2].rpartition(", ")[0]) for row in rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where datasets and runs stay")
    parser.add_argument("--minutes", type=float, default=4.5)
    parser.add_argument("--model", action="append", default=[], help="NAME=FILE in place of a shipped model")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    others = dict(text.split("=", 1) for text in arguments.model)
    models = {name: Letters.load(others.get(name, name)) for name in ("letters", "digits", "alphanumeric")}
    with tempfile.TemporaryDirectory() as name:
        folder = arguments.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        here = list(trained(folder, arguments.minutes)) if arguments.minutes else []
        ours = list(shipped(folder, models))
    made_by = f"Machine: {machine_line()}. Made by `{NAME}`."
    content = f"{table(HEAD, with_standing([*here, *ours]))}\n\n{made_by}"
    print(content)
    if arguments.write:
        write_between(ROOT / "bench" / "RESULTS.md", NAME, content)
        write_between(ROOT / "README.md", NAME, f"{table(HEAD, ours)}\n\n{made_by}")


if __name__ == "__main__":
    main()
