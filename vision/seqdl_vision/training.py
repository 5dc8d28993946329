"""Training a model that knows characters, on datasets of labelled pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqdl import nn, ops
from seqdl.errors import InputError, UsageError
from seqdl.metrics import fit_temperature, softmax
from seqdl.tensor import Tensor
from seqdl.training import session
from seqdl.training.loop import Settings, Trainer
from seqdl.training.session import Watcher
from seqdl_data.dataset import provenance
from seqdl_data.images import ImageSet, read_images
from seqdl_data.plainjson import finite
from seqdl_vision.augment import Augmentation
from seqdl_vision.evaluation import figures, judge_logits
from seqdl_vision.letters import Letters
from seqdl_vision.network import NETWORKS, pictures
from seqdl_vision.pool import Pool
from seqdl_vision.report import examine, read_part, write_report
from seqdl_vision.symbols import NO_CHARACTER, model_labels, only

Array = np.ndarray
DEFAULTS = Settings(epochs=20.0, lr=3e-3, weight_decay=0.05, validations=10)


@dataclass(frozen=True)
class LetterSettings:
    """The network and its diet; `width` and `depth` are for the residual network alone.

    augment: how strongly pictures are changed, 1 as Augmentation has it, 0 not at all. redrawn: share of the pictures
    with pen strokes that are drawn anew. junk: share of the pictures that are no character; with 0 the model has no
    label for that. only_digits: whatever else the datasets hold is left out.
    """

    network: str = "residual"
    width: int = 32
    depth: int = 1
    dropout: float = 0.3
    batch: int = 128
    label_smoothing: float = 0.05
    augment: float = 1.0
    redrawn: float = 0.8
    junk: float = 0.08
    only_digits: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        faults = [
            (self.network not in NETWORKS, f"--network must be one of {', '.join(NETWORKS)}"),
            (min(self.width, self.depth, self.batch) < 1, "sizes must be at least 1"),
            (not 0 <= self.dropout < 1, "--dropout must be in [0, 1)"),
            (not 0 <= self.label_smoothing < 1, "--label-smoothing must be in [0, 1)"),
            (not 0 <= self.augment <= 3, "--augment must be in [0, 3]"),
            (not 0 <= self.redrawn <= 1, "--redrawn must be in [0, 1]"),
            (not 0 <= self.junk < 1, "--junk must be in [0, 1)"),
        ]
        for fault, message in faults:
            if fault:
                raise UsageError(message)

    @property
    def architecture(self) -> dict[str, Any]:
        """What seqdl_vision.letters.build takes."""
        size = {"width": self.width, "depth": self.depth} if self.network == "residual" else {}
        return {"network": self.network, "dropout": self.dropout, **size}

    @property
    def augmentation(self) -> Augmentation | None:
        """The changes to pictures, of the strength asked for."""
        return Augmentation().scaled(self.augment) if self.augment else None


class LettersTask:
    """Pictures for the training loop.

    Where a picture may be several labels (its case is not known), the loss is that of the likelihood of their sum:
    its gradient is that of a cross-entropy with what the network makes of those labels now as the target.
    Validation fits the temperature on the held-out pictures and gives the mean loss of the probabilities there.
    """

    def __init__(self, train: Sequence[ImageSet], valid: Sequence[ImageSet], s: LetterSettings) -> None:
        self.settings, self.valid = s, valid
        labels = model_labels(name for data in train for name in data.classes)
        if s.junk:
            labels = (NO_CHARACTER, *labels)
        generator = np.random.default_rng(s.seed)
        self.letters = Letters.untrained(labels, generator=generator, **s.architecture)
        options = {"augmentation": s.augmentation, "redrawn": s.redrawn, "junk": s.junk}
        self.pool = Pool(train, labels, generator, **options)  # type: ignore[arg-type]
        self.about: dict[str, Any] = {}
        self.valid_names = [f"dataset {n}" for n in range(1, len(valid) + 1)]
        self.accuracy: list[float] = []

    @property
    def network(self) -> nn.Module:
        return self.letters.network

    def steps_per_epoch(self) -> int:
        return max(1, len(self.pool) // self.settings.batch)

    def batch_loss(self) -> tuple[Tensor, int]:
        batch = self.pool.draw(self.settings.batch)
        logits = self.network(pictures(batch.pictures))
        share = np.where(batch.right, softmax(logits.data) + 1e-9, 0)
        target = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)
        return ops.cross_entropy(logits, target, label_smoothing=self.settings.label_smoothing), len(target)

    def validate(self) -> float:
        logits = [self.letters.logits(data.images) for data in self.valid]
        raw = [judge_logits(l, self.letters.labels, 1.0, data) for l, data in zip(logits, self.valid, strict=True)]
        chances = np.concatenate([_all_labels(each.probabilities, each.labels, self.letters.labels) for each in raw])
        right = np.concatenate([_all_labels(each.right, each.labels, self.letters.labels) for each in raw])
        self.letters.temperature = fit_temperature(np.log(np.maximum(chances, 1e-30)), right)
        judged = [
            judge_logits(l, self.letters.labels, self.letters.temperature, data)
            for l, data in zip(logits, self.valid, strict=True)
        ]
        self.accuracy = [figures(each).accuracy for each in judged]
        sizes = [len(each.truth) for each in judged]
        return float(np.average([figures(each).nats for each in judged], weights=sizes))

    def sample(self) -> str:
        both = zip(self.valid_names, self.accuracy, strict=True)
        return "; ".join(f"{name} accuracy {share:.4f}" for name, share in both)

    def state(self) -> dict[str, Array]:
        return self.pool.state()

    def restore(self, state: dict[str, Array]) -> None:
        self.pool.restore(state)

    def card(self) -> dict[str, Any]:
        return {"characters": asdict(self.settings), **self.about}

    def save_model(self, path: Path, metrics: dict[str, Any]) -> None:
        both = zip(self.valid_names, self.accuracy, strict=False)  # none before the first validation
        valid = [{"data": name, "split": "valid", "accuracy": share} for name, share in both]
        self.letters.card = {"training": self.card(), "metrics": finite(metrics | {"validation": valid})}
        self.letters.save(path)


def _all_labels(columns: Array, names: Sequence[str], labels: Sequence[str]) -> Array:
    """Columns for `names` (N, k) in their places among all labels (N, K), zeros for the others."""
    out = np.zeros((len(columns), len(labels)), columns.dtype)
    out[:, [labels.index(name) for name in names]] = columns
    return out


@dataclass(frozen=True)
class LettersOutcome:
    """How a training ended: done, interrupted or stopped early; where its files are; its figures in a line."""

    ended: str
    folder: Path
    figures: str


def train_letters(
    datasets: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    settings: Settings = DEFAULTS,
    letters: LetterSettings | None = None,
    *,
    watch: Watcher = lambda report: None,
    command: str = "",
) -> LettersOutcome:
    """Train a new model on datasets of `seqdl data build`; files go to `folder`, the log beside it.

    A dataset that is named twice is seen twice as often. UsageError if the folder holds a run already; InputError for
    a dataset of another kind, or without pictures to train or validate on.
    """
    folder, letters = Path(folder), letters or LetterSettings()
    session.check_new(folder)
    task = _task(datasets, letters)
    task.about |= {"paths": session.relative_to(folder, [os.fspath(path) for path in datasets]), "command": command}
    config = asdict(letters)
    trainer = session.begin(task, settings, folder, kind="characters", config=config, command=command, watch=watch)
    return _run(trainer)


def resume_letters(folder: str | os.PathLike[str], *, watch: Watcher = lambda report: None) -> LettersOutcome:
    """Continue a run from its last checkpoint, to the same weights as if it had never stopped.

    ModelFileError if there is no checkpoint; InputError if the datasets are not those it was trained on.
    """
    folder = Path(folder)
    snapshot, settings, card = session.load_last(folder, "characters")
    paths = session.seen_from(folder, card["paths"])
    task = _task(paths, LetterSettings(**card["characters"]))
    for path, now, then in zip(paths, task.about["data"], card["data"], strict=True):
        if now["sha256"] != then["sha256"]:
            raise InputError(f"{path}: changed since the run began; resume needs the same dataset")
    task.about = {key: card[key] for key in ("data", "paths", "command")}
    return _run(session.begin_again(task, settings, folder, snapshot, watch))


def _task(datasets: Sequence[str | os.PathLike[str]], letters: LetterSettings) -> LettersTask:
    read = {os.fspath(path): (read_images(path, "train"), read_images(path, "valid")[0]) for path in datasets}
    if letters.only_digits:
        read = {path: ((only(t, str.isdigit), info), only(v, str.isdigit)) for path, ((t, info), v) in read.items()}
    train = [read[os.fspath(path)][0][0] for path in datasets]
    valid = [data for _, data in read.values() if len(data.images)]
    for path, data in zip(datasets, train, strict=True):
        if not len(data.images):
            raise InputError(f"{os.fspath(path)}: no pictures in its train part")
    if not valid:
        raise InputError(f"{os.fspath(datasets[0])}: no pictures to validate on; build with a valid part")
    task = LettersTask(train, valid, letters)
    task.about = {"data": [provenance(path, info) for path, ((_, info), _) in read.items()]}
    task.valid_names = [info.name for (_, info), data in read.values() if len(data.images)]
    return task


def _run(trainer: Trainer) -> LettersOutcome:
    with trainer.log:
        ended = trainer.run()
    if trainer.progress.validated == 0:
        return LettersOutcome(ended, trainer.folder, "not validated yet")
    if ended != "interrupted":
        _report(trainer.folder)
    validation = Letters.load(trainer.folder).card["metrics"]["validation"]
    shares = ", ".join(f"{each['accuracy']:.2%} of {each['data']}" for each in validation)
    return LettersOutcome(ended, trainer.folder, f"right on held-out pictures: {shares}")


def _report(folder: Path) -> None:
    """The best model's figures on the test parts of its datasets, in folder/report; each dataset once."""
    letters = Letters.load(folder)
    about = letters.card["training"]
    wanted = str.isdigit if about["characters"]["only_digits"] else None
    parts = [read_part(path, wanted=wanted) for path in dict.fromkeys(session.seen_from(folder, about["paths"]))]
    write_report([examine(letters, part, spoil=True) for part in parts if part is not None], folder / "report")
