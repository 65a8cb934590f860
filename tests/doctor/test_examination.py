"""The whole examination, on clean data, on data with every fault, and on the genuine sets."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.datasets import Absent, Record
from convcorr_jax.datasets.compact import scenes
from convcorr_jax.datasets.compact.people import read_landmarks, read_lspet
from convcorr_jax.doctor import CHANGES_SCORES, changes_scores, duplicates, examine, sides
from convcorr_jax.doctor.duplicates import compute_thumbnails
from tests.builders.genuine import genuine
from tests.builders.image_checks import on_disk


class ReadOnce(Sequence[Record]):
    """Records that count how often each is read."""

    def __init__(self, records: Sequence[Record]):
        self.records, self.times = records, np.zeros(len(records), int)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index):
        self.times[index] += 1
        return self.records[index]


@pytest.mark.parametrize("stored", [False, True])
def test_clean_data_has_no_fault_and_is_read_once(faces: tuple[Record, ...], people, tmp_path, stored: bool):
    records = ReadOnce([*(on_disk(faces, tmp_path) if stored else faces), *people])
    steps: list[tuple[int, int]] = []
    found = examine(
        records,
        official_counts={"train": 64, "test": 16},
        progress=lambda done, total: steps.append((done, total)),
    )
    # Two rendered people have like colours before a like sky.
    assert [(one.check, len(one.cases)) for one in found] == [("shared scenes", 1)]
    assert not changes_scores(found)
    assert (records.times >= 1).all()
    # The run-time type checker of the tests reads a few records more.
    assert records.times.sum() < len(records) + 8
    assert steps[-1] == (80, 80)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)


def test_pixels_do_not_stay_in_memory(faces: tuple[Record, ...]):
    records_without_pixels, thumbnails = compute_thumbnails(faces)
    assert all(record.image == b"" for record in records_without_pixels)
    assert all(record.label_map is None for record in records_without_pixels)
    assert thumbnails.pixels.nbytes <= 1024 * len(faces)


def test_findings_that_change_scores_come_first_and_no_data_are_one_finding(faces: tuple[Record, ...]):
    (finding,) = examine([])
    assert (finding.check, finding.severity) == ("empty", CHANGES_SCORES)
    bad = replace(faces[0], image=b"no image", split="val")
    found = examine(
        [*faces[1:], bad, faces[1]], official_counts={"val": 2}, absent=[Absent("x", "its image is not there")]
    )
    checks = ["unreadable images", "repeated ids", "official counts", "absent annotations"]
    assert [finding.check for finding in found] == checks
    severities = [finding.severity for finding in found]
    assert (severities, severities[:3]) == (sorted(severities), [CHANGES_SCORES] * 3)
    assert changes_scores(found)
    assert not changes_scores(found[3:])


@pytest.mark.parametrize(("name", "listed"), [("lfpw68", 67), ("helen68", 8)])
def test_the_known_duplicates_of_the_real_faces_are_found(name: str, listed: int):
    folder = genuine(name)
    pairs = json.loads((folder / "near_duplicates.json").read_text(encoding="utf-8"))["pairs"]
    known = {frozenset(pair[:2]) for pair in pairs}
    assert len(known) == listed
    listed_names = set().union(*known)
    # The listed records, and a quarter of the others.
    records = [r for i, r in enumerate(read_landmarks(folder)) if i % 4 == 0 or r.source_id in listed_names]
    findings = list(duplicates.near_duplicates(*compute_thumbnails(records)))
    found = {frozenset(case.source_ids): finding for finding in findings for case in finding.cases}
    assert known <= set(found)
    split = {record.source_id: record.split for record in records}
    across = {pair for pair in known if len({split[name] for name in pair}) == 2}
    assert len(across) == (3 if name == "lfpw68" else 0)
    assert {found[pair].severity for pair in across} <= {CHANGES_SCORES}


def test_the_real_people_have_no_false_duplicate():
    """Near duplicates were removed from this set; an eighth of it is enough for a test."""
    records = read_lspet(genuine("lspet"))[::8]
    assert sum(len(finding.cases) for finding in duplicates.near_duplicates(*compute_thumbnails(records))) == 0


@pytest.mark.parametrize("name", ["lfpw68", "helen68"])
def test_exchanged_sides_of_real_faces_are_found_and_no_others(name: str, rng: np.random.Generator):
    records = list(read_landmarks(genuine(name)))
    assert list(sides.swapped_sides(records)) == []
    chosen = rng.choice(len(records), 20, replace=False).tolist()
    for index in chosen:
        record = records[index]
        points = coords.flip_points(record.points, width=1, left_right_pairs=record.left_right_pairs) * [-1, 1]
        records[index] = replace(record, points=points)
    (finding,) = sides.swapped_sides(records)
    assert set(finding.source_ids) == {records[index].source_id for index in chosen}
    assert finding.severity == CHANGES_SCORES


def test_the_real_pf_willow_is_in_order():
    assert not changes_scores(examine(scenes.read_pf_willow(genuine("pf_willow"))))
