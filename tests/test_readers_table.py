"""Tables as Kaggle, Roboflow, Excel, pandas and others leave them; a doubtful one is refused with the place and the way out."""

from __future__ import annotations

import json
import unicodedata

import pytest
from PIL import Image

from tagging_lib.data.corpus import Corpus, ReadOptions, check
from tagging_lib.data.readers import cells
from tagging_lib.errors import TaggingError


def photos(root, *names):
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (25 * number % 256, 40, 90)).save(root / name)
    return root


def corpus_of(root, text, names=("a.jpg", "b.jpg", "c.jpg"), table="tags.csv", encoding="utf-8", **options):
    photos(root, *names)
    (root / table).parent.mkdir(parents=True, exist_ok=True)
    (root / table).write_text(text, encoding=encoding, newline="")
    return Corpus.open(root, options=ReadOptions(**options))


def labels_of(corpus):
    return {photo: corpus.label_names(row) for row, photo in enumerate(corpus.photos)}


SEA = {"a.jpg": ["holiday", "sea"], "b.jpg": ["sea"], "c.jpg": []}


# Columns


@pytest.mark.parametrize(
    "header",
    [
        *("photo,labels", "image,tags", "Image Name,Tags", "Image Index,Finding Labels", "filename,labels"),
        *("file_name,keywords", "id,categories", "path,classes"),
    ],
)
def test_columns_are_found_by_their_usual_names(tmp_path, header):
    corpus = corpus_of(tmp_path, f"{header}\na.jpg,sea;holiday\nb.jpg,sea\nc.jpg,\n")
    assert labels_of(corpus) == SEA and corpus.layout == "table"
    assert corpus.read_as.startswith("table tags.csv: photos by ") and "';'" in corpus.read_as


def test_of_two_columns_of_names_the_one_that_names_photos_counts(tmp_path):
    text = "photo,file,labels\nBeach at noon,a.jpg,sea;holiday\nHarbour,b.jpg,sea\nStreet,c.jpg,\n"
    assert labels_of(corpus_of(tmp_path, text)) == SEA


def test_columns_are_named_by_options(tmp_path):
    text = "Bild;Schlagworte;tags\na.jpg;sea|holiday;x\nb.jpg;sea;y\nc.jpg;;z\n"
    with pytest.raises(TaggingError, match=r"tags\.csv line 1: the columns are .*--read photo_column=NAME"):
        corpus_of(tmp_path, text)
    corpus = Corpus.open(tmp_path, options=ReadOptions(photo_column="bild", label_column="Schlagworte"))
    assert labels_of(corpus) == SEA
    with pytest.raises(TaggingError, match=r"has no label column 'words'"):
        Corpus.open(tmp_path, options=ReadOptions(layout="table", photo_column="bild", label_column="words"))


def test_two_columns_of_labels_are_an_error_that_names_both(tmp_path):
    with pytest.raises(TaggingError, match=r"the columns tags and category could hold the labels: .*--read label_column=NAME"):
        corpus_of(tmp_path, "image,tags,category\na.jpg,sea,x\n")
    assert Corpus.open(tmp_path, options=ReadOptions(label_column="category")).labels == ("x",)


# One-hot


@pytest.mark.parametrize(
    "header", ["photo,label,label.1", "photo,tags,tags_2", "photo,category,category_2,category_3", "photo,labels,label2"]
)
def test_further_columns_of_labels_are_never_passed_over(tmp_path, header):
    more = "," * (header.count(",") - 2)
    with pytest.raises(TaggingError, match=r"could hold the labels: name one with --read label_column=NAME"):
        corpus_of(tmp_path, f"{header}\na.jpg,sea,dog{more}\nb.jpg,dog,{more}\n")


def test_the_main_label_is_not_lost_beside_secondary_ones(tmp_path):
    with pytest.raises(TaggingError, match="primary_label"):
        corpus_of(tmp_path, "filename,primary_label,secondary_labels\na.jpg,cat,\"['dog']\"\nb.jpg,dog,[]\n")


@pytest.mark.parametrize("beside", ["fold", "is_train", "num_labels", "kfold", "is_valid", "is_test"])
def test_bookkeeping_beside_columns_of_0_and_1_is_no_label(tmp_path, beside):
    corpus = corpus_of(tmp_path, f"image,cat,dog,sea,{beside}\na.jpg,1,1,0,0\nb.jpg,0,1,1,1\nc.jpg,1,0,0,0\n")
    assert corpus.labels == ("cat", "dog", "sea")
    part = {"is_valid": "validation", "is_test": "test"}.get(beside)
    assert corpus.parts == (("train", part, "train") if part else ())


@pytest.mark.parametrize("rows", ["IMG_1.JPG,1\nIMG_2.JPG,0\nIMG_3.JPG,1\n", "image_1.jpg,1,0\nimage_2.jpg,0,0\n"])
def test_a_table_without_a_heading_does_not_lose_its_first_photo(tmp_path, rows):
    names = [line.partition(",")[0] for line in rows.splitlines()]
    with pytest.raises(TaggingError, match=rf"line 1: names the photo '{names[0]}', so that the table has no heading"):
        corpus_of(tmp_path, rows, names=names)


def test_one_hot_columns_of_kaggle(tmp_path):
    text = "id,width,sea,holiday\na,640,1,1\nb,800,1.0,0.0\nc,333,0,False\n"
    corpus = corpus_of(tmp_path, text)
    assert labels_of(corpus) == SEA and corpus.labels == ("holiday", "sea")
    assert any("columns that are not read as labels (width)" in str(problem) for problem in corpus.problems)


def test_row_numbers_of_pandas_are_no_label(tmp_path):
    assert labels_of(corpus_of(tmp_path, ",Unnamed: 0,photo,sea,holiday\n0,0,a,1,1\n1,1,b,1,0\n0,1,c,0,0\n")) == SEA


def test_roboflow_with_blanks_after_commas_in_folders_of_the_split(tmp_path):
    for part, row in (("train", "1.jpg, 1, 0"), ("valid", "1.jpg, 0, 0"), ("test", "1.jpg, 1, 1")):
        photos(tmp_path, f"{part}/1.jpg")
        (tmp_path / part / "_classes.csv").write_text(f"filename, sea, holiday\n{row}\n")
    corpus = Corpus.open(tmp_path)
    assert labels_of(corpus) == {"test/1.jpg": ["holiday", "sea"], "train/1.jpg": ["sea"], "valid/1.jpg": []}
    assert dict(zip(corpus.photos, corpus.parts, strict=True)) == {
        "test/1.jpg": "test",
        "train/1.jpg": "train",
        "valid/1.jpg": "validation",
    }


@pytest.mark.parametrize(
    ("value", "said"), [("", "'' is neither 0 nor 1"), ("-1", "'-1' is neither"), ("0.5", "'0.5' is neither")]
)
def test_a_one_hot_value_that_is_none_is_named_by_line_and_column(tmp_path, value, said):
    with pytest.raises(TaggingError, match=rf"tags\.csv line 3: column holiday: {said}"):
        corpus_of(tmp_path, f"photo,sea,holiday\na.jpg,1,1\nb.jpg,1,{value}\nc.jpg,0,0\n")


def test_two_columns_of_one_label_are_refused(tmp_path):
    with pytest.raises(TaggingError, match="label 'sea' has several columns"):
        corpus_of(tmp_path, "photo,sea,sea\na.jpg,1,0\n")


# Separators


@pytest.mark.parametrize("separator", ["|", ",", "#", "\t", "\n", " | ", ", "])
def test_a_separator_that_other_rows_confirm_is_found(tmp_path, separator):
    corpus = corpus_of(tmp_path, f'photo,labels\na.jpg,"sea{separator}holiday"\nb.jpg,sea\nc.jpg,\n')
    assert labels_of(corpus) == SEA and "separated by" in corpus.read_as


def test_blanks_between_the_labels_of_planet_are_found(tmp_path):
    tags = ["haze primary", "agriculture clear primary water", "clear primary", "clear haze", "clear primary road", "water"]
    tags += ["agriculture clear primary", "agriculture primary water", "clear primary water", "haze water", "clear water", "road"]
    names = [f"train_{number}.jpg" for number in range(len(tags))]
    rows = "".join(f"train_{number},{tag}\n" for number, tag in enumerate(tags))
    corpus = corpus_of(tmp_path, f"image_name,tags\n{rows}", names)
    assert corpus.labels == ("agriculture", "clear", "haze", "primary", "road", "water")
    assert corpus.label_names(1) == ["agriculture", "clear", "primary", "water"] and "separated by blanks" in corpus.read_as


def test_blanks_between_labels_that_all_stand_alone_too_are_found(tmp_path):
    tags = ["scab", "rust", "complex", "mildew", "scab complex", "rust complex", "mildew complex", "scab rust complex", "healthy"]
    names = [f"{number}.jpg" for number in range(len(tags))]
    rows = "".join(f"{name},{tag}\n" for name, tag in zip(names, tags, strict=True))
    assert corpus_of(tmp_path, f"image,labels\n{rows}", names).labels == ("complex", "healthy", "mildew", "rust", "scab")


def test_a_column_that_only_sounds_like_that_of_photos_must_name_some(tmp_path):
    with pytest.raises(TaggingError, match=r"line 1: the columns are 'Image size,labels'"):
        corpus_of(tmp_path, "Image size,labels\n640,sea\n")


@pytest.mark.parametrize("tags", [["haze primary", "clear primary", "clear"], ["clear primary", "haze primary", "water primary"]])
def test_blanks_that_few_rows_suggest_are_an_error_with_both_ways_out(tmp_path, tags):
    text = "image_name,tags\n" + "".join(f"{name},{tag}\n" for name, tag in zip("abc", tags, strict=True))
    with pytest.raises(TaggingError, match=r"primary' may be several labels separated by blanks; say --separator ' ', or"):
        corpus_of(tmp_path, text)
    parted = Corpus.open(tmp_path, options=ReadOptions(separator=" "))
    whole = Corpus.open(tmp_path, options=ReadOptions(separator="none"))
    assert "primary" in parted.labels and "clear primary" in whole.labels


@pytest.mark.parametrize("cell", ["sea|holiday", '"sea, holiday"', "sea#holiday", "\"['sea', 'holiday']\"", '"[""sea"", 1]"'])
def test_a_separator_that_nothing_confirms_is_an_error_that_shows_it(tmp_path, cell):
    with pytest.raises(TaggingError, match=r"tags\.csv line 2 column labels: .* (may be several labels|looks like a list)"):
        corpus_of(tmp_path, f"photo,labels\na.jpg,{cell}\nb.jpg,dog\nc.jpg,\n")


def test_a_suspicious_cell_is_found_behind_a_row_that_is_too_short(tmp_path):
    photos(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "tags.csv").write_text("photo,labels\na.jpg\nb.jpg,sea|holiday\n")
    assert [problem.where for problem in check(tmp_path) if problem.fatal] == ["tags.csv line 3 column labels", "tags.csv line 2"]


def test_a_semicolon_of_html_parts_no_labels(tmp_path):
    text = "photo,labels\na.jpg,black &amp; white;sea\nb.jpg,Fran&ccedil;ois;R&B\nc.jpg,sea&#39;s;dogs&cats\n"
    corpus = corpus_of(tmp_path, text)
    expected = {"a.jpg": ["black & white", "sea"], "b.jpg": ["François", "R&B"], "c.jpg": ["dogs&cats", "sea's"]}
    assert labels_of(corpus) == expected
    (told,) = [str(problem) for problem in corpus.problems if "HTML" in str(problem)]
    assert "tags.csv line 2" in told and "'black & white;sea'" in told and "2 more" in told
    listed = corpus_of(tmp_path / "lists", 'photo,labels\na.jpg,"[""&quot;x&quot;""]"\nb.jpg,"[""sea""]"\nc.jpg,[]\n')
    assert labels_of(listed)["a.jpg"] == ["&quot;x&quot;"]


def test_five_ways_of_writing_in_one_column_are_an_error(tmp_path):
    names = [f"{letter}.jpg" for letter in "abcde"]
    rows = ["clear primary", "sea|holiday", '"sea, holiday"', "\"['sea', 'holiday']\"", "sea#holiday"]
    text = "photo,labels\n" + "".join(f"{name},{row}\n" for name, row in zip(names, rows, strict=True))
    with pytest.raises(TaggingError, match="looks like a list, other rows do not"):
        corpus_of(tmp_path, text, names)
    (tmp_path / "tags.csv").write_text(text.replace("\"['sea', 'holiday']\"", "x"))
    with pytest.raises(TaggingError, match=r"'sea.holiday' may be several labels"):
        Corpus.open(tmp_path)


def test_among_labels_separated_as_usual_another_separator_is_suspicious_when_its_parts_are_labels(tmp_path):
    text = "photo,labels\na.jpg,sea|holiday;dog\nb.jpg,sea\nc.jpg,holiday\n"
    with pytest.raises(TaggingError, match=r"'sea\|holiday' by '\|'; say --separator, or .*--fix"):
        corpus_of(tmp_path, text)
    assert "sea|holiday" in Corpus.open(tmp_path, options=ReadOptions(separator=";")).labels
    unknown = text.replace("sea|holiday", "Smith, John|Ltd")
    (tmp_path / "tags.csv").write_text(unknown.replace("Smith, John|Ltd;dog", '"Smith, John|Ltd;dog"'))
    assert "Smith, John|Ltd" in Corpus.open(tmp_path).labels


def test_names_of_several_words_are_no_lists(tmp_path):
    text = "image,label\na.jpg,golden retriever\nb.jpg,labrador retriever\nc.jpg,siamese cat\n"
    assert corpus_of(tmp_path, text).labels == ("golden retriever", "labrador retriever", "siamese cat")
    text = "photo,labels\na.jpg,hot dog;sea side\nb.jpg,dog\nc.jpg,sea side\n"
    (tmp_path / "tags.csv").write_text(text)
    assert Corpus.open(tmp_path).labels == ("dog", "hot dog", "sea side")


def test_a_column_of_one_label_is_not_parted_without_being_asked(tmp_path):
    text = 'image,label\na.jpg,"sea, holiday"\nb.jpg,sea\nc.jpg,\n'
    with pytest.raises(TaggingError, match="separated by ','"):
        corpus_of(tmp_path, text)
    assert labels_of(Corpus.open(tmp_path, options=ReadOptions(separator="comma"))) == SEA


# Lists


@pytest.mark.parametrize(
    ("cell", "one", "none"),
    [
        ("\"['sea', 'holiday']\"", "['sea']", "[]"),
        ('"[""sea"", ""holiday""]"', '"[""sea""]"', "[]"),
        ("['sea' 'holiday']", "['sea']", ""),
        ("\"('sea', 'holiday')\"", "\"('sea',)\"", "()"),
    ],
)
def test_lists_as_python_json_and_numpy_write_them(tmp_path, cell, one, none):
    corpus = corpus_of(tmp_path, f"photo,labels\na.jpg,{cell}\nb.jpg,{one}\nc.jpg,{none}\n")
    assert labels_of(corpus) == SEA and "lists of labels in labels" in corpus.read_as


@pytest.mark.filterwarnings("error")
def test_a_backslash_in_a_list_stays_and_warns_nobody():
    assert cells.parse_list(r"['C:\sea', 'x']") == [r"C:\sea", "x"]


@pytest.mark.parametrize("text", ["['sea', 'holi' 'day']", "[sea, holiday]", "[1.5]", "[None]", "{'a': 1}", "[[]]", "['a'"])
def test_what_is_no_list_of_texts_is_refused(text):
    with pytest.raises(ValueError, match="is no list of texts"):
        cells.parse_list(text)


def test_a_list_that_cannot_be_read_is_named_with_line_and_column(tmp_path):
    with pytest.raises(TaggingError, match=r"tags\.csv line 3: column labels: '\[sea, holiday\]' is no list"):
        corpus_of(tmp_path, "photo,labels\na.jpg,['sea']\nb.jpg,\"[sea, holiday]\"\nc.jpg,[]\n")


# Files


def test_excel_with_semicolons_and_its_line_sep(tmp_path):
    text = 'sep=;\r\nphoto;labels\r\na.jpg;"sea|holiday"\r\nb.jpg;sea\r\nc.jpg;\r\n'
    assert labels_of(corpus_of(tmp_path, text, encoding="utf-8-sig")) == SEA
    (tmp_path / "tags.csv").write_text("photo;labels\na.jpg;sea, holiday\nb.jpg;sea\nc.jpg;\n")
    assert labels_of(Corpus.open(tmp_path)) == SEA


def test_tabs(tmp_path):
    assert labels_of(corpus_of(tmp_path, "photo\tlabels\na.jpg\tsea,holiday\nb.jpg\tsea\nc.jpg\t\n", table="tags.tsv")) == SEA


def test_json_lines(tmp_path):
    tags = {"a.jpg": ["sea", "holiday"], "b.jpg": ["sea"], "c.jpg": None}
    text = "\n".join(json.dumps({"image": name, "tags": listed}) for name, listed in tags.items())
    corpus = corpus_of(tmp_path, text, table="tags.jsonl")
    assert labels_of(corpus) == SEA


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"image": "b.jpg", "tags": {"x": 1}}', "line 2: column tags: .* is no list"),
        ('{"image": "b.jpg", "tags": [["sea"]]}', "line 2: column tags: .* is no list"),
        ('{"tags": ["sea"]}', "line 2: '' is no photo here"),
        ("[1]", "line 2: is no JSON object"),
        ('{"image": ', "line 2: is no valid JSON"),
    ],
)
def test_a_line_of_json_that_is_not_as_it_should_be(tmp_path, line, said):
    with pytest.raises(TaggingError, match=rf"tags\.jsonl.*{said}"):
        corpus_of(tmp_path, f'{{"image": "a.jpg", "tags": ["sea"]}}\n{line}\n', table="tags.jsonl")


def test_parquet_is_read_and_a_damaged_file_is_named(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "tags.parquet").write_bytes(b"PAR1")
    with pytest.raises(TaggingError, match=r"tags\.parquet is no readable Parquet file"):
        Corpus.open(tmp_path)
    pq.write_table(pa.table({"image": list(SEA), "labels": list(SEA.values())}), tmp_path / "tags.parquet")
    assert labels_of(Corpus.open(tmp_path)) == SEA


def test_of_several_tables_one_is_named(tmp_path):
    corpus_of(tmp_path, "photo,labels\na.jpg,sea\n")
    (tmp_path / "answers.csv").write_text("photo,labels\na.jpg,dog\n")
    with pytest.raises(TaggingError, match=r"several tables .*answers\.csv, tags\.csv\): .* --read table=NAME"):
        Corpus.open(tmp_path)
    assert Corpus.open(tmp_path, options=ReadOptions(table="tags.csv")).labels == ("sea",)
    with pytest.raises(TaggingError, match=r"none\.csv does not exist"):
        Corpus.open(tmp_path, options=ReadOptions(table="none.csv"))


def test_tables_named_like_the_parts_of_a_split_are_read_together(tmp_path):
    photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    for name, row in (("train_labels", "a.jpg,sea;holiday"), ("val_labels", "b.jpg,sea"), ("test_labels", "c.jpg,")):
        (tmp_path / f"{name}.csv").write_text(f"photo,labels\n{row}\n")
    corpus = Corpus.open(tmp_path)
    assert labels_of(corpus) == SEA and corpus.parts == ("train", "validation", "test")
    (tmp_path / "train_more.csv").write_text("photo,labels\na.jpg,dog\n")
    with pytest.raises(TaggingError, match="several tables"):
        Corpus.open(tmp_path)


def test_a_table_that_cannot_be_read_does_not_make_folders_the_labels(tmp_path):
    photos(tmp_path, "2004/a.jpg", "2006/b.jpg")
    (tmp_path / "tags.csv").write_text('photo,labels\n"a.jpg,sea\n')
    with pytest.raises(TaggingError, match=r"tags\.csv line \d: is no valid CSV"):
        Corpus.open(tmp_path)


# Names of photos


@pytest.mark.parametrize("written", ["train_0", "train_0.jpg", "x/train_0", "./x/train_0.jpg", "x\\train_0"])
def test_names_with_and_without_folder_and_extension(tmp_path, written):
    corpus = corpus_of(tmp_path, f"image_name,tags\n{written},sea\n", ("x/train_0.jpg", "x/train_00.jpg"))
    assert corpus.photos == ("x/train_0.jpg",)


def test_a_name_without_extension_that_two_photos_have_is_refused(tmp_path):
    with pytest.raises(TaggingError, match=r"'a' could be 2 photos \(jpg/a\.jpg, tif/a\.tif\)"):
        corpus_of(tmp_path, "id,labels\na,sea\n", ("jpg/a.jpg", "tif/a.tif"))


@pytest.mark.parametrize(("in_table", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_found_however_accents_are_written(tmp_path, in_table, on_disk):
    name = unicodedata.normalize(on_disk, "Müller.jpg")
    corpus = corpus_of(tmp_path, f"photo,labels\n{unicodedata.normalize(in_table, 'Müller')}.jpg,sea\n", (name,))
    assert corpus.photos == (name,) and corpus.problems == ()


def test_names_that_differ_in_nothing_but_accents_stay_apart(tmp_path):
    names = [unicodedata.normalize(form, "é.jpg") for form in ("NFC", "NFD")]
    corpus = corpus_of(tmp_path, f"photo,labels\n{names[0]},sea\n{names[1]},dog\n", names)
    assert labels_of(corpus) == {names[0]: ["sea"], names[1]: ["dog"]}


def test_the_cause_is_said_where_case_or_suffix_keep_a_photo_from_being_found(tmp_path):
    with pytest.raises(TaggingError, match=r"'A\.JPG' is no photo here \(there is 'a\.jpg'\)"):
        corpus_of(tmp_path, "photo,labels\nA.JPG,sea\n")
    (tmp_path / "tags.csv").write_text("photo,labels\na.png,sea\n")
    with pytest.raises(TaggingError, match=r"'a\.png' is no photo here \(there is 'a\.jpg'\)"):
        Corpus.open(tmp_path)


def test_absent_photos_are_one_problem_with_their_number(tmp_path):
    photos(tmp_path, "a.jpg")
    (tmp_path / "tags.csv").write_text("photo,labels\na.jpg,sea\n" + "".join(f"{n}.jpg,sea\n" for n in range(50)))
    (problem,) = [problem for problem in check(tmp_path) if problem.fatal]
    assert problem.where == "tags.csv line 3" and problem.what == "'0.jpg' is no photo here (and 49 more such cases)"


def test_a_listed_photo_of_a_raw_format_is_named_and_can_be_skipped(tmp_path):
    photos(tmp_path, "a.jpg")
    (tmp_path / "b.NEF").write_bytes(b"raw")
    (tmp_path / "tags.csv").write_text("photo,labels\na.jpg,sea\nb.NEF,dog\n")
    with pytest.raises(TaggingError, match=r"b\.NEF: is of a format that is not read \(\.nef\); convert it"):
        Corpus.open(tmp_path)
    assert Corpus.open(tmp_path, data_dir=tmp_path / "data", skip_broken=True).photos == ("a.jpg",)


# Parts


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("split", ("train", "val", "test")),
        ("Split", ("training", "Validation", "TEST")),
        ("ml_use", ("TRAINING", "VALIDATION", "TEST")),
        ("subset", ("train", "valid", "testing")),
    ],
)
def test_a_column_for_the_split_gives_the_parts(tmp_path, column, values):
    rows = "".join(f"{name}.jpg,sea;{name},{value}\n" for name, value in zip("abc", values, strict=True))
    corpus = corpus_of(tmp_path, f"photo,labels,{column}\n{rows}")
    assert corpus.parts == ("train", "validation", "test") and corpus.labels == ("a", "b", "c", "sea")


def test_is_valid_and_a_value_that_is_no_part(tmp_path):
    corpus = corpus_of(tmp_path, "fname,labels,is_valid\na.jpg,sea,True\nb.jpg,sea,False\nc.jpg,sea,\n")
    assert corpus.parts == ("validation", "train", None)
    (tmp_path / "tags.csv").write_text("photo,labels,split\na.jpg,sea,train\nb.jpg,sea,holdout\nc.jpg,sea,\n")
    corpus = Corpus.open(tmp_path)
    assert corpus.parts == ("train", None, None)
    assert "tags.csv line 3: column split: 'holdout' is no part of a split" in str(corpus.problems[0])


def test_parts_of_broken_photos_go_with_them(tmp_path):
    corpus_of(tmp_path, "photo,labels,split\na.jpg,sea,train\nb.jpg,sea,val\nc.jpg,sea,test\n")
    (tmp_path / "a.jpg").write_bytes(b"")
    assert Corpus.open(tmp_path, data_dir=tmp_path / "data", skip_broken=True).parts == ("validation", "test")


def test_a_corpus_without_parts_has_none(tmp_path):
    assert corpus_of(tmp_path, "photo,labels,set\na.jpg,sea,lego\nb.jpg,sea,train\n").parts == ()
