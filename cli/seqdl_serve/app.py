"""The application: which path does what."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from seqdl_data.version import VERSION
from seqdl_serve import completions, description, errors, reading, scanning
from seqdl_serve.completions import CompletionRequest
from seqdl_serve.compute import Compute
from seqdl_serve.description import BINARY, TEXT, answers
from seqdl_serve.errors import ApiError
from seqdl_serve.gate import GUARDED, Gate
from seqdl_serve.metrics import Metrics
from seqdl_serve.reading import OcrQuery
from seqdl_serve.scanning import ScanQuery
from seqdl_serve.settings import Settings

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
POLICY = "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
PAGE_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "png": "image/png",
}


def create_app(settings: Settings, log: Any = lambda entry: None, metrics: Metrics | None = None) -> Gate:
    """The service as an ASGI application; `log` is told of each request."""
    metrics = metrics or Metrics()
    compute = Compute(settings, metrics.count)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        compute.start()
        yield
        await compute.stop()

    app = FastAPI(
        title="seqdl",
        version=VERSION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=description.ERRORS,
        default_response_class=Response,
    )
    app.state.compute = compute
    _add_errors(app)
    _add_jobs(app, compute)
    _add_health(app, compute, metrics)
    _add_page(app)
    if settings.api_key:
        description.guard(app.openapi(), GUARDED)
    if settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=settings.origins, allow_methods=["GET", "POST"], allow_headers=["*"]
        )
    return Gate(app, settings, metrics, log)


def _add_errors(app: FastAPI) -> None:
    """All errors in one form; none for a client that is gone."""

    @app.exception_handler(ConnectionError)
    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, error: Exception) -> None:
        return None

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:  # the gate logs it
        return JSONResponse(errors.fault().body, 500)

    @app.exception_handler(HTTPException)
    async def api_error(request: Request, error: HTTPException) -> Response:
        if isinstance(error, ApiError):
            return JSONResponse(error.body, error.status_code, error.headers)
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_request")
        return JSONResponse(errors.body(error.status_code, str(error.detail), code), error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    @app.exception_handler(ValidationError)
    async def not_valid(request: Request, error: RequestValidationError | ValidationError) -> Response:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return JSONResponse(errors.body(422, f"the body is not JSON: {first['ctx']['error']}", "invalid_json"), 422)
        param = next((str(place) for place in first["loc"] if place not in ("body", "query")), "")
        message = f"{param}: {first['msg']}" if param else f"the body: {first['msg']}"
        return JSONResponse(errors.body(422, message, "invalid_value", param or None), 422)


def model_named(compute: Compute, kind: str, name: str | None) -> dict[str, Any]:
    """The model of a kind that is asked for, the first one by default; ApiError 404, or 503 where none is loaded."""
    if not compute.models:
        raise errors.unavailable(str(compute.error or "the models are being loaded"))
    known = [model for model in compute.models if model["kind"] == kind]
    for model in known:
        if name in (None, "", model["id"]):
            return model
    raise errors.no_such_model(name or "default", [model["id"] for model in known])


def _add_jobs(app: FastAPI, compute: Compute) -> None:
    @app.get("/v1/models", responses=answers("The models", application__json=description.MODELS))
    async def models() -> Response:
        """The models that are loaded, with their cards."""
        shown = [{key: value for key, value in model.items() if key != "tokens"} for model in compute.models]
        return JSONResponse({"object": "list", "data": shown})

    written = answers("The text", application__json=description.COMPLETION, text__event_stream=description.EVENT)

    @app.post("/v1/completions", responses=written)
    async def complete(request: Request, asked: CompletionRequest) -> Response:
        """Continue a text."""
        return await completions.complete(request, asked, compute, model_named(compute, "text", asked.model))

    hits = answers("The hits", application__x_ndjson=TEXT, text__plain=TEXT, text__tab_separated_values=TEXT)
    fasta = description.body("text/x-fasta", "application/gzip", files=["fasta", "motifs"])

    @app.post("/v1/scan", responses=hits, openapi_extra=fasta)
    async def scan(request: Request, query: Annotated[ScanQuery, Depends()]) -> Response:
        """Find sites or motifs in FASTA, plain or gzip."""
        model = "" if query.consensus else model_named(compute, "sites", query.model)["id"]
        return await scanning.scan(request, query, compute, model)

    pages = answers("The pages", application__json=description.PAGES, text__plain=TEXT, image__png=BINARY)
    pictures = description.body("image/*", "application/octet-stream", files=["image"])

    @app.post("/v1/ocr", responses=pages, openapi_extra=pictures)
    async def ocr(request: Request, query: Annotated[OcrQuery, Depends()]) -> Response:
        """Read handwriting from a picture, or several."""
        return await reading.ocr(request, query, compute, model_named(compute, "characters", query.model)["id"])

    named = answers("The character", application__json=description.CHARACTER)
    pixels = {"application/json": {"schema": reading.pixels_schema()}}
    character = description.body("image/*", "application/octet-stream", more=pixels)

    @app.post("/v1/classify", responses=named, openapi_extra=character)
    async def classify(request: Request, model: str | None = None) -> Response:
        """Name one drawn character."""
        return await reading.classify(request, compute, model_named(compute, "characters", model)["id"])


def _add_health(app: FastAPI, compute: Compute, metrics: Metrics) -> None:
    loading = JSONResponse({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503)

    status = answers("Yes", application__json=description.STATUS)
    loading_form = {"application/json": {"schema": {"type": "object"}}}
    not_yet: dict[int | str, Any] = {503: {"description": "Not yet, as llama.cpp says it", "content": loading_form}}

    @app.get("/healthz", responses=status)
    async def healthz() -> Response:
        """The server is alive."""
        return JSONResponse({"status": "ok"})

    @app.get("/readyz", responses=status)
    async def readyz() -> Response:
        """Models are loaded and kernels warm."""
        if compute.ready:
            return JSONResponse({"status": "ready"})
        raise errors.unavailable(str(compute.error or "the compute process is not ready"))

    @app.get("/health", responses=status | not_yet)
    async def health() -> Response:
        """As llama.cpp's server says it."""
        return JSONResponse({"status": "ok"}) if compute.ready else loading

    @app.get("/metrics", responses=answers("The figures", text__plain=TEXT))
    async def figures() -> Response:
        """Figures in Prometheus' form."""
        metrics.jobs.set(len(compute.jobs))
        metrics.queue.set(compute.waiting)
        metrics.ready.set(compute.ready)
        metrics.restarts.set(compute.restarts)
        for model in compute.models:
            metrics.models.labels(model["id"], model["kind"]).set(1)
        return Response(metrics.text(), media_type=CONTENT_TYPE)


def _add_page(app: FastAPI) -> None:
    """The page, kept in memory: no path of a client's ever becomes one of ours."""
    files = {file.name: file.read_bytes() for file in resources.files("seqdl_serve").joinpath("page").iterdir()}

    def answer(name: str) -> Response:
        kind = PAGE_TYPES.get(name.rpartition(".")[2])
        if name not in files or kind is None:
            raise HTTPException(404, "Not Found")
        return Response(files[name], media_type=kind, headers=PAGE_HEADERS)

    @app.get("/", include_in_schema=False)
    async def index() -> Response:
        return answer("index.html")

    @app.get("/page/{name}", include_in_schema=False)
    async def page(name: str) -> Response:
        return answer(name)
