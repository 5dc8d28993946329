"""How long work shows itself on stderr: one line that moves on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Picture = TypeVar("Picture")
EVERY_TERMINAL, EVERY_LOG = 0.2, 15.0  # seconds


class StatusLine:
    """A line that is drawn again and again, with the time left; other lines go above it."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.terminal = sys.stderr.isatty()
        self.started = self.shown = time.monotonic()
        self.first_share: float | None = None
        self.open_line = False

    def due(self, share: float) -> bool:
        """Whether it is time to show that so large a share, 0-1, of the work is done."""
        now = time.monotonic()
        if self.first_share is None:
            self.first_share, self.started = share, now
        if self.quiet or now - self.shown < (EVERY_TERMINAL if self.terminal else EVERY_LOG):
            return False
        self.shown = now
        return True

    def show(self, text: str) -> None:
        """Draw the line."""
        if self.terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self.open_line = True
        else:
            self.say(text)

    def say(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        if not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the moving line away."""
        if self.open_line:
            sys.stderr.write("\r\x1b[K")
            self.open_line = False

    def left(self, share: float) -> str:
        """The time left, at the pace since the first share."""
        done = share - (self.first_share or 0.0)
        return _clock((time.monotonic() - self.started) * (1 - share) / done if done > 0 else float("inf"))


class Display(StatusLine):
    """Called with each report of the training loop; `unit` is what its rate counts."""

    def __init__(self, quiet: bool = False, unit: str = "symbols") -> None:
        super().__init__(quiet)
        self.unit = unit

    def __call__(self, report: Any) -> None:
        if report.kind == "step":
            self._step(report)
        elif report.kind == "validation":
            p = report.progress
            best = " (best)" if p.best_step == p.step else f" (best {p.best:.5g} at step {p.best_step})"
            self.say(f"validation {report.loss:.5g} nats at step {p.step}{best}")
            if report.text:
                self.say("sample: " + " ".join(report.text.split())[:160])
        elif report.kind == "note":
            self.say(report.text)

    def _step(self, report: Any) -> None:
        if self.due(report.share):
            self.show(
                f"{report.share:6.1%}  step {report.progress.step}  loss {report.loss:.4f}  lr {report.lr:.2e}  "
                f"{report.rate:,.0f} {self.unit}/s  ETA {self.left(report.share)}"
            )


class ScanDisplay(StatusLine):
    """Called with the bases scanned so far and the hits in them; `total` bases, 0 where nobody knows."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        super().__init__(quiet)
        self.total = total
        self.first_bases: int | None = None
        self.bases = self.hits = 0

    def __call__(self, bases: int, hits: int) -> None:
        if self.first_bases is None:
            self.first_bases = bases
        self.bases, self.hits = bases, hits
        share = min(1.0, bases / self.total) if self.total else 0.0
        if self.due(share):
            rate = (bases - self.first_bases) / max(1e-9, time.monotonic() - self.started)
            known = f"{share:6.1%}  " if self.total else ""
            left = f"  ETA {self.left(share)}" if self.total else ""
            self.show(f"{known}{bases:,} bases  {hits:,} hits  {rate / 1e6:.2f} Mb/s{left}")


class PictureDisplay(StatusLine):
    """Which of several pictures is being read, on a terminal only."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        super().__init__(quiet)
        self.total = total

    def each(self, pictures: Iterable[Picture]) -> Iterator[Picture]:
        """The pictures, each told when its turn comes."""
        for done, picture in enumerate(pictures):
            share = done / max(1, self.total)
            if self.terminal and self.total > 1 and self.due(share):
                self.show(f"{share:6.1%}  {done + 1:,} of {self.total:,} pictures  ETA {self.left(share)}")
            yield picture


def _clock(seconds: float) -> str:
    if seconds == float("inf"):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
