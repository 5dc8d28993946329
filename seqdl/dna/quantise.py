"""Fewer bits for a site model, and what that costs on sequences that it has not seen."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

from seqdl.dna.evaluation import evaluate, judge_stretches
from seqdl.dna.sitemodel import SiteModel, model_path
from seqdl.errors import InputError
from seqdl.training import session
from seqdl.training.requantise import check_scheme, requantise
from seqdl_data.sites import Stretch, read_stretches


def quantise_sites(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    scheme: str = "float16",
    dataset: str | os.PathLike[str] | None = None,
    *,
    source: str = "",
    licence: str = "",
) -> dict[str, Any]:
    """Write `model` to `output` in fewer bits; returns its size and average precisions before and after.

    They are of the test part of `dataset`, or of its valid part if it has no test part; by default of the dataset
    that the model was trained on, which must still be there (InputError). Figures, source and licence go into the
    model's card; files are named there without their folders.
    """
    check_scheme(scheme)
    file = model_path(model)
    before = SiteModel.load(file)
    path = Path(dataset) if dataset is not None else _own_dataset(before, file.parent)
    split = "test"
    stretches, info = read_stretches(path, split)
    if not stretches:
        split = "valid"
        stretches, info = read_stretches(path, split)
    measured = f"the {split} part of {info.name}: {info.counts[split]['bases']:,} bases, both strands"
    data = before.card["training"]["data"]
    about = {"source": source or data["source"], "licence": licence or data["licence"]}
    figures = partial(_figures, stretches=stretches)
    return requantise(SiteModel.load, file, output, scheme, figures, about, measured)


def _own_dataset(model: SiteModel, folder: Path) -> Path:
    known = session.seen_from(folder, model.card.get("training", {}).get("paths", []))
    if not known or not os.path.exists(known[0]):
        raise InputError("the model's own dataset is not here; name one to measure on with --data")
    return Path(known[0])


def _figures(model: SiteModel, stretches: list[Stretch]) -> dict[str, Any]:
    figures = evaluate(model, judge_stretches(model, stretches))
    return {
        "average_precision": {each.name: each.average_precision for each in figures},
        "calibration_error": {each.name: each.calibration_error for each in figures},
    }
