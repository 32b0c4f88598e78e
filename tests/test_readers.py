"""Corpora as Hugging Face, COCO, Pascal VOC, YOLO, Label Studio and photo managers leave them, and how they are told apart."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from tagging_lib.data import layouts
from tagging_lib.data.corpus import Corpus, ReadOptions, check, inspect
from tagging_lib.data.readers.names import read_names
from tagging_lib.data.readers.reading import LAYOUTS, reading_of
from tagging_lib.errors import TaggingError
from tagging_lib.inference.xmp import write_sidecar


def photo(path, grey=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (grey, 40, 90)).save(path)


def photos(root, *names):
    for number, name in enumerate(names):
        photo(root / name, 25 * number)
    return root


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def labels_of(corpus):
    return {name: corpus.label_names(row) for row, name in enumerate(corpus.photos)}


def parts_of(corpus):
    return dict(zip(corpus.photos, corpus.parts, strict=True))


# Hugging Face


def test_imagefolder_with_json_lines_and_a_list(tmp_path):
    photos(tmp_path, "0001.png", "0002.png")
    rows = [{"file_name": "0001.png", "labels": ["sea", "holiday"]}, {"file_name": "0002.png", "labels": []}]
    write(tmp_path / "metadata.jsonl", "\n".join(map(json.dumps, rows)))
    corpus = Corpus.open(tmp_path)
    assert corpus.layout == "imagefolder" and corpus.read_as.startswith("imagefolder metadata.jsonl: photos by file_name")
    assert labels_of(corpus) == {"0001.png": ["holiday", "sea"], "0002.png": []}


def test_imagefolder_with_a_table_in_each_part(tmp_path):
    for part in ("train", "validation"):
        photos(tmp_path, f"data/{part}/1.png")
        write(tmp_path / f"data/{part}/metadata.csv", f"file_name,tags\n1.png,sea;{part}\n")
    corpus = Corpus.open(tmp_path)
    assert labels_of(corpus) == {"data/train/1.png": ["sea", "train"], "data/validation/1.png": ["sea", "validation"]}
    assert parts_of(corpus) == {"data/train/1.png": "train", "data/validation/1.png": "validation"}


def test_imagefolder_without_labels_is_said(tmp_path):
    photos(tmp_path, "1.png")
    write(tmp_path / "metadata.csv", "file_name,width\n1.png,640\n")
    with pytest.raises(TaggingError, match=r"metadata\.csv line 1: the columns are 'file_name,width', without labels"):
        Corpus.open(tmp_path)


# A folder for each label


def test_a_photo_in_several_folders_is_one_photo_with_several_labels(tmp_path):
    photos(tmp_path, "sea/1.png", "sea/2.png", "dog/3.png")
    (tmp_path / "dog" / "copy of 1.png").write_bytes((tmp_path / "sea" / "1.png").read_bytes())
    corpus = Corpus.open(tmp_path)
    assert corpus.layout == "folders" and "(here 1)" in corpus.read_as
    assert labels_of(corpus) == {"dog/3.png": ["dog"], "dog/copy of 1.png": ["dog", "sea"], "sea/2.png": ["sea"]}
    assert corpus.parts == ()


def test_folders_of_the_split_are_parts_and_no_labels(tmp_path):
    corpus = Corpus.open(photos(tmp_path, "train/sea/1.png", "train/dog/1.png", "val/sea/1.png", "test/dog/1.png"))
    assert corpus.labels == ("dog", "sea")
    assert parts_of(corpus) == {
        "test/dog/1.png": "test",
        "train/dog/1.png": "train",
        "train/sea/1.png": "train",
        "val/sea/1.png": "validation",
    }


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training_set/training_set", "test_set/test_set"),
        ("train_images", "test_images"),
        ("train2017", "test2017"),
        ("Train", "Test_Data"),
    ],
)
def test_folders_of_the_split_by_other_names(tmp_path, train, test):
    corpus = Corpus.open(photos(tmp_path, f"{train}/sea/1.png", f"{train}/dog/2.png", f"{test}/sea/3.png"))
    assert corpus.labels == ("dog", "sea") and set(parts_of(corpus).values()) == {"train", "test"}
    with pytest.raises(TaggingError):
        Corpus.open(photos(tmp_path / "flat", f"{train}/1.png", f"{test}/2.png"))


def test_photos_of_one_name_in_different_folders_stay_apart(tmp_path):
    corpus = Corpus.open(photos(tmp_path, "2004/IMG_0015.JPG", "2006/IMG_0015.JPG"))
    assert labels_of(corpus) == {"2004/IMG_0015.JPG": ["2004"], "2006/IMG_0015.JPG": ["2006"]}


@pytest.mark.parametrize(
    ("hierarchy", "labels"),
    [("leaf", ["cat", "oak"]), ("path", ["animal|cat", "tree|oak"]), ("all", ["animal", "animal|cat", "tree", "tree|oak"])],
)
def test_folders_in_folders_follow_the_hierarchy(tmp_path, hierarchy, labels):
    photos(tmp_path, "animal/cat/1.png", "tree/oak/1.png")
    assert list(Corpus.open(tmp_path, options=ReadOptions(hierarchy=hierarchy)).labels) == labels


def test_two_folders_of_one_name_are_never_one_label_in_silence(tmp_path):
    photos(tmp_path, "north/sea/1.png", "south/sea/2.png")
    with pytest.raises(TaggingError, match=r"sea: is the name of 2 folders \('north/sea', 'south/sea'\).*--read hierarchy=path"):
        Corpus.open(tmp_path)
    assert Corpus.open(tmp_path, options=ReadOptions(hierarchy="path")).labels == ("north|sea", "south|sea")


# COCO


def coco(images, annotations, categories=((1, "sea"), (2, "dog"))):
    return {
        "images": [{"id": number, "file_name": name, "width": 8, "height": 8} for number, name in images],
        "annotations": [
            {"id": number, "image_id": image, "category_id": category, "bbox": [0, 0, 4, 4], "iscrowd": 0}
            for number, (image, category) in enumerate(annotations)
        ],
        "categories": [{"id": number, "name": name, "supercategory": "none"} for number, name in categories],
    }


def test_coco_as_it_is_published(tmp_path):
    for part, number in (("train", 1), ("val", 2)):
        photo(tmp_path / f"{part}2017/001.jpg", 25 * number)
        content = coco([(number, "001.jpg")], [(number, 1), (number, 1), (number, 2)][: 3 * (number == 1)])
        write(tmp_path / "annotations" / f"instances_{part}2017.json", content)
        write(tmp_path / "annotations" / f"person_keypoints_{part}2017.json", coco([(number, "absent.jpg")], []))
    corpus = Corpus.open(tmp_path)
    assert corpus.layout == "coco" and corpus.labels == ("dog", "sea")
    assert labels_of(corpus) == {"train2017/001.jpg": ["dog", "sea"], "val2017/001.jpg": []}
    assert parts_of(corpus) == {"train2017/001.jpg": "train", "val2017/001.jpg": "validation"}
    photo(tmp_path / "more" / "002.jpg", 75)
    write(tmp_path / "more" / "mine.json", coco([(1, "002.jpg")], [(1, 2)]))
    assert labels_of(Corpus.open(tmp_path))["more/002.jpg"] == ["dog"], "only files that repeat the photos are left out"


def test_coco_files_called_like_the_folders_of_their_photos_speak_of_these(tmp_path):
    photos(tmp_path, "train/1.jpg", "val/1.jpg", "val/2.jpg")
    write(tmp_path / "annotations" / "train.json", coco([(1, "1.jpg")], [(1, 1)]))
    write(tmp_path / "annotations" / "val.json", coco([(1, "1.jpg"), (2, "2.jpg")], [(1, 2), (2, 2)]))
    assert labels_of(Corpus.open(tmp_path)) == {"train/1.jpg": ["sea"], "val/1.jpg": ["dog"], "val/2.jpg": ["dog"]}
    (tmp_path / "val/1.jpg").unlink()
    with pytest.raises(TaggingError, match=r"val\.json images\[0\]: '1\.jpg' is no photo here"):
        Corpus.open(tmp_path)


def test_coco_of_roboflow_has_a_file_and_photos_of_one_name_in_each_part(tmp_path):
    for part, category in (("train", 1), ("valid", 2)):
        photos(tmp_path, f"{part}/1.jpg")
        write(tmp_path / part / "_annotations.coco.json", coco([(0, "1.jpg")], [(0, category)]))
    corpus = Corpus.open(tmp_path)
    assert labels_of(corpus) == {"train/1.jpg": ["sea"], "valid/1.jpg": ["dog"]}
    assert parts_of(corpus) == {"train/1.jpg": "train", "valid/1.jpg": "validation"}


def test_a_category_that_nobody_has_is_a_label_and_noted(tmp_path):
    photos(tmp_path, "1.jpg")
    write(tmp_path / "labels.json", coco([(1, "1.jpg")], [(1, 1)]))
    corpus = Corpus.open(tmp_path)
    assert corpus.labels == ("dog", "sea") and "'dog': no photo carries it" in str(corpus.problems[0])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["annotations"].append({"image_id": 9, "category_id": 1}), r"annotations\[1\]: there is no image 9"),
        (lambda c: c["annotations"].append({"image_id": 1, "category_id": 7}), r"annotations\[1\]: there is no category 7"),
        (lambda c: c["annotations"].append({"image_id": 1}), r"labels\.json: annotations\[1\] has no category_id"),
        (lambda c: c["images"].append({"id": 2, "file_name": "2.jpg"}), r"images\[1\]: '2\.jpg' is no photo here"),
        (lambda c: c["images"].append({"id": 2}), r"labels\.json: images\[1\] has no file_name"),
        (lambda c: c["categories"].append({"id": 1, "name": "cat"}), r"categories\[2\] has the id 1 of 'sea'"),
        (lambda c: c.update(images={"a": 1}), r"labels\.json: images is no list"),
    ],
)
def test_coco_errors_name_file_and_field(tmp_path, change, said):
    photos(tmp_path, "1.jpg")
    content = coco([(1, "1.jpg")], [(1, 1)])
    change(content)
    write(tmp_path / "labels.json", content)
    with pytest.raises(TaggingError, match=said):
        Corpus.open(tmp_path)


# Pascal VOC


def voc(root, names):
    photos(root, *(f"JPEGImages/{name}.jpg" for name in names))
    photos(root, *(f"SegmentationClass/{name}.png" for name in names))
    return root / "ImageSets" / "Main"


def test_voc_with_a_file_for_each_label(tmp_path):
    main = voc(tmp_path / "VOCdevkit" / "VOC2007", ["000012", "000017", "000023"])
    for name, text in {
        "cat_trainval": "000012 -1\n000017  0\n",
        "dog_trainval": "000012  1\n000017 -1\n",
        "cat_test": "000023  1\n",
        "dog_test": "000023 -1\n",
        "train": "000012\n",
        "val": "000017\n",
        "trainval": "000012\n000017\n",
        "test": "000023\n",
    }.items():
        write(main / f"{name}.txt", text)
    corpus = Corpus.open(tmp_path)
    assert corpus.layout == "voc" and corpus.labels == ("cat", "dog")
    folder = "VOCdevkit/VOC2007/JPEGImages"
    assert labels_of(corpus) == {
        f"{folder}/000012.jpg": ["dog"],
        f"{folder}/000017.jpg": ["cat"],
        f"{folder}/000023.jpg": ["cat"],
    }
    assert corpus.parts == ("train", "validation", "test")
    assert any("lines with the value 0, which means difficult: 1" in str(problem) for problem in corpus.problems)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("000012 2", "cat_train.txt line 2: '000012 2' is no photo with 1, 0 or -1"),
        ("000012", "line 2: '000012' is no photo with"),
        ("000099 1", "line 2: '000099' is no photo here"),
        ("000012 1", "line 2: 000012 has another value in ImageSets/Main/cat_train.txt line 1"),
    ],
)
def test_voc_errors_name_file_and_line(tmp_path, line, said):
    write(voc(tmp_path, ["000012"]) / "cat_train.txt", f"000012 -1\n{line}\n")
    with pytest.raises(TaggingError) as caught:
        Corpus.open(tmp_path)
    assert said in str(caught.value)


def objects(name, *labels):
    inside = "".join(f"<object><name>{label}</name><part><name>head</name></part></object>" for label in labels)
    return f"<annotation><folder>VOC</folder><filename>{name}</filename>{inside}</annotation>"


@pytest.mark.parametrize("subset", ["default", "Train", "train", "night"])
def test_voc_of_datumaro_has_tags_in_lists_and_objects_in_xml(tmp_path, subset):
    main = voc(tmp_path, ["a", "b", "c"])
    main.mkdir(parents=True)
    lists = {subset: "a\nb\nc\n", f"cat_{subset}": "a  1\n", f"dog_{subset}": "a -1\n"}
    for name, text in lists.items():
        (main / f"{name}.txt").write_text(text)
    (tmp_path / "Annotations").mkdir()
    for name, labels in {"a": [], "b": ["dog"], "c": []}.items():
        objects = "".join(f"<object><name>{label}</name></object>" for label in labels)
        text = f"<annotation><filename>{name}.jpg</filename>{objects}</annotation>"
        (tmp_path / "Annotations" / f"{name}.xml").write_text(text)
    corpus = Corpus.open(tmp_path)
    assert labels_of(corpus) == {"JPEGImages/a.jpg": ["cat"], "JPEGImages/b.jpg": ["dog"], "JPEGImages/c.jpg": []}


def test_objects_that_labelme_keeps_as_deleted_are_none(tmp_path):
    photos(tmp_path, "1.jpg")
    objects = "".join(f"<object><name>{name}</name><deleted>{gone}</deleted></object>" for name, gone in (("sea", 0), ("dog", 1)))
    objects += "<object><name>cat</name></object>"
    (tmp_path / "1.xml").write_text(f"<annotation><filename>1.jpg</filename>{objects}</annotation>")
    assert labels_of(Corpus.open(tmp_path)) == {"1.jpg": ["cat", "sea"]}


def test_voc_with_xml_beside_the_photos_and_in_a_folder_of_its_own(tmp_path):
    for part, labels in (("train", ["sea", "sea", "dog"]), ("valid", [])):
        photos(tmp_path / "roboflow", f"{part}/1.jpg")
        write(tmp_path / "roboflow" / part / "1.xml", objects("1.jpg", *labels))
    corpus = Corpus.open(tmp_path / "roboflow")
    assert corpus.layout == "voc" and labels_of(corpus) == {"train/1.jpg": ["dog", "sea"], "valid/1.jpg": []}
    assert corpus.parts == ("train", "validation")
    write(voc(tmp_path / "devkit", ["1"]).parent.parent / "Annotations" / "1.xml", objects("renamed.jpg", "sea"))
    assert labels_of(Corpus.open(tmp_path / "devkit")) == {"JPEGImages/1.jpg": ["sea"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('<!DOCTYPE a [<!ENTITY x "sea">]><annotation><object><name>&x;</name></object></annotation>', "type or entities"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation></annotation>', "document type or entities"),
        ("<annotation><object></annotation>", r"1\.xml line 1: is no valid XML"),
        ("<annotation>" + "<a>" * 100 + "</a>" * 100 + "</annotation>", "more than 50 elements inside each other"),
        ("<annotation><object><name> </name></object></annotation>", r"1\.xml: an object has no name"),
        (objects("2.jpg", "sea").replace("VOC", "1"), ""),
    ],
)
def test_xml_is_read_safely(tmp_path, text, said):
    photos(tmp_path, "1.jpg")
    write(tmp_path / "1.xml", text)
    if said:
        with pytest.raises(TaggingError, match=said):
            Corpus.open(tmp_path)
    else:
        assert Corpus.open(tmp_path).labels == ("sea",)


# YOLO


BOX = "0.5 0.5 0.2 0.2"


def test_yolo_as_ultralytics_has_it(tmp_path):
    photos(tmp_path, "images/train/1.jpg", "images/train/2.jpg", "images/val/1.jpg")
    write(tmp_path / "labels/train/1.txt", f"0 {BOX}\n2 {BOX}\n0 {BOX}\n")
    write(tmp_path / "labels/val/1.txt", "")
    write(tmp_path / "data.yaml", "path: ../x\ntrain: images/train\nnames:\n  0: sea  # the\n  1: 'it''s'\n  2: dog\nnc: 3\n")
    corpus = Corpus.open(tmp_path)
    assert corpus.layout == "yolo" and corpus.labels == ("dog", "it's", "sea")
    assert labels_of(corpus) == {"images/train/1.jpg": ["dog", "sea"], "images/train/2.jpg": [], "images/val/1.jpg": []}
    assert corpus.parts == ("train", "train", "validation")
    assert any("photos without a label file: 1, first 'images/train/2.jpg'" in str(problem) for problem in corpus.problems)


@pytest.mark.parametrize("start", ["", "./", "data/", "/home/me/set/"])
def test_yolo_lists_of_photos_give_the_parts(tmp_path, start):
    names = [f"images/{number}.jpg" for number in range(4)]
    photos(tmp_path, *names)
    write(tmp_path / "labels/1.txt", f"0 {BOX}")
    write(tmp_path / "data.yaml", "train: train.txt\nval: val.txt\nnames: [sea]\n")
    write(tmp_path / "train.txt", "".join(f"{start}{name}\n" for name in names[:3]))
    write(tmp_path / "val.txt", f"{start}{names[3]}\n")
    corpus = Corpus.open(tmp_path)
    assert corpus.layout == "yolo" and corpus.parts == ("train", "train", "train", "validation")


def test_yolo_of_roboflow_and_of_labelimg(tmp_path):
    for part, number in (("train", 0), ("valid", 1)):
        photos(tmp_path / "roboflow", f"{part}/images/1.jpg")
        write(tmp_path / "roboflow" / part / "labels" / "1.txt", f"{number} {BOX} 0.1 0.1")
    write(tmp_path / "roboflow" / "data.yaml", "train: ../train/images\nnc: 2\nnames: ['sea', 'dog']\n")
    corpus = Corpus.open(tmp_path / "roboflow")
    assert labels_of(corpus) == {"train/images/1.jpg": ["sea"], "valid/images/1.jpg": ["dog"]}
    photos(tmp_path / "labelimg", "1.jpg")
    write(tmp_path / "labelimg" / "1.txt", f"1 {BOX}\n")
    write(tmp_path / "labelimg" / "classes.txt", "sea\ndog\n")
    assert labels_of(Corpus.open(tmp_path / "labelimg")) == {"1.jpg": ["dog"]}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"5 {BOX}", r"labels/1\.txt line 2: there is no name of class 5"),
        (f"sea {BOX}", r"labels/1\.txt line 2: 'sea 0\.5 .*' is no line of class x y width height"),
        ("0 0.5 0.5", "line 2: .* is no line of class"),
        ("0 a b c d", "line 2: .* is no line of class"),
    ],
)
def test_yolo_errors_name_file_and_line(tmp_path, line, said):
    photos(tmp_path, "images/1.jpg")
    write(tmp_path / "labels/1.txt", f"0 {BOX}\n{line}\n")
    with pytest.raises(TaggingError, match=r"names no classes: add classes\.txt"):
        Corpus.open(tmp_path)
    write(tmp_path / "classes.txt", "sea\n")
    with pytest.raises(TaggingError, match=said):
        Corpus.open(tmp_path)


def test_a_yolo_file_without_a_photo_and_names_that_differ_are_refused(tmp_path):
    photos(tmp_path, "images/1.jpg")
    for name in ("1", "2"):
        write(tmp_path / f"labels/{name}.txt", f"0 {BOX}\n")
    write(tmp_path / "classes.txt", "sea\n")
    with pytest.raises(TaggingError, match=r"labels/2\.txt: there is no photo of this name"):
        Corpus.open(tmp_path)
    write(tmp_path / "data.yaml", "names: [dog]\n")
    with pytest.raises(TaggingError, match=r"classes\.txt and .*data\.yaml name other classes"):
        Corpus.open(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "names: ['sea', 'a, b', \"it's\", '#1']",
        "train: x\nnames:\n- sea\n- 'a, b'\n- it's\n- '#1'\nnc: 4\n",
        'names: {0: sea, 1: "a, b", 2: it\'s, 3: "#1"}  # four',
        "# names: [x]\nnames: [\n  sea,  # one\n  'a, b',\n  it's,\n  '#1',\n]\nval: y\n",
        "names:\n\n  0: sea\n  # between\n  1: 'a, b'\n  2: it's\n  3: \"#1\"\n",
    ],
)
def test_names_in_yaml_are_what_a_yaml_parser_reads(tmp_path, text):
    import yaml

    read = read_names(tmp_path / "data.yaml", text)
    expected = yaml.safe_load(text)["names"]
    assert read == (dict(enumerate(expected)) if isinstance(expected, list) else expected)
    assert list(read.values()) == ["sea", "a, b", "it's", "#1"]


@pytest.mark.parametrize(
    "text", ["names: sea", "names: [sea", "names: [[a], b]", "names:\nnc: 1", "names: &x [a]", "names: [a,,b]", "x: 1"]
)
def test_names_in_other_yaml_are_refused(tmp_path, text):
    with pytest.raises(TaggingError, match=r"data\.yaml"):
        read_names(tmp_path / "data.yaml", text)


# Label Studio


def task(number, image, *answers, **more):
    """A task of the full export; each answer is a list of choices, or of pairs of control and choices."""
    annotations = []
    for answer in answers:
        pairs = answer if answer and isinstance(answer[0], tuple) else [("tags", answer)] if answer else []
        result = [{"type": "choices", "from_name": c, "to_name": "image", "value": {"choices": list(v)}} for c, v in pairs]
        annotations.append({"id": number, "was_cancelled": False, "result": result})
    return {"id": number, "data": {"image": image}, "annotations": annotations} | more


def test_label_studio_finds_uploads_local_files_and_addresses(tmp_path):
    photos(tmp_path, "1a2b3c4d-sea.jpg", "street.jpg", "sub/dog.jpg", "far away.jpg", "waiting.jpg")
    tasks = [
        task(1, "/data/upload/1/1a2b3c4d-sea.jpg", ["sea", "holiday"]),
        task(2, "/data/upload/1/9f9f9f9f-street.jpg", []),
        task(3, "/data/local-files/?d=photos/sub/dog.jpg", ["dog"], ["dog"]),
        task(4, "https://host/bucket/far%20away.jpg?token=1", ["sea"]),
        task(5, "/data/upload/1/waiting.jpg"),
    ]
    tasks[4]["annotations"] = [{"was_cancelled": True, "result": []}]
    write(tmp_path / "project-1-at-2026.json", tasks)
    corpus = Corpus.open(tmp_path)
    assert corpus.layout == "label-studio" and corpus.read_as.endswith("choices of tags")
    assert labels_of(corpus) == {
        "1a2b3c4d-sea.jpg": ["holiday", "sea"],
        "far away.jpg": ["sea"],
        "street.jpg": [],
        "sub/dog.jpg": ["dog"],
    }
    assert any("tasks without an annotation: 1" in str(problem) for problem in corpus.problems)


def test_label_studio_short_form(tmp_path):
    photos(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    rows = [
        {"id": 1, "image": "/data/upload/1.jpg", "tags": {"choices": ["sea", "dog"]}, "annotator": 1, "annotation_id": 1},
        {"id": 2, "image": "/data/upload/2.jpg", "tags": "sea", "annotator": 1, "annotation_id": 2},
        {"id": 3, "image": "/data/upload/3.jpg", "annotator": 1, "annotation_id": 3, "lead_time": 2.5},
    ]
    write(tmp_path / "export.json", rows)
    assert labels_of(Corpus.open(tmp_path)) == {"1.jpg": ["dog", "sea"], "2.jpg": ["sea"], "3.jpg": []}


@pytest.mark.parametrize(
    ("hierarchy", "first", "second"),
    [
        ("leaf", ["beach", "dog"], ["beach", "cat"]),
        ("path", ["animal|dog", "beach"], ["animal|cat", "beach"]),
        ("all", ["animal", "animal|dog", "beach"], ["animal", "animal|cat", "beach"]),
    ],
)
def test_label_studio_taxonomies_are_hierarchies(tmp_path, hierarchy, first, second):
    photos(tmp_path, "1.jpg", "2.jpg")
    paths = {1: [["animal", "dog"], ["beach"]], 2: [["animal", "cat"], ["beach"]]}
    options = ReadOptions(hierarchy=hierarchy)
    tasks = [task(number, f"{number}.jpg", []) for number in paths]
    for entry, chosen in zip(tasks, paths.values(), strict=True):
        result = {"type": "taxonomy", "from_name": "kind", "to_name": "image", "value": {"taxonomy": chosen}}
        entry["annotations"][0]["result"] = [result]
    write(tmp_path / "export.json", tasks)
    assert labels_of(Corpus.open(tmp_path, options=options)) == {"1.jpg": first, "2.jpg": second}
    short = [{"id": n, "image": f"{n}.jpg", "kind": {"taxonomy": chosen}, "annotation_id": n} for n, chosen in paths.items()]
    write(tmp_path / "export.json", short)
    assert labels_of(Corpus.open(tmp_path, options=options)) == {"1.jpg": first, "2.jpg": second}


REGION = {"x": 1, "y": 1, "width": 2, "height": 2}


@pytest.mark.parametrize(
    ("first", "second", "options", "expected"),
    [
        ([REGION | {"rectanglelabels": ["cat"]}, REGION | {"rectanglelabels": ["dog"]}], [], {}, ["cat", "dog"]),
        ([{"taxonomy": [["animal", "cat"]]}, {"taxonomy": [["animal", "dog"]]}], "", {}, ["cat", "dog"]),
        (["cat", "dog"], "dog", {}, ["cat", "dog"]),
        ({"choices": ["cat", "dog"]}, "dog", {}, ["cat", "dog"]),
    ],
)
def test_label_studio_short_form_of_boxes_taxonomies_and_choices_of_regions(tmp_path, first, second, options, expected):
    photos(tmp_path, "1.jpg", "2.jpg")
    told = {"annotator": 1, "lead_time": 2.5, "about": "a text that is far too long to be the name of any choice in here"}
    rows = [
        {"id": number, "image": f"/data/upload/1/0a1b2c3d-{number}.jpg", "what": value, "annotation_id": number} | told
        for number, value in ((1, first), (2, second))
    ]
    write(tmp_path / "export.json", rows)
    assert labels_of(Corpus.open(tmp_path))["1.jpg"] == expected


def test_label_studio_short_form_of_boxes_and_of_another_short_text_asks_which(tmp_path):
    photos(tmp_path, "1.jpg", "2.jpg")
    boxes = [REGION | {"rectanglelabels": ["cat"]}]
    rows = [{"id": n, "image": f"{n}.jpg", "what": boxes, "city": "Kiel", "annotation_id": n} for n in (1, 2)]
    write(tmp_path / "export.json", rows)
    with pytest.raises(TaggingError, match=r"the fields 'city', 'what' could hold the choice.*label_column=NAME"):
        Corpus.open(tmp_path)
    assert labels_of(Corpus.open(tmp_path, options=ReadOptions(label_column="what")))["1.jpg"] == ["cat"]


@pytest.mark.parametrize("start", ["s3://bucket/", "/data/local-files/?d=", "/mnt/photos/", "https://host/a%20b/"])
@pytest.mark.parametrize("layout", ["full", "table"])
def test_of_a_path_elsewhere_the_folder_counts(tmp_path, start, layout):
    photos(tmp_path, "cats/1.jpg", "dogs/1.jpg", "dogs/2.jpg")
    given = {"cats/1.jpg": "cat", "dogs/1.jpg": "dog"}

    def export():
        (tmp_path / "export.json").unlink(missing_ok=True)
        (tmp_path / "export.csv").unlink(missing_ok=True)
        if layout == "full":
            write(tmp_path / "export.json", [task(n, start + name, [label]) for n, (name, label) in enumerate(given.items())])
        else:
            lines = "".join(f"{start}{name},{label}\n" for name, label in given.items())
            (tmp_path / "export.csv").write_text(f"image,choice\n{lines}")

    export()
    found = labels_of(Corpus.open(tmp_path))
    assert (found["cats/1.jpg"], found["dogs/1.jpg"]) == (["cat"], ["dog"])
    given = {"cows/2.jpg": "cow"} | given
    export()
    with pytest.raises(TaggingError, match=r"cows/2\.jpg' is no photo here"):
        Corpus.open(tmp_path)


def test_label_studio_leaves_of_one_name_are_told(tmp_path):
    photos(tmp_path, "1.jpg", "2.jpg")
    short = [
        {"id": 1, "image": "1.jpg", "kind": {"taxonomy": [["animal", "bat"]]}, "annotation_id": 1},
        {"id": 2, "image": "2.jpg", "kind": {"taxonomy": [["sport", "bat"]]}, "annotation_id": 2},
    ]
    write(tmp_path / "export.json", short)
    with pytest.raises(TaggingError, match=r"bat: is the name of 2 levels \('animal/bat', 'sport/bat'\)"):
        Corpus.open(tmp_path)
    assert labels_of(Corpus.open(tmp_path, options=ReadOptions(hierarchy="path")))["1.jpg"] == ["animal|bat"]


def test_label_studio_of_one_choice_in_several_controls_asks_which(tmp_path):
    photos(tmp_path, "1.jpg", "2.jpg")
    tasks = [task(1, "1.jpg", [("sharp", ["yes"]), ("usable", ["no"])]), task(2, "2.jpg", [("sharp", ["no"])])]
    write(tmp_path / "export.json", tasks)
    with pytest.raises(TaggingError, match=r"the choice 'no' stands in several controls \('sharp', 'usable'\): name one"):
        Corpus.open(tmp_path)
    assert labels_of(Corpus.open(tmp_path, options=ReadOptions(label_column="sharp"))) == {"1.jpg": ["yes"], "2.jpg": ["no"]}
    with pytest.raises(TaggingError, match="no choices of 'colour'"):
        Corpus.open(tmp_path, options=ReadOptions(label_column="colour"))


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([task(7, "1.jpg", ["sea"], ["dog"])], r"export\.json task 7: has 2 annotations that differ"),
        ([task(7, "absent.jpg", ["sea"])], r"export\.json task 7: 'absent\.jpg' is no photo here"),
        ([task(7, "1.jpg", ["sea"]), task(8, "x/1.jpg", ["dog"])], r"task 8: 'x/1\.jpg' is no photo here"),
        ([task(7, "1.jpg", ["sea"]), task(8, "/x/1.jpg", ["dog"])], r"task 8: '1\.jpg' has other labels in another task"),
        ([{"id": 7, "data": {"text": "x"}, "annotations": [{"result": []}]}], "task 0 has no photo in its data"),
        ([task(7, "1.jpg", ["sea"]) | {"annotations": [{"result": 3}]}], "task 7 has annotations without result"),
        ([task(7, "1.jpg", ["sea"]), 5], "is no list of tasks"),
    ],
)
def test_label_studio_errors_name_file_and_task(tmp_path, tasks, said):
    photos(tmp_path, "1.jpg")
    write(tmp_path / "export.json", tasks)
    with pytest.raises(TaggingError, match=said):
        Corpus.open(tmp_path)


# Keywords


def with_keywords(path, *words):
    """A photo with `dc:subject`."""
    listed = "".join(f"<rdf:li>{word}</rdf:li>" for word in words)
    xmp = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<dc:subject><rdf:Bag>{listed}</rdf:Bag></dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8, 3), len(words), dtype=np.uint8)).save(path, xmp=xmp.encode())


def test_keywords_in_the_photos(tmp_path):
    with_keywords(tmp_path / "a.jpg", "sea", "holiday")
    with_keywords(tmp_path / "b.jpg")
    corpus = Corpus.open(tmp_path)
    assert corpus.layout == "keywords" and labels_of(corpus) == {"a.jpg": ["holiday", "sea"], "b.jpg": []}


@pytest.mark.parametrize(("hierarchy", "guessed"), [("leaf", "beach"), ("path", "auto|beach"), ("all", "auto|beach")])
def test_what_a_model_gave_is_no_label_unless_somebody_says_so(tmp_path, hierarchy, guessed):
    with_keywords(tmp_path / "a.jpg", "sea", "dog")
    with_keywords(tmp_path / "b.jpg")
    for name in ("a.jpg", "b.jpg"):
        write_sidecar(tmp_path / name, ["sea", "beach"] if name == "a.jpg" else ["beach"], prefix="auto")
    corpus = Corpus.open(tmp_path, data_dir=tmp_path.parent, options=ReadOptions(hierarchy=hierarchy))
    assert labels_of(corpus) == {"a.jpg": ["dog", "sea"], "b.jpg": []}, "the photo had both before"
    (told,) = [problem for problem in corpus.problems if "model of ours" in str(problem)]
    assert "(and 1 more such cases)" in str(told) and "--read given=read" in str(told) and not told.fatal
    trusted = Corpus.open(tmp_path, data_dir=tmp_path.parent, options=ReadOptions(hierarchy=hierarchy, given="read"))
    assert guessed in labels_of(trusted)["b.jpg"]
    assert not any("model of ours" in str(problem) for problem in trusted.problems)
    with pytest.raises(TaggingError, match="given is 'maybe': choose leave-out or read"):
        ReadOptions(given="maybe")


def test_keywords_that_are_joined_are_a_warning_and_no_stop(tmp_path):
    with_keywords(tmp_path / "a.jpg", "sea, holiday")
    with_keywords(tmp_path / "b.jpg", "sea")
    found = [problem for problem in check(tmp_path) if problem.wrong]
    assert "'sea, holiday' by ','" in found[0].what and Corpus.open(tmp_path).labels == ("sea", "sea, holiday")


def test_a_photo_whose_keywords_cannot_be_read_is_broken(tmp_path):
    with_keywords(tmp_path / "a.jpg", "sea")
    (tmp_path / "b.jpg").write_bytes(b"")
    with pytest.raises(TaggingError, match=r"b\.jpg: "):
        Corpus.open(tmp_path)
    assert Corpus.open(tmp_path, data_dir=tmp_path / "data", skip_broken=True).photos == ("a.jpg",)


# Which layout


def test_every_layout_has_a_reader():
    assert tuple(layouts.READERS) == LAYOUTS
    with pytest.raises(TaggingError, match="layout is 'tables': choose numbered, table"):
        ReadOptions(layout="tables")


def test_two_layouts_that_fit_are_an_error_that_names_both_and_how_to_force_one(tmp_path):
    photos(tmp_path, "images/im1.png")
    write(tmp_path / "annotations/sea.txt", "1\n")
    write(tmp_path / "photos.csv", "photo,labels\nim1.png,dog\n")
    with pytest.raises(TaggingError, match="can be read as numbered and as table: say --layout numbered or --layout table"):
        Corpus.open(tmp_path)
    assert Corpus.open(tmp_path, options=ReadOptions(layout="numbered")).labels == ("sea",)
    assert Corpus.open(tmp_path, options=ReadOptions(layout="table")).labels == ("dog",)
    assert Corpus.open(tmp_path, options=ReadOptions(table="photos.csv")).labels == ("dog",)


def test_folders_of_photos_with_keywords_can_be_read_in_two_ways(tmp_path):
    with_keywords(tmp_path / "2004" / "a.jpg", "sea")
    photos(tmp_path, "2006/b.png")
    with pytest.raises(TaggingError, match="can be read as folders and as keywords"):
        Corpus.open(tmp_path)
    assert Corpus.open(tmp_path, options=ReadOptions(layout="keywords")).labels == ("sea",)
    assert Corpus.open(tmp_path, options=ReadOptions(layout="folders")).labels == ("2004", "2006")


def test_a_table_counts_before_the_folders_that_its_photos_lie_in(tmp_path):
    photos(tmp_path, "2004/a.png", "2006/b.png")
    write(tmp_path / "photos.csv", "photo,labels\na.png,dog\nb.png,sea\n")
    assert Corpus.open(tmp_path).layout == "table"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_forced_layout_that_is_not_there_is_one_line(tmp_path, layout):
    photos(tmp_path, "a.png")
    with pytest.raises(TaggingError) as caught:
        Corpus.open(tmp_path, options=ReadOptions(layout=layout))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "said"), [("a.png", "no labels in a layout that is read here"), ("a.txt", "holds no photos")])
def test_nothing_that_fits_is_said(tmp_path, name, said):
    (photo if name == "a.png" else lambda path: path.write_text(""))(tmp_path / name)
    with pytest.raises(TaggingError, match=said):
        Corpus.open(tmp_path)


def test_a_folder_around_the_corpus_is_said(tmp_path):
    photos(tmp_path, "dataset/a.png", "dataset/b.png")
    with pytest.raises(TaggingError, match="holds nothing but the folder dataset: give "):
        Corpus.open(tmp_path)


def test_files_that_lead_nowhere_do_not_stop_the_search_for_a_layout(tmp_path):
    photos(tmp_path, "a.png")
    write(tmp_path / "photos.csv", "photo,labels\na.png,sea\n")
    for name in ("x.xml", "x.json", "metadata.txt", "a.txt", "data.yaml"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    assert Corpus.open(tmp_path).labels == ("sea",)


def test_labels_of_no_photo_and_parts_of_the_shared_reading():
    reading = reading_of({"b.png": {"x"}, "a10.png": set(), "a9.png": {"y", "x"}}, problems=(), read_as="", labels=["z"])
    assert reading.photos == ("a9.png", "a10.png", "b.png") and reading.labels == ("x", "y", "z") and reading.parts == ()
    assert reading.targets.tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 0]] and reading.numbers.tolist() == [1, 2, 3]
    assert [str(problem) for problem in reading.problems] == ["note: 'z': no photo carries it; its scores will be undefined"]


def test_inspection_tells_the_layout_the_labels_and_each_photo(tmp_path):
    photos(tmp_path, "train/1.jpg", "valid/1.jpg")
    write(tmp_path / "photos.csv", "photo,labels\ntrain/1.jpg,sea;dog\nvalid/1.jpg,sea\n")
    told = inspect(tmp_path).as_json(photos=True)
    assert told["layout"] == "table" and told["labels"] == {"dog": 1, "sea": 2} and told["number_of_photos"] == 2
    assert told["parts"] == {"train": 1, "validation": 1} and told["sound"]
    assert told["photos"] == [
        {"photo": "train/1.jpg", "labels": ["dog", "sea"], "part": "train"},
        {"photo": "valid/1.jpg", "labels": ["sea"], "part": "validation"},
    ]
    assert [problem["level"] for problem in told["problems"]] == ["note"] and json.dumps(told)
    assert "photos" not in inspect(tmp_path).as_json()
