"""The models of the service, by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqdl import modelfile
from seqdl.dna import SiteModel
from seqdl.dna.sitemodel import model_path as sites_path
from seqdl.errors import ModelFileError, UsageError
from seqdl.text import CharModel
from seqdl.text.model import model_path as text_path
from seqdl.text.vocabulary import Vocabulary
from seqdl_vision import Letters
from seqdl_vision.letters import model_path as letters_path

SHIPPED = {
    "shakespeare": text_path,
    "spombe": sites_path,
    "worm-plant": sites_path,
    "alphanumeric": letters_path,
    "letters": letters_path,
    "digits": letters_path,
}
SHOWN = ("architecture", "metrics", "quantised", "licence", "source", "seqdl_version")  # of a card; not: paths


@dataclass
class Models:
    """Models by name, of each kind; the first one of a kind is its default."""

    texts: dict[str, CharModel] = field(default_factory=dict)
    sites: dict[str, SiteModel] = field(default_factory=dict)
    letters: dict[str, Letters] = field(default_factory=dict)
    made: dict[str, int] = field(default_factory=dict)  # when each file was, in seconds since 1970

    @classmethod
    def load(cls, names: Sequence[str]) -> Models:
        """Models of files, runs' folders or shipped names (all of these for none); ModelFileError, UsageError."""
        models = cls()
        taken: set[str] = set()
        for given in names or SHIPPED:
            name = _name(given)
            if name in taken:
                raise UsageError(f"--models: two of them are called {name!r}; rename one of the files")
            taken.add(name)
            models._add(name, given)
        return models

    def _add(self, name: str, given: str) -> None:
        path = _path(given)
        self.made[name] = int(path.stat().st_mtime) if path.exists() else 0
        kind = modelfile.read_metadata(path).get("kind")
        if kind == "text":
            self.texts[name] = CharModel.load(path)
        elif kind == "sites":
            self.sites[name] = SiteModel.load(path)
        elif kind == "characters":
            self.letters[name] = Letters.load(path)
        else:
            raise ModelFileError(f"{path}: a model of kind {kind!r}, which the service does not know")

    def describe(self) -> list[dict[str, Any]]:
        """What GET /v1/models says of each, and of a text model `tokens`, what its symbols are called."""
        return [
            *self._of("text", self.texts, lambda model: {"tokens": token_names(model.vocabulary)}),
            *self._of("sites", self.sites, lambda model: {"sites": [kind.name for kind in model.kinds]}),
            *self._of("characters", self.letters, lambda model: {"labels": list(model.labels)}),
        ]

    def _of(self, kind: str, models: dict[str, Any], more: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "id": name,
                "object": "model",
                "created": self.made[name],
                "owned_by": "seqdl",
                "kind": kind,
                "default": number == 0,
                **more(model),
                "card": {key: model.card[key] for key in SHOWN if key in model.card},
            }
            for number, (name, model) in enumerate(models.items())
        ]


def token_names(vocabulary: Vocabulary) -> list[str]:
    """What each symbol is called: its character, or `bytes:\\xNN` where it is a part of one."""
    return [_token_name(vocabulary.decode([symbol])) for symbol in range(vocabulary.size)]


def _token_name(symbol: bytes) -> str:
    try:
        return symbol.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in symbol)


def _name(given: str) -> str:
    path = Path(given)
    return path.name if path.is_dir() or given in SHIPPED else path.stem


def _path(given: str) -> Path:
    if given in SHIPPED and not os.path.exists(given):
        return SHIPPED[given](given)
    return text_path(given)
