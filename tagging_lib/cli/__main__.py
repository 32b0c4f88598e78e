"""`python -m tagging_lib.cli`."""

from tagging_lib.cli import main

main()
