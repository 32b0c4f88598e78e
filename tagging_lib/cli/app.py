"""The command itself: what every subcommand shares, and how a user's mistake ends. Heavy imports wait for their command."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from tagging_lib import __version__
from tagging_lib.atomic import storage_error
from tagging_lib.errors import TaggingError

app = typer.Typer(
    help="Multi-label photo tagging: draw, check and prepare corpora; train, predict and score; run the study.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def say(text: str) -> None:
    """What a command answers goes to standard output; progress and warnings go to standard error."""
    sys.stdout.write(text + "\n")


def _version(asked: bool) -> None:
    if asked:
        say(f"tagging {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)


def main() -> None:
    """Entry point: a user's mistake is one line on standard error and exit code 2."""
    try:
        app()
    except TaggingError as error:
        sys.stderr.write(f"tagging: {error}\n")
        sys.exit(2)
    except OSError as error:
        told = storage_error(error)
        if told is None:
            raise
        sys.stderr.write(f"tagging: {told}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("tagging: interrupted; the next call continues where this one stopped\n")
        sys.exit(130)
