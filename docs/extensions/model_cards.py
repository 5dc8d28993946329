"""The directive `model-cards`: of each model that ships what its file says of it - data, licence, size, score, recipe."""

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
    return f"## {path.stem}\n\n{rows}\n{_scores(card)}\n"


def _rows(path: Path, card: Card) -> Iterator[tuple[str, str]]:
    training, stored = card["training"], card["quantisation"]
    yield "Job", JOBS[card["kind"]]
    yield "Network", ", ".join(f"{name} {value}" for name, value in card["architecture"].items())
    yield "Size", (
        f"{path.stat().st_size / 1e6:.1f} MB in {stored['scheme']}; "
        f"{stored['before']['bytes'] / 1e6:.1f} MB before, in float32"
    )
    yield "Data", card["source"]
    yield "Licence of the data", card["licence"]
    yield "Split", _split(training["data"])
    if "labels" in card:
        yield "Labels", " ".join(filter(None, card["labels"])) + ("" if all(card["labels"]) else ", or no character")
    yield "Training", f"{card['metrics']['step']:,} steps in {card['metrics']['seconds'] / 60:.0f} minutes"
    yield "Made by", f"`{training['command']}`"
    yield "Recipe", f"`recipes/{path.stem if card['kind'] != 'sites' else 'splice-' + path.stem}.toml`"
    yield "seqdl", card["seqdl_version"]


def _escaped(value: str) -> str:
    return value if value.startswith("`") else value.replace("*", "\\*").replace("_", "\\_").replace("<", "\\<")


def _split(data: Any) -> str:
    """How much there was to train on, to validate on, to test on."""
    if isinstance(data, list):
        return "; ".join(f"{each['name']}: {_split(each)}" for each in data)
    if "counts" not in data:
        return data["split"]
    return ", ".join(
        f"{split} " + " and ".join(f"{count:,} {unit}" for unit, count in counts.items() if unit in ("rows", "writers"))
        for split, counts in data["counts"].items()
    )


def _scores(card: Card) -> str:
    """A table of what it was measured to do, after it was made small."""
    stored = card["quantisation"]
    rows = {"text": _of_text, "sites": _of_sites, "characters": _of_characters}[card["kind"]](stored["after"])
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("---" for _ in rows[0]) + " |")
    return "\n".join([f"Measured on {stored['measured_on']}:", "", *lines])


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
