"""The one decorator of all kernels.

`kernel` compiles lazily, caches on disk and releases the GIL, so that our threads run kernels side by side.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
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


def kernel(function: Callable[..., Any]) -> Any:
    """Compile `function` on its first call for each set of types; later processes load it from the cache."""
    try:
        compiled = numba.njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # numba finds no folder that it may write to
        _say_once(
            "seqdl: note: no writable folder for compiled kernels: compiling anew in each process "
            "(set NUMBA_CACHE_DIR to a folder of yours)"
        )
        compiled = numba.njit(**OPTIONS)(function)
    KERNELS.append(compiled)
    return compiled


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
