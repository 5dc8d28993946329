"""`seqdl eval letters`: how well a model names handwritten characters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from seqdl_cli.common import Json, Output, Threads, say, start, write_output
from seqdl_data.errors import InputError, QualityError, UsageError
from seqdl_data.plainjson import finite


def eval_letters(
    datasets: Annotated[list[Path], typer.Argument(metavar="DATASET...", help="Files made by seqdl data build.")],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            show_default="alphanumeric",
            help="Model file, a run's folder, or a shipped one: alphanumeric, letters or digits.",
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Part of each dataset: train, valid or test.")] = "test",
    kind: Annotated[
        str, typer.Option("--only", help="Judge the letters or the digits alone.", show_default="all")
    ] = "",
    merge_case: Annotated[bool, typer.Option("--merge-case", help="Count a letter's two cases as one.")] = False,
    corrupt: Annotated[
        bool,
        typer.Option("--corrupt", help="Judge spoilt pictures too: moved by up to 2 pixels, 5 pixels inverted."),
    ] = False,
    fail_under: Annotated[
        float | None,
        typer.Option(help="Exit with code 6 if an accuracy is below this, 0-1.", show_default="off"),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="DIR",
            show_default="none",
            help="Folder for the report: these figures and all confusions, pictures of mistakes and calibration.",
        ),
    ] = None,
    as_json: Json = False,
    output: Output = "-",
    threads: Threads = None,
) -> None:
    """Accuracy, top-2, nats and calibration on labelled characters, digits too, with 95% intervals.

    Only the labels that a dataset's classes may have are choices: a model of letters and digits is not asked whether
    a letter of EMNIST is a digit. Where the data do not know the case of a letter, either is right.

    Example: seqdl eval letters letters.parquet --model runs/letters-1 --report report
    """
    start(threads)
    from seqdl_data.dataset import SPLITS
    from seqdl_vision.letters import Letters
    from seqdl_vision.report import document, examine, read_part, report, write_report

    if split not in SPLITS:
        raise UsageError(f"--split must be one of {', '.join(SPLITS)}, got {split!r}")
    kinds = {"": None, "letters": str.isalpha, "digits": str.isdigit}
    if kind not in kinds:
        raise UsageError(f"--only must be letters or digits, got {kind!r}")
    letters = Letters.load(model)
    examined = []
    for dataset in datasets:
        part = read_part(dataset, (split,), kinds[kind])
        if part is None:
            raise InputError(f"{dataset}: no {kind or 'characters'} in its {split} part")
        examined.append(examine(letters, part, merge_case=merge_case, spoil=corrupt))
    if folder is not None:
        write_report(examined, folder)
        say(f"wrote {folder}")

    def write(out: Any) -> None:
        about = {"schema": "seqdl.eval.letters/1", "model": model or "alphanumeric", "merge_case": merge_case}
        out(json.dumps(finite(about | document(examined))) + "\n" if as_json else report(examined))

    write_output(output, write)
    for each in examined:
        accuracy = each.figures.accuracy
        if fail_under is not None and not accuracy >= fail_under:  # nan fails
            raise QualityError(f"{each.part.name}: accuracy {accuracy:.4f} is below --fail-under {fail_under}")
