"""The one decorator of all kernels, and the matrix product that kernels call inside their loops.

`kernel` compiles lazily, caches on disk and releases the GIL, so that our threads run kernels side by side.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, event, types
from numba.extending import get_cython_function_address, intrinsic

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


@cache
def gemm_address(dtype: np.dtype) -> int:
    """Address of SciPy's BLAS ?gemm for float32 or float64, to be handed to a kernel that multiplies."""
    name = {"float32": "sgemm", "float64": "dgemm"}[np.dtype(dtype).name]
    return get_cython_function_address("scipy.linalg.cython_blas", name)


@intrinsic
def call_gemm(typingctx, address, transa, transb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):  # type: ignore[no-untyped-def]
    """Fortran's ?gemm, column-major: C = alpha op(A) op(B) + beta C.

    An address as an argument, unlike a ctypes function, leaves the kernel cacheable. `np.dot` would do for
    beta = 0, but cannot add to what is there. transa, transb: ord("N") or ord("T"); a, b, c: addresses.
    """
    real = alpha
    integer = types.int32
    signature = types.void(
        types.intp, types.int8, types.int8, integer, integer, integer,
        real, types.intp, integer, types.intp, integer, real, types.intp, integer,
    )  # fmt: skip

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        byte_pointer = ir.IntType(8).as_pointer()

        def by_reference(value):  # type: ignore[no-untyped-def]
            return builder.bitcast(cgutils.alloca_once_value(builder, value), byte_pointer)

        function_type = ir.FunctionType(ir.VoidType(), [byte_pointer] * 13)
        function = builder.inttoptr(arguments[0], function_type.as_pointer())
        addresses = {7, 9, 12}
        builder.call(
            function,
            [
                builder.inttoptr(value, byte_pointer) if at in addresses else by_reference(value)
                for at, value in enumerate(arguments[1:], start=1)
            ],
        )
        return context.get_dummy_value()

    return signature, codegen
