"""Training a character model: stateful truncated backpropagation over parallel streams of one corpus."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqdl import ops
from seqdl.errors import InputError, UsageError
from seqdl.random import generator_state, restore_generator
from seqdl.tensor import Tensor
from seqdl.text.corpus import Corpus, read_corpus
from seqdl.text.model import CharModel
from seqdl.text.network import CELLS, CharNetwork
from seqdl.text.scoring import mean_surprisal
from seqdl.text.vocabulary import Vocabulary, vocabulary_from
from seqdl.training import session
from seqdl.training.loop import Progress, Report, Settings, Trainer

Array = np.ndarray
Watcher = Callable[[Report], None]
SAMPLE_LENGTH = 200
SAMPLE_SEED = 1


@dataclass(frozen=True)
class TextSettings:
    """The network and its diet. Each batch is `batch` streams of `window` symbols."""

    cell: str = "gru"
    hidden: int = 320
    layers: int = 1
    dropout: float = 0.0
    batch: int = 32
    window: int = 64
    vocabulary: str = "bytes"
    valid_fraction: float = 0.1
    seed: int = 1

    def __post_init__(self) -> None:
        faults = [
            (self.cell not in CELLS, f"--cell must be one of {', '.join(CELLS)}"),
            (self.vocabulary not in ("bytes", "characters"), "--vocabulary must be bytes or characters"),
            (min(self.hidden, self.layers, self.batch, self.window) < 1, "sizes must be at least 1"),
            (not 0 <= self.dropout < 1, "--dropout must be in [0, 1)"),
            (not 0 < self.valid_fraction < 1, "--valid-fraction must be between 0 and 1"),
        ]
        for fault, message in faults:
            if fault:
                raise UsageError(message)


class TextTask:
    """Batches of a corpus for the training loop. The corpus is cut into `batch` streams read side by side.

    The state of each stream is carried from window to window. Each pass begins at a random offset, so that
    the windows' edges move; state and position are part of the checkpoint.
    """

    def __init__(self, corpus: Corpus, settings: TextSettings, weights: Mapping[str, Array] | None = None) -> None:
        self.corpus, self.settings = corpus, settings
        self.batch = min(settings.batch, (len(corpus.train) - 1) // (settings.window + 1))
        if self.batch < 1:
            raise InputError(
                f"the corpus has {len(corpus.train)} symbols for training, too few for one window of "
                f"{settings.window}; give more text or a smaller --window"
            )
        if len(corpus.valid) < 2:
            raise InputError("fewer than two symbols are left for validation; give more text")
        self.generator = np.random.default_rng(settings.seed)
        self.network = CharNetwork(
            corpus.vocabulary.size,
            settings.cell,
            settings.hidden,
            settings.layers,
            settings.dropout,
            self.generator,
        )
        if weights is not None:
            self.network.load_state_dict(weights)
        self.starts = np.arange(self.batch) * (len(corpus.train) // self.batch)
        self.length = len(corpus.train) // self.batch
        self.about: dict[str, Any] = {}
        self._begin_pass()

    def _begin_pass(self) -> None:
        spare = self.length - self.settings.window - 1
        self.position = int(self.generator.integers(0, max(1, min(self.settings.window, spare))))
        self.carried = self.network.zero_state(self.batch)

    def steps_per_epoch(self) -> int:
        return max(1, (self.length - 1) // self.settings.window)

    def batch_loss(self) -> tuple[Tensor, int]:
        if self.position + self.settings.window + 1 > self.length:
            self._begin_pass()
        at = np.arange(self.position, self.position + self.settings.window + 1)[:, None] + self.starts
        symbols = self.corpus.train[at].astype(np.int64)
        self.position += self.settings.window
        logits, state = self.network(symbols[:-1], self.carried)
        self.carried = tuple(part.detach() for part in state)
        return ops.cross_entropy(logits, symbols[1:].reshape(-1)), symbols[1:].size

    def validate(self) -> float:
        return mean_surprisal(self.network, self.corpus.valid)

    def sample(self) -> str:
        pieces = CharModel(self.network, self.corpus.vocabulary).generate("", SAMPLE_LENGTH, seed=SAMPLE_SEED)
        return "".join(piece.text for piece in pieces)

    def state(self) -> dict[str, Array]:
        carried = {f"carried{i}": part.data for i, part in enumerate(self.carried)}
        return carried | {"position": np.array(self.position), "generator": generator_state(self.generator)}

    def restore(self, state: dict[str, Array]) -> None:
        self.position = int(state["position"])
        self.carried = tuple(Tensor(state[f"carried{i}"].copy()) for i in range(len(self.carried)))
        restore_generator(self.generator, state["generator"])

    def card(self) -> dict[str, Any]:
        return {
            "text": asdict(self.settings),
            "vocabulary": self.corpus.vocabulary.metadata(),
            "data": {"sha256": self.corpus.sha256, "bytes": self.corpus.bytes, "split": self.corpus.split},
            **self.about,
        }

    def save_model(self, path: Path, metrics: dict[str, Any]) -> None:
        if "validation_loss" in metrics:
            nats = metrics["validation_loss"]
            metrics = metrics | {
                "nats_per_symbol": nats,
                "bits_per_byte": self.corpus.bits_per_byte(nats),
                "split": "validation",
            }
        CharModel(self.network, self.corpus.vocabulary, {"training": self.card(), "metrics": metrics}).save(path)


@dataclass(frozen=True)
class Outcome:
    """How a training ended: done, interrupted or stopped early; where its files are; its best validation."""

    ended: str
    folder: Path
    nats: float  # a symbol
    bits_per_byte: float
    split: str  # in words


def train_text(
    paths: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    settings: Settings | None = None,
    text: TextSettings | None = None,
    *,
    init_from: str | os.PathLike[str] | None = None,
    watch: Watcher = lambda report: None,
    command: str = "",
) -> Outcome:
    """Train a new model on a corpus; files go to `folder`, the log to runs.sqlite beside it.

    init_from: a model whose weights to start from; network and vocabulary are then its own. UsageError if the
    folder holds a run already; InputError for a corpus that is empty or too short.
    """
    folder, settings, text = Path(folder), settings or Settings(), text or TextSettings()
    session.check_new(folder)
    vocabulary: Vocabulary | str = text.vocabulary
    weights = None
    if init_from is not None:
        start = CharModel.load(init_from)
        text = TextSettings(**{**asdict(text), **start.network.architecture, "vocabulary": start.vocabulary.kind})
        vocabulary, weights = start.vocabulary, start.network.state_dict()
    corpus = read_corpus(paths, vocabulary, text.valid_fraction)
    try:
        task = TextTask(corpus, text, weights)
    except InputError as error:  # which does not know the files
        raise InputError(f"{', '.join(map(str, paths))}: {error}") from error
    unknown = corpus.vocabulary.unknown_share(corpus.valid)
    if unknown:
        note = f"{unknown:.2%} of the characters to validate on are not in the vocabulary"
        watch(Report("note", Progress(), 0.0, note))
    task.about = {"paths": session.relative_to(folder, [os.fspath(path) for path in paths]), "command": command}
    config = asdict(text)
    trainer = session.begin(task, settings, folder, kind="text", config=config, command=command, watch=watch)
    return _run(trainer, task)


def resume_text(folder: str | os.PathLike[str], *, watch: Watcher = lambda report: None) -> Outcome:
    """Continue a run from its last checkpoint, to the same weights as if it had never stopped.

    ModelFileError if there is no checkpoint; InputError if the corpus is not the one it was trained on.
    """
    folder = Path(folder)
    snapshot, settings, card = session.load_last(folder, "text")
    text = TextSettings(**card["text"])
    if "-" in card["paths"]:
        raise InputError(f"{folder}: was trained on standard input, which is gone; resuming needs files")
    paths = session.seen_from(folder, card["paths"])
    corpus = read_corpus(paths, vocabulary_from(card["vocabulary"]), text.valid_fraction)
    if corpus.sha256 != card["data"]["sha256"]:
        raise InputError(f"{', '.join(paths)}: changed since the run began; resume needs the same corpus")
    task = TextTask(corpus, text)
    task.about = {key: card[key] for key in ("paths", "command")}
    return _run(session.begin_again(task, settings, folder, snapshot, watch), task)


def _run(trainer: Trainer, task: TextTask) -> Outcome:
    trainer.report(Report("note", trainer.progress, 0.0, f"{task.corpus.split}; {task.batch} streams"))
    with trainer.log:
        ended = trainer.run()
    best, corpus = trainer.progress.best, task.corpus
    return Outcome(ended, trainer.folder, best, corpus.bits_per_byte(best), corpus.split)
