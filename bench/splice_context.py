"""How much context a site model needs: average precision on held-out sequence against the bases seen on either side.

    python bench/splice_context.py DATASET [--model FILE] [--write]

The model is the same, trained on pieces of 600 bases; its blocks are read with more or less around them. In blocks of
100 bases few see much more than the context; in blocks of 2,000, as a scan has them, most do. Measured on the valid
part of the dataset, since the shipped models' blocks of 2,000 with 100 more were chosen by it.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), *(str(Path(__file__).parent.parent / part) for part in ("", "data", "cli"))]
from measure import ROOT, table, write_between  # noqa: E402

from seqdl.dna import SiteModel, sitemodel  # noqa: E402
from seqdl.dna.evaluation import evaluate, judge_stretches  # noqa: E402
from seqdl_data.sites import read_stretches  # noqa: E402

CONTEXTS = {100: (0, 10, 20, 40, 80, 150, 300), 2000: (0, 50, 100, 200, 400)}  # by the length of a block


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("--model")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    stretches, info = read_stretches(arguments.dataset, "valid")
    model = SiteModel.load(arguments.model)
    rows = []
    for block, contexts in CONTEXTS.items():
        sitemodel.BLOCK = block
        for context in contexts:
            figures = evaluate(model, judge_stretches(dataclasses.replace(model, context=context), stretches))
            rows.append([str(block), str(context), *(f"{each.average_precision:.3f}" for each in figures)])
    head = ["bases in a block", "more on either side", *(f"{each.name}, average precision" for each in figures)]
    content = f"{table(head, rows)}\n\nValid part of {info.name}, both strands. Made by `bench/splice_context.py`."
    if arguments.write:
        write_between(ROOT / "bench" / "RESULTS.md", "bench/splice_context.py", content)
    print(content)


if __name__ == "__main__":
    main()
