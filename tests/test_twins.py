"""Which photos belong together: the same picture saved again, by folder, by a column, and never two pictures of one sort."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_corpus
from PIL import Image, ImageEnhance

from tagging_lib.data import splits, twins
from tagging_lib.data.corpus import Corpus, ReadOptions
from tagging_lib.errors import TaggingError
from tagging_lib.sample import corpus as sample


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> np.ndarray:
    """60 drawn scenes, uint8 (60, 128, 128, 3)."""
    folder = sample.draw(tmp_path_factory.mktemp("scenes") / "drawn", 60, seed=3)
    photos = sorted(path for path in Path(folder).rglob("*") if path.suffix in (".jpg", ".png"))[:60]
    return np.stack([np.asarray(Image.open(photo).convert("RGB").resize((128, 128))) for photo in photos])


def saved_again(photo: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(photo).save(stream, "JPEG", quality=40)
    return np.asarray(Image.open(stream))


def smaller(photo: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(photo).resize((70, 70)).resize((128, 128)))


def brighter(photo: np.ndarray) -> np.ndarray:
    return np.asarray(ImageEnhance.Contrast(Image.fromarray(photo)).enhance(1.2))


def grey(photo: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(photo).convert("L").convert("RGB"))


@pytest.mark.parametrize("change", [np.array, saved_again, smaller, brighter, grey])
def test_a_picture_saved_again_is_a_twin(scenes, change):
    plain = twins.twins(scenes)
    copies = np.stack([change(scenes[row]) for row in range(0, 60, 6)])
    found = twins.twins(np.concatenate([scenes, copies]))
    assert (found[60:] == plain[::6]).all()
    np.testing.assert_array_equal(found[:60], plain)


def test_other_pictures_are_no_twins(scenes):
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (20, 128, 128, 3), dtype=np.uint8)
    assert (twins.twins(noise) == np.arange(20)).all()
    mirrored = scenes[:10, :, ::-1]
    assert len(np.unique(twins.twins(np.concatenate([scenes[:10], mirrored])))) >= 18


def test_photos_of_one_colour_are_twins_when_equal():
    flat = np.zeros((4, 128, 128, 3), dtype=np.uint8)
    flat[1], flat[2] = 200, 90
    assert twins.twins(flat).tolist() == [0, 1, 2, 0]


def test_twins_of_twins_are_twins_and_stand_under_the_first_row(scenes):
    found = twins.twins(np.stack([scenes[0], scenes[1], scenes[0], saved_again(scenes[0])]))
    assert found.tolist() == [0, 1, 0, 0] and found.dtype == np.int64


def test_one_photo_and_none_have_no_twins(scenes):
    assert twins.twins(scenes[:1]).tolist() == [0]
    assert twins.twins(scenes[:0]).tolist() == []


def test_hashes_are_kept_beside_cached_photos(tmp_path, monkeypatch):
    from tagging_lib.data import pixels

    corpus = Corpus.open(draw_corpus(tmp_path / "tiny", photos=20))
    kept = pixels.load(corpus, cache_dir=tmp_path / "cache")
    before = twins.twins(kept)
    monkeypatch.setattr(twins, "_look", lambda _: pytest.fail("looked a second time"))
    np.testing.assert_array_equal(twins.twins(kept), before)


def test_rules_take_folders_columns_or_nothing_together(tmp_path):
    images = tmp_path / "own"
    for name in ("a/1.png", "a/2.png", "b/1.png", "3.png", "4.png"):
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 40), (len(name) * 20, 90, 30)).save(images / name)
    lines = ["photo,labels,photographer", "a/1.png,x,Ann", "a/2.png,y,", "b/1.png,x,Ann", "3.png,y,Bo", "4.png,x,Bo"]
    (images / "photos.csv").write_text("\n".join(lines) + "\n")
    nothing = np.zeros((5, 128, 128, 3), dtype=np.uint8)
    by_column = Corpus.open(images, options=ReadOptions(groups="Photographer"))
    order = {photo: row for row, photo in enumerate(by_column.photos)}

    def pairs(corpus: Corpus, rule: str) -> set[frozenset[str]]:
        found = twins.together(corpus, rule, nothing)
        return {frozenset(np.array(corpus.photos)[found == row]) for row in np.unique(found) if (found == row).sum() > 1}

    assert len(order) == 5 and by_column.labels == ("x", "y")
    assert pairs(by_column, "Photographer") == {frozenset({"a/1.png", "b/1.png"}), frozenset({"3.png", "4.png"})}
    plain = Corpus.open(images)
    assert pairs(plain, "folder") == {frozenset({"a/1.png", "a/2.png"}), frozenset({"3.png", "4.png"})}
    assert pairs(plain, "none") == set()
    assert len(pairs(plain, "found")) == 1, "all five are of one colour, which is the same here"


@pytest.mark.parametrize(
    ("layout", "groups", "named"), [("table", "camera", "column of groups 'camera'"), ("numbered", "camera", "no such column")]
)
def test_a_column_that_is_not_there_is_named(tmp_path, layout, groups, named):
    folder = draw_corpus(tmp_path / "tiny", photos=10)
    if layout == "table":
        (folder / "annotations").rename(tmp_path / "away")
        (folder / "photos.csv").write_text("photo,labels\nimages/im1.png,a\n")
    with pytest.raises(TaggingError, match=named):
        Corpus.open(folder, options=ReadOptions(groups=groups))


@pytest.mark.parametrize("rule", ["random", "stratified"])
def test_no_group_stands_in_two_parts(tmp_path, rule):
    corpus = Corpus.open(draw_corpus(tmp_path / "tiny", photos=300))
    random = np.random.default_rng(5)
    first = np.sort(random.choice(300, 120, replace=False))
    groups = np.arange(300)
    for row in range(300):
        if random.random() < 0.5:
            groups[row] = first[first <= row][-1] if (first <= row).any() else row
    groups = np.array([np.flatnonzero(groups == value)[0] for value in groups])
    made = splits.split(corpus, rule=rule, groups=groups)
    parts = [set(groups[getattr(made, part)]) for part in splits.PARTS]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert len(made.train) + len(made.validation) + len(made.test) == 300
    if rule == "random":
        biggest = max(np.bincount(groups))
        assert abs(len(made.train) - 180) <= biggest and abs(len(made.test) - 60) <= 2 * biggest


@pytest.mark.parametrize("given", [("train", "validation"), ("train", "test"), ("train",)])
def test_a_part_that_the_corpus_lacks_is_drawn_without_parting_a_group(tmp_path, given):
    corpus = Corpus.open(draw_corpus(tmp_path / "tiny", photos=200))
    parts = np.array(["train" if row % 10 else given[-1] for row in range(200)], dtype=object)
    corpus = dataclasses.replace(corpus, parts=tuple(parts))
    groups = np.arange(200) // 3 * 3
    made = splits.split(corpus, rule="given", groups=groups)
    for part in set(given) - {"train"}:
        assert set(getattr(made, part)) == set(np.flatnonzero(parts == part)), "what the corpus gives stays as it is"
    for part in set(splits.PARTS) - set(given):
        inside = getattr(made, part)
        assert len(inside) in range(38, 43)
        assert not set(groups[inside]) & set(np.delete(groups, inside)), "no drawn photo has a group mate elsewhere"
    alone = splits.split(corpus, rule="given", groups=np.arange(200))
    assert alone.fingerprint == splits.split(corpus, rule="given").fingerprint


def test_without_twins_the_split_is_the_originals(tmp_path):
    corpus = Corpus.open(draw_corpus(tmp_path / "tiny", photos=100))
    alone = splits.split(corpus, groups=np.arange(100))
    assert alone.fingerprint == splits.split(corpus).fingerprint


def test_one_pair_moves_no_more_than_the_pair_and_its_neighbour(tmp_path):
    corpus = Corpus.open(draw_corpus(tmp_path / "tiny", photos=100))
    before = splits.split(corpus)
    groups = np.arange(100)
    ours, theirs = sorted((before.train[0], before.test[0]))
    groups[theirs] = ours
    after = splits.split(corpus, groups=groups)
    moved = [set(getattr(before, part)) ^ set(getattr(after, part)) for part in splits.PARTS]
    assert 1 <= len(set.union(*moved)) <= 3, "the pair, and whoever stood at the ends of the parts between"


def test_a_group_of_nearly_everything_is_one_line(tmp_path):
    corpus = Corpus.open(draw_corpus(tmp_path / "tiny", photos=20))
    with pytest.raises(TaggingError, match="without photos: say --groups none"):
        splits.split(corpus, groups=np.zeros(20, dtype=np.int64))


def test_which_photos_have_a_twin_among_others():
    groups = np.array([0, 1, 0, 3, 1])
    assert twins.with_twin_in(groups, np.array([2, 3, 4]), np.array([0, 1])).tolist() == [True, False, True]
