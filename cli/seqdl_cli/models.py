"""Which model is meant, where a command takes one of any kind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def kind_and_path(model: str) -> tuple[str, Path]:
    """The kind and the file of a model: "text", "sites" or "characters"; ModelFileError where there is none such.

    `model`: a file, a run's folder (its best), or the name of one that ships with seqdl.
    """
    from seqdl import modelfile
    from seqdl.dna import sitemodel
    from seqdl.errors import ModelFileError
    from seqdl.text import model as charmodel
    from seqdl_vision import letters

    if not os.path.exists(model) and model in letters.SHIPPED:
        path = letters.model_path(model)
    elif not os.path.exists(model) and model == charmodel.SHIPPED:
        path = charmodel.model_path(None)
    else:
        path = sitemodel.model_path(model)
    kinds = (charmodel.KIND, sitemodel.KIND, letters.KIND)
    kind = modelfile.read_metadata(path).get("kind")
    if kind not in kinds:
        raise ModelFileError(f"{path}: this is a model of kind {kind!r}, expected one of {', '.join(kinds)}")
    return kind, path


def load(kind: str, path: Path) -> Any:
    """The model in a file that `kind_and_path` has found: a CharModel, a SiteModel or Letters."""
    if kind == "text":
        from seqdl.text import CharModel

        return CharModel.load(path)
    if kind == "sites":
        from seqdl.dna import SiteModel

        return SiteModel.load(path)
    from seqdl_vision.letters import Letters

    return Letters.load(path)
