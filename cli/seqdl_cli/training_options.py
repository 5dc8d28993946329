"""What the training commands share: options, and what is said at the end."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from seqdl_cli.common import load_recipe, say, settings_from
from seqdl_data.errors import UsageError

Resume = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Continue the run in this folder, with the options it was begun with."),
]
Recipe = Annotated[Path | None, typer.Option(metavar="FILE", help="TOML file of these options; those given here win.")]
Minutes = Annotated[
    float | None,
    typer.Option(help="Time for everything, above 0; the schedule fits itself to it. Instead of --epochs."),
]
Cell = Annotated[str | None, typer.Option(show_default="gru", help="Kind of layer: lstm or gru.")]
Optimiser = Annotated[str | None, typer.Option(show_default="adamw", help="Rule of the steps: sgd, adam or adamw.")]
Schedule = Annotated[
    str | None,
    typer.Option(
        show_default="cosine", help="How the rate goes on after the warm-up: constant, step, cosine or plateau."
    ),
]
Warmup = Annotated[
    float | None,
    typer.Option(show_default="0.02", help="Share of the budget in which the rate rises, 0-1."),
]
WeightDecay = Annotated[
    float | None,
    typer.Option(show_default="0.01", help="How much of each weight a step takes away, times the rate; 0 or more."),
]
Clip = Annotated[float | None, typer.Option(show_default="1.0", help="Largest norm of the gradient; above 0.")]
Validations = Annotated[
    int | None, typer.Option(show_default="10", help="How often to validate and save, evenly spread; 1 or more.")
]
Patience = Annotated[
    int | None,
    typer.Option(show_default="0", help="Stop after so many validations without progress, 0 or more; 0: never."),
]
LogArrays = Annotated[
    bool | None,
    typer.Option("--log-arrays", help="Log every weight and gradient at validations, not only figures."),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed", "-s", min=0, show_default="1", help="Seed of the first weights, the order and dropout; 0 or more."
    ),
]
Kmer = Annotated[
    int | None, typer.Option(show_default="5", help="Bases that the first layer reads as one symbol: 1, 3, 5 or 7.")
]
Context = Annotated[
    int | None,
    typer.Option(show_default="100", help="Bases that a scan looks at on either side of those it judges; 0 or more."),
]
Pieces = Annotated[int | None, typer.Option("--batch", show_default="32", help="Pieces read side by side, 1 or more.")]
PieceLength = Annotated[
    int | None,
    typer.Option("--window", show_default="600", help="Bases of each piece, 1 or more; shorter sequences are whole."),
]
NearSites = Annotated[
    float | None,
    typer.Option(show_default="0.3", help="Share of the pieces that are drawn to hold a site, 0-1."),
]
ALWAYS = ("output", "resume", "recipe", "threads", "quiet")  # of every training, and no setting of it


def run_folder(job: str) -> Any:
    """--output of a job."""
    return typer.Option(
        "--output", "-o", metavar="FOLDER", show_default=f"runs/{job}-N", help="New folder of this run."
    )


def epochs_option(default: str) -> Any:
    return typer.Option(show_default=default, help="Passes over the training data, above 0.")


def hidden_option(default: str) -> Any:
    return typer.Option(show_default=default, help="Units of each layer, 1 or more.")


def layers_option(default: str) -> Any:
    return typer.Option(show_default=default, help="Layers on top of each other, 1 or more.")


def dropout_option(default: str) -> Any:
    return typer.Option(show_default=default, help="Share of units silenced, between layers and at the end; 0-1.")


def lr_option(default: str) -> Any:
    return typer.Option(show_default=default, help="Learning rate at its highest, above 0.")


def own_options(given: dict[str, Any], *others: str) -> dict[str, Any]:
    """Of a command's arguments those that are settings."""
    return {name: value for name, value in given.items() if name not in (*ALWAYS, *others)}


def refuse_beside_resume(*values: Any) -> None:
    """UsageError if anything else was given with --resume."""
    if any(value for value in values if value is not None):
        raise UsageError("--resume continues a run as it was begun: give no data and no other option with it")


def settings(options: dict[str, Any], recipe: Path | None, *defaults: Any) -> list[Any]:
    """Settings like `defaults`, with what the options say, else the recipe, in their place."""
    if options["minutes"] is not None and options["epochs"] is not None:
        raise UsageError("--minutes and --epochs both bound the training: give one of them")
    values = load_recipe(recipe)
    if options["epochs"] is not None:  # either of the two bounds a run, and what is given here wins
        values.pop("minutes", None)
    return settings_from(options, values, *defaults)


def next_folder(job: str) -> Path:
    """The first runs/JOB-N that is neither a folder nor a run in the log, which remembers runs that were removed."""
    from seqdl.training.runs import list_runs

    log = Path("runs", "runs.sqlite")
    known = {run.name for run in list_runs(log)} if log.exists() else set()
    names = (f"{job}-{n}" for n in itertools.count(1))
    return next(log.parent / name for name in names if name not in known and not (log.parent / name).exists())


def tell_end(job: str, ended: str, folder: Path, figures: str, command: str, quiet: bool) -> None:
    """Say how it ended and what to do next; exit code 130 if it was interrupted."""
    say(f"{ended}: {figures}", quiet)
    if ended == "interrupted":
        say(f"to resume: seqdl train {job} --resume {shlex.quote(str(folder))}", quiet)
        raise typer.Exit(130)
    say(f"try: {command} {shlex.quote(str(folder))}", quiet)
    print(folder / "best.safetensors")
