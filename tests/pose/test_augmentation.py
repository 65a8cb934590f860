"""Random affine maps of training images: image, points and torso move together."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from convcorr_jax.coords import Size
from convcorr_jax.pose import Augmentation, Batch, augmentation

SIZE = Size(40, 56)
PAIRS = ((0, 1),)
PAPER = Augmentation()
# Every option differs from its default, and the sides of the frame differ.
WIDE = Augmentation(35.0, (0.7, 1.4), shift=0.1, margin=0.25, unknown_torso=0.4)
MARGIN_PX = round(WIDE.margin * SIZE.width)
compiled_augment = jax.jit(augmentation.augment, static_argnames=("left_right_pairs", "size", "augmentation"))
drawn_at = jax.jit(augmentation.draw, static_argnames=("size", "augmentation"))
warped = partial(jax.jit(augmentation.warp_affine, static_argnames="size"), size=SIZE)


def smooth_image(rng):
    noise = rng.uniform(0, 255, (*SIZE, 3))
    return np.round(ndimage.gaussian_filter(noise, (2, 2, 0)) * 2 - 128).clip(0, 255).astype(np.uint8)


def batch_of(rng, count):
    points = rng.uniform(0, 1, (count, 4, 2)) * [SIZE.width - 1, SIZE.height - 1]
    torso = np.tile([[30.0, 18.0]], (count, 1))
    images = np.stack([smooth_image(rng) for _ in range(count)])
    return Batch(images, points.astype(np.float32), torso.astype(np.float32))


def augmented(keys, batch, *, options=PAPER, pairs=PAIRS):
    return compiled_augment(keys, batch, left_right_pairs=pairs, size=SIZE, augmentation=options)


def drawn(key, center=(30.0, 18.0), options=PAPER):
    return drawn_at(key, jnp.array(center), size=SIZE, augmentation=options)


def map_key(key):
    """The key of a sample's map; the other half of the sample's key decides about the torso."""
    return jax.random.split(key)[0]


def reference_warp(image, affine):
    """SciPy's, which counts (row, column) and asks for the map from output to input."""
    inverse = np.linalg.inv(np.asarray(affine.matrix, float))
    offset = -inverse @ np.asarray(affine.shift, float)
    channels = [
        ndimage.affine_transform(
            channel.astype(float), inverse[::-1, ::-1], offset[::-1], order=1, mode="nearest"
        )
        for channel in np.moveaxis(image, -1, 0)
    ]
    return np.stack(channels, axis=-1)


def test_images_are_sampled_as_by_scipy(rng, key):
    image = smooth_image(rng)
    for one in jax.random.split(key, 6):
        affine = drawn(one)
        found = np.asarray(warped(jnp.asarray(image), affine), float)
        np.testing.assert_allclose(found, reference_warp(image, affine), atol=0.51)


def test_a_batch_moves_by_one_map_a_sample(rng, key):
    batch, keys = batch_of(rng, 8), jax.random.split(key, 8)
    found = augmented(keys, batch)
    mirrored = []
    for i in range(8):
        affine = drawn(map_key(keys[i]))
        mirrored.append(np.linalg.det(affine.matrix) < 0)
        np.testing.assert_array_equal(found.images[i], warped(jnp.asarray(batch.images[i]), affine))
        expected = batch.points[i] @ np.asarray(affine.matrix).T + np.asarray(affine.shift)
        if mirrored[i]:
            expected = expected[[1, 0, 2, 3]]
        shown = ~np.isnan(np.asarray(found.points[i, :, 0]))
        limits = np.array([SIZE.width, SIZE.height]) - 0.5
        np.testing.assert_array_equal(shown, ((expected >= -0.5) & (expected <= limits)).all(axis=1))
        np.testing.assert_allclose(found.points[i][shown], expected[shown], atol=1e-3)
        torso = [SIZE.width - 1 - 30 if mirrored[i] else 30, 18]
        np.testing.assert_allclose(found.torso[i], torso, atol=1e-3)
    assert 0 < sum(mirrored) < 8
    assert np.isnan(np.asarray(found.points)).any()


@pytest.mark.parametrize("options", [PAPER, WIDE], ids=["paper", "wide"])
def test_turn_scale_shift_and_mirror_cover_their_ranges_and_no_more(key, options):
    center = jnp.array([30.0, 18.0])
    maps = jax.vmap(lambda one: drawn(one, center, options))(jax.random.split(key, 500))
    matrix = np.asarray(maps.matrix, float)
    determinant = np.linalg.det(matrix)
    scale = np.sqrt(np.abs(determinant))
    degrees = np.rad2deg(np.arctan2(-matrix[:, 0, 1], matrix[:, 1, 1]))
    moved = np.asarray(maps.matrix @ center + maps.shift, float)
    moved[determinant < 0, 0] = SIZE.width - 1 - moved[determinant < 0, 0]
    # As fractions of the frame's sides.
    across, down = ((moved - [30, 18]) / [SIZE.width, SIZE.height]).T
    for values, low, high in (
        (scale, *options.scales),
        (degrees, -options.degrees, options.degrees),
        (across, -options.shift, options.shift),
        (down, -options.shift, options.shift),
    ):
        margin = 0.03 * (high - low) + 1e-4
        assert low - 1e-4 <= values.min() <= low + margin
        assert high - margin <= values.max() <= high + 1e-4
    assert 0.4 < (determinant < 0).mean() < 0.6
    assert PAPER[:3] == (20.0, (0.5, 1.5), 0.0)


def test_absent_points_and_torsos_stay_absent(rng, key):
    batch = batch_of(rng, 4)
    batch = batch._replace(points=np.full_like(batch.points, np.nan), torso=np.full_like(batch.torso, np.nan))
    found = augmented(jax.random.split(key, 4), batch)
    assert np.isnan(found.points).all()
    assert np.isnan(found.torso).all()
    # Turned about the middle of the image.
    affine = drawn(map_key(jax.random.split(key, 4)[0]), center=(27.5, 19.5))
    np.testing.assert_array_equal(found.images[0], warped(jnp.asarray(batch.images[0]), affine))


def test_an_image_of_one_pixel_is_its_own_surroundings(key):
    image = jnp.full((1, 1, 3), 7, jnp.uint8)
    np.testing.assert_array_equal(warped(image, drawn(key)), np.full((*SIZE, 3), 7))


def surrounded(at, count):
    """A batch whose images, with surroundings, are black but for a spot around a point of the frame."""
    image = np.zeros((SIZE.height + 2 * MARGIN_PX, SIZE.width + 2 * MARGIN_PX, 3), np.uint8)
    column, row = at[0] + MARGIN_PX, at[1] + MARGIN_PX
    image[row - 1 : row + 2, column - 1 : column + 2] = 255
    points = np.full((count, 1, 2), at, np.float32)
    return Batch(np.stack([image] * count), points, np.full((count, 2), [25.0, 22.0], np.float32))


@pytest.mark.parametrize("at", [(30, 15), (20, 30), (-3, 20), (57, 36)])
def test_a_bright_spot_of_the_surroundings_lies_where_its_point_is(key, at):
    """Under rotation, scale, shift and mirroring at once; some spots come into the frame from outside."""
    found = augmented(jax.random.split(key, 120), surrounded(at, 120), options=WIDE, pairs=())
    assert found.images.shape == (120, *SIZE, 3)
    points = np.asarray(found.points[:, 0])
    # Spots at a border are cut.
    whole = ((points > 3) & (points < np.array([SIZE.width, SIZE.height]) - 4)).all(axis=1)
    assert 3 < whole.sum()
    rows, columns = np.mgrid[: SIZE.height, : SIZE.width]
    for image, point in zip(np.asarray(found.images[whole, ..., 0], float), points[whole], strict=True):
        centroid = [(axis * image).sum() / image.sum() for axis in (columns, rows)]
        np.testing.assert_allclose(point, centroid, atol=0.1)
    assert not np.asarray(found.images)[np.isnan(points).all(axis=1), 3:-3, 3:-3].any()


def test_the_surroundings_replace_the_repeated_border(rng, key):
    """Wherever the frame's own pixels are shown, images are the same with and without surroundings."""
    inner = smooth_image(rng)
    padded = np.pad(inner, ((MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX), (0, 0)), mode="edge")
    points, torso = np.zeros((4, 1, 2), np.float32), np.full((4, 2), 20, np.float32)
    keys = jax.random.split(key, 4)
    # So far at most that nothing beyond the surroundings is shown.
    options = WIDE._replace(scales=(0.9, 1.2), degrees=10.0, shift=0.02)
    of_size = [
        augmented(keys, Batch(np.stack([image] * 4), points, torso), options=options, pairs=())
        for image in (inner, padded)
    ]
    # Positions are rounded differently.
    assert np.abs(np.subtract(*(np.asarray(each.images, int) for each in of_size))).max() <= 1
    np.testing.assert_array_equal(of_size[0].points, of_size[1].points)


def test_a_share_of_torsos_is_made_unknown(rng, key):
    many = jax.tree.map(lambda one: np.repeat(one[:1], 600, axis=0), batch_of(rng, 2))
    many = many._replace(images=np.zeros((600, 2, 2, 3), np.uint8))
    torso = np.asarray(augmented(jax.random.split(key, 600), many, options=WIDE).torso)
    unknown = np.isnan(torso).any(axis=1)
    np.testing.assert_array_equal(unknown, np.isnan(torso).all(axis=1))
    assert unknown.mean() == pytest.approx(WIDE.unknown_torso, abs=0.06)
    # The rest of a sample does not depend on it.
    known = augmented(jax.random.split(key, 600), many, options=WIDE._replace(unknown_torso=0.0))
    np.testing.assert_array_equal(torso[~unknown], known.torso[~unknown])
