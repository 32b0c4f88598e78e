"""Labels become others by the user's table, and by nothing else."""

from __future__ import annotations

import csv

import pytest
from test_quality import corpus_at, warned
from test_readers import photo

from tagging_lib.data import relabel
from tagging_lib.data.corpus import Corpus, ReadOptions, inspect
from tagging_lib.errors import TaggingError


def table(root, *rows, header="label,becomes"):
    (root / "labels of mine.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return root / "labels of mine.csv"


def labels_after(root, path):
    corpus = Corpus.open(root, options=ReadOptions(relabel=path))
    return [corpus.label_names(row) for row in range(len(corpus))]


def test_labels_are_renamed_joined_parted_and_left_out(tmp_path):
    root = corpus_at(tmp_path / "corpus", "Beach;sun", "beach", "beach;Beach", "nan", "sea-dog")
    path = table(tmp_path, "Beach,beach", "nan,", "sea-dog,sea; dog", "sun,Sun")
    assert labels_after(root, path) == [["Sun", "beach"], ["beach"], ["beach"], [], ["dog", "sea"]]
    assert warned(root, relabel=path) == [] and len(warned(root)) == 2


def test_renaming_is_done_once_and_may_swap(tmp_path):
    root = corpus_at(tmp_path / "corpus", "cat", "dog", "cat;dog")
    assert labels_after(root, table(tmp_path, "cat,dog", "dog,cat")) == [["dog"], ["cat"], ["cat", "dog"]]


def test_a_line_of_its_own_counts_before_a_beginning_and_a_longer_beginning_before_a_shorter(tmp_path):
    path = table(tmp_path, "a*,short", "ab*,long", "abc,own", "x**,star")
    read = relabel.read_table(path)
    assert [read.of(label) for label in ("a", "abx", "abc", "b", "x*1", "x1")] == [
        ("short",), ("long",), ("own",), ("b",), ("star",), ("x1",)
    ]  # fmt: skip


def test_a_label_that_ends_like_a_beginning_stands_for_itself_alone(tmp_path):
    root = corpus_at(tmp_path / "corpus", "Sea*", "sea*", "Seal;seagull")
    assert labels_after(root, table(tmp_path, "Sea*,sea*")) == [["sea*"], ["sea*"], ["Seal", "seagull"]]


def test_blanks_around_a_label_do_not_count_in_the_table(tmp_path):
    for number, name in enumerate(("cat", "cat ", "dog")):
        photo(tmp_path / "corpus" / name / "1.png", 50 * number)
    path = table(tmp_path, "cat ,cat")
    assert labels_after(tmp_path / "corpus", path) == [["cat"], ["cat"], ["dog"]]
    assert warned(tmp_path / "corpus", relabel=path) == [] and len(warned(tmp_path / "corpus")) == 1


def test_a_label_that_becomes_itself_is_right(tmp_path):
    root = corpus_at(tmp_path / "corpus", "None", "Polish;polish", "polish", "sea|dog;x", "sea")
    with pytest.raises(TaggingError, match="a label that becomes itself there is right"):
        Corpus.open(root)
    path = table(tmp_path, "None,None", "Polish,Polish", "polish,polish", "sea|dog,sea|dog")
    assert warned(root, relabel=path) == []
    assert Corpus.open(root, options=ReadOptions(relabel=path)).labels == ("None", "Polish", "polish", "sea", "sea|dog", "x")


def test_a_table_of_fixes_is_written_and_read_back(tmp_path):
    root = corpus_at(tmp_path / "corpus", "Beach", "beach;sea", "beach", "sea", "-")
    inspect(root).write_fixes(tmp_path / "fix.csv")
    with open(tmp_path / "fix.csv", encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream))
    assert rows[0] == ["label", "becomes", "why"] and [row[:2] for row in rows[1:]] == [["-", ""], ["Beach", "beach"]]
    assert Corpus.open(root, options=ReadOptions(relabel=tmp_path / "fix.csv")).counts["beach"] == 3


def test_labels_with_commas_and_quotes_survive_the_table(tmp_path):
    path = tmp_path / "fix.csv"
    relabel.write_table(path, [("a, b", 'say "x"', "why, indeed")])
    assert relabel.read_table(path).becomes == {"a, b": ('say "x"',)}


def test_a_label_that_the_corpus_does_not_have_is_noted(tmp_path):
    root = corpus_at(tmp_path / "corpus", "sea", "dog")
    corpus = Corpus.open(root, options=ReadOptions(relabel=table(tmp_path, "see,sea")))
    assert corpus.labels == ("dog", "sea") and "the corpus has no label 'see'" in str(corpus.problems[0])


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        (["sea,a", "sea,b"], "label,becomes", "line 3: 'sea' becomes something else in an earlier line"),
        (["sea,a,b"], "label,becomes", "line 2: has 3 fields where the header has 2"),
        (["sea,a"], "from,to", "line 1: the columns are 'from,to': name them label,becomes"),
    ],
)
def test_a_table_that_says_two_things_is_refused(tmp_path, rows, header, said):
    with pytest.raises(TaggingError) as caught:
        relabel.read_table(table(tmp_path, *rows, header=header))
    assert said in str(caught.value) and "labels of mine.csv" in str(caught.value)
    with pytest.raises(TaggingError, match="does not exist"):
        relabel.read_table(tmp_path / "none.csv")


def test_min_photos_counts_after_the_table_and_leaves_something(tmp_path):
    root = corpus_at(tmp_path / "corpus", "Beach", "beach", "sea")
    path = table(tmp_path, "Beach,beach")
    assert Corpus.open(root, options=ReadOptions(relabel=path, min_photos=2)).labels == ("beach",)
    with pytest.raises(TaggingError, match="no label is on 3 photos, the most are 2: lower --min-photos"):
        Corpus.open(root, options=ReadOptions(relabel=path, min_photos=3))
    with pytest.raises(TaggingError, match=r"labels of mine\.csv leaves no label"):
        Corpus.open(root, options=ReadOptions(relabel=table(tmp_path, "Beach,", "beach,", "sea,")))
    with pytest.raises(TaggingError, match="min-photos is -1"):
        ReadOptions(min_photos=-1)
