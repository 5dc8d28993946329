"""Compiled kernels on disk: used again, not used when stale, and complete after `seqdl warmup`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from seqdl.kernels.jit import KERNELS
from seqdl.text import TextSettings, train_text
from seqdl.training.loop import Settings
from seqdl.warmup import warm_up
from seqdl_vision import Letters, read_pictures
from seqdl_vision.augment import Augmentation
from seqdl_vision.warmup import warm_up as vision_warm_up

ROOT = Path(__file__).resolve().parent.parent
PROBE = """
import numpy as np
from seqdl.kernels.embedding import add_rows
add_rows(np.ones((2, 3)), np.zeros(2, np.int64), np.zeros((1, 3)), 0, 3)
print(sum(add_rows.stats.cache_hits.values()), sum(add_rows.stats.cache_misses.values()))
"""


@pytest.fixture
def probe(tmp_path: Path):
    """Calls one kernel of a copy of seqdl in a new process: how often it was (loaded, compiled)."""
    for source in ("seqdl", "data/seqdl_data"):
        shutil.copytree(ROOT / source, tmp_path / Path(source).name, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def run() -> tuple[int, ...]:
        done = subprocess.run(
            [sys.executable, "-c", PROBE], cwd=tmp_path, env=environment, capture_output=True, check=True
        )
        return tuple(map(int, done.stdout.split()))

    return run


def test_a_change_in_another_file_of_kernels_makes_the_cache_stale(probe, tmp_path: Path) -> None:
    assert probe() == (0, 1)
    assert probe() == (1, 0)
    with (tmp_path / "seqdl" / "kernels" / "product.py").open("a") as file:
        file.write("# changed\n")
    assert probe() == (0, 1)
    assert probe() == (1, 0)


def compiled() -> set[tuple[str, str, str]]:
    return {(k.py_func.__module__, k.py_func.__name__, str(s)) for k in KERNELS for s in k.signatures}


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_after_warm_up_a_training_compiles_nothing(cell: str, tmp_path: Path) -> None:
    warm_up()
    known = compiled()
    text = np.random.default_rng(0).integers(97, 100, 60_000, dtype=np.uint8).tobytes()
    (tmp_path / "text").write_bytes(text)
    shape = TextSettings(cell=cell, hidden=64, layers=2, dropout=0.1)
    train_text([tmp_path / "text"], tmp_path / "run", Settings(epochs=0.05, validations=1), shape)
    assert compiled() == known


def test_after_warm_up_reading_and_changing_pictures_compile_nothing() -> None:
    vision_warm_up()
    known = compiled()
    pictures = sorted(path for path in (ROOT / "samples").iterdir() if path.suffix in (".jpg", ".png"))
    assert len([reading for reading in read_pictures(pictures, Letters.load()) if reading.error is None]) == 2
    Augmentation()(np.zeros((3, 28, 28), np.float32), np.random.default_rng(1))
    assert compiled() == known
