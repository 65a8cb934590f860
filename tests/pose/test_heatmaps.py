import jax
import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.pose import gaussians, peaks
from convcorr_jax.pose.heatmaps import values_at_peaks

CELLS = coords.grid(8, 3.5)
SIZE = coords.Size(5, 7)
SIGMA_PX = 12.0


def test_gaussians_are_what_the_formula_says_and_missing_joints_have_none(rng):
    points = rng.uniform(-10, 60, (2, 3, 2)).astype(np.float32)
    points[1, 2] = np.nan
    found = gaussians(points, SIZE, CELLS, sigma_px=SIGMA_PX)
    for image, row, column, joint in np.ndindex(found.shape):
        x, y = points[image, joint]
        expected = np.exp(-((8 * column + 3.5 - x) ** 2 + (8 * row + 3.5 - y) ** 2) / (2 * SIGMA_PX**2))
        assert found[image, row, column, joint] == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_the_highest_cell_is_the_one_that_holds_the_point(rng):
    pixels = coords.Size(SIZE.height * 8, SIZE.width * 8)
    points = rng.uniform(0, [pixels.width - 1, pixels.height - 1], (4, 3, 2))
    found = peaks(gaussians(points, SIZE, CELLS, sigma_px=SIGMA_PX), CELLS)
    np.testing.assert_array_equal(found.points, (points + 0.5) // 8 * 8 + 3.5)
    assert (found.scores > 0.8).all()


def test_images_are_independent_under_vmap_and_jit(rng):
    points = rng.uniform(0, 50, (3, 2, 2)).astype(np.float32)

    def there_and_back(one):
        return peaks(gaussians(one, SIZE, CELLS, sigma_px=SIGMA_PX), CELLS).points

    np.testing.assert_array_equal(jax.jit(jax.vmap(there_and_back))(points), there_and_back(points))


def test_positions_between_cells_are_vertices_of_parabolas(rng):
    """NumPy fits them, one along each axis; a cell at a border stays in its middle along that axis."""
    heatmaps = rng.normal(size=(30, *SIZE, 2)).astype(np.float32)
    found = jax.jit(lambda maps: peaks(maps, CELLS, subcell=True))(heatmaps)
    at_border = 0
    for image, joint in np.ndindex(30, 2):
        one = heatmaps[image, :, :, joint]
        row, column = np.unravel_index(one.argmax(), SIZE)
        expected = []
        for line, place in ((one[row], column), (one[:, column], row)):
            if place in (0, len(line) - 1):
                at_border += 1
                offset = 0.0
            else:
                a, b, _ = np.polyfit([-1, 0, 1], line[place - 1 : place + 2].astype(float), 2)
                offset = -b / (2 * a)
            assert abs(offset) <= 0.5
            expected.append(8 * (place + offset) + 3.5)
        np.testing.assert_allclose(found.points[image, joint], expected, atol=1e-3)
    assert 0 < at_border < 60
    np.testing.assert_array_equal(found.scores, heatmaps.max(axis=(1, 2)))


def test_values_at_peaks_are_those_of_the_first_highest_cell(rng):
    heatmaps = rng.integers(0, 3, (4, *SIZE, 2)).astype(np.float32)
    values = rng.normal(size=heatmaps.shape).astype(np.float32)
    found = values_at_peaks(jnp.asarray(values), jnp.asarray(heatmaps))
    for image, joint in np.ndindex(4, 2):
        one = heatmaps[image, :, :, joint]
        row, column = np.argwhere(one == one.max())[0]
        assert found[image, joint] == values[image, row, column, joint]
    heatmaps[0, 1, 1, 0] = np.nan
    again = values_at_peaks(jnp.asarray(values), jnp.asarray(heatmaps))
    assert np.isnan(again[0, 0])
    np.testing.assert_array_equal(again[1:], found[1:])


@pytest.mark.parametrize("levels", [(0, 1), (-np.inf, 0, 1), (-1, np.inf), (-np.inf,), (0,), (1,)])
def test_of_equal_cells_the_first_is_the_peak_and_moves_by_half_a_cell_at_most(rng, levels):
    heatmaps = rng.choice(np.array(levels, np.float32), (60, *SIZE, 2))
    first = heatmaps.reshape(60, -1, 2).argmax(axis=1)
    expected = 8 * np.stack([first % SIZE.width, first // SIZE.width], axis=-1) + 3.5
    found = peaks(jnp.asarray(heatmaps), CELLS)
    np.testing.assert_array_equal(found.points, expected)
    np.testing.assert_array_equal(found.scores, heatmaps.max(axis=(1, 2)))
    moved = peaks(jnp.asarray(heatmaps), CELLS, subcell=True).points - expected
    assert (np.abs(moved) <= (4 if len(levels) > 1 else 0)).all()
