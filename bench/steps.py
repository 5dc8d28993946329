"""Steps that several benches take: a classifier in seqdl and in PyTorch, its products alone, Adam for JAX."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
from measure import Step


def seqdl_classifier(network: Any, inputs: Sequence[Any], classes: Sequence[Any], training: bool) -> Step:
    """The batches in turn: forward, cross-entropy, backward and Adam; or forward alone."""
    from seqdl import Tensor, no_grad, ops, optim

    optimiser, batches = optim.Adam(network.parameters()), cycle(zip(inputs, classes, strict=True))
    network.train(training)

    def train() -> Any:
        x, target = next(batches)
        optimiser.zero_grad()
        loss = ops.cross_entropy(network(Tensor(x)), target)
        loss.backward()
        optimiser.step()
        return loss.data

    def infer() -> Any:
        with no_grad():
            return np.square(network(Tensor(next(batches)[0])).data).mean()

    return train if training else infer


def torch_classifier(network: Any, inputs: Sequence[Any], classes: Sequence[Any], training: bool) -> Step:
    """The same for a module that returns logits, or the loss where it is given the classes too."""
    import torch

    optimiser, batches = torch.optim.Adam(network.parameters(), fused=True), cycle(zip(inputs, classes, strict=True))
    network.train(training)

    def train() -> Any:
        x, target = next(batches)
        optimiser.zero_grad()
        loss = network(x, target)
        loss.backward()
        optimiser.step()
        return loss.detach()

    def infer() -> Any:
        with torch.inference_mode():
            return network(next(batches)[0]).square().mean()

    return train if training else infer


def product_floor(products: Sequence[tuple[int, int, int]], training: bool) -> Step:
    """Only the products (M, K, N) of each layer, and in training those of its gradients; the first's input has none."""
    draw, layers = np.random.default_rng(0), []
    for m, k, n in products:
        x, w, y = (draw.random(shape, dtype=np.float32) for shape in ((m, k), (k, n), (m, n)))
        layers.append((x, w, y, np.empty_like(x), np.empty_like(w), np.empty_like(y)))

    def step() -> Any:
        for number, (x, w, y, out_x, out_w, out_y) in enumerate(layers):
            np.matmul(x, w, out=out_y)
            if training:
                np.matmul(x.T, y, out=out_w)
                if number:
                    np.matmul(y, w.T, out=out_x)
        return 0.0

    return step


def jax_adam(w: Any, m: Any, v: Any, t: Any, grads: Any) -> Any:
    """New weights and moments of JAX's trees, with PyTorch's defaults and its place of epsilon."""
    import jax
    from jax import numpy as jnp

    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
    first, second = 1 - 0.9**t, 1 - 0.999**t
    w = jax.tree.map(lambda w, m, v: w - 1e-3 * m / first / (jnp.sqrt(v / second) + 1e-8), w, m, v)
    return w, m, v
