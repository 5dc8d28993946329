"""Storing a trained model in fewer bits, and what that costs on data it was not trained on. The same for every job."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Protocol

from seqdl.errors import UsageError
from seqdl.quantisation import SCHEMES
from seqdl.training import session


class Model(Protocol):
    """What is loaded from a model's file, and saved to one."""

    card: dict[str, Any]

    def save(self, path: str | os.PathLike[str], scheme: str = "float32") -> None: ...


def check_scheme(scheme: str) -> None:
    """UsageError for what is none."""
    if scheme not in SCHEMES:
        raise UsageError(f"--to must be one of {', '.join(SCHEMES)}, got {scheme!r}")


def requantise(
    load: Callable[[str | os.PathLike[str]], Model],
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    scheme: str,
    figures: Callable[[Any], dict[str, Any]],
    about: dict[str, Any],
    measured_on: str,
) -> dict[str, Any]:
    """Write the model in the file `source` to `output`; returns its size and its figures before and after.

    They go into the model's card, with what `about` adds to it; files are named there without their folders.
    """
    model = load(source)
    report: dict[str, Any] = {"scheme": scheme, "measured_on": measured_on}
    report["before"] = {"bytes": os.path.getsize(source), **figures(model)}
    model.card = session.without_folders(model.card) | about | {"quantisation": report}
    model.save(output, scheme)
    report["after"] = {"bytes": 0, **figures(load(output))}
    for _ in range(3):  # until the card holds the size that it makes itself
        model.save(output, scheme)
        report["after"]["bytes"] = os.path.getsize(output)
    return report
