"""`seqdl`: the commands put together, and one place where errors become a line and an exit code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from seqdl_cli import (
    data,
    evaluate,
    explain,
    generate,
    imagine,
    inspection,
    machine,
    motif,
    ocr,
    quantize,
    runs,
    scan,
    score,
    serve,
    train,
)
from seqdl_data.errors import SeqdlError
from seqdl_data.version import VERSION

WrongUse: Any = typer.BadParameter.__base__  # of whichever click this typer brings


class PlainFailures(TyperGroup):
    """What a user can cause ends in one line on stderr and an exit code; a fault of ours keeps its traceback."""

    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            code = super().main(*args, **(extra | {"standalone_mode": False}))
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
            sys.exit(code)
        except WrongUse as error:
            message = " ".join(error.format_message().split())
            if message:  # where there were no arguments at all the help has been printed instead
                place = f"; see '{error.ctx.command_path} --help'" if error.ctx else ""
                print(f"seqdl: error: {message.rstrip('.')}{place}", file=sys.stderr)
            sys.exit(error.exit_code)
        except OSError as error:  # of --help and --version, which come before `invoke`
            sys.exit(_output_failed(error))

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except SeqdlError as error:
            print(f"seqdl: error: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from error
        except OSError as error:
            raise typer.Exit(_output_failed(error)) from error
        except KeyboardInterrupt as error:
            print("seqdl: interrupted", file=sys.stderr)
            raise typer.Exit(130) from error


def _output_failed(error: OSError) -> int:
    """The exit code: a closed pipe ends quietly. Nothing is left to flush at exit, where it would fail again."""
    with suppress(OSError):  # a stdout without a file, as in tests
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 0
    print(f"seqdl: error: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
    return 5


app = typer.Typer(
    cls=PlainFailures,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train, run and look inside small neural networks on an ordinary CPU.",
    epilog="Example: seqdl generate text 'ROMEO:' -n 300",
)
app.add_typer(train.app, name="train")
app.add_typer(generate.app, name="generate")
app.add_typer(score.app, name="score")
app.command("scan")(scan.scan)
app.command("ocr")(ocr.ocr)
app.add_typer(evaluate.app, name="eval")
app.add_typer(explain.app, name="explain")
app.command("serve")(serve.serve)
app.command("inspect")(inspection.inspect)
app.command("imagine")(imagine.imagine)
app.command("quantize")(quantize.quantize)
app.add_typer(motif.app, name="motif")
app.add_typer(data.app, name="data")
app.add_typer(runs.app, name="runs")
app.command("warmup")(machine.warmup)
app.command("doctor")(machine.doctor)


def _version(asked: bool) -> None:
    if asked:
        print(f"seqdl {VERSION}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Train, run and look inside small neural networks on an ordinary CPU."""


def main() -> None:
    """The `seqdl` command."""
    app()


if __name__ == "__main__":
    main()
