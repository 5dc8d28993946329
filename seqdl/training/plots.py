"""Pictures of runs: the curves of one, with what its layers did, or several laid over each other."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seqdl.errors import InputError, SeqdlError, UsageError
from seqdl.training.run import Run, held_out_figures
from seqdl_data.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
TRAINING, VALIDATION, EXTRA = "#1f77b4", "#d62728", "#4d4d4d"
MAX_LAYERS = 12  # lines in one panel that an eye can still tell apart


def plot_runs(runs: Sequence[Run], output: Path) -> None:
    """Draw one run in full, or compare several, into a .png, .svg or .pdf file.

    SeqdlError if matplotlib is not installed, InputError for a run with nothing in it yet.
    """
    suffix = output.suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        raise UsageError(f"{output}: the name of a picture must end in .png, .svg or .pdf")
    figure = draw_runs(runs)
    with _matplotlib(), replacing(output) as temporary:
        figure.savefig(temporary, format=suffix, dpi=130)


def draw_runs(runs: Sequence[Run]) -> Figure:
    """One run in full, or several compared, as a figure of matplotlib that a notebook shows. Errors as plot_runs."""
    for run in runs:
        if not run.training and not run.validation:
            raise InputError(f"run {run.name!r} has recorded nothing yet; there is nothing to draw")
    with _matplotlib():
        return _one_run(runs[0]) if len(runs) == 1 else _several_runs(runs)


def smooth(values: np.ndarray, width: int) -> np.ndarray:
    """Mean over the `width` values around each place, fewer at the ends; what is not finite is left out."""
    finite = np.isfinite(values)
    window = np.ones(width)
    total = np.convolve(np.where(finite, values, 0.0), window, mode="full")
    count = np.convolve(finite, window, mode="full")
    first = (width - 1) // 2
    middle = slice(first, first + len(values))
    out = np.full(len(values), np.nan)
    return np.divide(total[middle], count[middle], out=out, where=count[middle] > 0.5)


def _one_run(run: Run) -> Figure:
    rows = 3 if run.layers else 2
    figure = _figure(width=11, height=3.3 * rows + 1)
    grid = figure.add_gridspec(rows, 2, height_ratios=[1.35, 1, 1][:rows])
    _title(figure, run)
    figures = held_out_figures(run)
    _draw_loss(figure.add_subplot(grid[0, 0] if figures else grid[0, :]), run)
    if figures:
        _draw_figures(figure.add_subplot(grid[0, 1]), figures)
    _draw_column(figure.add_subplot(grid[1, 0]), run, "lr", "Learning rate")
    _draw_column(figure.add_subplot(grid[1, 1]), run, "grad_norm", "Gradient norm, all parameters", log=True)
    if run.layers:
        left, right = figure.add_subplot(grid[2, 0]), figure.add_subplot(grid[2, 1])
        _draw_layers(left, run, "weight", "Weight norm per parameter")
        _draw_layers(right, run, "gradient", "Gradient norm per parameter")
        _legend_below(figure, left if left.lines else right)
    return figure


def _several_runs(runs: Sequence[Run]) -> Figure:
    figure = _figure(width=11, height=5.6)
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    for number, run in enumerate(runs):
        color = _color(number, len(runs))
        steps, losses = run.curve("loss", "validation")
        left.plot(steps, losses, color=color, marker=".", label=_named_with_best(run))
        _draw_training(right, run, color, run.name)
    _decorate(left, "Validation loss", "loss (nats)")
    _decorate(right, "Training loss", "")
    _limit_loss(left, runs)
    _legend_below(figure, left)
    return figure


def _draw_loss(axes: Axes, run: Run) -> None:
    _draw_training(axes, run, TRAINING, "training")
    steps, losses = run.curve("loss", "validation")
    if len(steps):
        axes.plot(steps, losses, color=VALIDATION, marker=".", label="validation")
    if np.isfinite(losses).any():
        best = int(np.nanargmin(losses))
        label = f"best: {losses[best]:.4f} at step {steps[best]:.0f}"
        axes.plot(steps[best], losses[best], "o", ms=9, mfc="none", mew=1.8, color=VALIDATION, label=label)
    for number, note in enumerate(run.notes):
        label = "_" if number else f"note: {note.text:.48}"  # "_": not in the legend
        axes.axvline(note.step, color=EXTRA, linestyle=":", linewidth=1, label=label)
    _decorate(axes, "Loss", "loss (nats)")
    _limit_loss(axes, [run])
    axes.legend(loc="upper right", frameon=False)


def _draw_training(axes: Axes, run: Run, color: Any, label: str) -> None:
    steps, losses = run.curve("loss")
    width = max(1, len(losses) // 40)
    if width > 1:
        axes.plot(steps, losses, color=color, alpha=0.22, linewidth=0.8)
        label += f" (mean of {width} rows; raw is faint)" if label == "training" else ""
    axes.plot(steps, smooth(losses, width) if len(losses) else losses, color=color, label=label)


def _draw_figures(axes: Axes, figures: Mapping[str, Sequence[tuple[int, float]]]) -> None:
    for number, (name, points) in enumerate(figures.items()):
        steps, shares = np.array(points, float).T
        label = f"{name}: {shares[-1]:.4f}"
        axes.plot(steps, shares, color=_color(number, len(figures)), marker=".", label=label)
    _decorate(axes, "On held-out data", "share")
    axes.legend(loc="lower right", frameon=False)


def _draw_column(axes: Axes, run: Run, column: str, title: str, log: bool = False) -> None:
    steps, values = run.curve(column)
    axes.plot(steps, values, color=TRAINING, linewidth=1)
    _decorate(axes, title, "")
    if log:
        _log_scale(axes, values)


def _draw_layers(axes: Axes, run: Run, what: str, title: str) -> None:
    curves = {name: run.layer(name, "norm", what) for name in run.parameters}
    names = [name for name, (steps, _) in curves.items() if len(steps)]
    for number, name in enumerate(names[:MAX_LAYERS]):
        style = "-" if number < 10 else "--"
        axes.plot(*curves[name], style, color=_color(number % 10, 10), marker=".", label=name)
    if len(names) > MAX_LAYERS:
        title += f" (first {MAX_LAYERS} of {len(names)})"
    _decorate(axes, title, "")
    _log_scale(axes, np.concatenate([norms for _, norms in curves.values()]))


def _log_scale(axes: Axes, values: np.ndarray) -> None:
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return
    axes.set_yscale("log")
    narrow = positive.max() / positive.min() < 1000
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _limit_loss(axes: Axes, runs: Sequence[Run]) -> None:
    """Let a few wild values of a run that diverged leave the picture instead of flattening the rest."""
    losses = np.concatenate([run.curve("loss", of)[1] for run in runs for of in ("training", "validation")])
    finite = losses[np.isfinite(losses)]
    if not finite.size:
        return
    low, usual = finite.min(), np.percentile(finite, 95)
    if finite.max() > 3 * usual > 0:
        axes.set_ylim(low - 0.05 * (usual - low), usual + 0.25 * (usual - low))


def _decorate(axes: Axes, title: str, ylabel: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("step")
    axes.set_ylabel(ylabel)
    axes.grid(color="#e3e3e3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)


def _title(figure: Figure, run: Run) -> None:
    about = run.summary
    title = f"{about.name}: {about.kind}, {about.status}, {about.steps} steps in {about.seconds:.0f} s"
    figure.suptitle(title, fontsize=13)


def _named_with_best(run: Run) -> str:
    best = run.summary.best_loss
    return run.name if best is None else f"{run.name} (best {best:.4f})"


def _color(number: int, count: int) -> Any:
    from matplotlib import colormaps

    return colormaps["tab10"](number) if count <= 10 else colormaps["turbo"](number / (count - 1))


def _figure(width: float, height: float) -> Figure:
    """A figure that belongs to no window: matplotlib's pyplot, and with it any display, stays out of this."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    class Chart(Figure):
        """Shows itself in a notebook, which knows figures of pyplot alone."""

        def _repr_png_(self) -> bytes:
            with io.BytesIO() as stream:
                self.savefig(stream, format="png", dpi=110)
                return stream.getvalue()

    return Chart(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))


def _matplotlib() -> AbstractContextManager[None]:
    """The settings to draw with; $ in a name is a dollar, not the start of a formula."""
    try:
        import matplotlib
    except ImportError as error:
        raise SeqdlError("drawing needs matplotlib; install it with: pip install 'seqdl[plot]'") from error
    return matplotlib.rc_context({"text.parse_math": False})
