"""`seqdl generate`: let a model write."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqdl_cli.common import Json, Model, Output, Quiet, Threads, read_bytes, say, start, write_output
from seqdl_data.errors import InputError, UsageError

if TYPE_CHECKING:
    from seqdl.text import Piece

SIDE_BY_SIDE = 256  # texts; more need memory and gain no speed
app = typer.Typer(no_args_is_help=True, help="Let a model write.")


@app.command("text")
def generate_text(
    prompt: Annotated[str, typer.Argument(show_default="empty", help="Text to continue; - reads it from stdin.")] = "",
    model: Model = None,
    prompt_file: Annotated[
        str | None, typer.Option("--prompt-file", metavar="FILE", help="Read the prompt from a file.")
    ] = None,
    length: Annotated[
        int, typer.Option("--length", "-n", help="Most symbols (bytes or characters) to write, 0 or more.")
    ] = 500,
    temperature: Annotated[
        float,
        typer.Option("--temperature", "--temp", help="0 takes the likeliest symbol, 1 the model's own odds; 0-100."),
    ] = 0.8,
    top_k: Annotated[int, typer.Option(help="Only the k likeliest symbols, 0 or more; 0 is off.")] = 0,
    top_p: Annotated[float, typer.Option(help="Only the likeliest that together reach p, 0-1; 1 is off.")] = 1.0,
    min_p: Annotated[float, typer.Option(help="Only those p times as likely as the likeliest, 0-1; 0 is off.")] = 0.0,
    repeat_penalty: Annotated[
        float, typer.Option(help="Divides the scores of recent symbols, 0.01-100; 1 is off.")
    ] = 1.0,
    repeat_last_n: Annotated[int, typer.Option(help="How many symbols count as recent, 0-65536.")] = 64,
    presence_penalty: Annotated[
        float, typer.Option(help="Subtracted from the scores of recent symbols, -100 to 100; 0 is off.")
    ] = 0.0,
    frequency_penalty: Annotated[
        float, typer.Option(help="The same, once for each time a symbol occurred, -100 to 100; 0 is off.")
    ] = 0.0,
    seed: Annotated[
        int | None,
        typer.Option("--seed", "-s", min=0, show_default="drawn", help="The same seed, the same text; 0 or more."),
    ] = None,
    count: Annotated[
        int, typer.Option("--count", "-c", min=1, help="Texts to write at once, seeds counting up; 1 or more.")
    ] = 1,
    stop: Annotated[list[str] | None, typer.Option(help="End before this text; may be given several times.")] = None,
    echo: Annotated[bool, typer.Option(help="Print the prompt before its continuation.")] = True,
    as_json: Json = False,
    output: Output = "-",
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Write text, character by character.

    The filters apply in this order: penalties, top-k, top-p, min-p, temperature. Log-probabilities in --json are
    the model's own, before any filter. With --count each text stands below a line with its seed, and --json prints
    one document a line; each text is the one that its seed gives alone.

    Example: seqdl generate text "ROMEO:" -n 300 --temp 0.7 --seed 1
    """
    start(threads, quiet)
    from seqdl.text import CharModel, SamplingOptions
    from seqdl.text.model import new_seed

    options = SamplingOptions(
        temperature, top_k, top_p, min_p, repeat_penalty, repeat_last_n, presence_penalty, frequency_penalty
    )
    raw = _prompt(prompt, prompt_file)
    char_model = CharModel.load(model)
    unknown = char_model.vocabulary.unknown_share(char_model.vocabulary.encode(raw))
    if unknown:
        say(f"note: {unknown:.1%} of the prompt's characters are unknown to this model", quiet)
    seed = new_seed() if seed is None else seed
    say(f"seed {seed}" if count == 1 else f"seeds {seed} to {seed + count - 1}", quiet)
    began = time.perf_counter()
    shown = raw.decode() if echo else ""

    def texts() -> Iterator[tuple[int, Iterable[Piece]]]:
        """Each with its seed. A single one flows."""
        if count == 1:
            yield seed, char_model.generate(raw, length, seed=seed, options=options, stop=stop or [])
            return
        for first in range(seed, seed + count, SIDE_BY_SIDE):
            seeds = range(first, min(first + SIDE_BY_SIDE, seed + count))
            many = char_model.generate_many([raw] * len(seeds), length, seeds=seeds, options=options, stop=stop or [])
            yield from ((seed, [piece]) for seed, piece in zip(seeds, many, strict=True))

    def stream(write: Any) -> None:
        for seed, pieces in texts():
            if count > 1:
                write(f"=== seed {seed} ===\n")
            write(shown)
            for piece in pieces:
                write(piece.text)
            write("\n")

    def documents(write: Any) -> None:
        for seed, pieces in texts():
            written = list(pieces)
            result = {
                "schema": "seqdl.generate.text/1",
                "model": str(model or "shipped"),
                "seed": seed,
                "options": vars(options),
                "prompt": raw.decode(),
                "text": "".join(piece.text for piece in written),
                "symbols": [symbol for piece in written for symbol in piece.symbols],
                "logprobs": [round(value, 6) for piece in written for value in piece.logprobs],
                "seconds": round(time.perf_counter() - began, 3),
            }
            write(json.dumps(result, ensure_ascii=False) + "\n")

    write_output(output, documents if as_json else stream)


def _prompt(prompt: str, prompt_file: str | None) -> bytes:
    if prompt_file is not None and prompt:
        raise UsageError("give the prompt as an argument or with --prompt-file, not both")
    source = prompt_file if prompt_file is not None else "-" if prompt == "-" else None
    raw = prompt.encode("utf-8", "surrogateescape") if source is None else read_bytes(source)
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        name = {None: "prompt", "-": "standard input"}.get(source, source)
        raise InputError(f"{name}: byte {error.start} is not UTF-8; convert the prompt to UTF-8") from error
    return raw
