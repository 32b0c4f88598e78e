"""The `tagging` command."""

from tagging_lib.cli import corpora, training, listing, tagging, exports, reports  # isort: skip  (the order of `tagging --help`)
from tagging_lib.cli.app import app, main

__all__ = ["app", "corpora", "exports", "listing", "main", "reports", "tagging", "training"]
