"""PASCAL VOC 2012 segmentation on a tiny tree in its official format."""

from pathlib import Path

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.datasets import DATASETS, Absent, Record, load_image, load_label_map
from convcorr_jax.datasets.formats import xml
from convcorr_jax.datasets.official import voc
from convcorr_jax.errors import InputError
from tests.builders import voc_tree

LABELS = np.zeros((voc_tree.HEIGHT, voc_tree.WIDTH), np.uint8)
LABELS[3:9, 5:20] = 1
LABELS[12:, 30:] = 20
LABELS[8:10, :] = 255


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    release = tmp_path / "VOCdevkit" / "VOC2012"
    lists = release / "ImageSets" / "Segmentation"
    voc_tree.write_list(lists / "train.txt", ["2007_000032", "2007_000039"])
    voc_tree.write_list(lists / "val.txt", ["2007_000033"])
    for name in ("2007_000032", "2007_000039", "2007_000033"):
        voc_tree.write_image(release / "JPEGImages" / f"{name}.jpg")
        voc_tree.write_labels(release / "SegmentationClass" / f"{name}.png", LABELS)
    return tmp_path


def test_images_are_read_with_their_labels(tree: Path):
    records = list(voc.read_segmentation(tree))
    assert [(record.source_id, record.split) for record in records] == [
        ("2007_000032", "train"),
        ("2007_000039", "train"),
        ("2007_000033", "val"),
    ]
    record = records[0]
    assert record.size == coords.Size(voc_tree.HEIGHT, voc_tree.WIDTH)
    assert (record.category, record.box, len(record.names)) == ("scene", None, 0)
    np.testing.assert_array_equal(load_label_map(record), LABELS)
    assert record.label_names[1 - 1] == "aeroplane"
    assert record.label_names[20 - 1] == "tvmonitor"
    assert record.label_names == xml.CLASSES
    assert load_image(record).shape == (*record.size, 3)
    assert DATASETS["voc2012_segmentation"].is_release(tree)


@pytest.mark.parametrize("missing", ["JPEGImages/2007_000039.jpg", "SegmentationClass/2007_000039.png"])
def test_what_is_not_there_is_named(missing: str, tree: Path):
    (tree / "VOCdevkit" / "VOC2012" / missing).unlink()
    absent = Absent("2007_000039", f"{missing} is missing")
    assert list(voc.read_segmentation(tree))[1] == absent


def test_images_and_label_maps_that_do_not_fit_are_named(tree: Path):
    release = tree / "VOCdevkit" / "VOC2012"
    voc_tree.write_labels(release / "SegmentationClass" / "2007_000033.png", LABELS.T.copy())
    (release / "JPEGImages" / "2007_000032.jpg").write_bytes(b"no image")
    absent = {record.source_id: record for record in voc.read_segmentation(tree)}
    assert "2007_000032.jpg is not an image" in absent["2007_000032"].reason
    reason = "2007_000033.png has another size than its image"
    assert absent["2007_000033"] == Absent("2007_000033", reason)
    assert isinstance(absent["2007_000039"], Record)


def test_another_tree_is_refused(tree: Path, tmp_path: Path):
    with pytest.raises(InputError, match="VOCdevkit/VOC2012/JPEGImages is expected there"):
        voc.read_segmentation(tmp_path / "elsewhere")
    (tree / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation" / "val.txt").unlink()
    with pytest.raises(InputError, match=r"Segmentation/val\.txt does not exist"):
        voc.read_segmentation(tree)
