"""What is inside a network: how the values of each of its arrays lie, and what each of its modules gave."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqdl.nn.module import Module
from seqdl.tensor import Tensor
from seqdl.training.runlog import statistics

Array = np.ndarray
BINS = 32
LEVELS = " ▁▂▃▄▅▆▇█"
PLAIN_LEVELS = " .:-=+*#"  # where there is no Unicode


@dataclass(frozen=True)
class Figures:
    """How the values of an array lie. zeros: share that is exactly 0; counts (BINS,) of what is finite, low to high."""

    name: str
    shape: tuple[int, ...]
    mean: float
    std: float
    low: float
    high: float
    zeros: float
    counts: Array

    @classmethod
    def of(cls, name: str, values: Array) -> Figures:
        """The figures of an array of floats of any shape."""
        mean, std, low, high, _, zeros = statistics(values)
        finite = values[np.isfinite(values)].astype(np.float64)
        edges = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
        return cls(name, values.shape, mean, std, low, high, zeros, np.histogram(finite, BINS, edges)[0])

    def bars(self, levels: str = LEVELS) -> str:
        """The histogram as a line of letters from `levels`, low to high; a bin with anything in it can be seen."""
        most = max(int(self.counts.max(initial=0)), 1)
        heights = -(-self.counts * (len(levels) - 1) // most)  # rounded up, in integers
        return "".join(levels[height] for height in heights)


def figures_of(module: Module) -> list[Figures]:
    """Of each parameter and each running figure of a network, in the order of its state_dict."""
    return [Figures.of(name, array) for name, array in module.state_dict().items() if array.dtype.kind == "f"]


@dataclass(frozen=True)
class Output:
    """What a module gave when it was called. name: dotted; kind: its class."""

    name: str
    kind: str
    values: Array


@contextmanager
def recorded_outputs(module: Module) -> Iterator[list[Output]]:
    """While this is open each call of a module below adds what it gave to the list, in the order of the calls.

    Tensors with new values alone: what a module passes on unchanged, such as a stage the result of its last layer, is
    left out, and so are tuples. Nobody else should use the network meanwhile.
    """
    outputs: list[Output] = []
    parts = list(module.named_modules())

    def recording(name: str, part: Module) -> Any:
        forward = part.forward

        def record(*inputs: Any, **options: Any) -> Any:
            result = forward(*inputs, **options)
            if isinstance(result, Tensor):
                known = [each.data for each in inputs if isinstance(each, Tensor)] + [each.values for each in outputs]
                if not any(_equal(result.data, array) for array in known):
                    outputs.append(Output(name, type(part).__name__, result.data))
            return result

        return record

    try:
        for name, part in parts:
            part.forward = recording(name, part)  # type: ignore[method-assign]
        yield outputs
    finally:
        for _, part in parts:  # what was put in front of the method of the class goes
            vars(part).pop("forward", None)


def _equal(a: Array, b: Array) -> bool:
    """Whether the values are the same, in whatever shape."""
    return a.size == b.size and bool(np.array_equal(a.ravel(), b.ravel()))
