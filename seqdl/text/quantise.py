"""Fewer bits for a model, and what that costs on held-out text."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from seqdl.errors import InputError
from seqdl.text.corpus import Corpus, read_corpus
from seqdl.text.model import CharModel, model_path
from seqdl.text.scoring import mean_surprisal
from seqdl.training import session
from seqdl.training.requantise import check_scheme, requantise


def quantise_file(
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    scheme: str = "int8",
    paths: Sequence[str | os.PathLike[str]] | None = None,
    *,
    source: str = "",
    licence: str = "",
) -> dict[str, Any]:
    """Write `model` to `output` in fewer bits; returns size and bits per byte before and after.

    The loss is that on the validation part of `paths`; by default of the corpus the model was trained on,
    which must still be there and the same (InputError). source and licence of the training text go into the
    model's card; files are named there without their folders.
    """
    check_scheme(scheme)
    file = model_path(model)
    corpus = _held_out(CharModel.load(file), paths, file.parent)
    measured = f"the {corpus.valid_bytes} bytes of the validation part ({corpus.split})"
    about = {"source": source, "licence": licence}
    return requantise(CharModel.load, file, output, scheme, partial(_figures, corpus=corpus), about, measured)


def _held_out(model: CharModel, paths: Sequence[str | os.PathLike[str]] | None, folder: Path) -> Corpus:
    """The text to measure on, split as in training."""
    training = model.card.get("training", {})
    fraction = training.get("text", {}).get("valid_fraction", 0.1)
    if paths:
        return _measurable(read_corpus(paths, model.vocabulary, fraction), paths)
    known = session.seen_from(folder, training.get("paths", []))
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


def _figures(model: CharModel, corpus: Corpus) -> dict[str, float]:
    nats = mean_surprisal(model.network, corpus.valid)
    return {"nats_per_symbol": nats, "bits_per_byte": corpus.bits_per_byte(nats)}
