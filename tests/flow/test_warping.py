import jax.numpy as jnp
import numpy as np
import pytest
from scipy.interpolate import RectBivariateSpline

from convcorr_jax import coords
from convcorr_jax.flow import sample, sample_flow, upsample_flow, warp


def scipy_spline(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The paper's interpolation, channel by channel, in double precision."""
    rows, columns = np.arange(image.shape[0]), np.arange(image.shape[1])
    splines = [RectBivariateSpline(rows, columns, channel) for channel in np.moveaxis(image, 2, 0)]
    return np.stack([spline.ev(points[..., 1], points[..., 0]) for spline in splines], axis=-1)


@pytest.mark.parametrize("size", [(4, 4), (5, 9), (33, 21)])
def test_equals_scipys_spline(rng, size):
    image = rng.uniform(size=(*size, 3)).astype(np.float32)
    height, width = size
    # Some points lie outside, where SciPy too reads the nearest border.
    points = rng.uniform([-1, -1], [width, height], (200, 2)).astype(np.float32)
    # The sum of sixteen products of single precision, with weights up to 2 / 3.
    np.testing.assert_allclose(sample(image, points), scipy_spline(image.astype(float), points), atol=2e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (2, 2), (2, 5), (3, 3), (3, 8), (7, 6)])
def test_passes_through_the_pixels(rng, size):
    image = rng.uniform(size=(*size, 2)).astype(np.float32)
    np.testing.assert_allclose(sample(image, coords.cell_grid(size)), image, atol=1e-6)


@pytest.mark.parametrize("size", [(2, 2), (2, 5), (3, 3), (4, 4), (9, 6)])
def test_follows_the_polynomials_that_so_many_pixels_determine(rng, size):
    powers = [min(length - 1, 3) for length in size]

    def polynomial(x, y):
        return (0.3 + (y / size[0]) ** powers[0]) * (0.7 - (x / size[1]) ** powers[1])

    rows, columns = np.mgrid[: size[0], : size[1]]
    image = polynomial(columns, rows)[..., None].astype(np.float32)
    points = rng.uniform(0, [size[1] - 1, size[0] - 1], (50, 2)).astype(np.float32)
    np.testing.assert_allclose(sample(image, points), polynomial(*points.T)[:, None], atol=2e-6)


def test_absent_points_read_nan_and_keep_their_place():
    read = sample(jnp.ones((5, 5, 2)), jnp.array([[[1.0, 2.0], [jnp.nan, jnp.nan]]]))
    np.testing.assert_allclose(read[0, 0], 1.0, atol=1e-6)
    assert jnp.isnan(read[0, 1]).all()


def test_one_bright_pixel_goes_against_the_flow():
    # Seen from (3, 5), the flow leads to (5, 4), which is bright: (3, 5) becomes bright.
    image = jnp.zeros((9, 8, 1)).at[4, 5].set(1.0)
    flow = jnp.broadcast_to(jnp.array([2.0, -1.0]), (9, 8, 2))
    np.testing.assert_allclose(warp(image, flow), jnp.zeros((9, 8, 1)).at[5, 3].set(1.0), atol=1e-6)


def test_a_warped_image_has_the_size_of_its_flow(rng):
    image = rng.uniform(size=(9, 8, 3)).astype(np.float32)
    flow = rng.normal(size=(4, 5, 2)).astype(np.float32)
    points = coords.cell_grid((4, 5)) + flow
    np.testing.assert_allclose(warp(image, flow), scipy_spline(image.astype(float), points), atol=2e-6)


def test_a_flow_is_bilinear_between_its_cells_and_constant_beyond(rng):
    flow = rng.normal(size=(3, 4, 2)).astype(np.float32)
    points = np.array([[1.25, 0.5], [2.0, 1.0], [-5.0, 1.0], [9.0, 7.0]], np.float32)
    between = 0.5 * (0.75 * flow[0, 1] + 0.25 * flow[0, 2])
    between += 0.5 * (0.75 * flow[1, 1] + 0.25 * flow[1, 2])
    expected = [between, flow[1, 2], flow[1, 0], flow[2, 3]]
    np.testing.assert_allclose(sample_flow(flow, points), expected, atol=1e-6)
    assert jnp.isnan(sample_flow(flow, jnp.array([[jnp.nan, jnp.nan]]))).all()


def test_a_flow_in_pixels_leads_where_the_cells_lead(rng):
    flow = rng.integers(-1, 2, (5, 6, 2)).astype(np.float32)
    source, target = coords.grid(8, 3.0), coords.grid((4, 5), (2.5, 1.0))
    dense = upsample_flow(flow, source, target, (40, 50))
    assert dense.shape == (40, 50, 2)
    cells = coords.cell_grid((5, 6))
    pixels = source(cells).astype(int)
    there = target(cells + flow)
    np.testing.assert_allclose(pixels + np.asarray(dense)[pixels[..., 1], pixels[..., 0]], there, atol=1e-4)


def test_the_dense_flow_agrees_with_the_flow_at_points(rng):
    flow = rng.normal(size=(4, 3, 2)).astype(np.float32)
    grid = coords.grid(5, 2.0)
    dense = upsample_flow(flow, grid, grid, (20, 15))
    points = np.array([[0.0, 0.0], [6.0, 11.0], [14.0, 19.0]], np.float32)
    expected = 5 * sample_flow(flow, grid.inverse(points).astype(np.float32))
    rows, columns = points[:, 1].astype(int), points[:, 0].astype(int)
    np.testing.assert_allclose(dense[rows, columns], expected, atol=1e-4)


def test_points_at_infinity_read_the_border(rng):
    image = rng.uniform(size=(3, 4, 2)).astype(np.float32)
    points = np.array([[np.inf, 1], [-np.inf, np.inf]], np.float32)
    for read in (sample, sample_flow):
        np.testing.assert_allclose(read(image, points), image[[1, 2], [3, 0]], atol=1e-6)
