import numpy as np
import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.metrics import KeypointTruth, normalizer_lengths, resize_to_squares
from convcorr_jax.metrics.keypoint_truth import unusable_lengths

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
        **{"box": 80, "box-diagonal": 100, "keypoints": 40, "image": 200},
        **{"torso": 50, "other-torso": 50, "head": 30},
    }


def test_the_other_diagonal_serves_where_one_is_absent():
    points = np.concatenate([PERSON, 2 * PERSON])
    points[0, 0] = np.nan
    found = normalizer_lengths(KeypointTruth(points=points, names=JOINTS))
    np.testing.assert_array_equal(found["torso"], [np.nan, 100])
    np.testing.assert_array_equal(found["other-torso"], [50, 100])
    np.testing.assert_array_equal(found["either-torso"], [50, 100])


def test_a_length_that_is_not_positive_is_unknown():
    truth = KeypointTruth(points=np.array([[[1.0, 1.0]], [[2.0, 2.0]]]), head_sizes=np.array([0.0, 3]))
    found = normalizer_lengths(truth)
    assert list(found) == ["head"]
    np.testing.assert_array_equal(found["head"], [np.nan, 3])


def test_images_without_a_usable_length_are_known():
    truth = KeypointTruth(
        points=np.array([[[1.0, 1], [2, 3]], [[4, 4], [np.nan, np.nan]], [[np.nan] * 2] * 2]),
        boxes=np.array([[1.0, 1, 2, 3], [4, 4, 4, 4], [np.nan] * 4]),
        head_boxes=np.full((3, 4), np.nan),
    )
    # Nothing of the last image is annotated, so that its lengths change no figure.
    assert unusable_lengths(truth) == {"box": (1,), "box-diagonal": (1,), "keypoints": (1,), "head": (0, 1)}
    assert "head" not in normalizer_lengths(truth)


def boxed(order, *, at=300.0):
    """Points of 30 objects that begin near a place, and their boxes in an order of numbers."""
    rng = np.random.default_rng(4)
    least = at + rng.uniform(5, 50, (30, 2))
    points = least[:, None] + rng.uniform(0, [120, 140], (30, 9, 2))
    points[:, 0], points[:, 1] = least, least + np.array([120, 140])
    low, high = points.min(axis=1) - 4, points.max(axis=1) + 4
    numbers = {
        "right, bottom": (low, high),
        "width, height": (low, high - low),
        "left, top": (high, low),
        "top, left, bottom, right": (low[:, ::-1] + [0, 90], high[:, ::-1] + [0, 90]),
        "of other images": (low + 400, high + 400),
        "endless": (low, high + np.inf),
    }
    points = points + np.array([90, 0]) if order.startswith("top") else points
    return points, np.concatenate(numbers[order], axis=1)


@pytest.mark.parametrize(
    ("order", "at", "sentence"),
    [
        ("width, height", 300, r"in this order; that of image 0 \(counted from 0\) is 3"),
        ("width, height", 0, "only if those are left, top, width and height"),
        ("left, top", 300, "in this order; that of image 0"),
        ("top, left, bottom, right", 300, "only if those are top, left, bottom and right"),
        ("of other images", 300, "those of 30 of 30 images are apart from all"),
        ("endless", 300, "finite and in this order"),
    ],
)
def test_boxes_that_are_not_those_of_the_points_are_refused(order, at, sentence):
    points, boxes = boxed(order, at=at)
    with pytest.raises(InputError, match=sentence):
        KeypointTruth(points=points, boxes=boxes)


@pytest.mark.parametrize("order", ["width, height", "left, top", "of other images", "endless"])
def test_boxes_of_heads_that_are_not_those_of_the_points_are_refused(order):
    points, boxes = boxed(order)
    heads = np.concatenate([boxes[:, :2], boxes[:, :2] + (boxes[:, 2:] - boxes[:, :2]) / 7], axis=1)
    with pytest.raises(InputError, match="head_boxes must be left, top, right and bottom"):
        KeypointTruth(points=points, head_boxes=heads)


@pytest.mark.parametrize("at", [0, 30, 300])
def test_boxes_of_the_points_are_accepted(at):
    points, boxes = boxed("right, bottom", at=at)
    heads = np.concatenate([boxes[:, :2], boxes[:, :2] + 15], axis=1)
    # A few boxes may be wrong, and points beyond their box.
    KeypointTruth(points=points, boxes=np.concatenate([boxes[5:10], boxes[5:]]), head_boxes=heads)
    KeypointTruth(points=points, boxes=boxes + np.tile([9, 9, -9, -9], (30, 1)))


def test_a_square_changes_shapes():
    truth = KeypointTruth(
        points=PERSON,
        boxes=np.array([[-0.5, -0.5, 199.5, 99.5]]),
        head_sizes=np.array([5.0]),
        image_sizes=np.array([[100, 200]]),
        names=JOINTS,
    )
    resized, predicted = resize_to_squares(truth, PERSON + 1)
    np.testing.assert_allclose(resized.boxes, [[-0.5, -0.5, 255.5, 255.5]])
    np.testing.assert_allclose(predicted - resized.points, np.broadcast_to([1.28, 2.56], (1, 4, 2)))
    found = normalizer_lengths(resized)
    assert "head" not in found
    assert found["torso"].item() == pytest.approx(np.hypot(30 * 1.28, 40 * 2.56))
