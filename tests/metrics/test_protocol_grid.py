"""The grid against loops, a hand-computed example, and what holds for all predictions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcorr_jax.errors import InputError
from convcorr_jax.metrics import (
    GRID_ALPHAS,
    NORMALIZERS,
    KeypointTruth,
    Protocol,
    ProtocolChoices,
    protocol_grid,
    stated_protocol,
)
from tests.reference.protocol_loops import pck_by_loops

NAMES = ("l_shoulder", "r_shoulder", "l_hip", "r_hip", "l_eye_outer", "r_eye_outer")


def example(seed: int, *, hidden=0.3, absent=0.2, missing=0.2) -> tuple[KeypointTruth, np.ndarray]:
    """Ground truth with everything that a protocol can need, and noisy predictions."""
    rng = np.random.default_rng(seed)
    images, count = 7, len(NAMES)
    sizes = rng.integers(150, 400, (images, 2))
    points = rng.uniform(0, 140, (images, count, 2))
    corners = rng.uniform(0, 70, (2, images, 2))
    extents = rng.uniform(20, 70, (2, images, 2))
    annotated = rng.random((images, count)) >= absent
    annotated[0] = True
    visible = annotated & (rng.random((images, count)) >= hidden)
    visible[0] = True
    predicted = points + rng.normal(0, 12, points.shape)
    predicted[rng.random((images, count)) < missing] = np.nan
    predicted[0, 0] = points[0, 0]
    boxes, heads = np.concatenate([corners, corners + extents], axis=-1)
    truth = KeypointTruth(
        points=np.where(annotated[..., None], points, np.nan),
        visible=visible,
        boxes=boxes,
        head_boxes=heads,
        image_sizes=sizes,
        groups=tuple("aabbbcc"),
        names=NAMES,
        scored=np.array([True] * 4 + [False] * 2),
    )
    return truth, predicted


def test_every_figure_agrees_with_loops():
    truth, predicted = example(3)
    rows = protocol_grid(truth, predicted)
    assert {row.choices.normalizer for row in rows} == set(NORMALIZERS)
    assert len({row.choices for row in rows}) == len(rows) == len(NORMALIZERS) * 2 * 2 * 2 * 2 * 3 * 4
    for row in rows:
        expected = [pck_by_loops(truth, predicted, row.choices, alpha) for alpha in GRID_ALPHAS]
        assert row.values == pytest.approx(expected, abs=1e-9), row.choices
        assert row.alphas == GRID_ALPHAS


def test_a_computed_example():
    """Boxes of 10 and 20; errors 1, 3 and 4 in group a, 2 in group b, whose other point has no prediction."""
    truth = KeypointTruth(
        points=np.zeros((3, 2, 2)),
        visible=np.array([[True, False], [True, False], [True, True]]),
        boxes=np.array([[0.0, 0, 10, 5], [0, 0, 10, 5], [0, 0, 20, 5]]),
        groups=("a", "a", "b"),
    )
    predicted = np.array([[[1.0, 0], [0, 3]], [[4, 0], [0, 1]], [[2, 0], [np.nan, 0]]])
    found = {row.choices: row.values[0] for row in protocol_grid(truth, predicted, alphas=(0.1,))}
    box = ProtocolChoices("box")
    # Three of six are right: 1 of 10 twice, and 2 of 20; all three are at the threshold.
    assert found[box] == pytest.approx(3 / 6)
    assert found[box._replace(strict=True)] == 0
    assert found[box._replace(missing="left out")] == pytest.approx(3 / 5)
    assert found[box._replace(counted="visible")] == pytest.approx(2 / 4)
    assert found[box._replace(grouped=True)] == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert found[box._replace(average="keypoint")] == pytest.approx((2 / 3 + 1 / 3) / 2)
    grouped = box._replace(average="image", grouped=True, missing="left out")
    assert found[grouped] == pytest.approx(((1 / 2 + 1 / 2) / 2 + 1) / 2)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 10**6))
def test_what_holds_for_all_predictions(seed):
    truth, predicted = example(seed)
    options = {"alphas": (0.05, 0.2), "frames": ("photograph",)}
    rows = {row.choices: row for row in protocol_grid(truth, predicted, **options)}
    for choices, row in rows.items():
        values = np.array(row.values)
        assert ((values >= 0) & (values <= 1)).all()
        assert (np.diff(values) >= 0).all()
        if choices.strict:
            assert (values <= np.array(rows[choices._replace(strict=False)].values)).all()
        if choices.missing == "left out" and choices.average == "pooled" and not choices.grouped:
            assert (values >= np.array(rows[choices._replace(missing="wrong")].values)).all()


def test_perfect_predictions_score_one_in_every_protocol():
    truth, _ = example(5)
    rows = protocol_grid(truth, np.nan_to_num(truth.points))
    assert {value for row in rows for value in row.values} == {1.0}
    assert all(row.images > 0 and row.keypoints > 0 for row in rows)


def test_choices_that_change_nothing_are_not_combined():
    truth = KeypointTruth(
        points=np.array([[[0.0, 0.0], [9.0, 4.0]]]), visible=np.ones((1, 2), bool), groups=("a",)
    )
    rows = protocol_grid(truth, truth.points + 1)
    assert [row.choices for row in rows] == [
        ProtocolChoices("keypoints", average=average, strict=strict)
        for average in ("pooled", "keypoint", "image")
        for strict in (False, True)
    ]


def test_images_without_the_normalizer_do_not_count():
    truth = KeypointTruth(points=np.zeros((3, 2, 2)), head_sizes=np.array([np.nan, 10.0, 20.0]))
    predicted = np.array([[[0.0, 0], [0, 0]], [[2, 0], [0, 0]], [[2, 0], [0, 0]]])
    first, *_ = protocol_grid(truth, predicted, alphas=(0.1,))
    assert (first.values, first.images, first.keypoints) == ((3 / 4,), 2, 4)


def test_every_protocol_is_stated_in_words():
    protocols = [
        stated_protocol(ProtocolChoices(name, "square", True, "visible", True, "image", True, missing))
        for name in NORMALIZERS
        for missing in ("wrong", "left out")
    ]
    assert len({protocol.name for protocol in protocols}) == len(protocols)
    one = protocols[0]
    assert isinstance(one, Protocol)
    assert one.normalizer == NORMALIZERS["box"]
    assert "square" in one.frame
    assert one.counted.startswith("visible keypoints that the data set's own metric counts")


def test_what_cannot_be_scored_is_refused():
    truth = KeypointTruth(points=np.zeros((2, 3, 2)))
    with pytest.raises(InputError, match=r"has no extent in any image; boxes, head_boxes, image_sizes"):
        protocol_grid(truth, truth.points)
    with pytest.raises(InputError, match=r"are \(2, 2, 2\); \(2, 3, 2\) is expected"):
        protocol_grid(truth, truth.points[:, :2])
    with pytest.raises(InputError, match="infinite coordinate"):
        protocol_grid(truth, truth.points + np.inf)
    with pytest.raises(InputError, match="all of them are NaN"):
        protocol_grid(truth, truth.points * np.nan)
    for alphas in ((), (0.0,), (np.inf,)):
        with pytest.raises(InputError, match="must be positive numbers"):
            protocol_grid(truth, truth.points, alphas=alphas)
