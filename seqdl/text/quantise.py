"""Fewer bits for a model, and what that costs on held-out text."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from seqdl.errors import InputError, UsageError
from seqdl.modelfile import SCHEMES
from seqdl.text.corpus import Corpus, read_corpus
from seqdl.text.model import CharModel, model_path
from seqdl.text.scoring import mean_surprisal
from seqdl.training.session import seen_from


def quantise_file(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    scheme: str = "int8",
    paths: Sequence[str | os.PathLike[str]] | None = None,
    *,
    source: str = "",
    licence: str = "",
) -> dict[str, Any]:
    """Write `model` to `output` in int8 or float16; returns size and bits per byte before and after.

    The loss is that on the validation part of `paths`; by default of the corpus the model was trained on,
    which must still be there and the same (InputError). source and licence of the training text go into the
    model's card; files are named there without their folders.
    """
    if scheme not in SCHEMES:
        raise UsageError(f"--to must be one of {', '.join(SCHEMES)}, got {scheme!r}")
    before = CharModel.load(model)
    corpus = _held_out(before, paths, model_path(model).parent)
    measured = f"the {corpus.valid_bytes} bytes of the validation part ({corpus.split})"
    figures = {"before": _figures(before, model, corpus)}
    before.card = _without_folders(before.card) | {
        "source": source,
        "licence": licence,
        "quantisation": {"scheme": scheme, "measured_on": measured, **figures},
    }
    before.save(output, scheme)
    figures["after"] = _figures(CharModel.load(output), output, corpus)
    before.card["quantisation"] |= figures
    before.save(output, scheme)
    return {"scheme": scheme, "measured_on": measured, **figures}


def _without_folders(card: dict[str, Any]) -> dict[str, Any]:
    """A card that can be given away: files by their names, without the folders of the machine they lay on."""
    training = dict(card.get("training", {}))
    training["paths"] = [os.path.basename(path) for path in training.get("paths", [])]
    words = shlex.split(training.get("command", ""))
    training["command"] = shlex.join(os.path.basename(w) if os.path.isabs(w) else w for w in words)
    return card | {"training": training}


def _held_out(model: CharModel, paths: Sequence[str | os.PathLike[str]] | None, folder: Path) -> Corpus:
    """The text to measure on, split as in training."""
    training = model.card.get("training", {})
    fraction = training.get("text", {}).get("valid_fraction", 0.1)
    if paths:
        return _measurable(read_corpus(paths, model.vocabulary, fraction), paths)
    known = seen_from(folder, training.get("paths", []))
    if not known or not all(os.path.exists(path) for path in known):
        raise InputError("the model's own corpus is not here; name a text to measure the loss on with --text")
    corpus = read_corpus(known, model.vocabulary, fraction)
    if corpus.sha256 != training["data"]["sha256"]:
        raise InputError(f"{', '.join(known)}: changed since the model was trained; name another text with --text")
    return corpus


def _measurable(corpus: Corpus, paths: Sequence[str | os.PathLike[str]]) -> Corpus:
    if len(corpus.valid) < 2:
        names = ", ".join(os.fspath(path) for path in paths)
        raise InputError(f"{names}: fewer than two symbols are left to measure on; give more text")
    return corpus


def _figures(model: CharModel, path: str | os.PathLike[str], corpus: Corpus) -> dict[str, float]:
    nats = mean_surprisal(model.network, corpus.valid)
    return {
        "bytes": model_path(path).stat().st_size,
        "nats_per_symbol": nats,
        "bits_per_byte": corpus.bits_per_byte(nats),
    }
