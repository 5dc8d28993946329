"""What a client sends, on disk for the compute process, and gone with the request."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from seqdl_serve import errors
from seqdl_serve.errors import ApiError

CHUNK = 1 << 20


def folder(stack: ExitStack) -> Path:
    """A folder that goes when `stack` is closed."""
    with disk_needed():
        path = tempfile.mkdtemp(prefix="seqdl-serve-")
    stack.callback(shutil.rmtree, path, ignore_errors=True)
    return Path(path)


@contextmanager
def disk_needed() -> Iterator[None]:
    """ApiError 503 where the disk is full."""
    try:
        yield
    except (ConnectionError, TimeoutError):  # kinds of OSError that are no fault of the disk
        raise
    except OSError as error:
        raise errors.unavailable(f"no place for the request: {error.strerror}") from error


async def body_into(request: Request, path: Path) -> None:
    """Write the body of a request to a file, as it comes."""
    with disk_needed(), path.open("wb") as file:
        async for block in request.stream():
            file.write(block)


async def parts_into(request: Request, place: Path, names: Sequence[str], most: int) -> list[tuple[str, Path, str]]:
    """The files of a multipart/form-data body: the name of each part (one of `names`), its path, and the file's name.

    ApiError for parts of other names, fields without a file, more than `most` of them, and what is no such body.
    """
    try:
        form = await request.form(max_files=most, max_fields=1)
    except ApiError:
        raise
    except HTTPException as error:
        raise errors.invalid(f"not a multipart/form-data body, or too many parts: {error.detail}") from error
    found = []
    for number, (name, value) in enumerate(form.multi_items()):
        if name not in names or not isinstance(value, UploadFile):
            raise errors.invalid(
                f"a part {name[:50]!r}; expected files in parts called {' or '.join(names)}", name[:50]
            )
        path = place / str(number)
        with disk_needed(), path.open("wb") as file:
            while block := await value.read(CHUNK):
                file.write(block)
        found.append((name, path, _shown(value.filename or name)))
    await form.close()
    return found


def is_multipart(request: Request) -> bool:
    return media_type(request) == "multipart/form-data"


def media_type(request: Request) -> str:
    """The content type of a request, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _shown(name: str) -> str:
    """A client's name for a file, as messages may show it."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in name)[:200]
