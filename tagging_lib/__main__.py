"""`python -m tagging_lib` is the `tagging` command: what `torchrun -m` starts."""

from tagging_lib.cli import main

if __name__ == "__main__":
    main()
