"""The site model over a genome: bases and candidates a second, ours and PyTorch.

    python bench/site_model.py [--peers PYTHON] [--quick] [--write] [--threads 1,2]

The shipped models' shape on 400,000 random bases, both strands: 5-mers -> 2 layers of GRU 64 in both directions -> 3
classes, in blocks of 2,000 bases with 100 more on either side, as a scan has them; the log-odds of every GT, GC and AG.
PyTorch has no look-up of rows in its GRU: it reads each 5-mer as five one-hot bases, 20 inputs, and our table is made
of the same weights, so that both compute the same function. The sums of all log-odds must agree.

FLOPs: 2 a multiply-add of the recurrent layers, look-ups count 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import measure
import numpy as np
from measure import Case, Config, Ledger, Options, Result, Step

BASES, HIDDEN, KMER, CONTEXT, BLOCK, BATCH = 400_000, 64, 5, 100, 2000, 64
WIDTH = BLOCK + 2 * CONTEXT
FLOPS = 2.0 * 2 * BASES * WIDTH / BLOCK * 2 * 3 * HIDDEN * (HIDDEN + HIDDEN + 2 * HIDDEN)
CASES = [Case(f"2 x GRU {HIDDEN} in both directions, {BASES:,} bases, both strands", {}, 2 * BASES, FLOPS)]


class Stretch(NamedTuple):
    codes: np.ndarray
    start: int
    own: tuple[int, int]


def with_file(case: Case) -> Case:
    """The same case, its weights and bases in a file that all contenders read."""
    draw = np.random.default_rng(1)
    arrays: dict[str, np.ndarray] = {}
    for layer, width in ((0, 4 * KMER), (1, 2 * HIDDEN)):
        for suffix in (f"l{layer}", f"l{layer}_reverse"):
            shapes = {"ih": (3 * HIDDEN, width), "hh": (3 * HIDDEN, HIDDEN)}
            for part, shape in shapes.items():
                arrays[f"rnn.weight_{part}_{suffix}"] = draw.uniform(-0.125, 0.125, shape).astype(np.float32)
                arrays[f"rnn.bias_{part}_{suffix}"] = draw.uniform(-0.125, 0.125, shape[0]).astype(np.float32)
    arrays["site.weight"] = draw.uniform(-0.09, 0.09, (3, 2 * HIDDEN)).astype(np.float32)
    arrays["site.bias"] = np.zeros(3, np.float32)
    arrays["codes"] = draw.integers(0, 4, BASES).astype(np.uint8)
    return measure.with_arrays(case, arrays)


def ours(config: Config) -> Step:
    from seqdl import parallel
    from seqdl.dna import SiteKind, SiteModel, sitemodel
    from seqdl.dna.network import SiteNetwork

    assert sitemodel.BLOCK == BLOCK
    parallel.set_num_threads(config["threads"])
    weights, codes = measure.load(config, "codes")
    network = SiteNetwork(3, "gru", HIDDEN, 2, KMER, 0.0)
    digits = np.arange(4**KMER)[:, None] // 4 ** np.arange(KMER - 1, -1, -1) % 4
    places = digits + 4 * np.arange(KMER)
    for suffix in ("l0", "l0_reverse"):
        rows = weights[f"rnn.weight_ih_{suffix}"].T[places].sum(axis=1)
        weights[f"rnn.weight_ih_{suffix}"] = np.concatenate([rows, np.zeros_like(rows[:1])]).T
    own = network.state_dict()
    network.load_state_dict({name: weights.get(name, own[name]) for name in own})
    kinds = (SiteKind("donor", "donor", lead=1), SiteKind("acceptor", "acceptor"))
    model = SiteModel(network.eval(), kinds, CONTEXT, ((1.0, 0.0), (1.0, 0.0)))
    stretch = Stretch(codes, 0, (0, len(codes)))

    def step() -> Any:
        return float(model.judge([stretch]).logit.astype(np.float64).sum())

    return step


def torch_eager(config: Config) -> Step:
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(config["threads"])
    weights, codes = measure.load(config, "codes")
    rnn = nn.GRU(4 * KMER, HIDDEN, 2, bidirectional=True)
    linear = nn.Linear(2 * HIDDEN, 3)
    named = {name: torch.from_numpy(array) for name, array in weights.items()}
    rnn.load_state_dict({name.removeprefix("rnn."): array for name, array in named.items() if name.startswith("rnn.")})
    linear.load_state_dict({"weight": named["site.weight"], "bias": named["site.bias"]})
    forward = torch.from_numpy(codes.astype(np.int64))

    def strand(bases: Any, mirrored: bool) -> float:
        """Blocks on the grid of the forward strand, whichever strand is read."""
        total, last, length = 0.0, KMER // 2, len(bases)
        groups: dict[int, list[Any]] = {}
        for block in range(0, length, BLOCK):
            lo, hi = max(block - CONTEXT, 0), min(block + BLOCK + CONTEXT, length)
            inside = (block - lo, min(block + BLOCK, length) - lo)
            if mirrored:
                lo, hi, inside = length - hi, length - lo, (hi - lo - inside[1], hi - lo - inside[0])
            groups.setdefault(hi - lo, []).append((bases[lo:hi], inside))
        for group in groups.values():
            for at in range(0, len(group), BATCH):
                some = group[at : at + BATCH]
                x = torch.stack([codes for codes, _ in some])
                one_hot = F.pad(F.one_hot(x, 4).float(), (0, 0, last, last))
                size = x.shape[1]
                words = torch.cat([one_hot[:, shift : shift + size] for shift in range(KMER)], dim=2)
                words[:, :last] = words[:, size - last :] = 0  # as the row of an unknown 5-mer
                logits = linear(rnn(words.transpose(0, 1).contiguous())[0]).transpose(0, 1)
                g, t, c, a = (x == 2), (x == 3), (x == 1), (x == 0)
                donor, acceptor = torch.zeros_like(g), torch.zeros_like(g)
                donor[:, :-1] = g[:, :-1] & (t | c)[:, 1:]
                acceptor[:, 2:] = a[:, :-2] & g[:, 1:-1]
                asked = torch.zeros_like(g)
                for row, (_, (lo, hi)) in enumerate(some):
                    asked[row, lo:hi] = True
                for label, candidates in ((1, donor), (2, acceptor)):
                    z = logits[candidates & asked]
                    others = [other for other in range(3) if other != label]
                    total += float((z[:, label] - torch.logsumexp(z[:, others], 1)).double().sum())
        return total

    def step() -> Any:
        with torch.inference_mode():
            return strand(forward, False) + strand((3 - forward).flip(0), True)

    return step


CONTENDERS = {"seqdl": ours, "PyTorch": torch_eager}
OWN = ("seqdl",)


def bench(options: Options) -> None:
    ledger, rows = Ledger("site_model"), []
    for threads in options.threads:
        for case in map(with_file, measure.chosen(CASES, options)):
            results = measure.compare(__file__, case, CONTENDERS, OWN, threads, options)
            ledger.peer_failures(results, case)
            rows.append(row(case, threads, results, ledger))
            if threads == options.threads[-1]:
                ratio = measure.best_peer(results)[1]
                ledger.summary.append(f"site model over DNA, both strands, {threads} threads | {ratio:.2f}")
    head = [
        "bases of both strands/s",
        "threads",
        *CONTENDERS,
        "over PyTorch",
        "candidates/s",
        "of the limit",
        "peak MB",
    ]
    measure.publish(ledger, measure.table(head, rows), options)


def row(case: Case, threads: int, results: dict[str, Result], ledger: Ledger) -> list[str]:
    """Of the table; the ratio goes into the ledger. In random sequence 3 of 16 places are candidates."""
    _, ratio = measure.best_peer(results)
    ledger.ratios[f"site_model, {threads} threads"] = ratio
    cells = [measure.rate(case, results[contender]) for contender in CONTENDERS]
    candidates = 2 * BASES * 3 / 16 / results["seqdl"].seconds
    memory = " / ".join(measure.megabytes(results[n]) for n in CONTENDERS)
    shown = f"{candidates:,.0f}"
    return [case.name, str(threads), *cells, f"**{ratio:.2f}**", shown, measure.share(case, results), memory]


if __name__ == "__main__":
    measure.main(CONTENDERS, bench, __doc__)
