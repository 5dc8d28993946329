"""How well a site model does on labelled sequences that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seqdl.dna.sitemodel import SiteModel
from seqdl.metrics import Bin, auroc, average_precision, calibration_error, reliability, top_k_accuracy
from seqdl_data.sites import UNSAID, Stretch

Array = np.ndarray
AT_ONCE = 1 << 20  # bases


class Judgement(NamedTuple):
    """Every candidate of one kind: its logit (N,) float32 and whether it is a site (N,) bool."""

    logits: Array
    truth: Array


@dataclass(frozen=True)
class SiteFigures:
    """One kind of site on one split. Candidates are those that the model's rule allows, each a site or a decoy."""

    name: str
    sites: int
    decoys: int
    average_precision: float
    top_k: float
    auroc: float
    calibration_error: float  # of the calibrated probabilities, 10 bins
    reliability: tuple[Bin, ...]


class _Whole(NamedTuple):
    """A labelled sequence as the model wants it."""

    codes: Array
    start: int
    own: tuple[int, int]


def judge_stretches(model: SiteModel, stretches: Sequence[Stretch]) -> list[Judgement]:
    """What the model says of every candidate, one Judgement for each kind. Each stretch is one strand.

    Junctions of which the labels say nothing are left out; a true site that is no candidate (a donor that begins
    neither with GT nor GC) is not counted either.
    """
    logits: list[list[Array]] = [[] for _ in model.kinds]
    truth: list[list[Array]] = [[] for _ in model.kinds]
    longest = max(kind.lead for kind in model.kinds)  # before a site at the very beginning
    for group in _groups(stretches):
        calls = model.judge([_Whole(s.codes, 0, (-longest, len(s.codes))) for s in group], strands=(False,))
        starts = np.cumsum([0, *(len(s.codes) for s in group)])
        labels = np.concatenate([s.labels for s in group])
        for k, kind in enumerate(model.kinds):
            own = calls.kind == k
            label = labels[starts[calls.stretch[own]] + calls.start[own] + kind.lead]
            said = label != UNSAID
            logits[k].append(calls.logit[own][said])
            truth[k].append(label[said] == k + 1)
    return [Judgement(np.concatenate(x), np.concatenate(y)) for x, y in zip(logits, truth, strict=True)]


def mean_loss(model: SiteModel, judged: Sequence[Judgement]) -> float:
    """Nats a candidate, of the calibrated probabilities; the mean over all kinds' candidates."""
    total = 0.0
    for (a, b), (logits, truth) in zip(model.calibration, judged, strict=True):
        z = a * logits.astype(np.float64) + b
        total += float((np.logaddexp(0, z) - z * truth).sum())
    return total / max(1, sum(len(each.truth) for each in judged))


def evaluate(model: SiteModel, judged: Sequence[Judgement]) -> list[SiteFigures]:
    """The figures of each kind."""
    figures = []
    for k, (kind, (logits, truth)) in enumerate(zip(model.kinds, judged, strict=True)):
        table = reliability(model.probability(k, logits), truth)
        figures.append(
            SiteFigures(
                kind.name,
                int(truth.sum()),
                int((~truth).sum()),
                average_precision(logits, truth),
                top_k_accuracy(logits, truth),
                auroc(logits, truth),
                calibration_error(table),
                tuple(table),
            )
        )
    return figures


def _groups(stretches: Sequence[Stretch]) -> list[list[Stretch]]:
    """Many short ones together, so that they share batches."""
    groups: list[list[Stretch]] = []
    size = AT_ONCE
    for stretch in stretches:
        if size + len(stretch.codes) > AT_ONCE:
            groups.append([])
            size = 0
        groups[-1].append(stretch)
        size += len(stretch.codes)
    return groups


def report(figures: Sequence[SiteFigures], split: str) -> str:
    """The figures and the reliability tables as text."""
    lines = [f"split: {split}"]
    for each in figures:
        lines += [
            "",
            f"{each.name}: {each.sites:,} sites among {each.sites + each.decoys:,} candidates",
            f"  average precision  {each.average_precision:.4f}",
            f"  top-k              {each.top_k:.4f}",
            f"  AUROC              {each.auroc:.4f}",
            f"  calibration error  {each.calibration_error:.5f} (10 bins)",
            "  probability     count  predicted  observed",
        ]
        for n, (total, predicted, observed) in enumerate(each.reliability):
            lines.append(f"  {n / 10:.1f} - {(n + 1) / 10:.1f}  {total:>9,}     {predicted:6.3f}    {observed:6.3f}")
    return "\n".join(lines) + "\n"
