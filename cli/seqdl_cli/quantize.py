"""`seqdl quantize`: store a model in fewer bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from seqdl_cli.common import Json, Threads, say, start
from seqdl_data.errors import UsageError


def quantize(
    model: Annotated[Path, typer.Argument(help="Model file, or a run's folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Model file to write.")],
    to: Annotated[str, typer.Option(help="int8 (a scale for each row) or float16.")] = "int8",
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", show_default="the corpus it was trained on", help="Text to measure the loss on."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default="that it was trained on", help="Dataset to measure a site model on, test part."
        ),
    ] = None,
    source: Annotated[
        str,
        typer.Option(help="Where the training data comes from, for the model's card; any text.", show_default="empty"),
    ] = "",
    licence: Annotated[
        str, typer.Option(help="Terms of that data, for the model's card; any text.", show_default="empty")
    ] = "",
    as_json: Json = False,
    threads: Threads = None,
) -> None:
    """Store a model in fewer bits and report what that costs on data it was not trained on.

    A text model is measured on the validation part of its text, a site model on the test part of its dataset.

    Example: seqdl quantize runs/text-1 -o small.safetensors --to int8
    """
    start(threads)
    from seqdl import modelfile
    from seqdl.dna import sitemodel
    from seqdl.dna.quantise import quantise_sites
    from seqdl.text.model import model_path
    from seqdl.text.quantise import quantise_file

    of_sites = modelfile.read_metadata(model_path(model)).get("kind") == sitemodel.KIND
    if (text and of_sites) or (data and not of_sites):
        raise UsageError("--text is for a text model, --data for a site model")
    if of_sites:
        report = quantise_sites(model, output, to, data, source=source, licence=licence)
    else:
        report = quantise_file(model, output, to, text, source=source, licence=licence)
    if as_json:
        print(json.dumps({"schema": "seqdl.quantize/1", **report}))
        return
    say(f"measured on {report['measured_on']}")
    figures = {row: _figures(report[row]) for row in ("before", "after")}
    print(f"{'':10}{'bytes':>12}" + "".join(f"  {name:>24}" for name in figures["before"]))
    for row, values in figures.items():
        print(f"{row:10}{report[row]['bytes']:>12,}" + "".join(f"  {value:>24.4f}" for value in values.values()))


def _figures(report: dict[str, Any]) -> dict[str, float]:
    if "bits_per_byte" in report:
        return {"bits/byte": report["bits_per_byte"]}
    return {f"{name}, average precision": value for name, value in report["average_precision"].items()}
