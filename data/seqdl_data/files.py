"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from seqdl_data.errors import unwritable


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path beside `path` to write to; on leaving it is synced and renamed to `path`.

    If the body raises, the temporary file goes and whatever stood at `path` stays as it was. The folder of
    `path` is created. OSError becomes OutputError (exit code 5), which names `path`. A device or a pipe, such as
    /dev/null, is not replaced but written to as it is.
    """
    final = Path(path)
    if final.exists() and not final.is_file() and not final.is_dir():
        try:
            yield final
        except OSError as error:
            raise unwritable(final, error) from error
        return
    temporary = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        os.replace(temporary, final)
        with suppress(OSError):  # the file is there; some file systems cannot sync a folder
            _sync(final.parent)
    except OSError as error:
        raise unwritable(final, error) from error
    finally:
        with suppress(OSError):  # after the rename there is none
            temporary.unlink()


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
