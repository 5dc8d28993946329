"""`seqdl motif`: look at a motif library before scanning with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqdl_cli.common import Json, shown, write_output
from seqdl_data.errors import UsageError

if TYPE_CHECKING:
    from seqdl.dna.motif import Motif

app = typer.Typer(no_args_is_help=True, help="Look at motif files: list, thresholds, sequence logos.")

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="Motifs: JASPAR, MEME, TRANSFAC, PFM, aligned sites; plain or gzip; - is stdin."
    ),
]


@app.command("list")
def list_(
    file: File,
    thresh: Annotated[
        float | None,
        typer.Option(
            "--thresh",
            metavar="P",
            show_default="none",
            help="Add the lowest score whose p-value is at most P, above 0 to 1. - where no score of the motif is.",
        ),
    ] = None,
    bfile: Annotated[
        str,
        typer.Option(
            "--bfile",
            metavar="FILE",
            help="Background of the scores: uniform, motif (that of the motif file), or a file with lines `A 0.3`.",
        ),
    ] = "uniform",
    motif_pseudo: Annotated[
        float, typer.Option("--motif-pseudo", help="Observations from the background added to the sites. 0 or more.")
    ] = 0.1,
    as_json: Json = False,
) -> None:
    """List motifs: width, sites (- if unknown), information in bits, consensus; with --thresh the score that reaches P.

    Columns are separated by tabs; scores are in bits.

    Example: seqdl motif list JASPAR2024_CORE.meme --thresh 1e-4
    """
    from seqdl.dna.background import named
    from seqdl.dna.motif import read_motifs

    if thresh is not None and not 0 < thresh <= 1:
        raise UsageError(f"--thresh must be above 0, at most 1, got {thresh:g}")
    motifs = read_motifs(file)
    background = named(bfile, motifs)
    rows = [_row(motif, background, motif_pseudo, thresh) for motif in motifs]
    if as_json:
        document = {"schema": "seqdl.motif.list/1", "file": file, "background": background.tolist(), "motifs": rows}
        typer.echo(json.dumps(document))
        return
    typer.echo("\n".join("\t".join(cells) for cells in [list(rows[0]), *([*map(_cell, r.values())] for r in rows)]))


def _row(motif: Motif, background: Any, pseudo: float, thresh: float | None) -> dict[str, Any]:
    from seqdl.dna.pvalue import ScoreDistribution

    scores = motif.scores(background, pseudo)
    row: dict[str, Any] = {
        "motif_id": motif.id,
        "motif_alt_id": motif.alt,
        "width": len(motif),
        "sites": motif.sites or None,
        "information": round(float(motif.information(background).sum()), 4),
        "consensus": motif.consensus,
        "best_score": round(float(scores.max(axis=1).sum()), 4),
    }
    if thresh is not None:
        row["threshold"] = ScoreDistribution(scores, background).threshold(thresh)
    return row


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return shown(f"{value:.6g}" if isinstance(value, float) else str(value))


@app.command()
def logo(
    file: File,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[ID]", show_default="the only one", help="Id, other name, or number in the file, of the motif."
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            show_default="ID.svg",
            help="Picture to write: .svg, or .png (needs matplotlib); - is SVG on stdout.",
        ),
    ] = None,
    reverse_complement: Annotated[
        bool, typer.Option("--reverse-complement", help="Draw the motif of the other strand. Default: off.")
    ] = False,
) -> None:
    """Draw a motif as a sequence logo: at each position the bases, as high as the bits that they tell.

    Example: seqdl motif logo JASPAR2024_CORE.meme MA0139.2 -o ctcf.svg
    """
    from seqdl.dna.logo import logo_heights, logo_svg, write_logo
    from seqdl.dna.motif import read_motifs

    motif = _chosen(read_motifs(file), name, file)
    title = " ".join(filter(None, [motif.id, motif.alt, "(reverse complement)" * reverse_complement]))
    drawn = motif.reverse_complement() if reverse_complement else motif
    labels: dict[str, Any] = {"title": title, "limits": (0, 2)}
    if output == "-":
        write_output("-", lambda write: write(logo_svg(logo_heights(drawn), **labels)))
        return
    path = Path(output or f"{motif.id.replace('/', '_')}.svg")
    write_logo(path, logo_heights(drawn), **labels)
    typer.echo(f"{path}: {shown(title)}, {len(motif)} positions", err=True)


def _chosen(motifs: Sequence[Motif], name: str | None, file: str) -> Motif:
    """The motif called `name`: by id, else by other name, else by number from 1; or the only one."""
    if name is None:
        if len(motifs) > 1:
            raise UsageError(f"{file} holds {len(motifs):,} motifs; name one (`seqdl motif list` shows them)")
        return motifs[0]
    for key in ("id", "alt"):
        found = [k for k, motif in enumerate(motifs) if getattr(motif, key) == name]
        if len(found) > 1:
            numbers = ", ".join(str(k + 1) for k in found[:8])
            raise UsageError(f"{file}: {len(found)} motifs are called {name}; choose one by its number: {numbers}")
        if found:
            return motifs[found[0]]
    if name.isdecimal() and 1 <= int(name) <= len(motifs):
        return motifs[int(name) - 1]
    raise UsageError(f"{file}: no motif {name!r}; `seqdl motif list` shows them")
