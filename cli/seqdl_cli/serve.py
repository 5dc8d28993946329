"""`seqdl serve`: the three jobs over HTTP, and a page to try them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqdl_cli.common import Quiet, command_line
from seqdl_data.errors import UsageError
from seqdl_serve.settings import Limits, Settings

MOST = Limits()


def serve(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 127.0.0.1 is this machine alone, 0.0.0.0 the whole network.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on, 0-65535; 0: any that is free.")
    ] = 8000,
    models: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            show_default="all that ship",
            help="A model to load: file, run's folder or shipped name; may be repeated. The first of a kind is its "
            "default.",
        ),
    ] = None,
    api_key: Annotated[
        str,
        typer.Option(
            envvar="SEQDL_API_KEY", show_default="none", help="Key that clients must show as a bearer token; any text."
        ),
    ] = "",
    origin: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", show_default="none", help="Let web pages from there call (CORS); may be repeated; * is all."
        ),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", show_default="off", help="Keep requests in this SQLite file too; see seqdl runs requests."
        ),
    ] = None,
    max_body: Annotated[int, typer.Option(min=1, help="Bytes of a request, at most; 1 or more.")] = MOST.body,
    max_pixels: Annotated[int, typer.Option(min=1, help="Pixels of a picture, at most; 1 or more.")] = MOST.pixels,
    max_pictures: Annotated[
        int, typer.Option(min=1, help="Pictures of a request, at most; 1 or more.")
    ] = MOST.pictures,
    max_bases: Annotated[int, typer.Option(min=1, help="Bases of a scan, at most; 1 or more.")] = MOST.bases,
    max_motifs: Annotated[int, typer.Option(min=1, help="Motifs of a scan, at most; 1 or more.")] = MOST.motifs,
    max_characters: Annotated[
        int, typer.Option(min=1, help="Characters of a text, at most; 1 or more.")
    ] = MOST.characters,
    max_choices: Annotated[int, typer.Option(min=1, help="Texts of a request, at most; 1 or more.")] = MOST.choices,
    max_prompt: Annotated[int, typer.Option(min=1, help="Characters of a prompt, at most; 1 or more.")] = MOST.prompt,
    max_seconds: Annotated[
        float, typer.Option(min=0.001, help="Seconds for a request, at most; above 0.")
    ] = MOST.seconds,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Requests that are worked on or wait, at most; 1 or more. More get status 429.")
    ] = MOST.queue,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads", "-t", min=1, show_default="all cores", help="Most threads to compute with. 1 or more."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Answer requests over HTTP: OpenAI's completions, scans of FASTA, handwriting; and a page to try them.

    POST /v1/completions, /v1/scan, /v1/ocr, /v1/classify; GET /v1/models, /healthz, /readyz, /metrics, /openapi.json.
    The log, a JSON document a line, goes to stderr. SIGTERM or Ctrl-C ends it when what runs is done. It needs what the
    package's extra called serve installs.

    Example: seqdl serve --port 8000
    """
    try:
        from seqdl_serve.server import serve as run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("seqdl"):
            raise
        raise UsageError(f'{error.name} is not installed; the service needs it: pip install "seqdl[serve]"') from error
    limits = Limits(
        body=max_body,
        pixels=max_pixels,
        pictures=max_pictures,
        bases=max_bases,
        motifs=max_motifs,
        characters=max_characters,
        choices=max_choices,
        prompt=max_prompt,
        seconds=max_seconds,
        queue=max_queue,
    )
    settings = Settings(
        host=host,
        port=port,
        models=tuple(models or ()),
        api_key=api_key,
        origins=tuple(origin or ()),
        log="" if log is None else str(log),
        threads=threads or 0,
        limits=limits,
    )
    run(settings, command_line(), quiet)
