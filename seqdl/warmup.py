"""Compile every kernel for the types that seqdl's commands use."""

from __future__ import annotations

import numpy as np

from seqdl import nn, ops, optim
from seqdl.dna.matcher import Matcher, ScoreCounter
from seqdl.dna.pvalue import ScoreDistribution
from seqdl.kernels.jit import KERNELS
from seqdl.tensor import Tensor
from seqdl.text.model import CharModel
from seqdl.text.network import CharNetwork
from seqdl.text.vocabulary import ByteVocabulary


def warm_up() -> tuple[int, int]:
    """Run a tiny piece of everything; returns how many kernel versions were compiled and how many loaded."""
    for cell in ("lstm", "gru"):
        network = CharNetwork(256, cell, hidden=4, layers=2)
        for optimiser in (optim.AdamW(network.parameters()), optim.SGD(network.parameters())):
            logits, _ = network(np.zeros((2, 1), np.int64), network.zero_state(1))
            ops.cross_entropy(logits, np.zeros(2, np.int64)).backward()
            optimiser.step()
        for scheme in ("float32", "int8"):
            list(CharModel(network.eval(), ByteVocabulary(), {"quantised": scheme}).generate("a", 2, seed=0))
    image = Tensor(np.zeros((1, 1, 4, 4), np.float32), requires_grad=True)
    nn.GELU()(nn.MaxPool2d(2)(nn.Conv2d(1, 1, 3)(image))).sum().backward()
    nn.BatchNorm2d(1, relu=True)(image, image).sum().backward()
    wide = Tensor(np.zeros((1, 16, 4, 4), np.float32), requires_grad=True)  # convolved in tiles
    nn.Conv2d(16, 16, 3, padding=1, relu=True)(wide, wide).sum().backward()
    diagonal = np.tile(np.eye(4), (3, 1))
    for matrices in (1, 500):  # few are swept, many get an index
        Matcher([diagonal] * matrices, [len(diagonal)] * matrices).find(np.zeros(1, np.uint8))
    ScoreCounter(diagonal, 0, 1).add(np.zeros(1, np.uint8))
    ScoreDistribution(np.eye(4)).threshold(0.5)
    stats = [kernel.stats for kernel in KERNELS]
    return sum(sum(s.cache_misses.values()) for s in stats), sum(sum(s.cache_hits.values()) for s in stats)
