"""Motif libraries of every common kind, recognised by content; plain or gzip.

    from seqdl_data.motif_files import read_motifs
    records = read_motifs("JASPAR2024_CORE.meme")

JASPAR (with brackets or plain), MEME text, web page and XML, TRANSFAC, PFM in rows or columns, Cluster-Buster,
CIS-BP, aligned sites, a consensus.
"""

from __future__ import annotations

import os
import re
from os import PathLike

import numpy as np

from seqdl_data.corpus import read_pieces
from seqdl_data.errors import InputError
from seqdl_data.motif_matrices import can_begin, is_transfac, read_matrices, read_transfac
from seqdl_data.motif_meme import SLACK, is_meme_text, read_markup, read_meme_text
from seqdl_data.motif_record import BASES, MotifRecord, Source
from seqdl_data.motif_sites import are_words, from_consensus, read_sites

__all__ = ["MotifRecord", "from_consensus", "read_background", "read_motifs"]

MOST_BYTES = 64 << 20  # 2,346 matrices of JASPAR have 2 MB; what is larger is something else
FOREIGN = (  # what people give by mistake, by how its first lines look
    (r"##gff|\S+\t\S+\t\S+\t\d+\t\d+\t\S+\t[-+.]", "GFF"),
    (r"##fileformat=VCF", "VCF"),
    (r"@(HD|SQ|RG)\t", "SAM"),
    (r"@\S.*\n[A-Za-z.]+\n\+", "FASTQ"),
    (r"(track|browser)\s|[^\s>#|\[]{2,}\s+\d+\s+\d+(\s+[A-Za-z.]\S*)?(\s|$)", "BED"),
    (r"\s*(\{|\[\s*[\"{\[])", "JSON"),
)
KINDS = "JASPAR, MEME, TRANSFAC, a table of A C G T, or aligned sites"


def read_motifs(path: str | PathLike[str]) -> list[MotifRecord]:
    """All motifs of the file at `path` ("-": standard input), in its order; at least one.

    Ids are as the file has them; a file in which two motifs share one is read as it is (YEASTRACT's are called by
    their protein), each motif keeps its place. RNA is read as DNA. A matrix is left as it stands: counts or
    frequencies, not normalised.

    InputError with file and line for what is no motif file (it says what it looks like), holds no motif, or holds
    one that cannot be: no columns, rows of unequal length, a value that is negative or no number, a position
    without counts, a protein alphabet.
    """
    source = _load(os.fspath(path))
    first = next((line for line in source.lines if line.strip()), None)
    if first is None:
        raise source.error(None, "no motifs: the file is empty")
    records = _read(source, first)
    if not records:
        raise source.error(None, f"no motifs in this file; expected {KINDS}")
    return records


def read_background(path: str | PathLike[str]) -> np.ndarray:
    """(4,) float64, adds up to 1: frequencies of A C G T from a background file of the MEME suite (--bfile).

    Lines `A 0.3`; longer words (a Markov model of higher order) and comments (#) are passed over. InputError where
    a base is missing, given twice, or not above 0.
    """
    source = _load(os.fspath(path))
    found: dict[str, float] = {}
    for index, line in enumerate(source.lines):
        words = line.split("#")[0].split()
        if not words:
            continue
        base = words[0].upper().replace("U", "T")
        if len(words) != 2 or not re.fullmatch("[ACGT]+", base):
            raise source.error(index, f"expected a base and its frequency, found {line[:40]!r}")
        if len(base) == 1:
            value = source.numbers(index, words[1:])[0]
            if base in found or not 0 < value <= 1:
                raise source.error(index, f"background of {base}: expected one value above 0, at most 1")
            found[base] = value
    if missing := [base for base in BASES if base not in found]:
        raise source.error(None, f"no background frequency of {', '.join(missing)}; expected lines such as 'A 0.3'")
    background = np.array([found[base] for base in BASES])
    if abs(background.sum() - 1) > SLACK:
        raise source.error(None, f"background frequencies add up to {background.sum():.4g}, not 1")
    return background / background.sum()


def _read(source: Source, first: str) -> list[MotifRecord]:
    if first.lstrip().startswith("<"):
        return read_markup(source)
    if is_meme_text(source):
        return read_meme_text(source)
    if is_transfac(source):
        return read_transfac(source)
    _refuse_foreign(source)
    if are_words(source):
        return read_sites(source)
    content = (k for k, line in enumerate(source.lines) if line.strip() and line.strip()[0] not in "#>")
    start = next(content, None)
    if start is not None and not can_begin(source.lines[start].strip()):
        text = source.lines[start].strip()[:30]
        raise source.error(start, f"not a motif file: found {text!r}; expected {KINDS}")
    return read_matrices(source)


def _load(path: str) -> Source:
    if os.path.isdir(path):
        raise InputError(f"{path}: a folder; name one motif file")
    pieces, size = [], 0
    for piece in read_pieces([path]):
        size += len(piece)
        if b"\0" in piece:
            raise InputError(f"{path}: not a motif file: binary data; expected {KINDS}")
        if size > MOST_BYTES:
            raise InputError(f"{path}: not a motif file: more than {MOST_BYTES >> 20} MiB; expected {KINDS}")
        pieces.append(piece)
    data = b"".join(pieces)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")  # names of authors in old files; the numbers are ASCII
    return Source(path, re.split(r"\r\n|\r|\n", text))  # not splitlines: it also cuts at form feeds and the like


def _refuse_foreign(source: Source) -> None:
    start = next(k for k, line in enumerate(source.lines) if line.strip())
    head = "\n".join(source.lines[start : start + 4])
    for pattern, kind in FOREIGN:
        if re.match(pattern, head) and not _all_numbers(source.lines[start]):
            raise source.error(start, f"not a motif file: looks like {kind}; expected {KINDS}")
    if sum(not (c.isprintable() or c.isspace()) for c in head) > len(head) // 20:
        raise source.error(None, f"not a motif file: binary data; expected {KINDS}")


def _all_numbers(line: str) -> bool:
    return all(re.fullmatch(r"[-+.\deE]+|[-+]?(nan|inf)", word, re.IGNORECASE) for word in line.split())
