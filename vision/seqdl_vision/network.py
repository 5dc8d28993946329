"""The networks, by name. Each reads pictures (B, 1, 28, 28) float32 in [0, 1] and gives a logit for each label.

hello-dl   the letter network of "Hello Deep Learning", 137,178 weights for 26 labels
mlp        its digit network, 784-128-64-10
residual   ours: convolutions with batch normalisation, and a way around each second pair of them
"""

from __future__ import annotations

from typing import Any

import numpy as np

from seqdl import nn

Array = np.ndarray
Generator = np.random.Generator | None
SIDE = 28


def pictures(images: Array) -> Array:
    """What a network reads, (B, 1, 28, 28) float32 in [0, 1], of images (B, 28, 28): uint8, or float32 in [0, 1]."""
    scaled = images.astype(np.float32) / np.float32(255) if images.dtype == np.uint8 else images
    return scaled[:, None]


class HelloNetwork(nn.Module):
    """Three convolutions of 3x3 without padding, 32, 64 and 128 wide, each pooled by 2; then 512-64-128-labels."""

    def __init__(self, labels: int, dropout: float = 0.0, generator: Generator = None) -> None:
        super().__init__()
        pool = nn.MaxPool2d(2, ceil_mode=True)  # of 26, 11 and 4 pixels only the second has an edge to round up
        widths = ((1, 32), (32, 64), (64, 128))
        self.conv0, self.conv1, self.conv2 = (
            nn.Conv2d(c, o, 3, pool=pool, gelu=True, generator=generator) for c, o in widths
        )
        self.linear0 = nn.Linear(512, 64, generator=generator)
        self.linear1 = nn.Linear(64, 128, generator=generator)
        self.linear2 = nn.Linear(128, labels, generator=generator)
        self.gelu, self.drop, self.flatten = nn.GELU(), nn.Dropout(dropout, generator), nn.Flatten()

    def forward(self, x: Any) -> Any:
        for convolution in (self.conv0, self.conv1, self.conv2):
            x = convolution(x)
        x = self.drop(self.gelu(self.linear0(self.flatten(x))))
        return self.linear2(self.drop(self.gelu(self.linear1(x))))


class DigitMLP(nn.Module):
    """784-128-64-labels with ReLU between."""

    def __init__(self, labels: int, dropout: float = 0.0, generator: Generator = None) -> None:
        super().__init__()
        self.linear0 = nn.Linear(SIDE * SIDE, 128, generator=generator)
        self.linear1 = nn.Linear(128, 64, generator=generator)
        self.linear2 = nn.Linear(64, labels, generator=generator)
        self.relu, self.drop, self.flatten = nn.ReLU(), nn.Dropout(dropout, generator), nn.Flatten()

    def forward(self, x: Any) -> Any:
        x = self.drop(self.relu(self.linear0(x.reshape(len(x), -1))))
        return self.linear2(self.drop(self.relu(self.linear1(x))))


class Unit(nn.Module):
    """Convolution of 3x3 (padding 1), batch normalisation, ReLU; `around` is added before the ReLU."""

    def __init__(self, inputs: int, outputs: int, generator: Generator = None) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, generator=generator)
        self.norm = nn.BatchNorm2d(outputs, relu=True)

    def forward(self, x: Any, around: Any = None) -> Any:
        return self.norm(self.conv(x), around)


class Pair(nn.Module):
    """Two units with a way around them (He et al. 2015)."""

    def __init__(self, channels: int, generator: Generator = None) -> None:
        super().__init__()
        self.first, self.second = Unit(channels, channels, generator), Unit(channels, channels, generator)

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x), around=x)


class Stage(Pair):
    """inputs -> outputs, then as many residual pairs as it is deep, then the picture halved."""

    def __init__(self, inputs: int, outputs: int, depth: int = 1, generator: Generator = None) -> None:
        super().__init__(outputs, generator)
        self.widen = Unit(inputs, outputs, generator)
        self.more = nn.Sequential(*(Pair(outputs, generator) for _ in range(depth - 1)))
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Any) -> Any:
        return self.pool(self.more(super().forward(self.widen(x))))


class ResidualNetwork(nn.Module):
    """28 -> (stem, pooled) 14 -> (stage) 7 -> (stage) 3 pixels; then one linear layer from all that is left.

    depth: convolutions of the stem, and residual pairs of each stage.
    """

    def __init__(
        self, labels: int, dropout: float = 0.3, width: int = 32, depth: int = 1, generator: Generator = None
    ) -> None:
        super().__init__()
        self.stem = Unit(1, width, generator)
        self.more = nn.Sequential(*(Unit(width, width, generator) for _ in range(depth - 1)))
        self.pool = nn.MaxPool2d(2)
        self.stage1 = Stage(width, 2 * width, depth, generator)
        self.stage2 = Stage(2 * width, 4 * width, depth, generator)
        self.drop, self.flatten = nn.Dropout(dropout, generator), nn.Flatten()
        self.linear = nn.Linear(4 * width * 9, labels, generator=generator)

    def forward(self, x: Any) -> Any:
        x = self.stage2(self.stage1(self.pool(self.more(self.stem(x)))))
        return self.linear(self.drop(self.flatten(x)))


NETWORKS: dict[str, Any] = {"hello-dl": HelloNetwork, "mlp": DigitMLP, "residual": ResidualNetwork}
