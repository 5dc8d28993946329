"""What /openapi.json says of bodies and answers that FastAPI does not see: they are read and sent as they come."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]
BINARY: Schema = {"type": "string", "format": "binary"}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}


class Error(BaseModel):
    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """The one form of errors."""

    error: Error


ERRORS: dict[int | str, Schema] = {
    400: {"model": ErrorBody, "description": "Not a request that can be taken apart"},
    401: {"model": ErrorBody, "description": "The key is missing or wrong"},
    404: {"model": ErrorBody, "description": "No such model or path"},
    405: {"model": ErrorBody, "description": "Another method is needed"},
    413: {"model": ErrorBody, "description": "Above a limit of size"},
    415: {"model": ErrorBody, "description": "A content type that is not read here"},
    422: {"model": ErrorBody, "description": "Values that do not fit, or above a limit of values or time"},
    429: {"model": ErrorBody, "description": "Too many requests wait; Retry-After says when to come again"},
    500: {"model": ErrorBody, "description": "A fault of the server"},
    503: {
        "model": ErrorBody,
        "description": "Not ready, or the compute process died; Retry-After says when to come again",
    },
}


def list_of(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def form(**properties: Schema) -> Schema:
    """A document in which all of these are there."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


PAIRS = list_of({**list_of({"anyOf": [TEXT, NUMBER]}), "minItems": 2, "maxItems": 2})
EVENT: Schema = {"type": "object", "properties": {"data": TEXT}}
BOX = {**list_of(INTEGER), "minItems": 4, "maxItems": 4, "description": "left, top, right, bottom; half-open"}
MODELS = form(
    object={"const": "list"},
    data=list_of(
        form(
            id=TEXT,
            object={"const": "model"},
            created=INTEGER,
            owned_by=TEXT,
            kind={"enum": ["text", "sites", "characters"]},
            default={"type": "boolean"},
            card={"type": "object"},
        )
    ),
)
LOGPROBS = form(
    tokens=list_of(TEXT),
    token_logprobs=list_of(nullable(NUMBER)),
    top_logprobs=list_of(nullable({"type": "object", "additionalProperties": NUMBER})),
    text_offset=list_of(INTEGER),
)
COMPLETION = form(
    id=TEXT,
    object={"const": "text_completion"},
    created=INTEGER,
    model=TEXT,
    seed=INTEGER,
    choices=list_of(
        form(index=INTEGER, text=TEXT, finish_reason={"enum": ["stop", "length", None]}, logprobs=nullable(LOGPROBS))
    ),
    usage=form(prompt_tokens=INTEGER, completion_tokens=INTEGER, total_tokens=INTEGER),
)
CHARACTER = form(
    schema={"const": "seqdl.character/1"},
    model=TEXT,
    text=TEXT,
    confidence=NUMBER,
    sure={"type": "boolean"},
    alternatives=PAIRS,
    seen=list_of(list_of(INTEGER)),
)
WORD = form(
    text=TEXT,
    box=BOX,
    confidence=NUMBER,
    characters=list_of(form(text=TEXT, box=BOX, confidence=NUMBER, alternatives=PAIRS)),
)
PAGE = form(
    schema={"const": "seqdl.ocr/1"},
    picture=TEXT,
    page=INTEGER,
    pages=INTEGER,
    width=INTEGER,
    height=INTEGER,
    notes=list_of(TEXT),
    text=TEXT,
    lines=list_of(form(text=TEXT, box=BOX, words=list_of(WORD))),
)
UNREADABLE = form(picture=TEXT, page=INTEGER, error=form(message=TEXT, code=TEXT))
PAGES = form(schema={"const": "seqdl.ocr.answer/1"}, model=TEXT, pages=list_of({"anyOf": [PAGE, UNREADABLE]}))
STATUS = form(status=TEXT)


def answers(about: str, **content: Schema) -> dict[int | str, Schema]:
    """The answers of an endpoint: 200 with one of these types of content, and the errors."""
    types = {name.replace("__", "/").replace("_", "-"): {"schema": schema} for name, schema in content.items()}
    return {200: {"description": about, "content": types}}


def body(*types: str, files: list[str] | None = None, more: Schema | None = None) -> Schema:
    """A body of one of these types, or with files in the parts of a form; the first of them is needed."""
    content: Schema = {kind: {"schema": BINARY} for kind in types} | (more or {})
    if files:
        content["multipart/form-data"] = {"schema": form(**dict.fromkeys(files, BINARY)) | {"required": files[:1]}}
    return {"requestBody": {"required": True, "content": content}}


def guard(document: Schema, guarded: tuple[str, ...]) -> None:
    """Say in an OpenAPI description that the paths that begin so need the key."""
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        if path.startswith(guarded):
            for operation in methods.values():
                operation["security"] = [{"key": []}]
