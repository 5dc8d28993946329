"""`seqdl train letters` and `seqdl train digits`: models that know handwritten characters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from seqdl_cli import training_options as shared
from seqdl_cli.common import Quiet, Threads, command_line, start
from seqdl_cli.progress import Display
from seqdl_data.errors import UsageError

Datasets = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="DATASET...", show_default=False, help="Files made by seqdl data build; named twice, seen twice."
    ),
]
Width = Annotated[
    int | None,
    typer.Option(show_default="32", help="Channels of the residual network's first layer, 1 or more."),
]
Depth = Annotated[
    int | None,
    typer.Option(show_default="1", help="Residual pairs of each stage of the residual network, 1 or more."),
]
Batch = Annotated[int | None, typer.Option(show_default="128", help="Pictures in a step, 1 or more.")]
LabelSmoothing = Annotated[
    float | None, typer.Option(show_default="0.05", help="Share of each target that goes to all labels alike, 0-1.")
]
Augment = Annotated[
    float | None,
    typer.Option(show_default="1", help="How strongly pictures are turned, bent, moved and spoilt; 0: not, 3: most."),
]
Redrawn = Annotated[
    float | None,
    typer.Option(show_default="0.8", help="Share of the characters with pen strokes that are drawn anew, 0-1."),
]


def network_option(default: str) -> Any:
    return typer.Option(show_default=default, help="Kind of network: residual, hello-dl or mlp.")


def junk_option(default: str) -> Any:
    return typer.Option(show_default=default, help="Share of pictures that are no character (halves, pairs), 0-1.")


def train_letters_command(
    datasets: Datasets = None,
    output: Annotated[Path | None, shared.run_folder("letters")] = None,
    resume: shared.Resume = None,
    recipe: shared.Recipe = None,
    minutes: shared.Minutes = None,
    epochs: Annotated[float | None, shared.epochs_option("20")] = None,
    network: Annotated[str | None, network_option("residual")] = None,
    width: Width = None,
    depth: Depth = None,
    dropout: Annotated[float | None, shared.dropout_option("0.3")] = None,
    batch: Batch = None,
    label_smoothing: LabelSmoothing = None,
    augment: Augment = None,
    redrawn: Redrawn = None,
    junk: Annotated[float | None, junk_option("0.08")] = None,
    optimiser: shared.Optimiser = None,
    lr: Annotated[float | None, shared.lr_option("0.003")] = None,
    schedule: shared.Schedule = None,
    warmup: shared.Warmup = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(show_default="0.05", help="How much of each weight a step takes away, times the rate; 0 or more."),
    ] = None,
    clip: shared.Clip = None,
    validations: shared.Validations = None,
    patience: shared.Patience = None,
    log_arrays: shared.LogArrays = None,
    seed: shared.Seed = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train a model that names handwritten characters: letters, and digits too where the datasets hold them.

    Its labels are what the datasets can teach: a letter's two cases where they know them and look different. The
    run's folder gets best.safetensors (the model, calibrated on the validation parts), report/ (accuracy, confusion,
    worst mistakes, calibration, on the test parts) and last.safetensors (to resume from).

    Example: seqdl train letters letters.parquet unipen.parquet --minutes 20
    """
    given = dict(locals())  # before anything else has a name
    _train("letters", datasets, given)


def train_digits_command(
    datasets: Datasets = None,
    output: Annotated[Path | None, shared.run_folder("digits")] = None,
    resume: shared.Resume = None,
    recipe: shared.Recipe = None,
    minutes: shared.Minutes = None,
    epochs: Annotated[float | None, shared.epochs_option("20")] = None,
    network: Annotated[str | None, network_option("residual")] = None,
    width: Width = None,
    depth: Depth = None,
    dropout: Annotated[float | None, shared.dropout_option("0.3")] = None,
    batch: Batch = None,
    label_smoothing: LabelSmoothing = None,
    augment: Augment = None,
    junk: Annotated[float | None, junk_option("0.08")] = None,
    optimiser: shared.Optimiser = None,
    lr: Annotated[float | None, shared.lr_option("0.003")] = None,
    schedule: shared.Schedule = None,
    validations: shared.Validations = None,
    patience: shared.Patience = None,
    log_arrays: shared.LogArrays = None,
    seed: shared.Seed = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train a model that names handwritten digits; whatever else the datasets hold is left out.

    The run's folder gets the same files as that of `seqdl train letters`.

    Example: seqdl train digits mnist.parquet --network hello-dl --minutes 5
    """
    given = dict(locals())  # before anything else has a name
    _train("digits", datasets, given)


def _train(job: str, datasets: list[Path] | None, given: dict[str, Any]) -> None:
    options = shared.own_options(given, "datasets")
    output, resume, recipe, quiet = (given[name] for name in ("output", "resume", "recipe", "quiet"))
    start(given["threads"], quiet)
    from seqdl_vision.training import DEFAULTS, LetterSettings, resume_letters, train_letters

    display = Display(quiet, "pictures")
    if resume is not None:
        shared.refuse_beside_resume(datasets, output, recipe, *options.values())
        outcome = resume_letters(resume, watch=display)
    else:
        if not datasets:
            raise UsageError("name a dataset; `seqdl data list` tells which can be made")
        settings, letters = shared.settings(options, recipe, DEFAULTS, LetterSettings(only_digits=job == "digits"))
        folder = output or shared.next_folder(job)
        outcome = train_letters(datasets, folder, settings, letters, watch=display, command=command_line())
    shared.tell_end(job, outcome.ended, outcome.folder, outcome.figures, "seqdl ocr photo.jpg --model", quiet)
