"""Model files: safetensors with one JSON document of metadata under the key "seqdl". No code is ever loaded.

    {"schema": 1, "kind": "text", "seqdl_version": "0.1.0", "quantised": "float32", and what the kind adds}

"quantised" names the scheme in which the arrays are stored: see seqdl.quantisation.
"""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from seqdl.errors import ModelFileError
from seqdl.quantisation import dequantise, quantise
from seqdl_data.files import write_bytes
from seqdl_data.version import VERSION

SCHEMA = 1
KEY = "seqdl"
Array = np.ndarray


def save_model(
    path: str | os.PathLike[str],
    kind: str,
    arrays: dict[str, Array],
    metadata: dict[str, Any],
    scheme: str = "float32",
) -> None:
    """Write a model, whole or not at all; OutputError if that fails.

    scheme: one of seqdl.quantisation.SCHEMES.
    """
    from safetensors.numpy import save

    stored = {name: np.asarray(a, order="C") for name, a in quantise(arrays, scheme).items()}
    document = {**metadata, "schema": SCHEMA, "kind": kind, "seqdl_version": VERSION, "quantised": scheme}
    write_bytes(path, save(stored, metadata={KEY: json.dumps(document, ensure_ascii=False)}))


def load_model(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays (float32 where they were quantised) and the metadata of a model of this kind.

    ModelFileError, which says what to do, for a file that is missing, damaged, foreign, of another kind or
    written by a newer seqdl.
    """
    metadata = read_metadata(path)
    if metadata.get("kind") != kind:
        raise ModelFileError(f"{path}: this is a model of kind {metadata.get('kind')!r}, expected {kind!r}")
    try:
        return dequantise(_read_arrays(path), metadata.get("quantised", "float32")), metadata
    except KeyError as error:
        raise ModelFileError(f"{path}: damaged: the array {error} is missing; fetch the model again") from error
    except (ValueError, TypeError) as error:
        raise ModelFileError(f"{path}: damaged: {error}; fetch the model again") from error


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata alone, without reading the weights."""
    metadata = _open(path, lambda file: file.metadata() or {})
    if KEY not in metadata:
        raise ModelFileError(f"{path}: a safetensors file, but not a model of seqdl (no metadata {KEY!r})")
    try:
        document = json.loads(metadata[KEY])
        schema = int(document["schema"])
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{path}: damaged metadata ({error}); fetch or train the model again") from error
    if schema > SCHEMA:
        raise ModelFileError(
            f"{path}: written by a newer seqdl ({document.get('seqdl_version')}, schema {schema}); "
            f"this one ({VERSION}) reads schema {SCHEMA}: upgrade seqdl"
        )
    return document


def _read_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    return _open(path, lambda file: {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118


def _open(path: str | os.PathLike[str], read: Any) -> Any:
    from safetensors import SafetensorError, safe_open

    if not os.path.exists(path):
        raise ModelFileError(f"{path}: no such model file; train one with 'seqdl train' or check the name")
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            return read(file)
    except SafetensorError as error:
        raise ModelFileError(f"{path}: damaged, or not a safetensors file: {error}") from error
    except OSError as error:
        raise ModelFileError(f"{path}: cannot read the model: {error.strerror or error}") from error
