"""Operations with their gradients, one family a file, and the table of all of them."""

from seqdl.ops.activation import dropout, gelu, log_softmax, relu, sigmoid, softmax, tanh
from seqdl.ops.arithmetic import add, div, exp, linear, log, matmul, mul, neg, pow, sqrt, sub
from seqdl.ops.convolution import conv2d, max_pool2d
from seqdl.ops.loss import binary_cross_entropy_with_logits, cross_entropy
from seqdl.ops.normalisation import batch_norm, layer_norm
from seqdl.ops.recurrent import gru, lstm
from seqdl.ops.reduction import max, mean, sum, var
from seqdl.ops.registry import OPERATIONS, Operation, operation
from seqdl.ops.shape import concat, embedding, getitem, pad, permute, reshape, stack

__all__ = [
    "OPERATIONS",
    "Operation",
    "add",
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "concat",
    "conv2d",
    "cross_entropy",
    "div",
    "dropout",
    "embedding",
    "exp",
    "gelu",
    "getitem",
    "gru",
    "layer_norm",
    "linear",
    "log",
    "log_softmax",
    "lstm",
    "matmul",
    "max",
    "max_pool2d",
    "mean",
    "mul",
    "neg",
    "operation",
    "pad",
    "permute",
    "pow",
    "relu",
    "reshape",
    "sigmoid",
    "softmax",
    "sqrt",
    "stack",
    "sub",
    "sum",
    "tanh",
    "var",
]
