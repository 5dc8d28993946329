"""`seqdl score`: how well a model knows something."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from seqdl_cli.common import Json, Model, Output, Threads, read_bytes, shown, start, write_output
from seqdl_data.errors import InputError

app = typer.Typer(no_args_is_help=True, help="How well a model knows something.")


@app.command("text")
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
        text.append(shown(part), style=f"black on {colour}" if colour else "")
    Console().print(text)
