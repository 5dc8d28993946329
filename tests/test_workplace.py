"""docs/build.py as a guest: what it may write to, what it takes from whoever runs it, how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path

import pytest

import build
import workplace
from seqdl_data.errors import UsageError

DOCS = Path(build.__file__).parent
STARTED = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', CHILD]).wait()"
CHILD = "import time; print('begun', flush=True); time.sleep(60); print('ended')"


def command(*options: object, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, *flags, DOCS / "build.py", *options]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([*map(str, line)], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("ours", ["site", "site-work-short"])
def test_a_folder_that_no_build_made_is_left_alone(tmp_path: Path, ours: str) -> None:
    (tmp_path / ours / "docs").mkdir(parents=True)
    done = command("--short", "-o", tmp_path / "site")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path / ours}: exists and was not made by" in done.stderr
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == [ours, f"{ours}/docs"]


def test_a_file_is_no_place_for_a_site(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("mine")
    with pytest.raises(UsageError, match="exists"), workplace.held(tmp_path / "work", tmp_path / "site"):
        pass


def test_an_empty_folder_and_the_folders_of_a_build_are_taken(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    for _ in range(2):
        with workplace.held(tmp_path / "work", tmp_path / "site"):
            (tmp_path / "site" / workplace.OF_SPHINX).touch()


def test_a_second_build_at_the_same_place_is_refused(tmp_path: Path) -> None:
    folders = tmp_path / "work", tmp_path / "site"
    with workplace.held(*folders), pytest.raises(UsageError, match="another build"), workplace.held(*folders):
        pass


def test_a_new_site_replaces_the_whole_of_the_old_one(tmp_path: Path) -> None:
    for name in ("site", "work/site", "work/site-before"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / name.replace("/", "-")).touch()
    workplace.replace(tmp_path / "site", tmp_path / "work/site")
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["work-site"]
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_a_build_started_ends_with_it(number: int) -> None:
    child = STARTED.replace("CHILD", repr(CHILD))
    source = f"import workplace, sys; workplace.run([sys.executable, '-c', {child!r}], None)"
    paths = os.pathsep.join([str(DOCS), str(DOCS.parent / "data")])
    environment = os.environ | {"PYTHONPATH": paths}
    line = [sys.executable, "-c", source]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as started:
        assert started.stdout
        assert started.stdout.readline() == "begun\n"
        began = time.perf_counter()
        started.send_signal(number)
        assert "ended" not in started.communicate()[0]  # which waits for all that hold the pipe
    assert time.perf_counter() - began < 30


def test_chapters_that_are_not_there_are_named(tmp_path: Path) -> None:
    done = command("--only", "03, 99,x", "-o", tmp_path / "site")
    assert done.returncode == 2
    assert "--only 99,x: no such chapter; there are 01-linear, 02-" in done.stderr
    assert not list(tmp_path.iterdir())


def test_without_the_packages_of_the_docs_it_says_what_to_install() -> None:
    done = command(flags=("-S",))  # -S: nothing that was installed
    assert done.returncode == 2
    assert "sphinx" in done.stderr
    assert "pip install -e '.[docs]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_of_whoever_builds_changes_the_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in build.LEFT_OUT:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("PYTHONPATH", "")
    found = build._environment(Namespace(only="03, 05"), tmp_path)
    assert not set(build.LEFT_OUT) & set(found)
    assert "" not in found["PYTHONPATH"].split(os.pathsep)  # which would be wherever it runs
    assert found["SEQDL_CHAPTERS"] == "03,05"
    assert Path(found["IPYTHONDIR"]).is_relative_to(tmp_path)
