"""POST /v1/ocr and /v1/classify: pages of handwriting, and single characters."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from seqdl_serve import errors, uploads
from seqdl_serve.compute import Compute
from seqdl_serve.messages import LetterJob, PagesJob
from seqdl_serve.streaming import all_parts, exchange_of

SCHEMA = "seqdl.ocr.answer/1"
IMAGE = "image"
LARGEST = 512  # rows and columns of a drawn character


@dataclass(frozen=True)
class OcrQuery:
    """The parameters of reading; FastAPI fills them in."""

    model: Annotated[str | None, Query(description="A model of characters; the first one by default.")] = None
    format: Annotated[
        Literal["json", "text", "png"], Query(description="png: the picture with what was read drawn in.")
    ] = "json"
    psm: Annotated[
        Literal["3", "6", "7", "8", "10"],
        Query(description="What the picture shows: 3 a page, 6 a block, 7 a line, 8 a word, 10 a character."),
    ] = "3"
    min_confidence: Annotated[float, Query(ge=0, le=1, description="Less sure characters become `unknown`.")] = 0.0
    unknown: Annotated[str, Query(max_length=10)] = "?"


async def ocr(request: Request, query: OcrQuery, compute: Compute, model: str) -> Response:
    """Read the picture, or the pictures, in the body."""
    limits = compute.settings.limits
    with ExitStack() as stack:
        pictures = await _pictures(request, uploads.folder(stack), limits.pictures)
        if query.format == "png" and len(pictures) > 1:
            raise errors.invalid(f"format png is for one picture, there are {len(pictures)}", "format")
        job = PagesJob(model, pictures, query.format, int(query.psm), query.min_confidence, query.unknown)
        exchange_of(request).about |= {"model": model, "pictures": len(pictures)}
        pages = await all_parts(request, compute.submit(job))
    if query.format == "png":
        return Response(pages[0], media_type="image/png")
    if query.format == "text":
        return PlainTextResponse("".join(_text(page, headed=len(pages) > 1) for page in pages))
    return JSONResponse({"schema": SCHEMA, "model": model, "pages": pages})


def _text(page: dict[str, Any], headed: bool) -> str:
    """What was read, or why nothing could be; `headed` with a line that names the page."""
    name = page["picture"] if page.get("pages", 1) == 1 else f"{page['picture']}, page {page['page']}"
    if "error" in page:
        return f"=== {name}: not read: {page['error']['message']} ===\n"
    return (f"=== {name} ===\n" if headed else "") + str(page["text"])


async def _pictures(request: Request, place: Path, most: int) -> tuple[tuple[str, str], ...]:
    """The pictures of a request as paths and names."""
    if uploads.is_multipart(request):
        found = await uploads.parts_into(request, place, (IMAGE,), most)
        if not found:
            raise errors.invalid("no part called image, with a picture", IMAGE)
        return tuple((str(path), name) for _, path, name in found)
    _check_image(request, "image/* or multipart/form-data")
    await uploads.body_into(request, place / IMAGE)
    return ((str(place / IMAGE), "the picture"),)


def _check_image(request: Request, expected: str) -> None:
    given = uploads.media_type(request)
    if not given.startswith("image/") and given != "application/octet-stream":
        raise errors.unsupported_type(given, expected)


Row = Annotated[list[Annotated[int, Field(ge=0, le=255)]], Field(fail_fast=True, min_length=1, max_length=LARGEST)]


class Drawn(BaseModel):
    """A character as it was drawn: how much ink, by rows, 0 for none to 255."""

    pixels: Annotated[list[Row], Field(fail_fast=True, min_length=1, max_length=LARGEST)]


async def classify(request: Request, compute: Compute, model: str) -> Response:
    """Name the one character in the body."""
    with ExitStack() as stack:
        if uploads.media_type(request) == "application/json":
            job = LetterJob(model, pixels=_pixels(await request.body()))
        else:
            _check_image(request, "application/json or image/*")
            path = uploads.folder(stack) / IMAGE
            await uploads.body_into(request, path)
            job = LetterJob(model, path=str(path))
        exchange_of(request).about |= {"model": model}
        (answer,) = await all_parts(request, compute.submit(job))
    return JSONResponse(answer)


def _pixels(body: bytes) -> tuple[tuple[int, ...], ...]:
    rows: list[list[int]] = Drawn.model_validate_json(body).pixels
    if len({len(row) for row in rows}) > 1:
        raise errors.invalid("rows of different lengths", "pixels")
    return tuple(map(tuple, rows))


def pixels_schema() -> dict[str, Any]:
    """The body of /v1/classify, for the OpenAPI description."""
    return Drawn.model_json_schema()
