"""Optimiser steps: one pass over a parameter, its gradient and its moments; all are flat, of one type.

The part [lo, hi) is cut out before the loop: an index that might be negative would keep it scalar.
"""

from __future__ import annotations

import math

from seqdl.kernels.jit import kernel


@kernel
def sgd_step(weight, gradient, velocity, lr, momentum, dampening, decay, nesterov, first, lo, hi):  # type: ignore[no-untyped-def]
    """g += decay w; v = g at first, then momentum v + (1 - dampening) g; w -= lr v, or lr (g + momentum v)."""
    of = weight.dtype.type
    lr, momentum, keep, decay = of(lr), of(momentum), of(1 - dampening), of(decay)
    weight, gradient, velocity = weight[lo:hi], gradient[lo:hi], velocity[lo:hi]
    for i in range(hi - lo):
        g = gradient[i] + decay * weight[i]
        v = g if first else momentum * velocity[i] + keep * g
        velocity[i] = v
        weight[i] -= lr * (g + momentum * v if nesterov else v)


@kernel
def adam_step(weight, gradient, mean, square, lr, beta1, beta2, eps, l2, decay, step, lo, hi):  # type: ignore[no-untyped-def]
    """Kingma and Ba 2015; l2 joins the gradient (Adam), decay shrinks the weight itself (AdamW).

    m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  w -= lr m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + eps)
    """
    of = weight.dtype.type
    rate = of(lr / (1 - beta1**step))
    correction = of(1 / math.sqrt(1 - beta2**step))
    b1, b2, rest1, rest2 = of(beta1), of(beta2), of(1 - beta1), of(1 - beta2)
    shrink, l2, eps = of(1 - lr * decay), of(l2), of(eps)
    weight, gradient, mean, square = weight[lo:hi], gradient[lo:hi], mean[lo:hi], square[lo:hi]
    for i in range(hi - lo):
        g = gradient[i] + l2 * weight[i]
        m = b1 * mean[i] + rest1 * g
        v = b2 * square[i] + rest2 * g * g
        mean[i], square[i] = m, v
        weight[i] = weight[i] * shrink - rate * m / (of(math.sqrt(v)) * correction + eps)
