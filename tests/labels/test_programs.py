"""Label Studio's export and predictions, and SLEAP's files, as their own packages have them."""

import json
import sys

import h5py
import numpy as np
import pytest

from convcorr_jax.coords import Box
from convcorr_jax.errors import InputError
from convcorr_jax.io import read_image
from convcorr_jax.labels import read_labels, write_label_studio
from tests.builders.label_files import (
    BRUSH,
    CONFIGURATION,
    assert_read,
    by_name,
    found,
    photographs,
    point,
    rectangle,
    region,
    sleap_files,
    task,
)


def read(folder, *tasks):
    photographs(folder)
    (folder / "export.json").write_text(json.dumps(tasks))
    return read_labels(folder / "export.json")


def test_percent_is_measured_from_the_edges_of_the_photograph_of_that_name(tmp_path):
    (one,) = read(tmp_path, task([point("u"), point("v", 0, 100), rectangle("r", 10)])).photographs[0].objects
    np.testing.assert_allclose(one.points, [[39.5, 29.5], [-0.5, 59.5]])
    np.testing.assert_allclose(one.box, [7.5, 5.5, 31.5, 53.5])
    served = ("/data/upload/3/0a1b2c3d-a.png", "/data/local-files/?d=other/a.png", "s3://bucket/a.png?sign=1")
    for image in (*served, "http://host/data/b/a.png", "%61.png", "C:\\photos\\a.png"):
        assert read(tmp_path, task([point("u")], image)).photographs[0].path == tmp_path / "a.png"


def test_points_belong_to_their_parent_or_to_the_box_around_them(tmp_path):
    result = [rectangle("r"), rectangle("s", 45), point("u", 20), point("u", 60), point("v", 90, parentID="r")]
    skipped = task([point("u")], "c.png", was_cancelled=True)
    predicted = {"data": {"image": "none.png"}, "predictions": [{"result": [point("u")]}]}
    labels = read(tmp_path, task(result), task([], "b.png"), skipped, predicted)
    first, second = by_name(labels)["a.png"].objects
    np.testing.assert_allclose(first.points, [[15.5, 29.5], [71.5, 29.5]])
    np.testing.assert_allclose(second.points, [[47.5, 29.5], [np.nan, np.nan]])
    assert (by_name(labels)["b.png"].objects, len(labels.photographs)) == ((), 2)
    assert (labels.names, labels.category) == (("u", "v"), "fly")


def test_outlines_have_boxes_and_masks(tmp_path):
    square, size = [[10, 10], [50, 10], [50, 60], [10, 60]], (20, 30)
    outlines = [
        region("brushlabels", size, brushlabels=["fly"], rle=BRUSH),
        region("polygonlabels", size, polygonlabels=["fly"], points=square),
        region("labels", size, labels=["fly"], x=50, y=10, width=50, height=40, rotation=90),
    ]
    tasks = [task([one, point("u", size=size)], "c.png") for one in outlines]
    brush, polygon, turned = (read(tmp_path, one).photographs[0].objects[0] for one in tasks)
    assert brush.box == Box(4.5, 2.5, 13.5, 11.5)
    assert (brush.mask.sum(), brush.mask[3:9, 5:14].all(), brush.mask[9:12, 7:9].all()) == (60, True, True)
    np.testing.assert_allclose(polygon.box, [2.5, 1.5, 14.5, 11.5])
    assert polygon.mask.sum() == polygon.mask[2:12, 3:15].sum() == 120
    # Turned clockwise about its left upper corner, 15 x 8 pixels lie below and left of it.
    np.testing.assert_allclose(turned.box, [14.5 - 8, 1.5, 14.5, 16.5])
    assert turned.mask is None


def test_predictions_return_as_annotations(tmp_path):
    truth, path = found(tmp_path), tmp_path / "tasks.json"
    write_label_studio(path, truth)
    tasks = json.loads(path.read_text())
    predictions = [one["predictions"][0] for one in tasks]
    assert [len(one["result"]) for one in predictions] == [7, 4, 0]
    assert [one.get("score") for one in predictions[0]["result"][:3]] == [None, 0.9, 0.1]
    assert predictions[0]["score"] == pytest.approx(0.5)
    accepted = [{"id": 1, "data": one["data"], "annotations": one["predictions"]} for one in tasks[:2]]
    path.write_text(json.dumps(accepted))
    labels = read_labels(path)
    assert_read(labels, truth)
    np.testing.assert_allclose(labels.photographs[0].objects[0].box, [1.5, 2.5, 35.5, 44.5])
    assert labels.category == "mouse"
    interfaces = pytest.importorskip("label_studio_sdk.label_interface", reason="needs label-studio-sdk")
    interface = interfaces.LabelInterface(CONFIGURATION)
    assert interface.validate_prediction(predictions[0], return_errors=True) == []
    from label_studio_sdk.converter import Converter

    path.write_text(json.dumps(accepted[:1]))
    converter = Converter(CONFIGURATION, str(tmp_path), download_resources=False)
    converter.convert_to_yolo(str(path), str(tmp_path / "yolo"), is_dir=False)
    (lines,) = (one.read_text().split("\n") for one in (tmp_path / "yolo" / "labels").iterdir())
    numbers = np.array([line.split() for line in lines], float)
    np.testing.assert_allclose(numbers[:, 1:5] * [80, 60, 80, 60], [[19, 24, 34, 42]] * 2)
    np.testing.assert_allclose(numbers[0, 5:7] * [80, 60] - 0.5, [10.125, 20])


def test_sleap_is_named_where_it_is_missing(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "labels.slp", "w") as stored:
        stored["videos_json"] = [b"{}"]
    monkeypatch.setitem(sys.modules, "sleap_io", None)
    with pytest.raises(InputError, match=r"labels\.slp: .* pip install sleap-io"):
        read_labels(tmp_path / "labels.slp")


def test_sleap_labels_are_those_of_sleap_io(tmp_path):
    sio = pytest.importorskip("sleap_io", reason="needs sleap-io")
    points = np.array([[1.5, 2], [np.nan, np.nan]])
    places = [[points, points + 1], [points + 2]]
    paths = sleap_files(sio, tmp_path, places)
    for name in ("plain.slp", "with.pkg.slp"):
        labels = read_labels(tmp_path / name)
        assert (labels.names, labels.skeleton) == (("u", "v"), ((0, 1),))
        assert [one.path for one in labels.photographs] == paths[:2]
        for one, each in zip(labels.photographs, places, strict=True):
            np.testing.assert_allclose([mine.points for mine in one.objects], each)
    original = read_image(paths[0])
    for path in paths:
        path.unlink()
    with pytest.raises(InputError, match=r"plain\.slp: the photograph '.*a\.png' is not in"):
        read_labels(tmp_path / "plain.slp")
    first = read_labels(tmp_path / "with.pkg.slp").photographs[0].path
    assert first.parent == tmp_path / "with.pkg.slp.frames"
    np.testing.assert_array_equal(read_image(first), original)
