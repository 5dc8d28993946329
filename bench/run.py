"""All benches, one after the other.

    python bench/run.py           # all: tables into bench/RESULTS.md, a short one into the README (up to an hour)
    python bench/run.py --quick   # one case of each, about two minutes, compared with the ratios stored last

Ratios above 1 mean that seqdl is faster than the best peer. The full run stores them in bench/ratios.json; --quick
prints which of them moved by more than 15%, and stores nothing unless told to by --store. Options that are not
named here (--peers, --threads, --rounds, --seconds) go to every bench. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import measure
from measure import ROOT

BENCHES = (
    "train_rnn",
    "letters_cnn",
    "residual_cnn",
    "generate_rnn",
    "bigru",
    "motif_scan",
    "site_model",
    "genome_scan",
    "page_speed",
    "serve_load",
    "start",
    "growth",
    "kernels",
)
STORED = ROOT / "bench" / "ratios.json"  # and the lines of the README's table
MOVED = 0.15


def outcome(name: str, arguments: list[str]) -> dict[str, Any]:
    """Ratios and summary of one bench; its tables go to stdout, its progress to stderr."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcome.json"
        command = [sys.executable, str(ROOT / "bench" / f"{name}.py"), "--json", str(path), *arguments]
        began = time.perf_counter()
        failed = subprocess.run(command, env=measure.environment()).returncode
        print(f"-- {name}: {time.perf_counter() - began:.0f} s\n", flush=True)
        if failed or not path.exists():
            raise SystemExit(f"bench/{name}.py failed")
        return json.loads(path.read_text())


def moved(ratios: dict[str, float], stored: dict[str, float]) -> list[str]:
    """What changed against the stored ratios, in words."""
    lines = []
    for name, ratio in ratios.items():
        before = stored.get(name)
        if before is None:
            lines.append(f"new     {name}: {ratio:.2f}")
        elif abs(ratio / before - 1) > MOVED:
            lines.append(f"{'better' if ratio > before else 'WORSE '}  {name}: {before:.2f} -> {ratio:.2f}")
    return lines


def write_summary(summary: dict[str, list[str]], machines: dict[str, str]) -> None:
    """The README's short table, from what each bench said last, and where it was measured."""
    names = [name for name in BENCHES if summary.get(name)]
    different = list(dict.fromkeys(machines[name] for name in names))
    letters = {machine: chr(ord("A") + n) for n, machine in enumerate(different)}
    rows = [[*line.split(" | "), letters[machines[name]]] for name in names for line in summary[name]]
    said = [f"{letter}: {machine}." for machine, letter in letters.items()]
    content = measure.table(["what", "speed, the best peer = 1", "machine"], rows)
    content = "\n\n".join([content, *said, "Made by `make bench`; more in `bench/RESULTS.md`."])
    measure.write_between(ROOT / "README.md", "bench/summary", content)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one case of each, compared with the stored ratios")
    parser.add_argument("--store", action="store_true", help="with --quick: update the stored ratios")
    parser.add_argument("--bench", action="append", choices=BENCHES, help="only this one; may be given several times")
    options, rest = parser.parse_known_args()
    arguments = [*rest, "--quick"] if options.quick else [*rest, "--write"]
    stored = json.loads(STORED.read_text()) if STORED.exists() else {"ratios": {}, "summary": {}, "machines": {}}
    warm_up = [sys.executable, "-c", "from seqdl.warmup import warm_up; warm_up()"]
    subprocess.run(warm_up, env=measure.environment(), check=True)  # compiling would count as our memory
    for name in options.bench or BENCHES:
        found = outcome(name, arguments)
        print("\n".join(moved(found["ratios"], stored["ratios"])), flush=True)
        stored["ratios"] |= found["ratios"]
        if not options.quick:
            stored["summary"][name], stored["machines"][name] = found["summary"], measure.machine_line()
            write_summary(stored["summary"], stored["machines"])
        if options.store or not options.quick:
            STORED.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
