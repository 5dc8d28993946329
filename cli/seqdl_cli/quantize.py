"""`seqdl quantize`: store a model in fewer bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from seqdl_cli.common import Json, Threads, say, start


def quantize(
    model: Annotated[Path, typer.Argument(help="Model file, or a run's folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Model file to write.")],
    to: Annotated[str, typer.Option(help="int8 (a scale for each row) or float16.")] = "int8",
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", show_default="the corpus it was trained on", help="Text to measure the loss on."),
    ] = None,
    source: Annotated[
        str,
        typer.Option(help="Where the training text comes from, for the model's card; any text.", show_default="empty"),
    ] = "",
    licence: Annotated[
        str, typer.Option(help="Terms of that text, for the model's card; any text.", show_default="empty")
    ] = "",
    as_json: Json = False,
    threads: Threads = None,
) -> None:
    """Store a model in fewer bits and report what that costs, on the validation part of the text.

    Example: seqdl quantize runs/text-1 -o small.safetensors --to int8
    """
    start(threads)
    from seqdl.text.quantise import quantise_file

    report = quantise_file(model, output, to, text, source=source, licence=licence)
    if as_json:
        print(json.dumps({"schema": "seqdl.quantize/1", **report}))
        return
    say(f"measured on {report['measured_on']}")
    print(f"{'':10}{'bytes':>12}{'bits/byte':>12}")
    for row in ("before", "after"):
        print(f"{row:10}{report[row]['bytes']:>12,}{report[row]['bits_per_byte']:>12.4f}")
