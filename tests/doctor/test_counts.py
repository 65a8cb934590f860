"""Wrong counts, repeated ids and empty splits are found and named."""

from dataclasses import replace

import numpy as np

from convcorr_jax.datasets import Absent, Record
from convcorr_jax.doctor import CHANGES_SCORES, WORTH_A_LOOK, keypoints


def test_clean_data_has_no_findings(faces: tuple[Record, ...], people: tuple[Record, ...]):
    records = [*faces, *people]
    assert list(keypoints.repeated_ids(records)) == []
    assert list(keypoints.wrong_counts(records, {"train": 64, "test": 16})) == []
    assert list(keypoints.wrong_counts(records, {})) == []
    assert list(keypoints.skipped_annotations(())) == []
    assert list(keypoints.without_records(records)) == []


def test_a_repeated_id_is_named_once(faces: tuple[Record, ...]):
    (finding,) = keypoints.repeated_ids([*faces, faces[3], faces[3]])
    assert finding.severity == CHANGES_SCORES
    assert finding.cases == (((faces[3].source_id,), "3 times"),)


def test_wrong_counts_are_reported_once_per_split(faces: tuple[Record, ...]):
    findings = list(keypoints.wrong_counts(faces, {"train": 811, "test": 8, "val": 5}))
    assert [finding.sentence for finding in findings] == [
        "Split 'train' has 32 records; officially 811.",
        "Split 'val' has 0 records; officially 5.",
    ]
    assert {finding.severity for finding in findings} == {CHANGES_SCORES}


def test_absent_annotations_keep_their_reasons():
    (finding,) = keypoints.skipped_annotations(
        [Absent("a", "its image is not there"), Absent("b", "no points")]
    )
    assert finding.sentence == "2 annotations could not be turned into a record."
    assert finding.cases == ((("a",), "its image is not there"), (("b",), "no points"))


def test_empty_splits_and_keypoints_are_named(faces: tuple[Record, ...], people: tuple[Record, ...]):
    assert [finding.severity for finding in keypoints.without_records([])] == [CHANGES_SCORES]
    training = [person for person in people if person.split == "train"]
    (finding,) = keypoints.without_records([*faces, *training])
    assert finding.severity == WORTH_A_LOOK
    assert finding.sentence == "Split 'test' has no records of 'person'."
    without_third = [
        replace(
            face,
            points=np.where(np.arange(len(face.names))[:, None] == 2, np.nan, face.points),
            visible=face.visible & (np.arange(len(face.names)) != 2),
        )
        for face in faces
    ]
    (finding,) = keypoints.without_records(without_third)
    assert finding.sentence == f"No record has a position for face: {faces[0].names[2]}."
    assert list(keypoints.without_records([*without_third, faces[0]])) == []
