"""Small neural networks for text, DNA and handwriting on an ordinary CPU. This file lists what is public."""

from seqdl import nn, ops, optim, surfaces
from seqdl.errors import InputError, ModelFileError, OutputError, QualityError, SeqdlError, UsageError
from seqdl.gradcheck import GradientError, gradcheck
from seqdl.graph import Graph, graph_of
from seqdl.memory import keep_freed_memory
from seqdl.nn.module import Module, Parameter, StateError, summary
from seqdl.ops import OPERATIONS
from seqdl.ops.registry import operation
from seqdl.parallel import get_num_threads, set_num_threads
from seqdl.random import manual_seed
from seqdl.tensor import GraphError, Tensor, is_grad_enabled, no_grad
from seqdl_data.version import VERSION as __version__

__all__ = [
    "OPERATIONS",
    "GradientError",
    "Graph",
    "GraphError",
    "InputError",
    "ModelFileError",
    "Module",
    "OutputError",
    "Parameter",
    "QualityError",
    "SeqdlError",
    "StateError",
    "Tensor",
    "UsageError",
    "__version__",
    "get_num_threads",
    "gradcheck",
    "graph_of",
    "is_grad_enabled",
    "keep_freed_memory",
    "manual_seed",
    "nn",
    "no_grad",
    "operation",
    "ops",
    "optim",
    "set_num_threads",
    "summary",
    "surfaces",
]
