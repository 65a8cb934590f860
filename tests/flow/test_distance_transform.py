import itertools
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import ndimage

from convcorr_jax.errors import InputError
from convcorr_jax.flow import distance_transform, soft_distance_transform
from convcorr_jax.flow.distance_transform import LONGEST_DENSE_LINE
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


# Against oracles.


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
def test_equals_every_place_against_every_sample(rng, penalty, shape, axes, weight, shift) -> None:
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
def test_lines_of_every_length(rng, penalty, shift, length) -> None:
    costs = rng.uniform(0, 30, (3, length)).astype(np.float32)
    # Among the costs a long ramp, along which the nearest sample lies far away.
    costs[1] = np.linspace(0, 30, length)
    described = dict(weight=0.01, penalty=penalty, shift=shift)
    ours = distance_transform(costs, **described)
    expected = reference.transform_line(costs, **described)
    np.testing.assert_allclose(ours.values, expected, rtol=1e-6, atol=TOLERANCE)
    attained = cost_of_argmin(costs, ours, axes=(-1,), weight=(0.01,), penalty=penalty, shift=(shift,))
    np.testing.assert_allclose(attained, expected, rtol=1e-6, atol=TOLERANCE)


def test_equals_scipys_erosion_by_a_paraboloid(rng) -> None:
    costs = rng.uniform(0, 5, (14, 11)).astype(np.float32)
    rows, columns = np.mgrid[-13:14, -10:11]
    structure = -0.3 * (rows**2 + columns**2)
    eroded = ndimage.grey_erosion(costs.astype(float), structure=structure, mode="constant", cval=1e9)
    ours = distance_transform(costs, weight=0.3, axes=(0, 1))
    np.testing.assert_allclose(ours.values, eroded, atol=TOLERANCE)


@pytest.mark.parametrize("shape", [(23, 31), (LONG, 9)])
def test_equals_scipys_euclidean_transform_of_a_binary_image(rng, shape) -> None:
    empty = rng.uniform(size=shape) < 0.97
    expected, nearest = ndimage.distance_transform_edt(empty, return_indices=True)
    ours = distance_transform(np.where(empty, np.inf, 0).astype(np.float32), axes=(0, 1))
    np.testing.assert_allclose(np.sqrt(ours.values), expected, rtol=1e-6)
    # Where two are equally near either may be named, so compare how far they are.
    place = np.indices(shape)
    ways = np.asarray(jnp.moveaxis(ours.argmin, -1, 0)) - place
    np.testing.assert_array_equal((ways**2).sum(axis=0), ((nearest - place) ** 2).sum(axis=0))


def test_equals_scipys_city_block_transform(rng) -> None:
    empty = rng.uniform(size=(20, 40)) < 0.97
    expected = ndimage.distance_transform_cdt(empty, metric="taxicab")
    costs = np.where(empty, np.inf, 0).astype(np.float32)
    ours = distance_transform(costs, axes=(0, 1), penalty="absolute")
    np.testing.assert_array_equal(ours.values, expected)


def test_the_soft_transform_is_the_log_of_a_sum(rng) -> None:
    costs = rng.uniform(0, 2, (3, 6)).astype(np.float32)
    ours = soft_distance_transform(costs, temperature=0.4, weight=(0.3, 0.2), axes=(0, 1), shift=(0.0, 1.5))
    expected = np.empty_like(costs)
    rows, columns = np.indices(costs.shape)
    for y, x in itertools.product(range(3), range(6)):
        total = costs + 0.3 * (y - rows) ** 2 + 0.2 * (x - columns - 1.5) ** 2
        expected[y, x] = -0.4 * np.log(np.exp(-total / 0.4).sum())
    np.testing.assert_allclose(ours, expected, atol=TOLERANCE)


# Invariants.


@pytest.mark.parametrize("penalty", ["squared", "absolute"])
@pytest.mark.parametrize("length", [9, LONG])
def test_absent_samples_attract_nobody(rng, penalty, length) -> None:
    costs = rng.uniform(0, 5, length).astype(np.float32)
    costs[::3] = np.nan
    costs[1::3] = np.inf
    ours = distance_transform(costs, weight=0.1, penalty=penalty)
    present = np.where(np.isfinite(costs), costs, 1e6)
    expected = reference.transform_line(present, weight=0.1, penalty=penalty, shift=0.0)
    np.testing.assert_allclose(ours.values, expected, rtol=1e-6, atol=TOLERANCE)
    assert (np.asarray(ours.argmin) % 3 == 2).all()


@pytest.mark.parametrize("length", [9, LONG])
def test_without_any_sample_all_is_infinitely_far(length) -> None:
    nothing = jnp.full((2, length), jnp.inf)
    assert jnp.isposinf(distance_transform(nothing).values).all()
    assert jnp.isposinf(distance_transform(nothing, penalty="absolute").values).all()


@pytest.mark.parametrize("penalty", ["squared", "absolute"])
@pytest.mark.parametrize("length", [1, 6, LONG])
def test_whole_numbers_are_exact_with_ties_and_absent_samples(rng, penalty, length) -> None:
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


@pytest.mark.parametrize("name", ["weight", "shift", "temperature"])
def test_parameters_that_mean_nothing_give_nan(name) -> None:
    costs = jnp.array([[1.0, 2.0, 0.0]])
    for bad in (np.nan, np.inf, *(() if name == "shift" else (-1.0,))):
        described = {"temperature": 0.5, "weight": 1.0, "shift": 0.0, name: bad}
        assert jnp.isnan(soft_distance_transform(costs, **described)).all()
        if name != "temperature":
            hard = distance_transform(costs, weight=described["weight"], shift=described["shift"])
            assert jnp.isnan(hard.values).all()


def test_the_soft_transform_lies_just_below_the_hard_one(rng) -> None:
    costs = rng.uniform(0, 2, (4, 20)).astype(np.float32)
    hard = distance_transform(costs, weight=0.1).values
    for temperature in (1e-3, 0.1, 10.0):
        soft = soft_distance_transform(costs, weight=0.1, temperature=temperature)
        below = np.asarray(hard - soft)
        assert (below >= -1e-6).all()
        assert (below <= temperature * np.log(20) + 1e-5).all()


# Derivatives.


@pytest.mark.parametrize("penalty", ["squared", "absolute"])
@pytest.mark.parametrize("length", [6, LONG])
def test_gradients_equal_finite_differences(rng, penalty, length) -> None:
    costs = rng.uniform(0, 5, (2, length)).astype(np.float32)
    readout = rng.normal(size=costs.shape).astype(np.float32) / length

    def read(costs, weight, shift, truncation):
        transform = distance_transform(
            costs, weight=weight, penalty=penalty, shift=shift, truncation=truncation
        )
        return (transform.values * readout).sum()

    # Piecewise smooth: a step of 1e-3 stays within one piece at nearly every place, and single
    # precision leaves three digits of the difference.
    arguments = (costs, np.float32(0.23), np.float32(0.37), np.float32(1.3))
    check_grads(read, arguments, order=1, eps=1e-3, atol=2e-2, rtol=2e-2)


def test_gradients_of_the_soft_transform_equal_finite_differences(rng) -> None:
    costs = rng.uniform(0, 2, (3, 7)).astype(np.float32)
    readout = rng.normal(size=costs.shape).astype(np.float32)

    def read(costs, weight, shift, temperature):
        soft = soft_distance_transform(costs, weight=weight, axes=(0, 1), shift=shift, temperature=temperature)
        return (soft * readout).sum()

    arguments = (costs, np.float32(0.2), np.float32(0.3), np.float32(0.5))
    check_grads(read, arguments, order=1, eps=1e-2, atol=1e-2, rtol=1e-2)


def test_the_gradient_goes_to_the_sample_that_serves() -> None:
    costs = jnp.array([0.0, 9.0, 9.0, 9.0, 1.0])
    gradient = jax.grad(lambda c: distance_transform(c).values.sum())(costs)
    assert gradient.tolist() == [3.0, 0.0, 0.0, 0.0, 2.0]


# Batches and compilation.


@pytest.mark.parametrize("penalty", ["squared", "absolute"])
@pytest.mark.parametrize("shape", [(4, 5, 6), (4, LONG, 3)])
def test_leading_axes_are_a_batch_as_under_vmap(rng, penalty, shape) -> None:
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


def test_compiles_once_for_all_weights(rng) -> None:
    costs = rng.uniform(0, 5, (3, 13)).astype(np.float32)
    distance_transform(costs, weight=0.1, shift=0.5)
    compiled: Any = distance_transform
    before = compiled._cache_size()
    distance_transform(costs + 1, weight=0.7, shift=-2.5)
    assert compiled._cache_size() == before


# Bad input.


def test_refuses_what_it_cannot_mean() -> None:
    costs = jnp.zeros((3, 4))
    with pytest.raises(InputError, match="axis twice"):
        distance_transform(costs, axes=(1, -1))
    with pytest.raises(InputError, match="within the 2 axes"):
        distance_transform(costs, axes=2)
    with pytest.raises(Exception, match="cubic"):
        distance_transform(costs, penalty="cubic")  # pyrefly: ignore
    for transform in (distance_transform, partial(soft_distance_transform, temperature=1.0)):
        with pytest.raises(InputError, match="within the 2 axes"):
            transform(costs, axes=())
        with pytest.raises(InputError, match="at least one sample"):
            transform(costs[:, :0])
    assert distance_transform(jnp.zeros((0, LONG))).argmin.shape == (0, LONG, 1)
