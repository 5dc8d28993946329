"""The directive `model-cards`: what the file of each shipped model says of it - data, licence, size, score, recipe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

JOBS = {"text": "writes text", "sites": "finds splice sites in DNA", "characters": "reads handwritten characters"}
Card = dict[str, Any]


class ModelCards(SphinxDirective):
    """A section for each shipped model, the default of its job first."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(map(_card, shipped())), allow_section_headings=True)


def shipped() -> list[Path]:
    """The files of the models that come with seqdl."""
    from seqdl.dna import sitemodel
    from seqdl.text import model as text
    from seqdl_vision import letters

    return [
        text.model_path(None),
        *map(sitemodel.model_path, sitemodel.SHIPPED),
        *map(letters.model_path, letters.SHIPPED),
    ]


def _card(path: Path) -> str:
    from seqdl.modelfile import read_metadata

    card = read_metadata(path)
    rows = "\n".join(f"{name}\n: {_escaped(value)}\n" for name, value in _rows(path, card))
    return "\n".join([f"## {path.stem}\n", rows, *_data(card["training"]["data"]), *_scores(card), ""])


def _rows(path: Path, card: Card) -> Iterator[tuple[str, str]]:
    training, stored = card["training"], card["quantisation"]
    yield "Job", JOBS[card["kind"]]
    yield "Network", ", ".join(f"{name} {value}" for name, value in card["architecture"].items())
    yield (
        "Size",
        f"{_megabytes(path.stat().st_size)} in {stored['scheme']}, {_megabytes(stored['before']['bytes'])} before",
    )
    if "labels" in card:
        yield "Labels", " ".join(filter(None, card["labels"])) + ("" if all(card["labels"]) else ", or no character")
    yield "Source", card["source"]
    yield "Licence", f"of the data: {card['licence']}"
    yield "Training", f"{card['metrics']['step']:,} steps in {card['metrics']['seconds'] / 60:.0f} minutes"
    yield "Command", f"`{training['command']}`"
    yield "Recipe", f"`recipes/{'splice-' * (card['kind'] == 'sites')}{path.stem}.toml`"
    yield "Made by", f"seqdl {card['seqdl_version']}"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB"


def _escaped(value: str) -> str:
    return value if value.startswith("`") else value.replace("*", "\\*").replace("_", "\\_").replace("<", "\\<")


def _data(data: Any) -> list[str]:
    """What it was trained, validated and tested on: a line for a text, else a table of datasets."""
    if isinstance(data, dict) and "counts" not in data:
        return [f"Split: {data['split']}.", ""]
    sets = data if isinstance(data, list) else [data]
    return ["What it learned from:", "", *_table([["dataset", "train", "valid", "test"], *map(_counts, sets)]), ""]


def _counts(dataset: Card) -> list[str]:
    said = ["<br>".join(f"{count:,} {unit}" for unit, count in counts.items()) for counts in dataset["counts"].values()]
    return [dataset["name"], *said]


def _table(rows: list[list[str]]) -> list[str]:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return [lines[0], "| " + " | ".join("---" for _ in rows[0]) + " |", *lines[1:]]


def _scores(card: Card) -> list[str]:
    """A table of what it was measured to do, after it was made small."""
    stored = card["quantisation"]
    rows = {"text": _of_text, "sites": _of_sites, "characters": _of_characters}[card["kind"]](stored["after"])
    return [f"Measured on {stored['measured_on']}:", "", *_table(rows)]


def _of_text(after: Card) -> list[list[str]]:
    return [
        ["nats a character", "bits a byte"],
        [f"{after['nats_per_symbol']:.4f}", f"{after['bits_per_byte']:.4f}"],
    ]


def _of_sites(after: Card) -> list[list[str]]:
    precision, error = after["average_precision"], after["calibration_error"]
    rows = [[name, f"{precision[name]:.3f}", f"{error[name]:.4f}"] for name in precision]
    return [["site", "average precision", "calibration error"], *rows]


def _of_characters(after: Card) -> list[list[str]]:
    return [
        ["test part of", "right, %", "95% interval", "one of two, %", "calibration error"],
        *(
            [
                part["data"],
                f"{part['accuracy']:.2%}"[:-1],
                " to ".join(f"{100 * end:.2f}" for end in part["interval"]),
                f"{100 * part['top2']:.2f}",
                f"{part['calibration_error']:.4f}",
            ]
            for part in after["parts"]
        ),
    ]


def setup(app: Any) -> dict[str, bool]:
    app.add_directive("model-cards", ModelCards)
    return {"parallel_read_safe": True}
