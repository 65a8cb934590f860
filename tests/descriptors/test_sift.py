import itertools
from functools import partial

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data

from convcorr_jax.descriptors import dense_sift, sift, sift_at
from tests.reference import sift as reference

PHOTOGRAPHS = {
    "astronaut": skimage.data.astronaut()[30:126, 150:262],
    "cat": skimage.data.chelsea()[60:156, 100:212],
    "coffee": skimage.data.coffee()[100:196, 200:312],
}
"""Parts of photographs, 96 x 112 pixels, 8-bit RGB."""


@pytest.fixture
def grey() -> np.ndarray:
    return grey_of(PHOTOGRAPHS["cat"])


def grey_of(rgb: np.ndarray) -> np.ndarray:
    return (rgb @ np.array([0.299, 0.587, 0.114]) / 255).astype(np.float32)


def cosine(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first * second).sum(-1) / (np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1))


@pytest.mark.parametrize(
    ("name", "radius_px", "smoothing_sigma_px"),
    [("cat", 6.0, 0.0), ("astronaut", 8.0, 1.2), ("coffee", 10.5, 0.7), ("astronaut", 20.0, 3.3)],
)
def test_equals_the_slow_reference(rng, name, radius_px, smoothing_sigma_px):
    inside = rng.uniform(0, [111, 95], (4, 2))
    centers = np.concatenate([inside, np.array([[0.0, 0.0], [111.0, 50.0], [-3.25, 40.5], [60.0, 99.0]])])
    described = dict(radius_px=radius_px, smoothing_sigma_px=smoothing_sigma_px, contrast_threshold=0.005)
    ours = sift_at(PHOTOGRAPHS[name], jnp.asarray(centers), **described)
    expected = reference.sift(grey_of(PHOTOGRAPHS[name]), centers, **described)
    # Entries are about 0.1; single precision loses 1e-6 of them, and where a gradient is nearly
    # zero its angle loses more.
    np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("name", list(PHOTOGRAPHS))
def test_equals_opencv(name):
    # OpenCV's bins are 1.5 * size wide (3 times the scale, which is half the size), so size =
    # radius / 3. A keypoint of octave 0, layer 0 is described on the image blurred from 0.5 to 1.6
    # pixels. The angle of its gradients runs from x to *minus* y, so orientation t here is -t
    # there; bins go row by row, as ours do. It rounds centres to pixels.
    radius_px = 12.0
    xs, ys = np.meshgrid(np.arange(24, 90, 5), np.arange(24, 74, 5))
    centers = np.stack([xs.ravel(), ys.ravel()], axis=-1).astype(np.float32)
    keypoints = [
        cv2.KeyPoint(float(x), float(y), radius_px / 3, angle=0, response=1, octave=0) for x, y in centers
    ]
    kept, opencv = cv2.SIFT.create().compute(cv2.cvtColor(PHOTOGRAPHS[name], cv2.COLOR_RGB2GRAY), keypoints)
    assert len(kept) == len(centers)
    turned = opencv.reshape(-1, 4, 4, 8)[..., -np.arange(8) % 8].reshape(-1, 128)
    options = {"smoothing_sigma_px": float(np.sqrt(1.6**2 - 0.5**2)), "contrast_threshold": 0.0}
    ours = sift_at(PHOTOGRAPHS[name], jnp.asarray(centers), radius_px=radius_px, **options)
    # OpenCV rounds grey values and descriptors to bytes, and truncates its blur earlier.
    similarity = cosine(np.asarray(ours), turned)
    assert similarity.mean() > 0.998
    assert similarity.min() > 0.98


@pytest.mark.parametrize(
    ("radius_px", "stride_px"), [(5.0, 1.0), (5.0, 16.0), (8.0, (3.7, 5.2)), (20.0, 4.0), (160.0, 1.0)]
)
def test_the_grid_equals_its_centres_one_by_one(grey, stride_px, radius_px):
    first = (-6.5, 2.25)
    dense = dense_sift(grey, radius_px=radius_px, stride_px=stride_px, first_center_px=first, size=(17, 23))
    columns, rows = np.meshgrid(np.arange(23), np.arange(17))
    centers = np.stack([columns, rows], axis=-1) * np.broadcast_to(stride_px, 2) + first
    single = sift_at(grey, jnp.asarray(centers.reshape(-1, 2)), radius_px=radius_px)
    # The same sums in another order.
    np.testing.assert_allclose(dense.reshape(-1, 128), single, atol=2e-6)


def test_the_default_grid_covers_the_image(grey):
    def shape(**grid: float) -> tuple[int, ...]:
        return jax.eval_shape(partial(dense_sift, radius_px=8.0, **grid), grey).shape

    assert shape() == (96, 112, 128)
    # Centres at 5, 12, ... up to the last that is at most 95, or 111.
    assert shape(stride_px=7.0, first_center_px=5.0) == (13, 16, 128)


def test_the_default_grid_has_every_centre_on_the_image():
    for length, stride, first in itertools.product(range(4, 60), (1.5, 3.0, 3.5), (0.0, 0.5, 1.0)):
        columns, rows = sift._grid_centers(4, length, stride, first, None)
        assert len(columns) == (length - 1 - first) // stride + 1
        assert len(rows) == (3 - first) // stride + 1


@pytest.mark.parametrize("orientation", range(8))
def test_orientations_turn_from_x_to_y(orientation):
    angle = orientation * np.pi / 4
    x, y = np.meshgrid(np.arange(33.0), np.arange(33.0))
    ramp = jnp.asarray((x * np.cos(angle) + y * np.sin(angle)) / 64, jnp.float32)
    descriptor = sift_at(ramp, jnp.array([[16.0, 16.0]]), radius_px=8.0, smoothing_sigma_px=0.0)[0]
    by_orientation = np.asarray(descriptor).reshape(16, 8).sum(0)
    # A pure direction votes for its own orientation alone; 1e-3 for its rounded angle.
    np.testing.assert_allclose(np.delete(by_orientation, orientation), 0, atol=1e-3)
    assert by_orientation[orientation] > 1


def test_bins_go_row_by_row():
    # One bright pixel three quarters of a radius right of the centre and a quarter above it: the
    # middle of column 3, row 1.
    image = jnp.zeros((65, 65)).at[32 - 4, 32 + 12].set(1.0)
    descriptor = sift_at(
        image, jnp.array([[32.0, 32.0]]), radius_px=16.0, smoothing_sigma_px=0.0, contrast_threshold=0.0
    )[0]
    assert np.unravel_index(np.asarray(descriptor).reshape(4, 4, 8).sum(-1).argmax(), (4, 4)) == (1, 3)


def test_a_mirrored_image_permutes_the_elements(grey):
    center, mirrored = jnp.array([[40.0, 50.0]]), jnp.array([[111.0 - 40.0, 50.0]])
    descriptor = sift_at(grey, center, radius_px=12.0).reshape(4, 4, 8)
    other = sift_at(grey[:, ::-1], mirrored, radius_px=12.0).reshape(4, 4, 8)
    # Columns change sides, and an angle a becomes pi - a.
    np.testing.assert_allclose(other, descriptor[:, ::-1][..., (4 - np.arange(8)) % 8], atol=1e-5)


def test_is_unit_length_and_blind_to_light(grey):
    descriptors = dense_sift(grey, radius_px=10.0, stride_px=16.0, contrast_threshold=0.0)
    np.testing.assert_allclose(jnp.linalg.norm(descriptors, axis=-1), 1, atol=1e-5)
    darker = dense_sift(grey * 0.3 + 0.2, radius_px=10.0, stride_px=16.0, contrast_threshold=0.0)
    # Adding 0.2 rounds the grey values to 1e-8, against gradients of about 1e-3.
    np.testing.assert_allclose(darker, descriptors, atol=1e-3)


def test_a_bin_is_clipped_before_the_last_normalisation():
    # A ramp fills 16 of 128 elements, each about 1/4: all are clipped to 0.2, and come out equal.
    ramp = jnp.broadcast_to(jnp.linspace(0, 1, 65), (65, 65))
    descriptor = sift_at(ramp, jnp.array([[32.0, 32.0]]), radius_px=8.0, smoothing_sigma_px=0.0)[0]
    inner = np.asarray(descriptor).reshape(4, 4, 8)[1:3, 1:3, 0]
    np.testing.assert_allclose(inner, inner[0, 0], rtol=1e-6)
    unclipped = reference._histogram(np.full((65, 65), 1 / 64), np.zeros((65, 65)), 32.0, 32.0, 4.0).reshape(
        4, 4, 8
    )[..., 0]
    unclipped /= np.linalg.norm(unclipped)
    clipped = np.minimum(unclipped, 0.2)
    np.testing.assert_allclose(
        descriptor.reshape(4, 4, 8)[..., 0], clipped / np.linalg.norm(clipped), atol=1e-6
    )


def test_low_contrast_is_zero():
    # In a ramp of slope s the histogram sums to s times the window's mass; the threshold is on the
    # histogram's sum over (3 bins + 1)^2 = 169 pixels.
    slope = 1e-3
    ramp = jnp.broadcast_to(jnp.arange(65) * slope, (65, 65))
    mass = reference._histogram(np.full((65, 65), slope), np.zeros((65, 65)), 32.0, 32.0, 4.0).sum() / 169

    def describe(threshold: float) -> jax.Array:
        return sift_at(
            ramp, jnp.array([[32.0, 32.0]]), radius_px=8.0, smoothing_sigma_px=0.0, contrast_threshold=threshold
        )

    assert (describe(1.01 * mass) == 0).all()
    np.testing.assert_allclose(jnp.linalg.norm(describe(0.99 * mass)), 1, rtol=1e-5)
    assert (sift_at(jnp.full((30, 30), 0.5), jnp.array([[15.0, 15.0]]), radius_px=8.0) == 0).all()


def test_the_default_blur_is_a_sixth_of_a_bin(grey):
    center = jnp.array([[50.0, 40.0]])
    by_default = sift_at(grey, center, radius_px=12.0)
    np.testing.assert_array_equal(by_default, sift_at(grey, center, radius_px=12.0, smoothing_sigma_px=1.0))


def test_gradient_is_finite_on_a_flat_image():
    image = jnp.zeros((40, 40)).at[20:, 20:].set(0.5)
    gradient = jax.grad(
        lambda image: dense_sift(
            image, radius_px=8.0, stride_px=8.0, smoothing_sigma_px=0.0, contrast_threshold=0.0
        ).sum()
    )(image)
    assert jnp.isfinite(gradient).all()
