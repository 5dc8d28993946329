"""What the server and its compute process say to each other; all of it can be pickled.

The server sends jobs, and for each of them how many parts its client has taken (Taken) or that it is wanted no more
(Dropped). The process answers Ready once, then for each job Begun, parts, and one End, Several of them at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seqdl.text import Piece, SamplingOptions

WINDOW = 8  # parts of a job on their way; small enough for memory, large enough for no pause between them


@dataclass(frozen=True)
class TextJob:
    """Texts of one model, written side by side. Parts: TextPart."""

    model: str
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    length: int
    options: SamplingOptions
    stop: tuple[str, ...]
    alternatives: int
    echo: bool


@dataclass(frozen=True)
class TextPart:
    """More of text number `index`; ended: "stop" or "length" with its last part. prompt: a piece of the prompt."""

    index: int
    piece: Piece | None
    prompt: bool
    ended: str


@dataclass(frozen=True)
class ScanJob:
    """A FASTA file looked through for the sites of `model`, or for motifs: `motifs` is a file of them, `words` are
    consensus words. name: what messages call the file. Parts: bytes of the answer."""

    path: str
    name: str
    form: str
    model: str = ""
    min_probability: float | None = None
    motifs: str = ""
    words: tuple[str, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class PagesJob:
    """Pictures to read, each a path and a name. Parts: documents (dict) or, for form "png", bytes."""

    model: str
    pictures: tuple[tuple[str, str], ...]
    form: str
    psm: int
    min_confidence: float
    unknown: str


@dataclass(frozen=True)
class LetterJob:
    """One character: its ink by rows, or the path of a picture. The one part: a document."""

    model: str
    pixels: tuple[tuple[int, ...], ...] = ()
    path: str = ""


Job = TextJob | ScanJob | PagesJob | LetterJob


@dataclass(frozen=True)
class Start:
    number: int
    job: Job


@dataclass(frozen=True)
class Taken:
    """The client has taken so many more parts."""

    number: int
    parts: int


@dataclass(frozen=True)
class Dropped:
    number: int


@dataclass(frozen=True)
class Stop:
    """The process is to end."""


@dataclass(frozen=True)
class Ready:
    """models: what GET /v1/models says of each."""

    models: list[dict[str, Any]]


@dataclass(frozen=True)
class Unable:
    """The process cannot start: the line to show, and the exit code that goes with it."""

    message: str
    exit_code: int


@dataclass(frozen=True)
class Begun:
    number: int


@dataclass(frozen=True)
class Part:
    """amount: how much of what the job is counted in (characters written, bases, characters read) this part holds."""

    number: int
    data: Any
    amount: int


@dataclass(frozen=True)
class Failure:
    """Why a job failed. code: invalid_input, too_large, internal or worker_died."""

    code: str
    message: str


@dataclass(frozen=True)
class End:
    number: int
    failure: Failure | None = None


@dataclass(frozen=True)
class Several:
    """Messages in their order: Begun, Part and End."""

    messages: list[Begun | Part | End]
