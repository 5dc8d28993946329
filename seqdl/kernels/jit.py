"""The one decorator of all kernels.

`kernel` compiles lazily, caches on disk and releases the GIL, so that our threads run kernels side by side.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numba
from numba.core import event

# "nnan" and "ninf" are left out on purpose: with them a NaN could pass unseen. error_model="numpy" drops the
# zero-division check, which would keep every loop that divides from vectorising.
OPTIONS: Any = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc", "nsz", "arcp", "afn"},
}
KERNELS: list[Any] = []


def kernel(function: Callable[..., Any] | None = None, *, in_order: bool = False) -> Any:
    """Compile `function` on its first call for each set of types; later processes load it from the cache.

    in_order: every sum is added up in the order in which it is written, to the last bit.
    """
    if function is None:
        return partial(kernel, in_order=in_order)
    options = OPTIONS | {"fastmath": False} if in_order else OPTIONS
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba finds no folder that it may write to
        _say_once(
            "seqdl: note: no writable folder for compiled kernels: compiling anew in each process "
            "(set NUMBA_CACHE_DIR to a folder of yours)"
        )
        compiled = numba.njit(**options)(function)
    _watch_all_files(compiled)
    KERNELS.append(compiled)
    return compiled


def _watch_all_files(compiled: Any) -> None:
    """Make a cached kernel stale when any file of this folder changes.

    numba looks at the kernel's own file alone; a kernel that calls product.multiply would go on with the old one.
    The attributes are numba's own: where a version has others, its rule stays.
    """
    file: Any = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if hasattr(file, "_source_stamp"):
        file._source_stamp = (file._source_stamp, _state_of_files())


@cache
def _state_of_files() -> tuple[tuple[str, int, int], ...]:
    """Name, time of change and size of every file of kernels."""
    files = [(path.name, path.stat()) for path in sorted(Path(__file__).parent.glob("*.py"))]
    return tuple((name, state.st_mtime_ns, state.st_size) for name, state in files)


@cache
def _say_once(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


class _Announcer(event.Listener):
    """Tells the user why the first call of all takes so long."""

    def on_start(self, event: Any) -> None:
        _say_once("seqdl: compiling, once (later starts load the kernels from the cache)")

    def on_end(self, event: Any) -> None:
        pass


def announce_compilation() -> None:
    """Say on stderr when the first kernel of this process has to be compiled. The command line calls this."""
    event.register("numba:compile", _Announcer())
