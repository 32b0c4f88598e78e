"""The `tagging` command."""

from tagging_lib.cli import corpora, training, listing, tagging, suggest, exports, reports  # isort: skip  (order of --help)
from tagging_lib.cli.app import app, main

__all__ = ["app", "corpora", "exports", "listing", "main", "reports", "suggest", "tagging", "training"]
