"""DNA: motifs and learned sites, found in genomes of any size."""
