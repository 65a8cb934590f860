import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from convcorr_jax.flow import distance_transform, soft_distance_transform
from convcorr_jax.flow.distance_transform import LONGEST_DENSE_LINE
from convcorr_jax.flow.min_plus import min_plus, soft_min_plus
from tests.reference import distance_transform as reference

# Costs here stay below 30 and penalties of the chosen samples below 100, so that single precision
# is good for 1e-5.
TOLERANCE = 2e-5
LONG = max(LONGEST_DENSE_LINE.values()) + 71


def cost_of_argmin(costs, transform, *, axes, weight, penalty, shift, truncation=np.inf):
    """The cost that the transform claims to attain, from its argmin alone."""
    index = list(np.indices(costs.shape))
    total = np.zeros(costs.shape)
    for k, axis in enumerate(axes):
        sample = np.asarray(transform.argmin[..., k])
        way = index[axis] - sample - shift[k]
        total += weight[k] * (way**2 if penalty == "squared" else np.abs(way))
        index[axis] = sample
    return costs[tuple(index)] + np.minimum(total, truncation)


@pytest.mark.parametrize("penalty", ["squared", "absolute"])
@pytest.mark.parametrize(
    ("shape", "axes", "weight", "shift"),
    [
        ((1,), (0,), (0.3,), (0.4,)),
        ((7,), (0,), (0.5,), (0.0,)),
        ((7,), (0,), (0.0,), (0.0,)),
        ((4, 9), (0,), (0.2,), (1.0,)),
        ((5, 6), (0, 1), (0.5, 0.1), (1.0, -2.5)),
        ((5, 6), (1, 0), (0.5, 0.1), (0.3, 8.0)),
        ((3, 4, 5), (2, 0), (0.2, 0.7), (-0.6, 0.0)),
        ((2, 18, 4), (1, 2), (0.02, 0.05), (0.25, -1.0)),
    ],
)
def test_equals_every_place_against_every_sample(rng, penalty, shape, axes, weight, shift):
    costs = rng.uniform(0, 5, shape).astype(np.float32)
    described = dict(weight=weight, axes=axes, penalty=penalty, shift=shift)
    for truncation in (np.inf, 0.7):
        ours = distance_transform(costs, **described, truncation=truncation)
        expected = reference.distance_transform(costs, **described, truncation=truncation)
        np.testing.assert_allclose(ours.values, expected, atol=TOLERANCE)
        attained = cost_of_argmin(costs, ours, **described, truncation=truncation)
        np.testing.assert_allclose(attained, expected, atol=TOLERANCE)


@pytest.mark.parametrize("penalty", ["squared", "absolute"])
@pytest.mark.parametrize("shift", [0.0, -3.0, 17.4])
@pytest.mark.parametrize("length", [2, 33, LONG, 1030])
def test_lines_of_every_length(rng, penalty, shift, length):
    costs = rng.uniform(0, 30, (3, length)).astype(np.float32)
    # Among the costs a long ramp, along which the nearest sample lies far away.
    costs[1] = np.linspace(0, 30, length)
    described = dict(weight=0.01, penalty=penalty, shift=shift)
    ours = distance_transform(costs, **described)
    expected = reference.transform_line(costs, **described)
    np.testing.assert_allclose(ours.values, expected, rtol=1e-6, atol=TOLERANCE)
    attained = cost_of_argmin(costs, ours, axes=(-1,), weight=(0.01,), penalty=penalty, shift=(shift,))
    np.testing.assert_allclose(attained, expected, rtol=1e-6, atol=TOLERANCE)


def test_equals_scipys_erosion_by_a_paraboloid(rng):
    costs = rng.uniform(0, 5, (14, 11)).astype(np.float32)
    rows, columns = np.mgrid[-13:14, -10:11]
    structure = -0.3 * (rows**2 + columns**2)
    eroded = ndimage.grey_erosion(costs.astype(float), structure=structure, mode="constant", cval=1e9)
    ours = distance_transform(costs, weight=0.3, axes=(0, 1))
    np.testing.assert_allclose(ours.values, eroded, atol=TOLERANCE)


@pytest.mark.parametrize("shape", [(23, 31), (LONG, 9)])
def test_equals_scipys_euclidean_transform_of_a_binary_image(rng, shape):
    empty = rng.uniform(size=shape) < 0.97
    expected, nearest = ndimage.distance_transform_edt(empty, return_indices=True)
    ours = distance_transform(np.where(empty, np.inf, 0).astype(np.float32), axes=(0, 1))
    np.testing.assert_allclose(np.sqrt(ours.values), expected, rtol=1e-6)
    # Where two are equally near either may be named, so compare how far they are.
    place = np.indices(shape)
    ways = np.asarray(jnp.moveaxis(ours.argmin, -1, 0)) - place
    np.testing.assert_array_equal((ways**2).sum(axis=0), ((nearest - place) ** 2).sum(axis=0))


def test_equals_scipys_city_block_transform(rng):
    empty = rng.uniform(size=(20, 40)) < 0.97
    expected = ndimage.distance_transform_cdt(empty, metric="taxicab")
    costs = np.where(empty, np.inf, 0).astype(np.float32)
    ours = distance_transform(costs, axes=(0, 1), penalty="absolute")
    np.testing.assert_array_equal(ours.values, expected)


def test_the_soft_transform_is_the_log_of_a_sum(rng):
    costs = rng.uniform(0, 2, (3, 6)).astype(np.float32)
    ours = soft_distance_transform(costs, temperature=0.4, weight=(0.3, 0.2), axes=(0, 1), shift=(0.0, 1.5))
    expected = np.empty_like(costs)
    rows, columns = np.indices(costs.shape)
    for y, x in itertools.product(range(3), range(6)):
        total = costs + 0.3 * (y - rows) ** 2 + 0.2 * (x - columns - 1.5) ** 2
        expected[y, x] = -0.4 * np.log(np.exp(-total / 0.4).sum())
    np.testing.assert_allclose(ours, expected, atol=TOLERANCE)


@pytest.mark.parametrize("penalty", ["squared", "absolute"])
@pytest.mark.parametrize("length", [1, 6, LONG])
def test_whole_numbers_are_exact_with_ties_and_absent_samples(rng, penalty, length):
    costs = rng.integers(0, 3, (40, length)).astype(np.float32)
    absent = rng.random(costs.shape) < 0.3
    absent[0] = True
    costs[absent] = rng.choice([np.nan, np.inf, -np.inf], absent.sum())
    present = np.where(absent, np.inf, costs)[:, :, None]
    way = np.arange(length)[None, :] - np.arange(length)[:, None]
    for weight, shift, most in itertools.product((0.0, 0.5), (0.0, -1.0, 0.5), (np.inf, 1.0)):
        distance = np.abs(way - shift) ** (2 if penalty == "squared" else 1)
        candidates = present + np.minimum(weight * distance, most)
        options = dict(weight=weight, shift=shift, penalty=penalty, truncation=most)
        found = distance_transform(costs, **options)
        np.testing.assert_array_equal(found.values, candidates.min(axis=1))
        attained = np.take_along_axis(candidates, np.asarray(found.argmin[:, None, :, 0]), axis=1)
        np.testing.assert_array_equal(attained[:, 0], found.values)


def test_the_gradient_goes_to_the_sample_that_serves():
    gradient = jax.grad(lambda c: distance_transform(c).values.sum())(jnp.array([0.0, 9.0, 9.0, 9.0, 1.0]))
    assert gradient.tolist() == [3.0, 0.0, 0.0, 0.0, 2.0]


@pytest.mark.parametrize("penalty", ["squared", "absolute"])
@pytest.mark.parametrize("shape", [(4, 5, 6), (4, LONG, 3)])
def test_leading_axes_are_a_batch_as_under_vmap(rng, penalty, shape):
    costs = rng.uniform(0, 5, shape).astype(np.float32)
    one = partial(distance_transform, weight=0.1, axes=(0, 1), penalty=penalty, shift=0.5)
    whole = partial(distance_transform, weight=0.1, axes=(-2, -1), penalty=penalty, shift=0.5)
    together, mapped = whole(costs), jax.vmap(one)(costs)
    for i, field in enumerate(costs):
        alone = one(field)
        # The compiler may contract a product and a sum in one program and not in another.
        np.testing.assert_allclose(together.values[i], alone.values, atol=1e-5)
        np.testing.assert_allclose(mapped.values[i], alone.values, atol=1e-5)
        np.testing.assert_array_equal(mapped.argmin[i], alone.argmin)


def test_other_penalties_are_refused_and_no_lines_have_no_transforms():
    with pytest.raises(Exception, match="cubic"):
        distance_transform(jnp.zeros((3, 4)), penalty="cubic")  # pyrefly: ignore
    assert distance_transform(jnp.zeros((0, LONG))).argmin.shape == (0, LONG, 1)


def jitted(product, **options):
    return jax.jit(partial(product, **options))


def brute_force(costs, matrix, axis):
    return np.moveaxis((np.moveaxis(costs, axis, -1)[..., :, None] + matrix).min(axis=-2), -1, axis)


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 31, 32, 50])
def test_equals_brute_force(rng, length):
    costs = rng.normal(size=(3, length, 4)).astype(np.float32)
    matrix = rng.normal(size=(length, length)).astype(np.float32)
    # One addition each, in both, and then comparisons: equal to the bit.
    expected = brute_force(costs, matrix, 1)
    np.testing.assert_array_equal(jitted(min_plus, axes=(1,))(costs, (matrix,)), expected)


def test_axes_take_turns_and_leading_axes_have_their_own_matrices(rng):
    costs = rng.normal(size=(2, 5, 20, 3)).astype(np.float32)
    rows = rng.normal(size=(2, 5, 5)).astype(np.float32)
    columns = rng.normal(size=(2, 20, 20)).astype(np.float32)
    ours = jitted(min_plus, axes=(1, 2))(costs, (rows, columns))
    for i in range(2):
        expected = brute_force(brute_force(costs[i], rows[i], 0), columns[i], 1)
        np.testing.assert_array_equal(ours[i], expected)


def test_absent_samples_count_as_infinite(rng):
    costs = rng.normal(size=6).astype(np.float32)
    matrix = rng.normal(size=(6, 6)).astype(np.float32)
    absent, infinite = costs.copy(), costs.copy()
    absent[[0, 3]] = np.nan
    infinite[[0, 3]] = np.inf
    expected = brute_force(infinite, matrix, 0)
    np.testing.assert_array_equal(jitted(min_plus, axes=(0,))(absent, (matrix,)), expected)


def test_absent_samples_weigh_nothing_in_the_soft_product(rng):
    costs = rng.normal(size=6).astype(np.float32)
    matrix = rng.normal(size=(6, 6)).astype(np.float32)
    expected = -0.5 * np.log(np.exp(-(costs[:, None] + matrix)[[1, 2, 4, 5]] / 0.5).sum(axis=0))
    costs[[0, 3]] = np.nan, np.inf
    soft = jitted(soft_min_plus, axes=(0,), temperature=0.5)
    # The logarithm of a sum of exponentials, in single precision.
    np.testing.assert_allclose(soft(costs, (matrix,)), expected, atol=1e-5)
    assert np.isposinf(soft(np.full(6, np.inf, np.float32), (matrix,))).all()


def test_the_soft_product_holds_where_exponentials_alone_would_vanish(rng):
    costs = np.array([0.0, 500.0, 900.0], np.float32)
    matrix = np.full((3, 3), 1000.0, np.float32)
    np.fill_diagonal(matrix, 0.0)
    # exp(-500) is 0 in single precision, and yet each place has its own sample as the nearest.
    soft = jitted(soft_min_plus, axes=(0,), temperature=1.0)
    np.testing.assert_allclose(soft(costs, (matrix,)), costs, atol=1e-6)
    np.testing.assert_allclose(jax.jacobian(soft)(costs, (matrix,)), np.eye(3), atol=1e-6)
