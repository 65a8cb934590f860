"""People in the input frame: who trains, what is shown of them, and what is left out."""

import dataclasses

import numpy as np
import pytest

from convcorr_jax.coords import Box
from convcorr_jax.errors import InputError
from convcorr_jax.pose import flic, small
from convcorr_jax.tasks.pose import prepare, read_people, reframed
from tests.builders.flic_tree import FACING, LOOKUP, OTHER_SIDE, example, write_release
from tests.builders.genuine import genuine
from tests.builders.people import write_people
from tests.builders.records import record_of

NAMES = ("l_shoulder", "r_shoulder", "l_hip", "r_hip", "nose")
ARCHITECTURE = small(NAMES, ((0, 1), (2, 3)))
AROUND_TORSO = dataclasses.replace(ARCHITECTURE, frame_px=60.0)
POINTS = np.array([[40.0, 20], [20, 20], [38, 50], [22, 50], [30, 8]])


def person(points=POINTS, size=(60, 80), **options):
    """Black but for one bright pixel at each joint."""
    image = np.zeros((*size, 3), np.uint8)
    for x, y in points[~np.isnan(points[:, 0])]:
        if 0 <= x < size[1] and 0 <= y < size[0]:
            image[int(y), int(x)] = 255
    return record_of(image, category="person", source_id="someone", names=NAMES, points=points, **options)


@pytest.mark.parametrize("size", [(60, 80), (80, 60), (300, 200), (40, 100), (128, 128)])
def test_a_joint_lies_where_its_pixel_is_shown(size):
    point = np.array([0.4, 0.3]) * (size[1], size[0]) // 1
    points = np.full((5, 2), np.nan)
    points[0] = point
    people = prepare([person(points, size)], ARCHITECTURE)
    assert people.images.shape == (1, *ARCHITECTURE.input_size, 3)
    row, column = np.unravel_index(people.images[0, ..., 0].argmax(), ARCHITECTURE.input_size)
    np.testing.assert_allclose(people.points[0, 0], [column, row], atol=1.0)
    np.testing.assert_allclose(people.to_photographs(people.points)[0, 0], point, atol=1e-3)
    np.testing.assert_allclose(people.to_frame[0].scale, 128 / max(size), rtol=0.05)


def test_beyond_the_photograph_its_border_is_repeated_and_joints_are_missing():
    record = dataclasses.replace(person(size=(60, 80)), image=np.full((60, 80, 3), 90, np.uint8))
    assert (prepare([record], ARCHITECTURE).images == 90).all()
    outside = POINTS.copy()
    outside[4] = [-3, 20]
    people = prepare([person(outside), person(np.full((5, 2), np.nan))], ARCHITECTURE)
    np.testing.assert_array_equal(np.isnan(people.points[..., 0]), [[0, 0, 0, 0, 1], [1] * 5])
    np.testing.assert_array_equal(np.isnan(people.torso), [[False] * 2, [True] * 2])


def without(joint):
    return np.where(np.arange(5)[:, None] == joint, np.nan, POINTS)


BOXED = person(box=Box(10.0, 5.0, 50.0, 55.0))
PLACED = person(attributes={"center_x": 40.0, "center_y": 30.0, "scale": 0.2})


@pytest.mark.parametrize(
    ("record", "torso", "place"),
    [
        (person(), "annotated", (30, 35)),
        (person(without(2)), "annotated", (26, 35)),
        (person(other_boxes={"torso": Box(10.0, 20.0, 20.0, 40.0)}), "annotated", (15, 30)),
        (person(attributes={"center_x": 33.0, "center_y": 21.0}), "annotated", (33, 21)),
        (PLACED, "annotated", (40, 30)),
        (BOXED, "box", (30, 30)),
    ],
)
def test_the_torso_is_annotated_or_the_middle_of_shoulders_and_hips(record, torso, place):
    people = prepare([record], ARCHITECTURE, torso=torso)
    np.testing.assert_allclose(people.to_photographs(people.torso[:, None])[0, 0], place, atol=1e-3)


def test_a_person_of_known_size_fills_the_frame():
    people = prepare([PLACED], ARCHITECTURE)
    # 1.25 times 40 pixels are 128.
    np.testing.assert_allclose(people.to_frame[0].scale, 128 / 50)
    np.testing.assert_allclose(people.torso[0], [63.5, 63.5], atol=1e-3)
    x, y = people.points[0, 4].astype(int)
    assert people.images[0][y - 2 : y + 3, x - 2 : x + 3].max() > 200


def test_without_scale_all_frames_show_as_many_pixels():
    places = [{"center_x": 40.0, "center_y": 30.0, "scale": scale} for scale in (0.1, 0.2, 0.4)]
    records = [person(attributes=attributes) for attributes in places]
    with_scale, without = (prepare(records, ARCHITECTURE, scale=scale) for scale in (True, False))
    scales = [[each.scale[0] for each in people.to_frame] for people in (with_scale, without)]
    # 1.25 times 20, 40 and 80 pixels are 128; the person of median size decides without scale.
    np.testing.assert_allclose(scales, [[128 / 25, 128 / 50, 128 / 100], [128 / 50] * 3])
    np.testing.assert_allclose(without.torso, np.full((3, 2), 63.5), atol=1e-3)
    assert (with_scale.scale, without.scale) == pytest.approx((128 / 50, 128 / 50))
    # All people decide the frames, though only the chosen ones are decoded.
    chosen = prepare(records, ARCHITECTURE, scale=False, rows=range(2, 3))
    assert (chosen.records, chosen.frames) == (without.records[2:], without.frames[2:])
    np.testing.assert_array_equal(chosen.images, without.images[2:])


def test_the_torso_of_a_box_needs_a_box():
    for architecture in (ARCHITECTURE, AROUND_TORSO):
        with pytest.raises(InputError, match="record 'someone' has no box of the person; the torso"):
            prepare([BOXED, person()], architecture, torso="box")


AROUND_MIDDLE = Box(9.5, -0.5, 69.5, 59.5)


@pytest.mark.parametrize(
    ("record", "torso", "frame", "known"),
    [
        (BOXED, "annotated", Box(0.0, 5.0, 60.0, 65.0), True),
        (BOXED, "middle", AROUND_MIDDLE, True),
        # 5/3 of the longer side of the box.
        (BOXED, "box", Box(30 - 125 / 3, 30 - 125 / 3, 30 + 125 / 3, 30 + 125 / 3), True),
        (BOXED, "none", None, False),
        (person(np.full((5, 2), np.nan)), "annotated", AROUND_MIDDLE, False),
    ],
)
def test_what_is_known_of_the_torso_decides_the_frame(record, torso, frame, known):
    people = prepare([record], AROUND_TORSO, torso=torso)
    assert people.frames == (frame if frame is None else pytest.approx(frame),)
    np.testing.assert_allclose(people.torso[0], [63.5, 63.5] if known else np.full(2, np.nan), atol=1e-3)
    np.testing.assert_allclose(people.to_frame[0].scale, 128 / (80 if frame is None else frame.width))
    assert prepare([record], ARCHITECTURE, torso=torso).frames == (None,)


@pytest.mark.parametrize("torso", ["annotated", "none"])
def test_the_size_of_a_person_goes_before_the_torso(torso):
    assert prepare([PLACED], AROUND_TORSO, torso=torso).frames == (Box(15.0, 5.0, 65.0, 55.0),)


@pytest.mark.parametrize("frame_px", [None, 60.0])
def test_surroundings_show_more_and_move_no_point(frame_px):
    architecture = dataclasses.replace(ARCHITECTURE, frame_px=frame_px)
    # Beyond the square around the torso, but within its surroundings; and beyond both.
    noses = [np.concatenate([POINTS[:4], [nose]]) for nose in ([64.0, 35], [79, 2])]
    alone, surrounded = (
        prepare([person(points) for points in noses], architecture, margin=margin) for margin in (0.0, 0.25)
    )
    assert surrounded.images.shape == (2, 192, 192, 3)
    np.testing.assert_array_equal(surrounded.torso, alone.torso)
    np.testing.assert_array_equal(surrounded.points[:, :4], alone.points[:, :4])
    inner = surrounded.inputs(np.arange(2), architecture.input_size)
    # Around bright pixels, Pillow's rounding depends on their place in the image.
    assert np.abs(inner.astype(int) - alone.images).max() <= 8
    shown = [~np.isnan(people.points[:, 4, 0]) for people in (alone, surrounded)]
    assert [each.tolist() for each in shown] == (
        [[True, True]] * 2 if frame_px is None else [[False, False], [True, False]]
    )
    for row, points in enumerate(noses):
        if shown[1][row]:
            np.testing.assert_allclose(surrounded.to_photographs(surrounded.points)[row], points, atol=1e-3)
            x, y = np.round(surrounded.points[row, 4] + 32).astype(int)
            assert surrounded.images[row, y - 2 : y + 3, x - 2 : x + 3].max() > 150


def test_people_in_other_frames_have_their_torso_in_the_middle():
    people = prepare([person(), person(size=(90, 70))], ARCHITECTURE)
    frames = [Box(10.0, 10.0, 50.0, 50.0), Box(-5.0, 20.0, 55.0, 80.0)]
    found = reframed(people, frames, architecture=ARCHITECTURE)
    assert found.frames == tuple(frames)
    np.testing.assert_allclose(found.torso, np.full((2, 2), 63.5), atol=1e-3)
    assert [each.scale[0] for each in found.to_frame] == pytest.approx([128 / 40, 128 / 60])
    shown = ~np.isnan(found.points)
    np.testing.assert_allclose(
        found.to_photographs(found.points)[shown], np.stack([POINTS] * 2)[shown], atol=1e-3
    )
    again = prepare([person()], dataclasses.replace(AROUND_TORSO, frame_px=40.0))
    np.testing.assert_array_equal(
        reframed(people, [again.frames[0]] * 2, architecture=ARCHITECTURE).images[0], again.images[0]
    )


def test_flic_has_the_observers_sides(tmp_path):
    behind = (False, True)
    examples = [example(f"film-{k}.jpg", train=0, test=1, behind=each) for k, each in enumerate(behind)]
    write_release(tmp_path / "flic", *examples)
    truth = np.array([FACING[name] for name in LOOKUP], float) - 1
    mirrored = truth[[list(LOOKUP).index(OTHER_SIDE[name]) for name in LOOKUP]]
    for sides, of_second in ((None, truth), ("observer", truth), ("person", mirrored)):
        records = read_people(tmp_path / "flic", part="test", sides=sides)
        for record, points in zip(records, (truth, of_second), strict=True):
            np.testing.assert_array_equal(record.points, points)
            named = dict(zip(record.names, points, strict=True))
            assert record.normalizer_px == pytest.approx(np.hypot(*(named["l_shoulder"] - named["r_hip"])))
        assert [record.attributes["seen_from_behind"] for record in records] == [0, 1]


@pytest.fixture
def damaged(tmp_path):
    path = write_people(tmp_path / "people", train=12, test=3, side=40)
    broken = tmp_path / "people" / "images" / "4.png"
    broken.write_bytes(broken.read_bytes()[:90])
    return path


def test_a_damaged_image_is_left_out_by_name_or_refused(damaged):
    records = read_people(damaged, part="train")
    architecture = small(records[0].names, records[0].left_right_pairs)
    people = prepare(records, architecture)
    assert len(people.records) == len(records) - 1 == len(people.images)
    # Rendered people keep their joints.
    truth = np.stack([one.points for one in people.records])
    np.testing.assert_allclose(people.to_photographs(people.points), truth, atol=1e-3)
    ((name, reason),) = people.left_out
    assert name == "4.png"
    assert "4.png is damaged or cut short" in reason
    with pytest.raises(InputError, match=r"4\.png is damaged"):
        prepare(records, architecture, damaged="refuse")
    with pytest.raises(InputError, match=r"no image of 1 people can be read: .*4\.png"):
        prepare([one for one in records if one.source_id == "4.png"], architecture)


def parts_of(dataset, *, field="source_id", **options):
    parts = ("train", "validation", "test")
    return [[getattr(one, field) for one in read_people(dataset, part=part, **options)] for part in parts]


def test_a_tenth_of_the_training_split_validates_unless_the_data_set_has_a_split_for_it(tmp_path):
    def change(arrays):
        arrays["split"][:2] = "val"

    names = [f"{number}.png" for number in range(15)]
    path = write_people(tmp_path / "tenth", train=12, test=3, side=40)
    assert parts_of(path) == [names[:9] + names[10:12], names[9:10], names[12:]]
    path = write_people(tmp_path / "split", train=12, test=3, side=40, change=change)
    assert parts_of(path) == [names[2:12], names[:2], names[12:]]
    assert parts_of("rendered", field="split", rendered=20) == [["train"] * 18, ["train"] * 2, ["test"] * 5]


def test_people_who_lack_a_joint_of_the_network_and_a_data_set_without_people_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"flic-8x predicts l_elbow, l_wrist, .*, which the people lack"):
        prepare([person()], flic())
    path = write_people(tmp_path / "people", train=0, test=3, side=40)
    with pytest.raises(InputError, match="has no people for train"):
        read_people(path, part="train")


def test_genuine_people_are_framed_whole():
    records = read_people(genuine("lspet"), part="validation")
    assert len(records) == 400
    people = prepare(records[:40], small(records[0].names, records[0].left_right_pairs))
    assert not people.left_out
    assert not np.isnan(people.torso).any()
    truth = np.stack([one.points for one in people.records])
    np.testing.assert_allclose(people.to_photographs(people.points), truth, atol=1e-3)
