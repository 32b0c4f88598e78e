"""`outputs/report/`: the finished notebooks as pages that open from disk, with every figure, table and a manifest.

The report is built in a folder beside the old one and takes its place only when it is whole. Nothing in it is loaded
from a network: pages have one stylesheet and a policy that forbids anything else. The index, for its table, and the error
explorer bring a script each, and the policy of the page allows that one and no other.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tagging_lib import files
from tagging_lib.report.explorer import page as explorer
from tagging_lib.report.figures import style
from tagging_lib.report.pages import commands, index, notebook, original_page
from tagging_lib.report.templates import STYLE_SHEET, environment
from tagging_lib.runs import kept

logger = logging.getLogger(__name__)
HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[2]
PATHS = ("CORPUS", "WEIGHTS", "OUTPUTS", "DATA", "TEST_PHOTOS")  # parameters that name files
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pandas", "scikit-learn", "scipy", "matplotlib", "papermill")


@dataclass(frozen=True)
class State:
    """What a report has to say of the run that its pages come from.

    Attributes:
        unfinished: in one sentence why that run has not ended; empty when it has.
        stale: notebooks whose last page came out of something else, which is not shown.
        expected: every notebook that a whole run has.
        answers: names and keys of the kept answers that the pages were made from.
    """

    unfinished: str = ""
    stale: Sequence[str] = ()
    expected: Sequence[str] = ()
    answers: Sequence[tuple[str, str]] = ()


def write(outputs: Path, records: Mapping[str, dict[str, Any]], state: State, *, photos: bool = True) -> Path:
    """Write `outputs/report/` from the finished notebooks in `outputs/work/` and return its `index.html`.

    Args:
        records: what is known of each notebook's run, by its name, at least one.
        photos: False leaves out every figure that may show photos of the corpus, and the photos of the error explorer;
            all numbers stay.
    """
    found = [notebook.read(outputs / "work" / f"{name}.ipynb", record, photos=photos) for name, record in records.items()]
    for page in found:
        page.command = commands.study(page.record["parameters"], page.number)
    with files.replacing_folder(outputs / "report") as building:
        _write(building, outputs, found, photos, state)
        _publish(building / "rows", outputs, state.answers)
    return outputs / "report" / "index.html"


def without_places(text: str, parameters: dict[str, Any]) -> str:
    """The text with files called by their names from the project or from their own folder on, whoever's machine made it.

    Lines in which torch tells of a download are left out: they name its host.
    """
    text = re.sub(r"(?m)(^|(?<=<pre>))Downloading: [^<\n]*\n?", "", text)
    given = [part.strip() for name in PATHS for part in str(parameters.get(name, "")).split(",")]
    places = {str(Path(part).parent) for part in given if Path(part).is_absolute()} | {str(PROJECT)}
    for place in sorted(places - {"/"}, key=len, reverse=True):
        # Not within a longer path, nor within base64.
        text = re.sub(rf"(?<![\w+/=.-]){re.escape(place)}/", "", text)
    return text


def _write(folder: Path, outputs: Path, found: list[notebook.Page], photos: bool, state: State) -> None:
    templates = environment()
    recomputed = original_page.read(outputs)
    made = sorted({path for page in found for path in page.record["files"]} | set(recomputed["files"] if recomputed else ()))
    for path in made:
        if not photos and Path(path).suffix in (".png", ".svg") and not style.without_photos(outputs / path):
            continue
        target = folder / Path(path).relative_to("work")
        target.parent.mkdir(exist_ok=True)
        if not photos and target.suffix == ".png":
            target.write_bytes(style.smaller(outputs / path).getvalue())
        else:
            shutil.copyfile(outputs / path, target)
    for name in ("figures", "tables"):
        (folder / name).mkdir(exist_ok=True)
    shutil.copyfile(STYLE_SHEET, folder / STYLE_SHEET.name)
    explored = f"work/{explorer.FILE}" in made
    if explored:
        blocks = explorer.blocks((outputs / "work" / explorer.FILE).read_text(encoding="utf-8"))
        explored_page = explorer.to_html(blocks, found, photos=photos, original=recomputed is not None)
        (folder / explorer.FILE).write_text(explored_page, encoding="utf-8")
    if recomputed is not None:
        recomputed_page = original_page.html(recomputed, found, explorer=explored)
        (folder / original_page.FILE).write_text(recomputed_page, encoding="utf-8")

    newest = max(found, key=lambda page: page.record["started"])

    def told(text: str) -> str:  # a report without photos is for other people, on other machines
        return text if photos else without_places(text, newest.record["parameters"])

    page_template = templates.get_template("page.html.j2")
    for position, page in enumerate(found):
        html = page_template.render(
            page=page,
            pages=found,
            current=page.name,
            explorer=explored,
            original=recomputed is not None,
            previous=found[position - 1] if position else None,
            next=found[position + 1] if position + 1 < len(found) else None,
        )
        (folder / f"{page.name}.html").write_text(told(html), encoding="utf-8")

    manifest = _manifest(folder, outputs, found, newest)
    html = index.html(
        found,
        index.About(
            command=manifest["command"],
            date=manifest["rendered"].replace("T", " ").replace("+00:00", " UTC"),
            commit=manifest["commit"],
            unfinished=state.unfinished,
            stale=state.stale,
            missing=[name for name in state.expected if name not in {*(page.name for page in found), *state.stale}],
            explorer=explored,
            original=original_page.summary(recomputed) if recomputed else "",
        ),
        folder / "tables",
    )
    (folder / "index.html").write_text(told(html), encoding="utf-8")
    files.write_text(folder / "manifest.json", told(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"))


def _publish(folder: Path, outputs: Path, answers: Sequence[tuple[str, str]]) -> None:
    """Copies of the answers, so that the report can be made again without training."""
    for name, key in answers:
        found = kept.find(outputs, name, key)
        if found is None:
            logger.warning("answers %s/%s are gone: the report does not carry them", name, key)
        else:
            kept.publish(found, folder / name / key)


def _manifest(folder: Path, outputs: Path, found: list[notebook.Page], newest: notebook.Page) -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    made = sorted([*(path for name in ("figures", "tables") for path in (folder / name).iterdir()), *folder.glob(explorer.FILE)])
    kept = ("key", "started", "seconds", "parameters")
    return {
        "rendered": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "command": commands.study(newest.record["parameters"]),
        "study": newest.record.get("study") or _study(outputs),
        "parameters": newest.record["parameters"],
        "machine": files.describe_machine(),
        "versions": versions,
        "notebooks": {page.name: {name: page.record[name] for name in kept} for page in found},
        "files": {path.relative_to(folder).as_posix(): files.sha256(path) for path in made},
    }


def _study(outputs: Path) -> dict[str, Any]:
    """Corpus, fingerprint, split, profile and device as `study.open` wrote them down."""
    path = outputs / "work" / "study.json"
    return files.read_json(path) if path.exists() else {}


def _commit() -> str | None:
    """The clone's commit, marked when files other than outputs differ from it; None outside a clone."""
    answers = []
    for asked in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)outputs"]):
        try:
            done = subprocess.run(["git", "-C", str(HERE), *asked], capture_output=True, text=True, timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        answers.append(done.stdout.strip())
    return answers[0] + (" with local changes" if answers[1] else "")
