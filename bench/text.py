"""The figures of the text job: held-out loss after three minutes, of the shipped model, of War and Peace.

    python bench/text.py --data ../shared/data [--minutes 3] [--war-and-peace runs/war-and-peace] [--write]

Each training is a `seqdl train text` in a process of its own, and each score a `seqdl score text` over the last
tenth of the bytes, which no training saw. With --write the table goes into bench/RESULTS.md and the README,
between the lines that name this script, and the README's example is written anew. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measure import ROOT, environment, write_between

HEAD = ["| text, last 10% of the bytes held out | model | training | nats/character | bits/byte |", "|" + " --- |" * 5]


def seqdl(*arguments: object) -> str:
    command = [sys.executable, "-m", "seqdl_cli.main", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment()).stdout


def last_tenth(source: Path, folder: Path) -> Path:
    """The validation split as a file of its own."""
    content = source.read_bytes()
    if source.suffix == ".gz":
        content = gzip.decompress(content)
    held_out = folder / f"{source.stem}.last10"
    held_out.write_bytes(content[int(len(content) * 0.9) :])
    return held_out


def score(model: object, held_out: Path) -> dict[str, Any]:
    arguments = ["score", "text", held_out, "--json", "--lanes", 1]
    return json.loads(seqdl(*arguments, *(["--model", model] if model else [])))


def row(name: str, model: object, seconds: float | None, result: dict[str, Any]) -> str:
    took = "-" if seconds is None else f"{seconds:,.0f} s"
    return f"| {name} | {model} | {took} | {result['nats_per_symbol']:.4f} | {result['bits_per_byte']:.4f} |"


def as_written(held_out: Path) -> list[str]:
    """What int8 costs: the shipped model's loss by the kernels that write text, 64 places side by side."""
    sys.path[:0] = [str(ROOT), str(ROOT / "data")]
    from seqdl.text import CharModel
    from seqdl.text.streams import mean_nats, pack

    model = CharModel.load()
    symbols = model.vocabulary.encode(held_out.read_bytes())
    rows = []
    for name, int8 in (("float32", False), ("int8", True)):
        nats = mean_nats(pack(model.network, int8), model.network.architecture["cell"] == "lstm", symbols)
        result = {"nats_per_symbol": nats, "bits_per_byte": nats / math.log(2) * len(symbols) / held_out.stat().st_size}
        rows.append(row("tinyshakespeare", f"the shipped one, as it writes, {name}", None, result))
    return rows


def with_standing(rows: list[str]) -> list[str]:
    """The rows just measured, and those of bench/RESULTS.md that were not measured anew."""
    text = (ROOT / "bench" / "RESULTS.md").read_text().split("<!-- bench/text.py -->")[1]
    standing = [line for line in text.split("<!-- /")[0].splitlines() if line.startswith("| ")][2:]
    named = {line.split("|")[2]: line for line in [*standing, *rows]}
    return list(named.values())


def machine_line() -> str:
    doctor = json.loads(seqdl("doctor", "--json"))
    kernels = ", ".join(sorted({blas["architecture"] for blas in doctor["blas"]}))
    versions = ", ".join(f"{name} {doctor['versions'][name]}" for name in ("seqdl", "python", "numpy", "numba"))
    return (
        f"{doctor['cpu']}, {doctor['threads']} threads, OpenBLAS {kernels} kernels, sgemm "
        f"{doctor['sgemm_gflops_one_thread']['seqdl']} GFLOP/s on one thread; {versions}; {datetime.date.today()}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--minutes", type=float, default=3.0, help="0: do not train, keep that row as it stands")
    parser.add_argument("--war-and-peace", type=Path, help="folder of a run made by recipes/war-and-peace.toml")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    shakespeare = options.data / "text/tinyshakespeare/input.txt"
    war = options.data / "text/warpeace/warpeace_first90.txt.gz"
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        held_out = last_tenth(shakespeare, folder)
        if options.minutes:
            began = time.perf_counter()
            run = folder / "three"
            seqdl("train", "text", shakespeare, "--minutes", options.minutes, "-o", run)
            seconds = time.perf_counter() - began
            rows.append(row("tinyshakespeare", "GRU 1x320, the defaults", seconds, score(run, held_out)))
        rows.append(row("tinyshakespeare", "the shipped one (GRU 2x512, int8)", None, score(None, held_out)))
        rows += as_written(held_out)
        if options.war_and_peace:
            result = score(options.war_and_peace, last_tenth(war, folder))
            shown = json.loads(seqdl("runs", "show", options.war_and_peace.name, "--json",
                                     "--log", options.war_and_peace.parent / "runs.sqlite"))  # fmt: skip
            rows.append(row("War and Peace", "GRU 1x512", shown["seconds"], result))
    rows = with_standing(rows)
    table = "\n".join([*HEAD, *rows, "", f"Machine: {machine_line()}. Made by `bench/text.py`."])
    print(table)
    if options.write:
        write_between(ROOT / "bench" / "RESULTS.md", "bench/text.py", table)
        write_between(ROOT / "README.md", "bench/text.py", table)
        prompt = ["generate", "text", "ROMEO:", "-n", 300, "--seed", 1]
        write_between(ROOT / "README.md", "example", f"```text\n{seqdl(*prompt).rstrip()}\n```")


if __name__ == "__main__":
    main()
