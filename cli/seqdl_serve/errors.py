"""The one form of errors, and which status each of them has."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException

from seqdl_serve.messages import Failure

RETRY = 1  # seconds after which a client may try again
FAILURES = {"invalid_input": 422, "too_large": 413, "internal": 500, "worker_died": 503}
TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error", 503: "unavailable_error"}


class ApiError(HTTPException):
    """An answer that is an error. code: for programs; param: the parameter at fault; retry: in so many seconds."""

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, retry: int | None = None
    ) -> None:
        super().__init__(status, message, None if retry is None else {"Retry-After": str(retry)})
        self.body = body(status, message, code, param)


def body(status: int, message: str, code: str, param: str | None = None) -> dict[str, Any]:
    """The document of an error."""
    kind = TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def failed(failure: Failure) -> ApiError:
    """The error for a job that failed in the compute process."""
    status = FAILURES[failure.code]
    return ApiError(status, failure.message, failure.code, retry=RETRY if status == 503 else None)


def fault() -> ApiError:
    return ApiError(500, "this is a fault of the server; its log says more", "internal")


def overloaded(queued: int) -> ApiError:
    return ApiError(429, f"{queued} requests are worked on or wait; try again", "queue_full", retry=RETRY)


def unavailable(why: str) -> ApiError:
    return ApiError(503, why, "unavailable", retry=RETRY)


def too_large(what: str) -> ApiError:
    return ApiError(413, what, "too_large")


def invalid(message: str, param: str | None = None) -> ApiError:
    return ApiError(422, message, "invalid_value", param)


def unsupported_type(given: str, expected: str) -> ApiError:
    return ApiError(415, f"content type {given or 'not given'}; expected {expected}", "unsupported_media_type")


def no_such_model(name: str, known: list[str]) -> ApiError:
    there = f"there is {', '.join(known)}" if known else "there is none of this kind"
    return ApiError(404, f"no model {name!r} for this; {there}", "model_not_found", "model")


def too_long(seconds: float) -> ApiError:
    return ApiError(422, f"took more than {seconds:g} seconds, the limit (--max-seconds); ask for less", "time_limit")
