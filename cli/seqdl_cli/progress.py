"""How a training shows itself on stderr: one line that moves on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

EVERY_TERMINAL, EVERY_LOG = 0.2, 15.0  # seconds


class Display:
    """Called with each report of the training loop."""

    def __init__(self, quiet: bool = False, unit: str = "symbols") -> None:
        self.quiet, self.unit = quiet, unit
        self.terminal = sys.stderr.isatty()
        self.started = self.shown = time.monotonic()
        self.first_share: float | None = None
        self.open_line = False

    def __call__(self, report: Any) -> None:
        if self.quiet:
            return
        if report.kind == "step":
            self._step(report)
        elif report.kind == "validation":
            p = report.progress
            best = " (best)" if p.best_step == p.step else f" (best {p.best:.5g} at step {p.best_step})"
            self._line(f"validation {report.loss:.5g} nats at step {p.step}{best}")
            if report.text:
                self._line("sample: " + " ".join(report.text.split())[:160])
        elif report.kind == "note":
            self._line(report.text)

    def _step(self, report: Any) -> None:
        now = time.monotonic()
        if self.first_share is None:
            self.first_share, self.started = report.share, now
        if now - self.shown < (EVERY_TERMINAL if self.terminal else EVERY_LOG):
            return
        self.shown = now
        done = report.share - self.first_share
        left = (now - self.started) * (1 - report.share) / done if done > 0 else float("inf")
        text = (
            f"{report.share:6.1%}  step {report.progress.step}  loss {report.loss:.4f}  lr {report.lr:.2e}  "
            f"{report.rate:,.0f} {self.unit}/s  ETA {_clock(left)}"
        )
        if self.terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self.open_line = True
        else:
            self._line(text)

    def _line(self, text: str) -> None:
        if self.open_line:
            sys.stderr.write("\r\x1b[K")
            self.open_line = False
        print(text, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    if seconds == float("inf"):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
