"""Layers and losses with PyTorch's names, weight layouts and defaults."""

from seqdl.nn import init
from seqdl.nn.folding import fold_batch_norm
from seqdl.nn.layers import (
    GELU,
    BatchNorm1d,
    BatchNorm2d,
    Conv2d,
    CrossEntropyLoss,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    LayerNorm,
    Linear,
    MaxPool2d,
    MSELoss,
    ReLU,
    Sigmoid,
    Tanh,
)
from seqdl.nn.module import Module, ModuleList, Parameter, Sequential, StateError, evaluating, summary
from seqdl.nn.recurrent import GRU, LSTM

__all__ = [
    "GELU",
    "GRU",
    "LSTM",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "Identity",
    "LayerNorm",
    "Linear",
    "MSELoss",
    "MaxPool2d",
    "Module",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "StateError",
    "Tanh",
    "evaluating",
    "fold_batch_norm",
    "init",
    "summary",
]
