"""`seqdl eval`: how well a model does on labelled data that it has not seen."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from seqdl_cli.common import Json, Output, Threads, start, write_output
from seqdl_cli.evaluate_letters import eval_letters
from seqdl_data.errors import InputError, QualityError
from seqdl_data.plainjson import finite

app = typer.Typer(no_args_is_help=True, help="How well a model does on labelled data.")
app.command("letters")(eval_letters)


@app.command("splice")
def eval_splice(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="File made by seqdl data build splice.")],
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="FILE",
            show_default="the shipped one",
            help="Model file, a run's folder, or a shipped name.",
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Part of the dataset: train, valid or test.")] = "test",
    fail_under: Annotated[
        float | None,
        typer.Option(help="Exit with code 6 if an average precision is below this, 0-1.", show_default="off"),
    ] = None,
    as_json: Json = False,
    output: Output = "-",
    threads: Threads = None,
) -> None:
    """Average precision, top-k, AUROC and calibration for each kind of site, over every candidate of both strands.

    Top-k is the share of the true ones among the k most likely, k being how many are true. The calibration error is
    the mean gap between predicted and observed, over ten bins of probability.

    Example: seqdl eval splice pombe.parquet --model runs/splice-1
    """
    start(threads)
    from seqdl.dna import SiteModel
    from seqdl.dna.evaluation import evaluate, judge_stretches, report
    from seqdl_data.dataset import SPLITS
    from seqdl_data.errors import UsageError
    from seqdl_data.sites import read_stretches

    if split not in SPLITS:
        raise UsageError(f"--split must be one of {', '.join(SPLITS)}, got {split!r}")
    site_model = SiteModel.load(model)
    stretches, info = read_stretches(dataset, split)
    if not stretches:
        raise InputError(f"{dataset}: its {split} part is empty")
    names = [kind.name for kind in site_model.kinds]
    if list(info.classes[1:]) != names:
        raise InputError(f"{dataset}: labels {', '.join(info.classes[1:])}, where the model finds {', '.join(names)}")
    figures = evaluate(site_model, judge_stretches(site_model, stretches))

    def write(out: Any) -> None:
        if as_json:
            about = {"schema": "seqdl.eval.splice/1", "dataset": str(dataset), "split": split}
            document = {**about, "model": str(model or "shipped"), "sites": [asdict(f) for f in figures]}
            out(json.dumps(finite(document)) + "\n")
        else:
            out(report(figures, split))

    write_output(output, write)
    for each in figures:
        if fail_under is not None and not each.average_precision >= fail_under:  # nan fails
            figure = f"{each.name}: average precision {each.average_precision:.4f}"
            raise QualityError(f"{figure} is below --fail-under {fail_under}")
