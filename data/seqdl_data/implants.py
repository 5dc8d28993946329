"""A dataset of sites of any kind, from examples of them and a background: each example is put into the background.

So a site model learns to tell the examples from all else in the same way that it will read a genome, and the
share of sites among all bases is as if each example lay once in the background.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from seqdl_data.dataset import SPLITS, DatasetInfo
from seqdl_data.errors import InputError
from seqdl_data.fasta import read_fasta
from seqdl_data.files import replacing
from seqdl_data.nucleotides import UNKNOWN, reverse_complement
from seqdl_data.sites import KIND, UNSAID, Labels, Piece, counts_of, split_of, write_sites

Array = np.ndarray
CLASSES = ("none", "site")
ROW = 1 << 13  # bases; one in ten of such pieces of the background is held out to validate
COPIES = 4  # of each example for training, at different places
MOST = 20_000_000  # bases of a background that are used
MADE_UP = 1_000_000  # bases of a background that we make ourselves
FEWEST = 20  # examples
TRIES = 100  # random places looked at, of which one must be free of other examples


def build_implants(
    output: str | os.PathLike[str],
    positives: str | os.PathLike[str],
    background: str | os.PathLike[str] | None = None,
    *,
    seed: int = 1,
    command: str = "",
) -> tuple[DatasetInfo, int]:
    """Write a dataset of the classes none and site to `output`; return its description and the sites' width W.

    positives: FASTA of at least 20 sequences of one length W, aligned to each other; the junction is before base
    W // 2. background: FASTA of a genome, of which the first 20 Mb are used; where the examples lie in it nothing is
    said. Without one it is random sequence in which each base follows its predecessor as often as in the examples.

    Examples are split 8 : 1 : 1 by their letters, so that repeats stay together; so is the background, by place.
    InputError for files that are missing or malformed, examples of different lengths, too few of them.
    """
    sites = _read_examples(positives)
    generator = np.random.default_rng(seed)
    known = {site.tobytes() for site in sites} | {reverse_complement(site).tobytes() for site in sites}
    parts = _made_up(sites, generator) if background is None else _read_background(background)
    pieces = list(_implanted(list(parts), sites, known, generator))
    info = DatasetInfo(
        name=Path(positives).name.split(".")[0],
        kind=KIND,
        counts={split: counts_of((p for p in pieces if p.split == split), CLASSES) for split in SPLITS},
        source=f"{os.path.basename(positives)} in {os.path.basename(background or 'random sequence')}",
        command=command,
        classes=CLASSES,
    )
    with replacing(output) as temporary:
        write_sites(temporary, pieces, info)
    return info, len(sites[0])


def _read_examples(path: str | os.PathLike[str]) -> list[Array]:
    sites: list[Array] = []
    for piece in read_fasta(path, piece=1 << 16):
        place = f"{os.fspath(path)}: record {piece.record}"
        if sites and len(piece.codes) != len(sites[0]):
            raise InputError(f"{place}: {len(piece.codes)} bases where the first has {len(sites[0])}; align them")
        if not len(piece.codes) or not piece.last:
            raise InputError(f"{place}: no example of a site, but {'a long sequence' if len(piece.codes) else 'empty'}")
        sites.append(piece.codes)
    if len(sites) < FEWEST:
        raise InputError(f"{os.fspath(path)}: {len(sites)} examples; a network needs {FEWEST} at the very least")
    return sites


def _read_background(path: str | os.PathLike[str]) -> Iterator[tuple[str, int, Array]]:
    used = 0
    for piece in read_fasta(path, piece=ROW):
        yield piece.record, piece.start, piece.codes
        used += len(piece.codes)
        if used >= MOST:
            return


def _made_up(sites: Sequence[Array], generator: np.random.Generator) -> Iterator[tuple[str, int, Array]]:
    """Random sequence from a chain of first order with the examples' steps, none of them impossible."""
    steps = np.ones((UNKNOWN, UNKNOWN))
    for site in sites:
        whole = (site[:-1] < UNKNOWN) & (site[1:] < UNKNOWN)
        np.add.at(steps, (site[:-1][whole], site[1:][whole]), 1)
    edges = np.cumsum(steps / steps.sum(axis=1, keepdims=True), axis=1)
    edges[:, -1] = 1
    rows = edges.tolist()
    for start in range(0, MADE_UP, ROW):
        base, codes = 0, np.empty(ROW, np.uint8)
        for at, chance in enumerate(generator.random(ROW).tolist()):
            row = rows[base]
            base = 0 if chance < row[0] else 1 if chance < row[1] else 2 if chance < row[2] else 3
            codes[at] = base
        yield "random", start, codes


def _implanted(
    parts: Sequence[tuple[str, int, Array]], sites: Sequence[Array], known: set[bytes], generator: np.random.Generator
) -> Iterator[Piece]:
    width = len(sites[0])
    by_split = {split: [site for site in sites if split_of(site.tobytes()) == split] for split in SPLITS}
    homes: dict[str, list[Piece]] = {split: [] for split in SPLITS}
    for number, (record, start, codes) in enumerate(parts):
        labels = np.where(codes < UNKNOWN, 0, UNSAID).astype(np.uint8)
        data = codes.tobytes()
        for at in range(len(data) - width + 1):
            if data[at : at + width] in known:
                labels[at : at + width] = UNSAID
        split = {8: "valid", 9: "test"}.get(number % 10, "train")
        homes[split].append(Piece(record, start, codes.copy(), Labels(labels, None), None, split))
    for split, pieces in homes.items():
        roomy = [piece for piece in pieces if len(piece.codes) > width]
        taken = [np.zeros(len(piece.codes), bool) for piece in roomy]
        for site in by_split[split] * (COPIES if split == "train" else 1):
            number, at = _free_place(taken, width, generator)
            taken[number][at : at + width] = True
            _implant(roomy[number], site, at)
        yield from pieces


def _free_place(taken: Sequence[Array], width: int, generator: np.random.Generator) -> tuple[int, int]:
    """A piece and a place in it where no example lies yet."""
    for _ in range(TRIES if taken else 0):
        number = int(generator.integers(len(taken)))
        at = int(generator.integers(len(taken[number]) - width + 1))
        if not taken[number][at : at + width].any():
            return number, at
    raise InputError("the background is too short to put the examples into it; give more of it")


def _implant(piece: Piece, site: Array, at: int) -> None:
    piece.codes[at : at + len(site)] = site
    piece.forward.sites[at : at + len(site)] = 0
    piece.forward.sites[at + len(site) // 2] = 1
