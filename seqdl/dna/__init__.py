"""DNA: motifs and learned sites, found in genomes of any size."""

from seqdl.dna.explain import Explanation, explain, explain_place
from seqdl.dna.sitemodel import SiteKind, SiteModel

__all__ = ["Explanation", "SiteKind", "SiteModel", "explain", "explain_place"]
