"""`seqdl explain`: why a model says what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from seqdl_cli.common import Json, Quiet, Threads, say, start
from seqdl_data.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Why a model says what it says.")
BAR = 24  # columns of the longest bar


@app.command("site")
def explain_site(
    genome: Annotated[str, typer.Argument(metavar="GENOME", help="FASTA file, plain, gzip or bgzip.")],
    place: Annotated[str, typer.Argument(metavar="CHR:POS", help="Record and base, 1-based, as a scan prints them.")],
    strand: Annotated[str, typer.Option(help="Strand of the site: + or -.", show_default="both")] = "",
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="FILE", show_default="the shipped one", help="File, run's folder or name."),
    ] = None,
    around: Annotated[int, typer.Option(min=1, max=500, help="Bases to look at on either side, 1-500.")] = 30,
    picture: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", show_default="none", help="Logo of the bases, .svg or .png."),
    ] = None,
    as_json: Json = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Which bases drive the score of a site: each is changed to the three others, and the site judged again.

    A bar is the mean fall of the log-odds when that base is changed: to the right it speaks for the site, to the left
    against it.

    Example: seqdl explain site pombe.fa.gz I:1798830 --strand + -o donor.svg
    """
    start(threads, quiet)
    from seqdl.dna import SiteModel, explain_place

    if strand not in ("", "+", "-"):
        raise UsageError(f"--strand must be + or -, got {strand!r}")
    site_model = SiteModel.load(model)
    found = explain_place(site_model, genome, place, strand or "+-", around)
    if not found:
        names = " or ".join(kind.name for kind in site_model.kinds)
        raise UsageError(f"{place}: no {names} can be here; a donor is the base before GT or GC, an acceptor after AG")
    if picture is not None:  # before the text, whose reader may close the pipe
        best = max(found, key=lambda each: each.probability)
        best.save(picture, f"{best.name} at {place} ({best.strand}), probability {best.probability:.3f}")
        say(f"wrote {picture}", quiet)
    if as_json:
        print(
            json.dumps({"schema": "seqdl.explain.site/1", "place": place, "sites": [_document(each) for each in found]})
        )
    else:
        print("\n".join(_text(each, place) for each in found))


def _document(each: Any) -> dict[str, Any]:
    return {
        "site_type": each.name,
        "strand": each.strand,
        "probability": each.probability,
        "sequence": each.letters,
        "junction": each.site,
        "importance": each.importance.tolist(),
        "effect": each.effect.tolist(),
    }


def _text(each: Any, place: str) -> str:
    largest = max(abs(each.importance).max(), 1e-9)
    lines = [f"{each.name} at {place}, strand {each.strand}: probability {each.probability:.4f}"]
    for at, (letter, value) in enumerate(zip(each.letters, each.importance, strict=True)):
        bar = "#" * round(BAR * abs(value) / largest)
        side = f"{bar:>{BAR}}|" if value < 0 else f"{'':{BAR}}|{bar}"
        lines.append(f"{at - each.site:>5} {letter} {value:+8.3f} {side}".rstrip())
    return "\n".join(lines)
