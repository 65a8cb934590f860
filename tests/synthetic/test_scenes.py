import cv2
import numpy as np
import pytest

from convcorr_jax import coords, synthetic
from convcorr_jax.datasets import Record, load_image
from convcorr_jax.errors import InputError
from convcorr_jax.synthetic import CATEGORIES, instances, render, split_of

SIZE = (128, 160)


@pytest.fixture(scope="module", params=CATEGORIES)
def records(request: pytest.FixtureRequest) -> list[Record]:
    return [render(request.param, seed=1, index=index, size=SIZE) for index in range(24)]


def test_an_instance_is_the_same_whatever_came_before(records: list[Record]):
    first = records[7]
    again = render(first.category, seed=1, index=7, size=SIZE)
    np.testing.assert_array_equal(load_image(again), load_image(first))
    np.testing.assert_array_equal(again.points, first.points)
    np.testing.assert_array_equal(again.visible, first.visible)
    np.testing.assert_array_equal(again.label_map, first.label_map)
    for other in (
        render(first.category, seed=2, index=7, size=SIZE),
        render(first.category, seed=1, index=8, size=SIZE),
    ):
        assert not np.array_equal(other.points, first.points)
        assert not np.array_equal(load_image(other), load_image(first))


def test_keypoints_are_in_the_box_and_the_box_is_in_the_image(records: list[Record]):
    for record in records:
        x0, y0, x1, y1 = record.box
        assert (record.points >= [x0, y0]).all()
        assert (record.points <= [x1, y1]).all()
        assert min(x0, y0) >= 0
        assert x1 <= SIZE[1] - 1
        assert y1 <= SIZE[0] - 1
        assert max(x1 - x0, y1 - y0) > 0.5 * min(SIZE)


def test_the_box_is_tight_around_what_is_drawn(records: list[Record]):
    """Only an occluder may keep the labels from reaching the box: most boxes must be tight."""
    tight = []
    for record in records:
        labels = [record.label_names.index(name) + 1 for name in CATEGORIES[record.category].box_labels]
        rows, columns = np.nonzero(np.isin(record.label_map, labels))
        drawn = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
        gap = np.array([1, 1, -1, -1]) * (drawn - np.array(record.box))
        # Outlines are rounded to cells of half a pixel, and a pixel has the label of one of its cells.
        assert gap.min() > -1.5
        tight.append(gap.max() < 2.5)
    # A face's skin is hidden by hair at the top.
    assert np.mean(tight) > (0.1 if records[0].category == "face" else 0.6)


def test_visible_keypoints_show_their_own_part():
    """The labels are listed here independently of the figures' own lists."""
    own = {
        "person": {"r_wrist": {"r_forearm", "r_hand"}, "l_knee": {"l_thigh", "l_shin"}, "head_top": {"head"}},
        "face": {"l_pupil": {"eye"}, "nose_tip": {"nose"}, "lower_lip_bottom": {"mouth"}},
        "quadruped": {"r_hind_hoof": {"r_hind_leg"}, "nose": {"head"}, "tail_tip": {"tail"}},
        "car": {"l_front_wheel": {"wheel"}, "r_tail_light": {"light"}},
    }
    for category, names in own.items():
        states = set()
        for index in range(40):
            record = render(category, seed=3, index=index, size=SIZE)
            for name, parts in names.items():
                keypoint = record.names.index(name)
                column, row = np.rint(record.points[keypoint]).astype(int)
                around = record.label_map[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
                shown = {record.label_names[label - 1] for label in np.unique(around) if label}
                if record.visible[keypoint]:
                    assert shown & parts, (record.source_id, name)
                states.add(bool(record.visible[keypoint]))
        assert states == {True, False}, f"{category}: keypoints are sometimes hidden, sometimes visible"


def test_left_right_pairs_join_the_same_keypoint_of_both_sides(records: list[Record]):
    record = records[0]
    sided = [name for name in record.names if name[:2] in ("l_", "r_")]
    assert len(record.left_right_pairs) * 2 == len(sided) > 0
    for left, right in record.left_right_pairs:
        assert record.names[left] == "l_" + record.names[right].removeprefix("r_")


def test_a_face_has_its_own_right_eye_at_the_left_of_the_image():
    for index in range(20):
        record = render("face", seed=0, index=index, size=SIZE)
        at = dict(zip(record.names, record.points, strict=True))
        towards_left_eye = at["l_eye_outer"] - at["r_eye_outer"]
        down = at["chin"] - at["nose_bridge"]
        # x points right and y down, so a rotation from x to y is positive.
        assert towards_left_eye[0] * down[1] - towards_left_eye[1] * down[0] > 0


def test_people_are_seen_from_front_and_back():
    facing = []
    for index in range(40):
        record = render("person", seed=0, index=index, size=(64, 64))
        at = dict(zip(record.names, record.points, strict=True))
        facing.append(at["l_shoulder"][0] > at["r_shoulder"][0])
    assert 0.4 < np.mean(facing) < 0.9


def test_another_size_shows_the_same_scene(records: list[Record]):
    record = records[3]
    large = render(record.category, seed=1, index=3, size=(2 * SIZE[0], 2 * SIZE[1]))
    shrunk = coords.resize(large.size, record.size)(large.points)
    # The margin and the outer half pixel do not scale exactly.
    np.testing.assert_allclose(shrunk, record.points, atol=1.0)
    # Pixels on the borders of parts may go either way.
    assert np.mean(large.label_map[::2, ::2] == record.label_map) > 0.9
    smaller = cv2.resize(load_image(large), SIZE[::-1], interpolation=cv2.INTER_AREA)
    pixels = smaller.ravel().astype(float), load_image(record).ravel().astype(float)
    assert np.corrcoef(*pixels)[0, 1] > 0.9


def test_instances_differ_in_every_respect(records: list[Record]):
    boxes = np.array([record.box for record in records])
    assert np.std(boxes[:, 2] - boxes[:, 0]) > 0.08 * SIZE[0]  # scale
    assert np.std(boxes[:, 0]) > 0.08 * SIZE[1]  # place
    images = np.stack([load_image(record) for record in records]).reshape(len(records), -1, 3)
    assert images.mean(axis=1).std(axis=0).min() > 15  # light and background
    assert np.stack([r.visible for r in records]).std(axis=0).max() > 0  # what is hidden


def test_splits_are_disjoint_and_in_order():
    test = [index for index in np.arange(100) if split_of(int(index)) == "test"]
    assert len(test) == 20
    train_records = list(instances("car", split="train", count=9, size=(32, 32)))
    test_records = list(instances("car", split="test", count=2, size=(32, 32)))
    assert {record.split for record in train_records} == {"train"}
    assert {record.split for record in test_records} == {"test"}
    assert len({record.source_id for record in (*train_records, *test_records)}) == 11
    assert test_records[0].source_id == f"car 0/{test[0]}"
    with pytest.raises(InputError, match="'validation' does not exist"):
        next(instances("car", split="validation", count=1))


def pck(predicted: np.ndarray, truth: np.ndarray, boxes: np.ndarray, visible: np.ndarray) -> float:
    """Compute the fraction of visible points within a tenth of the box's longer side, from relative points."""
    sides = boxes[:, 2:] - boxes[:, :2]
    error = np.linalg.norm((predicted - truth) * sides[:, None], axis=-1)
    return float((error <= 0.1 * sides.max(axis=1)[:, None])[visible].mean())


@pytest.mark.parametrize("category", CATEGORIES)
def test_copying_keypoints_does_badly(category: str):
    """The box alone must not be enough to predict the keypoints of rendered categories."""

    def in_boxes(split: str, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        in_split = list(instances(category, split=split, count=count, size=(64, 64)))
        boxes = np.array([record.box for record in in_split])
        points = np.stack([record.points for record in in_split])
        relative = (points - boxes[:, None, :2]) / (boxes[:, 2:] - boxes[:, :2])[:, None]
        return relative, boxes, np.stack([record.visible for record in in_split])

    train, _, _ = in_boxes("train", 40)
    test, boxes, visible = in_boxes("test", 40)
    assert pck(np.broadcast_to(train.mean(axis=0), test.shape), test, boxes, visible) < 0.45
    assert pck(train, test, boxes, visible) < 0.35


def test_every_landmark_and_label_of_a_category_is_drawn(records: list[Record]):
    category = CATEGORIES[records[0].category]
    for seed in range(10):
        figure = category.draw(np.random.default_rng(seed))
        assert set(figure.landmarks) == set(category.names)
        assert {part.label for part in figure.parts} <= set(category.label_names)
    assert synthetic.CATEGORIES[records[0].category] is category
    shown = {label for record in records for label in np.unique(np.array(record.label_map)).tolist()}
    assert shown == set(range(len(category.label_names) + 1))


def test_attributes_of_a_face_describe_the_orientation_of_its_head():
    faces = [render("face", seed=1, index=index, size=SIZE) for index in range(24)]
    names = faces[0].names
    left, right, nose = (
        np.array([face.points[names.index(name)] for face in faces])
        for name in ("l_pupil", "r_pupil", "nose_tip")
    )
    across = (left - right) / np.linalg.norm(left - right, axis=1, keepdims=True)
    tilt, turn = (
        np.array([face.attributes[name] for face in faces]) for name in ("tilt_degrees", "turn_degrees")
    )
    assert np.corrcoef(tilt, np.degrees(np.arctan2(across[:, 1], across[:, 0])))[0, 1] > 0.9
    assert np.corrcoef(turn, ((nose - (left + right) / 2) * across).sum(axis=1))[0, 1] < -0.8
    for name in ("glasses", "beard"):
        assert {face.attributes[name] for face in faces} == {1.0, 2.0}
