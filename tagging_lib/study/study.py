"""What a notebook opens first: the corpus, the split, the rows that the profile runs, and where figures go."""

from __future__ import annotations

import dataclasses
import logging
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tagging_lib import files
from tagging_lib.data import pixels, splits, statistics
from tagging_lib.data.corpus import SAMPLE, SAMPLE_TEST, Corpus, open_photos
from tagging_lib.errors import TaggingError, WeightsUnavailable
from tagging_lib.evaluation import thresholds, uncertainty
from tagging_lib.runs import rows
from tagging_lib.runs.run import Result, is_finished, run
from tagging_lib.runs.setting import PARTS, Setting, Unlabelled
from tagging_lib.study import compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tagging_lib.report.explorer.page import Explorer

logger = logging.getLogger(__name__)
PROFILES = ("auto", "quick", "cpu", "full")
QUICK_TRAIN_PHOTOS = 320
OTHER_TRAININGS = 4  # seeds after the study's own that are looked for
SHOWN_LEFT_OUT = 20  # photos named in the banner; all of them are in a table
GPU_REMEDY = "run ./run_all.sh --profile full on a machine with a CUDA device"
TOY_REASON = "has no toy scale of its own"
NIGHT_REASON = "takes an hour or so without a CUDA device"
UNLABELLED_REASON, UNLABELLED_REMEDY = "learns from unlabelled photos too, and there are none", "name some with --test-photos"


def name_in_text(name: str) -> str:
    """A file's name as markdown code, whatever letters it has."""
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", name)), default=0))
    return f"{fence} {name} {fence}" if "`" in name else f"`{name}`"


def project_folder() -> Path:
    """The folder that relative paths start from: the working directory, or its parent inside `notebooks/`."""
    here = Path.cwd()
    return here.parent if here.name == "notebooks" else here


def choose_device(device: str) -> str:
    """`cpu` or `cuda`; `auto` takes CUDA where there is one.

    Raises:
        TaggingError: CUDA is asked for and absent, or the name is unknown.
    """
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise TaggingError(f"device is {device!r}: choose auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise TaggingError("device is cuda, but torch finds no CUDA device: choose auto or cpu")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def choose_profile(profile: str, corpus: str, device: str) -> str:
    """`quick`, `cpu` or `full`; `auto` is quick for the sample corpus, full with CUDA, otherwise cpu."""
    if profile not in PROFILES:
        raise TaggingError(f"profile is {profile!r}: choose one of {', '.join(PROFILES)}")
    if profile != "auto":
        return profile
    if corpus == "sample":
        return "quick"
    return "full" if device == "cuda" else "cpu"


def open(
    CORPUS: str = "sample",
    PROFILE: str = "auto",
    SEED: int = 42,
    SEEDS: int = 1,
    DEVICE: str = "auto",
    WEIGHTS: str = "",
    OUTPUTS: str = "outputs",
    DATA: str = "data",
    TEST_PHOTOS: str = "",
    SPLIT: str = "random",
    SKIP_BROKEN: bool = False,
    *,
    record: bool = True,
) -> Study:
    """The study of a corpus, ready to be asked for rows. The arguments are a notebook's parameters, name by name.

    Args:
        record: write down for the report what is studied; one row that is trained by itself is none of its business.

    Raises:
        TaggingError: a parameter is wrong, or the corpus cannot be used; one line that says which and what to do.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    root = project_folder()
    device = choose_device(DEVICE)
    profile = choose_profile(PROFILE, CORPUS, device)
    data_folder = root / DATA
    named = CORPUS in ("sample", "mirflickr25k")
    source = CORPUS if named else ",".join(str(root / part.strip()) for part in CORPUS.split(","))
    corpus = Corpus.open(source, data_dir=data_folder, skip_broken=SKIP_BROKEN)
    setting = Setting(
        corpus=corpus,
        pixels=pixels.load(corpus, cache_dir=data_folder / "cache"),
        split=splits.split(corpus, seed=SEED, rule=SPLIT),
        device=device,
        outputs=root / OUTPUTS,
        weights_folder=root / WEIGHTS if WEIGHTS else None,
        train_limit=QUICK_TRAIN_PHOTOS if profile == "quick" else None,
        unlabelled=_unlabelled(root / TEST_PHOTOS if TEST_PHOTOS else None, CORPUS, data_folder, SKIP_BROKEN),
    )
    if setting.weights_folder is not None and not setting.weights_folder.exists():
        raise TaggingError(f"weights folder {setting.weights_folder} does not exist: correct WEIGHTS or leave it empty")
    study = Study(setting, profile, SEED, SEEDS)
    if not record:
        return study
    for folder in (study.figures, study.tables):
        files.make_folder(folder)
    splits.write_csv(setting.split, corpus, study.tables / "split.csv")
    if corpus.left_out:
        study.save_table(study.left_out_photos, "left_out_photos")
    files.write_json(study.outputs / "work" / "study.json", study.facts)
    return study


def _unlabelled(path: Path | None, corpus: str, data_folder: Path, skip_broken: bool) -> Unlabelled | None:
    """The photos at the path; the sample corpus brings its own, any other has none without a path."""
    if path is None:
        if corpus != SAMPLE:
            return None
    elif not path.exists():
        raise TaggingError(f"test photos {path} do not exist: correct TEST_PHOTOS or leave it empty")
    photos = open_photos(path or SAMPLE_TEST, data_dir=data_folder, skip_broken=skip_broken)
    return Unlabelled(photos, data_folder / "cache")


def write_figure(figure: Figure, path: Path) -> list[Path]:
    """Write the figure as `path` with `.png` and with `.svg` added; the paths of both."""
    written = [path.parent / f"{path.name}.{suffix}" for suffix in ("png", "svg")]
    for target in written:
        with files.replacing(target) as temporary:
            figure.savefig(temporary, format=target.suffix[1:], bbox_inches="tight", dpi=150)
    return written


@dataclass(eq=False)
class Study:
    """A corpus under a profile. Rows are run when first asked for, and read from their folder afterwards."""

    setting: Setting
    profile: str
    seed: int
    n_seeds: int
    _left_out: dict[str, tuple[str, str]] = field(default_factory=dict)
    _results: dict[tuple[str, int], Result] = field(default_factory=dict)

    @property
    def corpus(self) -> Corpus:
        return self.setting.corpus

    @property
    def labels(self) -> tuple[str, ...]:
        return self.corpus.labels

    @property
    def targets(self) -> np.ndarray:
        """uint8 (N, L)."""
        return self.corpus.targets

    @property
    def pixels(self) -> np.ndarray:
        """uint8 (N, S, S, 3)."""
        return self.setting.pixels

    @property
    def unlabelled(self) -> Unlabelled | None:
        """The photos that nobody has labelled, where the study has such."""
        return self.setting.unlabelled

    @property
    def split(self) -> splits.Split:
        return self.setting.split

    @property
    def device(self) -> str:
        return self.setting.device

    @property
    def outputs(self) -> Path:
        return self.setting.outputs

    @property
    def figures(self) -> Path:
        return self.outputs / "work" / "figures"

    @property
    def tables(self) -> Path:
        return self.outputs / "work" / "tables"

    @property
    def seeds(self) -> list[int]:
        return [self.seed + step for step in range(self.n_seeds)]

    @property
    def toy(self) -> bool:
        return self.profile == "quick"

    @property
    def mean(self) -> np.ndarray:
        """Channel means of the training part, (3,) on [0, 1] pixels."""
        return self.setting.channel_statistics[0]

    @property
    def std(self) -> np.ndarray:
        """Channel standard deviations of the training part, (3,) on [0, 1] pixels."""
        return self.setting.channel_statistics[1]

    @cached_property
    def pos_weight(self) -> np.ndarray:
        """Negatives ÷ positives of each label in the training part, float32 (L,)."""
        return statistics.pos_weight(self.truth("train"))

    def truth(self, part: str) -> np.ndarray:
        """Targets of `train`, `validation` or `test`, uint8 (n, L)."""
        return self.setting.truth(part)

    def indices(self, part: str) -> np.ndarray:
        """Row numbers of the photos in a part, int64 (n,)."""
        return self.setting.indices(part)

    @property
    def facts(self) -> dict[str, Any]:
        """What is studied and how, for the report's manifest."""
        return {
            "corpus": self.corpus.name,
            "fingerprint": self.corpus.fingerprint,
            "photos": len(self.corpus),
            "left_out_photos": len(self.corpus.left_out),
            "labels": list(self.labels),
            "split": {
                "rule": self.split.rule,
                "seed": self.split.seed,
                "fingerprint": self.split.fingerprint,
                "photos": {part: len(self.indices(part)) for part in PARTS},
            },
            "profile": self.profile,
            "device": self.device,
            "seeds": self.seeds,
            "weights": self.setting.weights_folder.name if self.setting.weights_folder else None,
        }

    @property
    def banner(self) -> str:
        """Markdown: corpus, split, profile, device and versions; in the quick profile the warning that it is a toy."""
        from importlib.metadata import version

        parts = {part: len(self.indices(part)) for part in ("train", "validation", "test")}
        lines = [
            f"**Corpus** `{self.corpus.name}`, {len(self.corpus):,} photos, {len(self.labels)} labels, "
            f"fingerprint `{self.corpus.fingerprint}`",
            f"**Split** {self.split.rule}, seed {self.seed}: {parts['train']:,} train, {parts['validation']:,} validation, "
            f"{parts['test']:,} test",
            f"**Profile** {self.profile} on {self.device}, {files.describe_machine()['processor']}, "
            f"torch {version('torch')}",
        ]
        left_out = self.left_out_photos
        if len(left_out):
            first = "; ".join(f"{name_in_text(row.photo)} {row.problem}" for row in left_out[:SHOWN_LEFT_OUT].itertuples())
            more = f"; and {len(left_out) - SHOWN_LEFT_OUT} more" if len(left_out) > SHOWN_LEFT_OUT else ""
            lines.append(f"**Left out** {len(left_out)} broken photos: {first}{more}")
        text = "  \n".join(lines)
        if self.toy:
            text = "> **Toy scale: shows that it works, not how well.** Few photos, 64 px, random weights.\n\n" + text
        return text

    @property
    def left_out_photos(self) -> pd.DataFrame:
        """Broken photos that the study goes on without: photo, problem."""
        entries = [(problem.where, problem.what) for problem in self.corpus.left_out]
        return pd.DataFrame(entries, columns=["photo", "problem"])

    def on_split(self, seed: int) -> Study:
        """The same study with the photos divided anew, by the same rule from another seed."""
        setting = dataclasses.replace(self.setting, split=splits.split(self.corpus, seed=seed, rule=self.split.rule))
        return dataclasses.replace(self, setting=setting, seed=seed, _left_out={}, _results={})

    # ------------------------------------------------------------------ rows

    def row(self, name: str, seed: int | None = None) -> rows.Experiment:
        """The experiment behind a row's name, as this profile runs it."""
        experiment = rows.find(name).with_seed(self.seed if seed is None else seed)
        return rows.quick(experiment) if self.toy else experiment

    def rows(self, group: str = "all") -> list[str]:
        """Names of the rows in a group (`baselines`, `transfer`, `augmentation`, `dropout`, `ablation`, `recipe`), or of all."""
        if group != "all" and group not in rows.GROUPS:
            raise TaggingError(f"no group of rows is called {group!r}: choose all or one of {', '.join(rows.GROUPS)}")
        return [row.name for row in rows.ROWS if group in ("all", row.group)]

    def result(self, name: str, seed: int | None = None) -> Result:
        """The row's result; it is run when its folder does not hold it yet.

        Raises:
            WeightsUnavailable: its pretrained weights are out of reach.
        """
        experiment = self.row(name, seed)
        identity = (name, experiment.recipe.seed)
        if identity not in self._results:
            self._results[identity] = run(experiment, self.setting)
        return self._results[identity]

    def results(self, names: list[str] | None = None) -> list[Result]:
        """Results of the rows that this profile can run; the others appear in `left_out` with their reason."""
        found = []
        for name in self.rows() if names is None else names:
            experiment = self.row(name)
            if self.toy and not experiment.toy:
                self._left_out[name] = (TOY_REASON, GPU_REMEDY)
                continue
            if isinstance(experiment, rows.SelfTrained) and self.setting.unlabelled is None:
                self._left_out[name] = (UNLABELLED_REASON, UNLABELLED_REMEDY)
                continue
            if experiment.needs_gpu and self.profile == "cpu":
                self._left_out[name] = ("too slow without a CUDA device", GPU_REMEDY)
                continue
            if experiment.overnight and self.profile == "cpu" and not self.finished([name]):
                same = "--corpus, --test-photos, --weights and --profile"
                remedy = f"run `tagging train {name}` with the same {same}, then this again"
                self._left_out[name] = (NIGHT_REASON, remedy)
                continue
            try:
                found.append(self.result(name))
            except WeightsUnavailable as error:
                reason, _, remedy = str(error).partition(": ")
                self._left_out[name] = (reason, remedy)
        return found

    def finished(self, names: list[str] | None = None) -> list[Result]:
        """Results that are already in their folders; nothing is run."""
        found = []
        for name in self.rows() if names is None else names:
            if is_finished(self.row(name), self.setting):
                found.append(self.result(name))
        return found

    def other_trainings(self, results: list[Result]) -> list[Result]:
        """The same rows from other seeds on the same split, as far as they are finished; nothing is run."""
        found = []
        for result in results:
            if result.experiment.trained == "none":
                continue
            for seed in range(self.seed + 1, self.seed + 1 + OTHER_TRAININGS):
                experiment = self.row(result.name, seed)
                if is_finished(experiment, self.setting):
                    titled = dataclasses.replace(experiment, title=f"{experiment.title}, from seed {seed}")
                    found.append(run(titled, self.setting))
        return found

    @property
    def left_out(self) -> pd.DataFrame:
        """Rows that were asked for and could not run: row, reason, how to get it."""
        entries = [
            (self.row(name).title, reason, remedy) for name, (reason, remedy) in self._left_out.items()
        ]
        return pd.DataFrame(entries, columns=["row", "reason", "how to get it"])

    def best(self) -> Result:
        """The finished row with the highest micro-F1 on validation; never chosen on test."""
        finished = [result for result in self.finished() if result.experiment.network != "constant"]
        if not finished:
            raise TaggingError("no trained row is finished: run notebook 03_transfer_learning first")
        return max(finished, key=lambda result: result.score("validation")["micro_f1"])

    # ------------------------------------------------------------ thresholds

    @property
    def thresholds_file(self) -> Path:
        return self.outputs / "work" / "thresholds.json"

    def save_thresholds(self, table: pd.DataFrame) -> Path:
        """Keep the chosen thresholds (columns row, threshold) for notebooks 06 and 07. Only 05 calls this."""
        chosen = {str(row.row): float(row.threshold) for row in table.itertuples()}
        files.write_json(self.thresholds_file, {"corpus": self.corpus.fingerprint, "thresholds": chosen})
        return self.thresholds_file

    def require_thresholds(self) -> dict[str, float]:
        """Thresholds that notebook 05 saved, by row name.

        Raises:
            TaggingError: there are none for this corpus; it names the notebook to run.
        """
        if not self.thresholds_file.exists():
            raise TaggingError(f"{self.thresholds_file} is missing: run notebook 05_threshold_search first")
        stored = files.read_json(self.thresholds_file)
        if stored["corpus"] != self.corpus.fingerprint:
            raise TaggingError(
                f"{self.thresholds_file} belongs to another corpus: run notebook 05_threshold_search on this one first"
            )
        return stored["thresholds"]

    def threshold(self, name: str) -> float:
        """The row's threshold: best validation micro-F1 on the original's grid."""
        return self.result(name).threshold

    def sweep(self, name: str, grid: np.ndarray | None = None, part: str = "validation") -> pd.DataFrame:
        """F1, precision and recall of a row against the threshold (the original's grid when none is given)."""
        result = self.result(name)
        grid = thresholds.GRID if grid is None else grid
        return thresholds.sweep(self.truth(part), result.probabilities(part), grid=grid)

    # ------------------------------------------------------- figures, tables

    def save_figure(self, figure: Figure, name: str) -> Figure:
        """Write the figure as PNG and SVG under its name, and return it for the notebook to show."""
        write_figure(figure, self.figures / name)
        figure.saved_as = name  # type: ignore[attr-defined]  # the report's page reads it from what is shown
        return figure

    def save_table(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """Write the table as CSV under its name, and return it for the notebook to show."""
        files.write_text(self.tables / f"{name}.csv", table.to_csv(index=False))
        table.attrs["saved_as"] = name  # as `save_figure`; a selection of the table keeps it
        return table

    def save_explorer(self, explorer: Explorer) -> Explorer:
        """Write the error explorer's page for the report, and return it for the notebook to show as a link."""
        files.write_text(self.outputs / "work" / "explorer.html", explorer.html)
        return explorer

    def headline(self, names: list[str] | None = None) -> pd.DataFrame:
        """One line a row: test micro-F1 with its interval, beside the original's; rows left out are not in it.

        micro_f1 is the mean over the seeds, and so is what low and high are the interval of; two rows without a letter
        in common in `groups` differ. The other scores are those of the first seed.
        """
        results = self.results(names)
        letters = compare.groups(self, results)
        lines = [self._headline_row(result, group) for result, group in zip(results, letters, strict=True)]
        return pd.DataFrame(lines, columns=HEADLINE)

    def _headline_row(self, result: Result, group: str) -> list:
        experiment, score = result.experiment, result.score("test")
        trainings = compare.trainings(self, result)
        f1, f1_sd = uncertainty.over_seeds([training.score("test")["micro_f1"] for training in trainings])
        original = rows.ORIGINAL.get(result.name)
        several = len(trainings) > 1
        low, high = (
            uncertainty.bootstrap_interval(self.truth("test"), compare.answers(self, result)) if several else result.interval
        )
        return [
            result.name,
            result.title,
            experiment.network,
            result.details["weights"],
            experiment.trained,
            experiment.recipe.augmentation if experiment.trained != "none" else "none",
            int(result.history.epoch.max()) if len(result.history) else 0,
            f1,
            low,
            high,
            group,
            f1_sd,
            len(trainings),
            score["micro_precision"],
            score["micro_recall"],
            score["macro_f1"],
            result.ratio_of_f1,
            result.seconds,
            result.threshold,
            original.f1 if original else float("nan"),
            original.precision if original else float("nan"),
            original.recall if original else float("nan"),
            original.ratio_of_f1 if original and original.ratio_of_f1 else float("nan"),
            original.seconds if original and original.seconds else float("nan"),
        ]

    # ------------------------------------------------------------ final model

    def final_model(self) -> dict:
        """The best row, continued for one epoch on validation and one on test, kept as a model folder."""
        from tagging_lib.study import final

        return final.train(self)

    def predict_test_photos(self) -> pd.DataFrame | None:
        """Predictions of the final model for the unlabelled test photos, also written to files; None without photos."""
        from tagging_lib.study import final

        if self.unlabelled is None:
            return None
        from tagging_lib.inference.predict import predict_photos

        outputs, cache_dir = final.folder(self), self.unlabelled.cache_dir
        return predict_photos(outputs, self.unlabelled.photos, cache_dir=cache_dir, outputs=outputs)


HEADLINE = [
    "row",
    "title",
    "network",
    "weights",
    "trained",
    "augmentation",
    "epochs",
    "micro_f1",
    "low",
    "high",
    "groups",
    "f1_sd",
    "seeds",
    "precision",
    "recall",
    "macro_f1",
    "ratio_of_f1",
    "seconds",
    "threshold",
    "original_f1",
    "original_precision",
    "original_recall",
    "original_ratio_of_f1",
    "original_seconds",
]
