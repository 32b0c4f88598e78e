"""The study's abstract in Markdown and the short table beside it: what was asked, what is best, what did not pay, what the
original said, what the limits are.

Every number in it is one of a `Summary`, so that another corpus has another abstract.
"""

from __future__ import annotations

import pandas as pd

from tagging_lib.models.tagger import Trained
from tagging_lib.report.tables import Table, duration, escape_markdown, interval, number, p_value, spread
from tagging_lib.runs.original import ORIGINAL
from tagging_lib.study import compare, summary
from tagging_lib.study.summary import Summary

TOY = (
    "**This is a run at toy scale, with few photos and few epochs: it shows that the study works, not how well. Nothing is to "
    "be concluded from its scores.** "
)


def write(found: Summary) -> str:
    """Some six sentences on what the study found."""
    told = [_corpus(found), _best(found), _steps(found), _changes(found), _original(found), _limits(found)]
    return (TOY if found.facts["toy"] else "") + " ".join(filter(None, told))


def table(story: pd.DataFrame) -> Table:
    """The rows that matter as people read them; the original's value has no interval."""
    columns = {
        "What": list(story.what),
        "Row": list(story.title),
        "Micro-F1 [95 %]": [
            f"{line.micro_f1:.3f}" if line.what == summary.REPORTED else interval(line.micro_f1, line.low, line.high)
            for line in story.itertuples()
        ],
        "Macro-F1": [number(float(value)) for value in story.macro_f1],
        "Time": [duration(seconds) for seconds in story.seconds],
    }
    return Table(pd.DataFrame(columns, dtype=object).__finalize__(story))


def _corpus(found: Summary) -> str:
    facts = found.facts
    parts = facts["split"]["photos"]
    return (
        "We ask which networks, which training and which thresholds tag photos best, when a photo may carry several labels or "
        f"none, on {facts['photos']:,} photos with {len(facts['labels'])} labels: networks learn from {parts['train']:,} of "
        f"them, {parts['validation']:,} choose rows and thresholds, and scores are micro-F1 on {parts['test']:,} others."
    )


def _best(found: Summary) -> str:
    best, constant = _line(found, summary.SINGLE), _line(found, summary.CONSTANT)
    if best is None:
        return "No row is finished that is more than a rehearsal with random weights, so there is nothing to report yet."
    said = f"{escape_markdown(best.title)} is best on validation and reaches {_score(best)} on the test photos"
    said += _over_splits(found, best.title)
    if constant is not None:
        said += f", against {_score(constant)} of a constant answer"
    joined = summary.best_ensemble(found.ensembles)
    if joined is not None:
        gain = interval(joined.difference, joined.difference_low, joined.difference_high, sign="+")
        verdict = {compare.BETTER: "significantly better", compare.WORSE: "significantly worse"}.get(
            joined.verdict, "no significant difference"
        )
        said += (
            f"; the ensemble that is best there ({escape_markdown(joined.ensemble).lower()}) reaches {_score(joined)}"
            f"{_over_splits(found, joined.ensemble)}, "
            f"{gain} against the best of its candidates ({verdict}, {_p(joined.p_holm)})"
        )
    return said + "."


def _over_splits(found: Summary, row: str) -> str:
    """Mean and spread over splits, of a row by its title or of an ensemble; nothing where it has one split."""
    over = found.splits[found.splits.row == row]
    told = [f" ({spread(line.micro_f1, line.micro_sd)} over the splits of seeds {line.seeds})" for line in over.itertuples()]
    return told[0] if told else ""


def _steps(found: Summary) -> str:
    """What each step brings: from scratch, a new head, the last stage or two, the whole network."""
    steps = {
        "the best network from scratch": summary.SCRATCH,
        "the best new head on a frozen network": summary.DEPTHS[Trained.HEAD],
        "the best network with its last stage trained": summary.DEPTHS[Trained.LAST_STAGE],
        "the best network with its last two stages trained": summary.DEPTHS[Trained.LAST_TWO_STAGES],
        "the best network trained as a whole": summary.DEPTHS[Trained.ALL],
    }
    scored = {text: line for text, called in steps.items() if (line := _line(found, called)) is not None}
    if len(scored) < 2:
        return ""
    first, *others = [(text, f"{_score(line)} ({escape_markdown(line.title)})") for text, line in scored.items()]
    *between, last = [f"{text} {score}" for text, score in others]
    return f"T{first[0][1:]} reaches {first[1]}" + "".join(f", {text}" for text in between) + f", and {last}."


def _changes(found: Summary) -> str:
    changes = found.changes
    if not len(changes):
        return "No row with one thing changed ran in this profile, so what does not pay is not told here."
    parts = {
        compare.BETTER: "significantly better",
        compare.WORSE: "significantly worse",
        compare.INDISTINGUISHABLE: "no significant difference",
    }
    told = [f"{text}: {_named(changes[changes.verdict == verdict])}" for verdict, text in parts.items()]
    counted = f"{len(changes)} changes" if len(changes) > 1 else "1 change"
    return f"Of {counted} of a recipe, each tested against the same row without it, {'; '.join(told)}."


def _named(changes: pd.DataFrame) -> str:
    """How many changes there are, and in brackets which; one that was made in several rows is named once."""
    named = ", ".join(dict.fromkeys(changes.change))
    return f"{len(changes)} ({escape_markdown(named)})" if len(changes) else "none"


def _original(found: Summary) -> str:
    reported, best = _line(found, summary.REPORTED), _line(found, summary.SINGLE)
    if reported is None:
        return ""
    named = escape_markdown(reported.title.partition(",")[0])
    said = f"The original reported {reported.micro_f1:.3f} for {named}, without an interval"
    if best is not None:
        where = "above" if best.low > reported.micro_f1 else "below" if best.high < reported.micro_f1 else "around"
        said += f", on another division of the same photos: the interval of our best single network lies {where} that"
    again = found.reproduced
    if len(again):
        inside = int(((again.low <= again.reported) & (again.reported <= again.high)).sum())
        said += f"; of its rows that ran here again, {inside} of {len(again)} have the reported F1 within their interval"
    constant = _line(found, summary.CONSTANT)
    if constant is not None:
        below = sum(score.f1 < constant.micro_f1 for score in ORIGINAL.values())
        said += f"; {below} of its {len(ORIGINAL)} rows lie below the constant answer, which it did not report"
    return said + "."


def _limits(found: Summary) -> str:
    facts = found.facts
    trained = "one training" if facts["trainings"] == 1 else f"{facts['trainings']} trainings"
    said = (
        f"Scores rest on one test part, {trained} of each row, and annotations taken as true; {facts['finished']} of "
        f"{facts['rows']} rows ran here"
    )
    if facts["rehearsals"]:
        said += f", {facts['rehearsals']} of them rehearsals with random weights, of which nothing is said here"
    return said + "."


def _line(found: Summary, what: str) -> pd.Series | None:
    """The line of the story that is called so, alone or among other things."""
    lines = found.story[[what.lower() in str(called).lower().split(", ") for called in found.story.what]]
    return lines.iloc[0] if len(lines) else None


def _score(line: pd.Series) -> str:
    return escape_markdown(interval(line.micro_f1, line.low, line.high))


def _p(p: float) -> str:
    text = p_value(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
