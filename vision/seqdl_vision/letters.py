"""Letters: a network that knows characters, what it calls them, how sure it may be, and its file."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Self

import numpy as np

from seqdl import modelfile, nn, parallel
from seqdl.errors import ModelFileError, UsageError
from seqdl.metrics import softmax
from seqdl.nn.module import StateError
from seqdl.tensor import no_grad
from seqdl_vision.network import NETWORKS, pictures
from seqdl_vision.symbols import NO_CHARACTER

Array = np.ndarray
Generator = np.random.Generator | None
KIND = "characters"
SHIPPED = ("alphanumeric", "letters", "digits")
DEFAULT = SHIPPED[0]
BATCH = 256  # pictures in one pass of the network


@dataclass(eq=False)
class Letters:
    """A model that names the character in a picture. `card` is the metadata of its file.

    labels: strings of the characters each may be, "" for none (see seqdl_vision.symbols). temperature: what its
    logits are divided by, so that of what gets a probability of 0.9 nine in ten are right.

    >>> letters = Letters.load("digits")
    >>> letters.labels[:3]
    ('0', '1', '2')
    """

    network: nn.Module
    architecture: dict[str, Any]
    labels: tuple[str, ...]
    temperature: float = 1.0
    card: dict[str, Any] = field(default_factory=dict)
    folded: nn.Module | None = None  # the network as it is run, where its weights will not change any more

    @classmethod
    def untrained(
        cls, labels: Sequence[str], network: str = "residual", *, generator: Generator = None, **options: Any
    ) -> Self:
        """A new model for these labels, in training mode: its weights are drawn from the generator.

        network: a name of seqdl_vision.NETWORKS, UsageError for another; options: its dropout, width and so on.

        >>> Letters.untrained("0123456789", "mlp", dropout=0.2).network.linear2.weight.shape
        (10, 64)
        """
        if network not in NETWORKS:
            raise UsageError(f"no network {network!r}: it must be one of {', '.join(NETWORKS)}")
        architecture = {"network": network, **options}
        return cls(build(architecture, len(labels), generator), architecture, tuple(labels))

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Self:
        """The model in a file, of a run's folder (its best), or a shipped one by name; "alphanumeric" by default.

        ModelFileError for a file that is missing, damaged, of another kind or too new.
        """
        file = model_path(path)
        arrays, card = modelfile.load_model(file, KIND)
        try:
            labels = tuple(str(label) for label in card["labels"])
            network = build(card["architecture"], len(labels))
            network.load_state_dict(arrays)
            temperature = float(card["temperature"])
        except (KeyError, TypeError, ValueError, StateError) as error:
            raise ModelFileError(f"{file}: damaged model ({error}); fetch or train it again") from error
        folded = nn.fold_batch_norm(copy.deepcopy(network.eval()))
        return cls(network, card["architecture"], labels, temperature, card, folded)

    def save(self, path: str | os.PathLike[str], scheme: str = "float32") -> None:
        """Write the model, whole or not at all, in one of seqdl.quantisation.SCHEMES; OutputError if that fails."""
        own = {
            "architecture": self.architecture,
            "labels": list(self.labels),
            "temperature": self.temperature,
        }
        modelfile.save_model(path, KIND, self.network.state_dict(), self.card | own, scheme)

    def logits(self, images: Array) -> Array:
        """(N, K) float32 of images (N, 28, 28), uint8, or float32 in [0, 1]; dropout is off meanwhile."""
        parts, network = [np.empty((0, len(self.labels)), np.float32)], self.folded or self.network
        with nn.evaluating(network), no_grad(), parallel.single_threaded_blas():
            for at in range(0, len(images), BATCH):
                parts.append(network(pictures(images[at : at + BATCH])).data)
        return np.concatenate(parts)

    def probabilities(self, images: Array) -> Array:
        """(N, K) float32, calibrated: how likely each label is of images (N, 28, 28)."""
        return softmax(self.logits(images) / self.temperature).astype(np.float32)

    def label_of(self, name: str) -> str:
        """The label called `name`: itself, a character that it may be, "none" for no character; UsageError: no such."""
        wanted = NO_CHARACTER if name == "none" else name
        for label in self.labels:
            if wanted == label or (len(wanted) == 1 and wanted in label):
                return label
        raise UsageError(f"the model has no label for {name!r}; it knows {' '.join(self.labels).strip()}")


def build(architecture: dict[str, Any], labels: int, generator: Generator = None) -> nn.Module:
    """The network that {"network": name, and its options} describes, with so many labels."""
    options = dict(architecture)
    return NETWORKS[options.pop("network")](labels, **options, generator=generator)


def model_path(path: str | os.PathLike[str] | None) -> Path:
    """The file meant: a run's folder means its best, a shipped model's name that one, nothing the default."""
    if path is None or (os.fspath(path) in SHIPPED and not os.path.exists(path)):
        return Path(str(resources.files("seqdl_vision") / "models" / f"{path or DEFAULT}.safetensors"))
    path = Path(path)
    return path / "best.safetensors" if path.is_dir() else path
