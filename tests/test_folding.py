"""Batch normalisation folded into the convolutions in front of it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from seqdl import Tensor, nn, no_grad
from seqdl.random import default_generator


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


class Block(nn.Module):
    """A residual pair: what comes in is added before the last ReLU."""

    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels, relu=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels, relu=True)

    def forward(self, x: Any) -> Any:
        return self.norm2(self.conv2(self.norm1(self.conv1(x))), x)


def trained(network: nn.Module) -> nn.Module:
    """With figures that are not those of a new network."""
    draws = np.random.default_rng(1)
    for _, part in network.named_modules():
        if isinstance(part, nn.BatchNorm2d):
            for array in (part.weight.data, part.bias.data, part.running_mean, part.running_var):
                array[...] = draws.uniform(0.5, 2, array.shape)
    return network.eval()


def network() -> nn.Sequential:
    layers = [nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4, eps=0.1), nn.GELU(), Block(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Sequential(nn.Conv2d(4, 3, 2), nn.BatchNorm2d(3)))


def test_the_outputs_stay_the_same() -> None:
    whole, x = trained(network()), Tensor(draw(5, 1, 15, 15))
    folded = nn.fold_batch_norm(copy.deepcopy(whole))
    assert not any(isinstance(part, nn.BatchNorm2d) for _, part in folded.named_modules())
    with no_grad():
        np.testing.assert_allclose(folded(x).data, whole(x).data, rtol=1e-5, atol=1e-5)


def test_double_precision_stays() -> None:
    whole = trained(network()).to(np.float64)
    x = Tensor(draw(2, 1, 15, 15).astype(np.float64))
    wanted = whole(x).data
    np.testing.assert_allclose(nn.fold_batch_norm(whole)(x).data, wanted, rtol=1e-12, atol=1e-12)


def test_what_is_not_behind_a_convolution_stays() -> None:
    others = [
        nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)),
        nn.Sequential(nn.Conv2d(2, 2, 1), nn.GELU(), nn.BatchNorm2d(2)),
        nn.Sequential(nn.Conv2d(2, 2, 1, gelu=True), nn.BatchNorm2d(2)),
        nn.Sequential(nn.Conv2d(2, 2, 1, relu=True), nn.BatchNorm2d(2)),
        nn.Sequential(nn.Conv2d(2, 2, 1, pool=nn.MaxPool2d(2)), nn.BatchNorm2d(2)),
    ]
    for other in others:
        nn.fold_batch_norm(other.eval())
        assert sum(isinstance(part, nn.BatchNorm2d) for _, part in other.named_modules()) == 1


def test_a_network_in_training_is_refused() -> None:
    with pytest.raises(ValueError, match=r"in training; call eval\(\)"):
        nn.fold_batch_norm(network())


def test_folding_draws_no_random_numbers() -> None:
    block = trained(Block())
    before = default_generator().bit_generator.state
    nn.fold_batch_norm(block)
    assert default_generator().bit_generator.state == before
