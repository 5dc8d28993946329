"""A small job of each kind, so that the kernels are compiled and loaded before the first request."""

from __future__ import annotations

import tempfile
from pathlib import Path

from seqdl.dna import Motif, scan
from seqdl.text import SamplingOptions, TextBatch
from seqdl_serve.models import Models
from seqdl_vision import read_page
from seqdl_vision import warmup as vision

STREAMS = 5  # more than there are threads: kernels for one stream and for several
CONSENSUS = "TATAWAW"
MOTIFS = 40


def warm(models: Models) -> None:
    """Run each model once; some seconds where the kernels are compiled already."""
    for text in models.texts.values():
        batch = TextBatch(text)
        for number in range(STREAMS):
            batch.add(number, "a", 4, seed=number, options=SamplingOptions(top_k=5), alternatives=number)
            batch.step(1)
        while len(batch):
            batch.step(4)
    with tempfile.TemporaryDirectory() as folder:
        fasta = Path(folder, "sequence.fa")
        fasta.write_text(">sequence\n" + "TATAAAAGGTAAGTCAG" * 40 + "\n")
        list(scan(fasta, motifs=[Motif.from_consensus(CONSENSUS)], thresh=1e-3))
        list(scan(fasta, motifs=[Motif.from_consensus(CONSENSUS)] * MOTIFS))  # a library goes by another way
        for sites in models.sites.values():
            list(scan(fasta, model=sites))
    vision.warm_up()
    for letters in models.letters.values():
        read_page(vision.drawn_page(), letters)
