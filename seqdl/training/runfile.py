"""The run log as a file: its tables, its version, whose it is, and what SQLite's errors mean for a user.

`seqdl.training.runlog` writes such a file, `seqdl.training.runs` reads it.
"""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seqdl.errors import InputError, OutputError

APPLICATION_ID = int.from_bytes(b"sqdl", "big")  # bytes 68-71 of the file: tells `file` and us whose it is
SCHEMA_VERSION = 2  # 2: requests of a service

# SQLite keeps NaN as NULL, so every figure may be NULL.
SCHEMA = """
CREATE TABLE runs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    started TEXT NOT NULL, ended TEXT, status TEXT NOT NULL, command TEXT NOT NULL, config TEXT NOT NULL,
    seqdl_version TEXT NOT NULL, machine TEXT NOT NULL,
    host TEXT NOT NULL, pid INTEGER NOT NULL, process_start TEXT NOT NULL);
CREATE TABLE training (run INTEGER REFERENCES runs, step INTEGER, seconds REAL, epoch REAL, loss REAL,
    lr REAL, grad_norm REAL, rate REAL, PRIMARY KEY (run, step)) WITHOUT ROWID;
CREATE TABLE validation (run INTEGER REFERENCES runs, step INTEGER, seconds REAL, loss REAL, is_best INTEGER,
    PRIMARY KEY (run, step)) WITHOUT ROWID;
CREATE TABLE layers (run INTEGER REFERENCES runs, step INTEGER, name TEXT, what TEXT, mean REAL, std REAL,
    min REAL, max REAL, norm REAL, zeros REAL, PRIMARY KEY (run, step, name, what)) WITHOUT ROWID;
CREATE TABLE arrays (run INTEGER REFERENCES runs, step INTEGER, name TEXT, what TEXT, dtype TEXT, shape TEXT,
    data BLOB, PRIMARY KEY (run, step, name, what));
CREATE TABLE samples (run INTEGER REFERENCES runs, step INTEGER, seconds REAL, text TEXT,
    PRIMARY KEY (run, step)) WITHOUT ROWID;
CREATE TABLE notes (run INTEGER REFERENCES runs, step INTEGER, seconds REAL, text TEXT);
CREATE INDEX notes_by_run ON notes (run, step);
"""
SINCE_2 = """
CREATE TABLE requests (run INTEGER REFERENCES runs, ended TEXT, request TEXT, method TEXT, path TEXT, status INTEGER,
    seconds REAL, first_seconds REAL, received INTEGER, sent INTEGER, about TEXT);
CREATE INDEX requests_by_run ON requests (run, ended)
"""


@contextmanager
def sqlite_errors(path: Path, doing: str) -> Iterator[None]:
    """Tell what SQLite could not do (`doing`: "read" or "write") in the errors of the house."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if doing == "read":
            raise InputError(f"{path}: cannot read the run log: {error}") from error
        help_ = "free some space, end what blocks it, or choose another place"
        raise OutputError(f"{path}: cannot write the run log: {error}; {help_}") from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # its children, such as IntegrityError, mean other things
            raise
        raise InputError(
            f"{path}: not a run log, or a damaged one ({error}); move it away or choose another file"
        ) from error


def schema_version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of the tables, 0 if there are none yet. InputError if they are not ours, or newer."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if not tables and not application:
        return 0
    if application != APPLICATION_ID:
        raise InputError(f"{path}: an SQLite file, but not a run log of seqdl; choose another file")
    if version > SCHEMA_VERSION:
        raise InputError(
            f"{path}: made by a newer seqdl (run log version {version}, this one knows {SCHEMA_VERSION}); "
            "upgrade seqdl or choose another file"
        )
    return int(version)


def process_start(pid: int) -> str | None:
    """When the process `pid` of this machine began, None if there is none, "" where the system does not tell.

    A process number alone is not enough: after a reboot it belongs to somebody else.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        fields = stat.rpartition(")")[2].split()  # the name, field 2, may hold blanks
        return None if fields[0] == "Z" else fields[19]  # 22 of proc(5): clock ticks since boot
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:  # it lives, and is another user's
        pass
    return ""


def is_alive(host: str, pid: int, started: str) -> bool:
    """Whether the process that wrote a run still runs; taken for granted on another machine."""
    return host != socket.gethostname() or process_start(pid) == started
