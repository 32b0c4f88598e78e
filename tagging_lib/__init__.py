"""A small library for studying multi-label photo tagging, in the order in which a photo travels:
data -> models -> training -> evaluation -> runs -> inference -> study -> report -> workflow -> cli.

What is meant for others stands here, and is imported when it is first asked for:

    load(FOLDER)         a model in memory, whose `predict(paths)` gives a table (`inference.model`)
    open_study(...)      a corpus with its split and its rows, as the notebooks open it (`study.opening`)
    TaggingError         what goes wrong by a user's mistake, in one line
    __version__
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = ["TaggingError", "__version__", "load", "open_study"]
# By name and not by an import: the package stands at the beginning of the road, and importing it must cost nothing.
_PUBLIC = {"TaggingError": "errors", "load": "inference.model", "open_study": "study.opening"}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
