import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.backbone import ReceptiveField
from convcorr_jax.errors import InputError
from convcorr_jax.patches import crop_to_tiles, expand_contrast, from_tiles, middle_share, scores, uniform_tiles

FIELD = ReceptiveField(size_px=99, stride_px=16, first_center_px=15.0)


def test_tiles_meet_where_the_grid_says():
    # Every pixel of a tile tells its cell and its place in the tile.
    grid, side = coords.Size(2, 3), 4
    cell, y, x = np.indices((6, side, side))
    image = from_tiles(np.stack([cell, y, x], axis=-1), grid)
    assert image.shape == (8, 12, 3)
    for row, column in np.ndindex(8, 12):
        expected = [3 * (row // side) + column // side, row % side, column % side]
        assert image[row, column].tolist() == expected


def test_what_tiles_cover_is_part_of_the_image(rng):
    image = rng.integers(0, 256, (80, 112, 3), np.uint8)
    found = crop_to_tiles(image, coords.Size(4, 6), field=FIELD)
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
    first, again, other = (uniform_tiles(image, grid, field=FIELD, ks=(1, 2), seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def grey_of(image):
    return image @ np.array([0.299, 0.587, 0.114])


def test_scores_equal_plain_sums(rng):
    a, b = (rng.integers(0, 256, (12, 9, 3)).astype(np.uint8) for _ in range(2))
    found = scores(a, b, side_px=3)
    total = sum(abs(int(p) - int(q)) for p, q in zip(a.flat, b.flat, strict=True))
    assert found.color_error == pytest.approx(total / a.size)
    gradients = [np.stack(np.gradient(grey_of(image))) for image in (a, b)]
    length = np.hypot(*(gradients[0] - gradients[1])).mean() / np.hypot(*gradients[1]).mean()
    assert found.gradient_error == pytest.approx(length)
    details = []
    for image in (a, b):
        grey = grey_of(image)
        padded = np.pad(grey, 1, mode="edge")
        details.append(grey.ravel() - [padded[y : y + 3, x : x + 3].mean() for y, x in np.ndindex(12, 9)])
    assert found.detail_correlation == pytest.approx(np.corrcoef(*details)[0, 1])


def test_scores_know_the_best_and_the_plainest(rng):
    original = rng.integers(0, 256, (20, 20, 3), np.uint8)
    assert scores(original, original, side_px=5) == pytest.approx((0, 0, 1))
    plain = np.full((20, 20, 3), 99.0)
    assert scores(plain, original, side_px=5)[1:] == pytest.approx((1, 0))
    with pytest.raises(InputError, match="the original is plain"):
        scores(original, plain, side_px=5)


def test_contrast_is_expanded_to_all_levels(rng):
    mean = rng.uniform(100, 120, (9, 9, 3))
    expanded = expand_contrast(mean)
    assert (expanded.min(), expanded.max()) == (0, 255)
    expected = (mean - mean.min()) / (mean.max() - mean.min()) * 255
    np.testing.assert_allclose(expanded, expected, atol=0.5 + 1e-6)
    for scale in (1e-39, 3e38):
        extreme = np.array([-scale, 0, scale], np.float32).reshape(1, 1, 3)
        assert expand_contrast(extreme).ravel().tolist() == [0, 128, 255]


def test_a_plain_mean_has_no_contrast_to_expand():
    assert not expand_contrast(np.full((5, 5, 3), 7.0)).any()
    assert np.isnan(middle_share(np.full((6, 6, 3), 7.0)))


@pytest.mark.parametrize("side", [99, 131, 163])
def test_detail_everywhere_is_a_ninth(side):
    ramp = np.arange(side, dtype=np.float64)[:, None, None] * np.ones((1, side, 3))
    assert middle_share(ramp) == pytest.approx(1 / 9)


def test_share_equals_a_plain_sum(rng):
    mean = rng.normal(size=(9, 9, 3))
    vertical, horizontal = np.gradient(mean, axis=(0, 1))
    energy = (vertical**2 + horizontal**2).sum(-1)
    assert middle_share(mean) == pytest.approx(energy[3:6, 3:6].sum() / energy.sum())
    # A linear change of contrast does not matter.
    assert middle_share(3 * mean - 5) == pytest.approx(middle_share(mean))
