"""GELU and ReLU with their gradients: GELU in float32, ReLU in either type."""

from __future__ import annotations

import numpy as np

from seqdl.kernels.jit import kernel

# phi(x) - 1/2 = x P(x^2) / Q(x^2) for |x| <= 5.5, and gelu'(x) - 1/2 = x R(x^2) / S(x^2) for |x| <= 6, from
# bench/fit_rationals.py: absolute errors below 4e-7. phi is the normal distribution's function.
PHI_LIMIT, SLOPE_LIMIT = np.float32(5.5), np.float32(6.0)
P0, P1, P2, P3, P4, P5 = (
    np.float32(c)
    for c in (3.989422346e-01, 3.385261168e-02, 4.677258518e-03, 1.688253526e-04, 6.352118750e-06, 2.274944731e-08)
)
Q1, Q2, Q3, Q4, Q5 = (
    np.float32(c) for c in (2.515218320e-01, 2.864585173e-02, 1.884442883e-03, 7.364741930e-05, 1.197506434e-06)
)
R0, R1, R2, R3, R4, R5 = (
    np.float32(c)
    for c in (7.978845295e-01, -3.074326195e-02, 1.420916153e-02, 2.418763937e-05, 3.585056826e-05, 1.908842862e-07)
)
S1, S2, S3, S4, S5 = (
    np.float32(c) for c in (2.948059092e-01, 4.106476743e-02, 3.528766992e-03, 1.935211939e-04, 8.887454526e-06)
)
ONE, HALF = np.float32(1.0), np.float32(0.5)


@kernel
def gelu(x, value):  # type: ignore[no-untyped-def]
    """value = x phi(x), both flat and apart: a loop that reads what it writes would stay scalar."""
    for n in range(len(x)):
        a = min(max(x[n], -PHI_LIMIT), PHI_LIMIT)
        s = a * a
        p = P0 + s * (P1 + s * (P2 + s * (P3 + s * (P4 + s * P5))))
        q = ONE + s * (Q1 + s * (Q2 + s * (Q3 + s * (Q4 + s * Q5))))
        value[n] = x[n] * (HALF + a * p / q)


@kernel
def gelu_backward(x, grad, grad_x):  # type: ignore[no-untyped-def]
    """grad_x = grad (phi(x) + x phi'(x)), all flat and apart."""
    for n in range(len(x)):
        a = min(max(x[n], -SLOPE_LIMIT), SLOPE_LIMIT)
        s = a * a
        p = R0 + s * (R1 + s * (R2 + s * (R3 + s * (R4 + s * R5))))
        q = ONE + s * (S1 + s * (S2 + s * (S3 + s * (S4 + s * S5))))
        grad_x[n] = grad[n] * (HALF + a * p / q)


@kernel
def add_and_cut(value, add, floor):  # type: ignore[no-untyped-def]
    """value += add, unless that is empty, but no less than floor: 0 for a ReLU, -inf for none. Both flat."""
    floor = value.dtype.type(floor)
    if len(add) > 0:
        for n in range(len(value)):
            total = value[n] + add[n]
            value[n] = floor if total < floor else total  # a NaN stays one
    else:
        for n in range(len(value)):
            value[n] = floor if value[n] < floor else value[n]


@kernel
def relu_backward(value, grad, grad_x):  # type: ignore[no-untyped-def]
    """grad_x = grad where the ReLU gave more than 0, else 0; all flat and apart."""
    zero = grad.dtype.type(0)
    for n in range(len(value)):
        given = grad[n]  # read in any case, else the loop stays scalar
        grad_x[n] = zero if value[n] <= zero else given
