"""Numba kernels of the vision package: arrays in, arrays filled."""
