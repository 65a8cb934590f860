from functools import partial
from operator import itemgetter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.pose import (
    PHASES,
    POOLINGS,
    cascade,
    flic,
    gaussians,
    heatmap_error,
    loss,
    mpii,
    phase_costs,
    small,
)
from convcorr_jax.pose.objective import FINE_WEIGHT, training_corners
from tests.builders.pose_architectures import TINY, examples, tiny

NO_DROPOUT = tiny(spatial_dropout=0.0)
value_and_grad = jax.jit(
    jax.value_and_grad(loss, argnums=1, has_aux=True), static_argnames=("architecture", "phase")
)


def gradients(key, batch, phase, shape=NO_DROPOUT):
    params = cascade.init(key, shape)
    keys = jax.random.split(key, len(batch.images))
    found = value_and_grad(keys, params, batch, architecture=shape, phase=phase)
    # NumPy does not compile a program for the shape of every leaf.
    (value, losses), gradient = jax.device_get(found)
    learns = {part: any(x.any() for x in jax.tree.leaves(gradient[part])) for part in gradient}
    return float(value), losses, gradient, learns


def test_the_error_is_a_mean_over_joints_of_sums_over_cells(rng):
    heatmaps = rng.normal(size=(2, 4, 5, 3)).astype(np.float32)
    targets = rng.normal(size=(2, 4, 5, 3)).astype(np.float32)
    missing = np.array([[True, False, False], [False, True, False]])
    targets[np.broadcast_to(missing[:, None, None], targets.shape)] = np.nan
    sums = [
        sum((heatmaps[b, y, x, j] - targets[b, y, x, j]) ** 2 for y in range(4) for x in range(5))
        for b, j in np.argwhere(~missing)
    ]
    assert float(heatmap_error(jnp.asarray(heatmaps), jnp.asarray(targets))) == pytest.approx(
        np.mean(sums), rel=1e-5
    )


@pytest.mark.parametrize("height", [0.0, 0.5, 1.0])
def test_a_robust_error_counts_joints_less_whose_map_contradicts_the_target(height):
    """The limit is the sum of an empty map; the slope is a quarter for an equal Gaussian at another place."""
    size, cells, sigma = coords.Size(40, 40), coords.grid(2, 0), 5.0
    target, other = (
        gaussians(np.full((1, 1, 2), place, np.float32), size, cells, sigma_px=sigma) for place in (20, 56)
    )
    empty = float((target**2).sum())
    assert empty == pytest.approx(np.pi * sigma**2 / 4, rel=1e-5)
    plain = jax.value_and_grad(heatmap_error)
    robust = jax.value_and_grad(partial(heatmap_error, limit=empty))
    ((error, slope), (less, less_steep)) = (plain(height * other, target), robust(height * other, target))
    relative = 1 + height**2
    assert float(error) == pytest.approx(empty * relative, rel=1e-5)
    assert float(less) == pytest.approx(empty * (2 - 1 / relative), rel=1e-5)
    np.testing.assert_allclose(less_steep, slope / relative**2, rtol=1e-4, atol=1e-6)
    # A map between empty and target counts as without a limit.
    jax.tree.map(np.testing.assert_array_equal, robust(0.5 * target, target), plain(0.5 * target, target))


@pytest.mark.parametrize("phase", PHASES)
def test_the_robust_loss_of_maps_far_from_the_truth_is_smaller(key, rng, phase):
    params = jax.tree.map(lambda leaf: 3 * leaf, cascade.init(key, NO_DROPOUT))
    batch = examples(rng)
    keys = jax.random.split(key, len(batch.images))
    of = jax.jit(loss, static_argnames=("architecture", "phase", "robust"))
    plain, robust = (
        of(keys, params, batch, architecture=NO_DROPOUT, phase=phase, robust=robust)[0]
        for robust in (False, True)
    )
    assert 0 < float(robust) < float(plain)


def test_each_phase_learns_what_it_should_and_the_phases_add_up(key, rng):
    batch = examples(rng)
    values, parts, learns = {}, {}, {}
    for phase in PHASES:
        values[phase], parts[phase], _, learns[phase] = gradients(key, batch, phase)
    assert learns == {
        "coarse": {"coarse": True, "spatial": False, "fine": False},
        "fine": {"coarse": False, "spatial": True, "fine": True},
        "joint": {"coarse": True, "spatial": True, "fine": True},
    }
    joint = parts["joint"]
    assert values["coarse"] == pytest.approx(float(joint.e1), rel=1e-5)
    assert values["fine"] == pytest.approx(float(joint.e_spatial + joint.e2), rel=1e-5)
    expected = float(joint.e1 + joint.e_spatial + FINE_WEIGHT * joint.e2)
    assert values["joint"] == pytest.approx(expected, rel=1e-5)
    heatmaps = jax.jit(cascade.detect, static_argnames="architecture")(
        cascade.init(key, NO_DROPOUT), batch.images, batch.torso, architecture=NO_DROPOUT
    ).heatmaps
    size = TINY.heatmap_size(TINY.input_size)
    targets = gaussians(batch.points, size, TINY.cells, sigma_px=TINY.sigma_px)
    assert float(joint.e1) == pytest.approx(float(heatmap_error(heatmaps, targets)), rel=1e-5)


@pytest.mark.parametrize("kind", ["shared", "standard"])
def test_the_fine_error_reaches_the_shared_features_alone(key, rng, kind):
    """Gradients of E2 flow through the crop into the coarse net; the standard net has its own stages."""
    shape = tiny(cascade=kind, spatial_dropout=0.0)
    batch = examples(rng)

    def fine_error(params):
        keys = jax.random.split(key, len(batch.images))
        return loss(keys, params, batch, architecture=shape, phase="joint")[1].e2

    gradient = jax.jit(jax.grad(fine_error))(cascade.init(key, shape))["coarse"]["params"]
    gradient = jax.device_get(gradient)
    reached = {
        f"{bank}/{layer}"
        for bank in ("level0", "level1")
        for layer, own in gradient[bank].items()
        if own["kernel"].any()
    }
    shared = {f"level{i}/stage{j}" for i in range(2) for j in range(2)}
    assert reached == (shared if kind == "shared" else set())


@pytest.mark.parametrize("phase", PHASES)
def test_missing_joints_teach_nothing(key, rng, phase):
    batch = examples(rng)
    points = batch.points.at[0, 1].set(jnp.nan).at[1, 0].set(jnp.nan)
    value, _, gradient, _ = gradients(key, batch._replace(points=points), phase)
    assert np.isfinite(value)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(gradient))
    value, _, gradient, _ = gradients(key, batch._replace(points=jnp.full_like(points, jnp.nan)), phase)
    assert value == 0
    assert not any(x.any() for x in jax.tree.leaves(gradient))


def test_a_few_steps_learn_an_example_by_heart(key, rng):
    batch = examples(rng, count=1)
    params = jax.device_get(cascade.init(key, NO_DROPOUT))
    step = partial(value_and_grad, architecture=NO_DROPOUT, phase="joint")
    (before, _), _ = step(key[None], params, batch)
    for _ in range(40):
        (value, _), gradient = jax.device_get(step(key[None], params, batch))
        params = jax.tree.map(lambda x, g: x - np.float32(3e-3) * np.sign(g), params, gradient)
    assert float(value) < 0.5 * float(before)


@pytest.mark.parametrize(
    "shape",
    [flic(), mpii(pooling=16), *(small(("nose",), (), pooling=pooling) for pooling in POOLINGS)],
    ids=lambda shape: shape.name,
)
def test_training_windows_hold_their_joint_off_the_middle(key, rng, shape):
    """The reach is a cell of the coarse heat-map, or what the window allows."""
    points = jnp.asarray(rng.uniform(0, 127, (2000, 1, 2)), jnp.float32)
    corners = training_corners(jax.random.split(key, 2000), points, architecture=shape)
    within = np.asarray(points) - np.asarray(corners)
    assert float(within.min()) >= -0.5
    assert float(within.max()) <= shape.fine_window - 0.5
    away = abs(within - (shape.fine_window - 1) / 2).max()
    reach = min(shape.pooling, (shape.fine_window - shape.window_stride) / 2) + shape.window_stride / 2
    assert reach - 1 < float(away) <= reach


def test_what_is_drawn_for_a_person_does_not_depend_on_the_others(key, rng):
    batch, shape = examples(rng, count=2), tiny(spatial_dropout=0.5)
    keys = jax.random.split(key, 2)
    params = cascade.init(key, shape)
    step = partial(value_and_grad, architecture=shape, phase="joint")
    (_, both), _ = step(keys, params, batch)
    halves = [jax.tree.map(itemgetter(rows), (keys, batch)) for rows in (slice(1), slice(1, 2))]
    alone = [step(own, params, one)[0][1] for own, one in halves]
    np.testing.assert_allclose(both, np.mean(alone, axis=0), rtol=1e-5)


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_compiles_for_accelerators(phase):
    costs = phase_costs(tiny(), phase, platforms=("cuda", "tpu"))
    assert set(costs.program_bytes) == {"cuda", "tpu"}
    assert min(costs.program_bytes.values()) > 1000


def test_operations_grow_with_the_features_of_a_layer():
    few, more, most = (
        phase_costs(tiny(hidden=(count, 8)), "coarse", platforms=()).flops_per_image
        for count in (256, 512, 768)
    )
    assert most - more == pytest.approx(more - few, rel=0.01)
    # The convolution over 3x3 cells of 6 features: two levels, of 5x8 and of 3x4 padded cells; the gradient
    # of its weights and that of its input take as many operations again.
    # XLA leaves out products with the zeros of the padding.
    multiplications = 256 * 9 * 6 * (6 * 8 + 3 * 4)
    assert more - few == pytest.approx(2 * 3 * multiplications, rel=0.15)
