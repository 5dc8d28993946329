"""`seqdl scan`: find motifs or learned sites in a genome."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqdl_cli.common import Output, Quiet, Threads, say, start
from seqdl_cli.progress import ScanDisplay
from seqdl_data.errors import UsageError

if TYPE_CHECKING:
    from seqdl.dna.job import Job
    from seqdl.dna.motif import Motif
    from seqdl.dna.pipeline import Scanner, Source
    from seqdl_data.regions import Region

MOTIF_OPTIONS = (
    "thresh",
    "qv_thresh",
    "bfile",
    "motif_pseudo",
    "norc",
    "max_strand",
    "skip_matched_sequence",
    "fimo_rounding",
    "text",
)
FORMATS = ("bed", "gff3", "tsv", "parquet", "json")
PACKED = (".gz", ".bgz", ".bz2", ".xz", ".zst", ".zip")


def scan(
    genome: Annotated[str, typer.Argument(help="FASTA file: plain, gzip or bgzip; - is stdin.")],
    motifs: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help="Scan for the motifs in this file: JASPAR, MEME, TRANSFAC, PFM, IUPAC words or aligned sites.",
        ),
    ] = None,
    consensus: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="Scan for a word in IUPAC letters, such as TATAWAW; may be repeated."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default="the shipped one",
            help="Scan for learned sites with this model: a file, or a run's folder.",
        ),
    ] = None,
    output: Output = "-",
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            show_default="by the ending of -o, else tsv for motifs, bed for sites",
            help="bed (BED6), gff3, tsv (FIMO's columns), parquet or json (a document a line).",
        ),
    ] = None,
    thresh: Annotated[
        float | None,
        typer.Option(
            show_default="1e-4; 1 with --qv-thresh", help="Largest p-value of a motif hit, above 0 and at most 1."
        ),
    ] = None,
    qv_thresh: Annotated[
        float | None,
        typer.Option(
            metavar="Q",
            show_default="no q-values",
            help="Report q-values, and only hits of at most this one, above 0 and at most 1: the share of false ones "
            "among all as good. GENOME is read twice.",
        ),
    ] = None,
    bfile: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            show_default="--motif--",
            help="How frequent A, C, G, T are by chance: a file of the MEME suite; --motif-- as the motif file says, "
            "uniform where it does not; --uniform--; --input-- counted in GENOME.",
        ),
    ] = None,
    motif_pseudo: Annotated[
        float | None,
        typer.Option(show_default="0.1", help="Made-up sites of chance bases added to each motif's own, 0 or more."),
    ] = None,
    norc: Annotated[
        bool, typer.Option("--norc", help="Only the strand given, not the reverse complement. Default: off.")
    ] = False,
    max_strand: Annotated[
        bool,
        typer.Option("--max-strand", help="Of hits at one place on both strands only the better one. Default: off."),
    ] = False,
    skip_matched_sequence: Annotated[
        bool, typer.Option("--skip-matched-sequence", help="Leave the matched sequence out. Default: off.")
    ] = False,
    fimo_rounding: Annotated[
        bool,
        typer.Option(
            "--fimo-rounding",
            help="Round scores as coarsely as FIMO does, for its p-values to the digit. Default: off, 1/1024 bit.",
        ),
    ] = False,
    text: Annotated[
        bool,
        typer.Option("--text", help="As FIMO's: write hits as they are found. seqdl does so anyway. Default: off."),
    ] = False,
    min_probability: Annotated[
        float | None,
        typer.Option(show_default="0.5", help="Smallest probability of a learned site, 0-1."),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CHR:A-B",
            show_default="everything",
            help="Only these bases, the first is 1, both ends belong to it; may be repeated.",
        ),
    ] = None,
    bed: Annotated[
        str | None,
        typer.Option(metavar="FILE", show_default="everything", help="Only the intervals of this BED file."),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            show_default="off",
            help="Only part I of N, 1/N to N/N. The outputs of all parts, one after the other, are that of the whole.",
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Do not go on with an interrupted scan, begin anew. Default: off.")
    ] = False,
    piece: Annotated[int | None, typer.Option(min=1, hidden=True, help="Bases looked at in one go.")] = None,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Find motifs or learned sites in a genome, on both strands.

    With --motifs or --consensus: every window whose p-value is small enough, exactly. Else a network tells splice
    donors and acceptors, one base each: the last of the exon and the first.

    Coordinates: BED, JSON and Parquet count from 0 and leave the end out; GFF3 and TSV count from 1 and include it.
    BED's score of a motif hit is -100 log10(p), GFF3's -10 log10(p), 1000 at most; of a site 1000 times its
    probability, and the probability. Hits are in the order of contigs, start, strand, motif.

    With -o the work done is kept beside FILE: interrupted, the same command goes on where it stopped. With --shard a
    FILE.manifest.json tells what the part holds.

    Example: seqdl scan ecoli.fa.gz --motifs crp.meme --thresh 1e-5 -o crp.gff3
    """
    given = dict(locals())  # before anything else has a name
    kind = "motif" if motifs is not None or consensus else "site"
    _check_options(kind, given)
    form = _format(form, output, kind)
    start(threads, quiet)
    from seqdl.dna.job import Job
    from seqdl.dna.pipeline import Shard, Source

    part = None if shard is None else Shard.parse(shard)
    if part is not None and qv_thresh is not None:
        raise UsageError("--qv-thresh needs the hits of the whole genome: leave --shard out")
    source = Source(genome, _regions(region, bed))
    if piece is not None:
        source = replace(source, piece=piece, chosen=True)
    if part is not None:
        source.refuse_stdin("how long it is, for --shard,")
    scanner, source = _motif_scanner(source, given) if kind == "motif" else _site_scanner(source, given)
    for warning in getattr(scanner, "warnings", []):
        say(warning, quiet)
    total = source.bases() if part is not None else 0
    reads = tuple(str(file) for file in (motifs, model, bed, bfile) if file is not None)
    _run(Job(scanner, source, form, part, total, reads), output, restart, quiet)


def _run(job: Job, output: str, restart: bool, quiet: bool) -> None:
    import shlex

    exact = job.scanner.kind == "site" and not job.source.read_once  # a pass to count costs little beside the network
    of = 1 if job.shard is None else job.shard.of
    display = ScanDisplay((job.source.bases() if exact else job.source.about()) // of, quiet)
    try:
        if output == "-":
            job.stream(sys.stdout.buffer, display)
        else:
            job.to_file(output, restart=restart, watch=display, say=lambda text: say(text, quiet))
    except KeyboardInterrupt:
        display.clear()
        if output != "-" and not job.source.read_once:
            say(f"to go on, give the same command again: {shlex.join(['seqdl', *sys.argv[1:]])}", quiet)
        raise
    finally:
        display.clear()
    say(f"{display.hits:,} hits in {display.bases:,} bases", quiet)


def _check_options(kind: str, given: dict[str, Any]) -> None:
    """UsageError for options that do not fit together."""
    if kind == "motif":
        wrong = [name for name in ("model", "min_probability") if given[name] is not None]
        why = "is of learned sites, and --motifs and --consensus scan for motifs"
    else:
        wrong = [name for name in MOTIF_OPTIONS if given[name] not in (None, False)]
        why = "is of motifs: give them with --motifs or --consensus"
    if wrong:
        raise UsageError(f"--{wrong[0].replace('_', '-')} {why}")
    if given["motifs"] is not None and given["consensus"]:
        raise UsageError("--motifs and --consensus both say what to look for: give one of them")
    if given["text"] and given["qv_thresh"] is not None:
        raise UsageError("--text writes hits before all are known, --qv-thresh needs all: leave one out")
    files = [name for name in ("genome", "motifs", "bed", "bfile") if given[name] == "-"]
    if len(files) > 1:
        raise UsageError(f"only one of {', '.join(files)} can come from standard input")
    if given["min_probability"] is not None and not 0 <= given["min_probability"] <= 1:
        raise UsageError(f"--min-probability must be between 0 and 1, got {given['min_probability']}")


def _format(form: str | None, output: str, kind: str) -> str:
    from seqdl_data.hits import ENDINGS

    if form is not None and form not in FORMATS:
        raise UsageError(f"--format must be one of {', '.join(FORMATS)}, got {form!r}")
    ending = Path(output).suffix.lower()
    if ending in PACKED:
        raise UsageError(f"-o {output}: hits are not compressed; leave {ending} out, or pipe: -o - | gzip")
    return form or ENDINGS.get(ending, "tsv" if kind == "motif" else "bed")


def _regions(region: list[str] | None, bed: str | None) -> tuple[Region, ...] | None:
    from seqdl_data.regions import parse_region, read_bed

    if not region and bed is None:
        return None
    return (*map(parse_region, region or []), *(read_bed(bed) if bed is not None else []))


def _motifs(given: dict[str, Any]) -> list[Motif]:
    from seqdl.dna.motif import Motif, read_motifs

    if given["motifs"] is not None:
        return read_motifs(given["motifs"])
    return [Motif.from_consensus(word) for word in given["consensus"]]


def _motif_scanner(source: Source, given: dict[str, Any]) -> tuple[Scanner, Source]:
    from seqdl.dna.scan import motif_scanner

    options = {
        "background": given["bfile"],
        "thresh": given["thresh"],
        "qv_thresh": given["qv_thresh"],
        "pseudo": given["motif_pseudo"],
    }
    display = ScanDisplay(source.about(), given["quiet"])
    found = motif_scanner(
        _motifs(given),
        source,
        **{name: value for name, value in options.items() if value is not None},
        norc=given["norc"],
        max_strand=given["max_strand"],
        fimo_rounding=given["fimo_rounding"],
        matched_sequence=not given["skip_matched_sequence"],
        watch=display,
    )
    display.clear()
    return found


def _site_scanner(source: Source, given: dict[str, Any]) -> tuple[Scanner, Source]:
    from seqdl.dna.scan import site_scanner

    scanner = site_scanner(given["model"], given["min_probability"])
    return scanner, source.with_piece(scanner.piece)
