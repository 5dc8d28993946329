"""Freed memory that stays with the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
import numpy as np
from seqdl.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def faults():
    for _ in range(5):
        arrays = [np.ones(1 << 19, np.float32) for _ in range(40)]  # 80 MB, as a batch makes them, freed together
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = faults()
print(faults() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc can be asked")
def test_kept_memory_is_not_mapped_anew() -> None:
    def pages(how: str) -> int:
        done = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert pages("keep") * 4 < pages("give back")
