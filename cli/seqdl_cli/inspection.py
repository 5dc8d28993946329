"""`seqdl inspect`: look inside a model of any kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqdl_cli.common import Json, Quiet, Threads, drawn_for_terminal, printable, say, shown, start
from seqdl_data.errors import UsageError
from seqdl_data.plainjson import finite

if TYPE_CHECKING:
    from seqdl.inspection import Figures
    from seqdl_vision.inspection import Seen

LONGEST = 100  # letters of a value of the card


def inspect(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Model file, a run's folder, or the name of a shipped model.")
    ],
    image: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURE", show_default="none", help="Picture of one character, for a model of those; - is stdin."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            show_default="none",
            help="Folder for the pictures; a name that ends in .png: one file with all of them.",
        ),
    ] = None,
    as_json: Json = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """What is inside a model: its layers, its card, how its weights lie; and what it makes of a picture.

    Pictures, with -o: a histogram of each array, the kernels of the first layer, and with --image what the network
    sees and what each of its layers gives, a sheet for each.

    Example: seqdl inspect alphanumeric --image a.png -o inside
    """
    start(threads, quiet)
    from seqdl.inspection import figures_of
    from seqdl_cli.models import kind_and_path, load

    kind, path = kind_and_path(model)
    if image is not None and kind != "characters":
        raise UsageError(f"--image is for a model of characters, {model} is one of kind {kind!r}")
    loaded = load(kind, path)
    figures = figures_of(loaded.network)
    seen = None
    if image is not None:
        from seqdl_data.picture_folder import character_in
        from seqdl_vision.inspection import look

        seen = look(loaded, character_in(image))
    if output is not None:  # before the text, whose reader may close the pipe
        from seqdl_vision.inspection import pictures_of_layers, pictures_of_weights, save_pictures

        found = [*pictures_of_weights(loaded.network, figures), *(pictures_of_layers(seen) if seen else ())]
        save_pictures(output, found)
        say(f"wrote {len(found)} pictures to {output}", quiet)
    if as_json:
        print(json.dumps(finite(_document(kind, path, loaded, figures, seen))))
    else:
        print("\n".join(_text(kind, path, loaded, figures, seen)))


def _document(kind: str, path: Path, loaded: Any, figures: Sequence[Figures], seen: Seen | None) -> dict[str, Any]:
    document = {
        "schema": "seqdl.inspect/1",
        "kind": kind,
        "file": str(path),
        "bytes": path.stat().st_size,
        "weights": sum(parameter.size for parameter in loaded.network.parameters()),
        "arrays": [asdict(each) | {"counts": each.counts.tolist()} for each in figures],
        "card": loaded.card,
    }
    return document if seen is None else document | {"picture": _seen_document(seen)}


def _seen_document(seen: Seen) -> dict[str, Any]:
    from seqdl.inspection import Figures

    layers = []
    for layer in seen.layers:
        about = asdict(Figures.of(layer.name, layer.values[0]))
        layers.append({key: value for key, value in about.items() if key != "counts"} | {"layer": layer.kind})
    labels = [{"label": label, "probability": share} for label, share in seen.best(len(seen.labels))]
    return {"pixels": seen.image.tolist(), "labels": labels, "layers": layers}


def _text(kind: str, path: Path, loaded: Any, figures: Sequence[Figures], seen: Seen | None) -> list[str]:
    from seqdl.nn import summary
    from seqdl.training.run import flat_config

    lines = [f"{path}: a model of kind {kind!r}, {path.stat().st_size:,} bytes", "", summary(loaded.network), ""]
    lines += _table(figures)
    lines += ["", *(f"{key}: {_short(value)}" for key, value in flat_config(loaded.card).items())]
    return lines if seen is None else [*lines, "", *_seen_text(seen)]


def _table(figures: Sequence[Figures]) -> list[str]:
    """A line for each array: its shape, its lowest value, the histogram, its highest."""
    from seqdl.inspection import LEVELS, PLAIN_LEVELS

    levels = LEVELS if printable(LEVELS) else PLAIN_LEVELS
    shapes = ["x".join(map(str, each.shape)) or "one" for each in figures]
    names, wide = (max(map(len, words), default=0) for words in ([each.name for each in figures], shapes))
    return [
        f"{each.name:{names}}  {shape:>{wide}}  {each.low:>8.3g} {each.bars(levels)} {each.high:.3g}"
        for each, shape in zip(figures, shapes, strict=True)
    ]


def _short(value: Any) -> str:
    text = shown(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).replace("\n", " ")
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}... ({len(text)} letters)"


def _seen_text(seen: Seen) -> list[str]:
    from seqdl.inspection import Figures

    lines = [
        drawn_for_terminal(seen.image[None], [""]).rstrip(),
        "",
        *(f"{label or 'none':6} {share:7.2%}" for label, share in seen.best()),
        "",
    ]
    return lines + _table([Figures.of(layer.name, layer.values[0]) for layer in seen.layers])
