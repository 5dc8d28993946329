"""The file to resume from: one safetensors file with weights, optimiser, data position and progress.

One file, because a kill between two would leave a pair that does not belong together.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

import numpy as np

from seqdl import modelfile

KIND = "checkpoint"


def save(path: str | os.PathLike[str], snapshot: dict[str, np.ndarray], settings: Any, card: dict[str, Any]) -> None:
    """Write a snapshot, whole or not at all."""
    modelfile.save_model(path, KIND, snapshot, {"settings": asdict(settings), "card": card})


def load(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The snapshot and its metadata; ModelFileError where there is none or it is damaged."""
    return modelfile.load_model(path, KIND)
