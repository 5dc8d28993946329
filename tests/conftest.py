"""What all tests share: the real data, a small trained model, the command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

if "PYTEST_XDIST_WORKER" in os.environ:  # several processes must not fill one cold cache of kernels
    os.environ.setdefault("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / os.environ["PYTEST_XDIST_WORKER"]))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, which is not part of the repository."""
    folder = Path(os.environ.get("SEQDL_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set SEQDL_TEST_DATA")
    return folder


Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="session")
def seqdl() -> Run:
    """Runs `seqdl ARGUMENTS` in a new process; keywords go to subprocess.run."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[bytes]:
        paths = os.pathsep.join(str(ROOT / part) for part in (".", "data", "vision", "cli"))
        environment = {**os.environ, "PYTHONPATH": paths, **options.pop("env", {})}  # type: ignore[dict-item]
        command = [sys.executable, "-m", "seqdl_cli.main", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, timeout=300, env=environment, **options)  # type: ignore[call-overload]

    return run


CORPUS = b"".join(
    b"In line %d the quick brown fox number %d jumps over %d lazy dogs.\n" % (n, n * 7 % 13, n * 3 % 11)
    for n in range(400)
)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of our own, 26 kB."""
    path = tmp_path_factory.mktemp("corpus") / "foxes.txt"
    path.write_bytes(CORPUS)
    return path


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """A small model trained on the corpus."""
    from seqdl.text import TextSettings, train_text
    from seqdl.training.loop import Settings

    folder = tmp_path_factory.mktemp("runs") / "foxes"
    train_text([corpus], folder, Settings(epochs=3, validations=2, lr=0.01), TextSettings(hidden=32, batch=8))
    return folder / "best.safetensors"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built short; or the one in the folder that SEQDL_SITE names."""
    from site_pages import run_build

    if "SEQDL_SITE" in os.environ:
        return Path(os.environ["SEQDL_SITE"]).resolve()
    output = tmp_path_factory.mktemp("site") / "site"
    done = run_build(output)
    assert done.returncode == 0, done.stdout + done.stderr
    return output
