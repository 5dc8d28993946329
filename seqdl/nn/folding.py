"""Networks made smaller for inference."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import TypeVar

import numpy as np

from seqdl.nn.layers import BatchNorm2d, Conv2d, Identity
from seqdl.nn.module import Module, Parameter

M = TypeVar("M", bound=Module)


def fold_batch_norm(module: M) -> M:
    """Make each convolution and the batch normalisation behind it one convolution, in place; returns the module.

    w' = w s and b' = (b - mean) s + shift for s = scale / sqrt(var + eps), by the running figures: the same outputs to
    float rounding. Behind means: the next child of the same module, called with what the convolution gives and, if
    there is one, the tensor to be added. The folded convolution stands in the normalisation's place, with its ReLU, and
    an Identity in its own: the state_dict is another one, so fold a copy of what is to be saved or trained.
    ValueError if the module is in training.
    """
    if any(part.training for _, part in module.named_modules()):
        raise ValueError("fold_batch_norm: the module is in training; call eval() first")
    for _, part in list(module.named_modules()):
        for (at, conv), (behind, norm) in pairwise(list(part.named_children())):
            if isinstance(conv, Conv2d) and isinstance(norm, BatchNorm2d) and _belong_together(conv, norm):
                setattr(part, at, Identity().eval())
                setattr(part, behind, _folded(conv, norm))
    return module


def _belong_together(conv: Conv2d, norm: BatchNorm2d) -> bool:
    return not (conv.pool or conv.gelu or conv.relu) and len(conv.weight) == len(norm.weight)


def _folded(conv: Conv2d, norm: BatchNorm2d) -> Conv2d:
    dtype = conv.weight.dtype
    scale = norm.weight.data / np.sqrt(norm.running_var.astype(np.float64) + norm.eps)
    before = 0.0 if conv.bias is None else conv.bias.data
    both = copy.copy(conv)
    both.weight = Parameter((conv.weight.data * scale[:, None, None, None]).astype(dtype))
    both.bias = Parameter(((before - norm.running_mean) * scale + norm.bias.data).astype(dtype))
    both.relu = norm.relu
    return both
