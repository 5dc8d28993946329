"""What the gates of a model of sites do along a stretch of a genome."""

from __future__ import annotations

import os
import sys

from seqdl.dna.network import kmer_symbols
from seqdl.dna.sitemodel import SiteModel
from seqdl.errors import UsageError
from seqdl.gates import Trace, trace
from seqdl_data.fasta import read_fasta
from seqdl_data.nucleotides import decode, reverse_complement
from seqdl_data.regions import Region


def trace_region(model: SiteModel, genome: str | os.PathLike[str], region: Region, strand: str = "+") -> Trace:
    """The gates and states of a model's layers while it reads a region of a FASTA file, in the strand's direction.

    Of T bases; the first character is that of the region's end where `strand` is "-". Each base is read with the
    model's context on either side, as far as the record reaches, as in a scan. Layers "l0", "l1" read in that
    direction, "l0_reverse", "l1_reverse" against it. Memory is some 4 kB a base. UsageError for another strand,
    InputError for a region that the file does not have.
    """
    if strand not in ("+", "-"):
        raise UsageError(f"strand {strand!r}: + or - is needed")
    flank = model.context
    (piece,) = read_fasta(genome, piece=sys.maxsize, left=flank, right=flank, regions=[region], beyond=True)
    lo, hi = (at - piece.start for at in piece.own)
    codes = piece.codes
    if strand == "-":
        codes, lo, hi = reverse_complement(codes), len(codes) - hi, len(codes) - lo
    network = model.network
    found = trace(network.rnn, kmer_symbols(codes, network.kmer), decode(codes).decode())
    layers = {name: {gate: values[lo:hi] for gate, values in steps.items()} for name, steps in found.layers.items()}
    return Trace(found.characters[lo:hi], layers)
