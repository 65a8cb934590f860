import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.metrics import KeypointTruth, in_square, normalizer_lengths

JOINTS = ("l_shoulder", "r_shoulder", "l_hip", "r_hip")
# One person: a torso of 30 x 40 pixels.
PERSON = np.array([[[30.0, 0.0], [0.0, 0.0], [30.0, 40.0], [0.0, 40.0]]])


def test_lengths_are_those_of_a_drawn_person():
    truth = KeypointTruth(
        points=PERSON,
        boxes=np.array([[0.0, 0.0, 60.0, 80.0]]),
        head_boxes=np.array([[0.0, 0.0, 30.0, 40.0]]),
        image_sizes=np.array([[100, 200]]),
        names=JOINTS,
    )
    found = {name: length.item() for name, length in normalizer_lengths(truth).items()}
    assert found == {
        "box": 80,
        "box-diagonal": 100,
        "keypoints": 40,
        "image": 200,
        "torso": 50,
        "other-torso": 50,
        "head": 30,
    }


def test_the_other_diagonal_serves_where_one_is_absent():
    points = np.concatenate([PERSON, 2 * PERSON])
    points[0, 0] = np.nan
    found = normalizer_lengths(KeypointTruth(points=points, names=JOINTS))
    np.testing.assert_array_equal(found["torso"], [np.nan, 100])
    np.testing.assert_array_equal(found["other-torso"], [50, 100])
    np.testing.assert_array_equal(found["either-torso"], [50, 100])


def test_a_length_that_is_not_positive_is_unknown():
    truth = KeypointTruth(
        points=np.array([[[1.0, 1.0]], [[2.0, 2.0]]]), head_sizes=np.array([0.0, 3])
    )
    found = normalizer_lengths(truth)
    assert list(found) == ["head"]
    np.testing.assert_array_equal(found["head"], [np.nan, 3])


def test_a_square_changes_shapes():
    truth = KeypointTruth(
        points=PERSON,
        boxes=np.array([[-0.5, -0.5, 199.5, 99.5]]),
        head_sizes=np.array([5.0]),
        image_sizes=np.array([[100, 200]]),
        names=JOINTS,
    )
    resized, predicted = in_square(truth, PERSON + 1)
    np.testing.assert_allclose(resized.boxes, [[-0.5, -0.5, 255.5, 255.5]])
    np.testing.assert_allclose(predicted - resized.points, np.broadcast_to([1.28, 2.56], (1, 4, 2)))
    found = normalizer_lengths(resized)
    assert "head" not in found
    assert found["torso"].item() == pytest.approx(np.hypot(30 * 1.28, 40 * 2.56))
    with pytest.raises(InputError, match="image_sizes is absent"):
        in_square(KeypointTruth(points=PERSON), PERSON)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"names": ("a",)}, r"names has 1 entries; 4 are expected"),
        ({"names": ("a", "b", "a", "c")}, "names has a name twice"),
        ({"groups": ("a", "b")}, r"groups has 2 entries; 1 are expected"),
        ({"points": PERSON * np.nan}, "no annotated keypoint"),
        ({"points": PERSON + np.inf}, "infinite"),
        (
            {"points": np.where(PERSON == 40, np.nan, PERSON), "visible": np.ones((1, 4), bool)},
            "marked as visible but its position is NaN",
        ),
        ({"image_sizes": np.array([[0, 9]])}, "image_sizes must be positive"),
        ({"image_sizes": np.array([[32, 50]])}, "height, width"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(fields, sentence):
    with pytest.raises(InputError, match=sentence):
        KeypointTruth(**({"points": PERSON} | fields))
