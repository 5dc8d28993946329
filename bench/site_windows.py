"""Windows of one width with a junction at one place: networks, and the weight matrices they are measured against.

PWM: log-odds of each base by its place; WAM of order n: of each base given the n before it. Counts get one more for
each possibility.
"""

from __future__ import annotations

import numpy as np

from seqdl import ops, optim
from seqdl.dna.network import SiteNetwork
from seqdl.tensor import no_grad
from seqdl_data.nucleotides import UNKNOWN

Array = np.ndarray


def train(
    codes: Array,
    labels: Array,
    junction: int,
    *,
    classes: int,
    epochs: float,
    batch: int = 32,
    hidden: int = 48,
    layers: int = 1,
    kmer: int = 3,
    dropout: float = 0.5,
    seed: int = 0,
) -> SiteNetwork:
    """A network that tells the class (N,) of windows (N, W) at their junction."""
    generator = np.random.default_rng(seed)
    network = SiteNetwork(classes, "gru", hidden, layers, kmer, dropout, generator)
    optimiser = optim.AdamW(network.parameters(), lr=4e-3, weight_decay=0.05, betas=(0.9, 0.99))
    steps = int(epochs * (len(codes) // batch))
    for step in range(steps):
        optimiser.lr = 4e-3 * min(1, (step + 1) / 50) * (0.5 + 0.5 * np.cos(np.pi * step / steps))
        rows = generator.choice(len(codes), batch, replace=False)
        seen = codes[rows]
        seen[generator.random(seen.shape) < 0.1] = UNKNOWN  # what a network may not lean on
        optimiser.zero_grad()
        ops.cross_entropy(network.site(network(seen)[junction]), labels[rows].astype(np.int64)).backward()
        optim.clip_grad_norm_(optimiser.params, 1.0)
        optimiser.step()
    return network.eval()


def log_probabilities(network: SiteNetwork, codes: Array, junction: int) -> Array:
    """(N, C) of windows (N, W)."""
    parts = []
    with no_grad():
        for at in range(0, len(codes), 2048):
            logits = network.site(network(codes[at : at + 2048])[junction]).data
            parts.append(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    return np.concatenate(parts)


def weight_array(true: Array, false: Array, order: int) -> Array:
    """(W, 4 ** (order + 1)) log-odds of each base given `order` before it, from windows (N, W)."""
    return np.log(_frequencies(true, order)) - np.log(_frequencies(false, order))


def weight_scores(weights: Array, codes: Array, order: int) -> Array:
    """(N,) the sum of the log-odds over windows (N, W); unknown bases give nothing."""
    words, known = _words(codes, order)
    return np.where(known, weights[np.arange(codes.shape[1]), words], 0).sum(axis=1)


def _frequencies(codes: Array, order: int) -> Array:
    words, known = _words(codes, order)
    counts = np.ones((codes.shape[1], 4 ** (order + 1)))
    for place in range(codes.shape[1]):
        counts[place] += np.bincount(words[known[:, place], place], minlength=counts.shape[1])
    shares = counts.reshape(len(counts), -1, 4)
    return (shares / shares.sum(axis=2, keepdims=True)).reshape(counts.shape)


def _words(codes: Array, order: int) -> tuple[Array, Array]:
    """The word of order + 1 bases that ends at each place (as if A stood before the first), and whether it is known."""
    padded = np.pad(codes, ((0, 0), (order, 0)))
    words, known = np.zeros(codes.shape, np.int64), np.ones(codes.shape, bool)
    for shift in range(order + 1):
        base = padded[:, shift : shift + codes.shape[1]]
        words, known = 4 * words + np.minimum(base, 3), known & (base < UNKNOWN)
    return words, known
