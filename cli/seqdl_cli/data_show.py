"""`seqdl data list`, `fetch` and `show`: what sets of characters there are, how to get them, what they look like."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from seqdl_cli.common import Json, Quiet, command_line, drawn_for_terminal, say
from seqdl_cli.data_images import check_output, told
from seqdl_cli.progress import StatusLine
from seqdl_data.errors import UsageError
from seqdl_data.official import IDX_SETS, IdxSet

OWN = {
    "text": "any text",
    "splice": "splice sites: a genome with its annotation, or windows",
    "idx": "any other IDX files",
    "pen": "characters with the way of the pen (.npz)",
    "npz": "characters in a NumPy archive (.npz)",
    "images": "a folder of pictures, a/1.png, A_upper/2.png",
}


def add_commands(app: typer.Typer) -> None:
    """The commands of this module under `seqdl data`."""
    app.command("list")(list_command)
    app.command("fetch")(fetch)
    app.command("show")(show)


def list_command(as_json: Json = False) -> None:
    """Print the datasets that `seqdl data fetch` downloads and `seqdl data build` makes.

    Example: seqdl data list
    """
    if as_json:
        print(json.dumps({"schema": "seqdl.data.list/1", "sets": [_entry(kind) for kind in IDX_SETS.values()]}))
        return
    for kind in IDX_SETS.values():
        counts = ", or ".join(f"{each.train:,} + {each.test:,}" for each in kind.releases)
        how = "fetch or build" if kind.address else "build"
        print(f"{kind.name:<16} {how}; {counts} images, {len(kind.classes)} classes")
        print(f"{'':<16} {kind.source}; {kind.licence}")
    for name, words in OWN.items():
        print(f"{name:<16} build from your own files: {words}")


def _entry(kind: IdxSet) -> dict[str, object]:
    return {
        "name": kind.name,
        "classes": kind.classes,
        "releases": [{"train": each.train, "test": each.test, "note": each.words} for each in kind.releases],
        "source": kind.source,
        "licence": kind.licence,
        "address": kind.address,
        "files": [f"{name}.gz" for name in kind.files],
    }


def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A set that `seqdl data list` says can be fetched.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", show_default="NAME.parquet", help="Parquet file to write."),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", show_default="NAME-files", help="Where what is downloaded goes, and stays."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            envvar="SEQDL_DATA_URL",
            show_default="the official one",
            help="Another place: a .zip with the files, or what stands before their names.",
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for the next byte. Above 0.")] = 30.0,
    quiet: Quiet = False,
) -> None:
    """Download an official set of characters, check it, and make its dataset. What was cut off goes on.

    Example: seqdl data fetch mnist
    """
    kind = IDX_SETS.get(name)
    if kind is None or not kind.address:
        known = ", ".join(each.name for each in IDX_SETS.values() if each.address)
        raise UsageError(f"{name}: not to be fetched; there are {known}")
    from seqdl_data.fetch_sets import fetch_set

    output, folder = output or Path(f"{name}.parquet"), folder or Path(f"{name}-files")
    check_output(output)
    line = StatusLine(quiet)

    def progress(file: str, have: int, total: int | None) -> None:
        share = have / total if total else 0.0
        if line.due(share):
            left = f" of {total / 1e6:,.1f} MB, {line.left(share)} left" if total else " MB"
            line.show(f"{file}: {have / 1e6:,.1f}{left}")

    try:
        info = fetch_set(
            kind, output, folder=folder, address=url, timeout=timeout, progress=progress, command=command_line()
        )
    finally:
        line.clear()
    if not quiet:
        told(output, info)
        say(f"the files as they came stay in {folder}")


def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A dataset of characters.")],
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="PNG picture to write; - draws it as characters."),
    ] = "-",
    split: Annotated[str, typer.Option(help="train, valid or test.")] = "train",
    label: Annotated[
        str | None, typer.Option(help="Only characters that may be this one, as a or Aa.", show_default="all")
    ] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="How many. 1 or more.")] = 24,
    seed: Annotated[int, typer.Option("--seed", "-s", min=0, help="Which ones: 0 or more.")] = 0,
) -> None:
    """Show some characters of a dataset with their labels, drawn at random.

    Example: seqdl data show mnist.parquet --label 7 -o sevens.png
    """
    import numpy as np

    from seqdl_data.dataset import SPLITS, read_info
    from seqdl_data.images import sample_images

    if split not in SPLITS:
        raise UsageError(f"--split {split}: expected one of {', '.join(SPLITS)}")
    labels = None if label is None else _matching(label, read_info(file).classes)
    some, info = sample_images(file, split, count, np.random.default_rng(seed), labels)
    captions = [info.classes[number] for number in some.labels]
    if not captions:
        say(f"{file}: no such characters in {split}")
    elif output == "-":
        print(drawn_for_terminal(some.images, captions))
    else:
        _picture(some.images, captions, output)


def _matching(label: str, classes: tuple[str, ...]) -> list[int]:
    """The class of this name; where there is none, those that may be one of these characters."""
    found = [number for number, name in enumerate(classes) if name == label]
    found = found or [number for number, name in enumerate(classes) if set(name) & set(label)]
    if not found:
        raise UsageError(f"--label {label}: the classes are {' '.join(classes) or 'none'}")
    return found


def _picture(images, captions: list[str], output: str) -> None:  # type: ignore[no-untyped-def]
    from PIL import Image

    from seqdl_data.files import replacing
    from seqdl_data.sheets import sheet

    with replacing(output) as temporary, temporary.open("wb") as stream:
        Image.fromarray(sheet(images, captions)).save(stream, "PNG")
