"""The official sets of characters from the network, and what a user has to do for them: nothing."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from pathlib import Path

from seqdl_data.dataset import DatasetInfo
from seqdl_data.errors import InputError
from seqdl_data.fetch import TIMEOUT, WAIT, Progress, download
from seqdl_data.files import replacing
from seqdl_data.idx_sets import build_idx_set, is_official
from seqdl_data.official import IdxSet


def fetch_set(
    kind: IdxSet,
    output: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str],
    address: str | None = None,
    timeout: float = TIMEOUT,
    wait: float = WAIT,
    progress: Progress | None = None,
    command: str = "",
) -> DatasetInfo:
    """Download the files of an official set into `folder`, where they stay, and write it to `output`.

    `address` is another place than the official one: a .zip that holds the files, or what stands before their names.
    What `folder` has already is not fetched again. Every file is checked against its official checksum.

    SeqdlError when the network fails, InputError when what came is not the official set; see `download`.
    """
    address = address or kind.address
    folder = Path(folder)
    options = {"timeout": timeout, "wait": wait}
    missing = [number for number in range(len(kind.files)) if not _there(kind, number, folder)]
    if address.endswith(".zip") and missing:
        archive = folder / address.rpartition("/")[2]
        download(address, archive, zipfile.is_zipfile, progress=progress, **options)
        for number in missing:
            _extract(kind, number, archive, folder)
    else:
        for number in missing:
            name = f"{kind.files[number]}.gz"
            place = f"{address.rstrip('/')}/{name}"
            check = _Check(kind, number)
            download(place, folder / name, check, progress=progress, **options)
    return build_idx_set(kind, [folder / f"{name}.gz" for name in kind.files], output, command=command)


class _Check:
    """Whether a file is the official one with this number."""

    def __init__(self, kind: IdxSet, number: int) -> None:
        self.kind, self.number = kind, number

    def __call__(self, path: Path) -> bool:
        try:
            return is_official(self.kind, self.number, path)
        except InputError:  # damaged gzip
            return False


def _there(kind: IdxSet, number: int, folder: Path) -> bool:
    path = folder / f"{kind.files[number]}.gz"
    return path.exists() and _Check(kind, number)(path)


def _extract(kind: IdxSet, number: int, archive: Path, folder: Path) -> None:
    """One file out of the archive, where it may lie in any folder; the archive goes if it is damaged."""
    name = f"{kind.files[number]}.gz"
    try:
        with zipfile.ZipFile(archive) as members:
            member = next((each for each in members.namelist() if each.rpartition("/")[2] == name), None)
            if member is None:
                raise InputError(f"{archive}: without {name}; another archive?")
            with (
                replacing(folder / name) as temporary,
                members.open(member) as packed,
                temporary.open("wb") as file,
            ):
                shutil.copyfileobj(packed, file)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        archive.unlink()
        raise InputError(f"{archive}: damaged ({error}); it is removed, fetch it again") from error
    if not _Check(kind, number)(folder / name):
        archive.unlink()
        raise InputError(f"{archive}: its {name} is not the official file; the archive is removed, fetch it again")
