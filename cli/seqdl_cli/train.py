"""`seqdl train`: train a model on data of yours."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from seqdl_cli import training_options as shared
from seqdl_cli.common import Quiet, Threads, command_line, start
from seqdl_cli.progress import Display
from seqdl_cli.train_letters import train_digits_command, train_letters_command
from seqdl_data.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Train a model on data of yours.")


@app.command("text")
def train_text_command(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(show_default=False, help="Files, folders, - for stdin; plain, gzip, Parquet."),
    ] = None,
    output: Annotated[Path | None, shared.run_folder("text")] = None,
    resume: shared.Resume = None,
    init_from: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL", help="Start from the weights of this model; shape, dropout and vocabulary are its own."
        ),
    ] = None,
    recipe: shared.Recipe = None,
    minutes: shared.Minutes = None,
    epochs: Annotated[float | None, shared.epochs_option("10")] = None,
    cell: shared.Cell = None,
    hidden: Annotated[int | None, shared.hidden_option("320")] = None,
    layers: Annotated[int | None, shared.layers_option("1")] = None,
    dropout: Annotated[float | None, shared.dropout_option("0.0")] = None,
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
    optimiser: shared.Optimiser = None,
    lr: Annotated[float | None, shared.lr_option("0.004")] = None,
    schedule: shared.Schedule = None,
    warmup: shared.Warmup = None,
    weight_decay: shared.WeightDecay = None,
    clip: shared.Clip = None,
    validations: shared.Validations = None,
    patience: shared.Patience = None,
    log_arrays: shared.LogArrays = None,
    seed: shared.Seed = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train a character model on a text of yours.

    The run's folder gets best.safetensors (the model) and last.safetensors (to resume from); figures go to
    runs.sqlite beside it (see `seqdl runs`). Ctrl-C saves and tells how to resume.

    Example: seqdl train text shakespeare.txt --minutes 3
    """
    given = dict(locals())  # before anything else has a name
    options = shared.own_options(given, "corpus", "init_from")
    start(threads, quiet)
    from seqdl.text.training import TextSettings, resume_text, train_text
    from seqdl.training.loop import Settings

    display = Display(quiet)
    if resume is not None:
        shared.refuse_beside_resume(corpus, output, init_from, recipe, *options.values())
        outcome = resume_text(resume, watch=display)
    else:
        if not corpus:
            raise UsageError("name a corpus: files, folders, or - for stdin")
        shape = ("cell", "hidden", "layers", "dropout", "vocabulary")
        brought = [f"--{name}" for name in shape if options[name] is not None]
        if init_from is not None and brought:
            raise UsageError(f"--init-from brings the model's own {', '.join(brought)}: leave that out")
        settings, text = shared.settings(options, recipe, Settings(), TextSettings())
        folder = output or shared.next_folder("text")
        outcome = train_text(corpus, folder, settings, text, init_from=init_from, watch=display, command=command_line())
    figures = f"validation {outcome.nats:.4f} nats a symbol, {outcome.bits_per_byte:.4f} bits a byte"
    figures = figures if math.isfinite(outcome.nats) else "not validated yet"
    shared.tell_end("text", outcome.ended, outcome.folder, figures, "seqdl generate text --model", quiet)


@app.command("splice")
def train_splice_command(
    dataset: Annotated[
        str | None, typer.Argument(metavar="DATASET", show_default=False, help="File made by seqdl data build splice.")
    ] = None,
    output: Annotated[Path | None, shared.run_folder("splice")] = None,
    resume: shared.Resume = None,
    recipe: shared.Recipe = None,
    minutes: shared.Minutes = None,
    epochs: Annotated[float | None, shared.epochs_option("12")] = None,
    cell: shared.Cell = None,
    hidden: Annotated[int | None, shared.hidden_option("64")] = None,
    layers: Annotated[int | None, shared.layers_option("2")] = None,
    kmer: shared.Kmer = None,
    dropout: Annotated[float | None, shared.dropout_option("0.3")] = None,
    context: shared.Context = None,
    batch: shared.Pieces = None,
    window: shared.PieceLength = None,
    near_sites: shared.NearSites = None,
    structure_weight: Annotated[
        float | None,
        typer.Option(
            show_default="0.3",
            help="How much it counts to tell exons, introns and codons apart, beside the sites; 0 or more.",
        ),
    ] = None,
    optimiser: shared.Optimiser = None,
    lr: Annotated[float | None, shared.lr_option("0.003")] = None,
    schedule: shared.Schedule = None,
    warmup: shared.Warmup = None,
    weight_decay: shared.WeightDecay = None,
    clip: shared.Clip = None,
    validations: shared.Validations = None,
    patience: shared.Patience = None,
    log_arrays: shared.LogArrays = None,
    seed: shared.Seed = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train a model that finds the splice sites of a genome like yours.

    The run's folder gets best.safetensors (the model, calibrated on the dataset's validation part), report.txt (its
    figures there, with the table of how its probabilities came true) and last.safetensors (to resume from).

    Example: seqdl train splice pombe.parquet --minutes 20
    """
    given = dict(locals())  # before anything else has a name
    options = shared.own_options(given, "dataset")
    start(threads, quiet)
    from seqdl.dna.training import DEFAULTS, SiteSettings, resume_sites, train_sites

    display = Display(quiet, "bases")
    if resume is not None:
        shared.refuse_beside_resume(dataset, output, recipe, *options.values())
        outcome = resume_sites(resume, watch=display)
    else:
        if dataset is None:
            raise UsageError("name a dataset; `seqdl data build splice` makes one")
        settings, sites = shared.settings(options, recipe, DEFAULTS, SiteSettings())
        folder = output or shared.next_folder("splice")
        outcome = train_sites(dataset, folder, settings, sites, watch=display, command=command_line())
    _tell_sites("splice", outcome, quiet)


@app.command("motif")
def train_motif_command(
    positives: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default=False, help="FASTA of examples of the site, aligned, of one length."),
    ] = None,
    background: Annotated[
        Path | None,
        typer.Option(metavar="FILE", show_default="random sequence", help="FASTA of a genome to tell them from."),
    ] = None,
    output: Annotated[Path | None, shared.run_folder("motif")] = None,
    resume: shared.Resume = None,
    recipe: shared.Recipe = None,
    minutes: shared.Minutes = None,
    epochs: Annotated[float | None, shared.epochs_option("4")] = None,
    cell: shared.Cell = None,
    hidden: Annotated[int | None, shared.hidden_option("32")] = None,
    layers: Annotated[int | None, shared.layers_option("1")] = None,
    kmer: shared.Kmer = None,
    dropout: Annotated[float | None, shared.dropout_option("0.3")] = None,
    lr: Annotated[float | None, shared.lr_option("0.003")] = None,
    validations: shared.Validations = None,
    seed: shared.Seed = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Train a model that finds a site of your own, from examples of it.

    The examples are put into the background; the network learns to find them there. A tenth of both is held out to
    calibrate: probabilities are as if each example lay once in the background.

    Example: seqdl train motif --positives crp_sites.fa --background ecoli.fa.gz
    """
    given = dict(locals())  # before anything else has a name
    options = shared.own_options(given, "positives", "background")
    start(threads, quiet)
    from seqdl.dna.training import MOTIF_DEFAULTS, MOTIF_SITES, resume_sites, train_motif

    display = Display(quiet, "bases")
    if resume is not None:
        shared.refuse_beside_resume(positives, background, output, recipe, *options.values())
        outcome = resume_sites(resume, watch=display)
    else:
        if positives is None:
            raise UsageError("--positives FILE: name a FASTA file of examples")
        settings, sites = shared.settings(options, recipe, MOTIF_DEFAULTS, MOTIF_SITES)
        folder = output or shared.next_folder("motif")
        command = command_line()
        outcome = train_motif(positives, background, folder, settings, sites, watch=display, command=command)
    _tell_sites("motif", outcome, quiet)


app.command("letters")(train_letters_command)
app.command("digits")(train_digits_command)


def _tell_sites(job: str, outcome: Any, quiet: bool) -> None:
    figures = f"validation {outcome.loss:.6f} nats a candidate" if math.isfinite(outcome.loss) else "not validated yet"
    shared.tell_end(job, outcome.ended, outcome.folder, figures, "seqdl scan genome.fasta --model", quiet)
