"""Exchanged sides are found; a convention, and an object that is only unusual, are not reported."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.datasets import Record
from convcorr_jax.doctor import CHANGES_SCORES, WORTH_A_LOOK
from convcorr_jax.doctor.sides import left_right_vectors, swapped_sides


def exchanged(record: Record, pairs: Sequence[tuple[int, int]] | None = None) -> Record:
    """The record with some left/right pairs exchanged, by default all."""
    points, visible = record.points.copy(), record.visible.copy()
    for left, right in record.left_right_pairs if pairs is None else pairs:
        points[[left, right]] = points[[right, left]]
        visible[[left, right]] = visible[[right, left]]
    return replace(record, points=points, visible=visible)


@pytest.fixture(scope="module")
def figures(faces: tuple[Record, ...]) -> list[Record]:
    """Two hundred frontal faces: five pairs and a chin, each a little different, rotated at random."""
    rng = np.random.default_rng(3)
    left = np.array([[-8, -6], [-4, -9], [-3, 4], [-6, 5], [-10, 0]], float)
    usual = np.concatenate([left, left * [-1, 1], [[0, 12]]])
    names = (*(f"l_{i}" for i in range(5)), *(f"r_{i}" for i in range(5)), "chin")
    fields = {"names": names, "part_sets": {}, "visible": np.ones(11, bool), "normalizer_px": 10.0}
    fields["left_right_pairs"] = tuple((i, i + 5) for i in range(5))
    figures = []
    for index in range(200):
        turn, yaw = rng.uniform(-0.6, 0.6), rng.uniform(0.2, 1.0)
        points = usual * [yaw, 1.0] + rng.normal(0, 0.4, usual.shape)
        points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        points, split = 32 + rng.uniform(0.5, 1.5) * points, "train" if index % 2 else "test"
        figures.append(replace(faces[0], source_id=str(index), split=split, points=points, **fields))
    return figures


def test_left_right_vectors_do_not_depend_on_position_rotation_and_size(figures: list[Record]):
    before = left_right_vectors(figures)
    turned = list(figures)
    turned[5] = replace(figures[5], points=2.0 * figures[5].points @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 7.0)
    # The median figure moves a little with one of its two hundred.
    np.testing.assert_allclose(left_right_vectors(turned), before, atol=0.02)
    np.testing.assert_allclose(left_right_vectors([exchanged(figure) for figure in figures]), -before)
    # In a frontal face, the vectors point to the right.
    assert (before.real > 0).mean() > 0.98


def test_clean_figures_and_conventions_are_not_reported(figures: list[Record]):
    assert list(swapped_sides(figures)) == []
    assert list(swapped_sides([exchanged(figure) for figure in figures])) == []


def test_exchanged_figures_and_pairs_are_found_and_named(figures: list[Record]):
    # Four frontal figures: an exchange in a profile cannot be detected.
    wrong = set(np.argsort(left_right_vectors(figures).real.sum(axis=1))[-4:].tolist())
    for pairs, severity, note in (
        (figures[0].left_right_pairs, CHANGES_SCORES, "agreement with the median object -"),
        ([(1, 6)], WORTH_A_LOOK, "l_1 and r_1"),
    ):
        records = [exchanged(f, pairs) if index in wrong else f for index, f in enumerate(figures)]
        (finding,) = swapped_sides(records)
        assert finding.severity == severity
        assert set(finding.source_ids) == {str(index) for index in wrong}
        assert all(case.note.startswith(note) for case in finding.cases)


def test_splits_with_opposite_conventions_are_reported_without_their_figures(figures: list[Record]):
    (finding,) = swapped_sides([exchanged(f) if f.split == "test" else f for f in figures])
    assert finding.severity == CHANGES_SCORES
    assert "'test' and 'train'" in finding.sentence
    assert finding.cases == ()


def test_absent_keypoints_cause_no_findings(figures: list[Record], rng: np.random.Generator):
    def thinned(record: Record) -> Record:
        gone = rng.uniform(size=11) < 0.5
        return replace(record, points=np.where(gone[:, None], np.nan, record.points), visible=~gone)

    assert list(swapped_sides([thinned(figure) for figure in figures])) == []
    nothing = replace(figures[0], points=np.full((11, 2), np.nan), visible=np.zeros(11, bool))
    one_place = replace(figures[1], points=np.full((11, 2), 5.0))
    assert list(swapped_sides([nothing, one_place, *figures[2:]])) == []
    assert list(swapped_sides([nothing] * 40)) == []
    assert list(swapped_sides([one_place] * 40)) == []


def test_without_symmetric_points_to_align_nothing_is_reported(figures: list[Record]):
    def eyes_only(record: Record) -> Record:
        eyes = {"names": ("l_eye", "r_eye"), "visible": np.ones(2, bool), "left_right_pairs": ((0, 1),)}
        return replace(record, points=record.points[[0, 5]], **eyes)

    records = [eyes_only(exchanged(f) if i == 4 else f) for i, f in enumerate(figures)]
    assert list(swapped_sides(records)) == []


def test_mirrored_points_show_the_same_after_exchange(figures: list[Record]):
    """A mirrored figure whose names were exchanged, as augmentation does, is no swap."""
    mirrored = [
        replace(f, points=coords.flip_points(f.points, width=64, left_right_pairs=f.left_right_pairs))
        for f in figures[:100]
    ]
    assert list(swapped_sides([*mirrored, *figures[100:]])) == []
