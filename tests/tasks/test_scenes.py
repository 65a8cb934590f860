import numpy as np
import pytest

from convcorr_jax import synthetic
from convcorr_jax.datasets import opening
from convcorr_jax.errors import InputError
from convcorr_jax.tasks.scenes import read_scenes, segmentation
from tests.builders import voc_tree
from tests.builders.genuine import genuine
from tests.builders.records import record_of


def record(split, labels, **changes):
    label_map = np.full((20, 30), 255, np.uint8)
    label_map[: len(labels), 0] = labels
    fields = {"source_id": split, "label_map": label_map, "label_names": ("cat", "dog", "hen")} | changes
    return record_of(np.zeros((20, 30, 3), np.uint8), split=split, **fields)


def scenes_of(monkeypatch, *records):
    monkeypatch.setattr(opening, "read_records", lambda name, **options: records)
    return read_scenes("farm")


def test_classes_are_those_that_occur(monkeypatch):
    train, test = record("train", [1, 3]), record("test", [3, 255])
    scenes = scenes_of(monkeypatch, train, test)
    assert scenes.classes == ("cat", "hen")
    assert scenes.class_map(train)[:3, 0].tolist() == [0, 1, 255]
    assert scenes.class_map(test)[:3, 0].tolist() == [1, 255, 255]
    assert scenes_of(monkeypatch, record("train", [0, 2]), test).classes == ("background", "dog", "hen")


def test_a_validation_split_trains_beside_a_test_split_and_is_tested_without_one(monkeypatch):
    train, val, test = (record(split, [1]) for split in ("train", "val", "test"))
    both = scenes_of(monkeypatch, train, val, test)
    assert (list(both.train), list(both.test)) == ([train, val], [test])
    voc = scenes_of(monkeypatch, train, val)
    assert (list(voc.train), list(voc.test)) == ([train], [val])


def test_voc_is_tested_on_its_validation_split(tmp_path):
    release = tmp_path / "voc2012_segmentation" / "VOCdevkit" / "VOC2012"
    labels = np.zeros((voc_tree.HEIGHT, voc_tree.WIDTH), np.uint8)
    labels[3:9], labels[10] = 20, 255
    for split, name in {"train": "2007_000032", "val": "2007_000033"}.items():
        voc_tree.write_list(release / "ImageSets" / "Segmentation" / f"{split}.txt", [name])
        voc_tree.write_image(release / "JPEGImages" / f"{name}.jpg")
        voc_tree.write_labels(release / "SegmentationClass" / f"{name}.png", labels)
    scenes = read_scenes("voc2012_segmentation", data_root=tmp_path)
    assert scenes.classes == ("background", "tvmonitor")
    assert [one.source_id for one in scenes.test] == ["2007_000033"]
    np.testing.assert_array_equal(scenes.class_map(scenes.test[0]), np.where(labels == 20, 1, labels))


def test_a_rendered_class_is_the_whole_figure():
    scenes = read_scenes("rendered", rendered_train=1, rendered_test=1)
    assert scenes.classes == ("background", "person", "face", "quadruped", "car")
    assert len(scenes.train) == len(scenes.test) == 4
    found = scenes.class_map(scenes.train[2])
    assert set(np.unique(found)) == {0, 3}
    # Its parts have labels of their own.
    parts = synthetic.render("quadruped", seed=0, index=0).label_map
    np.testing.assert_array_equal(found > 0, np.asarray(parts) > 0)


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        ((), "farm has the splits none; to test"),
        ((record("train", [1]), record("test", [1], label_names=("a", "b", "c"))), "do not share"),
        ((record("train", [1]), record("test", [1], label_map=None)), "'test' has no label map"),
        ((record("train", [1]),), "farm has the splits train; to test"),
        ((record("test", [1]), record("sample", [1])), "splits test, sample; name the one to test"),
    ],
)
def test_other_data_sets_are_refused(monkeypatch, records, sentence):
    with pytest.raises(InputError, match=sentence):
        scenes_of(monkeypatch, *records)


def test_genuine_camvid_has_eleven_classes_and_no_background():
    scenes = read_scenes(str(genuine("camvid")))
    assert (len(scenes.train), len(scenes.test), len(scenes.classes)) == (468, 233, 11)
    assert scenes.classes[0] == "sky"


def test_intervals_draw_runs_of_a_film_and_else_images():
    films = [f"0001TP_{number:06d}" for number in range(0, 1350, 30)] + ["Seq05VD_f00000", "Seq05VD_f00030"]
    runs = segmentation.film_runs(films)
    assert runs is not None
    assert runs[:, 0].tolist() == [0] * 20 + [1] * 20 + [2] * 5 + [3] * 2
    assert segmentation.film_runs([*films, "2007_000033"]) is None
