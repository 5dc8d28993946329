"""kill -9 at random moments, a hundred times, while checkpoints are written all the time; and Ctrl-C."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from test_resume import SMALL, TEXT, StopAt, assert_same_run

from seqdl.text import CharModel, resume_text, train_text
from seqdl.training import checkpoint
from seqdl.training.loop import Settings
from seqdl.training.runs import load_run

ROOT = Path(__file__).resolve().parent.parent
KILLS = 100
ALL_THE_TIME = Settings(epochs=200, validations=200 * 46, warmup=0.001)  # both files are written at each step


def nursery(folder: str) -> None:
    """A process that has imported seqdl and, for each line on stdin, forks one training that resumes the run.

    Only here is there a fork: to import takes most of a second, and this process has a single thread.
    """
    from seqdl import set_num_threads

    set_num_threads(1)
    train_text([Path(folder, "text")], Path(folder, "warm", "up"), Settings(epochs=0.1, validations=1), SMALL)
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            resume_text(Path(folder, "run"))
            os._exit(0)
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.WTERMSIG(status), flush=True)


@pytest.fixture
def kill_one(tmp_path: Path) -> Iterator[object]:
    """Starts a training that resumes the run, and kills it so many seconds later."""
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "data", "cli", "tests"))
    environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, __file__, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None

    def kill_after(seconds: float) -> None:
        print("go", file=process.stdin, flush=True)
        child = int(process.stdout.readline())
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        assert int(process.stdout.readline()) == signal.SIGKILL, "the training ended by itself"

    yield kill_after
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


def test_a_hundred_kills_leave_whole_files_and_the_same_run(kill_one, tmp_path: Path) -> None:
    text, run = tmp_path / "text", tmp_path / "run"
    text.write_bytes(TEXT)
    train_text([text], run, ALL_THE_TIME, replace(SMALL, hidden=64), watch=StopAt(1))
    steps, longest = [1], 0.12  # seconds that a training lives
    torn: set[Path] = set()
    for kill in range(1, KILLS + 1):
        kill_one(random.uniform(0, longest))
        last, _ = checkpoint.load(run / "last.safetensors")
        steps.append(int(last["progress/step"]))
        CharModel.load(run)
        torn |= set(run.glob(".*.part"))
        assert load_run(tmp_path / "runs.sqlite", "run").validation[-1].step >= steps[-1]
        if kill % 10 == 0 and steps[-1] == steps[-10]:  # a slow machine: nobody lived long enough
            longest *= 2
    print(f"{KILLS} kills, {len(torn)} of them inside a write, {steps[-1]} steps done")
    assert steps == sorted(steps)
    assert steps[-1] > 20  # they did train,
    assert torn  # and some were hit where it hurts
    assert {path.name for path in run.iterdir()} - {path.name for path in torn} == {
        "best.safetensors",
        "last.safetensors",
    }

    end = StopAt(steps[-1] + 10)
    assert resume_text(run, watch=end).ended == "interrupted"
    assert not list(run.glob(".*.part"))  # a resumed run cleans up
    train_text([text], tmp_path / "whole", ALL_THE_TIME, replace(SMALL, hidden=64), watch=end)
    assert_same_run(run, tmp_path / "whole")


def test_ctrl_c_saves_and_says_how_to_resume(seqdl, tmp_path: Path) -> None:
    text, run = tmp_path / "text", tmp_path / "my run"
    text.write_bytes(TEXT)
    options = ["--hidden", "32", "--batch", "4", "--epochs", "6", "--validations", "138"]
    command = [sys.executable, "-m", "seqdl_cli.main", "train", "text", str(text), "-o", str(run), *options]
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "data", "cli"))
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
    ) as process:
        while not (run / "last.safetensors").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.1))
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate()
    assert (process.returncode, stdout) == (130, b"")
    assert b"Traceback" not in stderr
    assert stderr.decode().splitlines()[-1] == f"seqdl: to resume: seqdl train text --resume '{run}'"

    resumed = seqdl("train", "text", "--resume", run)
    assert (resumed.returncode, resumed.stdout.decode()) == (0, f"{run / 'best.safetensors'}\n")
    shape = replace(SMALL, hidden=32, window=64)
    assert train_text([text], tmp_path / "whole", Settings(epochs=6, validations=138), shape).ended == "done"
    assert_same_run(run, tmp_path / "whole")


if __name__ == "__main__":
    nursery(sys.argv[1])
