"""The errors of the house, defined beside the readers that every package builds on."""

from seqdl_data.errors import (
    InputError,
    ModelFileError,
    OutputError,
    QualityError,
    SeqdlError,
    TooLargeError,
    UsageError,
    unreadable,
    unwritable,
)

__all__ = [
    "InputError",
    "ModelFileError",
    "OutputError",
    "QualityError",
    "SeqdlError",
    "TooLargeError",
    "UsageError",
    "unreadable",
    "unwritable",
]
