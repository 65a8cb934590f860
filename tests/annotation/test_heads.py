"""Heads learn where points are and that they are absent; the best cell is where the probability is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax.annotation import heads
from convcorr_jax.annotation.windows import cells_of, pixels_of

CHANNELS = (6, 4)


def synthetic(rng, count=24, side=12):
    """Features of which channel k is bright at point k and the second layer has half the cells; cells."""
    cells = rng.integers(1, side - 1, (count, 1, 2, 2)).astype(np.float32)
    near = rng.normal(0, 0.1, (count, side, side, CHANNELS[0])).astype(np.float16)
    for row, (places,) in enumerate(cells.astype(int)):
        for k, (x, y) in enumerate(places):
            near[row, y, x, k] = 3
    far = rng.normal(0, 0.1, (count, side // 2, side // 2, CHANNELS[1])).astype(np.float16)
    return (near, far), cells


@pytest.mark.parametrize("bright", [(41, 17), (3, 30)])
def test_the_best_cell_is_at_the_bright_pixel(bright):
    heat = np.full((1, 12, 16, 1), 1e-6)
    rows, columns = np.mgrid[:12, :16]
    x, y = cells_of(np.array(bright, float))
    heat[0, ..., 0] += np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 0.5)
    found = heads.best(heat / heat.sum())
    # The cells beyond the edge are missing from the centroid.
    np.testing.assert_allclose(pixels_of(found.cells[0, 0]), bright, atol=0.3)
    assert found.probability[0, 0] > 0.95


def test_a_prior_of_places_chooses_among_peaks():
    heat, prior = np.zeros((1, 8, 8, 1)), np.zeros((8, 8, 1))
    heat[0, 1, 1], heat[0, 6, 5], prior[4:] = 0.7, 0.3, 1
    assert heads.best(heat).cells.tolist() == [[[1, 1]]]
    chosen = heads.best(heat, prior=prior)
    assert (chosen.cells.tolist(), chosen.probability.tolist()) == ([[[5, 6]]], [[0.3]])


@pytest.mark.parametrize("context", [False, True])
def test_a_head_learns_points_and_that_they_are_absent(rng, context):
    design = heads.Design(32, context, (0.6, 0.2))
    features, cells = synthetic(rng)
    # In every third window, the second point is absent, and its channel is dark.
    features[0][::3, ..., 1], cells[::3, :, 1] = 0, np.nan
    targets = heads.Targets(cells, np.ones((24, 2), np.float32))
    before = heads._step._cache_size()
    params = heads.fit(design, features, targets, examples=24, steps=150, members=2)
    assert heads._step._cache_size() - before == 1

    def loss(params):
        return float(heads._loss(params, tuple(map(jnp.float32, features)), cells, targets.known, None))

    first, second = (jax.tree.map(lambda each, k=k: each[k], params) for k in range(2))
    untrained = loss(heads.init(jax.random.key(0), design, CHANNELS, 2))
    assert max(loss(first), loss(second)) < 0.6 * untrained
    assert loss(first) != loss(second)
    one_by_one = [
        heads.predict(jax.tree.map(lambda each: each[None], each), features) for each in (first, second)
    ]
    heat = heads.predict(params, features)
    np.testing.assert_allclose(heat.cells.sum(axis=(1, 2)) + heat.absent, 1, atol=1e-4)
    np.testing.assert_allclose(heat.cells, np.mean([each.cells for each in one_by_one], axis=0), atol=1e-5)
    assert ((heat.absent > 0.5) == np.isnan(cells[:, 0, :, 0])).all()
    there = np.isfinite(cells[:, 0, :, 0])
    assert np.abs(heads.best(heat.cells).cells - cells[:, 0])[there].max() < 1
