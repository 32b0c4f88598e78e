"""The README's results section comes out of a report, and only what lies between the markers changes."""

import pandas as pd
import pytest

from tagging_lib import files
from tagging_lib.errors import TaggingError
from tagging_lib.report.pages import readme

PAGE = f"# Title\n\n{readme.BEGIN}\nstale\n{readme.END}\n\nThe end.\n"


@pytest.fixture
def report(tmp_path):
    folder = tmp_path / "report"
    (folder / "tables").mkdir(parents=True)
    rows = {"title": ["Weak", "A | B"], "micro_f1": [0.3214, 0.7591], "low": [0.31, 0.7463], "high": [0.33, 0.7704]}
    pd.DataFrame(rows).to_csv(folder / "tables" / readme.HEADLINE, index=False)
    files.write_json(
        folder / "manifest.json",
        {
            "study": {"photos": 20000, "labels": ["a", "b"], "split": {"rule": "random"}, "profile": "cpu", "device": "cpu"},
            "parameters": {"SEED": 42},
            "machine": {"processor": "A processor", "cores": 2},
            "versions": {"torch": "2.15.0"},
            "command": "./run_all.sh --profile cpu",
            "rendered": "2026-11-24T10:00:00+00:00",
        },
    )
    return folder


def test_the_best_row_comes_first_with_its_interval_and_the_rest_of_the_file_stays(report, tmp_path):
    page = tmp_path / "README.md"
    page.write_text(PAGE)
    readme.fill(page, report)
    text = page.read_text()
    assert text.startswith(f"# Title\n\n{readme.BEGIN}\n") and text.endswith(f"{readme.END}\n\nThe end.\n")
    assert "stale" not in text and "20,000 photos with 2 labels" in text and "`./run_all.sh --profile cpu`" in text
    assert text.index("0.759 \\[0.746, 0.770\\]") < text.index("0.321 \\[0.310, 0.330\\]")
    assert "A \\| B" in text, "a title cannot break the table"
    readme.fill(page, report)
    assert page.read_text() == text, "filling twice changes nothing"


def test_means_over_splits_and_ensembles_follow_where_the_report_has_them(report):
    alone = readme.results(report)
    assert "over splits" not in alone and "joined" not in alone
    splits = {"row": ["Weak"], "seeds": ["42, 43"], "micro_f1": [0.7974], "micro_sd": [0.0041]}
    splits |= {"macro_f1": [0.699], "macro_sd": [0.0121]}
    pd.DataFrame(splits).to_csv(report / "tables" / "03_splits.csv", index=False)
    joined = {"ensemble": ["Mean"], "members": ["Weak; A | B (×2)"], "threshold": [0.35], "micro_f1": [0.8013], "low": [0.7905]}
    joined |= {"high": [0.8117], "macro_f1": [0.711], "difference": [-0.0076], "difference_low": [-0.0123]}
    joined |= {"difference_high": [-0.003], "p": [0.0013], "p_holm": [0.0052], "verdict": ["worse"]}
    pd.DataFrame(joined).to_csv(report / "tables" / "03_ensembles.csv", index=False)
    text = readme.results(report)
    assert text.startswith(alone)
    (over,) = [line for line in text.splitlines() if line.startswith("| Weak") and "±" in line]
    assert [cell.strip() for cell in over.strip("|").split("|")] == ["Weak", "42, 43", "0.797 ± 0.004", "0.699 ± 0.012"]
    (mean,) = [line for line in text.splitlines() if line.startswith("| Mean")]
    assert "0.801 \\[0.790, 0.812\\]" in mean and "-0.008 \\[-0.012, -0.003\\]" in mean and "0.005" in mean
    assert "worse" in mean and "Weak; A \\| B (×2)" in mean
    on_splits = {"ensemble": "Mean"} | {name: values[0] for name, values in splits.items() if name != "row"}
    pd.DataFrame([on_splits]).to_csv(report / "tables" / "03_ensembles_over_splits.csv", index=False)
    flipped = splits | {"row": ["Weak, flipped"], "difference": [0.0031], "sd": [0.0027]}
    pd.DataFrame(flipped).to_csv(report / "tables" / "03_mirror_over_splits.csv", index=False)
    lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in readme.results(report).splitlines()]
    assert ["Weak, flipped", "42, 43", "0.797 ± 0.004", "0.699 ± 0.012", "+0.003 ± 0.003"] in lines
    assert ["Mean", "42, 43", "0.797 ± 0.004", "0.699 ± 0.012"] in lines
    pd.DataFrame(columns=list(splits)).to_csv(report / "tables" / "03_splits.csv", index=False)
    assert "over splits of" not in readme.results(report), "an empty table is none"


def test_a_report_that_sums_up_gives_the_rows_that_matter_and_not_every_one(report):
    story = {"what": ["Constant answer", "Original report", "Best ensemble"], "row": ["constant", None, None]}
    story |= {"title": ["Constant answer", "ResNet-152, as reported", "Mean | of 3"], "micro_f1": [0.3209, 0.759, 0.8007]}
    story |= {"low": [0.3082, None, 0.7902], "high": [0.3333, None, 0.811], "macro_f1": [0.055, None, 0.705]}
    pd.DataFrame(story | {"seconds": [0.01, 2542, None]}).to_csv(report / "tables" / readme.STORY, index=False)
    text = readme.results(report)
    table = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if line.startswith("| ")]
    assert table[0] == ["What", "Row", "Micro-F1 \\[95 %\\]", "Macro-F1", "Time"]
    assert table[2:] == [
        ["Constant answer", "Constant answer", "0.321 \\[0.308, 0.333\\]", "0.055", "0.0 s"],
        ["Original report", "ResNet-152, as reported", "0.759", "–", "42 min 22 s"],
        ["Best ensemble", "Mean \\| of 3", "0.801 \\[0.790, 0.811\\]", "0.705", "–"],
    ]
    assert "Weak" not in text and "best of its kind on validation" in text
    (report / "tables" / readme.HEADLINE).unlink()
    assert readme.results(report) == text


def test_what_is_missing_is_named_and_nothing_is_written(report, tmp_path):
    page = tmp_path / "README.md"
    page.write_text("# Title\n")
    with pytest.raises(TaggingError, match="lacks the lines"):
        readme.fill(page, report)
    assert page.read_text() == "# Title\n"
    (report / "manifest.json").unlink()
    page.write_text(PAGE)
    with pytest.raises(TaggingError, match="holds no report"):
        readme.fill(page, report)
    assert page.read_text() == PAGE
