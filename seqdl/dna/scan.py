"""`dna.scan`: the hits of motifs, or of a model of sites, in a FASTA file, as Arrow tables.

from seqdl import dna
for hits in dna.scan("genome.fa.gz", motifs=dna.read_motifs("library.meme"), thresh=1e-5):
    print(hits.to_pandas())
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from seqdl.dna import background as backgrounds
from seqdl.dna.motif import PSEUDO, Motif
from seqdl.dna.motif_scanner import MotifScanner
from seqdl.dna.pipeline import Scanner, Source, batches
from seqdl.dna.q_values import limit_by_q
from seqdl.dna.site_scanner import MIN_PROBABILITY, SiteScanner
from seqdl.dna.sitemodel import SiteModel
from seqdl.errors import UsageError
from seqdl_data.motif_files import read_background
from seqdl_data.regions import Region

if TYPE_CHECKING:
    import pyarrow as pa

THRESH = 1e-4
BACKGROUNDS = ("--motif--", "--uniform--", "--input--")  # FIMO's words for --bfile, and one of ours


def scan(
    path: str | os.PathLike[str],
    *,
    motifs: Sequence[Motif] | None = None,
    model: SiteModel | str | os.PathLike[str] | None = None,
    regions: Iterable[Region] | None = None,
    min_probability: float | None = None,
    **options: Any,
) -> Iterator[pa.Table]:
    """Hits of `motifs`, else of the site model `model` (default: the shipped one), piece by piece.

    Tables have the columns of seqdl_data.hits.hit_schema(), rows ordered by contig, start, strand, motif; put
    together they are the same for any number of threads. `path` is FASTA, plain or gzip, "-" standard input.
    `options` are those of `motif_scanner`. Errors are those of seqdl.errors.
    """
    wanted = None if regions is None else tuple(regions)
    if motifs is None:
        if options:
            raise UsageError(f"{', '.join(options)}: only motifs have these; give motifs too")
        scanner: Scanner = site_scanner(model, min_probability)
        source = Source(os.fspath(path), wanted, scanner.piece)
    else:
        if model is not None or min_probability is not None:
            raise UsageError("give motifs or a model of sites, not both")
        scanner, source = motif_scanner(motifs, Source(os.fspath(path), wanted), **options)
    return (batch.table for batch in batches(scanner, source.for_scanner(scanner), source.piece))


def motif_scanner(
    motifs: Sequence[Motif],
    source: Source,
    *,
    background: str | Sequence[float] | np.ndarray = BACKGROUNDS[0],
    thresh: float | None = None,
    qv_thresh: float | None = None,
    pseudo: float = PSEUDO,
    norc: bool = False,
    max_strand: bool = False,
    matched_sequence: bool = True,
    fimo_rounding: bool = False,
    watch: Callable[[int, int], object] = lambda bases, hits: None,
) -> tuple[MotifScanner, Source]:
    """A scanner of motifs (see MotifScanner) for this source, and the source in pieces that suit it.

    `background`: four frequencies; the name of a file of the MEME suite; --motif-- (that of the motifs' file,
    uniform where it has none), --uniform-- or --input-- (that of the source).
    `thresh` is on the p-value, 1e-4 by default; `qv_thresh` on the q-value, and then `thresh` is by default none.
    --input-- and `qv_thresh` read the source once before.
    """
    if qv_thresh is not None and not 0 < qv_thresh <= 1:
        raise UsageError(f"--qv-thresh must be above 0 and at most 1, got {qv_thresh}")
    frequencies = _background(background, motifs, source)
    scanner = MotifScanner(
        motifs,
        frequencies,
        thresh=THRESH if thresh is None else thresh,
        pseudo=pseudo,
        norc=norc,
        max_strand=max_strand,
        matched_sequence=matched_sequence,
        fimo_rounding=fimo_rounding,
    )
    if qv_thresh is not None:
        limit_by_q(scanner, source, qv_thresh, thresh is None, watch)
    return scanner, source.with_piece(scanner.piece)


def site_scanner(
    model: SiteModel | str | os.PathLike[str] | None = None, min_probability: float | None = None
) -> SiteScanner:
    """A scanner of learned sites: `model` is one, or a file, a run's folder, a shipped one's name, None the default."""
    loaded = model if isinstance(model, SiteModel) else SiteModel.load(model)
    return SiteScanner(loaded, MIN_PROBABILITY if min_probability is None else min_probability)


def _background(given: str | Sequence[float] | np.ndarray, motifs: Sequence[Motif], source: Source) -> np.ndarray:
    if not isinstance(given, str):
        return backgrounds.checked(given)
    if given == "--uniform--":
        return backgrounds.UNIFORM
    if given == "--motif--":
        return next((motif.background for motif in motifs if motif.background is not None), backgrounds.UNIFORM)
    if given == "--input--":
        source.refuse_stdin("how frequent its bases are")
        counts = backgrounds.count_bases(piece.codes for piece in source.pieces())
        return backgrounds.from_counts(counts)
    return read_background(given)
