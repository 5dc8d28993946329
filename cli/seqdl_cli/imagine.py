"""`seqdl imagine`: what a model of characters takes for the perfect a."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from seqdl_cli.common import Json, Quiet, Threads, drawn_for_terminal, say, start
from seqdl_cli.progress import StatusLine
from seqdl_data.errors import UsageError


def imagine(
    characters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CHARACTER...", show_default=False, help="Letters or digits that the model knows, or none."
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All labels of the model, and what is no character for it.")
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            show_default="alphanumeric",
            help="Model file, a run's folder, or a shipped one: alphanumeric, letters or digits.",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the search, 1 or more.")] = 120,
    starts: Annotated[int, typer.Option(min=1, max=64, help="Searches for each label, 1-64; the best is shown.")] = 6,
    seed: Annotated[int, typer.Option("--seed", "-s", min=0, help="Seed of the starts, 0 or more.")] = 1,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", show_default="none", help="Picture to write, .png."),
    ] = None,
    as_json: Json = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Draw the picture that excites a label of the model most, found by gradient ascent on the pixels.

    It is drawn with characters, with the probability that the model gives the label for it; -o makes a picture.

    Example: seqdl imagine a 4 -o dreams.png
    """
    if bool(characters) == everything:
        raise UsageError("name the characters to imagine, or give --all")
    if output is not None and output.suffix.lower() != ".png":
        raise UsageError(f"{output}: the name of the picture must end in .png")
    start(threads, quiet)
    from seqdl_vision import imagination
    from seqdl_vision.letters import Letters

    letters = Letters.load(model)
    labels = letters.labels if everything else [letters.label_of(name) for name in characters or ()]
    line = StatusLine(quiet)

    def tell(share: float) -> None:
        if line.due(share):
            line.show(f"{share:6.1%}  ETA {line.left(share)}")

    found = imagination.imagine(letters, labels, imagination.Imagination(steps, starts, seed), tell)
    line.clear()
    if output is not None:  # before the text, whose reader may close the pipe
        imagination.save_sheet(output, found)
        say(f"wrote {output}", quiet)
    print(json.dumps(_document(found, seed)) if as_json else _text(found))


def _document(found: Sequence[Any], seed: int) -> dict[str, Any]:
    pictures = [{"label": f.label, "probability": f.probability, "pixels": f.image.tolist()} for f in found]
    return {"schema": "seqdl.imagine/1", "seed": seed, "pictures": pictures}


def _text(found: Sequence[Any]) -> str:
    import numpy as np

    captions = [f"{each.label or 'none'}  {each.probability:.1%}" for each in found]
    return drawn_for_terminal(np.stack([each.image for each in found]), captions)
