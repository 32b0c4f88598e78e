"""Label Studio: the JSON export of tasks with choices or taxonomies, in its full and its short form (JSON-MIN)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from tagging_lib.data.readers.levels import labels_of_path, refuse_leaves_of_one_name
from tagging_lib.data.readers.photos import SUFFIXES, UPLOAD_PREFIX, PhotoFinder, head_of, parts_elsewhere, suffix_of
from tagging_lib.data.readers.reading import Problem, Problems, Reading, ReadOptions, quoted, reading_of, unlisted
from tagging_lib.errors import TaggingError

HEAD = 1 << 16  # bytes in which the first task stands
LONGEST_CHOICE = 40  # letters
LISTED = frozenset(("choices", "taxonomy"))  # what a control calls the list of what was chosen
SHORT_FIELDS = frozenset(("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"))


def recognises(root: Path, options: ReadOptions) -> bool:
    """Whether a JSON file in the folder looks like an export."""
    return bool(exports(root))


def exports(root: Path) -> list[Path]:
    """The JSON files that hold a list of tasks."""
    found = []
    for path in sorted(root.iterdir()):
        if suffix_of(path.name) == ".json" and path.name[0] != "." and path.is_file():
            text = head_of(path, HEAD)
            full = b'"annotations"' in text and b'"data"' in text
            if text.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"[" and (full or b'"annotation_id"' in text):
                found.append(path)
    return found


def read(root: Path, options: ReadOptions) -> Reading:
    """Photos of the tasks with their choices. A task that nobody has annotated is passed over; one without a choice has no label.

    Raises:
        TaggingError: there is no export, several, or one that is not as it should be; the message names file and field.
    """
    paths = exports(root)
    if len(paths) != 1:
        names = f"several ({', '.join(path.name for path in paths)})" if paths else "none"
        raise TaggingError(f"{root} must hold one JSON export of Label Studio, and holds {names}: put one there")
    path, finder, problems = paths[0], PhotoFinder(root), Problems()
    tasks = _load(path)
    results = [_annotations(path, place, task) for place, task in enumerate(tasks)]
    short = _short_controls(path, tasks, options) if not any("data" in task for task in tasks) else None
    if short is not None:
        results = [_short_annotations(task, short) for task in tasks]
    chosen = [levels for answers in results for answer in answers for _, levels in answer]
    refuse_leaves_of_one_name((levels for levels in chosen if len(levels) > 1), options.hierarchy, problems)
    annotated = [[_labels(answer, options.hierarchy) for answer in answers] for answers in results]
    controls = _controls(path, annotated, options)
    carried: dict[str, set[str]] = {}
    finder.learn(str(value) for task in tasks for value in _data_of(task).values() if isinstance(value, str))
    waiting = 0
    for place, (task, answers) in enumerate(zip(tasks, annotated, strict=True)):
        where = f"{path.name} task {task.get('id', place)}"
        if not answers:
            waiting += 1
            continue
        sets = [{label for control, label in answer if control in controls} for answer in answers]
        if any(answer != sets[0] for answer in sets):
            what = f"has {len(sets)} annotations that differ, first {quoted(sorted(sets[0]))}"
            problems.add("differ", Problem(where, what, "keep one annotation of the task", True))
        photo = _photo(path, finder, _data_of(task), place, options, where, problems)
        if photo is not None and carried.setdefault(photo, sets[0]) != sets[0]:
            problems.add("again", Problem(where, f"{photo!r} has other labels in another task", "keep one of them", True))
    if waiting:
        problems.append(Problem(path.name, f"tasks without an annotation: {waiting}", "their photos are passed over"))
    problems += [] if waiting else unlisted(finder, carried)
    if not any(carried.values()):
        problems.append(Problem(path.name, "no photo has a choice", "export annotated tasks", True))
    read_as = f"label-studio {path.name}: choices of {', '.join(sorted(controls))}"
    return reading_of(carried, problems=problems.told(), read_as=read_as)


def _data_of(task: dict[str, Any]) -> dict[str, Any]:
    data = task.get("data", task)
    return data if isinstance(data, dict) else {}


Answer = list[tuple[str, str]]  # control and choice
Chosen = list[tuple[str, tuple[str, ...]]]  # control and the levels of a choice, one but for taxonomies


def _load(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise TaggingError(f"{path} is not valid JSON ({error}): export it again") from error
    if not isinstance(content, list) or not all(isinstance(task, dict) for task in content):
        raise TaggingError(f"{path} is no list of tasks: export JSON from Label Studio again")
    return content


def _labels(chosen: Chosen, hierarchy: str) -> Answer:
    return [(control, label) for control, levels in chosen for label in sorted(labels_of_path(levels, hierarchy))]


def _annotations(path: Path, place: int, task: dict[str, Any]) -> list[Chosen]:
    """What each annotator chose; cancelled annotations do not count."""
    found = []
    for annotation in task.get("annotations") or []:
        if not isinstance(annotation, dict) or not isinstance(annotation.get("result", []), list):
            raise TaggingError(f"{path}: task {task.get('id', place)} has annotations without result: export it again")
        if not annotation.get("was_cancelled"):
            found.append([pair for entry in annotation.get("result", []) for pair in _choices(entry)])
    return found


def _choices(entry: Any) -> Chosen:
    """Choices, places in a taxonomy, and the labels of boxes and outlines, of one entry of a result."""
    kind = entry.get("type", "") if isinstance(entry, dict) else ""
    value = entry.get("value") if _holds_labels(kind) else None
    chosen = value.get(kind, []) if isinstance(value, dict) else []
    return [(str(entry.get("from_name", kind)), levels) for levels in _levels(chosen)]


def _holds_labels(kind: str) -> bool:
    return kind in LISTED or kind.endswith("labels")


def _levels(chosen: Any) -> list[tuple[str, ...]]:
    """The levels of each choice: a text is one, a list of them a path of a taxonomy."""
    paths = [choice if isinstance(choice, list) else [choice] for choice in chosen] if isinstance(chosen, list) else []
    return [tuple(str(level).strip() for level in path) for path in paths if path]


def _short_controls(path: Path, tasks: list[dict[str, Any]], options: ReadOptions) -> list[str]:
    """The fields of JSON-MIN that hold choices or boxes: those that do so as lists somewhere, else the only field of text."""
    if options.label_column:
        return [name.strip() for name in options.label_column.split(",")]
    listed = {name for task in tasks for name, value in task.items() if not isinstance(value, str) and _of_short(value)}
    texts = {name for task in tasks for name, value in task.items() if isinstance(value, str)} - SHORT_FIELDS - listed
    texts -= {name for name in texts if any(suffix_of(_last(str(task.get(name, "")))) in SUFFIXES for task in tasks)}
    if listed:  # beside them, what is as short as a choice may be one: a control of which nobody chose two
        texts = {name for name in texts if all(len(str(task.get(name, ""))) <= LONGEST_CHOICE for task in tasks)}
    if not listed and not texts:
        raise TaggingError(f"{path}: no field holds a choice: export choices, or boxes as the full JSON")
    if len(listed | texts) != 1 and texts:
        names = quoted(sorted(listed | texts))
        fix = "name those that do with --read label_column=NAME, several joined by commas"
        raise TaggingError(f"{path}: the fields {names} could hold the choice: {fix}")
    return sorted(listed | texts)


def _short_annotations(task: dict[str, Any], controls: Iterable[str]) -> list[Chosen]:
    return [[(control, levels) for control in controls for levels in _of_short(task.get(control))]]


def _of_short(value: Any) -> list[tuple[str, ...]]:
    """The choices of a field of JSON-MIN: a text, lists of them by kind, or several of these, such as one for each box."""
    found = []
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, str):
            found += _levels([entry])
        elif isinstance(entry, dict):
            found += [levels for kind in entry if _holds_labels(kind) for levels in _levels(entry[kind])]
    return [levels for levels in found if suffix_of(levels[-1]) not in SUFFIXES]


def _controls(path: Path, annotated: list[list[Answer]], options: ReadOptions) -> set[str]:
    """The controls whose choices are labels: the one that is asked for, else all, if no choice stands in two of them."""
    choices: dict[str, set[str]] = {}
    for answers in annotated:
        for answer in answers:
            for control, label in answer:
                choices.setdefault(control, set()).add(label)
    if options.label_column:
        if options.label_column not in choices:
            raise TaggingError(f"{path} has no choices of {options.label_column!r}: there are {quoted(sorted(choices))}")
        return {options.label_column}
    everything = [label for labels in choices.values() for label in labels]
    again = sorted(label for label in set(everything) if everything.count(label) > 1)
    if again:
        names = quoted(sorted(choices))
        what = f"the choice {again[0]!r} stands in several controls ({names})"
        raise TaggingError(f"{path}: {what}: name one with --read label_column=NAME")
    return set(choices)


def _last(value: str) -> str:
    """The file name in an absolute path or address; a relative path whole."""
    parts = parts_elsewhere(value)
    return parts[-1] if parts else value.replace("\\", "/")


def _photo(
    path: Path, finder: PhotoFinder, data: dict[str, Any], place: int, options: ReadOptions, where: str, problems: Problems
) -> str | None:
    values = {name: value for name, value in data.items() if isinstance(value, str)}
    fitting = [name for name, value in values.items() if suffix_of(_last(value)) in SUFFIXES]
    named = options.photo_column or next((name for name in ("image", "img", "photo") if name in fitting), "")
    name = named or (fitting[0] if len(fitting) == 1 else "")
    if name not in values:
        raise TaggingError(f"{path}: task {place} has no photo in its data: name the field with --read photo_column=NAME")
    for candidate in _candidates(values[name]):
        found = finder.meant(candidate)
        if len(found) == 1:
            return found[0]
        if found:
            what = f"{values[name]!r} could be {len(found)} photos"
            problems.add("several", Problem(where, what, "give each its own name", True))
            return None
    fix = "put the photo into the folder"
    what = f"{values[name]!r} is no photo here{finder.hint(_last(values[name]))}"
    problems.add("none", Problem(where, what, fix, True))
    return None


def _candidates(value: str) -> list[str]:
    """What a value may mean: an address or path as it is; a relative path with fewer and fewer folders, or as it was uploaded."""
    if parts_elsewhere(value):
        return [value, UPLOAD_PREFIX.sub("", parts_elsewhere(value)[-1], count=1)] if "upload" in value else [value]
    return [value, *_without_first_folders(value), UPLOAD_PREFIX.sub("", value, count=1)]


def _without_first_folders(written: str) -> list[str]:
    """Shorter and shorter ends of a path, as it is seen from deeper folders; never its bare name, which could be another's."""
    parts = PurePosixPath(written).parts
    return [str(PurePosixPath(*parts[start:])) for start in range(1, len(parts) - 1)]
