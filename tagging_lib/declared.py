"""The version that each module declares of what it computes: what keys of results hold instead of the module's bytes.

A comment, a docstring or a new name for a file's neighbour costs nobody a night of training, and a fix need not wait for
fear of one. `declared.json` keeps for each module that shapes a result its version and the digest of its syntax tree. A
test compares the digests, and fails after a change until its author has decided:

    python -m tagging_lib.declared                       what has changed
    python -m tagging_lib.declared same MODULE...        results cannot differ: renew the digest alone
    python -m tagging_lib.declared differs MODULE...     results can differ: raise the version, so that they are made anew
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tagging_lib import files
from tagging_lib.errors import TaggingError

PACKAGE = Path(__file__).resolve().parent
FILE = PACKAGE / "declared.json"
DECODING = ("data/decoding.py", "data/pixels.py")
# Between decoded photos and probabilities. What only reads a corpus or scores an answer is not in it: its outcome is in
# the key by value, or computed anew each time.
NETWORKS = (
    *(f"models/{name}.py" for name in ("baselines", "cutting", "device", "engine", "predict", "preprocessing")),
    *(f"models/{name}.py" for name in ("tagger", "weights", "zoo")),
    "models/known_weights.json",
)
FEATURES = (*NETWORKS, *(f"training/{name}.py" for name in ("augment", "batches", "features", "store")), "runs/frozen.py")
ROWS = (*NETWORKS, "training/*", "data/statistics.py", "runs/frozen.py", "runs/trainer.py")
JOINED = ("models/joined.py",)  # only of rows with several networks
SEVERAL_RANKS = ("models/ranks.py", "models/together.py")  # only of rows that torchrun trains on several devices
PSEUDO_LABELS = ("runs/pseudo.py", "evaluation/ensemble.py")
MIRRORED = ("study/mirror.py", "evaluation/ensemble.py")
OUT_OF_FOLD = ("study/review.py", "evaluation/label_errors.py")
FINAL = ("study/final.py", "study/finishing.py", "study/rehearsal.py")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
OF_SOME_ROWS = (*JOINED, *SEVERAL_RANKS, *PSEUDO_LABELS, *MIRRORED)
EVERY = tuple(dict.fromkeys((*DECODING, *FEATURES, *ROWS, *OF_SOME_ROWS, *OUT_OF_FOLD, *FINAL)))


def versions(patterns: Sequence[str]) -> dict[str, int]:
    """The declared version of each module that matches, by its path in the package."""
    return {module: entry["version"] for module, entry in _declared().items() if any(map(Path(module).match, patterns))}


def changed() -> list[str]:
    """Modules whose code differs from what was declared, new ones and vanished ones among them."""
    present, known = _digests(), _declared()
    return sorted(name for name in {*present, *known} if present.get(name) != known.get(name, {}).get("digest"))


def decide(modules: Sequence[str], *, differs: bool) -> None:
    """Declare the present code of the modules; with `differs` results of before no longer count.

    Raises:
        TaggingError: one of them has not changed, or shapes no result.
    """
    present, known = _digests(), dict(_declared())
    for module in modules:
        if module not in changed():
            raise TaggingError(f"{module} has not changed, or shapes no result: choose among {', '.join(changed()) or 'none'}")
        if module not in present:
            del known[module]
        else:
            before = known.get(module, {"version": 0})["version"]
            known[module] = {"version": before + 1 if differs or not before else before, "digest": present[module]}
    files.write_json(FILE, dict(sorted(known.items())))
    _declared.cache_clear()


def digest(source: str) -> str:
    """16 hexadecimal digits of Python code that change with its syntax tree, but not with comments, docstrings or layout.

    >>> digest("x = 1  # one") == digest("x = (1)"), digest("x = 1") == digest("x = 2")
    (True, False)
    """
    return hashlib.sha256(json.dumps(_plain(ast.parse(source))).encode()).hexdigest()[:16]


def _plain(node: Any) -> Any:
    """A syntax tree as lists, the same in every version of Python: empty fields, which versions add, are left out."""
    if isinstance(node, list):
        return [_plain(entry) for entry in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, []) and name not in ("ctx", "kind")}
    if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
        fields["body"] = node.body[1:]
    return [type(node).__name__, [[name, _plain(value)] for name, value in fields.items()]]


@cache
def _declared() -> dict[str, dict[str, Any]]:
    return files.read_json(FILE) if FILE.exists() else {}


def _digests() -> dict[str, str]:
    found = {}
    for path in sorted({path for pattern in EVERY for path in PACKAGE.glob(pattern) if path.name != "__init__.py"}):
        name, text = path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8") if path.is_file() else ""
        if path.suffix == ".py":
            found[name] = digest(text)
        elif path.suffix == ".json":
            found[name] = files.sha256_of(json.dumps(json.loads(text), sort_keys=True).encode())[:16]
    return found


def _main(arguments: Sequence[str]) -> int:
    answer, *modules = arguments or ["list"]
    if answer in ("same", "differs") and modules:
        decide(modules, differs=answer == "differs")
    elif arguments:
        sys.stderr.write((__doc__ or "").partition("\n\n    ")[2] + "\n")
        return 2
    for module in changed():
        sys.stdout.write(f"{module} has changed: can results differ?\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
