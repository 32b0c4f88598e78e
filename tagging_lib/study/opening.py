"""A study from the parameters of a notebook, which are the options of the command line."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tagging_lib import files
from tagging_lib.data import pixels, splits, twins
from tagging_lib.data.corpus import MIRFLICKR, SAMPLE, SAMPLE_TEST, Corpus, open_photos
from tagging_lib.data.decoding import Framing
from tagging_lib.data.readers.reading import as_words, options_of
from tagging_lib.errors import TaggingError
from tagging_lib.models import device as devices
from tagging_lib.models import ranks
from tagging_lib.runs.setting import Setting, Unlabelled
from tagging_lib.study import describe, profiles
from tagging_lib.study.study import Study

logger = logging.getLogger(__name__)
NAMED = (SAMPLE, MIRFLICKR)


def project_folder() -> Path:
    """The folder that relative paths start from: the working directory, or its parent inside `notebooks/`."""
    here = Path.cwd()
    return here.parent if here.name == "notebooks" else here


def placed(path: str) -> Path:
    """A path that the user wrote, from the project's folder, with `~` for the home folder."""
    return project_folder() / Path(path.strip()).expanduser()


def paths_of(paths: str) -> list[Path]:
    """The path, or the paths joined by commas; a name of its own that holds a comma is one path."""
    if not paths.strip():
        return []
    if os.path.exists(placed(paths)):
        return [placed(paths)]
    return [placed(part) for part in paths.split(",") if part.strip()]


@ranks.in_turn()
def open_study(
    CORPUS: str = SAMPLE,
    PROFILE: str = profiles.AUTO,
    SEED: int = 42,
    SEEDS: int = 1,
    DEVICE: str = "auto",
    WEIGHTS: str = "",
    OUTPUTS: str = "outputs",
    DATA: str = "data",
    TEST_PHOTOS: str = "",
    SPLIT: str = "random",
    SKIP_BROKEN: bool = False,
    READ: str = "",
    *,
    record: bool = True,
    here: bool = True,
) -> Study:
    """The study of a corpus, ready to be asked for rows. The arguments are a notebook's parameters, name by name.

    Args:
        record: write down for the report what is studied; one row that is trained by itself is none of its business.
        here: False for a study that only says what other machines shall do: a CUDA device is not looked for in this one.

    Raises:
        TaggingError: a parameter is wrong, or the corpus cannot be used; one line that says which and what to do.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    device = DEVICE if not here and DEVICE.partition(":")[0] == "cuda" else ranks.own(devices.choose(DEVICE))
    data_folder = placed(DATA)
    profile = profiles.choose(PROFILE, CORPUS, device)
    weights_folder = placed(WEIGHTS) if WEIGHTS else None
    if weights_folder is not None and not weights_folder.exists():
        raise TaggingError(f"weights folder {weights_folder} does not exist: correct WEIGHTS or leave it empty")
    source = CORPUS if CORPUS in NAMED else paths_of(CORPUS)
    options = options_of(READ)
    if options.relabel:
        options = dataclasses.replace(options, relabel=placed(str(options.relabel)))
    if options.corrections:
        options = dataclasses.replace(options, corrections=tuple(paths_of(str(options.corrections))))
    corpus = Corpus.open(source, data_dir=data_folder, skip_broken=SKIP_BROKEN, options=options)
    decoded = pixels.Decoded(corpus.as_read, data_folder / "cache")
    shown = decoded.at(pixels.SIDE, Framing.CROP)
    groups = twins.together(corpus, options.groups, shown)
    setting = Setting(
        corpus=corpus,
        pixels=shown,
        decoded=decoded,
        split=splits.split(corpus, seed=SEED, rule=SPLIT, groups=groups),
        device=device,
        outputs=placed(OUTPUTS),
        weights_folder=weights_folder,
        train_limit=profile.train_photos,
        unlabelled=_unlabelled(TEST_PHOTOS, CORPUS, data_folder, SKIP_BROKEN),
    )
    study = Study(setting, profile, SEED, SEEDS)
    if record:
        _record(study)
    elif corpus.corrections:
        logger.info("%s", describe.corrected(study))
    return study


def as_options(parameters: Mapping[str, Any], without: Collection[str] = ()) -> list[str]:
    """Parameters of a notebook as words of a command line, not quoted; those at their defaults are not written."""
    words = []
    for name, argument in inspect.signature(open_study).parameters.items():
        if name not in parameters or name in without or parameters[name] == argument.default:
            continue
        if name == "READ":
            words += as_words(str(parameters[name]))
        else:
            words.append(f"--{name.lower().replace('_', '-')}")
            if parameters[name] is not True:
                words.append(str(parameters[name]))
    return words


def _record(study: Study) -> None:
    study.ledger = study.work / "rows.json"
    files.write_json(study.ledger, [])
    files.make_folder(study.work / "figures")
    files.make_folder(study.work / "tables")
    splits.write_csv(study.split, study.corpus, study.work / "tables" / "split.csv")
    if study.corpus.left_out:
        study.save_table(describe.left_out_photos(study.corpus), "left_out_photos")
    if study.corpus.corrections:
        study.save_table(describe.corrections_table(study), "corrections")
    files.write_json(study.work / "study.json", describe.facts(study))


def _unlabelled(test_photos: str, corpus: str, data_folder: Path, skip_broken: bool) -> Unlabelled | None:
    """The photos at the path; the sample corpus brings its own, any other has none without a path."""
    source: str | list[Path] = paths_of(test_photos)
    if not source:
        if corpus != SAMPLE:
            return None
        source = SAMPLE_TEST
    for path in source if isinstance(source, list) else ():
        if not path.exists():
            raise TaggingError(f"test photos {path} do not exist: correct TEST_PHOTOS or leave it empty")
    photos = open_photos(source, data_dir=data_folder, skip_broken=skip_broken)
    return Unlabelled(photos, data_folder / "cache")
