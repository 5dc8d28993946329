"""POST /v1/scan: motifs or learned sites in the sequences that are sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from seqdl_serve import errors, uploads
from seqdl_serve.compute import Compute
from seqdl_serve.errors import ApiError
from seqdl_serve.messages import ScanJob
from seqdl_serve.streaming import Streamed, exchange_of, parts_of

Form = Literal["json", "bed", "gff3", "tsv"]
MEDIA_TYPES = {
    "json": "application/x-ndjson",
    "bed": "text/plain",
    "gff3": "text/plain",
    "tsv": "text/tab-separated-values",
}
FASTA, MOTIFS = "fasta", "motifs"


@dataclass(frozen=True)
class ScanQuery:
    """The parameters of a scan; FastAPI fills them in."""

    model: Annotated[str | None, Query(description="A model of sites; the first one where no motifs are given.")] = None
    consensus: Annotated[
        list[str] | None, Query(description="A word in IUPAC letters, such as TATAWAW; may be repeated.")
    ] = None
    thresh: Annotated[float | None, Query(gt=0, le=1, description="Largest p-value of a motif hit.")] = None
    min_probability: Annotated[float | None, Query(ge=0, le=1, description="Smallest probability of a site.")] = None
    norc: Annotated[bool, Query(description="Motifs: only the strand given.")] = False
    max_strand: Annotated[bool, Query(description="Motifs: of both strands only the better hit.")] = False
    format: Annotated[Form, Query(description="json: a document a line.")] = "json"

    def job(self, path: str, name: str, motifs: str, model: str) -> ScanJob:
        """motifs: a file of them, or ""; model: the one to use where there are no motifs at all."""
        words = tuple(self.consensus or ())
        if motifs and words:
            raise errors.invalid("a file of motifs and consensus both say what to look for: give one", "consensus")
        if motifs or words:
            if self.model is not None or self.min_probability is not None:
                raise errors.invalid("model and min_probability are of learned sites, not of motifs", "model")
            given = (("thresh", self.thresh), ("norc", self.norc), ("max_strand", self.max_strand))
            options = tuple((key, value) for key, value in given if value is not None)
            return ScanJob(path, name, self.format, motifs=motifs, words=words, options=options)
        if self.thresh is not None or self.norc or self.max_strand:
            raise errors.invalid(
                "thresh, norc and max_strand are of motifs: give consensus, or a file of them", "thresh"
            )
        return ScanJob(path, name, self.format, model=model, min_probability=self.min_probability)


async def scan(request: Request, query: ScanQuery, compute: Compute, model: str) -> Response:
    """Scan what the body holds; the answer is sent as hits are found."""
    with ExitStack() as stack:  # closed here if there is no answer, else behind it
        place = uploads.folder(stack)
        path, name, motifs = str(place / FASTA), "the body", ""
        if uploads.is_multipart(request):
            files = {
                part: (file, given)
                for part, file, given in await uploads.parts_into(request, place, (FASTA, MOTIFS), 2)
            }
            if FASTA not in files:
                raise errors.invalid("a part called fasta with the sequences is missing", FASTA)
            path, name = str(files[FASTA][0]), files[FASTA][1]
            motifs = str(files[MOTIFS][0]) if MOTIFS in files else ""
        else:
            await uploads.body_into(request, place / FASTA)
        job = query.job(path, name, motifs, model)
        exchange_of(request).about |= {"model": job.model or MOTIFS}
        running = compute.submit(job)
        stack.callback(running.close)
        found = await parts_of(request, running)
        return Streamed(_lines(found, job.form), stack.pop_all(), MEDIA_TYPES[job.form])


async def _lines(parts: AsyncIterator[Any], form: str) -> AsyncIterator[bytes]:
    """The parts; a job that fails later ends JSON with a line that says so, and breaks the others off."""
    try:
        async for part in parts:
            yield part
    except ApiError as error:
        if form != "json":
            raise
        yield json.dumps(error.body).encode() + b"\n"
