"""A row with some values changed from the command line: `side=384`, `recipe.epochs=40`, `trained=head`."""

from __future__ import annotations

import ast
import dataclasses
import re
import types
import typing
from collections.abc import Sequence
from enum import Enum
from typing import Any

from tagging_lib.errors import TaggingError
from tagging_lib.runs import rows
from tagging_lib.runs.experiment import Experiment
from tagging_lib.runs.key import WORDS
from tagging_lib.training.recipe import Recipe

RECIPE = "recipe."
# What names a row, or is another way to say a value that is here already.
FIXED = (*WORDS, "name", "recipe", "teachers")


def change(experiment: Experiment, settings: Sequence[str]) -> Experiment:
    """The row with these values, as `field=value` or `recipe.field=value`; its name and title say what differs.

    Another trained part brings the recipe and the cached features of the study's own rows of that kind.

    Raises:
        TaggingError: a field or a value that there is not; it names the choices.
    """
    own: dict[str, Any] = {}
    of_recipe: dict[str, Any] = {}
    words = []
    for setting in settings:
        field, given, text = setting.partition("=")
        field = field.strip()
        if not given:
            raise TaggingError(f"--set {setting}: write field=value, such as side=224 or recipe.epochs=40")
        inside = field.startswith(RECIPE)
        values, kind = (of_recipe, Recipe) if inside else (own, type(experiment))
        values[field.removeprefix(RECIPE)] = _value(kind, field, text.strip())
        words.append(f"{field.removeprefix(RECIPE)} {text.strip()}")
    if not settings:
        return experiment
    name = re.sub(r"[^\w.=+-]+", "-", f"{experiment.name}+{'+'.join(words).replace(' ', '=')}")
    recipe = experiment.recipe
    if own.get("trained", experiment.trained) != experiment.trained:
        part = own["trained"]
        recipe = dataclasses.replace(rows.RECIPES.get(part, recipe), seed=recipe.seed)
        own = {"views": int(part in rows.RECIPES)} | own
    # Who asks for so many epochs gets them, and not those that the recipe's steps would take.
    steps = {"least_steps": 0} if "epochs" in of_recipe else {}
    recipe = dataclasses.replace(recipe, **(steps | of_recipe))
    title = f"{experiment.title}, {', '.join(words)}"
    return dataclasses.replace(experiment, **own, recipe=recipe, name=name, title=title)


def _value(kind: type, field: str, text: str) -> Any:
    hints = typing.get_type_hints(kind)
    inside = kind is Recipe
    known = [RECIPE * inside + name for name in hints if inside or name not in FIXED]
    if field not in known:
        more = "" if inside else f", and {RECIPE}epochs and its like"
        raise TaggingError(f"--set {field}: a row has no such field: choose one of {', '.join(known)}{more}")
    hint = hints[field.removeprefix(RECIPE)]
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for wanted in kinds:
        found = _parsed(wanted, text)
        if found is not None:
            return found[0]
    choices = next((", ".join(map(str, wanted)) for wanted in kinds if _is_below(wanted, Enum)), "")
    allowed = choices or " or ".join(getattr(wanted, "__name__", str(wanted)).replace("NoneType", "None") for wanted in kinds)
    raise TaggingError(f"--set {field}={text}: choose {'one of ' if choices else 'a value of the kind '}{allowed}")


def _is_below(hint: Any, parent: type) -> bool:
    """Whether the type hint is a class below `parent`; hints such as tuple[float, float] are no classes."""
    return isinstance(hint, type) and issubclass(hint, parent)


def _parsed(wanted: Any, text: str) -> tuple[Any] | None:
    """The text as a value of the kind, in a tuple of one; None where it is none."""
    if wanted is str:
        return (text,)
    if _is_below(wanted, Enum):
        return (wanted(text),) if text in [str(member) for member in wanted] else None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    if wanted is float and type(value) is int:
        value = float(value)
    if wanted is type(None):
        return (None,) if value is None else None
    plain = typing.get_origin(wanted) or wanted
    return (value,) if type(value) is plain else None
