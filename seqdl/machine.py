"""What this machine is and does: for reports, run logs and `seqdl doctor`."""

from __future__ import annotations

import os
import platform
import sys
import timeit
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from seqdl import parallel
from seqdl.kernels import product
from seqdl_data.version import VERSION

# OpenBLAS names its kernels after the first CPU they were written for; these use AVX-512.
AVX512_KERNELS = {"SkylakeX", "Cooperlake", "SapphireRapids", "Zen4", "Zen5"}


def cpu_name() -> str:
    """The CPU's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cpu_flags() -> set[str]:
    """Instruction sets that Linux reports; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split(":", 1)[1].split()) for line in lines if line.startswith("flags")), set())


def cpu_caches() -> list[str]:
    """The first core's caches as Linux reports them, "L2 Unified 1024K"; empty elsewhere."""
    folders = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
    found = []
    for folder in folders:
        with suppress(OSError):  # virtual and ARM machines may leave a figure out
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
            found.append(f"L{level} {kind} {size}")
    return found


def blas_kernels() -> list[dict[str, Any]]:
    """The BLAS libraries in use: name, version, threads, and the architecture their kernels are for."""
    keys = ("internal_api", "version", "num_threads", "architecture", "filepath")
    return [{key: info.get(key) for key in keys} for info in threadpool_info() if info["user_api"] == "blas"]


def machine() -> dict[str, Any]:
    """A short description that goes with every figure."""
    import numba

    return {
        "cpu": cpu_name(),
        "system": platform.platform(),
        "cores": parallel.available_cores(),
        "threads": parallel.get_num_threads(),
        "blas": sorted({str(b["architecture"]) for b in blas_kernels()}),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "seqdl": VERSION,
    }


def sgemm_rates(size: int = 1024, repeats: int = 5) -> dict[str, float]:
    """GFLOP/s of float32 products of (size, size) matrices on one thread, the best of `repeats`.

    "blas" is NumPy's, "seqdl" our own kernel, which the networks run on.
    """
    a = np.random.default_rng(0).random((size, size), dtype=np.float32)
    packed, out = product.pack(a), np.zeros_like(a)
    work = {"blas": lambda: np.matmul(a, a, out=out), "seqdl": lambda: product.multiply(a, packed, out, out)}
    rates = {}
    with parallel.single_threaded_blas():
        for name, multiply in work.items():
            multiply()
            seconds = min(timeit.repeat(multiply, number=1, repeat=repeats))
            rates[name] = 2 * size**3 / seconds / 1e9
    return rates


def warnings() -> list[str]:
    """What keeps seqdl slower than this machine allows, in words."""
    found = []
    old = [b for b in blas_kernels() if b["internal_api"] == "openblas" and b["architecture"] not in AVX512_KERNELS]
    if "avx512f" in cpu_flags() and old:
        named = os.environ.get("OPENBLAS_CORETYPE")
        cause = f"OPENBLAS_CORETYPE={named} is set: unset it" if named else "a newer NumPy or SciPy may know this CPU"
        found.append(
            f"this CPU has AVX-512, but OpenBLAS uses its {old[0]['architecture']} kernels, about half as fast "
            f"(convolutions and stacked products run on them); {cause}"
        )
    return found


def kernel_cache() -> Path:
    """The folder that compiled kernels are cached in."""
    from seqdl.kernels import recurrent

    return Path(recurrent.lstm_forward.stats.cache_path or "none: compiled anew in each process")


def versions() -> dict[str, str]:
    """Versions of seqdl, Python and the libraries it stands on."""
    from importlib.metadata import version

    names = ("numpy", "scipy", "numba", "llvmlite", "pyarrow", "safetensors", "threadpoolctl", "typer")
    return {"seqdl": VERSION, "python": sys.version.split()[0]} | {name: version(name) for name in names}
