"""How the cost of training grows with hidden size, batch and sequence: a picture, bench/growth.png.

    python bench/growth.py [--quick] [--write] [--threads 2]

Characters a second of bench/train_rnn.py's step, one layer, on all threads, around hidden 256, batch 64, T 100.
The dashed line is the machine's limit: as many characters as the measured rate of large matrix products allows.
With --quick one point, and no picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import measure
import train_rnn
from measure import ROOT, Case, Ledger, Options

AXES = {
    "hidden": (64, 128, 256, 512, 1024),
    "batch": (1, 4, 16, 64, 256),
    "steps": (10, 25, 50, 100, 200, 500),
}
MIDDLE = {"hidden": 256, "batch": 64, "steps": 100}
TITLES = {"hidden": "hidden units", "batch": "batch", "steps": "steps of a sequence"}


@dataclass(frozen=True)
class Point:
    """One training: its place on an axis and what came out."""

    cell: str
    axis: str
    value: int
    rate: float  # characters/s
    limit: float  # characters/s that the measured products allow


def measured(case: Case, threads: int, options: Options) -> tuple[float, float]:
    """Characters/s and their limit."""
    results = measure.compare(train_rnn.__file__, train_rnn.with_file(case), ["seqdl"], ["seqdl"], threads, options)
    if results["seqdl"].error:
        raise SystemExit(f"{case.name}: {results['seqdl'].error}")
    return case.items / results["seqdl"].seconds, case.items / (case.flops * results["limit"].seconds)


def points(options: Options) -> list[Point]:
    """All points; one that lies on several axes is measured once."""
    threads, known, found = options.threads[-1], dict[str, tuple[float, float]](), []
    for cell in ("lstm", "gru"):
        for axis, values in AXES.items():
            for value in values:
                sizes = MIDDLE | {axis: value}
                case = train_rnn.case(cell, 1, sizes["hidden"], sizes["steps"], sizes["batch"])
                if not all(text in case.name for text in options.only):
                    continue
                if case.name not in known:
                    known[case.name] = measured(case, threads, options)
                found.append(Point(cell, axis, value, *known[case.name]))
                if options.quick:
                    return found
    return found


def draw(found: list[Point], threads: int) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharey=True, constrained_layout=True)
    axes: Any = zip(AXES, panels, strict=True)
    for axis, panel in axes:
        for cell, colour in (("lstm", "tab:blue"), ("gru", "tab:orange")):
            mine = [p for p in found if p.cell == cell and p.axis == axis]
            at = [p.value for p in mine]
            panel.plot(at, [p.rate for p in mine], "o-", color=colour, label=cell.upper())
            panel.plot(at, [p.limit for p in mine], "--", color=colour, label=f"limit, {cell.upper()}")
            for p in mine:
                panel.annotate(f"{p.rate / p.limit:.0%}", (p.value, p.rate), xytext=(0, -14 if cell == "lstm" else 7),
                               textcoords="offset points", ha="center", fontsize=7, color=colour)  # fmt: skip
        panel.set(xscale="log", yscale="log", xlabel=TITLES[axis], xticks=AXES[axis], xticklabels=AXES[axis])
        panel.minorticks_off()
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(f"characters/s, training on {threads} threads")
    panels[0].legend(fontsize=8)
    around = ", ".join(f"{name} {value}" for name, value in MIDDLE.items())
    figure.suptitle(f"One layer, around {around}; per cent: share of the measured limit", fontsize=10)
    figure.savefig(ROOT / "bench" / "growth.png", dpi=110)


def bench(options: Options) -> None:
    found = points(options)
    if not options.quick:
        draw(found, options.threads[-1])
    rows = [[p.cell.upper(), f"{TITLES[p.axis]} {p.value}", f"{p.rate:,.0f}", f"{p.rate / p.limit:.0%}"] for p in found]
    ledger = Ledger("growth")
    ledger.ratios = {f"growth, {p.cell}, {p.axis} {p.value}: share of limit": p.rate / p.limit for p in found}
    around = ", ".join(f"{TITLES[name]} {value}" for name, value in MIDDLE.items())
    picture = "![characters/s over hidden size, batch and sequence](growth.png)"
    content = f"{picture}\n\n{measure.table([f'around {around}', 'at', 'characters/s', 'of the limit'], rows)}"
    measure.publish(ledger, content, options)


if __name__ == "__main__":
    measure.main({}, bench, __doc__)
