import numpy as np
import pytest
from sklearn import linear_model

from convcorr_jax import coords, probes
from convcorr_jax.linear import ridge
from convcorr_jax.probes import Variation, class_shares, variation_image, variations
from convcorr_jax.probes.rgb import MIN_CROP_FRACTION


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
    found = probes.class_shares(labels, probes.Variation(box, mirrored), classes=3, side=4)
    expected = counted(labels, box, classes=3, side=4)
    np.testing.assert_allclose(found, expected[:, ::-1] if mirrored else expected, atol=0.02)


def test_a_cell_without_a_label_is_absent():
    labels = np.zeros((60, 60), np.uint8)
    labels[:2] = 255
    labels[10:12, 10:11] = 255
    shares = probes.class_shares(labels, probes.Variation(coords.whole_image((60, 60))), classes=2)
    assert shares.shape == (30, 30, 2)
    assert np.isnan(shares[0]).all()
    # A cell that is half labelled counts as much as one that is labelled in full.
    np.testing.assert_array_equal(shares[1:], np.broadcast_to([1.0, 0.0], (29, 30, 2)))


def test_absent_targets_are_means():
    shares = np.array([[0.2, 0.8], [0.6, 0.4], [np.nan, np.nan]], np.float32).reshape(3, 1, 1, 2)
    np.testing.assert_allclose(probes.class_targets(shares)[2], [0.4, 0.6], rtol=1e-6)


@pytest.fixture
def cells(rng):
    """Sixty features, and shares of three classes in 2 x 2 cells that depend on them; some are absent."""
    features = rng.normal(size=(60, 5)).astype(np.float32)
    shares = np.exp(features @ rng.normal(size=(5, 12)) + rng.normal(size=(60, 12))).reshape(60, 2, 2, 3)
    shares /= shares.sum(axis=-1, keepdims=True)
    shares[::7, 1] = np.nan
    return features, shares.astype(np.float32)


def test_responses_of_all_classes_add_up_to_one(cells):
    """Therefore a class that never occurs, whose response is 0, is never the greatest."""
    features, shares = cells
    probe = ridge.fit(features, probes.class_targets(shares), penalty=1.0)
    np.testing.assert_allclose(probes.class_responses(probe, features, side=2).sum(axis=-1), 1, atol=1e-5)


def test_mixing_is_least_squares_of_zeros_and_a_one(cells):
    features, shares = cells
    probe = ridge.fit(features, probes.class_targets(shares), penalty=1.0)
    # M restores responses that are swapped.
    swapped = probes.class_responses(probe, features, side=2)[..., [1, 0, 2]]
    mixing = probes.fit_mixing(swapped, shares, folds=np.arange(60) % 4, k=4)
    known = ~np.isnan(shares[..., 0])
    one_hot = np.eye(3)[shares[known].argmax(axis=-1)]
    expected = linear_model.Ridge(alpha=float(mixing.penalty)).fit(swapped[known], one_hot)
    np.testing.assert_allclose(
        probes.apply_mixing(swapped[known], mixing), expected.predict(swapped[known]), atol=1e-4
    )
    right = (probes.apply_mixing(swapped, mixing).argmax(-1) == shares.argmax(-1))[known].mean()
    assert right > (swapped.argmax(-1) == shares.argmax(-1))[known].mean() + 0.2


def test_responses_are_resized_between_the_centres_of_cells():
    responses = np.array([[0.0, 1.0], [2.0, 3.0]], np.float32)[..., None]
    found = probes.resize_responses(responses, (4, 8))[..., 0]
    columns = np.clip((np.arange(8) + 0.5) / 4 - 0.5, 0, 1)
    rows = np.clip((np.arange(4) + 0.5) / 2 - 0.5, 0, 1)
    np.testing.assert_allclose(found, 2 * rows[:, None] + columns[None], atol=1e-6)


def test_a_label_map_comes_back_at_its_own_size():
    labels = np.zeros((90, 130), np.uint8)
    labels[30:60, 26:91] = 2
    shares = probes.class_shares(labels, probes.Variation(coords.whole_image(labels.shape)), classes=3)
    found = probes.predict_label_map(shares, labels.shape)
    assert found.shape == labels.shape
    np.testing.assert_array_equal(found[31:59, 28:89], labels[31:59, 28:89])
    assert (found == labels).mean() > 0.99


@pytest.mark.parametrize(("classes", "dtype"), [(256, np.uint8), (257, np.uint16), (300, np.uint16)])
def test_any_number_of_classes_is_predicted(classes, dtype):
    truth = np.minimum(np.arange(18**2), classes - 1).reshape(18, 18)
    found = probes.predict_label_map(np.eye(classes, dtype=np.float32)[truth], truth.shape)
    np.testing.assert_array_equal(found, truth)
    assert found.dtype == dtype
    shares = probes.class_shares(
        found, probes.Variation(coords.whole_image(found.shape)), classes=classes, side=1
    )
    counts = np.bincount(truth.ravel(), minlength=classes)
    np.testing.assert_allclose(shares[0, 0], counts / truth.size, rtol=1e-4)


SIZE = coords.Size(90, 120)


def test_the_first_are_the_photograph_and_its_mirror_image(rng):
    photograph = rng.integers(0, 256, (30, 30, 3), np.uint8)
    plain, mirrored = (
        variation_image(photograph, one, side_px=30) for one in variations(coords.Size(30, 30), count=2, seed=0)
    )
    np.testing.assert_array_equal(plain, photograph)
    np.testing.assert_array_equal(mirrored, photograph[:, ::-1])


def test_crops_lie_inside_and_differ():
    found = variations(SIZE, count=60, seed=3)
    boxes = np.array([one.box for one in found])
    whole = np.array(coords.whole_image(SIZE))
    assert (boxes[:, :2] >= whole[:2]).all()
    assert (boxes[:, 2:] <= whole[2:]).all()
    shares = (boxes[:, 2:] - boxes[:, :2]) / (whole[2:] - whole[:2])
    assert (shares >= MIN_CROP_FRACTION).all()
    assert shares[2:].max() < 1
    # Width, height and both edges vary independently.
    assert np.abs(np.corrcoef(shares[2:].T)[0, 1]) < 0.5
    assert len(np.unique(boxes[2:], axis=0)) == 58
    assert [one.mirrored for one in found[:6]] == [False, True] * 3
    assert variations(SIZE, count=4, seed=3) == found[:4]
    assert variations(SIZE, count=4, seed=4) != found[:4]


@pytest.mark.parametrize("seed", range(4))
def test_image_and_labels_move_together(seed):
    """One bright pixel, and its label, are in the same cell of every variation that contains it."""
    row, column = 44, 61
    photograph, labels = np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.uint8)
    photograph[row, column], labels[row, column] = 255, 1
    side = 15
    for variation in variations(SIZE, count=10, seed=seed):
        place = coords.box_to_size(variation.box, (side, side))(np.array([column, row], float))
        if variation.mirrored:
            place[0] = side - 1 - place[0]
        # On the edge of two cells, either may contain more of the pixel.
        if np.abs(place - np.rint(place)).max() > 0.4 or np.abs(place - side / 2).max() > side / 2 - 1:
            continue
        image = variation_image(photograph, variation, side_px=side)[..., 0]
        shares = class_shares(labels, variation, classes=2, side=side)[..., 1]
        expected = tuple(np.rint(place[::-1]).astype(int))
        assert np.unravel_index(image.argmax(), image.shape) == expected
        assert np.unravel_index(shares.argmax(), shares.shape) == expected


def test_every_second_crop_is_mirrored_after_it_is_cut_out(rng):
    photograph = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    box = coords.Box(9.5, -0.5, 39.5, 29.5)
    found = variation_image(photograph, Variation(box, mirrored=True), side_px=30)
    np.testing.assert_array_equal(found, photograph[:30, 10:40][:, ::-1])
