"""DNA: motifs and learned sites, found in genomes of any size."""

from seqdl.dna.explain import Explanation, explain, explain_place
from seqdl.dna.motif import Motif, read_motifs
from seqdl.dna.scan import scan
from seqdl.dna.sitemodel import SiteKind, SiteModel
from seqdl.dna.tracing import trace_region
from seqdl_data.regions import Intron, Region, parse_region, read_bed, read_introns

__all__ = [
    "Explanation",
    "Intron",
    "Motif",
    "Region",
    "SiteKind",
    "SiteModel",
    "explain",
    "explain_place",
    "parse_region",
    "read_bed",
    "read_introns",
    "read_motifs",
    "scan",
    "trace_region",
]
