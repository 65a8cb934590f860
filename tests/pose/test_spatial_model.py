import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from convcorr_jax.coords import Size
from convcorr_jax.pose import gaussians, initial_priors, peaks
from convcorr_jax.pose.spatial_model import OWN_BACKGROUND, SpatialModel, convolve
from tests.builders.pose_architectures import TINY

MODEL = SpatialModel(TINY)
HEIGHT, WIDTH = TINY.heatmap_size(TINY.input_size)


def params_with(prior, key):
    heatmaps = jnp.zeros((1, HEIGHT, WIDTH, 3))
    return {"params": MODEL.init(key, heatmaps, heatmaps[..., 0])["params"] | {"prior": jnp.asarray(prior)}}


def by_the_formula(params, heatmaps, torso):
    """Message by message, with SciPy's direct convolution."""
    values = {name: np.asarray(value, float) for name, value in params["params"].items()}
    softplus = {name: np.log1p(np.exp(value)) for name, value in values.items()}
    evidence = np.maximum(np.concatenate([heatmaps, torso[..., None]], axis=-1), 0)
    found = np.zeros(heatmaps.shape)
    for image, joint in np.ndindex(len(heatmaps), heatmaps.shape[-1]):
        own = evidence[image, :, :, joint] + softplus["own_bias"][joint]
        p = own.copy()
        for place, source in enumerate(v for v in range(evidence.shape[-1]) if v != joint):
            message = scipy.signal.convolve(
                evidence[image, :, :, source], softplus["prior"][joint, place], method="direct"
            )
            p *= (
                message[HEIGHT - 1 : 2 * HEIGHT - 1, WIDTH - 1 : 2 * WIDTH - 1] + softplus["bias"][joint, place]
            )
        q = p / p.max()
        found[image, :, :, joint] = q * (q * own).max()
    return found


def test_it_is_the_formula(key, rng):
    initial = params_with(np.zeros((3, 3, 2 * HEIGHT - 1, 2 * WIDTH - 1), np.float32), key)
    params = jax.tree.map(lambda x: jnp.asarray(rng.normal(-2, 1, x.shape), jnp.float32), initial)
    heatmaps = rng.normal(0.2, 0.3, (2, HEIGHT, WIDTH, 3)).astype(np.float32)
    torso = rng.uniform(size=(2, HEIGHT, WIDTH)).astype(np.float32)
    found = jax.jit(MODEL.apply)(params, heatmaps, torso)
    np.testing.assert_allclose(found, by_the_formula(params, heatmaps, torso), atol=1e-5)
    single = jax.vmap(lambda h, t: MODEL.apply(params, h[None], t[None])[0])(heatmaps, torso)
    np.testing.assert_allclose(single, found, atol=1e-5)


@pytest.mark.parametrize("size", [(5, 7), (3, 4), (12, 9)])
def test_transforms_convolve_maps_of_any_size_directly(rng, size):
    maps = jnp.asarray(rng.normal(size=(2, 2, *size)), jnp.float32)
    kernels = jnp.asarray(rng.normal(size=(1, 2, 9, 13)), jnp.float32)
    found = convolve(maps, kernels, sources=np.array([[1, 0]]))
    for image, place in np.ndindex(2, 2):
        whole = scipy.signal.convolve(maps[image, 1 - place], kernels[0, place], method="direct")
        expected = whole[4 : 4 + size[0], 6 : 6 + size[1]]
        np.testing.assert_allclose(found[image, 0, place], expected, atol=1e-4)


def test_an_untrained_model_changes_nothing_but_by_its_background(key, rng):
    heatmaps = jnp.asarray(rng.uniform(-0.2, 1, (4, HEIGHT, WIDTH, 3)), jnp.float32)
    found = MODEL.apply(MODEL.init(key, heatmaps, heatmaps[..., 0]), heatmaps, heatmaps[..., 0])
    np.testing.assert_array_equal(peaks(found, TINY.cells).points, peaks(heatmaps, TINY.cells).points)
    np.testing.assert_allclose(found, jnp.maximum(heatmaps, 0) + OWN_BACKGROUND, rtol=1e-5)


# Three joints beside and above a torso, all about as far from it as people differ.
POSE = np.array([[-10.0, 2], [10, 2], [0, -12]])


def people(rng, count):
    torso = rng.uniform([12, 16], [52, 40], (count, 2))
    points = torso[:, None] + POSE + rng.normal(0, 2, (count, 3, 2))
    return points.astype(np.float32), torso.astype(np.float32)


def test_priors_are_histograms_of_displacements(rng):
    points, torso = people(rng, 500)
    points[:250, 0] = np.nan
    prior = np.log1p(np.exp(initial_priors(points, torso, architecture=TINY)))
    everyone = np.concatenate([points, torso[:, None]], axis=1)
    for joint, place in np.ndindex(3, 3):
        source = [v for v in range(4) if v != joint][place]
        apart = np.nanmean(everyone[:, joint] - everyone[:, source], axis=0) / TINY.pooling
        kernel = prior[joint, place] - 2 * prior[joint, place].min()
        kernel = np.maximum(kernel, 0)
        cells = np.mgrid[: kernel.shape[0], : kernel.shape[1]]
        row, column = (kernel * cells).sum(axis=(1, 2)) / kernel.sum()
        assert [column - (WIDTH - 1), row - (HEIGHT - 1)] == pytest.approx(apart, abs=0.2)


def test_a_pair_never_seen_together_says_nothing(rng):
    points, torso = people(rng, 50)
    points[:25, 0] = np.nan
    points[25:, 1] = np.nan
    prior = initial_priors(points, torso, architecture=TINY)
    assert np.ptp(prior[0, 0]) == 0
    assert np.ptp(prior[1, 0]) == 0
    assert np.ptp(prior[0, 1]) > 1


def two_people(rng):
    """Heat-maps in which the left person's joints are a little weaker than the right one's."""
    torsos = np.array([[16.0, 26.0], [48.0, 26.0]], np.float32)
    truth = torsos[:, None] + POSE.astype(np.float32)
    left, right = gaussians(truth, Size(HEIGHT, WIDTH), TINY.cells, sigma_px=6.4)
    return 0.8 * left + right + 0.02 * rng.uniform(size=left.shape), truth, torsos


def test_the_torso_selects_its_person(key, rng):
    heatmaps, truth, torsos = two_people(rng)
    params = params_with(initial_priors(*people(rng, 400), architecture=TINY), key)
    maps = gaussians(torsos[:, None], Size(HEIGHT, WIDTH), TINY.cells, sigma_px=TINY.sigma_px)
    for person, torso in enumerate(maps[..., 0]):
        found = MODEL.apply(params, heatmaps[None], torso[None])
        error = abs(peaks(found, TINY.cells).points[0] - truth[person])
        assert float(error.max()) <= TINY.pooling / 2 + 0.5
    # By themselves the heat-maps have only the stronger person.
    assert float(abs(peaks(heatmaps, TINY.cells).points - truth[1]).max()) <= TINY.pooling / 2 + 0.5
    # With no torso, the joints still agree on one person.
    found = MODEL.apply(params, heatmaps[None], jnp.zeros((1, HEIGHT, WIDTH)))
    error = abs(peaks(found, TINY.cells).points[0] - truth[1])
    assert float(error.max()) <= TINY.pooling / 2 + 0.5
