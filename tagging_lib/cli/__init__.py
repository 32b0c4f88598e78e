"""The `tagging` command."""

from tagging_lib.cli import corpora, models, reports
from tagging_lib.cli.app import app, main

__all__ = ["app", "corpora", "main", "models", "reports"]
