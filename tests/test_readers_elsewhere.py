"""Corpora of which a part used to become labels in silence: folders beside a file of labels, stray columns, joined cells."""

import os

import pytest
from test_readers import labels_of, parts_of, photo, photos, write

from tagging_lib.data.corpus import Corpus, ReadOptions, check
from tagging_lib.errors import TaggingError

SUBFOLDERS = ("p/a.png", "p/b.png", "q/c.png")
FOLDERS = "--layout folders"
NAMED = "names photos of this folder and is not read"

# Files beside photos in two folders, whose names are no labels then: what the error says.
BESIDE = {
    "a table in a folder of its own": ("tables/labels.csv", "photo,labels\na.png,sea\nc.png,dog\n", "table=tables/labels.csv"),
    "columns of another language": ("bilder.csv", "Bild;Schlagworte\na.png;Meer,Strand\nb.png;Meer\n", NAMED),
    "Vertex without a header": ("import.csv", "gs://bucket/p/a.png,beach\ngs://bucket/q/c.png,sea\n", NAMED),
    "Vertex in lines of JSON": ("i.jsonl", '{"imageGcsUri": "gs://x/p/a.png", "classificationAnnotations": ["sea"]}\n', NAMED),
    "a manifest": ("output.manifest", '{"source-ref": "s3://b/a.png", "labels": {"sea": 1}}\n', NAMED),
    "a list in JSON": ("labels.json", [{"image": "a.png", "tags": ["sea"]}], NAMED),
    "a list of text": ("labels.txt", "a.png sea\nb.png dog\n", NAMED),
    "captions": ("p/a.txt", "a dog at the sea", "is called like a photo"),
    "captions of kohya": ("p/a.caption", "a dog, the sea", "is called like a photo"),
    "metadata of gallery-dl": ("p/a.png.json", {"tag_string": "sea sky"}, "is called like a photo"),
    "a list behind many": ("zz/list.txt", "a.png sea\nb.png dog\n", NAMED),
    "a spreadsheet": ("labels.xlsx", "PK", "save it as CSV"),
}


@pytest.mark.parametrize("case", BESIDE)
def test_folders_are_no_labels_where_a_file_speaks_of_their_photos(case, tmp_path):
    name, content, said = BESIDE[case]
    write(photos(tmp_path, *SUBFOLDERS) / name, content)
    with pytest.raises(TaggingError, match=said) as raised:
        Corpus.open(tmp_path)
    assert FOLDERS in str(raised.value) and name in str(raised.value)
    assert Corpus.open(tmp_path, options=ReadOptions(layout="folders")).labels == ("p", "q")


def test_a_file_for_each_label_hides_no_list_of_photos(tmp_path):
    photos(tmp_path, *SUBFOLDERS)
    for number in range(81):
        write(tmp_path / "AllLabels" / f"Labels_{number}.txt", "1\n0\n")
    write(tmp_path / "ImageList" / "list.txt", "p\\a.png\nq\\c.png\n")
    with pytest.raises(TaggingError, match=NAMED):
        Corpus.open(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("class_dict.csv", "class_index,class,height\n0,p,224\n1,q,224\n"),
        ("birds.csv", "class id,filepaths,names,data set\n0,p/a.png,p,train\n1,q/c.png,q,train\n"),
        ("train.txt", "p/a.png\nq/c.png\n"),
        ("train.txt", "p/a.png 0\nq/c.png 1\n"),
        ("meta/train.json", {"p": ["p/a", "p/b"]}),
        ("README.md", "The photo a.png is by X."),
        ("classes.txt", "p\nq\n"),
    ],
)
def test_files_that_say_no_more_than_the_folders_leave_these_the_labels(name, content, tmp_path):
    write(photos(tmp_path, *SUBFOLDERS) / name, content)
    corpus = Corpus.open(tmp_path)
    assert corpus.layout == "folders" and corpus.labels == ("p", "q")


def test_a_folder_around_a_corpus_is_named_before_its_own_folders_become_labels(tmp_path):
    write(photos(tmp_path, "archive/train/a.png", "archive/test/b.png") / "archive/labels.csv", "photo,labels\na.png,sea\n")
    (tmp_path / "__MACOSX").mkdir()
    write(tmp_path / "README.txt", "about it")
    with pytest.raises(TaggingError, match=r"holds nothing but the folder archive: give .*archive"):
        Corpus.open(tmp_path)
    assert Corpus.open(tmp_path / "archive").labels == ("sea",)


# Folders of labels, among folders that are none
TREES = {
    "wrapped": (["x/train/cat/1.png", "x/train/dog/2.png", "x/test/cat/3.png"], ("cat", "dog")),
    "twice": (["seg_train/seg_train/sea/1.png", "seg_train/seg_train/ice/2.png", "seg_test/seg_test/sea/3.png"], ("ice", "sea")),
    "evaluation": (["training/Egg/1.png", "training/Rice/2.png", "evaluation/Egg/3.png"], ("Egg", "Rice")),
    "behind": (["cat/train/1.png", "dog/train/2.png", "cat/test/3.png"], ("cat", "dog")),
    "a vehicle": (["bus/1.png", "car/2.png", "train/3.png"], ("bus", "car", "train")),
}


@pytest.mark.parametrize("tree", TREES)
def test_folders_of_the_split_are_no_labels_wherever_they_stand(tree, tmp_path):
    names, labels = TREES[tree]
    corpus = Corpus.open(photos(tmp_path, *names))
    assert corpus.labels == labels and len(corpus) == 3
    if tree in ("wrapped", "behind"):
        assert set(parts_of(corpus).values()) == {"train", "test"}


def test_photos_outside_every_label_are_named_with_the_way_on(tmp_path):
    photos(tmp_path, "train/cat/1.png", "train/dog/2.png", "test/3.png")
    with pytest.raises(TaggingError, match=r"lie in no label's folder: 1, first 'test/3\.png': say --layout folders"):
        Corpus.open(tmp_path)
    assert Corpus.open(tmp_path, options=ReadOptions(layout="folders")).labels == ("cat", "dog")


# Tables
def table(root, content, *names):
    write(photos(root, *(names or ("1.png", "2.png", "3.png"))) / "labels.csv", content)
    return root


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("image,mood,verified\n1.png,calm,1\n2.png,wild,0\n", "only verified of the columns image, mood, verified are of 0"),
        ("filename,size,file_attributes,count,region_id,shape,other\n1.png,10,{},1,0,{},{}\n", "only count, region_id of the"),
        ("photo,sea,cat\n1.png,1,\n2.png,0,\n3.png,1,1\n", "column cat: '' is neither 0 nor 1"),
        ("photo,sea,cat\n1.png,1,x\n2.png,0,\n3.png,1,x\n", "column cat: 'x' is neither 0 nor 1"),
        ("photo,sea,cat\n1.png,1,0.3\n2.png,0,0.6\n3.png,1,1\n", "column cat: '0.3' is neither 0 nor 1"),
        ("photo,sea,cat\n1.png,1,-1\n2.png,0,1\n3.png,1,1\n", "column cat: '-1' is neither 0 nor 1"),
        ('photo,labels\n1.png,"[0, 1]"\n2.png,"[1, 1]"\n', "holds rows of 0 and 1 in place of labels"),
        ("photo,labels\n1.png,0 1\n2.png,1 1\n", "holds rows of 0 and 1 in place of labels"),
        ("Id,Target\n1.png,16 0\n2.png,5\n3.png,7\n", "'16 0' may be several labels separated by blanks"),
        ("photo,labels\n1.png,sea & beach\n2.png,sea\n3.png,beach\n", "'sea & beach' by '&'"),
        ("photo,labels\n1.png,sea and beach\n2.png,sea\n3.png,beach\n", "'sea and beach' by ' and '"),
        ("photo,labels\n1.png,sea/beach\n2.png,sea\n3.png,beach\n", "'sea/beach' by '/'"),
        ("photo,labels\n1.png,sea、beach\n2.png,sea\n3.png,beach\n", "'sea、beach' by '、'"),
    ],
)
def test_what_may_cost_a_label_is_said(content, said, tmp_path):
    with pytest.raises(TaggingError) as raised:
        Corpus.open(table(tmp_path, content))
    found = str(raised.value)
    assert said in found or any(said in str(problem) for problem in check(tmp_path))


@pytest.mark.parametrize("name", ["AC/DC", "black & white", "salt and pepper", "t-shirt", "16:9"])
def test_signs_within_a_name_are_no_separators(name, tmp_path):
    corpus = Corpus.open(table(tmp_path, f"photo,labels\n1.png,{name}\n2.png,sea\n3.png,{name};sea\n"))
    assert set(corpus.labels) == {name, "sea"}


def test_minus_one_stands_for_zero_where_nothing_but_one_is_beside_it(tmp_path):
    corpus = Corpus.open(table(tmp_path, "image_id,Bald,Young\n1.png,-1,1\n2.png,1,1\n3.png,-1,-1\n"))
    assert labels_of(corpus) == {"1.png": ["Young"], "2.png": ["Bald", "Young"], "3.png": []}


def test_numbers_between_blanks_are_labels_where_the_column_promises_several(tmp_path):
    corpus = Corpus.open(table(tmp_path, "id,attribute_ids\n1,147 616\n2,480\n3,616 3\n"))
    assert labels_of(corpus) == {"1.png": ["147", "616"], "2.png": ["480"], "3.png": ["3", "616"]}


def test_a_line_for_each_label_or_object(tmp_path):
    open_images = "ImageID,Source,LabelName,Confidence\n1,human,/m/a,1\n1,human,/m/b,1\n2,human,/m/a,0\n3,human,/m/b,1\n"
    corpus = Corpus.open(table(tmp_path / "open", open_images))
    assert labels_of(corpus) == {"1.png": ["/m/a", "/m/b"], "2.png": [], "3.png": ["/m/b"]}
    assert "a line for each label of a photo" in corpus.read_as
    objects = "filename,class,xmin,ymin\n1.png,sea,1,1\n1.png,dog,2,2\n1.png,dog,3,3\n2.png,sea,1,1\n"
    corpus = Corpus.open(table(tmp_path / "boxes", objects))
    assert labels_of(corpus) == {"1.png": ["dog", "sea"], "2.png": ["sea"]}


def test_the_longest_end_of_another_machines_path_counts(tmp_path):
    content = "photo,labels\n/data/cats/1.png,cat\n/data/dogs/1.png,dog\n"
    corpus = Corpus.open(table(tmp_path, content, "cats/1.png", "dogs/1.png"))
    assert labels_of(corpus) == {"cats/1.png": ["cat"], "dogs/1.png": ["dog"]}


def test_a_list_of_classes_hides_no_table_of_the_parts(tmp_path):
    photos(tmp_path, "train/1.png", "valid/2.png")
    write(tmp_path / "class_names.csv", "index,name\n0,cat\n1,dog\n")
    for part, line in (("train", "1.png, 1, 0"), ("valid", "2.png, 0, 1")):
        write(tmp_path / part / "_classes.csv", f"filename, cat, dog\n{line}\n")
    assert labels_of(Corpus.open(tmp_path)) == {"train/1.png": ["cat"], "valid/2.png": ["dog"]}


def test_a_separator_that_the_user_states_does_not_silence_another(tmp_path):
    content = 'photo,labels\n1.png,"sea,dog"\n2.png,sea;holiday\n3.png,sea\n'
    found = check(table(tmp_path, content), options=ReadOptions(separator=","))
    assert any("'sea;holiday' by ';'" in str(problem) and problem.wrong for problem in found)


def test_annotations_of_cvat_are_not_taken_for_voc(tmp_path):
    write(photos(tmp_path, "1.png", "2.png") / "annotations.xml", '<annotations><image name="1.png"/></annotations>')
    with pytest.raises(TaggingError, match=r"annotations\.xml names photos of this folder and is not read"):
        Corpus.open(tmp_path)


def test_words_for_no_label_are_told(tmp_path):
    found = check(photos(tmp_path, "_unlabeled/1.png", "cat/2.png", "dog/3.png"))
    assert any("stand for no value: '_unlabeled'" in str(problem) for problem in found)


def test_kaggles_sample_of_answers_holds_no_labels(tmp_path):
    photos(tmp_path, "train/1.png", "train/2.png", "test/3.png")
    write(tmp_path / "train.csv", "image_name,tags\n1,sea;dog\n2,sea\n")
    write(tmp_path / "sample_submission.csv", "image_name,tags\n3,sea\n")
    corpus = Corpus.open(tmp_path)
    assert labels_of(corpus) == {"train/1.png": ["dog", "sea"], "train/2.png": ["sea"]}
    assert any(problem.where == "sample_submission.csv" and problem.level == "note" for problem in corpus.problems)


# Which photo a line means


@pytest.mark.parametrize(
    ("header", "start"),
    [
        ("id,filepath,tags", "/home/bob/photos/"),
        ("id,image,tags", "https://example.org/p/"),
        ("id,image_url,tags", "https://example.org/p/"),
        ("id,image,tags", "/data/upload/1/0123abcd-"),
    ],
)
def test_a_number_is_no_photo_where_another_column_holds_paths(header, start, tmp_path):
    lines = [f"{number + 1},{start}{number}.png,{label}" for number, label in enumerate(("sea", "dog", "sky"))]
    corpus = Corpus.open(table(tmp_path, "\n".join([header, *lines]), "0.png", "1.png", "2.png"))
    assert labels_of(corpus) == {"0.png": ["sea"], "1.png": ["dog"], "2.png": ["sky"]}


def test_a_photo_that_is_missing_is_not_replaced_by_one_of_that_name_in_another_part(tmp_path):
    photos(tmp_path, "train/1.png", "test/1.png", "test/3.png")
    hugging_face, kaggle = "file_name,tags\n1.png,sea\n3.png,dog\n", "photo,tags\n1,sea\n3,dog\n"
    for place, content in (("train/metadata.csv", hugging_face), ("train.csv", kaggle)):
        path = write(tmp_path / place, content)
        with pytest.raises(TaggingError, match=r"'3(\.png)?' is no photo here"):
            Corpus.open(tmp_path)
        path.unlink()


def test_a_path_of_another_machine_means_no_photo_of_another_folder(tmp_path):
    with pytest.raises(TaggingError, match=r"'/data/cats/1\.png' is no photo here \(there is 'dogs/1\.png'\)"):
        Corpus.open(table(tmp_path, "photo,labels\n/data/cats/1.png,cat\n", "dogs/1.png", "cats/2.png"))


def test_addresses_and_colons_in_names(tmp_path):
    content = "photo,labels\nhttps://example.org/my%20photo.png?w=3,sea\nIMG:1.png,dog\n"
    corpus = Corpus.open(table(tmp_path, content, "my photo.png", "IMG:1.png"))
    assert labels_of(corpus) == {"IMG:1.png": ["dog"], "my photo.png": ["sea"]}


def test_a_label_called_split_is_one(tmp_path):
    corpus = Corpus.open(table(tmp_path, "image,tree,split\n1.png,1,0\n2.png,0,1\n3.png,1,1\n"))
    assert corpus.labels == ("split", "tree") and corpus.parts == ()


def test_a_photo_in_two_parts_is_told(tmp_path):
    photos(tmp_path, "a.png", "b.png")
    write(tmp_path / "train.csv", "photo,labels\na.png,sea\nb.png,sea\n")
    write(tmp_path / "test.csv", "photo,labels\na.png,sea\n")
    assert any("'a.png' is in another part of the split" in str(problem) and problem.wrong for problem in check(tmp_path))


def test_a_list_of_joint_labels_behind_paths_of_folders_is_told(tmp_path):
    photos(tmp_path, "images/banded/b_1.png", "images/grid/g_1.png")
    write(tmp_path / "labels/joint.txt", "banded/b_1.png banded striped\ngrid/g_1.png grid\n")
    with pytest.raises(TaggingError, match=r"labels/joint\.txt names photos of this folder"):
        Corpus.open(tmp_path)


def test_a_linked_folder_is_a_label_and_a_loop_is_none(tmp_path):
    photo(tmp_path / "elsewhere" / "3.png", grey=200)
    root = photos(tmp_path / "corpus", "cat/1.png", "dog/2.png")
    (root / "bird").symlink_to(tmp_path / "elsewhere")
    (root / "cat" / "loop").symlink_to(root)
    assert labels_of(Corpus.open(root)) == {"bird/3.png": ["bird"], "cat/1.png": ["cat"], "dog/2.png": ["dog"]}


def test_names_that_are_no_utf_8_are_named(tmp_path):
    photos(tmp_path, "cat/1.png", "dog/2.png")
    try:
        os.rename(tmp_path / "cat", os.fsencode(tmp_path) + b"/caf\xe9")
    except OSError:
        pytest.skip("this file system has names in UTF-8 alone")
    with pytest.raises(TaggingError, match=r"'caf\\udce9/1\.png': is no name in UTF-8"):
        Corpus.open(tmp_path)


def test_a_list_of_classes_that_begins_with_an_empty_line_is_told(tmp_path):
    photos(tmp_path, "images/1.png")
    write(tmp_path / "classes.txt", "\ncat\ndog\n")
    write(tmp_path / "labels/1.txt", "1 0.5 0.5 0.1 0.1\n")
    with pytest.raises(TaggingError, match=r"classes\.txt line 1: is empty: give a name"):
        Corpus.open(tmp_path)


def test_other_columns_of_labels_are_told(tmp_path):
    content = "image,category,indoor,night,text\n1.png,sea,1,0,a\n2.png,dog,0,1,b\n3.png,sea,1,1,c\n"
    (found,) = (problem for problem in check(table(tmp_path, content)) if "passed over" in problem.fix)
    assert found.what == "columns that may hold labels, too (indoor, night)" and found.level == "note"
