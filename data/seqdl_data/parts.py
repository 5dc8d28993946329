"""Work in parts: what a long job has done so far, kept beside its output until that is whole.

Beside FILE stands a folder `.FILE.parts` with a manifest that says what the work is, and one Parquet file for each
finished part, named for the range of pieces it covers. Each is written whole or not at all, so after a kill at any
moment the next run goes on behind the last of them.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from glob import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from seqdl_data.dataset import open_bytes, open_parquet
from seqdl_data.errors import InputError, OutputError, unwritable
from seqdl_data.files import replacing, write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "seqdl.parts/1"
BASES = b"bases"
NAME = re.compile(r"(\d{10})-(\d{10})\.parquet")


class Done(NamedTuple):
    """How far the work is: pieces, the bases they own, the rows found in them."""

    pieces: int = 0
    bases: int = 0
    rows: int = 0


class Parts:
    """The parts of the work for one output file. Use it in a `with`; `finish` it when the output is whole.

    `fingerprint` is a JSON document of all that decides the result. If the folder holds parts of the same work they
    count as done; else, or with `restart`, they go. `started_anew` tells whether any went for another fingerprint.
    On leaving, a folder without a finished part goes too. OutputError where the folder cannot be written, and where
    another process is at work for the same output.
    """

    def __init__(self, output: str | os.PathLike[str], fingerprint: dict[str, Any], restart: bool = False) -> None:
        self.output = Path(output)
        self.folder = self.output.with_name(f".{self.output.name}.parts")
        self.manifest = self.folder / "manifest.json"
        self.document = json.dumps({"schema": SCHEMA, "work": fingerprint}, indent=1).encode()
        self.restart = restart
        self.started_anew = False

    def __enter__(self) -> Parts:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder, os.O_RDONLY)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with the process, also by kill -9
        except BlockingIOError as error:
            os.close(self._lock)
            raise OutputError(f"{self.output}: another seqdl is writing this file; wait, or choose another") from error
        except OSError as error:
            raise unwritable(self.output, error) from error
        try:
            self._tidy()
            if not self._same_work():
                self._empty()
                write_bytes(self.manifest, self.document)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            if not self._parts():
                shutil.rmtree(self.folder)
        os.close(self._lock)

    def done(self) -> Done:
        """How far the parts reach."""
        done = Done()
        for _, end, path in self._parts():
            with open_bytes(path) as stream, open_parquet(stream, path) as file:
                bases = int(file.schema_arrow.metadata[BASES])
                done = Done(end, done.bases + bases, done.rows + file.metadata.num_rows)
        return done

    def first_piece(self) -> int:
        """The number of the first piece, 0 where there is no part."""
        return min((first for first, _, _ in self._parts()), default=0)

    def add(self, rows: pa.Table, pieces: tuple[int, int], bases: int) -> None:
        """Keep the rows found in the pieces [first, end), which own so many bases."""
        import pyarrow.parquet as pq

        described = rows.replace_schema_metadata({BASES: str(bases).encode()})
        with replacing(self.folder / f"{pieces[0]:010}-{pieces[1]:010}.parquet") as path, path.open("wb") as stream:
            pq.write_table(described, stream, compression="zstd", write_page_checksum=True)

    def tables(self) -> Iterator[pa.Table]:
        """All rows, in the order of the pieces; a part has as many row groups as Arrow's million rows ask for."""
        for _, _, path in self._parts():
            with open_bytes(path) as stream, open_parquet(stream, path) as file:
                for group in range(file.num_row_groups):
                    yield file.read_row_group(group, use_threads=False).replace_schema_metadata(None)

    def finish(self) -> None:
        """Remove the folder: the output is whole."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _same_work(self) -> bool:
        """Whether the folder holds parts of this work, whole and without a gap."""
        parts = self._parts()
        try:
            same = not self.restart and self.manifest.read_bytes() == self.document
            gaps = any(first != end for (_, end, _), (first, _, _) in pairwise(parts))
            same = same and not gaps
            if same:
                self.done()
        except (OSError, InputError):
            same = False
        self.started_anew = bool(parts) and not same and not self.restart
        return same

    def _parts(self) -> list[tuple[int, int, Path]]:
        named = ((NAME.fullmatch(path.name), path) for path in self.folder.iterdir())
        return sorted((int(match[1]), int(match[2]), path) for match, path in named if match)

    def _tidy(self) -> None:
        """Remove what a killed run was writing."""
        torn = self.output.parent.glob(f".{escape(self.output.name)}.*.part")
        for path in (*self.folder.glob(".*.part"), *torn):
            path.unlink()

    def _empty(self) -> None:
        self.manifest.unlink(missing_ok=True)  # first: parts without it are nobody's
        for path in self.folder.iterdir():
            path.unlink()
