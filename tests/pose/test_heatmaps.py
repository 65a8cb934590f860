import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.pose.heatmaps import gaussians, peaks

CELLS = coords.grid(8, 3.5)
SIZE = coords.Size(5, 7)
SIGMA_PX = 12.0


def test_gaussians_are_what_the_formula_says(rng):
    points = rng.uniform(-10, 60, (2, 3, 2)).astype(np.float32)
    found = gaussians(points, SIZE, CELLS, sigma_px=SIGMA_PX)
    for image, row, column, joint in np.ndindex(found.shape):
        x, y = points[image, joint]
        squared = (8 * column + 3.5 - x) ** 2 + (8 * row + 3.5 - y) ** 2
        expected = np.exp(-squared / (2 * SIGMA_PX**2))
        assert found[image, row, column, joint] == pytest.approx(expected, abs=1e-6)


def test_missing_joints_have_no_target():
    points = jnp.array([[1.0, 2.0], [jnp.nan, jnp.nan]])
    missing = jnp.isnan(gaussians(points, SIZE, CELLS, sigma_px=SIGMA_PX))
    assert not missing[..., 0].any()
    assert missing[..., 1].all()


def test_the_highest_cell_is_the_one_that_holds_the_point(rng):
    pixels = coords.Size(SIZE.height * 8, SIZE.width * 8)
    points = rng.uniform(0, [pixels.width - 1, pixels.height - 1], (4, 3, 2))
    found = peaks(gaussians(points, SIZE, CELLS, sigma_px=SIGMA_PX), CELLS)
    np.testing.assert_array_equal(found.points, (points + 0.5) // 8 * 8 + 3.5)
    assert (found.scores > 0.8).all()


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 5), (4, 6)])
def test_one_bright_cell_is_the_peak(row, column):
    heatmaps = jnp.zeros((*SIZE, 1)).at[row, column, 0].set(2.0)
    found = peaks(heatmaps, CELLS)
    np.testing.assert_array_equal(found.points, [[8 * column + 3.5, 8 * row + 3.5]])
    assert found.scores.tolist() == [2.0]


def test_images_are_independent_under_vmap_and_jit(rng):
    points = rng.uniform(0, 50, (3, 2, 2)).astype(np.float32)

    def there_and_back(one):
        return peaks(gaussians(one, SIZE, CELLS, sigma_px=SIGMA_PX), CELLS).points

    one_by_one = jax.jit(jax.vmap(there_and_back))(points)
    np.testing.assert_array_equal(one_by_one, there_and_back(points))


def test_the_middle_of_a_gaussian_between_cells_is_found(rng):
    # Not within a cell of the border, where there is no parabola.
    points = rng.uniform([12, 12], [7 * 8 - 13, 5 * 8 - 13], (50, 3, 2)).astype(np.float32)
    maps = gaussians(points, SIZE, CELLS, sigma_px=12.0)
    cell, between = (np.asarray(peaks(maps, CELLS, subcell=each).points) for each in (False, True))
    errors = [np.linalg.norm(found - points, axis=-1) for found in (cell, between)]
    assert errors[0].mean() > 2
    assert errors[1].max() < 0.7
    assert np.abs(between - cell).max() <= 4


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 3), (2, 6), (4, 6), (2, 0)])
def test_at_a_border_the_position_stays_in_its_cell(row, column):
    values = jnp.arange(35.0).reshape(*SIZE, 1) * 0.01
    heatmaps = values.at[row, column, 0].set(5.0)
    x, y = np.asarray(peaks(heatmaps, CELLS, subcell=True).points[0]) - [8 * column, 8 * row] - 3.5
    assert (x == 0) == (column in (0, 6))
    assert (y == 0) == (row in (0, 4))


def test_equal_neighbours_leave_the_cell():
    found = peaks(jnp.ones((*SIZE, 1)), CELLS, subcell=True)
    np.testing.assert_array_equal(found.points, [[3.5, 3.5]])
