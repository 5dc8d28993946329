"""What can go wrong, as one tree. Each class carries the exit code that the command line ends with.

SeqdlError 1            failed
├── UsageError 2        wrong use: an option or argument out of range
├── InputError 3        input missing or malformed; says file, line or record
│   └── TooLargeError   beyond a limit that can be raised
├── ModelFileError 4    model missing, of the wrong kind, damaged or too new
├── OutputError 5       cannot write
└── QualityError 6      a quality gate (--fail-under) was not met
"""

from __future__ import annotations

import os


class SeqdlError(Exception):
    """Base of every error that a user can cause. The message says what, where and what to do."""

    exit_code = 1


class UsageError(SeqdlError, ValueError):
    exit_code = 2


class InputError(SeqdlError):
    exit_code = 3


class TooLargeError(InputError):
    """Beyond a limit that can be raised."""


class ModelFileError(SeqdlError):
    exit_code = 4


class OutputError(SeqdlError):
    exit_code = 5


class QualityError(SeqdlError):
    exit_code = 6


def unreadable(path: str | os.PathLike[str], error: OSError) -> InputError:
    """The InputError for a file that the system would not let us read."""
    return InputError(f"{os.fspath(path)}: cannot read: {error.strerror or error}")


def unwritable(path: str | os.PathLike[str], error: OSError) -> OutputError:
    """The OutputError for a file or folder that the system would not let us write."""
    reason = error.strerror or error
    return OutputError(f"{os.fspath(path)}: cannot write: {reason}; free some space or choose another place")
