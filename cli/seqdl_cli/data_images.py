"""`seqdl data build` for characters: MNIST, EMNIST, other IDX files, pens, archives and folders of pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from seqdl_cli.common import command_line
from seqdl_data.dataset import DatasetInfo
from seqdl_data.errors import UsageError
from seqdl_data.official import CLASSES, IDX_SETS, IdxSet

From = Annotated[
    list[Path],
    typer.Option(
        "--from",
        metavar="FILE...",
        show_default=False,
        help="Files to read, or the folder they are in.",
    ),
]
One = Annotated[Path, typer.Option("--from", metavar="FILE", show_default=False, help="File or folder to read.")]
More = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[FILE...]", show_default=False, help="More files, as a shell gives them for --from *.gz."),
]
Target = Annotated[
    Path, typer.Option("--output", "-o", metavar="FILE", help="Parquet file to write; replaced if it exists.")
]
Name = Annotated[
    str | None, typer.Option(help="Name of the dataset, any text. Default: that of FILE, without its ending.")
]
Fit = Annotated[
    bool, typer.Option("--fit", help="Bring each image into the box of EMNIST's letters, as pages are read.")
]
OwnName = Annotated[str | None, typer.Option(help="Name of the dataset, any text.", show_default="the set's own")]
Source = Annotated[str, typer.Option(help="Where it comes from, such as a URL; any text.", show_default="empty")]
Licence = Annotated[str, typer.Option(help="Terms it may be used under; any text.", show_default="empty")]


def add_commands(app: typer.Typer) -> None:
    """The commands of this module under `seqdl data build`."""
    for kind in IDX_SETS.values():
        app.command(kind.name, help=_help(kind))(_official(kind))
    app.command("idx")(idx)
    app.command("pen")(pen)
    app.command("npz")(npz)
    app.command("images")(images)


def _help(kind: IdxSet) -> str:
    counts = " or ".join(f"{each.train:,} + {each.test:,}" for each in kind.releases)
    return (
        f"Make the dataset {kind.name}: {counts} images of {len(kind.classes)} classes, from its four IDX files.\n\n"
        f"Example: seqdl data build {kind.name} --from folder/ -o {kind.name}.parquet"
    )


def _official(kind: IdxSet):  # type: ignore[no-untyped-def]  # typer reads the signature of what is returned
    def command(
        files: From,
        output: Target,
        more: More = None,
        unchecked: Annotated[
            bool, typer.Option("--unchecked", help="Take files that are not the official ones byte for byte.")
        ] = False,
        fit: Fit = False,
        name: OwnName = None,
    ) -> None:
        from seqdl_data.idx_sets import build_idx_set

        check_output(output)
        paths, chosen = [*files, *(more or [])], replace(kind, fitted=fit)
        told(output, build_idx_set(chosen, paths, output, unchecked=unchecked, name=name, command=command_line()))

    return command


def idx(
    files: From,
    output: Target,
    more: More = None,
    classes: Annotated[
        str,
        typer.Option(help="What the labels are, as 'A Bb 7'; or one of digits, letters, balanced, byclass."),
    ] = "digits",
    first_label: Annotated[int, typer.Option(min=0, max=255, help="The label of the first class. 0 to 255.")] = 0,
    transposed: Annotated[bool, typer.Option("--transposed", help="Images are stored as EMNIST's are.")] = False,
    valid_last: Annotated[int, typer.Option(min=0, help="So many images, the last to train on, are to validate.")] = 0,
    valid_every: Annotated[
        int, typer.Option(min=0, help="Each so-manyth image to train on is to validate. 0: none. From 2.")
    ] = 0,
    fit: Fit = False,
    name: Name = None,
    source: Source = "",
    licence: Licence = "",
) -> None:
    """Make a dataset of characters from any IDX files: ...train-images-idx3-ubyte[.gz], -labels-idx1-, and for test.

    Example: seqdl data build idx --from mine/ --classes letters --first-label 1 -o mine.parquet
    """
    from seqdl_data.idx_sets import build_idx

    check_output(output)
    labels = CLASSES.get(classes) or tuple(classes.split())
    kind = IdxSet(
        name or output.stem,
        labels,
        first_label=first_label,
        transposed=transposed,
        valid_last=valid_last,
        valid_every=valid_every,
        fitted=fit,
    )
    info = build_idx(kind, [*files, *(more or [])], output, source=source, licence=licence, command=command_line())
    told(output, info)


def pen(
    file: One, output: Target, fit: Fit = False, name: Name = None, source: Source = "", licence: Licence = ""
) -> None:
    """Make a dataset of characters that know the way of the pen, from a NumPy archive (.npz); split by writer.

    It holds images (N, 28, 28), labels 1 to 26, case u or l, writer, writer_names, and the strokes: points (P, 2),
    stroke_ptr, char_ptr. Characters with knn_agree 0 are not trained on.

    Example: seqdl data build pen --from unipen-letters.npz --fit -o unipen.parquet
    """
    from seqdl_data.hands import build_hands

    check_output(output)
    about = {"name": name, "source": source, "licence": licence, "command": command_line()}
    info = build_hands(file, output, pen=True, fitted=fit, **about)  # type: ignore[arg-type]
    told(output, info)


def npz(
    file: One,
    output: Target,
    split: Annotated[
        str | None, typer.Option(help="Put all into train, valid or test.", show_default="split by writer")
    ] = None,
    merged: Annotated[bool, typer.Option("--merged", help="Labels alone are letters 1 to 26, not digits.")] = False,
    fit: Fit = False,
    name: Name = None,
    source: Source = "",
    licence: Licence = "",
) -> None:
    """Make a dataset of characters from a NumPy archive (.npz); split by writer, about 17 : 1 : 2.

    It holds images (N, 28, 28), upright, white on black, and char (ASCII), or labels 1 to 26 and case u or l, or
    labels 0 to 9; perhaps writer. Characters with knn_agree 0 are not trained on.

    Example: seqdl data build npz --from others.npz --split test -o others.parquet
    """
    from seqdl_data.hands import build_hands

    check_output(output)
    info = build_hands(
        file,
        output,
        split=split,
        merged=merged,
        fitted=fit,
        name=name,
        source=source,
        licence=licence,
        command=command_line(),
    )
    told(output, info)


def images(
    file: One,
    output: Target,
    split: Annotated[
        str | None, typer.Option(help="Put all into train, valid or test.", show_default="by folder or by pixels")
    ] = None,
    name: Name = None,
    source: Source = "",
    licence: Licence = "",
) -> None:
    """Make a dataset of characters from a folder of pictures, each in a folder named after its character.

    As a/1.png, A/2.png, 7/3.jpg, Aa/4.png; A_upper and a_lower where a and A cannot stand side by side. The folders
    may lie in train, valid and test; else 1 in 20 pictures is to validate, 2 to test. A picture shows one character,
    dark on light or light on dark, and is brought into EMNIST's form.

    Example: seqdl data build images --from letters/ -o letters.parquet
    """
    from seqdl_data.picture_folder import build_picture_folder

    check_output(output)
    info = build_picture_folder(
        file, output, split=split, name=name, source=source, licence=licence, command=command_line()
    )
    told(output, info)


def check_output(output: Path) -> None:
    """A Parquet file is written from both ends."""
    if str(output) == "-":
        raise UsageError("-o -: a dataset cannot go to standard output; name a file")


def told(output: Path, info: DatasetInfo) -> None:
    """Say what was written."""
    for split, count in info.counts.items():
        typer.echo(f"{output}: {split} " + ", ".join(f"{number:,} {unit}" for unit, number in count.items()), err=True)
    if info.source:
        typer.echo(f"{output}: {info.source}", err=True)
