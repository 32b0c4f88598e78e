"""`python -m tagging_lib.cli`."""

from tagging_lib.cli import main

if __name__ == "__main__":
    main()
