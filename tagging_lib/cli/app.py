"""The command itself: what every subcommand shares, and how a user's mistake ends. Heavy imports wait for their command."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if by_torchrun() and context.invoked_subcommand != "train":
        raise TaggingError(f"torchrun shares out `tagging train` alone: run `tagging {context.invoked_subcommand}` without it")


def by_torchrun() -> bool:
    """Whether torchrun has started this process as one of several."""
    several = os.environ.get("WORLD_SIZE", "1") not in ("", "1")
    return several and all(name in os.environ for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"))


def main() -> None:
    """Entry point: a user's mistake is one line on standard error and exit code 2."""
    try:
        with _joined():
            app()
    except TaggingError as error:
        _end(str(error), 2)
    except OSError as error:
        told = storage_error(error)
        if told is None:
            raise
        _end(str(told), 2)
    except KeyboardInterrupt:
        _end("interrupted; the next call continues where this one stopped", 130)


@contextmanager
def _joined() -> Iterator[None]:
    """Among the processes that torchrun has started, where it has; rank 0 tells what happens, the others what goes wrong."""
    if not by_torchrun():
        yield
        return
    from tagging_lib.models import ranks

    ranks.join()
    if not ranks.is_writer():
        logging.disable(logging.WARNING)
    try:
        yield
    except RuntimeError as error:
        told = ranks.lost(error)
        if told is None:
            raise
        raise told from error
    except SystemExit as ended:
        if not ended.code:
            ranks.end()
        raise


def _end(text: str, code: int) -> None:
    """Of several ranks one says it."""
    if by_torchrun():
        from tagging_lib.models import ranks

        if not ranks.may_tell():
            sys.exit(code)
    sys.stderr.write(f"tagging: {text}\n")
    sys.exit(code)
