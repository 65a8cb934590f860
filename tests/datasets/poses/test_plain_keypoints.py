import json
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.datasets.poses import plain_keypoints
from convcorr_jax.errors import InputError
from convcorr_jax.io import write_arrays

TRUTH = {
    "points": [[[1.0, 2.0], [None, None]], [[3.0, 4.0], [9.0, 8.0]]],
    "visible": [[1, 0], [True, False]],
    "boxes": [[0, 0, 10, 10], [0, 0, 20, 5]],
    "head_boxes": [[0, 0, 3, 4], [None, None, None, None]],
    "image_sizes": [[30, 40], [50, 60]],
    "groups": ["cat", "dog"],
    "names": ["Left Shoulder", "tail"],
}


def as_arrays(values):
    kinds = {"groups": str, "names": str, "visible": bool}
    return {name: np.array(value, kinds.get(name, float)) for name, value in values.items()}


def write(path: Path, values) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(values), encoding="utf-8")
    else:
        write_arrays(path, **values)
    return path


def test_both_formats_are_the_same(tmp_path):
    json_path = write(tmp_path / "a.json", TRUTH)
    for truth in map(plain_keypoints.read_truth, (json_path, write(tmp_path / "a.npz", as_arrays(TRUTH)))):
        np.testing.assert_array_equal(truth.points, [[[1, 2], [np.nan, np.nan]], [[3, 4], [9, 8]]])
        np.testing.assert_array_equal(truth.visible, [[True, False], [True, False]])
        np.testing.assert_array_equal(truth.boxes, TRUTH["boxes"])
        np.testing.assert_array_equal(truth.head_boxes[0], [0, 0, 3, 4])
        assert np.isnan(truth.head_boxes[1]).all()
        np.testing.assert_array_equal(truth.image_sizes, TRUTH["image_sizes"])
        assert (truth.groups, truth.names) == (("cat", "dog"), ("l_shoulder", "tail"))


def test_points_suffice_numbers_may_be_groups_and_null_means_absent(tmp_path):
    path = write(tmp_path / "a.npz", {"points": np.ones((2, 3, 2), int), "groups": np.arange(2)})
    truth = plain_keypoints.read_truth(path)
    assert truth.groups == ("0", "1")
    assert truth.visible is truth.boxes is truth.image_sizes is truth.names is None
    # For a coordinate, a keypoint, an image, a box and a field.
    points = [[[1, 2], [3, None]], [None, [3, 4]], None]
    fields = {"points": points, "boxes": [None, None, [0, 0, 9, 9]], "visible": None}
    path = write(tmp_path / "a.json", fields)
    truth = plain_keypoints.read_truth(path)
    absent = [np.nan, np.nan]
    np.testing.assert_array_equal(truth.points, [[[1, 2], absent], [absent, [3, 4]], [absent, absent]])
    np.testing.assert_array_equal(truth.boxes, [[np.nan] * 4, [np.nan] * 4, [0, 0, 9, 9]])
    assert truth.visible is None
    # A prediction keeps the one coordinate that it has.
    absent_too = [[[1, 2], [3, np.nan]], [absent, [3, 4]], [absent, absent]]
    np.testing.assert_array_equal(plain_keypoints.read_points(path).points, absent_too)


def test_predictions_need_points_only(tmp_path):
    path = write(tmp_path / "a.npz", {"points": np.ones((2, 3, 2)), "scores": np.ones(2)})
    assert plain_keypoints.read_points(path).names is None
    path = write(tmp_path / "b.json", {"points": [[[1, 2]]], "names": ["right_eye_outer"]})
    assert plain_keypoints.read_points(path).names == ("r_eye_outer",)
    path = write(tmp_path / "c.json", {"points": [[[1, 2]]], "names": ["a", "b"]})
    with pytest.raises(InputError, match=r"c\.json: names has 2 entries; 1 are expected"):
        plain_keypoints.read_points(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"points": None}, "points is of type object|'points' is expected"),
        ({"points": [[1, 2]]}, r"points is \(1, 2\); \(images, keypoints, 2\) is expected"),
        ({"points": [[["a", "b"]]]}, "points is of type <U1; numbers are expected"),
        ({"points": [[[1, 2], [3]]]}, "is damaged, or is no plain keypoint"),
        ({"box": [1]}, "it has box; points, visible, boxes"),
        ({"boxes": [[1, 2, 3, 4]]}, r"boxes is \(1, 4\); \(2, 4\) is expected"),
        ({"visible": [[1, 0], [2, 1]]}, "visible must be true and false, or 1 and 0"),
        ({"visible": [[1, 1], [1, 1]]}, "marked as visible but its position is NaN"),
        ({"image_sizes": [[1.5, 2], [3, 4]]}, "whole heights and widths"),
        ({"image_sizes": [[0, 2], [3, 4]]}, "must be positive"),
        ({"groups": ["a"]}, "groups has 1 entries; 2 are expected"),
        ({"groups": [["a"], ["b"]]}, "a list of texts is expected"),
        ({"names": ["a", "a"]}, "names has a name twice"),
    ],
)
def test_what_is_wrong_is_refused_by_name(tmp_path, change, sentence):
    path = write(tmp_path / "a.json", TRUTH | change)
    with pytest.raises(InputError, match=sentence) as refused:
        plain_keypoints.read_truth(path)
    assert str(refused.value).startswith(str(path))


def test_other_contents_are_refused(tmp_path):
    for content in ("[]", "3", "{}", "{", ""):
        (tmp_path / "a.json").write_text(content)
        with pytest.raises(InputError, match=r"a\.json"):
            plain_keypoints.read_truth(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"b\.txt is no \.npz or \.json"):
        plain_keypoints.read_truth(tmp_path / "b.txt")
