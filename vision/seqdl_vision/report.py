"""What a model makes of labelled pictures, as words and pictures: how often it is right, what it takes for what,
its worst mistakes, how far its probabilities are true.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqdl.errors import InputError
from seqdl_data.files import write_bytes
from seqdl_data.images import ImageSet, read_images
from seqdl_vision.charts import Curve, confusion_chart, reliability_chart
from seqdl_vision.evaluation import FLIPS, SHIFT, Figures, Judged, confusion, corrupted, figures, judge_logits
from seqdl_vision.letters import Letters
from seqdl_vision.mistakes import mistakes_sheet
from seqdl_vision.symbols import NO_CHARACTER, alphabetical, fits, only
from seqdl_vision.tiles import save_png

Array = np.ndarray
MOST_CONFUSIONS = 20


class Part(NamedTuple):
    """Labelled pictures: a dataset's name, which of its parts they are."""

    name: str
    split: str
    data: ImageSet


@dataclass(frozen=True)
class Examined:
    """What a model made of a part: what it said, how good that is, also of spoilt pictures if it was asked.

    rejected: share of the pictures that it holds for no character, more likely than not.
    """

    part: Part
    judged: Judged
    figures: Figures
    spoilt: Figures | None
    rejected: float


class Confusion(NamedTuple):
    """So many pictures of a class got a label that is not true of it."""

    truth: str
    guess: str
    times: int
    share: float  # of the pictures of the class


def read_part(
    path: str | os.PathLike[str],
    splits: Sequence[str] = ("test", "valid"),
    wanted: Callable[[str], bool] | None = None,
) -> Part | None:
    """The first of the parts of a dataset that holds characters, of wanted classes; None where none does."""
    for split in splits:
        data, info = read_images(path, split)
        data = data if wanted is None else only(data, wanted)
        if len(data.images):
            return Part(info.name, split, data)
    return None


def examine(letters: Letters, part: Part, *, merge_case: bool = False, spoil: bool = False) -> Examined:
    """Judge the pictures of a part, and with `spoil` once more after the series' corruption.

    InputError where the model has a label for none of the classes.
    """
    if not fits(part.data.classes, letters.labels).any():
        raise InputError(f"{part.name}: the model knows none of its classes, {', '.join(part.data.classes)}")

    def of(logits: Array) -> Judged:
        return judge_logits(logits, letters.labels, letters.temperature, part.data, merge_case)

    logits = letters.logits(part.data.images)
    spoilt = figures(of(letters.logits(corrupted(part.data.images)))) if spoil else None
    judged = of(logits)
    return Examined(part, judged, figures(judged), spoilt, _rejected(logits, letters))


def _rejected(logits: Array, letters: Letters) -> float:
    if NO_CHARACTER not in letters.labels:
        return 0.0
    scaled = logits / letters.temperature
    nothing = scaled[:, letters.labels.index(NO_CHARACTER)]
    return float((nothing > np.logaddexp.reduce(scaled, axis=1) - np.log(2)).mean())


def write_report(examined: Sequence[Examined], folder: str | os.PathLike[str]) -> None:
    """report.txt, confusion.png, mistakes.png and reliability.png, in this folder; OutputError if that fails."""
    folder = Path(folder)
    table = Table.of([each.judged for each in examined])
    text = report(examined) + "\n" + table.text()
    save_png(folder / "confusion.png", confusion_chart(table.counts, table.classes, table.labels, table.right))
    save_png(folder / "mistakes.png", mistakes_sheet(*(each.judged for each in examined)))
    curves = [Curve(each.part.name, each.figures.reliability, each.figures.calibration_error) for each in examined]
    save_png(folder / "reliability.png", reliability_chart(curves))
    write_bytes(folder / "report.txt", text.encode())


@dataclass(frozen=True)
class Table:
    """Confusions of several parts together: counts (C, K) of each class with each label; right (C, K) bool."""

    classes: tuple[str, ...]
    labels: tuple[str, ...]
    counts: Array
    right: Array

    @classmethod
    def of(cls, judged: Sequence[Judged]) -> Table:
        """Classes that no picture has are left out."""
        seen = {each.classes[c] for each in judged for c in np.unique(each.truth)}
        classes, labels = alphabetical(seen), alphabetical({label for each in judged for label in each.labels})
        counts = np.zeros((len(classes), len(labels)), np.int64)
        for each in judged:
            rows, columns = np.unique(each.truth), [labels.index(label) for label in each.labels]
            own = [classes.index(each.classes[c]) for c in rows]
            counts[np.ix_(own, columns)] += confusion(each)[rows]
        return cls(classes, labels, counts, fits(classes, labels))

    def worst(self, most: int = MOST_CONFUSIONS) -> list[Confusion]:
        """The most frequent confusions."""
        wrong = np.where(self.right, 0, self.counts)
        order = np.argsort(-wrong, axis=None, kind="stable")[:most]
        totals = self.counts.sum(axis=1)
        return [
            Confusion(self.classes[c], self.labels[k], int(wrong[c, k]), float(wrong[c, k] / totals[c]))
            for c, k in zip(*np.unravel_index(order, wrong.shape), strict=True)
            if wrong[c, k]
        ]

    def text(self) -> str:
        """The table in columns, the classes at the left."""
        width = max(4, len(str(self.counts.max(initial=0)))) + 1
        lines = ["what it is (rows), what it was taken for (columns)"]
        lines.append(" " * 4 + "".join(f"{label:>{width}}" for label in self.labels))
        for name, row in zip(self.classes, self.counts, strict=True):
            lines.append(f"{name:4}" + "".join(f"{count or '.':>{width}}" for count in row.tolist()))
        return "\n".join(lines) + "\n"


def report(examined: Sequence[Examined]) -> str:
    """The figures of each part, and the most frequent confusions of all together, as text."""
    lines: list[str] = []
    for each in examined:
        lines += [*_describe(each), ""]
    worst = Table.of([each.judged for each in examined]).worst()
    lines += ["most frequent confusions", "  is    taken for  times  share of the class"]
    lines += [f"  {c.truth:4}  {c.guess:9}  {c.times:>5}  {c.share:18.2%}" for c in worst]
    return "\n".join(lines if worst else [*lines[:-2], "no mistakes"]) + "\n"


def _describe(each: Examined) -> Iterator[str]:
    f, classes = each.figures, len(np.unique(each.judged.truth))
    yield f"{each.part.name}, {each.part.split} part: {f.count:,} pictures of {classes} classes"
    yield f"  accuracy           {f.accuracy:.4f}  (95% interval {f.interval[0]:.4f} - {f.interval[1]:.4f})"
    yield f"  top-2              {f.top2:.4f}  (95% interval {f.top2_interval[0]:.4f} - {f.top2_interval[1]:.4f})"
    yield f"  nats               {f.nats:.4f}"
    yield f"  calibration error  {f.calibration_error:.4f}  (10 bins)"
    if each.spoilt is not None:
        low, high = each.spoilt.interval
        how = f"moved by up to {SHIFT} pixels, {FLIPS} pixels inverted"
        yield f"  spoilt pictures    {each.spoilt.accuracy:.4f}  (95% interval {low:.4f} - {high:.4f}; {how})"
    yield f"  no character       {each.rejected:.4f}  (share that the model would reject)"
    yield "  probability     count  predicted  observed"
    for n, (total, predicted, observed) in enumerate(f.reliability):
        if total:
            yield f"  {n / 10:.1f} - {(n + 1) / 10:.1f}  {total:>9,}     {predicted:6.3f}    {observed:6.3f}"


def document(examined: Sequence[Examined]) -> dict[str, Any]:
    """The same for JSON."""
    parts = [
        {
            "dataset": each.part.name,
            "split": each.part.split,
            **asdict(each.figures),
            "reliability": [b._asdict() for b in each.figures.reliability],
            "spoilt": None
            if each.spoilt is None
            else {"accuracy": each.spoilt.accuracy, "interval": each.spoilt.interval},
            "rejected": each.rejected,
        }
        for each in examined
    ]
    worst = Table.of([each.judged for each in examined]).worst()
    return {"parts": parts, "confusions": [each._asdict() for each in worst]}
