"""`seqdl train`: train a model on data of yours."""

from __future__ import annotations

import itertools
import math
import shlex
from pathlib import Path
from typing import Annotated

import typer

from seqdl_cli.common import Quiet, Threads, command_line, load_recipe, say, settings_from, start
from seqdl_cli.progress import Display
from seqdl_data.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Train a model on data of yours.")


@app.command("text")
def train_text_command(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(show_default=False, help="Files, folders, - for stdin; plain, gzip, Parquet."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", show_default="runs/text-N", help="New folder of this run."),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Continue the run in this folder, with the options it was begun with."),
    ] = None,
    init_from: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL", help="Start from the weights of this model; shape, dropout and vocabulary are its own."
        ),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of these options; those given here win.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Time for everything, above 0; the schedule fits itself to it. Instead of --epochs."),
    ] = None,
    epochs: Annotated[
        float | None, typer.Option(show_default="10", help="Passes over the training text, above 0.")
    ] = None,
    cell: Annotated[str | None, typer.Option(show_default="gru", help="Kind of layer: lstm or gru.")] = None,
    hidden: Annotated[int | None, typer.Option(show_default="320", help="Units of each layer, 1 or more.")] = None,
    layers: Annotated[
        int | None, typer.Option(show_default="1", help="Layers on top of each other, 1 or more.")
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(show_default="0.0", help="Share of units silenced, between layers and at the end; 0-1."),
    ] = None,
    batch: Annotated[int | None, typer.Option(show_default="32", help="Streams read side by side, 1 or more.")] = None,
    window: Annotated[
        int | None,
        typer.Option(show_default="64", help="Symbols of each stream between two steps of the optimiser, 1 or more."),
    ] = None,
    vocabulary: Annotated[
        str | None, typer.Option(show_default="bytes", help="What a symbol is: bytes, or characters (of UTF-8 text).")
    ] = None,
    valid_fraction: Annotated[
        float | None,
        typer.Option(show_default="0.1", help="Share of the text, at its end, to validate on; 0-1."),
    ] = None,
    optimiser: Annotated[
        str | None, typer.Option(show_default="adamw", help="Rule of the steps: sgd, adam or adamw.")
    ] = None,
    lr: Annotated[
        float | None, typer.Option(show_default="0.004", help="Learning rate at its highest, above 0.")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            show_default="cosine", help="How the rate goes on after the warm-up: constant, step, cosine or plateau."
        ),
    ] = None,
    warmup: Annotated[
        float | None,
        typer.Option(show_default="0.02", help="Share of the budget in which the rate rises, 0-1."),
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(show_default="0.01", help="How much of each weight a step takes away, times the rate; 0 or more."),
    ] = None,
    clip: Annotated[
        float | None, typer.Option(show_default="1.0", help="Largest norm of the gradient; above 0.")
    ] = None,
    validations: Annotated[
        int | None, typer.Option(show_default="10", help="How often to validate and save, evenly spread; 1 or more.")
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(show_default="0", help="Stop after so many validations without progress, 0 or more; 0: never."),
    ] = None,
    log_arrays: Annotated[
        bool | None,
        typer.Option("--log-arrays", help="Log every weight and gradient at validations, not only figures."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", "-s", min=0, show_default="1", help="Seed of the first weights, the order and dropout; 0 or more."
        ),
    ] = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train a character model on a text of yours.

    The run's folder gets best.safetensors (the model) and last.safetensors (to resume from); figures go to
    runs.sqlite beside it (see `seqdl runs`). Ctrl-C saves and tells how to resume.

    Example: seqdl train text shakespeare.txt --minutes 3
    """
    given = dict(locals())  # before anything else has a name
    others = ("corpus", "output", "resume", "init_from", "recipe", "threads", "quiet")
    options = {name: value for name, value in given.items() if name not in others}
    start(threads, quiet)
    from seqdl.text.training import TextSettings, resume_text, train_text
    from seqdl.training.loop import Settings

    display = Display(quiet)
    if resume is not None:
        if corpus or output or init_from or recipe or any(value is not None for value in options.values()):
            raise UsageError("--resume continues a run as it was begun: give no corpus and no other option with it")
        outcome = resume_text(resume, watch=display)
    else:
        if not corpus:
            raise UsageError("name a corpus: files, folders, or - for stdin")
        if minutes is not None and epochs is not None:
            raise UsageError("--minutes and --epochs both bound the training: give one of them")
        shape = ("cell", "hidden", "layers", "dropout", "vocabulary")
        brought = [f"--{name}" for name in shape if options[name] is not None]
        if init_from is not None and brought:
            raise UsageError(f"--init-from brings the model's own {', '.join(brought)}: leave that out")
        values = load_recipe(recipe)
        if epochs is not None:  # either of the two bounds a run, and what is given here wins
            values.pop("minutes", None)
        settings, text = settings_from(options, values, Settings, TextSettings)
        folder = output or _next_folder(Path("runs"))
        outcome = train_text(corpus, folder, settings, text, init_from=init_from, watch=display, command=command_line())
    figures = f"validation {outcome.nats:.4f} nats a symbol, {outcome.bits_per_byte:.4f} bits a byte"
    say(f"{outcome.ended}: {figures if math.isfinite(outcome.nats) else 'not validated yet'}", quiet)
    if outcome.ended == "interrupted":
        say(f"to resume: seqdl train text --resume {shlex.quote(str(outcome.folder))}", quiet)
        raise typer.Exit(130)
    say(f"try: seqdl generate text --model {outcome.folder}", quiet)
    print(outcome.folder / "best.safetensors")


def _next_folder(parent: Path) -> Path:
    """The first text-N that is neither a folder nor a run in the log, which remembers runs that were removed."""
    from seqdl.training.runs import list_runs

    log = parent / "runs.sqlite"
    known = {run.name for run in list_runs(log)} if log.exists() else set()
    names = (f"text-{n}" for n in itertools.count(1))
    return next(parent / name for name in names if name not in known and not (parent / name).exists())
