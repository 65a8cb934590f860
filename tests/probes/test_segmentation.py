import numpy as np
import pytest
from sklearn import linear_model

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from convcorr_jax.probes import (
    Variation,
    apply_mixing,
    class_responses,
    class_shares,
    class_targets,
    fit_mixing,
    predict_label_map,
    resize_responses,
)


def counted(labels, box, *, classes, side, steps=40):
    """Compute shares from 40 x 40 points of every cell, one by one."""
    found = np.zeros((side, side, classes))
    inside = (np.arange(steps) + 0.5) / steps
    for i in range(side):
        for j in range(side):
            for y in box.y0 + (i + inside) * box.height / side:
                for x in box.x0 + (j + inside) * box.width / side:
                    row, column = round(y), round(x)
                    if 0 <= row < labels.shape[0] and 0 <= column < labels.shape[1]:
                        label = labels[row, column]
                        if label < classes:
                            found[i, j, label] += 1
    with np.errstate(invalid="ignore"):
        return found / found.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("mirrored", [False, True])
def test_shares_are_those_of_many_points(rng, mirrored):
    labels = rng.integers(0, 3, (7, 9)).astype(np.uint8)
    labels[2:4] = 255
    box = coords.Box(0.9, -1.2, 9.6, 5.3)
    found = class_shares(labels, Variation(box, mirrored), classes=3, side=4)
    expected = counted(labels, box, classes=3, side=4)
    np.testing.assert_allclose(found, expected[:, ::-1] if mirrored else expected, atol=0.02)


def test_a_cell_without_a_label_is_absent():
    labels = np.zeros((60, 60), np.uint8)
    labels[:2] = 255
    labels[10:12, 10:11] = 255
    shares = class_shares(labels, Variation(coords.whole_image((60, 60))), classes=2)
    assert shares.shape == (30, 30, 2)
    assert np.isnan(shares[0]).all()
    # A cell that is half labelled counts as much as one that is labelled in full.
    np.testing.assert_array_equal(shares[1:], np.broadcast_to([1.0, 0.0], (29, 30, 2)))


def test_absent_targets_are_means():
    shares = np.array([[0.2, 0.8], [0.6, 0.4], [np.nan, np.nan]], np.float32).reshape(3, 1, 1, 2)
    np.testing.assert_allclose(class_targets(shares)[2], [0.4, 0.6], rtol=1e-6)
    with pytest.raises(InputError, match="nothing to learn"):
        class_targets(np.full((2, 1, 1, 2), np.nan, np.float32))


@pytest.fixture
def cells(rng):
    """Sixty features, and shares of three classes in 2 x 2 cells that depend on them; some are absent."""
    features = rng.normal(size=(60, 5)).astype(np.float32)
    responses = features @ rng.normal(size=(5, 12)) + rng.normal(size=(60, 12))
    shares = np.exp(responses).reshape(60, 2, 2, 3)
    shares /= shares.sum(axis=-1, keepdims=True)
    shares[::7, 1] = np.nan
    return features, shares.astype(np.float32)


def test_responses_of_all_classes_add_up_to_one(cells):
    """Therefore a class that never occurs, whose response is 0, is never the greatest."""
    features, shares = cells
    probe = ridge.fit(features, class_targets(shares), penalty=1.0)
    responses = class_responses(probe, features, side=2)
    np.testing.assert_allclose(responses.sum(axis=-1), 1, atol=1e-5)


def test_mixing_is_least_squares_of_zeros_and_a_one(cells):
    features, shares = cells
    probe = ridge.fit(features, class_targets(shares), penalty=1.0)
    responses = class_responses(probe, features, side=2)
    # M restores responses that are swapped.
    swapped = responses[..., [1, 0, 2]]
    mixing = fit_mixing(swapped, shares, folds=np.arange(60) % 4, k=4)
    known = ~np.isnan(shares[..., 0])
    one_hot = np.eye(3)[shares[known].argmax(axis=-1)]
    expected = linear_model.Ridge(alpha=float(mixing.penalty)).fit(swapped[known], one_hot)
    np.testing.assert_allclose(
        apply_mixing(swapped[known], mixing), expected.predict(swapped[known]), atol=1e-4
    )
    right = (apply_mixing(swapped, mixing).argmax(-1) == shares.argmax(-1))[known].mean()
    assert right > (swapped.argmax(-1) == shares.argmax(-1))[known].mean() + 0.2


def test_responses_are_resized_between_the_centres_of_cells():
    responses = np.array([[0.0, 1.0], [2.0, 3.0]], np.float32)[..., None]
    found = resize_responses(responses, (4, 8))[..., 0]
    columns = np.clip((np.arange(8) + 0.5) / 4 - 0.5, 0, 1)
    rows = np.clip((np.arange(4) + 0.5) / 2 - 0.5, 0, 1)
    np.testing.assert_allclose(found, 2 * rows[:, None] + columns[None], atol=1e-6)


def test_a_label_map_comes_back_at_its_own_size():
    labels = np.zeros((90, 130), np.uint8)
    labels[30:60, 26:91] = 2
    shares = class_shares(labels, Variation(coords.whole_image(labels.shape)), classes=3)
    found = predict_label_map(shares, labels.shape)
    assert found.shape == labels.shape
    np.testing.assert_array_equal(found[31:59, 28:89], labels[31:59, 28:89])
    assert (found == labels).mean() > 0.99


@pytest.mark.parametrize(("classes", "dtype"), [(256, np.uint8), (257, np.uint16), (300, np.uint16)])
def test_any_number_of_classes_is_predicted(classes, dtype):
    truth = np.minimum(np.arange(18**2), classes - 1).reshape(18, 18)
    found = predict_label_map(np.eye(classes, dtype=np.float32)[truth], truth.shape)
    np.testing.assert_array_equal(found, truth)
    assert found.dtype == dtype
    shares = class_shares(found, Variation(coords.whole_image(found.shape)), classes=classes, side=1)
    counts = np.bincount(truth.ravel(), minlength=classes)
    np.testing.assert_allclose(shares[0, 0], counts / truth.size, rtol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_responses_without_an_order_are_refused(bad):
    responses = np.zeros((2, 2, 3), np.float32)
    responses[0, 0, 1] = bad
    with pytest.raises(InputError, match="NaN, infinity"):
        predict_label_map(responses, (5, 5))


@pytest.mark.parametrize("labels", [np.array([[0.0, 1.5]]), np.zeros((2, 2, 3), int), np.arange(3)])
def test_label_maps_that_are_no_grid_of_whole_numbers_are_refused(labels):
    with pytest.raises(InputError, match="whole numbers"):
        class_shares(labels, Variation(coords.whole_image((2, 2))), classes=2)
