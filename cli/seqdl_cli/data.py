"""`seqdl data`: make datasets and look at them."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from seqdl_cli import data_images, data_show
from seqdl_cli.common import command_line
from seqdl_cli.data_images import check_output, told
from seqdl_data.dataset import DatasetInfo, read_info
from seqdl_data.errors import UsageError
from seqdl_data.text import build_text

app = typer.Typer(no_args_is_help=True, help="Make datasets and look at them.")
build_app = typer.Typer(no_args_is_help=True, help="Make a dataset, one Parquet file, from files you have.")
app.add_typer(build_app, name="build")


@build_app.command("text")
def build_text_command(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATHS",
            help="Files (any bytes, gzip, Parquet), folders (every file below but hidden ones), - for stdin.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Parquet file to write; replaced if it exists."),
    ],
    name: Annotated[
        str | None,
        typer.Option(help="Name of the dataset, any text. Default: that of FILE, without its ending."),
    ] = None,
    valid_fraction: Annotated[
        float, typer.Option(help="Share of the bytes held out to validate: 0 or more, with test below 1.")
    ] = 0.1,
    test_fraction: Annotated[
        float,
        typer.Option(help="Share of the bytes, at the end, held out to test: 0 or more, with valid below 1."),
    ] = 0.0,
    source: Annotated[
        str, typer.Option(help="Where the text comes from, such as a URL; any text.", show_default="empty")
    ] = "",
    licence: Annotated[str, typer.Option(help="Terms it may be used under; any text.", show_default="empty")] = "",
) -> None:
    """Make a text dataset: the bytes of PATHS in order, cut into train, then valid, then test.

    Example: seqdl data build text books/ notes.txt.gz -o books.parquet --valid-fraction 0.05
    """
    check_output(output)
    info = build_text(
        paths,
        output,
        name=name,
        valid_fraction=valid_fraction,
        test_fraction=test_fraction,
        source=source,
        licence=licence,
        command=command_line(),
    )
    sizes = ", ".join(f"{split} {count['bytes']:,} bytes" for split, count in info.counts.items())
    typer.echo(f"{output}: {sizes}", err=True)


@build_app.command("splice")
def build_splice_command(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Parquet file to write; replaced if it exists."),
    ],
    fasta: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", show_default=False, help="A genome, plain or gzip. Can be repeated."),
    ] = None,
    gff3: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", show_default=False, help="Its annotation, one for each --fasta, in their order."),
    ] = None,
    eie: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", show_default=False, help="Lines of exon, intron, exon, count, gene. Can be repeated."
        ),
    ] = None,
    uci: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", show_default=False, help="UCI's splice-junction windows. Can be repeated."),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option(metavar="RECORD", show_default="none", help="Record held out to test. Can be repeated."),
    ] = None,
    valid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RECORD", show_default="the last part of each", help="Record to validate on. Can be repeated."
        ),
    ] = None,
    valid_fraction: Annotated[
        float, typer.Option(help="Without --valid: share of each record, at its end, to validate on; from 0 below 1.")
    ] = 0.1,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the dataset, any text. Default: that of FILE, without its ending."),
    ] = None,
    source: Annotated[
        str, typer.Option(help="Where the sequences come from, such as a URL; any text.", show_default="empty")
    ] = "",
    licence: Annotated[str, typer.Option(help="Terms they may be used under; any text.", show_default="empty")] = "",
) -> None:
    """Make a dataset of splice sites: introns are the gaps between exons; decoys every other GT, GC and AG.

    Both strands are labelled. Whole records go to a split, which the file states. --eie lines are split by gene and
    --uci windows by sequence, 8 : 1 : 1; beside a genome, --eie lines are for training alone.

    Example: seqdl data build splice --fasta pombe.fa.gz --gff3 pombe.gff3.gz --test II -o pombe.parquet
    """
    from seqdl_data.splice import Genome, Split, build_splice

    check_output(output)
    fasta, gff3 = fasta or [], gff3 or []
    if len(fasta) != len(gff3):
        raise UsageError(f"each --fasta needs its --gff3: got {len(fasta)} and {len(gff3)}")
    info = build_splice(
        output,
        genomes=[Genome(*pair) for pair in zip(fasta, gff3, strict=True)],
        eie=eie or [],
        uci=uci or [],
        split=Split(frozenset(test or ()), frozenset(valid or ()), valid_fraction),
        name=name,
        source=source,
        licence=licence,
        command=command_line(),
    )
    told(output, info)


data_images.add_commands(build_app)
data_show.add_commands(app)


@app.command("info")
def info_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Dataset made by `seqdl data build`.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead; sizes in bytes. Default: off.")
    ] = False,
) -> None:
    """Print what a dataset holds: kind, splits, source, licence and the command that made it.

    Example: seqdl data info books.parquet --json
    """
    info = read_info(file)
    size = os.path.getsize(file)
    typer.echo(_document(info, file, size) if as_json else _listing(info, size))


def _document(info: DatasetInfo, file: Path, size: int) -> str:
    return json.dumps({"schema": "seqdl.data.info/1", "file": str(file), "size": size, **dataclasses.asdict(info)})


def _listing(info: DatasetInfo, size: int) -> str:
    splits = [
        (split, ", ".join(f"{number:,} {unit}" for unit, number in count.items()))
        for split, count in info.counts.items()
    ]
    lines = [
        ("name", info.name),
        ("kind", f"{info.kind}, version {info.version}"),
        *([("classes", f"{len(info.classes)}: {' '.join(info.classes)}")] if info.classes else []),
        *splits,
        ("source", info.source or "not given"),
        ("licence", info.licence or "not given"),
        ("command", info.command or "not given"),
        ("made", f"{info.created} by seqdl {info.seqdl_version}"),
        ("size", f"{size:,} bytes"),
    ]
    return "\n".join(f"{key:<8} {value}" for key, value in lines)
