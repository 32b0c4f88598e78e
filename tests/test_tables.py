"""Tables: what is shown is what was computed, and a corpus' own words never become markup."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from tagging_lib.report import tables

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.75949, "0.759"), (12000, "12,000"), (np.int64(7), "7"), (np.float32(0.5), "0.500"), (NAN, "–"), (None, "–")],
)
def test_number(value, text):
    assert tables.number(value) == text


def test_interval():
    assert tables.interval(0.7591, 0.7463, 0.7704) == "0.759 [0.746, 0.770]"
    assert tables.interval(0.7591, NAN, NAN) == "0.759 (too few photos for an interval)"
    assert tables.interval(NAN, NAN, NAN) == "undefined (no label to find)"
    assert tables.interval(NAN, NAN, NAN, sign="+") == "–", "a row that is compared with none"


def test_a_score_without_an_interval_stands_among_the_numbers():
    table = pd.DataFrame({"row": ["a", "b"], "f1": [0.5, 0.8], "low": [0.4, NAN], "high": [0.6, NAN]})
    shown = tables.to_html(tables.scores(table))
    assert ">0.800 (too few photos for an interval)<" in shown and 'class="number" style="text-align: right">0.800' in shown


def test_f1_with_its_parts_in_a_sentence():
    assert tables.f1_with_parts(0.8, 1.0, 2 / 3) == "F1 0.800, precision 1.000, recall 0.667"
    assert tables.f1_with_parts(NAN, NAN, NAN) == "F1, precision and recall undefined (no label to find)"


def test_a_deviation_of_one_value_is_left_out():
    assert [tables.spread(0.797, 0.0041), tables.spread(0.797, NAN), tables.spread(NAN, NAN)] == ["0.797 ± 0.004", "0.797", "–"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (2542, "42 min 22 s"), (3599.7, "1 h 0 min"), (NAN, "–")],
)
def test_duration(seconds, text):
    assert tables.duration(seconds) == text


def headline() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": ["constant", "a"],
            "title": ["Constant <b>", "Row | A"],
            "micro_f1": [0.3161, 0.7591],
            "low": [0.3, 0.7463],
            "high": [0.33, 0.7704],
            "f1_sd": [NAN, 0.0041],
            "seeds": [1, 3],
            "seconds": [0.0, 2542.0],
            "original_f1": [NAN, 0.759],
            "macro_f1": [NAN, NAN],
            "epochs": [0, 25],
        }
    )


def test_headline_shows_intervals_originals_and_seeds_and_leaves_empty_columns_out():
    frame = tables.headline(headline()).frame
    assert frame["Micro-F1 [95 %]"].tolist() == ["0.316 [0.300, 0.330]", "0.759 [0.746, 0.770]"]
    assert frame["Original F1"].tolist() == ["–", "0.759"]
    assert frame["Time"].tolist() == ["0.0 s", "42 min 22 s"]
    assert frame["Seeds"].tolist() == ["1", "3 (± 0.004)"]
    assert "Macro-F1" not in frame and "Group" not in frame
    assert tables.headline(headline().assign(letters=["", "ab"])).frame["Group"].tolist() == ["–", "ab"]
    assert "Seeds" not in tables.headline(headline().assign(seeds=1)).frame
    spent = {"train_seconds": [0.0, 2542.0], "feature_seconds": [0.0, 0.0]}
    made_of = headline().assign(epochs=[0, 25], weights="none", ratio_of_f1=[NAN, 1.1], **spent)
    assert list(tables.headline(made_of).frame) == list(frame), "what rows are made of stands in a table of its own"
    details = tables.details(made_of)
    assert list(details.frame) == ["Row", "Weights", "Epochs", "Micro-F1", "F1 train ÷ validation", "Training time", "Features"]
    assert details.frame.iloc[1].tolist() == ["Row | A", "none", "25", "0.759", "1.100", "42 min 22 s", "0.0 s"]
    sides = {"side": [128, 224], "photos_side": [128, 128]}
    shown = tables.details(made_of.assign(**sides, weights="Lite2, ImageNet-1k (package of-it)+VGG16, ImageNet-1k+my.pth")).frame
    assert shown["Looks at"].tolist() == ["128 px", "224 px (128)"], "in brackets where photos are kept smaller"
    assert shown["Weights"].tolist() == ["ImageNet-1k + my.pth"] * 2
    assert '<table class="headline">' in details._repr_html_()[0]


def test_thresholds_have_the_decimals_of_the_grid_and_nothing_is_less_than_zero_by_less_than_shown():
    table = pd.DataFrame({"threshold": [0.05, 0.35], "gain": [-0.0004, -0.0006]})
    shown = tables.scores(table)
    assert shown["threshold"].tolist() == ["0.05", "0.35"] and shown["gain"].tolist() == ["0.000", "-0.001"]


def test_html_escapes_every_text():
    evil = '<img src=x onerror="alert(1)">&'
    shown = tables.to_html(pd.DataFrame({evil: [evil], "n": [3]}), caption=evil)
    assert "<img" not in shown and shown.count("&lt;img") == 3 and "&amp;" in shown
    assert tables.headline(headline())._repr_html_()[0].count("Constant &lt;b&gt;") == 1


def test_numbers_stand_right_and_texts_left():
    table = pd.DataFrame({"label": ["baby", "12 monkeys"], "f1": [0.5, NAN], "photos": [1200, 3]})
    cells = re.findall(r'<(t[hd])[^>]*class="(\w+)"[^>]*>([^<]*)<', tables.to_html(table))
    assert [kind for _, kind, _ in cells[:3]] == ["text", "number", "number"]
    assert ("td", "number", "0.500") in cells and ("td", "number", "–") in cells and ("td", "number", "1,200") in cells


def test_markdown_is_a_table_that_shows_texts_literally():
    table = pd.DataFrame({"label": ["a|b", "$x_1$ *bold*\nnext"], "photos": [1200, 3]})
    lines = tables.to_markdown(table).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith(r"| a\|b ") and lines[2].endswith(" 1,200 |")
    assert r"\$x\_1\$ \*bold\* next" in lines[3]
    assert set(lines[1]) <= set("|-: ") and lines[1].rstrip(" |").endswith(":")
    assert len({len(line) for line in lines}) == 1


def test_markdown_shows_as_written_when_rendered():
    mistune = pytest.importorskip("mistune")
    text = "a|b <i> $x_1$ *b* `c` [d](e) &amp; ~~f~~ #"
    rendered = mistune.create_markdown(plugins=["table", "strikethrough"])(tables.to_markdown(pd.DataFrame({"x": [text]})))
    cell = re.search(r"<td[^>]*>(.*?)</td>", rendered, re.DOTALL).group(1)
    import html

    assert html.unescape(cell) == text


def test_scores_write_times_and_p_values_as_people_do():
    table = pd.DataFrame({"train_seconds": [61.0], "p": [1e-7], "p_holm": [0.04], "micro_f1": [0.5], "row": ["a_b"]})
    frame = tables.scores(table)
    assert frame.iloc[0].tolist() == ["1 min 1 s", "< 0.001", "0.040", "0.500", "a_b"]
    assert list(frame) == ["train time", "p", "p (Holm)", "micro-F1", "row"]


def test_bounds_and_deviations_stand_beside_their_score_and_differences_have_a_sign():
    table = pd.DataFrame({"row": ["a"], "micro_f1": [0.8013], "low": [0.7905], "high": [0.8117], "macro_f1": [0.711]})
    table = table.assign(difference=0.0041, difference_low=-0.00001, difference_high=0.0083)
    frame = tables.scores(table)
    assert list(frame) == ["row", "micro-F1 [95 %]", "macro-F1", "difference [95 %]"]
    assert frame.iloc[0].tolist() == ["a", "0.801 [0.790, 0.812]", "0.711", "+0.004 [+0.000, +0.008]"]
    columns = {"difference": [-0.002, 0.1], "sd": [0.0012, float("nan")], "lowest_difference": [-0.004, 0.1], "best_f1": [0.5, 1]}
    spread = tables.scores(pd.DataFrame(columns))
    assert spread["difference ± sd"].tolist() == ["-0.002 ± 0.001", "+0.100"]
    assert spread["lowest difference"].tolist() == ["-0.004", "+0.100"] and list(spread)[2] == "best F1"
    apart = tables.scores(pd.DataFrame({"people": [0.5], "low": [0.25], "high": [0.75]}))
    assert list(apart) == ["people", "low", "high"], "labels of a corpus are no bounds"


def test_left_out_says_so_when_every_row_ran():
    empty = pd.DataFrame(columns=["row", "reason", "how to get it"])
    assert "every row of this profile ran" in tables.left_out(empty)._repr_html_()[0]
    some = pd.DataFrame([["VGG16", "no weights", "--weights DIR"]], columns=["row", "reason", "how to get it"])
    assert "--weights DIR" in tables.left_out(some)._repr_markdown_()


def test_rows_left_out_for_one_reason_stand_together():
    entries = [["VGG16", "slow", "CUDA"], ["ResNet-34, head only", "no weights", None], ["ResNet-50", "slow", "CUDA"]]
    frame = tables.left_out(pd.DataFrame(entries, columns=["row", "reason", "how to get it"])).frame
    assert frame.to_numpy().tolist() == [["VGG16; ResNet-50", "slow", "CUDA"], ["ResNet-34, head only", "no weights", "–"]]


def test_a_table_knows_as_what_it_is_saved():
    left = pd.DataFrame([["VGG16", "no weights", "--weights DIR"]], columns=["row", "reason", "how to get it"])
    for table, show in [
        (pd.DataFrame({"micro_f1": [0.5, 0.6], "low": 0.4, "high": 0.7}), tables.numbers),
        (headline(), tables.headline),
        (headline(), tables.details),
        (left, tables.left_out),
        (left.head(0), tables.left_out),
    ]:
        assert show(table)._repr_html_()[1] == {"saved_as": ""}
        table.attrs["saved_as"] = "01_scores"
        assert show(table)._repr_html_()[1] == show(table.head(1))._repr_html_()[1] == {"saved_as": "01_scores"}


@pytest.mark.parametrize("table", [pd.DataFrame(), pd.DataFrame({"a": []}), pd.DataFrame({"a": [1]})])
def test_tables_without_rows_or_columns(table):
    assert tables.to_html(table).count("<tr>") == 1 + len(table)
    assert len(tables.to_markdown(table).splitlines()) == 2 + len(table)
    assert str(tables.numbers(table))


def test_a_long_table_is_shown_in_groups_and_otherwise_folded():
    rows = pd.DataFrame({"row": [f"r{i}" for i in range(tables.MOST_ROWS + 1)]})
    folded = tables.to_html(rows)
    assert folded.startswith('<details class="rows">\n<summary>Table of 13 rows</summary>')
    assert folded.endswith("</table>\n</details>")
    assert "<details" not in tables.to_html(rows.head(tables.MOST_ROWS))
    groups = ["b <i>", "a"] * 6 + ["b <i>"]
    grouped = tables.to_html(rows, groups=groups)
    assert "<details" not in grouped and grouped.count("<tbody>") == 2
    found = re.findall(r'scope="row(?:group)?"[^>]*>([^<]+)<', grouped)
    assert found == ["b &lt;i&gt;", *rows.row[::2], "a", *rows.row[1::2]]
    assert "rowgroup" not in tables.to_html(rows.head(3), groups=groups[:3]), "a short table needs no groups"
    assert "<details" in tables.to_html(rows, groups=["one"] * 13), "one group is none"


def test_headline_and_details_group_their_rows_where_the_table_does():
    long = pd.concat([headline()] * 7, ignore_index=True).assign(group=["Baselines", "Transfer"] * 7)
    for show in (tables.headline, tables.details):
        assert show(long)._repr_html_()[0].count('scope="rowgroup"') == 2
        assert show(long.drop(columns="group"))._repr_html_()[0].startswith("<details")
