"""What the original report said about its errors, each sentence checked by a number.

A claim speaks about labels by name, so each names the labels that it needs; on a corpus without them it is no line of
the table. `confirmed` and `not confirmed` need a test at the 5 % level that could have gone the other way; what labels
of photos cannot tell is `cannot be checked`, with the number that comes nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tagging_lib.evaluation import errors, metrics, uncertainty

if TYPE_CHECKING:
    import pandas as pd

CONFIRMED, NOT_CONFIRMED, UNKNOWN = "confirmed", "not confirmed", "cannot be checked"
LEVEL = 0.05
RESAMPLES = 2000
HARD = ("river", "sea", "baby")
SCENERY = ("tree", "clouds", "flower")
COLUMNS = ["claim", "number", "verdict"]


@dataclass(frozen=True, eq=False)
class Answers:
    """Truth and answers on the same photos, 0/1 (N, L), with the number of training photos of each label (L,)."""

    targets: np.ndarray
    predictions: np.ndarray
    labels: tuple[str, ...]
    sizes: np.ndarray

    def true(self, label: str) -> np.ndarray:
        return self.targets[:, self.labels.index(label)].astype(bool)

    def given(self, label: str) -> np.ndarray:
        return self.predictions[:, self.labels.index(label)].astype(bool)

    def enough(self, label: str) -> bool:
        """Whether the label is true or given on enough photos for an interval of its scores."""
        return uncertainty.enough(self.true(label)[:, None], self.given(label)[:, None])

    @cached_property
    def f1(self) -> np.ndarray:
        """F1 of each label, nan where undefined, (L,)."""
        return metrics.per_label(self.targets, self.predictions, self.labels).f1.to_numpy(dtype=float)

    @cached_property
    def resampled(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """True positives, given and true photos of each label in resamples of the photos, each (RESAMPLES, L)."""
        true, given = metrics.checked(self.targets, self.predictions)
        photos = len(true)
        times = np.random.default_rng(0).multinomial(photos, np.full(photos, 1 / photos), RESAMPLES).astype(np.float32)
        # float32 holds whole numbers exactly up to 2^24.
        hits, said, there = (times @ part.astype(np.float32) for part in (true & given, given, true))
        return hits, said, there

    @cached_property
    def resampled_f1(self) -> np.ndarray:
        hits, said, there = self.resampled
        return metrics.label_f1(hits, said + there, there)


def check(targets: np.ndarray, predictions: np.ndarray, labels: tuple[str, ...], sizes: np.ndarray) -> pd.DataFrame:
    """One line a claim whose labels the corpus has: claim, number, verdict.

    `targets` and `predictions` are 0/1 (N, L), `sizes` (L,) counts each label's photos in training. Without photos, or
    with labels of other names alone, the table is empty.
    """
    import pandas as pd

    if not len(targets):
        return pd.DataFrame(columns=COLUMNS)
    answers = Answers(np.asarray(targets), np.asarray(predictions), tuple(labels), np.asarray(sizes))
    lines = [line for needed, claim in CLAIMS if set(needed) <= set(labels) for line in claim(answers)]
    return pd.DataFrame(lines, columns=COLUMNS)


def _bounds(values: np.ndarray) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    return (float("nan"), float("nan")) if not len(values) else tuple(np.quantile(values, [LEVEL / 2, 1 - LEVEL / 2]))


def _too_few(answers: Answers, labels: Sequence[str]) -> str:
    """Which of the labels too few photos carry, as text; empty where none."""
    rare = [label for label in labels if not answers.true(label).any() or not answers.enough(label)]
    return f"too few photos of {', '.join(rare)}" if rare else ""


def _verdict(holds: bool) -> str:
    return CONFIRMED if holds else NOT_CONFIRMED


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" + (f" ({100 * part / whole:.0f} %)" if whole else "")


def _p(p: float) -> str:
    return "p < 0.001" if p < 0.0005 else f"p = {p:.3f}"


Line = tuple[str, str, str]


def hardest(answers: Answers) -> Iterator[Line]:
    chosen = [answers.labels.index(label) for label in HARD]
    others = [place for place in range(len(answers.labels)) if place not in chosen]
    scores, drawn = answers.f1, answers.resampled_f1
    claim = "River, sea and baby have the lowest F1 of all labels"
    rare = _too_few(answers, HARD)
    if rare or not np.isfinite(scores[chosen]).all() or not np.isfinite(scores[others]).any():
        yield claim, rare or "one of them, or all others, are on no photo", UNKNOWN
        return
    # A resample without any photo of a rare label has no F1 for it and tells nothing about its rank.
    usable = np.isfinite(drawn[:, chosen]).all(axis=1)
    last = np.nanmax(drawn[np.ix_(usable, chosen)], axis=1) < np.nanmin(drawn[np.ix_(usable, others)], axis=1)
    named = ", ".join(f"{label} {scores[place]:.3f}" for label, place in zip(HARD, chosen, strict=True))
    share = f"the last three in {100 * last.mean():.0f} % of resamples"
    number = f"{named}; lowest of the others {np.nanmin(scores[others]):.3f}; {share}"
    yield claim, number, _verdict(last.mean() >= 1 - LEVEL)


def rare_is_hard(answers: Answers) -> Iterator[Line]:
    from scipy.stats import spearmanr

    claim = "Labels with fewer training photos have the lower F1"
    known = np.isfinite(answers.f1)
    if known.sum() < 4 or len(np.unique(answers.sizes[known])) < 2 or len(np.unique(answers.f1[known])) < 2:
        yield claim, f"{known.sum()} labels with an F1: too few to rank", UNKNOWN
        return
    rank = spearmanr(answers.sizes[known], answers.f1[known], alternative="greater")
    number = f"rank correlation {rank.statistic:+.2f} over {known.sum()} labels, {_p(rank.pvalue)}"
    yield claim, number, _verdict(rank.pvalue < LEVEL)


def balanced_but_for_sea(answers: Answers) -> Iterator[Line]:
    claim = "Precision and recall are close for all labels but sea"
    if rare := _too_few(answers, ["sea"]):
        yield claim, rare, UNKNOWN
        return
    hits, said, there = answers.resampled
    gaps = metrics.ratio(hits, said) - metrics.ratio(hits, there)
    bounds = {label: _bounds(column) for label, column in zip(answers.labels, gaps.T, strict=True) if answers.enough(label)}
    apart = [label for label, (low, high) in bounds.items() if low > 0 or high < 0]
    table = metrics.per_label(answers.targets, answers.predictions, answers.labels).set_index("label")
    sea = table.loc["sea"]
    number = (
        f"sea: precision {sea.precision:.3f}, recall {sea.recall:.3f}; labels whose precision and recall differ beyond "
        f"chance: {', '.join(apart) or 'none'}"
    )
    yield claim, number, _verdict(apart == ["sea"])


def _taken(there: str, said: str) -> Callable[[Answers], Iterator[Line]]:
    def claim(answers: Answers) -> Iterator[Line]:
        from scipy.stats import fisher_exact

        # Where both labels imply a third, such as people, photos without that one would make any confusion look large.
        implied = {b for a, b in errors.IMPLIED if a == there} & {b for a, b in errors.IMPLIED if a == said}
        shown = [label for label in sorted(implied) if label in answers.labels]
        context = np.logical_and.reduce([answers.true(label) for label in shown]) if shown else True
        absent, wrong = ~answers.true(said) & context, answers.given(said)
        alone, neither = absent & answers.true(there), absent & ~answers.true(there)
        text = f"{there.capitalize()} is taken for {said}"
        if not alone.any() or not neither.any():
            yield text, f"no photo of {there} without {said}, or none without both", UNKNOWN
            return
        instead, beside = (int((alone & wrong & part).sum()) for part in (~answers.given(there), answers.given(there)))
        table = [[int((part & answer).sum()) for answer in (wrong, ~wrong)] for part in (alone, neither)]
        p = float(fisher_exact(table, alternative="greater").pvalue)
        others = f"photos of {' and '.join(shown)} with neither" if shown else "with neither"
        number = f"{said} is wrongly given on {_share(table[0][0], sum(table[0]))} photos of {there} ({instead:,} instead, "
        number += f"{beside:,} beside it), on {_share(table[1][0], sum(table[1]))} {others}; {_p(p)}"
        yield text, number, _verdict(p < LEVEL)

    return claim


def sexes_are_harder(answers: Answers) -> Iterator[Line]:
    claim = "That a person is there is easier than whether female or male"
    if rare := _too_few(answers, ("people", "female", "male")):
        yield claim, rare, UNKNOWN
        return
    places = [answers.labels.index(label) for label in ("people", "female", "male")]
    drawn, scores = answers.resampled_f1[:, places], answers.f1[places]
    low = min(_bounds(drawn[:, 0] - drawn[:, place])[0] for place in (1, 2))
    number = f"F1 people {scores[0]:.3f}, female {scores[1]:.3f}, male {scores[2]:.3f}; the smaller gap is at least {low:+.3f}"
    yield claim, number, _verdict(low > 0)


def both_sexes(answers: Answers) -> Iterator[Line]:
    from scipy.stats import binomtest

    true = answers.true("female") & answers.true("male")
    given = answers.given("female") & answers.given("male")
    more, fewer = int((given & ~true).sum()), int((true & ~given).sum())
    p = float(binomtest(more, more + fewer, alternative="greater").pvalue) if more + fewer else 1.0
    number = f"together on {given.sum():,} photos by the network, {true.sum():,} by the annotators; McNemar {_p(p)}"
    yield "The network says female and male together more often than annotators do", number, _verdict(p < LEVEL)
    one = answers.true("female") ^ answers.true("male")
    number = f"both are given on {_share(int((given & one).sum()), int(one.sum()))} photos annotated with one of them"
    yield "One person is called both female and male (labels belong to photos, not to persons)", number, UNKNOWN


def babies(answers: Answers) -> Iterator[Line]:
    wrong = answers.given("baby") & ~answers.true("baby")
    people = int((wrong & answers.true("people")).sum())
    number = f"of the photos wrongly called baby, {_share(people, int(wrong.sum()))} show people; no label says child"
    yield "Baby is taken for small child", number, UNKNOWN


def parts_of_people(answers: Answers) -> Iterator[Line]:
    wrong = answers.given("people") & ~answers.true("people")
    bare = int((wrong & ~answers.targets.any(axis=1)).sum())
    number = f"people is wrongly given on {wrong.sum():,} photos, {bare:,} of them without any label; parts have no label"
    yield "Parts of people are not annotated alike", number, UNKNOWN


def _main_subject(scenery: str) -> Callable[[Answers], Iterator[Line]]:
    def claim(answers: Answers) -> Iterator[Line]:
        from scipy.stats import fisher_exact

        text = f"Annotators leave {scenery} behind people unsaid"
        absent, wrong = ~answers.true(scenery), answers.given(scenery)
        people = answers.true("people")
        if not (absent & people).any() or not (absent & ~people).any():
            yield text, f"without {scenery}, no photo shows people, or every photo does", UNKNOWN
            return
        table = [[int((absent & part & said).sum()) for said in (wrong, ~wrong)] for part in (people, ~people)]
        p = float(fisher_exact(table, alternative="greater").pvalue)
        rates = [f"{_share(cells[0], sum(cells))}" for cells in table]
        number = f"{scenery} is given without annotation on {rates[0]} photos of people, {rates[1]} others; {_p(p)}"
        yield text, number, _verdict(p < LEVEL)

    return claim


def persons_imply_people(answers: Answers) -> Iterator[Line]:
    people = answers.true("people")
    found, texts = [], []
    for label in ("male", "female", "baby"):
        carriers = answers.true(label)
        if carriers.any():
            share = float(people[carriers].mean())
            error = 1.96 * np.sqrt(share * (1 - share) / carriers.sum())
            found.append(share - error > max(0.5, float(people.mean())))
            texts.append(f"{label} {100 * share:.0f} %")
    number = f"carry people too: {', '.join(texts) or 'no such photo'}; of all photos {100 * people.mean():.0f} %"
    verdict = _verdict(all(found)) if found else UNKNOWN
    yield "Male, female and baby photos are very often people photos", number, verdict


CLAIMS: tuple[tuple[tuple[str, ...], Callable[[Answers], Iterator[Line]]], ...] = (
    (HARD, hardest),
    ((), rare_is_hard),
    (("sea",), balanced_but_for_sea),
    (("female", "male"), _taken("male", "female")),
    (("female", "male"), _taken("female", "male")),
    (("people", "female", "male"), sexes_are_harder),
    (("female", "male"), both_sexes),
    (("baby", "people"), babies),
    (("people",), parts_of_people),
    *(((scenery, "people"), _main_subject(scenery)) for scenery in SCENERY),
    (("river", "sea"), _taken("river", "sea")),
    (("river", "sea"), _taken("sea", "river")),
    (("male", "female", "baby", "people"), persons_imply_people),
)
