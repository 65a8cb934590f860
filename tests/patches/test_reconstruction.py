import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.backbone import ReceptiveField
from convcorr_jax.errors import InputError
from convcorr_jax.patches.reconstruction import covered, errors, from_tiles, uniform_tiles

FIELD = ReceptiveField(size_px=99, stride_px=16, first_center_px=15.0)


def test_tiles_meet_where_the_grid_says():
    # Every pixel of a tile tells its cell and its place in the tile.
    grid, side = coords.Size(2, 3), 4
    cell, y, x = np.indices((6, side, side))
    picture = from_tiles(np.stack([cell, y, x], axis=-1), grid)
    assert picture.shape == (8, 12, 3)
    for row, column in np.ndindex(8, 12):
        expected = [3 * (row // side) + column // side, row % side, column % side]
        assert picture[row, column].tolist() == expected


def test_what_tiles_cover_is_part_of_the_image(rng):
    image = rng.integers(0, 256, (80, 112, 3), np.uint8)
    found = covered(image, coords.Size(4, 6), field=FIELD)
    np.testing.assert_array_equal(found, image[7 : 7 + 64, 7 : 7 + 96])


def test_uniform_tiles_come_from_within_the_field(rng):
    """Each tile is of the image, nowhere beyond the field, and reaches to its borders."""
    image = np.zeros((320, 320, 3), np.uint8)
    rows, columns = np.indices((320, 320))
    image[..., 0], image[..., 1] = rows % 256, columns % 256
    image[..., 2] = 2 * (rows // 256) + columns // 256
    grid = coords.Size(19, 19)
    tiles = uniform_tiles(image, grid, field=FIELD, ks=(1, 300), seed=3)
    assert tiles.shape == (2, 361, 16, 16, 3)
    corner = tiles[0, :, 0, 0].round().astype(int)
    top = corner[:, 0] + 256 * (corner[:, 2] // 2)
    left = corner[:, 1] + 256 * (corner[:, 2] % 2)
    for tile, y, x in zip(tiles[0], top, left, strict=True):
        np.testing.assert_array_equal(tile, image[y : y + 16, x : x + 16])
    cells = np.indices(tuple(grid)).reshape(2, -1)
    away = np.stack([top, left]) - (7 + 16 * cells)
    assert abs(away).max() <= 41
    assert away.max() > 36
    assert away.min() < -36
    # The mean of many draws inside is the middle of the field: 180 of 9 pixels' standard error 1.4.
    middle = np.flatnonzero((cells == 8).all(axis=0))[0]
    np.testing.assert_allclose(tiles[1, middle, 0, 0, :2], 7 + 16 * 8, atol=6)


def test_uniform_tiles_are_seeded(rng):
    image = rng.integers(0, 256, (96, 96, 3), np.uint8)
    grid = coords.Size(5, 5)
    first, again, other = (
        uniform_tiles(image, grid, field=FIELD, ks=(1, 2), seed=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_errors_equal_plain_sums(rng):
    a, b = (rng.integers(0, 256, (12, 9, 3)).astype(np.uint8) for _ in range(2))
    found = errors(a, b)
    total = sum(abs(int(p) - int(q)) for p, q in zip(a.flat, b.flat, strict=True))
    assert found.color == pytest.approx(total / a.size)

    def gradient(image):
        grey = image @ np.array([0.299, 0.587, 0.114])
        return np.stack([*np.gradient(grey)])

    length = np.hypot(*(gradient(a) - gradient(b))).mean() / np.hypot(*gradient(b)).mean()
    assert found.gradient == pytest.approx(length)


def test_a_plain_picture_has_gradient_error_one(rng):
    original = rng.integers(0, 256, (20, 20, 3), np.uint8)
    assert errors(original, original) == (0, 0)
    plain = np.full((20, 20, 3), 99.0)
    assert errors(plain, original).gradient == pytest.approx(1)
    with pytest.raises(InputError, match="the original is plain"):
        errors(original, plain)
