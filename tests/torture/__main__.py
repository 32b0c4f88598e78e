"""`python -m tests.torture [item …] [--long | --short] [--seed N] [--json FILE]`: passes out of trials, as a table."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.torture import ITEMS
from tests.torture.harness import SIZES, Trials


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("items", nargs="*", help=f"numbers or names: {', '.join(f'{n} {name}' for n, name in ITEMS.items())}")
    parser.add_argument("--long", action="store_const", const="long", default="default", dest="size", help="more trials")
    parser.add_argument("--short", action="store_const", const="short", dest="size", help="what the ordinary tests run")
    parser.add_argument("--seed", type=int, default=None, help="the seed of a run to repeat (default: a new one)")
    parser.add_argument("--json", type=Path, help="where to keep counts, seeds and failures")
    asked = parser.parse_args()
    chosen = [name for number, name in ITEMS.items() if not asked.items or {number, name} & set(asked.items)]
    unknown = set(asked.items) - set(ITEMS) - set(ITEMS.values())
    if unknown or not chosen:
        parser.error(f"no item is called {', '.join(sorted(unknown))}")
    seed = asked.seed if asked.seed is not None else int(time.time())
    assert asked.size in SIZES

    from tests.torture import pipeline

    logging.getLogger().addHandler(logging.NullHandler())
    pipeline.import_everything()
    tallies = []
    line("item", "passed", "trials", "skipped", "seconds", "seed")
    for name in chosen:
        module = importlib.import_module(f"tests.torture.{name}")
        # A short path, because some trials need sockets; outside the checkout, because they leave ruins behind.
        with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as folder:
            tally = Trials(name, asked.size, seed, Path(folder))
            tally.play(module.run)
        seconds = time.perf_counter() - tally.started
        line(name, tally.passed, tally.trials, len(tally.skipped), f"{seconds:.0f}", seed)
        for text in [*(f"FAILED {f}" for f in tally.failures), *(f"skipped: {s}" for s in tally.skipped), *tally.notes]:
            sys.stdout.write(f"    {text}\n")
        sys.stdout.flush()
        tallies.append(
            {
                "item": name,
                "size": asked.size,
                "seed": seed,
                "passed": tally.passed,
                "trials": tally.trials,
                "seconds": round(seconds, 1),
                "failures": tally.failures,
                "skipped": tally.skipped,
                "notes": tally.notes,
            }
        )
        if asked.json:
            asked.json.parent.mkdir(parents=True, exist_ok=True)
            asked.json.write_text(json.dumps(tallies, indent=1) + "\n")
    return 0 if all(t["passed"] == t["trials"] for t in tallies) else 1


def line(*cells: object) -> None:
    widths = (20, 8, 8, 8, 8, 12)
    row = [str(c).ljust(w) if i == 0 else str(c).rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True))]
    sys.stdout.write("".join(row) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
