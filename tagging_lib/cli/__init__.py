"""The `tagging` command."""

from tagging_lib.cli import corpora, training, tagging, suggest, exports, reports  # isort: skip  (the order of `tagging --help`)
from tagging_lib.cli.app import app, main

__all__ = ["app", "corpora", "exports", "main", "reports", "suggest", "tagging", "training"]
