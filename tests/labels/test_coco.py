"""COCO's annotations: points, boxes and masks as pycocotools has them, and what a person reviewed."""

import json

import numpy as np
import pytest

from convcorr_jax.coords import Box
from convcorr_jax.datasets.poses.coco import read_annotations
from convcorr_jax.labels import read_labels, write_coco
from tests.builders.label_files import assert_read, by_name, coco_annotation, coco_content, found, photographs

# The code of pycocotools 2.0.11 for a disk in 20 x 30 pixels.
CODE = "\\33?4L4N0O2O0O2O0001N101N102L4LR6"


def read(folder, **changes):
    photographs(folder)
    (folder / "labels.json").write_text(json.dumps(coco_content(**changes)))
    return read_labels(folder / "labels.json")


def test_what_is_written_is_read_and_is_coco(tmp_path):
    truth, path = found(tmp_path / "photos"), tmp_path / "out.json"
    write_coco(path, truth)
    labels = read_labels(path)
    assert_read(labels, truth)
    assert (labels.category, labels.skeleton) == ("mouse", ((0, 1), (1, 2)))
    assert {one.box for each in labels.photographs for one in each.objects} == {Box(1.5, 2.5, 35.5, 44.5)}
    assert read_annotations(path).names == truth.names
    stated = json.loads(path.read_text())
    judged = [(one["file_name"], one.get("verdict"), one.get("rank")) for one in stated["images"]]
    assert judged == [("a.png", "good", 1), ("b.png", "poor", 0), ("c.png", None, None)]
    first, second, _ = stated["annotations"]
    assert first["keypoints"] == [10.125, 20, 2, 30, 40.5, 1, 5, 6, 2]
    assert second["keypoints"][3:6] == [0, 0, 0]
    assert (second["num_keypoints"], second["radius_px"]) == (2, [3, None, 9.5])
    assert (first["bbox"], first["confidence"]) == ([2, 3, 34, 42], [0.9, 0.1, 0.5])
    # CVAT's importer refuses an unknown score that is stated.
    assert ("score" in first, second["score"]) == (False, 0.75)
    # CVAT keeps no folder: names suffice with that of the photographs.
    path.write_text(json.dumps({**stated, "info": {}}))
    assert_read(read_labels(path, photographs=[tmp_path / "photos"]), truth)
    module = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    read_by_it = module.COCO(str(path))
    one = read_by_it.loadAnns(read_by_it.getAnnIds(imgIds=[2]))[0]
    assert one["keypoints"][:3] == [10.125, 20, 2]
    assert read_by_it.loadRes([{**one, "score": 1.0}]).getAnnIds() == [1]


def test_flags_crowds_and_other_categories(tmp_path):
    categories = [*coco_content()["categories"], {"id": 8, "name": "box"}]
    others = [
        coco_annotation(id=2, iscrowd=1),
        coco_annotation(id=3, category_id=8, keypoints=[]),
        coco_annotation(id=4, image_id="b", keypoints=[0, 0, 0, 5, 6, 2], bbox=[0, 0, 8, 6], num_keypoints=9),
    ]
    labels = read(tmp_path, annotations=[coco_annotation(), *others], categories=categories)
    (a,), (b,) = by_name(labels)["a.png"].objects, by_name(labels)["b.png"].objects
    np.testing.assert_array_equal(a.points, [[1, 2], [3.5, 4]])
    np.testing.assert_array_equal(b.points, [[np.nan, np.nan], [5, 6]])
    assert (a.box, b.box, len(labels.photographs)) == (None, Box(-0.5, -0.5, 7.5, 5.5), 2)


# pycocotools gives NumPy 2 no keyword copy.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_masks_are_those_of_pycocotools(tmp_path):
    rows, columns = np.mgrid[:20, :30]
    disk = (rows - 9) ** 2 + (columns - 12) ** 2 <= 50
    runs = np.diff(np.flatnonzero(np.diff(disk.T.ravel(), prepend=False, append=True)), prepend=0).tolist()
    polygon = [2, 3, 12, 3, 12, 9, 2, 9]
    codes = [[polygon], *({"size": [20, 30], "counts": counts} for counts in (CODE, runs))]
    annotations = [[coco_annotation(image_id="c", segmentation=code)] for code in codes]
    masks = [read(tmp_path, annotations=one).photographs[0].objects[0].mask for one in annotations]
    assert masks[0].sum() == masks[0][3:9, 2:12].sum() == 60
    np.testing.assert_array_equal(masks[1], disk)
    np.testing.assert_array_equal(masks[2], disk)
    theirs = pytest.importorskip("pycocotools.mask", reason="needs pycocotools")
    np.testing.assert_array_equal(masks[0], theirs.decode(theirs.frPyObjects([polygon], 20, 30))[..., 0])
    assert theirs.encode(np.asfortranarray(disk.astype(np.uint8)))["counts"].decode() == CODE


def test_only_what_a_person_reviewed_is_labelled(tmp_path):
    images = coco_content()["images"]
    reviewed = [image | {"reviewed": image["id"] != "c"} for image in images[:1] + images[2:]]
    images = [*reviewed, {**images[1], "reviewed": True}]
    for annotations, counts in (
        ([coco_annotation(), coco_annotation(id=2, image_id="c")], (1, 0)),
        ([], (0, 0)),
    ):
        labels = read(tmp_path, images=images, annotations=annotations)
        assert {name: len(one.objects) for name, one in by_name(labels).items()} == dict(
            zip(("a.png", "b.png"), counts, strict=True)
        )
