"""A whole release of PASCAL VOC, whose splits are train and val, runs through every script that can use it."""

import os

import pytest

from convcorr_jax import synthetic
from convcorr_jax.errors import InputError
from convcorr_jax.tasks import Backbone, CategoryData, Data, Output
from convcorr_jax.tasks.keypoints import DetectorOptions, FeatureOptions
from eval import keypoint_classification, keypoint_prediction, keypoint_transfer, ridge_keypoints, segmentation
from tests.builders import voc_tree
from tests.builders.shown import result_of

# Each takes up to a minute of compiling.
pytestmark = pytest.mark.slow
TRAIN, VAL = 26, 2
BACKBONE = Backbone(winograd=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Rendered quadrupeds as the cows of VOC 2011 and of VOC 2012."""
    root = tmp_path_factory.mktemp("voc")
    records = [
        synthetic.render("quadruped", seed=0, index=index, size=(96, 128))
        for split, count in (("train", TRAIN), ("test", VAL))
        for index in synthetic.indices(split, count=count)
    ]
    voc_tree.write_release(root / "voc2011_keypoints", records, voc_class="cow", year=2012)
    (root / "voc2012_segmentation").mkdir()
    kit = "VOCdevkit"
    os.symlink(root / "voc2011_keypoints" / kit, root / "voc2012_segmentation" / kit)
    return root


def keypoints(root, **options):
    return CategoryData("voc2011_keypoints", root, **options)


def test_neighbors_vote_for_the_keypoints_of_val(root, tmp_path):
    config = keypoint_transfer.Config(
        keypoints(root), backbone=BACKBONE, sizes_px=(131,), output=Output(tmp_path)
    )
    result = result_of(keypoint_transfer.main, config)
    assert (result["targets"], result["pairs"], result["split"]) == (VAL, 25 * VAL, "val")
    for score in result["methods"].values():
        low, high = score["interval"]["0.1"]
        assert 0 <= low <= score["pck"]["0.1"] <= high <= 1
    (every,) = result["other_protocols"]
    assert every["protocol"]["counted"] == "all keypoints visible in the target"


def test_keypoints_of_val_are_predicted_by_ridge_regression(root, tmp_path):
    config = ridge_keypoints.Config(keypoints(root), BACKBONE, output=Output(tmp_path))
    result = result_of(ridge_keypoints.main, config)
    assert result["objects"] == {"cow": {"train": TRAIN, "test": VAL}}
    low, high = result["interval"]["convnet"]
    assert low <= result["pck"]["convnet"] <= high


def test_keypoints_of_val_are_classified(root, tmp_path):
    few = {"features": FeatureOptions(layers=("conv1",), radii_px=(20,)), "costs": (1e-2, 1e-1), "windows": 0}
    config = keypoint_classification.Config(keypoints(root), BACKBONE, output=Output(tmp_path), **few)
    assert set(result_of(keypoint_classification.main, config)["accuracy"]) == {"conv1", "sift_20"}


def test_keypoints_of_val_are_predicted_by_detectors(root, tmp_path):
    config = keypoint_prediction.Config(
        keypoints(root), BACKBONE, DetectorOptions(images=4, rounds=0, folds=2), output=Output(tmp_path)
    )
    assert result_of(keypoint_prediction.main, config)["objects"] == {"cow": VAL}


def test_val_is_segmented(root, tmp_path):
    config = segmentation.Config(
        Data("voc2012_segmentation", root), BACKBONE, copies=2, output=Output(tmp_path)
    )
    result = result_of(segmentation.main, config)
    assert (result["train"], result["test"]) == (TRAIN, VAL)


def test_a_split_that_does_not_exist_is_named(root, tmp_path):
    config = keypoint_transfer.Config(keypoints(root, split="test"), output=Output(tmp_path))
    with pytest.raises(InputError, match="voc2011_keypoints has the splits train, val; to test"):
        keypoint_transfer.main(config)
