"""How much context a site model needs: average precision on held-out sequence against the bases seen on either side.

    python bench/splice_context.py DATASET [--model FILE] [--write]

The model is the same, trained on pieces of 600 bases; its blocks are read with more or less around them.
Blocks are of 100 bases here, so that few bases see much more than the context. Measured on the valid part
of the dataset, since the shipped models' 100 was chosen by it.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), *(str(Path(__file__).parent.parent / part) for part in ("", "data", "cli"))]
from measure import ROOT, machine_line, table, write_between  # noqa: E402

from seqdl.dna import SiteModel, sitemodel  # noqa: E402
from seqdl.dna.evaluation import evaluate, judge_stretches  # noqa: E402
from seqdl_data.sites import read_stretches  # noqa: E402

CONTEXTS = (0, 10, 20, 40, 60, 80, 100, 150, 200, 300)
BLOCK = 100  # short, so that few bases see more than the context


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--model")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    stretches, info = read_stretches(arguments.dataset, "valid")
    model = SiteModel.load(arguments.model)
    sitemodel.BLOCK = BLOCK
    rows = []
    for context in CONTEXTS:
        began = time.perf_counter()
        figures = evaluate(model, judge_stretches(dataclasses.replace(model, context=context), stretches))
        rate = sum(len(stretch.codes) for stretch in stretches) / (time.perf_counter() - began)
        rows.append([str(context), *(f"{each.average_precision:.3f}" for each in figures), f"{rate:,.0f}"])
    head = ["bases on either side", *(f"{each.name}, average precision" for each in figures), "bases/s"]
    said = f"Valid part of {info.name}, both strands; blocks of {BLOCK} bases. {machine_line()}"
    content = f"{table(head, rows)}\n\n{said} Made by `bench/splice_context.py`."
    if arguments.write:
        write_between(ROOT / "bench" / "RESULTS.md", "bench/splice_context.py", content)
    print(content)


if __name__ == "__main__":
    main()
