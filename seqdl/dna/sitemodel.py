"""SiteModel: a network that finds sites, what it calls them, how sure it may be, and how to run it over sequences.

Sequences are read in blocks on a grid that is fixed in the record: block i judges the bases from i * BLOCK on, and
sees `context` bases more on either side. So a base gets the same probability however the record was cut into
pieces, and the work of one pass over a block serves every base in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

import numpy as np

from seqdl import modelfile, parallel
from seqdl.dna.network import CELLS, SiteNetwork
from seqdl.errors import ModelFileError
from seqdl.nn.module import StateError
from seqdl.tensor import no_grad
from seqdl_data.nucleotides import UNKNOWN, reverse_complement
from seqdl_data.splice import acceptor_candidates, donor_candidates

Array = np.ndarray
KIND = "sites"
SHIPPED = ("spombe", "worm-plant")
DEFAULT = SHIPPED[0]
BLOCK = 2000  # bases judged in one pass over a window: long, since bases far from its ends see more of the record
ROUND = 50  # windows at a record's end are filled up to a multiple, so that many short records share a batch
BATCH = 32  # windows side by side, some 80 MB in each layer


@dataclass(frozen=True)
class SiteKind:
    """A class of sites, each at a junction, which is named by the base after it.

    rule: which junctions may be one, "donor", "acceptor" or "any". What is reported of a site are `width` bases that
    begin `lead` before its junction, in the strand's direction: of a donor the last base of its exon.
    """

    name: str
    rule: str = "any"
    lead: int = 0
    width: int = 1

    def first(self, junction: Array, reverse: bool) -> Array:
        """The first of the reported bases in the order of the forward strand, (N,) as `junction`."""
        return junction + self.lead + 1 - self.width if reverse else junction - self.lead

    @property
    def reach(self) -> int:
        """How far a junction may lie from the first reported base."""
        return max(self.lead, self.width - self.lead)

    def candidates(self, codes: Array) -> Array:
        """(..., N) bool: the junctions of a strand that may be a site of this kind."""
        if self.rule == "donor":
            return donor_candidates(codes)
        if self.rule == "acceptor":
            return acceptor_candidates(codes)
        return codes < UNKNOWN


class Stretch(Protocol):
    """Part of a record: its codes (N,) from position `start` on, and the positions that are asked for.

    The codes reach SiteModel.flank beyond `own` on either side, or to the record's end.
    """

    @property
    def codes(self) -> Array: ...
    @property
    def start(self) -> int: ...
    @property
    def own(self) -> tuple[int, int]: ...


class Calls(NamedTuple):
    """Candidate sites, all arrays (N,), ordered by stretch, start, strand and kind.

    The logit is log(p / (1 - p)) of the network itself, not yet calibrated.
    """

    stretch: Array  # int64, index into the stretches
    start: Array  # int64, the first of the bases reported, in the record
    reverse: Array  # bool, the strand
    kind: Array  # int64, index into SiteModel.kinds
    logit: Array  # float32


@dataclass(eq=False)
class SiteModel:
    """A model that finds sites. `card` is the metadata of its file: training, data, metrics, calibration.

    calibration: for each kind (a, b) so that sigmoid(a * logit + b) is the probability.

    >>> model = SiteModel.load()
    >>> [kind.name for kind in model.kinds]
    ['donor', 'acceptor']
    """

    network: SiteNetwork
    kinds: tuple[SiteKind, ...]
    context: int
    calibration: tuple[tuple[float, float], ...]
    card: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> Self:
        """From a file, a run's folder (its best) or the name of a shipped one; without any, the default of those."""
        path = model_path(path)
        arrays, metadata = modelfile.load_model(path, KIND)
        try:
            architecture = metadata["architecture"]
            if architecture["cell"] not in CELLS:
                raise ModelFileError(f"{path}: unknown cell {architecture['cell']!r}: upgrade seqdl")
            network = SiteNetwork(**architecture)
            network.load_state_dict(arrays)
            kinds = tuple(SiteKind(**kind) for kind in metadata["kinds"])
            calibration = tuple((float(a), float(b)) for a, b in metadata["calibration"])
            if len(kinds) != architecture["classes"] - 1 or len(calibration) != len(kinds):
                raise ValueError("as many kinds and calibrations as classes expected")
            return cls(network.eval(), kinds, int(metadata["context"]), calibration, metadata)
        except (KeyError, TypeError, ValueError, StateError) as error:
            raise ModelFileError(f"{path}: damaged model file: {error}") from error

    def save(self, path: str | os.PathLike[str], scheme: str = "float32") -> None:
        """Write the model; scheme as in seqdl.modelfile.save_model."""
        own = {
            "architecture": self.network.architecture,
            "kinds": [asdict(kind) for kind in self.kinds],
            "context": self.context,
            "calibration": self.calibration,
        }
        modelfile.save_model(path, KIND, self.network.state_dict(), self.card | own, scheme)

    def probability(self, kind: int, logit: Array) -> Array:
        """Calibrated probability (N,) float64 of logits of a kind."""
        return _sigmoid(self.calibrated(kind, logit))

    def calibrated(self, kind: int, logit: Array) -> Array:
        """Calibrated log-odds (N,) float64 of logits of a kind."""
        a, b = self.calibration[kind]
        return a * logit.astype(np.float64) + b

    def logits_at(self, codes: Array, junction: int, kind: int) -> Array:
        """The network's log-odds (B,) that a site of this kind is at one junction of each sequence (B, T) of codes."""
        parts = []
        with no_grad(), parallel.single_threaded_blas():
            for at in range(0, len(codes), BATCH):
                hidden = self.network(codes[at : at + BATCH]).data
                parts.append(self._logits(hidden[junction], kind))
        return np.concatenate(parts)

    def probabilities(self, calls: Calls) -> Array:
        """Calibrated probability (N,) float64 of each call."""
        a, b = np.array(self.calibration).T
        return _sigmoid(a[calls.kind] * calls.logit + b[calls.kind])

    @property
    def flank(self) -> int:
        """How many bases around those asked for `judge` needs: the rest of their blocks and the context."""
        return BLOCK + self.context + self._reach

    @property
    def _reach(self) -> int:
        return max(kind.reach for kind in self.kinds)

    def judge(
        self,
        stretches: Sequence[Stretch],
        strands: Sequence[bool] = (False, True),
        tick: Callable[[], None] = lambda: None,
    ) -> Calls:
        """Every candidate whose start lies in a stretch's `own`, on the strands asked for (True: reverse).

        One whose bases would reach beyond the record's end is none. tick: called after each batch of windows; what it
        raises ends the judging.
        """
        windows = [w for i, stretch in enumerate(stretches) for w in _windows(i, stretch, self.context, self._reach)]
        parts = [_no_calls()]
        with no_grad(), parallel.single_threaded_blas():
            for reverse in strands:
                for batch in _batches(windows):
                    parts += self._judge_batch(batch, reverse)
                    tick()
        calls = Calls(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        order = np.lexsort((calls.kind, calls.reverse, calls.start, calls.stretch))
        return Calls(*(column[order] for column in calls))

    def _judge_batch(self, batch: Sequence[Window], reverse: bool) -> list[Calls]:
        codes = np.stack([window.codes for window in batch])
        codes = reverse_complement(codes) if reverse else codes
        wanted = [self._wanted(batch, codes, kind, reverse) for kind in self.kinds]
        if not any(len(row) for row, _, _ in wanted):
            return []
        hidden = self.network(codes).data
        stretch = np.array([window.stretch for window in batch])
        calls = []
        for k, (row, column, start) in enumerate(wanted):
            logits = self._logits(hidden[column, row], k)
            same = np.ones(len(row), np.int64)
            calls.append(Calls(stretch[row], start, same == reverse, k * same, logits))
        return calls

    @staticmethod
    def _wanted(batch: Sequence[Window], codes: Array, kind: SiteKind, reverse: bool) -> tuple[Array, ...]:
        """Row and column in `codes` (B, T) of each candidate asked for, and its start in the record."""
        row, column = np.nonzero(kind.candidates(codes))
        starts = np.array([window.start for window in batch])[row]
        junction = starts + (codes.shape[1] - 1 - column if reverse else column)
        start = kind.first(junction, reverse)
        blocks = np.array([window.block for window in batch])[row].reshape(-1, 2)
        owns = np.array([window.own for window in batch])[row].reshape(-1, 2)
        ends = np.array([window.end for window in batch])[row]
        here = (blocks[:, 0] <= junction) & (junction < blocks[:, 1]) & (owns[:, 0] <= start) & (start < owns[:, 1])
        here &= start + kind.width <= ends
        return row[here], column[here], start[here]

    def _logits(self, hidden: Array, kind: int) -> Array:
        """log(p / (1 - p)) (N,) of a kind, from hidden vectors (N, 2 H)."""
        return log_odds(self.network.site(hidden).data, kind + 1)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def log_odds(logits: Array, label: int) -> Array:
    """log(p / (1 - p)) (N,) of one class, where p is its softmax probability of logits (N, C)."""
    others = np.delete(logits, label, axis=1)
    highest = others.max(axis=1)
    return logits[:, label] - highest - np.log(np.exp(others - highest[:, None]).sum(axis=1))


class Window(NamedTuple):
    """A block with its context: codes (T,) from position `start` of its record on."""

    stretch: int
    start: int
    codes: Array
    block: tuple[int, int]
    own: tuple[int, int]
    end: int  # where the stretch's codes end, beyond which no base of a site may lie


def _windows(index: int, stretch: Stretch, context: int, reach: int) -> Iterator[Window]:
    """The blocks in which the junctions of sites in `own` may lie; the record's end is filled up with unknowns."""
    start, end = stretch.start, stretch.start + len(stretch.codes)
    first, last = max(stretch.own[0] - reach, 0), min(stretch.own[1] + reach, end)
    for block in range(first // BLOCK * BLOCK, last, BLOCK):
        lo, codes = block_codes(stretch.codes, start, block, context)
        yield Window(index, lo, codes, (block, block + BLOCK), stretch.own, end)


def block_codes(codes: Array, start: int, place: int, context: int) -> tuple[int, Array]:
    """Where what the network reads for the block of a place begins in the record, and the codes of it.

    codes (N,) begin at `start` of the record.
    """
    block = place // BLOCK * BLOCK
    lo, hi = max(block - context, 0), block + BLOCK + context
    window = codes[lo - start : hi - start]
    if hi > start + len(codes):
        window = np.pad(window, (0, -len(window) % ROUND), constant_values=UNKNOWN)
    return lo, window


def _batches(windows: Sequence[Window]) -> Iterator[Sequence[Window]]:
    """Windows of one length together, BATCH at a time."""
    by_length = sorted(windows, key=lambda window: len(window.codes))
    for _, group in groupby(by_length, key=lambda window: len(window.codes)):
        same = list(group)
        yield from (same[at : at + BATCH] for at in range(0, len(same), BATCH))


def _no_calls() -> Calls:
    nothing = np.empty(0, np.int64)
    return Calls(nothing, nothing, nothing.astype(bool), nothing, nothing.astype(np.float32))


def model_path(path: str | os.PathLike[str] | None) -> Path:
    """The file meant: a run's folder means its best, a shipped model's name that one, nothing the default."""
    if path is None or (os.fspath(path) in SHIPPED and not os.path.exists(path)):
        return Path(str(resources.files("seqdl") / "models" / f"{path or DEFAULT}.safetensors"))
    path = Path(path)
    return path / "best.safetensors" if path.is_dir() else path
