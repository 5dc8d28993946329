"""Where randomness comes from. Everything that draws takes `generator`; left out, it is the one kept here."""

from __future__ import annotations

import json

import numpy as np

_default = np.random.Generator(np.random.PCG64())


def manual_seed(seed: int) -> np.random.Generator:
    """Restart the default generator from `seed`, and return it."""
    _default.bit_generator.state = np.random.PCG64(seed).state
    return _default


def default_generator() -> np.random.Generator:
    """The generator that is used where none is given."""
    return _default


def generator_state(generator: np.random.Generator) -> np.ndarray:
    """The state of a generator as bytes (uint8), for a checkpoint."""
    return np.frombuffer(json.dumps(generator.bit_generator.state).encode(), np.uint8)


def restore_generator(generator: np.random.Generator, state: np.ndarray) -> None:
    """Put a generator into a state that generator_state gave."""
    generator.bit_generator.state = json.loads(state.tobytes())
