"""`seqdl train text`, `generate text`, `score text`, `quantize`."""

from __future__ import annotations

import itertools
import json
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from seqdl_cli.common import (
    Quiet,
    Threads,
    command_line,
    load_recipe,
    read_bytes,
    say,
    settings_from,
    start,
    write_output,
)
from seqdl_cli.progress import Display
from seqdl_data.errors import UsageError

train_app = typer.Typer(no_args_is_help=True, help="Train a model on data of yours.")
generate_app = typer.Typer(no_args_is_help=True, help="Let a model write.")
score_app = typer.Typer(no_args_is_help=True, help="How well a model knows something.")

Model = Annotated[
    Path | None,
    typer.Option(
        "--model", "-m", metavar="FILE", show_default="the shipped one", help="Model file, or a run's folder."
    ),
]
Output = Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="Where the result goes; - is stdout.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@generate_app.command("text")
def generate_text(
    prompt: Annotated[str, typer.Argument(show_default="empty", help="Text to continue; - reads it from stdin.")] = "",
    model: Model = None,
    prompt_file: Annotated[
        str | None, typer.Option("--prompt-file", "-f", metavar="FILE", help="Read the prompt from a file.")
    ] = None,
    length: Annotated[
        int, typer.Option("--length", "-n", help="Most symbols (bytes or characters) to write, 0 or more.")
    ] = 500,
    temperature: Annotated[
        float,
        typer.Option("--temperature", "--temp", help="0 takes the likeliest symbol, 1 the model's own odds; 0-100."),
    ] = 0.8,
    top_k: Annotated[int, typer.Option(help="Only the k likeliest symbols, 0 or more; 0 is off.")] = 0,
    top_p: Annotated[float, typer.Option(help="Only the likeliest that together reach p, 0-1; 1 is off.")] = 1.0,
    min_p: Annotated[float, typer.Option(help="Only those p times as likely as the likeliest, 0-1; 0 is off.")] = 0.0,
    repeat_penalty: Annotated[
        float, typer.Option(help="Divides the scores of recent symbols, 0.01-100; 1 is off.")
    ] = 1.0,
    repeat_last_n: Annotated[int, typer.Option(help="How many symbols count as recent, 0-65536.")] = 64,
    presence_penalty: Annotated[
        float, typer.Option(help="Subtracted from the scores of recent symbols, -100 to 100; 0 is off.")
    ] = 0.0,
    frequency_penalty: Annotated[
        float, typer.Option(help="The same, once for each time a symbol occurred, -100 to 100; 0 is off.")
    ] = 0.0,
    seed: Annotated[
        int | None,
        typer.Option("--seed", "-s", min=0, show_default="drawn", help="The same seed, the same text; 0 or more."),
    ] = None,
    stop: Annotated[list[str] | None, typer.Option(help="End before this text; may be given several times.")] = None,
    echo: Annotated[bool, typer.Option(help="Print the prompt before its continuation.")] = True,
    as_json: Json = False,
    output: Output = "-",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Write text, character by character.

    The filters apply in this order: penalties, top-k, top-p, min-p, temperature. Log-probabilities in --json are
    the model's own, before any filter.

    Example: seqdl generate text "ROMEO:" -n 300 --temp 0.7 --seed 1
    """
    start(threads, quiet)
    from seqdl.text import CharModel, SamplingOptions
    from seqdl.text.model import new_seed

    options = SamplingOptions(
        temperature, top_k, top_p, min_p, repeat_penalty, repeat_last_n, presence_penalty, frequency_penalty
    )
    raw = _prompt(prompt, prompt_file)
    char_model = CharModel.load(model)
    unknown = char_model.vocabulary.unknown_share(char_model.vocabulary.encode(raw))
    if unknown:
        say(f"note: {unknown:.1%} of the prompt's characters are unknown to this model", quiet)
    seed = new_seed() if seed is None else seed
    say(f"seed {seed}", quiet)
    began = time.perf_counter()
    pieces = char_model.generate(raw, length, seed=seed, options=options, stop=stop or [])
    shown = raw.decode() if echo else ""

    def stream(write: Any) -> None:
        write(shown)
        for piece in pieces:
            write(piece.text)
        write("\n")

    def document(write: Any) -> None:
        written = list(pieces)
        result = {
            "schema": "seqdl.generate.text/1",
            "model": str(model or "shipped"),
            "seed": seed,
            "options": vars(options),
            "prompt": raw.decode(),
            "text": "".join(piece.text for piece in written),
            "symbols": [symbol for piece in written for symbol in piece.symbols],
            "logprobs": [round(value, 6) for piece in written for value in piece.logprobs],
            "seconds": round(time.perf_counter() - began, 3),
        }
        write(json.dumps(result, ensure_ascii=False) + "\n")

    write_output(output, document if as_json else stream)


def _prompt(prompt: str, prompt_file: str | None) -> bytes:
    from seqdl.errors import InputError

    if prompt_file is not None and prompt:
        raise UsageError("give the prompt as an argument or with --prompt-file, not both")
    source = prompt_file if prompt_file is not None else "-" if prompt == "-" else None
    raw = prompt.encode("utf-8", "surrogateescape") if source is None else read_bytes(source)
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        name = {None: "prompt", "-": "standard input"}.get(source, source)
        raise InputError(f"{name}: byte {error.start} is not UTF-8; convert the prompt to UTF-8") from error
    return raw


@train_app.command("text")
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
    say(f"{outcome.ended}: best validation {outcome.nats:.4f} nats a symbol", quiet)
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


@score_app.command("text")
def score_text(
    file: Annotated[str, typer.Argument(help="Text to score; - is stdin.")],
    model: Model = None,
    lanes: Annotated[
        int | None,
        typer.Option(min=1, show_default="by length", help="Streams a long text is cut into; 1 is exact and slower."),
    ] = None,
    as_json: Json = False,
    output: Output = "-",
    threads: Threads = None,
) -> None:
    """How surprised the model is by a text: nats and bits for each symbol and byte.

    On a terminal the text is shown, each character coloured by its surprisal: green was expected, red was not.
    The first symbol has nothing before it and is not scored.

    Example: seqdl score text chapter.txt --json > surprisal.json
    """
    start(threads)
    from seqdl.errors import InputError
    from seqdl.text import CharModel

    raw = read_bytes(file)
    char_model = CharModel.load(model)
    try:
        score = char_model.score(raw, lanes)
    except InputError as error:
        raise InputError(f"{file}: {error}") from error
    figures = {
        "symbols": len(score.symbols),
        "bytes": len(raw),
        "nats_per_symbol": score.nats_per_symbol,
        "bits_per_symbol": score.bits_per_symbol,
        "bits_per_byte": score.bits_per_byte,
        "unknown_share": score.unknown_share,
    }

    def write(out: Any) -> None:
        if as_json:
            each = [None, *(round(nats, 5) for nats in score.nats.astype(float).tolist())]
            about = {"schema": "seqdl.score.text/1", "file": file, "model": str(model or "shipped")}
            out(json.dumps({**about, **figures, "surprisal": each}) + "\n")
            return
        if output == "-" and sys.stdout.isatty():
            _print_coloured(char_model.vocabulary, score.symbols, score.nats)
        for name, value in figures.items():
            out(f"{name.replace('_', ' '):16} " + (f"{value:,}\n" if isinstance(value, int) else f"{value:.4f}\n"))

    write_output(output, write)


def _print_coloured(vocabulary: Any, symbols: Any, nats: Any) -> None:
    """Each character with a background from green (0 bits) over yellow to red (8 bits and more)."""
    from rich.console import Console
    from rich.text import Text

    from seqdl.text.colour import coloured_spans

    text = Text()
    for part, colour in coloured_spans(vocabulary, symbols, nats):
        text.append(part, style=f"black on {colour}" if colour else "")
    Console().print(text)


def quantize(
    model: Annotated[Path, typer.Argument(help="Model file, or a run's folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Model file to write.")],
    to: Annotated[str, typer.Option(help="int8 (a scale for each row) or float16.")] = "int8",
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", show_default="the corpus it was trained on", help="Text to measure the loss on."),
    ] = None,
    as_json: Json = False,
    threads: Threads = None,
) -> None:
    """Store a model in fewer bits and report what that costs, on the validation part of the text.

    Example: seqdl quantize runs/text-1 -o small.safetensors --to int8
    """
    start(threads)
    from seqdl.text.quantise import quantise_file

    report = quantise_file(model, output, to, text)
    if as_json:
        print(json.dumps({"schema": "seqdl.quantize/1", **report}))
        return
    say(f"measured on {report['measured_on']}")
    print(f"{'':10}{'bytes':>12}{'bits/byte':>12}")
    for row in ("before", "after"):
        print(f"{row:10}{report[row]['bytes']:>12,}{report[row]['bits_per_byte']:>12.4f}")
