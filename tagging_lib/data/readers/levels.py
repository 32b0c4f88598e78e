"""Labels that are places in a tree: folders in folders, and taxonomies."""

from __future__ import annotations

from collections.abc import Iterable

from tagging_lib.data.readers.reading import Problem, Problems, quoted

LEVELS = "|"  # between the levels of a label, as between those of keywords


def labels_of_path(levels: tuple[str, ...], hierarchy: str) -> set[str]:
    """`leaf`: the last level; `path`: all of them as one label; `all`: each level as a path."""
    if hierarchy == "leaf":
        return {levels[-1]}
    if hierarchy == "path":
        return {LEVELS.join(levels)}
    return {LEVELS.join(levels[:depth]) for depth in range(1, len(levels) + 1)}


def refuse_leaves_of_one_name(paths: Iterable[tuple[str, ...]], hierarchy: str, problems: Problems, what: str = "levels") -> None:
    """A problem for each last level that stands on several branches, where leaves alone are labels."""
    by_leaf: dict[str, list[str]] = {}
    for path in sorted(set(paths)):
        by_leaf.setdefault(path[-1], []).append("/".join(path))
    for leaf, places in by_leaf.items() if hierarchy == "leaf" else ():
        if len(places) > 1:
            told = f"is the name of {len(places)} {what} ({quoted(places)})"
            problems.add("leaf", Problem(leaf, told, "say --read hierarchy=path to keep them apart, or name them apart", True))
