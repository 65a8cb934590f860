"""Image operations: images and their points move together."""

import cv2
import numpy as np
import pytest
import skimage.data
from hypothesis import given, settings
from hypothesis import strategies as st

from convcorr_jax import coords, images
from tests.reference import resampling

CROPS = {
    "larger": (coords.Box(-0.5, -0.5, 39.5, 29.5), (75, 80)),
    "smaller": (coords.Box(-0.5, -0.5, 39.5, 29.5), (11, 13)),
    "a part": (coords.Box(8.2, 6.7, 33.1, 27.4), (64, 48)),
    "a part, smaller": (coords.Box(3.0, 3.0, 37.5, 28.0), (12, 12)),
    "beyond the left and upper border": (coords.Box(-12.5, -9.25, 30.0, 28.0), (50, 60)),
    "beyond every border": (coords.Box(-20.0, -20.0, 60.0, 50.0), (100, 90)),
    "grown": (coords.grow(coords.Box(10.0, 8.0, 30.0, 25.0), 0.5), (40, 40)),
}


@pytest.mark.parametrize("name", CROPS)
def test_a_single_bright_pixel_is_brightest_where_its_point_goes(name):
    box, size = CROPS[name]
    image = np.zeros((30, 40, 3), np.uint8)
    image[17, 20] = 255
    resampled = images.crop_and_resize(image, box, size)
    assert resampled.image.shape == (*size, 3)
    y, x = np.unravel_index(resampled.image[..., 0].argmax(), size)
    assert np.abs(resampled.transform(np.array([[20.0, 17.0]]))[0] - [x, y]).max() <= 0.5 + 1e-9


@pytest.mark.parametrize("size", [(75, 80), (11, 13)])
def test_resizing_is_cropping_to_the_whole_image(size):
    image = skimage.data.chelsea()[100:130, 150:190]
    resampled = images.resize(image, size)
    cropped = images.crop_and_resize(image, coords.whole_image((30, 40)), size)
    np.testing.assert_array_equal(resampled.image, cropped.image)
    np.testing.assert_array_equal(resampled.transform, cropped.transform)


@pytest.mark.parametrize("name", CROPS)
def test_a_ramp_stays_a_ramp(name):
    # The values of a linear image state the position of every pixel; inside it, interpolation is exact.
    box, size = CROPS[name]
    y, x = np.mgrid[:30, :40]
    ramp = np.stack([3 * x + 40, 4 * y + 60, 2 * x + 3 * y + 10], -1).astype(np.uint8)
    resampled = images.crop_and_resize(ramp, box, size)
    back = resampled.transform.inverse(coords.cell_grid(size).astype(float))
    # As far as the widened kernel reaches, away from the border.
    reach = 2 * np.maximum(1 / resampled.transform.scale, 1)
    inside = ((back >= reach) & (back <= np.array([39, 29]) - reach)).all(axis=-1)
    assert inside.sum() >= 4
    px, py = back[inside].T
    expected = np.stack([3 * px + 40, 4 * py + 60, 2 * px + 3 * py + 10], -1)
    # Pillow rounds after each of two passes.
    np.testing.assert_allclose(resampled.image[inside], expected, atol=1.01)


@settings(max_examples=20, deadline=None)
@given(
    # Beyond the image by less than its size.
    st.tuples(st.floats(-6, 11), st.floats(-6, 9)),
    st.tuples(st.floats(4, 40), st.floats(4, 30)),
    st.tuples(st.integers(3, 30), st.integers(3, 30)),
)
def test_it_agrees_with_the_textbook(corner, extent, size):
    image = skimage.data.chelsea()[100:120, 150:176]
    box = coords.Box(corner[0], corner[1], corner[0] + extent[0], corner[1] + extent[1])
    if not (box.x1 > -0.5 and box.y1 > -0.5):
        return
    resampled = images.crop_and_resize(image, box, size).image
    expected = resampling.crop_and_resize(image, tuple(edge + 0.5 for edge in box), size).clip(0, 255)
    # Rounding to 8 bits after each of two passes, the second of which weighs up to 1.3 of the first.
    np.testing.assert_allclose(resampled, expected, atol=1.5)


def test_the_longest_side_is_as_asked_and_the_aspect_is_kept():
    assert images.resize_longest_side(np.zeros((300, 451, 3), np.uint8), 100).image.shape == (67, 100, 3)
    assert images.resize_longest_side(np.zeros((1000, 2, 3), np.uint8), 100).image.shape == (100, 1, 3)


def test_an_image_at_its_own_size_is_itself():
    image = skimage.data.chelsea()
    resampled = images.resize(image, image.shape[:2])
    np.testing.assert_array_equal(resampled.image, image)
    np.testing.assert_allclose(resampled.transform.scale, 1.0)
    np.testing.assert_allclose(resampled.transform.shift, 0.0, atol=1e-12)


def test_sampling_agrees_with_opencv(rng):
    image = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    position = rng.uniform(-3, 45, (20, 25, 2))
    maps = (position[..., axis].astype(np.float32) for axis in (0, 1))
    options = {"interpolation": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    expected = cv2.remap(image.astype(np.float32), *maps, **options)
    # OpenCV rounds positions to 1/32 pixel, and no slope is steeper than 255 levels a pixel.
    np.testing.assert_allclose(images.sample(image, position), expected, atol=255 / 32)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint8])
def test_beyond_the_border_is_the_value_of_the_border(rng, order, dtype):
    field = rng.uniform(0, 100, (6, 7, 2)).astype(dtype)
    outside = np.array([[-0.5, 2], [6.5, 3], [4, -0.4], [3, 9], [1e9, -1e9]])
    border = np.array([[0, 2], [6, 3], [4, 0], [3, 5], [6, 0]])
    found = images.sample(field, outside, order=order)
    assert found.dtype == (np.float64 if dtype == np.uint8 else dtype)
    expected = field[border[:, 1], border[:, 0]]
    np.testing.assert_allclose(found, expected, atol=0.06 if dtype == np.float16 else 1e-4)
