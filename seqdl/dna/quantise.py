"""Fewer bits for a site model, and what that costs on sequences that it has not seen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from seqdl.dna.evaluation import evaluate, judge_stretches
from seqdl.dna.sitemodel import SiteModel, model_path
from seqdl.errors import InputError, UsageError
from seqdl.modelfile import SCHEMES
from seqdl.training import session
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
    """Write `model` to `output` in int8 or float16; returns its size and average precisions before and after.

    They are of the test part of `dataset`, or of its valid part if it has no test part; by default of the dataset
    that the model was trained on, which must still be there (InputError). Figures, source and licence go into the
    model's card; files are named there without their folders.
    """
    if scheme not in SCHEMES:
        raise UsageError(f"--to must be one of {', '.join(SCHEMES)}, got {scheme!r}")
    before = SiteModel.load(model)
    path = Path(dataset) if dataset is not None else _own_dataset(before, model_path(model).parent)
    split = "test"
    stretches, info = read_stretches(path, split)
    if not stretches:
        split = "valid"
        stretches, info = read_stretches(path, split)
    measured = f"the {split} part of {info.name}: {info.counts[split]['bases']:,} bases, both strands"
    figures = {"before": _figures(before, model, stretches)}
    data = before.card["training"]["data"]
    before.card = session.without_folders(before.card) | {
        "source": source or data["source"],
        "licence": licence or data["licence"],
        "quantisation": {"scheme": scheme, "measured_on": measured, **figures},
    }
    before.save(output, scheme)
    figures["after"] = _figures(SiteModel.load(output), output, stretches)
    before.card["quantisation"] |= figures
    before.save(output, scheme)
    return {"scheme": scheme, "measured_on": measured, **figures}


def _own_dataset(model: SiteModel, folder: Path) -> Path:
    known = session.seen_from(folder, model.card.get("training", {}).get("paths", []))
    if not known or not os.path.exists(known[0]):
        raise InputError("the model's own dataset is not here; name one to measure on with --data")
    return Path(known[0])


def _figures(model: SiteModel, path: str | os.PathLike[str], stretches: list[Stretch]) -> dict[str, Any]:
    figures = evaluate(model, judge_stretches(model, stretches))
    return {
        "bytes": model_path(path).stat().st_size,
        "average_precision": {each.name: each.average_precision for each in figures},
        "calibration_error": {each.name: each.calibration_error for each in figures},
    }
