"""Training: the loop, its checkpoints, its log. This file lists what one needs to read and draw a log."""

from seqdl.training.plan import Settings
from seqdl.training.plots import draw_runs, plot_runs, smooth
from seqdl.training.run import Run, RunSummary
from seqdl.training.runs import list_runs, load_array, load_arrays, load_run

__all__ = [
    "Run",
    "RunSummary",
    "Settings",
    "draw_runs",
    "list_runs",
    "load_array",
    "load_arrays",
    "load_run",
    "plot_runs",
    "smooth",
]
