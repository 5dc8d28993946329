"""Fewer bits for a model that names characters, and what that costs on pictures that it has not seen."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Any

from seqdl.errors import InputError
from seqdl.training import session
from seqdl.training.requantise import check_scheme, requantise
from seqdl_vision.letters import Letters, model_path
from seqdl_vision.report import Part, examine, read_part


def quantise_letters(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    scheme: str = "int8",
    datasets: Sequence[str | os.PathLike[str]] | None = None,
    *,
    source: str = "",
    licence: str = "",
) -> dict[str, Any]:
    """Write `model` to `output` in fewer bits; returns its size and its accuracy on each dataset before and after.

    That is of the test parts of `datasets`, or of the valid part of one that has no test part; by default of the
    datasets that the model was trained on, which must still be there (InputError). Figures, source and licence go into
    the model's card; files are named there without their folders.
    """
    check_scheme(scheme)
    file = model_path(model)
    before = Letters.load(file)
    training = before.card.get("training", {})
    paths = (
        [*map(str, datasets)] if datasets else _own_datasets(session.seen_from(file.parent, training.get("paths", [])))
    )
    wanted = str.isdigit if training.get("characters", {}).get("only_digits") else None
    parts = [part for path in paths if (part := read_part(path, wanted=wanted)) is not None]
    if not parts:
        raise InputError(f"{', '.join(paths)}: nothing in a test or valid part to measure on")
    measured = ", ".join(f"the {part.split} part of {part.name} ({len(part.data.images):,} pictures)" for part in parts)
    data = training.get("data", [])
    about = {
        "source": source or "; ".join(filter(None, (each["source"] for each in data))),
        "licence": licence or "; ".join(filter(None, (each["licence"] for each in data))),
    }
    return requantise(Letters.load, file, output, scheme, partial(_figures, parts=parts), about, measured)


def _own_datasets(known: Sequence[str]) -> list[str]:
    if not known or not all(map(os.path.exists, known)):
        raise InputError("the model's own datasets are not here; name others to measure on with --data")
    return list(dict.fromkeys(known))


def _figures(letters: Letters, parts: Sequence[Part]) -> dict[str, Any]:
    names = ("accuracy", "interval", "top2", "nats", "calibration_error")
    measured = []
    for part in parts:
        figures = examine(letters, part).figures
        measured.append({"data": part.name, "split": part.split} | {name: getattr(figures, name) for name in names})
    return {"parts": measured}
