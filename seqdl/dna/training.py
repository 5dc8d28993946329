"""Training a site model on a dataset of labelled sequences."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqdl import ops
from seqdl.dna.evaluation import Judgement, evaluate, judge_stretches, mean_loss, report
from seqdl.dna.examples import Examples, has_sites
from seqdl.dna.network import CELLS, SiteNetwork
from seqdl.dna.sitemodel import SiteKind, SiteModel
from seqdl.errors import InputError, UsageError
from seqdl.metrics import fit_platt
from seqdl.nn import evaluating
from seqdl.random import generator_state, restore_generator
from seqdl.tensor import Tensor
from seqdl.training import session
from seqdl.training.loop import Settings, Trainer
from seqdl.training.session import Watcher
from seqdl_data.dataset import provenance
from seqdl_data.files import write_bytes
from seqdl_data.implants import build_implants
from seqdl_data.plainjson import finite
from seqdl_data.sites import Stretch, read_stretches

Array = np.ndarray
KNOWN = {"donor": SiteKind("donor", "donor", lead=1), "acceptor": SiteKind("acceptor", "acceptor")}
DEFAULTS = Settings(epochs=12.0, lr=3e-3)
MOTIF_DEFAULTS = Settings(epochs=4.0, lr=3e-3)


@dataclass(frozen=True)
class SiteSettings:
    """The network and its diet. Each batch is `batch` pieces of `window` bases, `near_sites` of them with a site."""

    cell: str = "gru"
    hidden: int = 64
    layers: int = 2
    kmer: int = 5
    dropout: float = 0.3
    context: int = 100
    batch: int = 32
    window: int = 600
    near_sites: float = 0.3
    structure_weight: float = 0.3
    seed: int = 1

    def __post_init__(self) -> None:
        faults = [
            (self.cell not in CELLS, f"--cell must be one of {', '.join(CELLS)}"),
            (min(self.hidden, self.layers, self.batch, self.window) < 1, "sizes must be at least 1"),
            (self.kmer not in (1, 3, 5, 7), "--kmer must be 1, 3, 5 or 7"),
            (not 0 <= self.dropout < 1, "--dropout must be in [0, 1)"),
            (self.context < 0, "--context must be 0 or more"),
            (not 0 <= self.near_sites <= 1, "--near-sites must be in [0, 1]"),
            (not self.structure_weight >= 0, "--structure-weight must be 0 or more"),
        ]
        for fault, message in faults:
            if fault:
                raise UsageError(message)


MOTIF_SITES = SiteSettings(hidden=32, layers=1, window=200, batch=64)


class SiteTask:
    """Pieces of labelled sequences for the training loop; those shorter than a window have batches of their own.

    The loss is the cross-entropy of the sites, where anything is said of a base, plus `structure_weight` times that
    of what each base belongs to. Validation calibrates the model on the held-out sequences and gives the log-loss
    of its probabilities there: pieces near sites are drawn more often than they come, and calibration undoes that.
    """

    def __init__(self, train: Sequence[Stretch], valid: Sequence[Stretch], kinds: Sequence[SiteKind], s: SiteSettings):
        self.settings, self.valid = s, valid
        long = [stretch for stretch in train if len(stretch.codes) >= s.window]
        short = [stretch for stretch in train if len(stretch.codes) < s.window]
        self.pools = [Examples(pool, s.window) for pool in (long, short) if any(map(has_sites, pool))]
        if not self.pools:
            raise InputError("there is no site among the sequences to train on")
        self.generator = np.random.default_rng(s.seed)
        network = SiteNetwork(len(kinds) + 1, s.cell, s.hidden, s.layers, s.kmer, s.dropout, self.generator)
        self.model = SiteModel(network, tuple(kinds), s.context, ((1.0, 0.0),) * len(kinds))
        self.judged: list[Judgement] = []
        self.about: dict[str, Any] = {}

    @property
    def network(self) -> SiteNetwork:
        return self.model.network

    def steps_per_epoch(self) -> int:
        return max(1, sum(pool.bases // (self.settings.batch * pool.length) for pool in self.pools))

    def batch_loss(self) -> tuple[Tensor, int]:
        bases = np.cumsum([pool.bases for pool in self.pools])
        pool = self.pools[np.searchsorted(bases, self.generator.integers(bases[-1]), side="right")]
        batch = pool.draw(self.settings.batch, self.settings.near_sites, self.generator)
        hidden = self.network(batch.codes).reshape(batch.codes.size, -1)
        sites, targets = batch.sites.T.reshape(-1), batch.structure.T.reshape(-1)
        logits = self.network.site(hidden)
        # Where nothing is said of a whole batch there is no mean.
        loss = ops.cross_entropy(logits, sites) if (sites >= 0).any() else (logits * 0.0).sum()
        if self.settings.structure_weight and (targets >= 0).any():
            structure = ops.cross_entropy(self.network.structure(hidden), targets)
            loss = loss + structure * self.settings.structure_weight
        return loss, batch.codes.size

    def validate(self) -> float:
        with evaluating(self.network):
            self.judged = judge_stretches(self.model, self.valid)
        self.model.calibration = tuple(fit_platt(each.logits, each.truth) for each in self.judged)
        return mean_loss(self.model, self.judged)

    def sample(self) -> str:
        figures = evaluate(self.model, self.judged)
        return "; ".join(f"{each.name} average precision {each.average_precision:.3f}" for each in figures)

    def state(self) -> dict[str, Array]:
        return {"generator": generator_state(self.generator)}

    def restore(self, state: dict[str, Array]) -> None:
        restore_generator(self.generator, state["generator"])

    def card(self) -> dict[str, Any]:
        kinds = [asdict(kind) for kind in self.model.kinds]
        return {"sites": asdict(self.settings), "kinds": kinds, **self.about}

    def save_model(self, path: Path, metrics: dict[str, Any]) -> None:
        figures = evaluate(self.model, self.judged) if self.judged else []
        sites = {each.name: finite(asdict(each)) for each in figures}
        self.model.card = {"training": self.card(), "metrics": metrics | {"split": "validation", "sites": sites}}
        self.model.save(path)
        if figures:
            write_bytes(path.with_name("report.txt"), report(figures, "validation").encode())


@dataclass(frozen=True)
class SiteOutcome:
    """How a training ended: done, interrupted or stopped early; where its files are; its best validation loss."""

    ended: str
    folder: Path
    loss: float


def train_sites(
    dataset: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    settings: Settings = DEFAULTS,
    sites: SiteSettings | None = None,
    *,
    kinds: Sequence[SiteKind] = (),
    watch: Watcher = lambda report: None,
    command: str = "",
) -> SiteOutcome:
    """Train a new site model on a dataset of `seqdl data build`; files go to `folder`, the log beside it.

    kinds: what the dataset's classes are; by default donors and acceptors for those names, any base for others.
    UsageError if the folder holds a run already; InputError for a dataset of another kind or without sites.
    """
    folder, sites = Path(folder), sites or SiteSettings()
    session.check_new(folder)
    task = _task(dataset, sites, kinds)
    task.about |= {"paths": session.relative_to(folder, [os.fspath(dataset)]), "command": command}
    config = asdict(sites)
    trainer = session.begin(task, settings, folder, kind="sites", config=config, command=command, watch=watch)
    return _run(trainer)


def train_motif(
    positives: str | os.PathLike[str],
    background: str | os.PathLike[str] | None,
    folder: str | os.PathLike[str],
    settings: Settings = MOTIF_DEFAULTS,
    sites: SiteSettings = MOTIF_SITES,
    *,
    watch: Watcher = lambda report: None,
    command: str = "",
) -> SiteOutcome:
    """Train a model of sites of one's own, from FASTA files of examples and of a background (see build_implants).

    The dataset that is made of them goes to `folder` too. Errors as of train_sites and build_implants.
    """
    folder = Path(folder)
    session.check_new(folder)
    dataset = folder / "dataset.parquet"
    info, width = build_implants(dataset, positives, background, seed=sites.seed, command=command)
    kinds = [SiteKind(info.name, lead=width // 2, width=width)]
    return train_sites(dataset, folder, settings, sites, kinds=kinds, watch=watch, command=command)


def resume_sites(folder: str | os.PathLike[str], *, watch: Watcher = lambda report: None) -> SiteOutcome:
    """Continue a run from its last checkpoint, to the same weights as if it had never stopped.

    ModelFileError if there is no checkpoint; InputError if the dataset is not the one it was trained on.
    """
    folder = Path(folder)
    snapshot, settings, card = session.load_last(folder, "sites")
    (path,) = session.seen_from(folder, card["paths"])
    task = _task(path, SiteSettings(**card["sites"]), [SiteKind(**kind) for kind in card["kinds"]])
    if task.about["data"]["sha256"] != card["data"]["sha256"]:
        raise InputError(f"{path}: changed since the run began; resume needs the same dataset")
    task.about = {key: card[key] for key in ("data", "paths", "command")}
    return _run(session.begin_again(task, settings, folder, snapshot, watch))


def _task(dataset: str | os.PathLike[str], sites: SiteSettings, kinds: Sequence[SiteKind]) -> SiteTask:
    train, info = read_stretches(dataset, "train")
    valid, _ = read_stretches(dataset, "valid")
    if not any(map(has_sites, valid)):
        raise InputError(f"{os.fspath(dataset)}: no site in it to validate on; build it with a larger valid part")
    kinds = kinds or [KNOWN.get(name, SiteKind(name)) for name in info.classes[1:]]
    try:
        task = SiteTask(train, valid, kinds, sites)
    except InputError as error:  # which does not know the file
        raise InputError(f"{os.fspath(dataset)}: {error}") from error
    task.about = {"data": provenance(dataset, info)}
    return task


def _run(trainer: Trainer) -> SiteOutcome:
    with trainer.log:
        ended = trainer.run()
    return SiteOutcome(ended, trainer.folder, trainer.progress.best)
