"""`seqdl warmup` and `seqdl doctor`."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any

import typer

from seqdl_cli.common import Threads, start


def warmup() -> None:
    """Compile every kernel now, so that no later command has to.

    Example: seqdl warmup
    """
    start(None)
    from seqdl import warmup as core
    from seqdl_vision import warmup as vision

    began = time.perf_counter()
    vision.warm_up()
    compiled, loaded = core.warm_up()  # it counts those of all packages
    print(f"{compiled} kernels compiled, {loaded} loaded from the cache, {time.perf_counter() - began:.1f} s")


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    threads: Threads = None,
) -> None:
    """What this machine offers, what seqdl makes of it, and what stands in the way.

    Example: seqdl doctor
    """
    start(threads)
    from seqdl import machine, parallel

    report: dict[str, Any] = {
        "schema": "seqdl.doctor/1",
        "cpu": machine.cpu_name(),
        "instructions": sorted(machine.cpu_flags() & {"avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "neon"}),
        "caches": machine.cpu_caches(),
        "cores": parallel.available_cores(),
        "threads": parallel.get_num_threads(),
        "blas": machine.blas_kernels(),
        "sgemm_gflops_one_thread": {name: round(rate, 1) for name, rate in machine.sgemm_rates().items()},
        "kernel_cache": str(machine.kernel_cache()),
        "versions": machine.versions(),
        "warnings": machine.warnings(),
    }
    if as_json:
        print(json.dumps(report))
        return
    print(f"CPU          {report['cpu']} ({' '.join(report['instructions'])})")
    print(f"caches       {', '.join(report['caches']) or 'not reported by this system'}")
    print(f"cores        {report['cores']}, seqdl uses {report['threads']} threads")
    for blas in report["blas"]:
        print(
            f"BLAS         {blas['internal_api']} {blas['version']}, {blas['architecture']} kernels, {blas['filepath']}"
        )
    rates = report["sgemm_gflops_one_thread"]
    print(f"sgemm        {rates['seqdl']} GFLOP/s on one thread (1024 x 1024); NumPy's BLAS {rates['blas']}")
    print(f"kernel cache {report['kernel_cache']}")
    print("versions     " + ", ".join(f"{name} {value}" for name, value in report["versions"].items()))
    for warning in report["warnings"] or ["none"]:
        print(f"warning      {warning}")
