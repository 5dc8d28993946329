"""`seqdl runs`: look at the trainings recorded in a run log."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqdl_cli.common import shown
from seqdl_data.plainjson import finite

if TYPE_CHECKING:
    from seqdl.training.run import RequestRow, Run, RunSummary, ValidationRow

app = typer.Typer(no_args_is_help=True, help="List, show, draw and compare recorded trainings.")

NAMED = "Name of the run, or its number in `seqdl runs list`."
Log = Annotated[
    Path,
    typer.Option("--log", metavar="FILE", help="Run log to read: any SQLite file that a training wrote."),
]
AsJson = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document (times in seconds) instead of text. Default: text."),
]
DEFAULT_LOG = Path("runs/runs.sqlite")


@app.command("list")
def list_(log: Log = DEFAULT_LOG, as_json: AsJson = False) -> None:
    """List all runs, oldest first. A run whose process is gone without a word is shown as killed.

    Example: seqdl runs list --log runs/runs.sqlite
    """
    from seqdl.training.runs import list_runs

    runs = list_runs(log)
    if as_json:
        _print_json({"schema": "seqdl.runs.list/1", "runs": [asdict(run) for run in runs]})
        return
    header = ["id", "name", "kind", "started", "time", "steps", "loss", "best validation", "status"]
    _print_table(header, [_cells(run) for run in runs])


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help=NAMED)],
    log: Log = DEFAULT_LOG,
    as_json: AsJson = False,
) -> None:
    """Show one run: configuration, last figures, best validation, last sample, notes.

    Example: seqdl runs show sonnets
    """
    from seqdl.training.runs import load_run

    loaded = load_run(log, run)
    if as_json:
        _print_json({"schema": "seqdl.runs.show/1"} | _as_document(loaded))
    else:
        typer.echo("\n".join(_describe(loaded)))


@app.command()
def requests(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Name of the service's run, or its number.")],
    log: Log = DEFAULT_LOG,
    as_json: AsJson = False,
) -> None:
    """Show the requests that `seqdl serve --log` has kept: for each path and status how many, and how long they took.

    Times are in milliseconds: until the answer began, and until it ended. With --json each request is listed.

    Example: seqdl runs requests service-20260101-120000 --log runs/runs.sqlite
    """
    from seqdl.training.runs import load_requests

    rows = load_requests(log, run)
    if as_json:
        _print_json({"schema": "seqdl.runs.requests/1", "requests": [row._asdict() for row in rows]})
        return
    by_kind: dict[tuple[str, int], list[RequestRow]] = {}
    for row in rows:
        by_kind.setdefault((row.path, row.status), []).append(row)
    header = ["path", "status", "requests", "began, median", "ended, median", "p95", "p99", "sent, bytes"]
    _print_table(header, [_request_cells(*kind, of_kind) for kind, of_kind in sorted(by_kind.items())])


def _request_cells(path: str, status: int, rows: list[RequestRow]) -> list[str]:
    began = sorted(row.first_seconds for row in rows)
    ended = sorted(row.seconds for row in rows)

    def at(values: list[float], share: float) -> str:
        return f"{1000 * values[min(len(values) - 1, int(share * len(values)))]:.1f}"

    figures = [at(began, 0.5), at(ended, 0.5), at(ended, 0.95), at(ended, 0.99)]
    return [shown(path), str(status), str(len(rows)), *figures, f"{sum(row.sent for row in rows):,}"]


@app.command()
def plot(
    run: Annotated[str, typer.Argument(metavar="RUN", help=NAMED)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Picture to write, ending in .png, .svg or .pdf.",
            show_default="RUN.png",
        ),
    ] = None,
    log: Log = DEFAULT_LOG,
) -> None:
    """Draw the curves of one run, and the norms of its layers where they were recorded. Needs matplotlib.

    Example: seqdl runs plot sonnets -o sonnets.svg
    """
    from seqdl.training.runs import load_run

    loaded = load_run(log, run)
    _draw([loaded], output or Path(f"{loaded.name}.png"))


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN RUN...", help="Names or numbers of two or more runs.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Also draw the losses over each other, into a .png, .svg or .pdf file.",
            show_default="no picture",
        ),
    ] = None,
    log: Log = DEFAULT_LOG,
    as_json: AsJson = False,
) -> None:
    """Compare runs: the settings that differ, and what came of them.

    Example: seqdl runs compare sonnets sonnets-lstm -o both.png
    """
    from seqdl.errors import UsageError
    from seqdl.training.run import differing_keys, flat_config
    from seqdl.training.runs import load_run

    if len(runs) < 2:
        raise UsageError("compare needs two or more runs; `seqdl runs show RUN` shows one")
    loaded = [load_run(log, run) for run in runs]
    keys = differing_keys(loaded)
    settings = [{key: flat_config(run.config).get(key) for key in keys} for run in loaded]
    if as_json:
        both = zip(loaded, settings, strict=True)
        listed = [asdict(run.summary) | {"config": setting} for run, setting in both]
        _print_json({"schema": "seqdl.runs.compare/1", "differing": keys, "runs": listed})
    else:
        _print_comparison(loaded, keys, settings)
    if output is not None:
        _draw(loaded, output)


def _print_comparison(runs: Sequence[Run], keys: list[str], settings: list[dict[str, Any]]) -> None:
    header = ["name", *keys, "steps", "time", "best validation", "status"]
    rows = []
    for run, setting in zip(runs, settings, strict=True):
        about = run.summary
        values = [_value(setting[key]) for key in keys]
        figures = [str(about.steps), _duration(about.seconds), _figure(about.best_loss), about.status]
        rows.append([about.name, *values, *figures])
    _print_table(header, rows)


def _cells(run: RunSummary) -> list[str]:
    figures = [_duration(run.seconds), str(run.steps), _figure(run.last_loss), _figure(run.best_loss)]
    return [str(run.id), run.name, run.kind, run.started, *figures, run.status]


def _describe(run: Run) -> list[str]:
    from seqdl.training.run import flat_config

    about = run.summary
    time = _duration(about.seconds)
    lines = [
        f"run         {about.name} (number {about.id}, {about.kind})",
        f"status      {about.status}, {about.steps} steps in {time}, started {about.started}",
        f"command     {run.command}",
        f"version     {run.version}",
        *_pairs("machine", run.machine),
        *_pairs("config", flat_config(run.config)),
    ]
    if run.training:
        last = run.training[-1]
        lines.append(
            f"last        step {last.step}: loss {_figure(last.loss)}, learning rate {last.lr:.3g}, "
            f"gradient norm {last.grad_norm:.3g}, {last.rate:,.0f} per second"
        )
    best = _best(run)
    if best is not None:
        lines.append(f"best        step {best.step}: validation loss {_figure(best.loss)}")
    lines += [f"note        step {note.step}: {note.text}" for note in run.notes]
    if run.samples:
        sample = run.samples[-1]
        lines += [
            f"sample      step {sample.step}:",
            *(f"  | {shown(line)}" for line in sample.text.splitlines()),
        ]
    return lines


def _pairs(label: str, values: dict[str, Any]) -> list[str]:
    width = max(map(len, values), default=0)
    lines = [f"{key:{width}}  {_value(value)}" for key, value in values.items()]
    return [f"{label if number == 0 else '':12}{line}" for number, line in enumerate(lines)]


def _best(run: Run) -> ValidationRow | None:
    rows = [row for row in run.validation if not math.isnan(row.loss)]
    return min(rows, key=lambda row: row.loss, default=None)


def _as_document(run: Run) -> dict[str, Any]:
    best = _best(run)
    return asdict(run.summary) | {
        "command": run.command,
        "config": run.config,
        "machine": run.machine,
        "seqdl_version": run.version,
        "last": run.training[-1]._asdict() if run.training else None,
        "best": best._asdict() if best else None,
        "validation": [row._asdict() for row in run.validation],
        "sample": run.samples[-1]._asdict() if run.samples else None,
        "notes": [note._asdict() for note in run.notes],
    }


def _draw(runs: Sequence[Run], output: Path) -> None:
    from seqdl.training.plots import plot_runs

    plot_runs(runs, output)
    typer.echo(f"wrote {output}", err=True)


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(finite(document), indent=2))


def _print_table(header: list[str], rows: list[list[str]]) -> None:
    """Aligned plain text, or a rich table where somebody looks at a terminal."""
    if not sys.stdout.isatty():
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        for row in [header, *rows]:
            cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)]
            typer.echo("  ".join(cells).rstrip())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in header:
        table.add_column(title, overflow="fold")  # a name cut short could not be typed again
    for row in rows:
        table.add_row(*map(Text, row))  # Text: brackets in a name are no markup
    Console().print(table)


def _value(value: Any) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{seconds:.1f}s"
