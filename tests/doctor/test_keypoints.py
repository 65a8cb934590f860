"""Points outside, markers for "missing", frames that are off by one; wrong counts, ids and normalizers."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.datasets import Absent, Record
from convcorr_jax.doctor import CHANGES_SCORES, WORTH_A_LOOK, keypoints


def moved(record: Record, index: int, place: tuple[float, float], *, visible: bool) -> Record:
    points, visibility = record.points.copy(), record.visible.copy()
    points[index], visibility[index] = place, visible
    return replace(record, points=points, visible=visibility)


def test_points_outside_the_image_change_scores_if_visible(faces: tuple[Record, ...]):
    # The border is at 63.5; a pixel and a hundredth of 64 are tolerated.
    records = [
        moved(faces[0], 1, (65.1, 10.0), visible=True),
        moved(faces[1], 2, (75.5, 10.0), visible=True),
        moved(faces[2], 3, (10.0, -9.5), visible=False),
        moved(moved(faces[3], 0, (70.0, 9.0), visible=True), 1, (9.0, 80.0), visible=True),
    ]
    visible, hidden = keypoints.points_outside_image(records)
    assert (visible.severity, hidden.severity) == (CHANGES_SCORES, WORTH_A_LOOK)
    names = faces[0].names
    assert visible.cases == (
        ((faces[1].source_id,), f"{names[2]} by 12.0 px"),
        ((faces[3].source_id,), f"{names[1]} by 16.5 px, and 1 more"),
    )
    assert hidden.cases == (((faces[2].source_id,), f"{names[3]} by 9.0 px"),)


def test_most_points_outside_the_box_change_scores(faces: tuple[Record, ...]):
    box = faces[0].box
    assert box is not None
    stray = moved(faces[0], 4, (box.x1 + 0.1 * box.longer_side + 1.5, box.y0), visible=True)
    # In a frame twice as large.
    other_frame = replace(faces[1], box=coords.Box(100.0, 100.0, 160.0, 160.0))
    most, some = keypoints.points_outside_box([stray, other_frame, replace(faces[2], box=None), *faces[3:]])
    assert (most.severity, some.severity) == (CHANGES_SCORES, WORTH_A_LOOK)
    assert (most.source_ids, some.source_ids) == ((faces[1].source_id,), (faces[0].source_id,))
    assert some.cases[0].note.startswith(faces[0].names[4])


@pytest.mark.parametrize("place", [(0.0, 0.0), (-1.0, -1.0), (17.25, 30.5)])
def test_a_position_that_stands_for_missing_is_found(place: tuple[float, float], faces: tuple[Record, ...]):
    marked = [moved(face, 3, place, visible=True) for face in faces[:6]]
    (finding,) = keypoints.repeated_positions([*marked, *faces[6:]])
    assert finding.severity == CHANGES_SCORES
    assert finding.source_ids == tuple(face.source_id for face in faces[:6])
    assert f"exactly ({place[0]:g}, {place[1]:g})" in finding.sentence
    assert {case.note for case in finding.cases} == {faces[0].names[3]}
    hidden = [moved(face, 3, place, visible=False) for face in faces[:6]]
    (finding,) = keypoints.repeated_positions([*hidden, *faces[6:]])
    assert finding.severity == WORTH_A_LOOK


def test_whole_numbers_that_repeat_by_chance_are_no_markers(rng: np.random.Generator, faces):
    places = np.round(rng.normal(32, 4, (len(faces), len(faces[0].names), 2)))
    records = [replace(face, points=p) for face, p in zip(faces, places, strict=True)]
    _, times = np.unique(places.reshape(-1, 2), axis=0, return_counts=True)
    assert times.max() >= 5
    assert list(keypoints.repeated_positions(records)) == []


def clipped(records: Sequence[Record], low: float, past_end: float) -> list[Record]:
    """Objects larger than their images, cut at ``low`` and at the size plus ``past_end``."""
    cut = []
    for record in records:
        width_height = np.array(record.size[::-1])
        large = 3 * (record.points - width_height / 2) + width_height / 2
        points = np.clip(large, low, width_height + past_end)
        box = coords.Box(low, low, *(width_height + past_end).tolist())
        cut.append(replace(record, points=points, box=box))
    return cut


@pytest.mark.parametrize(
    ("low", "past_end", "sentence"),
    [(1.0, 0.0, "count from 1"), (-1.0, -2.0, "1 seems to have been subtracted twice")],
)
def test_coordinates_that_count_from_another_number_are_found(
    low: float, past_end: float, sentence: str, faces: tuple[Record, ...]
):
    records = clipped(faces, low, past_end)
    (points,), (boxes,) = keypoints.shifted_points(records), keypoints.shifted_boxes(records)
    assert sentence in points.sentence
    assert f"shifted by {low:+g}" in boxes.sentence
    assert points.severity == boxes.severity == CHANGES_SCORES


def test_boxes_to_the_middles_or_edges_of_their_pixels_are_right(faces: tuple[Record, ...]):
    right = clipped(faces, 0.0, -1.0)
    assert [*keypoints.shifted_points(right), *keypoints.shifted_boxes(right)] == []
    assert list(keypoints.shifted_boxes(clipped(faces, -0.5, -0.5))) == []
    # Counted from pixel corners, 0 to W: half a pixel off.
    (finding,) = keypoints.shifted_boxes(clipped(faces, 0.0, 0.0))
    assert "shifted by +0.5" in finding.sentence


def test_normalizers_that_do_not_fit_are_found(faces: tuple[Record, ...]):
    def scaled(record: Record, factor: float) -> Record:
        assert record.normalizer_px is not None
        return replace(record, normalizer_px=factor * record.normalizer_px)

    odd = [scaled(faces[0], 30.0), scaled(faces[1], 1 / 30)]
    (finding,) = keypoints.unusual_normalizers([*odd, *faces[2:]])
    assert finding.severity == WORTH_A_LOOK
    assert finding.source_ids == (faces[0].source_id, faces[1].source_id)
    # All normalizers are in other units than the boxes.
    (finding,) = keypoints.unusual_normalizers([scaled(face, 20.0) for face in faces])
    assert finding.severity == CHANGES_SCORES
    assert "in other units than the box" in finding.sentence


def test_repeated_ids_wrong_counts_and_absent_annotations_are_reported_once(faces: tuple[Record, ...]):
    (finding,) = keypoints.repeated_ids([*faces, faces[3], faces[3]])
    assert finding.severity == CHANGES_SCORES
    assert finding.cases == (((faces[3].source_id,), "3 times"),)
    findings = list(keypoints.wrong_counts(faces, {"train": 811, "test": 8, "val": 5}))
    assert [finding.sentence for finding in findings] == [
        "Split 'train' has 32 records; officially 811.",
        "Split 'val' has 0 records; officially 5.",
    ]
    assert {finding.severity for finding in findings} == {CHANGES_SCORES}
    absent = [Absent("a", "its image is not there"), Absent("b", "no points")]
    (finding,) = keypoints.skipped_annotations(absent)
    assert finding.sentence == "2 annotations could not be turned into a record."
    assert finding.cases == ((("a",), "its image is not there"), (("b",), "no points"))


def test_empty_splits_and_keypoints_are_named(faces: tuple[Record, ...], people: tuple[Record, ...]):
    training = [person for person in people if person.split == "train"]
    (finding,) = keypoints.without_records([*faces, *training])
    assert finding.severity == WORTH_A_LOOK
    assert finding.sentence == "Split 'test' has no records of 'person'."
    without_third = [moved(face, 2, (np.nan, np.nan), visible=False) for face in faces]
    (finding,) = keypoints.without_records(without_third)
    assert finding.sentence == f"No record has a position for face: {faces[0].names[2]}."
    assert list(keypoints.without_records([*without_third, faces[0]])) == []
