"""What the operator chooses: where to listen, which models, and the limits of a request."""

from __future__ import annotations

from dataclasses import dataclass, fields

from seqdl_data.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """The most that a request may ask for, and that may wait.

    body: bytes. pixels: of one picture. pictures: of one request. bases: of one scan. motifs: of one scan. characters:
    to write, and choices: texts of one completion. prompt: characters. seconds: from the first byte of a request to
    the last of its answer. queue: requests that are worked on or wait.
    """

    body: int = 32 << 20
    pixels: int = 40_000_000
    pictures: int = 20
    bases: int = 20_000_000
    motifs: int = 2_000
    characters: int = 16_384
    choices: int = 16
    prompt: int = 65_536
    seconds: float = 120.0
    queue: int = 64

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise UsageError(f"--max-{field.name} must be above 0, got {getattr(self, field.name)}")


@dataclass(frozen=True)
class Settings:
    """models: files, runs' folders or names of shipped ones; none means all that ship. api_key: what a client must
    show, "" for nothing. origins: pages of other places that may call ("*": all). log: a file of SQLite for the
    requests, "" for none. threads: of the compute process, 0 for all cores."""

    host: str = "127.0.0.1"
    port: int = 8000
    models: tuple[str, ...] = ()
    api_key: str = ""
    origins: tuple[str, ...] = ()
    log: str = ""
    threads: int = 0
    limits: Limits = Limits()
