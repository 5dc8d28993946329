"""The two folders of a build: the site, and the one beside it that it is made in.

Neither takes the place of anything that a build did not make, two builds do not share one, and whatever ends a build,
the last whole site stays.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from seqdl_data.errors import UsageError

MARK = ".seqdl-docs"  # in the folder that a site is made in; locked while a build uses it
OF_SPHINX = "objects.inv"  # in every site


@contextmanager
def held(work: Path, output: Path) -> Iterator[None]:
    """The folder `work`, made where there is none, and `output` for this build alone; UsageError if that cannot be."""
    for folder, mark in ((work, MARK), (output, OF_SPHINX)):
        if folder.exists() and not (folder / mark).exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise UsageError(f"{folder}: exists and was not made by docs/build.py; name another with -o, or remove it")
    if output.is_mount():
        raise UsageError(f"{output}: a file system of its own, which cannot be replaced; name a folder within it")
    work.mkdir(parents=True, exist_ok=True)
    with open(work / MARK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{work}: another build runs there; wait for it, or name another with -o") from None
        os.set_inheritable(lock.fileno(), True)  # what outlives us, after kill -9, keeps the lock
        yield


def replace(output: Path, site: Path) -> None:
    """`site` takes the place of `output`."""
    before = site.with_name("site-before")
    shutil.rmtree(before, ignore_errors=True)
    if output.exists():
        output.rename(before)
    site.rename(output)
    shutil.rmtree(before, ignore_errors=True)


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit code of a command, which ends with us, and with it all that it started: SIGTERM, Ctrl-C, an error."""
    signal.signal(signal.SIGTERM, _interrupted)
    process = subprocess.Popen(command, env=environment, start_new_session=True, close_fds=False)
    try:
        return process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)  # kernels end by themselves when who started them is gone
        process.wait()
        raise


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt
