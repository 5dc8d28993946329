"""Motifs given as words: aligned sites, and a consensus in IUPAC letters."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from seqdl_data.errors import InputError, UsageError
from seqdl_data.motif_record import IUPAC, MotifRecord, Source, letter_row

WORD = re.compile(r"[A-Za-z.*-]+")
CORE = re.compile(r"[a-z]*([A-Z]+)[a-z]*")
MOST_BASES = 100  # what is longer is a sequence, not a site
MOST_WITH_FLANKS = 1000  # of a line that holds a site in upper case


class _Site(NamedTuple):
    line: int
    header: str
    letters: str


def from_consensus(text: str) -> MotifRecord:
    """The motif of a consensus such as TATAWAW, with `text` as its id; each letter's bases are equally frequent.

    UsageError for a letter that is not of the IUPAC code, and for no letters at all.
    """
    letters = text.strip().upper()
    if not letters:
        raise UsageError("the consensus is empty; give letters such as TATAWAW")
    for k, letter in enumerate(letters):
        if letter not in IUPAC:
            raise UsageError(f"consensus {text}: {letter!r} at position {k + 1} is not one of {''.join(IUPAC)}")
    return MotifRecord(text.strip(), "", np.array([letter_row(letter) for letter in letters]), 0.0, None)


def are_words(source: Source) -> bool:
    """Whether the first line that is neither blank, comment nor `>name` is a word of letters."""
    content = (line.strip() for line in source.lines)
    first = next((line for line in content if line and line[0] not in "#>"), "")
    return bool(WORD.fullmatch(first))


def read_sites(source: Source) -> list[MotifRecord]:
    """One motif from sites of equal length: FASTA, or one on each line. A lone word is a consensus.

    Where lower and upper case are mixed, as in JASPAR's .sites, the upper case part is the site. The id is the
    first word of the headers if all agree (the second is the alternate name), else the file's stem. A letter that
    stands for several bases counts as a share of each.
    """
    sites = _sites(source)
    if not sites:
        raise source.error(None, "names without sites")
    if len(sites) == 1 and not sites[0].header:
        return [_lone_word(source, sites[0])]
    if len(sites) == 1 or len(sites[0].letters) > MOST_WITH_FLANKS:
        raise _sequences(source, sites[0], f"a sequence of {len(sites[0].letters):,} letters")
    sites = _cut_to_core(source, sites)
    _check(source, sites)
    matrix = sum(np.array([letter_row(letter) for letter in site.letters.upper()]) for site in sites)
    heads = {tuple(site.header.split()[:2]) for site in sites}
    shared = heads.pop() if len(heads) == 1 else ()
    name, alt = (*shared, "", "")[:2]
    return [MotifRecord(name or source.stem, alt, np.asarray(matrix), float(len(sites)), None)]


def _sites(source: Source) -> list[_Site]:
    sites: list[_Site] = []
    header, start = "", 0
    parts: list[str] = []
    plain = not any(line.startswith(">") for line in source.lines)
    for index, line in enumerate(source.lines):
        line = line.strip()
        if line.startswith(">"):
            if parts:
                sites.append(_Site(start, header, "".join(parts)))
            header, start, parts = line[1:].strip() or "site", index + 1, []
        elif line and not line.startswith("#"):
            if not WORD.fullmatch(line):
                raise source.error(index, f"expected a site (letters only), found {line[:40]!r}")
            if plain:
                sites.append(_Site(index, "", line))
            else:
                parts.append(line)
    if parts:
        sites.append(_Site(start, header, "".join(parts)))
    return sites


def _lone_word(source: Source, site: _Site) -> MotifRecord:
    if len(site.letters) > MOST_BASES or any(letter not in IUPAC for letter in site.letters.upper()):
        raise source.error(site.line, f"not a motif file: text such as {site.letters[:20]!r}")
    return from_consensus(site.letters)


def _cut_to_core(source: Source, sites: list[_Site]) -> list[_Site]:
    if not any(site.letters != site.letters.upper() and site.letters != site.letters.lower() for site in sites):
        return sites
    cores = []
    for site in sites:
        found = CORE.fullmatch(site.letters)
        if found is None:
            raise source.error(site.line, f"expected one run of upper case letters, the site, in {site.letters[:60]!r}")
        cores.append(site._replace(letters=found.group(1)))
    return cores


def _check(source: Source, sites: list[_Site]) -> None:
    width = len(sites[0].letters)
    for site in sites:
        if len(site.letters) > MOST_BASES or len(site.letters) != width:
            raise _sequences(source, site, f"{len(site.letters):,} letters, the first has {width:,}")
        for letter in site.letters.upper():
            if letter not in IUPAC:
                raise source.error(
                    site.line, f"{letter!r} in a site; expected the letters of DNA, aligned without gaps"
                )


def _sequences(source: Source, site: _Site, found: str) -> InputError:
    return source.error(
        site.line,
        f"not a motif file: looks like sequences ({found}); aligned sites are several, of equal length, "
        f"{MOST_BASES} bases at most",
    )
