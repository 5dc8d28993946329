"""Stopping and going on: a resumed run is the uninterrupted one, bit for bit; divergence, budgets, early stops."""

from __future__ import annotations

import math
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from seqdl.errors import UsageError
from seqdl.tensor import Tensor
from seqdl.text import CharModel, TextSettings, resume_text, train_text
from seqdl.text.corpus import read_corpus
from seqdl.text.training import TextTask
from seqdl.training import checkpoint
from seqdl.training.loop import GIVE_UP_AFTER, DivergedError, Report, Settings, Trainer
from seqdl.training.run import Run
from seqdl.training.runlog import RunLog
from seqdl.training.runs import load_run
from seqdl_cli.main import app

TEXT = b"".join(b"%d foxes saw %d dogs and %d cats.\n" % (n, n * 7 % 13, n * 5 % 11) for n in range(200))
SMALL = TextSettings(hidden=12, batch=4, window=32)  # 46 steps an epoch
QUICK = Settings(epochs=1, validations=4)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text"
    path.write_bytes(TEXT)
    return path


class StopAt:
    """A watcher that presses Ctrl-C after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, report: Report) -> None:
        if report.kind == "step" and report.progress.step == self.step:
            signal.raise_signal(signal.SIGINT)


def state(folder: Path) -> dict[str, bytes]:
    """All of the last checkpoint but the time it took."""
    arrays, _ = checkpoint.load(folder / "last.safetensors")
    return {name: a.dtype.str.encode() + a.tobytes() for name, a in arrays.items() if name != "progress/seconds"}


def figures(run: Run) -> list[object]:
    """All rows of the log without times."""
    training = [(r.step, r.epoch, r.loss, r.lr, r.grad_norm) for r in run.training]
    validation = [(r.step, r.loss, r.is_best) for r in run.validation]
    samples = [(r.step, r.text) for r in run.samples]
    return [training, validation, run.layers, samples, [(r.step, r.text) for r in run.notes]]


def assert_same_run(one: Path, other: Path) -> None:
    assert state(one) == state(other)
    assert figures(load_run(one.parent / "runs.sqlite", one.name)) == figures(
        load_run(other.parent / "runs.sqlite", other.name)
    )
    weights, others = (CharModel.load(folder).network.state_dict() for folder in (one, other))
    assert all(np.array_equal(weights[name], others[name]) for name in weights)


CONFIGURATIONS = {
    "gru, cosine": (SMALL, QUICK),
    "lstm, cosine, dropout": (replace(SMALL, cell="lstm", layers=2, dropout=0.3), QUICK),
    "gru, plateau, dropout": (replace(SMALL, layers=2, dropout=0.3), replace(QUICK, schedule="plateau", validations=9)),
    "lstm, plateau, too fast": (
        replace(SMALL, cell="lstm"),
        replace(QUICK, schedule="plateau", validations=12, lr=0.2),
    ),
    "step, adam": (SMALL, replace(QUICK, schedule="step", optimiser="adam")),
    "constant, sgd": (SMALL, replace(QUICK, schedule="constant", optimiser="sgd", lr=0.5, warmup=0.0)),
    "characters": (replace(SMALL, vocabulary="characters"), QUICK),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_resumed_run_is_the_uninterrupted_one(name: str, text: Path, tmp_path: Path) -> None:
    shape, settings = CONFIGURATIONS[name]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train_text([text], whole, settings, shape).ended == "done"
    steps = int(checkpoint.load(whole / "last.safetensors")[0]["progress/step"])
    stops = np.random.default_rng(list(name.encode())).choice(np.arange(1, steps), 3, replace=False)
    for k, step in enumerate(sorted(stops.tolist())):
        watch = StopAt(step)
        part = resume_text(parts, watch=watch) if k else train_text([text], parts, settings, shape, watch=watch)
        assert part.ended == "interrupted"
    assert resume_text(parts).ended == "done"
    assert_same_run(whole, parts)


def test_stopped_before_the_first_validation_there_is_a_model(text: Path, tmp_path: Path) -> None:
    assert train_text([text], tmp_path / "run", QUICK, SMALL, watch=StopAt(1)).ended == "interrupted"
    assert "".join(piece.text for piece in CharModel.load(tmp_path / "run").generate("a", 5, seed=1))


def test_resuming_a_finished_run_changes_nothing(text: Path, tmp_path: Path) -> None:
    first = train_text([text], tmp_path / "run", QUICK, SMALL)
    before = state(tmp_path / "run")
    assert resume_text(tmp_path / "run") == first
    assert state(tmp_path / "run") == before


def test_a_removed_folder_does_not_block_the_next_run(text: Path, tmp_path: Path, monkeypatch) -> None:
    """The log still knows its name."""
    monkeypatch.chdir(tmp_path)
    for folder in ("text-1", "text-2"):
        result = CliRunner().invoke(app, ["train", "text", str(text), "--hidden", "8", "--epochs", "0.1"])
        assert result.stdout == f"runs/{folder}/best.safetensors\n", result.stderr
        shutil.rmtree(tmp_path / "runs" / folder)


def test_ctrl_c_during_the_first_checkpoint_still_ends_the_run_in_order(
    task: BrokenTask, log: RunLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = checkpoint.save

    def press_then_save(*arguments: object) -> None:
        monkeypatch.setattr(checkpoint, "save", save)
        signal.raise_signal(signal.SIGINT)
        save(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "save", press_then_save)
    assert Trainer(task, QUICK, tmp_path / "run", log).run() == "interrupted"
    assert checkpoint.load(tmp_path / "run" / "last.safetensors")[0]["progress/step"] == 0


# --init-from


def test_init_from_takes_weights_only(text: Path, tmp_path: Path) -> None:
    train_text([text], tmp_path / "first", QUICK, replace(SMALL, cell="lstm"))
    still = Settings(epochs=0.1, validations=1, lr=1e-30)
    train_text([text], tmp_path / "second", still, replace(SMALL, hidden=99), init_from=tmp_path / "first")
    first, second = (CharModel.load(tmp_path / name).network for name in ("first", "second"))
    assert second.architecture == first.architecture
    assert all(
        np.array_equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    arrays, _ = checkpoint.load(tmp_path / "second" / "last.safetensors")
    assert arrays["progress/step"] == 5  # of 46 * 0.1, not of the first run
    assert (arrays["optimiser/steps"] == 5).all()


def test_run_begun_from_a_model_resumes_with_that_models_vocabulary(text: Path, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(TEXT.replace(b"foxes", b"geese"))  # x is gone, g is new
    train_text([text], tmp_path / "first", QUICK, replace(SMALL, vocabulary="characters"))
    for folder, watch in (("whole", StopAt(0)), ("parts", StopAt(7))):
        train_text([tmp_path / "other"], tmp_path / folder, QUICK, SMALL, init_from=tmp_path / "first", watch=watch)
    assert resume_text(tmp_path / "parts").ended == "done"
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_validation_characters_that_training_never_saw_are_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(TEXT + b"Z" * 80)
    notes: list[str] = []
    train_text(
        [tmp_path / "text"], tmp_path / "run", Settings(epochs=0.1, validations=1),
        replace(SMALL, vocabulary="characters"), watch=lambda r: notes.append(r.text) if r.kind == "note" else None,
    )  # fmt: skip
    note = notes[0]
    share = 80 / len(CharModel.load(tmp_path / "run").vocabulary.encode((TEXT + b"Z" * 80)[-(len(TEXT) + 80) // 10 :]))
    assert float(note.split("%")[0]) == pytest.approx(100 * share, abs=0.1)


# Divergence


class BrokenTask(TextTask):
    """The loss is wrong, by default not a number, in these calls of batch_loss, counted from 1."""

    bad: range | frozenset[int] = frozenset()
    factor = math.nan
    calls = 0

    def batch_loss(self) -> tuple[Tensor, int]:
        loss, items = super().batch_loss()
        self.calls += 1
        return (loss * self.factor if self.calls in self.bad else loss), items


@pytest.fixture
def task(text: Path) -> BrokenTask:
    return BrokenTask(read_corpus([text]), SMALL)


def new_log(path: Path, name: str) -> RunLog:
    return RunLog.create(path / "runs.sqlite", name=name, kind="text", command="", config={}, machine={})


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RunLog]:
    with new_log(tmp_path, "run") as log:
        yield log


@pytest.mark.parametrize("schedule", ["constant", "cosine", "plateau"])
def test_divergence_rolls_back_with_half_the_rate(schedule: str, task: BrokenTask, log: RunLog, tmp_path: Path) -> None:
    task.bad = frozenset({19})  # a validation was at step 12
    reports: list[Report] = []
    settings = replace(QUICK, schedule=schedule, warmup=0.0)
    trainer = Trainer(
        task, settings, tmp_path / "run", log, lambda r: reports.append(replace(r, progress=replace(r.progress)))
    )
    assert trainer.run() == "done"
    (note,) = [report for report in reports if report.kind == "note"]
    assert note.text == "diverged at step 18: back to step 12, learning rate halved"
    at = reports.index(note)
    assert reports[at + 1].progress.step == 13
    if schedule == "constant":
        assert {report.lr for report in reports[:at]} == {settings.lr}
    if schedule == "cosine":
        again = next(report for report in reports[:at] if report.progress.step == 13)
        assert reports[at + 1].lr == pytest.approx(again.lr / 2)
    else:
        assert reports[at + 1].lr == pytest.approx(settings.lr / 2)
    log.flush()
    run = load_run(tmp_path / "runs.sqlite", "run")
    assert [row.text for row in run.notes] == [note.text]
    assert [row.step for row in run.training] == [10, 20, 30, 40]
    assert trainer.progress.step == 46


def test_divergence_before_the_first_validation_begins_anew(task: BrokenTask, log: RunLog, tmp_path: Path) -> None:
    task.bad = frozenset({3})
    before = {name: a.copy() for name, a in task.network.state_dict().items()}
    weights = []

    def watch(report: Report) -> None:
        if report.kind == "note":
            weights.append({name: a.copy() for name, a in task.network.state_dict().items()})

    assert Trainer(task, QUICK, tmp_path / "run", log, watch).run() == "done"
    assert all(np.array_equal(before[name], weights[0][name]) for name in before)


def test_a_loss_that_explodes_is_a_divergence_too(task: BrokenTask, log: RunLog, tmp_path: Path) -> None:
    task.bad, task.factor = frozenset({30}), 1000.0
    notes: list[str] = []
    Trainer(task, QUICK, tmp_path / "run", log, lambda r: notes.append(r.text) if r.kind == "note" else None).run()
    assert notes == ["diverged at step 29: back to step 23, learning rate halved"]


def test_divergence_goes_back_before_a_state_that_was_about_to_diverge(
    task: BrokenTask, log: RunLog, tmp_path: Path
) -> None:
    task.bad, task.factor = frozenset({22, 23, 24, 25}), 20.0  # a validation was at step 23, with the loss going up
    notes: list[str] = []
    Trainer(task, QUICK, tmp_path / "run", log, lambda r: notes.append(r.text) if r.kind == "note" else None).run()
    assert notes == ["diverged at step 24: back to step 12, learning rate halved"]


@pytest.mark.parametrize(
    ("latest", "smoothed", "sound"), [(1.2, 1.2, True), (9.0, 1.2, False), (1.2, 9.0, False), (math.inf, 1.2, False)]
)
def test_a_state_is_sound_while_neither_the_last_batch_nor_the_mean_loss_has_risen(
    task: BrokenTask, log: RunLog, tmp_path: Path, latest: float, smoothed: float, sound: bool
) -> None:
    trainer = Trainer(task, QUICK, tmp_path / "run", log)
    trainer.progress.lowest, trainer.latest, trainer.progress.loss = 1.0, latest, smoothed
    assert trainer._is_sound() is sound


def test_endless_divergence_gives_up(task: BrokenTask, log: RunLog, tmp_path: Path) -> None:
    task.bad = range(5, 10_000)
    with pytest.raises(DivergedError, match="check the data"):
        Trainer(task, QUICK, tmp_path / "run", log).run()
    run = load_run(tmp_path / "runs.sqlite", "run")
    assert run.summary.status == "diverged"
    assert len(run.notes) == GIVE_UP_AFTER + 1
    assert DivergedError.exit_code == 1


def test_far_too_high_a_rate_on_the_command_line(text: Path, tmp_path: Path) -> None:
    """Without a warning of NumPy's between the lines."""
    options = ["--lr", "1e30", "--hidden", "8", "--batch", "4", "--epochs", "1", "-o", str(tmp_path / "run")]
    result = CliRunner().invoke(app, ["train", "text", str(text), *options])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("seqdl: error: the loss is not finite")
    assert "learning rate halved" in result.stderr
    assert "Traceback" not in result.stderr


def test_resuming_after_a_divergence_keeps_the_halved_rate(text: Path, tmp_path: Path) -> None:
    corpus = read_corpus([text])
    rates = {}
    for name in ("whole", "parts"):
        with new_log(tmp_path, name) as log:
            task = BrokenTask(corpus, SMALL)
            task.bad = frozenset({15})
            task.about = {"paths": [str(text)], "command": ""}
            trainer = Trainer(task, QUICK, tmp_path / name, log, StopAt(30 if name == "parts" else 0))
            rates[name] = trainer.run()
    assert rates == {"whole": "done", "parts": "interrupted"}
    assert resume_text(tmp_path / "parts").ended == "done"
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


# Budgets


@pytest.mark.parametrize("seconds", [0.01, 2.0])
def test_minutes_end_in_time_with_a_validation(seconds: float, text: Path, tmp_path: Path) -> None:
    train_text([text], tmp_path / "warm", Settings(epochs=0.1), SMALL)  # kernels are loaded
    began = time.monotonic()
    outcome = train_text([text], tmp_path / "run", Settings(epochs=None, minutes=seconds / 60), SMALL)
    assert time.monotonic() - began < seconds + 2
    assert outcome.ended == "done"
    run = load_run(tmp_path / "runs.sqlite", "run")
    assert math.isfinite(outcome.nats)
    assert 1 <= len(run.validation) <= Settings().validations
    assert run.summary.seconds >= seconds * 0.5 or seconds < 1


def test_minutes_anneal_the_rate_to_its_end(text: Path, tmp_path: Path) -> None:
    rates: list[float] = []
    settings = Settings(epochs=None, minutes=1.5 / 60)
    train_text([text], tmp_path / "run", settings, SMALL, watch=lambda r: rates.append(r.lr))
    rates = [rate for rate in rates if not math.isnan(rate)]
    assert max(rates) == pytest.approx(settings.lr, rel=0.1)
    assert rates[-1] < 0.2 * settings.lr


def test_validations_are_spread_evenly(text: Path, tmp_path: Path) -> None:
    train_text([text], tmp_path / "run", replace(QUICK, epochs=2, validations=5), SMALL)
    steps = [row.step for row in load_run(tmp_path / "runs.sqlite", "run").validation]
    assert steps == [math.ceil(92 * k / 5) for k in range(1, 6)]


def test_another_spacing_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="spacing must be one of even, doubling"):
        Settings(spacing="halving")


def test_validations_double_their_distance(text: Path, tmp_path: Path) -> None:
    train_text([text], tmp_path / "run", replace(QUICK, epochs=2, validations=4, spacing="doubling"), SMALL)
    steps = [row.step for row in load_run(tmp_path / "runs.sqlite", "run").validation]
    assert steps == [math.ceil(92 / part) for part in (8, 4, 2, 1)]


class WorseningTask(TextTask):
    """The second validation is the best, and from then on it gets worse."""

    calls = 0

    def validate(self) -> float:
        self.calls += 1
        return abs(self.calls - 2) + 1.0


def test_early_stopping_keeps_the_best(text: Path, log: RunLog, tmp_path: Path) -> None:
    trainer = Trainer(
        WorseningTask(read_corpus([text]), SMALL), replace(QUICK, validations=10, patience=3), tmp_path, log
    )
    assert trainer.run() == "stopped early"
    assert trainer.progress.validated == 5
    assert trainer.progress.best_step == 10  # two tenths of 46
    assert CharModel.load(tmp_path / "best.safetensors").card["metrics"]["step"] == 10
    assert trainer.progress.step == 23


def test_plateau_counts_on_after_a_stop(text: Path, tmp_path: Path) -> None:
    """The rate falls after two bad validations; a stop between them does not begin the count anew."""
    settings = replace(QUICK, schedule="plateau", validations=10)
    rates: dict[int, list[float]] = {0: [], 17: []}
    for stop, seen in rates.items():
        task = WorseningTask(read_corpus([text]), SMALL)
        task.about = {"paths": [str(text)], "command": ""}

        def watch(report: Report, stop: int = stop, seen: list[float] = seen) -> None:
            StopAt(stop)(report)
            if report.kind == "step":
                seen.append(report.lr)

        folder = tmp_path / str(stop)
        with new_log(tmp_path, str(stop)) as log:
            ended = Trainer(task, settings, folder, log, watch).run()
        if ended == "interrupted":
            with RunLog.resume(tmp_path / "runs.sqlite", str(stop), stop) as log:
                second = Trainer(task, settings, folder, log, watch)
                second.restore(checkpoint.load(folder / "last.safetensors")[0])
                second.run()
    assert rates[17] == rates[0]
    assert len(set(rates[0])) > 2
