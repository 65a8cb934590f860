"""Arrays of every type that may enter the numerical rooms: right as in single precision, or refused."""

import inspect
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convcorr_jax import backbone, descriptors, flow, images, matching, metrics
from convcorr_jax.arrays import argument_rule, padded_batches
from convcorr_jax.errors import InputError
from convcorr_jax.linear import ridge
from tests.builders.numerical_cases import cases

ARGUMENTS = [
    (case, name)
    for case in cases()
    for name, value in case.arrays.items()
    if isinstance(value, (np.ndarray, jax.Array)) and np.ndim(value)
]
STORED = (np.int32, np.uint8, np.uint16, np.float16, ml_dtypes.bfloat16, np.float64)
# Their whole numbers are 8-bit colours, which grey values are not.
REFUSING = ((descriptors.dense_sift, "image"), (descriptors.sift_at, "image"))


def representable(value, dtype):
    """Return the numbers of an array that a type can hold, in single precision."""
    array = np.asarray(value)
    if np.issubdtype(dtype, np.integer):
        array = np.rint((array if dtype == np.int32 else np.abs(array)) * (9 / (np.abs(array).max() or 1)))
    return array.astype(dtype).astype(np.float32)


def alike(value, template):
    """Return an array of NumPy or JAX, as the template is."""
    return jnp.asarray(value) if isinstance(template, jax.Array) else value


def numbers(result):
    """Return the arrays of a result."""
    return [
        np.asarray(leaf)
        for leaf in jax.tree.leaves(result)
        if isinstance(leaf, (float, int)) or hasattr(leaf, "dtype")
    ]


def assert_same(found, expected):
    found, expected = numbers(found), numbers(expected)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        if other.dtype.kind in "fc":
            scale = np.abs(other[np.isfinite(other)]).max(initial=1e-30)
            np.testing.assert_allclose(one.astype(float), other.astype(float), rtol=0, atol=1e-4 * scale)
        else:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("case_name", ARGUMENTS, ids=lambda pair: f"{pair[0].name}-{pair[1]}")
def test_a_stored_type_gives_what_single_precision_does(case_name):
    case, name = case_name
    value = case.arrays[name]
    for dtype in STORED:
        exact = representable(value, dtype)
        try:
            expected = case.call(**{name: alike(exact, value)})
        except InputError:
            # These numbers are no input of the function in any type.
            continue
        stored = alike(exact.astype(dtype), value)
        if (case.function, name) in REFUSING and np.issubdtype(dtype, np.integer):
            with pytest.raises(InputError, match=str(np.dtype(dtype))):
                case.call(**{name: stored})
        else:
            assert_same(case.call(**{name: stored}), expected)


@pytest.mark.parametrize("case_name", ARGUMENTS, ids=lambda pair: f"{pair[0].name}-{pair[1]}")
def test_the_layout_in_memory_does_not_matter(case_name):
    case, name = case_name
    value = np.array(case.arrays[name])
    expected = case.call()
    fixed = value.copy()
    fixed.flags.writeable = False
    for other in (np.asfortranarray(value), fixed, jnp.asarray(value), value.tolist()):
        assert_same(case.call(**{name: other}), expected)


@pytest.mark.parametrize("value", [np.ones(3, complex), ["a", "b"], [[1.0], [1.0, 2.0]]])
def test_what_is_no_array_of_real_numbers_is_refused(value):
    with pytest.raises(InputError, match="costs"):
        flow.distance_transform(value)


def test_whole_numbers_are_real_ones():
    """An integer's infinity is 2147483647, and half of an integer is truncated."""
    values = flow.distance_transform(np.array([5, 0, 9, 9, 9, 2], np.int32), weight=0.5).values
    np.testing.assert_array_equal(values, [0.5, 0, 0.5, 2, 2.5, 2])


def test_a_buffer_that_is_refilled_does_not_change_results(rng):
    # JAX shares the memory of arrays that begin at a multiple of 64 bytes.
    size = 600 * 500
    raw = np.empty(size + 16, np.float32)
    start = (-raw.ctypes.data % 64) // 4
    buffer = raw[start : start + size].reshape(600, 500)
    buffer[:] = rng.normal(size=buffer.shape)
    kept = buffer.copy()
    targets = rng.normal(size=(600, 2)).astype(np.float32)
    found = ridge.statistics(buffer, targets)
    buffer[:] = 0
    assert_same(found, ridge.statistics(kept, targets))


def test_rows_that_are_kept_are_copied(rng):
    block, targets = rng.normal(size=(4, 9)).astype(np.float32), np.ones((4, 1), np.float32)
    sums = ridge.fold_sums(block, targets, folds=np.array([0, 0, 1, 1]), k=2)
    block[:] = 0
    assert np.abs(sums.blocks[0].features).min() > 0


def test_half_precision_is_promoted():
    """In bfloat16 a position of 300 reads 300, but one of 301 reads 302."""
    grid = jnp.arange(512.0)[None, :, None] * jnp.ones((2, 1, 2))
    points = np.array([[300.0, 1.0], [256.0, 0.0]])
    assert_same(flow.sample_flow(grid, points.astype(ml_dtypes.bfloat16)), flow.sample_flow(grid, points))


@pytest.mark.parametrize("case_name", ARGUMENTS, ids=lambda pair: f"{pair[0].name}-{pair[1]}")
def test_another_number_of_dimensions_is_refused(case_name):
    """Broadcasting would answer for some of them."""
    case, name = case_name
    rule = argument_rule(inspect.signature(case.function).parameters[name].annotation)
    if any(kind.middle is not None for kind in rule.arrays):
        pytest.skip("any number of dimensions may come first")
    if not case.arrays[name].shape:
        return
    with pytest.raises(InputError, match=rf"{name} has shape \[1, 1, 1, "):
        case.call(**{name: np.asarray(case.arrays[name])[None, None, None]})


def test_dimensions_of_one_name_have_one_length():
    points = np.zeros((4, 3, 2))
    with pytest.raises(InputError, match=r"truth has shape \[1, 3, 2\].*people = 4, joints = 3"):
        metrics.joint_errors(points, points[:1], np.ones(4))
    with pytest.raises(InputError, match="targets"):
        ridge.fit(np.ones((4, 3)), np.ones((1, 1)), penalty=1.0)


def test_what_entered_once_does_not_open_the_door_to_others():
    costs = np.zeros((4, 4), np.float32)
    for _ in range(3):
        flow.distance_transform(costs)
        with pytest.raises(InputError, match="complex64"):
            flow.distance_transform(costs.astype(np.complex64))
        np.testing.assert_array_equal(flow.distance_transform(costs.astype(np.int32) + 3).values, costs + 3)


def test_whole_numbers_without_a_sign_get_one():
    folds = np.array([0, 0, 1, 1], np.uint8)
    features, targets = np.eye(4, dtype=np.float32), np.ones((4, 1), np.float32)
    errors = [
        ridge.cross_validate(features, targets, folds=one, k=2, penalties=np.ones(1))
        for one in (folds, folds.astype(int))
    ]
    assert_same(*errors)
    with pytest.raises(InputError, match=r"folds .* float64; .* whole numbers"):
        ridge.cross_validate(features, targets, folds=folds / 2, k=2, penalties=np.ones(1))


@pytest.mark.parametrize(
    ("photograph", "hint"),
    [
        (np.zeros((9, 9, 3)), ": 8-bit RGB, from numbers between 0 and 1 by "),
        (np.zeros((9, 9, 3), np.uint16), "$"),
        (np.zeros((9, 9, 4), np.uint8), "$"),
        (np.zeros((9, 9), np.uint8), "$"),
        ("photograph.jpg", "io.read_image` reads a photograph"),
        (Path("photograph.jpg"), "io.read_image` reads a photograph"),
        (Image.new("RGB", (9, 9)), "converts an image of Pillow"),
    ],
    ids=["real", "16 bits", "alpha", "grey", "text", "path", "Pillow"],
)
def test_photographs_are_8_bit_rgb(photograph, hint):
    network, fine = next(iter(backbone.NETWORKS.values())), np.zeros((9, 9, 3), np.uint8)
    for call in (
        lambda: matching.align_photographs(photograph, fine, {}, network=network),
        lambda: images.resize(photograph, (3, 3)),
        lambda: descriptors.pad_to_square(photograph, side_px=9),
    ):
        with pytest.raises(InputError, match=f"of uint8 is expected.*{hint}"):
            call()


@given(st.integers(0, 60), st.integers(1, 17))
def test_every_row_is_in_one_batch_in_order_and_the_last_row_fills_the_last_batch(count, size):
    batches = list(padded_batches(count, size=size))
    assert [len(rows) for rows, _ in batches] == [size] * -(-count // size)
    assert [row for rows, length in batches for row in rows[:length]] == list(range(count))
    for rows, length in batches[:-1]:
        assert length == size == len(set(rows.tolist()))
    for rows, length in batches[-1:]:
        assert set(rows[length:].tolist()) <= {count - 1}


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [(0, 3, []), (1, 3, [([0, 0, 0], 1)]), (3, 3, [([0, 1, 2], 3)]), (4, 3, [([0, 1, 2], 3), ([3, 3, 3], 1)])],
)
def test_small_counts(count, size, expected):
    assert [(rows.tolist(), own) for rows, own in padded_batches(count, size=size)] == expected
