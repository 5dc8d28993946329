"""`seqdl quantize`: store a model in fewer bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from seqdl_cli.common import Json, Threads, say, start
from seqdl_data.errors import UsageError


def quantize(
    model: Annotated[str, typer.Argument(help="Model file, a run's folder, or the name of a shipped model.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Model file to write.")],
    to: Annotated[
        str, typer.Option(help="int8 (a scale for each row), q4 (4 bits: 16 bins of equal population) or float16.")
    ] = "int8",
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", show_default="the corpus it was trained on", help="Text to measure the loss on."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            show_default="those it was trained on",
            help="Dataset to measure any other model on, test part; repeatable for a model of characters.",
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

    A text model is measured on the validation part of its text, others on the test parts of their datasets.

    Example: seqdl quantize runs/text-1 -o small.safetensors --to int8
    """
    start(threads)
    from seqdl_cli.models import kind_and_path

    kind, path = kind_and_path(model)
    if (text and kind != "text") or (data and kind == "text"):
        raise UsageError("--text is for a text model, --data for one of sites or characters")
    words = {"source": source, "licence": licence}
    if kind == "sites":
        from seqdl.dna.quantise import quantise_sites

        if data and len(data) > 1:
            raise UsageError("--data may be given once for a model of sites")
        report = quantise_sites(path, output, to, data[0] if data else None, **words)
    elif kind == "characters":
        from seqdl_vision.quantise import quantise_letters

        report = quantise_letters(path, output, to, data, **words)
    else:
        from seqdl.text.quantise import quantise_file

        report = quantise_file(path, output, to, text, **words)
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
    if "parts" in report:
        return {f"{part['data']}, accuracy": part["accuracy"] for part in report["parts"]}
    return {f"{name}, average precision": value for name, value in report["average_precision"].items()}
