"""`seqdl`: the commands put together, and one place where errors become a line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from seqdl_cli import data, machine, runs, text
from seqdl_data.errors import SeqdlError
from seqdl_data.version import VERSION


class PlainFailures(TyperGroup):
    """What a user can cause ends in one line on stderr and an exit code; a fault of ours keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # here, where a closed pipe can still end quietly
            return result
        except SeqdlError as error:
            print(f"seqdl: error: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from error
        except BrokenPipeError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at exit
            raise typer.Exit(0) from error
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            print(f"seqdl: error: {place}{error.strerror or error}", file=sys.stderr)
            raise typer.Exit(5) from error
        except KeyboardInterrupt as error:
            print("seqdl: interrupted", file=sys.stderr)
            raise typer.Exit(130) from error


app = typer.Typer(
    cls=PlainFailures,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Train, run and look inside small neural networks on an ordinary CPU.",
    epilog="Example: seqdl generate text 'ROMEO:' -n 300",
)
app.add_typer(text.train_app, name="train")
app.add_typer(text.generate_app, name="generate")
app.add_typer(text.score_app, name="score")
app.command("quantize")(text.quantize)
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
