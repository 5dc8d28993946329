"""The network that finds sites: it reads a stretch of DNA in both directions and judges every base of it at once.

    k-mers (T, B) -> bidirectional GRU or LSTM layers -> (T, B, 2 H) -> linear -> logits of each base's class

Each base is read as the k-mer around it, one of 4^k + 1 symbols, so that the first product is a look-up of rows:
a convolution over k bases that costs nothing. A base's class is 0 for no site, then the kinds of site; a site is
the junction before the base: a donor's first intron base, an acceptor's first exon base.

A second linear layer tells what the base belongs to (see STRUCTURES). It is used in training alone: a genome says
that of every base, and of few whether they are a site, so the layers below learn from it what an exon looks like.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqdl.nn import GRU, LSTM, Dropout, Linear, Module
from seqdl_data.nucleotides import UNKNOWN
from seqdl_data.sites import STRUCTURES

Array = np.ndarray
CELLS: dict[str, Any] = {"gru": GRU, "lstm": LSTM}


def kmer_symbols(codes: Array, k: int) -> Array:
    """(..., T) base codes -> (..., T) int64, the k-mer around each base; 4^k where it is not all A, C, G and T.

    k is odd; what lies beyond both ends counts as unknown.
    """
    reach, width = k // 2, codes.shape[-1]
    padding = [(0, 0)] * (codes.ndim - 1) + [(reach, reach)]
    padded = np.pad(codes, padding, constant_values=UNKNOWN)
    symbols = np.zeros(codes.shape, np.int64)
    known = np.ones(codes.shape, bool)
    for shift in range(k):
        base = padded[..., shift : shift + width]
        symbols = 4 * symbols + base
        known &= base < UNKNOWN
    return np.where(known, symbols, 4**k)


class SiteNetwork(Module):
    """Base codes (B, T) uint8 -> hidden vectors (T, B, 2 H), from which `site` and `structure` make logits."""

    def __init__(
        self,
        classes: int = 3,
        cell: str = "gru",
        hidden: int = 64,
        layers: int = 2,
        kmer: int = 5,
        dropout: float = 0.1,
        generator: np.random.Generator | None = None,
    ) -> None:
        super().__init__()
        self.architecture = {
            "classes": classes,
            "cell": cell,
            "hidden": hidden,
            "layers": layers,
            "kmer": kmer,
            "dropout": dropout,
        }
        self.kmer = kmer
        self.rnn = CELLS[cell](4**kmer + 1, hidden, layers, dropout=dropout, bidirectional=True, generator=generator)
        self.drop = Dropout(dropout, generator)
        self.site = Linear(2 * hidden, classes, generator=generator)
        self.structure = Linear(2 * hidden, len(STRUCTURES), generator=generator)

    def forward(self, codes: Array) -> Any:
        symbols = np.ascontiguousarray(kmer_symbols(codes, self.kmer).T)
        hidden, _ = self.rnn(symbols)
        return self.drop(hidden)
