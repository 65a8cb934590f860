"""Detectors against dot products, scikit-learn, and fits of every candidate at once."""

import numpy as np
import pytest
from scipy.optimize import minimize

from convcorr_jax.errors import InputError
from convcorr_jax.keypoints import Detectors, detection

COST = 0.5


@pytest.fixture
def maps(rng):
    return rng.normal(size=(5, 9, 9, 4)).astype(np.float16)


@pytest.fixture
def detectors(rng):
    return Detectors(rng.normal(size=(2, 3, 3, 4)).astype(np.float32), rng.normal(size=2).astype(np.float32))


@pytest.fixture
def labels(rng, maps):
    """Two keypoints with an example or two an image, where the middle's first numbers are greatest."""
    middle = maps[:, 1:-1, 1:-1, :2].astype(np.float32)
    order = (-middle).reshape(5, 49, 2).argsort(axis=1).argsort(axis=1).reshape(5, 7, 7, 2)
    return np.where(order < 2, 1, np.where(order > 6, -1, 0)).astype(np.int8)


@pytest.fixture
def pool(labels):
    return detection.initial_pool(labels, seed=0)


def window(maps, image, row, column):
    return maps[image, row : row + 3, column : column + 3].astype(np.float64)


def test_scores_are_dot_products_of_windows(maps, detectors):
    found = np.asarray(detection.score_candidates(maps, detectors))
    assert found.shape == (5, 7, 7, 2)
    for image, row, column, keypoint in ((0, 0, 0, 0), (4, 6, 2, 1), (2, 3, 5, 0)):
        expected = (window(maps, image, row, column) * detectors.weights[keypoint]).sum()
        expected += detectors.bias[keypoint]
        np.testing.assert_allclose(found[image, row, column, keypoint], expected, rtol=1e-4)
    many = detection.score_images(np.concatenate([maps] * 7), detectors)
    np.testing.assert_allclose(many, np.concatenate([found] * 7), rtol=1e-5, atol=1e-6)


def test_the_initial_pool_has_every_example_and_half_as_many_others(rng):
    labels = np.where(rng.random((20, 30, 30, 2)) < 0.1, 1, -1).astype(np.int8)
    pool = detection.initial_pool(labels, seed=0)
    examples = (labels == 1).any(axis=-1)
    assert pool[examples].all()
    assert (pool & ~examples).sum() == pytest.approx(0.5 * examples.mean() * (~examples).sum(), rel=0.1)
    assert (pool == detection.initial_pool(labels, seed=0)).all()
    assert (pool != detection.initial_pool(labels, seed=1)).any()


def test_fitting_agrees_with_another_solver(maps, labels, pool):
    found = detection.fit_detectors(maps, labels, pool, cost=COST)
    rows = np.array([window(maps, *place).ravel() for place in np.argwhere(pool)])
    for keypoint in range(2):
        label = labels[pool][:, keypoint]
        counts = label != 0

        def objective(weights, bias, counts=counts, label=label):
            losses = np.maximum(0, 1 - label[counts] * (rows[counts] @ weights + bias))
            return (weights**2).sum() / 2 + COST * (losses**2).sum()

        best = minimize(
            lambda v, objective=objective: objective(v[:-1], v[-1]),
            np.zeros(rows.shape[1] + 1),
            method="L-BFGS-B",
            options={"maxiter": 2000},
        ).fun
        ours = objective(found.weights[keypoint].ravel().astype(float), float(found.bias[keypoint]))
        assert ours == pytest.approx(best, rel=2e-3)
    # A keypoint without examples does not disturb the others; each is fitted to the tolerance of its objective.
    labels[..., 1] = 0
    one = detection.fit_detectors(maps, labels, pool, cost=COST)
    np.testing.assert_allclose(one.weights[0], found.weights[0], atol=0.02)
    assert np.isfinite(one.weights).all()


def test_mining_adds_the_worst_violators(maps, labels, pool, detectors):
    mined = detection.mine_violators(maps, labels, pool, detectors)
    scores = np.asarray(detection.score_candidates(maps, detectors))
    expected = pool.copy()
    violates = (scores > -1) & (labels == -1) & ~pool[..., None]
    for image in range(len(maps)):
        for keypoint in range(2):
            places = np.argwhere(violates[image, ..., keypoint])
            places = sorted(places, key=lambda at: -scores[image, at[0], at[1], keypoint])
            for row, column in places[: detection.ADDED_PER_ROUND]:
                expected[image, row, column] = True
    assert (mined.pool == expected).all()
    assert mined.violators == violates.any(axis=-1).sum()
    assert mined.violators > (mined.pool & ~pool).sum() > 0


def test_mining_to_the_end_fits_every_candidate(maps, labels, pool):
    detectors, rounds = None, 0
    while True:
        detectors = detection.fit_detectors(maps, labels, pool, cost=COST, start=detectors)
        mined = detection.mine_violators(maps, labels, pool, detectors)
        if not mined.violators:
            break
        pool, rounds = mined.pool, rounds + 1
    assert rounds > 1
    every = detection.fit_detectors(maps, labels, np.ones_like(pool), cost=COST)
    np.testing.assert_allclose(detectors.weights, every.weights, atol=0.02)
    np.testing.assert_allclose(detectors.bias, every.bias, atol=0.02)


def centers_of(width, height):
    """Centers of a grid whose first is at (10, 20) and whose cells are 16 pixels apart."""
    return np.stack(np.meshgrid(10.0 + 16 * np.arange(width), 20.0 + 16 * np.arange(height)), axis=-1)


def test_best_candidates_are_at_their_centers():
    score = np.zeros((1, 5, 6, 2))
    score[0, 1, 4, 0] = score[0, 4, 0, 1] = 1
    found = detection.best_candidates(score, centers_of(6, 5))
    assert found.points.tolist() == [[[74.0, 36.0], [10.0, 84.0]]]
    assert found.candidates.tolist() == [[10, 24]]
    # The second lies at two edges: nothing moves; the first is symmetric.
    refined = detection.best_candidates(score, centers_of(6, 5), refine=True)
    assert refined.points.tolist() == found.points.tolist()
    plateau = detection.best_candidates(0 * score, centers_of(6, 5), refine=True)
    assert plateau.points.tolist() == [[[10.0, 20.0]] * 2]


def test_refining_finds_the_top_of_a_paraboloid():
    y, x = np.mgrid[:7, :8].astype(float)
    tops = np.array([[2.3, 4.4], [5.5, 1.0], [6.6, 5.4]])
    score = np.stack([-2 * (x - a) ** 2 - (y - b) ** 2 for a, b in tops], axis=-1)[None]
    centers = np.stack([5 + 16 * x, 5 + 16 * y], axis=-1)
    found = detection.best_candidates(score, centers, refine=True).points[0]
    expected = 5 + 16 * tops
    expected[2, 0] = 5 + 16 * 7  # the best column is the last one, which does not move
    np.testing.assert_allclose(found, expected)


def test_one_row_or_column_is_refined_along_itself():
    score = np.array([0.0, 1.0, 3.0, 2.0]).reshape(1, 1, 4, 1)
    found = detection.best_candidates(score, centers_of(4, 1), refine=True).points
    np.testing.assert_allclose(found, [[[42 + 16 / 6, 20]]])


def test_an_infinite_score_is_the_worst_violator():
    maps, labels = np.ones((1, 1, 3, 1), np.float32), np.full((1, 1, 3, 1), -1, np.int8)
    detector = Detectors(np.ones((1, 1, 1, 1), np.float32), np.full(1, np.inf, np.float32))
    mined = detection.mine_violators(maps, labels, np.zeros((1, 1, 3), bool), detector)
    assert (mined.pool.sum(), mined.violators) == (2, 3)


def test_labels_in_a_type_without_a_sign_are_refused(maps, labels):
    with pytest.raises(InputError, match="signed numbers -1, 0 and 1"):
        detection.initial_pool(labels.astype(np.uint8), seed=0)
