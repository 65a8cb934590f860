from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.coords import Size
from convcorr_jax.datasets.compact import people
from convcorr_jax.errors import InputError
from tests.builders.compact_folders import attribute_arrays, write_attributes
from tests.builders.genuine import genuine


def test_faces_come_with_attributes_and_landmarks(tmp_path: Path):
    first, second = people.read_attributes(write_attributes(tmp_path))
    assert first.attributes == {"gender": 1, "smile": 2, "glasses": 2, "head_pose": 3}
    assert (first.split, second.split) == ("train", "test")
    assert first.size == Size(32, 32)
    assert first.normalizer_px == 20
    np.testing.assert_array_equal(second.points[0], [6, 8])
    assert [first.names[k] for pair in first.left_right_pairs for k in pair] == [
        "left_eye",
        "right_eye",
        "left_mouth_corner",
        "right_mouth_corner",
    ]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"files": np.array(["images/a.png", "../b.png"])}, "inside the folder"),
        ({"files": np.array(["images/a.png", "images/c.png"])}, r"c\.png does not exist"),
        ({"landmarks": attribute_arrays()["landmarks"][:, [0, 0, 2, 3, 4]]}, "must be positive"),
        ({"attribute_names": np.array(["gender"])}, "of shape"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changed, sentence: str):
    with pytest.raises(InputError, match=sentence):
        list(people.read_attributes(write_attributes(tmp_path, **changed)))


def test_the_compact_copy_is_whole():
    records = list(people.read_attributes(genuine("lfw_attributes")))
    assert len(records) == 4151
    assert sum(record.split == "test" for record in records) == 811
    # The nose of a face that looks left lies left of the middle of its eyes.
    offsets = {pose: [] for pose in (2.0, 4.0)}
    for record in records:
        pose = record.attributes["head_pose"]
        if pose in offsets:
            offsets[pose].append(record.points[2, 0] - record.points[:2, 0].mean())
    assert np.median(offsets[2.0]) < 0 < np.median(offsets[4.0])
