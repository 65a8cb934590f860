"""The grid against loops, a hand-computed example, and what holds for all predictions."""

import dataclasses
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convcorr_jax import metrics
from tests.reference.protocol_loops import pck_by_loops

NAMES = ("l_shoulder", "r_shoulder", "l_hip", "r_hip", "l_eye_outer", "r_eye_outer")


def example(seed: int, *, hidden=0.3, absent=0.2, missing=0.2) -> tuple[metrics.KeypointTruth, np.ndarray]:
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
    # Boxes are about the annotated points, and heads about one of them: others are refused.
    one = points[np.arange(images), annotated.argmax(axis=1)][:, None]
    inside = np.where(annotated[..., None], points, one)
    boxes = np.concatenate([inside.min(axis=1) - extents[0] / 5, inside.max(axis=1) + extents[0] / 5], axis=-1)
    heads = np.concatenate(
        [np.minimum(corners[1], one[:, 0]), np.maximum(corners + extents, one[:, 0])[1]], axis=-1
    )
    truth = metrics.KeypointTruth(
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
    rows = metrics.protocol_grid(truth, predicted)
    assert {row.choices.normalizer for row in rows} == set(metrics.NORMALIZERS)
    assert len({row.choices for row in rows}) == len(rows) == len(metrics.NORMALIZERS) * 2 * 2 * 2 * 2 * 3 * 4
    for row in rows:
        expected = [pck_by_loops(truth, predicted, row.choices, alpha) for alpha in metrics.GRID_ALPHAS]
        assert row.values == pytest.approx(expected, abs=1e-9), row.choices
        assert row.alphas == metrics.GRID_ALPHAS


def test_rare_choices_agree_with_loops(monkeypatch):
    # The room's function of this name hides the module.
    for module in ("convcorr_jax.metrics.protocol_grid", "tests.reference.protocol_loops"):
        monkeypatch.setattr(sys.modules[module], "GROUP_LIMIT", 2)
    truth, predicted = example(4)
    rows = metrics.protocol_grid(truth, predicted, rarities=True, alphas=(0.1,))
    usual = metrics.protocol_grid(truth, predicted, alphas=(0.1,))
    assert len({row.choices for row in rows}) == len(rows) == 3 * len(usual)
    for row in rows:
        expected = pck_by_loops(truth, predicted, row.choices, 0.1)
        assert row.values == pytest.approx((expected,), abs=1e-9), row.choices
    assert len({row.protocol.name for row in rows}) == len(rows)


def test_a_computed_example():
    """Boxes of 10 and 20; errors 1, 3 and 4 in group a, 2 in group b, whose other point has no prediction."""
    truth = metrics.KeypointTruth(
        points=np.zeros((3, 2, 2)),
        visible=np.array([[True, False], [True, False], [True, True]]),
        boxes=np.array([[0.0, 0, 10, 5], [0, 0, 10, 5], [0, 0, 20, 5]]),
        groups=("a", "a", "b"),
    )
    predicted = np.array([[[1.0, 0], [0, 3]], [[4, 0], [0, 1]], [[2, 0], [np.nan, 0]]])
    found = {row.choices: row.values[0] for row in metrics.protocol_grid(truth, predicted, alphas=(0.1,))}
    box = metrics.ProtocolChoices("box")
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
    truth = dataclasses.replace(truth, image_sizes=None)
    rows = {row.choices: row for row in metrics.protocol_grid(truth, predicted, alphas=(0.05, 0.2))}
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
    rows = metrics.protocol_grid(truth, np.nan_to_num(truth.points))
    assert {value for row in rows for value in row.values} == {1.0}
    assert all(row.images > 0 and row.keypoints > 0 for row in rows)


def test_choices_that_change_nothing_are_not_combined():
    truth = metrics.KeypointTruth(
        points=np.array([[[0.0, 0.0], [9.0, 4.0]]]), visible=np.ones((1, 2), bool), groups=("a",)
    )
    rows = metrics.protocol_grid(truth, truth.points + 1)
    assert [row.choices for row in rows] == [
        metrics.ProtocolChoices("keypoints", average=average, strict=strict)
        for average in ("pooled", "keypoint", "image")
        for strict in (False, True)
    ]


def test_images_without_the_normalizer_do_not_count():
    truth = metrics.KeypointTruth(points=np.zeros((3, 2, 2)), head_sizes=np.array([np.nan, 10.0, 20.0]))
    predicted = np.array([[[0.0, 0], [0, 0]], [[2, 0], [0, 0]], [[2, 0], [0, 0]]])
    first, *_ = metrics.protocol_grid(truth, predicted, alphas=(0.1,))
    assert (first.values, first.images, first.keypoints) == ((3 / 4,), 2, 4)


def test_every_protocol_is_stated_in_words():
    protocols = [
        metrics.stated_protocol(
            metrics.ProtocolChoices(name, "square", True, "visible", True, "image", True, missing)
        )
        for name in metrics.NORMALIZERS
        for missing in ("wrong", "left out")
    ]
    assert len({protocol.name for protocol in protocols}) == len(protocols)
    one = protocols[0]
    assert isinstance(one, metrics.Protocol)
    assert one.normalizer == metrics.NORMALIZERS["box"]
    assert "square" in one.frame
    assert one.counted.startswith("visible keypoints that the data set's own metric counts")


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(1)
    truth = metrics.KeypointTruth(
        points=rng.uniform(0, 100, (40, 5, 2)),
        boxes=np.tile([0.0, 0.0, 100.0, 80.0], (40, 1)),
        groups=tuple("abcd" * 10),
    )
    return metrics.protocol_grid(truth, truth.points + rng.normal(0, 9, truth.points.shape))


@pytest.mark.parametrize(
    ("text", "value", "tolerance"),
    [
        ("0.701", 0.701, 0.0005),
        ("0.7010", 0.701, 0.00005),
        (".70", 0.7, 0.005),
        ("70.1", 0.701, 0.0005),
        ("70.1%", 0.701, 0.0005),
        ("0.9 %", 0.009, 0.0005),
        ("88", 0.88, 0.005),
        ("1", 1.0, 0.5),
        ("100", 1.0, 0.005),
        ("88.4257", 0.884257, 0.0000005),
    ],
)
def test_the_digits_decide_the_rounding(text, value, tolerance):
    figure = metrics.published_figure(text)
    assert (figure.value, figure.tolerance) == pytest.approx((value, tolerance), rel=1e-12)


@pytest.mark.parametrize("form", ["{:.3f}", "{:.1f}%", "{:.2f}%", "{:.6f}"])
def test_every_figure_of_the_grid_is_found_again(rows, form):
    for row in rows:
        for alpha, value in zip(row.alphas, row.values, strict=True):
            text = form.format(100 * value if "%" in form else value)
            found = metrics.matching_figures(rows, metrics.published_figure(text))
            assert (row.choices, alpha) in [(match.row.choices, match.alpha) for match in found]
            for match in found:
                shown = 100 * match.value if "%" in form else match.value
                # Python rounds a half to the even digit, others away from zero.
                assert abs(shown - float(text.removesuffix("%"))) <= 0.5000001 * 10 ** -len(
                    text.removesuffix("%").partition(".")[2]
                )


def test_a_half_is_rounded_to_both_sides(rows):
    row = rows[0]._replace(alphas=(0.1,), values=(0.7005,))
    for text in ("0.700", "0.701", "70.0", "70.1"):
        assert len(metrics.matching_figures([row], metrics.published_figure(text))) == 1
    for text in ("0.702", "0.699", "0.7004"):
        assert metrics.matching_figures([row], metrics.published_figure(text)) == []


def test_protocols_near_the_default_are_first(rows):
    default = metrics.ProtocolChoices("box", average="image", grouped=True)
    figure = metrics.published_figure("100")
    perfect = [row._replace(values=(1.0,), alphas=(0.1,)) for row in rows]
    found = metrics.matching_figures(perfect, figure, default=default)
    assert len(found) == len(rows)
    assert found[0].row.choices == default
    changes = [sum(a != b for a, b in zip(one.row.choices, default, strict=True)) for one in found]
    assert changes == sorted(changes)


def test_chance_is_the_share_of_figures_that_protocols_as_near_explain(rows):
    default = metrics.ProtocolChoices("box", average="image", grouped=True)
    for text, step in (("0.55", 0.01), ("55.5", 0.001)):
        everything = metrics.nearest_figures(rows, metrics.published_figure(text), count=10**6, default=default)
        changes = [sum(a != b for a, b in zip(one.row.choices, default, strict=True)) for one in everything]
        for match, changed in zip(everything, changes, strict=True):
            near = [one.value for one, count in zip(everything, changes, strict=True) if count <= changed]
            explained = {
                figure
                for figure in range(round(1 / step) + 1)
                for value in near
                if round(value / step) == figure
            }
            assert match.chance == pytest.approx(len(explained) * step)


def test_the_nearest_are_those_with_the_least_difference(rows):
    figure = metrics.published_figure("0.55555")
    found = metrics.nearest_figures(rows, figure, count=4)
    everything = sorted(abs(value - figure.value) for row in rows for value in row.values)
    assert [abs(match.difference) for match in found] == pytest.approx(everything[:4])
    unknown = rows[0]._replace(values=(float("nan"),) * len(rows[0].values))
    assert metrics.nearest_figures([unknown, *rows, unknown], figure, count=4) == found
