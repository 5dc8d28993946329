"""DNA: motifs and learned sites, found in genomes of any size."""

from seqdl.dna.motif import Motif, read_motifs
from seqdl.dna.scan import scan
from seqdl_data.regions import Region, parse_region, read_bed

__all__ = ["Motif", "Region", "parse_region", "read_bed", "read_motifs", "scan"]
