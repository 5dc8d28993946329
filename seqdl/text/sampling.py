"""Options of sampling, with llama.cpp's names and meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

from seqdl.errors import UsageError
from seqdl.kernels.sampling import SAMPLING

RANGES = {
    "temperature": (0.0, 100.0),
    "top_k": (0, 1 << 31),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "repeat_penalty": (0.01, 100.0),
    "repeat_last_n": (0, 1 << 16),
    "presence_penalty": (-100.0, 100.0),
    "frequency_penalty": (-100.0, 100.0),
}


@dataclass(frozen=True)
class SamplingOptions:
    """How the next symbol is chosen. They apply in this order: penalties, top_k, top_p, min_p, temperature.

    temperature: 0 takes the likeliest symbol, 1 the model's own distribution. top_k: only the k likeliest
    (0: all). top_p: the likeliest that together reach p (1: all). min_p: those at least p times as likely as
    the likeliest (0: all). repeat_penalty divides positive and multiplies negative logits of the last
    repeat_last_n symbols (1: off); presence_penalty is subtracted once, frequency_penalty for each time.
    UsageError for a value out of range.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = RANGES[field.name]
            value = getattr(self, field.name)
            if not low <= value <= high:  # a NaN is refused too
                name = field.name.replace("_", "-")
                raise UsageError(f"--{name} must be between {low:g} and {high:g}, got {value}")

    @property
    def remembered(self) -> int:
        """How many symbols the penalties look back on; none while they are off."""
        off = (self.repeat_penalty, self.presence_penalty, self.frequency_penalty) == (1.0, 0.0, 0.0)
        return 0 if off else self.repeat_last_n


def for_streams(options: Sequence[SamplingOptions]) -> np.ndarray:
    """As the kernels read them: (S,) records of the dtype SAMPLING, one for each stream."""
    records = np.array([astuple(own) for own in options], SAMPLING)
    records["repeat_last_n"] = [own.remembered for own in options]
    return records
