"""What the study found: the rows that matter, every row in its group, and the facts that an abstract is made of.

All of it comes from finished rows; nothing here trains. A row is chosen on validation and shown with its test score. A
rehearsal, whose weights are random, is never chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from tagging_lib.models.tagger import Trained
from tagging_lib.runs import original, rows
from tagging_lib.runs.experiment import NONE
from tagging_lib.runs.result import Result
from tagging_lib.study import compare, describe, ensembles
from tagging_lib.study.study import Study

STORY = ["what", "row", "title", "group", "trained", "validation_f1", "micro_f1", "low", "high", "macro_f1", "seconds"]
CONSTANT, REPORTED, SINGLE, JOINED = "Constant answer", "Original report", "Best single network", "Best ensemble"
OWN_BASELINE, SCRATCH = "Best of the original's baselines", "Best from scratch"
DEPTHS = {
    Trained.HEAD: "New head on a frozen network",
    Trained.LAST_STAGE: "Last stage trained",
    Trained.LAST_TWO_STAGES: "Last two stages trained",
    Trained.ALL: "Whole network trained",
}


@dataclass(frozen=True, eq=False)
class Summary:
    """What the study found, each table from test scores of rows that validation chose.

    Attributes:
        story: the rows that matter, columns `STORY`; the weakest kind first, ensembles last. `row` is empty for what is no
            row of the study, `low` and `high` are nan for the original's value, which has no interval.
        every_row: `compare.headline` of all rows with the ensembles below, each group together, best first; a further
            column `members` of an ensemble.
        ensembles: `ensembles.join` of rows that are no rehearsals.
        changes: `compare.differences` of rows with one thing changed, the change's name in `change`; rehearsals left out.
        splits: `compare.over_splits`, then `ensembles.over_splits`.
        reproduced: rows of the original that ran here: row, title, reported, micro_f1, low, high; empty on another corpus.
        facts: `describe.facts`, and `toy`, `rows` (of the study), `finished`, `rehearsals`, `trainings`.
    """

    story: pd.DataFrame
    every_row: pd.DataFrame
    ensembles: pd.DataFrame
    changes: pd.DataFrame
    splits: pd.DataFrame
    reproduced: pd.DataFrame
    facts: dict[str, Any]


def find(study: Study) -> Summary:
    """What the finished rows of the study say together."""
    results = study.finished()
    telling = [result for result in results if not result.experiment.rehearsal]
    headline = compare.headline(study, study.rows())
    joined = ensembles.join(study, joinable(study))
    ours = original.is_its_corpus(study.labels, len(study.corpus))
    facts = describe.facts(study) | {
        "toy": study.profile.toy,
        "rows": len(study.rows()),
        "finished": len(results),
        "rehearsals": len(results) - len(telling),
        "trainings": study.n_seeds,
    }
    return Summary(
        story=_story(telling, headline, joined, ours),
        every_row=_every_row(headline, joined),
        ensembles=joined,
        changes=_changes(study, telling),
        splits=pd.concat(
            [
                compare.over_splits(study, [result.name for result in telling]),
                ensembles.over_splits(study, [result.name for result in telling if result.experiment.group == "transfer"]),
            ]
        ),
        reproduced=_reproduced(telling, headline, ours),
        facts=facts,
    )


def joinable(study: Study) -> list[Result]:
    """The rows that ensembles are made of: those of the group `transfer`, from further seeds too; no rehearsal."""
    finished = [result for result in study.finished(study.rows("transfer")) if not result.experiment.rehearsal]
    return finished + study.other_trainings(finished)


def best_ensemble(joined: pd.DataFrame) -> pd.Series | None:
    """The ensemble with the highest micro-F1 on validation, None without any."""
    return joined.loc[joined.validation_f1.idxmax()] if len(joined) else None


def _story(telling: Sequence[Result], headline: pd.DataFrame, joined: pd.DataFrame, ours: bool) -> pd.DataFrame:
    def best(found: Sequence[Result]) -> Result | None:
        return next(iter(ensembles.best_rows(found, 1)), None)

    single = best(telling)
    constants = [result for result in telling if result.experiment.is_constant]
    own = [result for result in telling if result.name in original.ORIGINAL and result.experiment.group == "baselines"]
    scratch = [row for row in telling if row.experiment.weights == NONE and row.experiment.trained == Trained.ALL]
    chosen = [(CONSTANT, next(iter(constants), None)), (OWN_BASELINE, best(own)), (SCRATCH, best(scratch))]
    for trained, what in DEPTHS.items():
        given = [row for row in telling if row.experiment.weights != NONE and row.experiment.trained == trained]
        chosen.append((what, best(given)))
    by_row = headline.set_index("row")
    called: dict[str, list[str]] = {}
    scores: dict[str, float] = {}
    for what, result in chosen:
        if result is not None:
            called.setdefault(result.name, []).append(what)
            scores[result.name] = result.score("validation")["micro_f1"]
    if single is not None:
        scores[single.name] = single.score("validation")["micro_f1"]
        called[single.name] = [SINGLE, *called.get(single.name, [])]
    lines: list[dict[str, Any]] = []
    for name, whats in called.items():
        what = ", ".join([whats[0], *(text[0].lower() + text[1:] for text in whats[1:])])
        line = by_row.loc[name]
        shared = {column: line[column] for column in STORY if column in line.index}
        lines.append(shared | {"what": what, "row": name, "validation_f1": scores[name]})
    if ours:
        reported = original.ORIGINAL[original.BEST]
        title = f"{rows.find(original.BEST).title}, as reported"
        line = {"what": REPORTED, "row": "", "title": title, "group": compare.ORIGINALS, "micro_f1": reported.f1}
        place = sum(bool(by_row.weights[name] == NONE or name == "constant") for name in called)
        lines.insert(place, line | {"trained": str(Trained.ALL), "seconds": reported.seconds})
    ensemble = best_ensemble(joined)
    if ensemble is not None:
        shared = {column: ensemble[column] for column in STORY if column in ensemble.index}
        lines.append(shared | {"what": JOINED, "row": "", "title": ensemble.ensemble, "group": compare.ENSEMBLES})
    return pd.DataFrame(lines, columns=STORY)


def _every_row(headline: pd.DataFrame, joined: pd.DataFrame) -> pd.DataFrame:
    ensembled = joined.rename(columns={"ensemble": "title"}).assign(row="", group=compare.ENSEMBLES, seeds=1)
    kept = [column for column in (*compare.HEADLINE, "members") if column in ensembled]
    tables = [headline, ensembled[kept]] if len(joined) else [headline]
    every = pd.concat(tables, ignore_index=True) if len(joined) else headline.assign(members=None)
    every["letters"] = every.letters.fillna("")
    place = every.group.map({group: place for place, group in enumerate(compare.GROUPS)})
    order = pd.DataFrame({"group": place, "score": -every.micro_f1}).sort_values(["group", "score"], kind="stable")
    return every.loc[order.index].reset_index(drop=True)


def _changes(study: Study, telling: Sequence[Result]) -> pd.DataFrame:
    """Every pair is tested, as in chapter 3, so that Holm's correction is the same there and here."""
    found = compare.differences(study, rows.ABLATIONS)
    titles = {result.title for result in telling}
    found = found[found.row.isin(titles) & found.against.isin(titles)].reset_index(drop=True)
    pairs = zip(found.row, found.against, strict=True)
    return found.assign(change=[row.removeprefix(against).lstrip(", ") for row, against in pairs])


def _reproduced(telling: Sequence[Result], headline: pd.DataFrame, ours: bool) -> pd.DataFrame:
    names = [result.name for result in telling if ours and result.name in original.ORIGINAL]
    found = headline[headline.row.isin(names)]
    found = found.assign(reported=[original.ORIGINAL[name].f1 for name in found.row])
    return found[["row", "title", "reported", "micro_f1", "low", "high"]].reset_index(drop=True)
