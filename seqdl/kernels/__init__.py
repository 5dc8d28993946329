"""Numba kernels: arrays in, arrays filled. They know nothing of tensors or graphs."""
