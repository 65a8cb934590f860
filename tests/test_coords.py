"""The coordinate convention: laws of transforms, and a bright pixel that goes where its point goes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcorr_jax import coords, images
from convcorr_jax.errors import InputError

scales = st.floats(0.05, 20.0) | st.floats(-20.0, -0.05)
shifts = st.floats(-1e3, 1e3)
pairs = st.tuples(scales, scales), st.tuples(shifts, shifts)
transforms = st.builds(lambda scale, shift: coords.Transform(np.array(scale), np.array(shift)), *pairs)
places = st.lists(st.tuples(shifts, shifts), min_size=1, max_size=5).map(np.array)
boxes = st.builds(
    lambda x0, y0, width, height: coords.Box(x0, y0, x0 + width, y0 + height),
    *(shifts, shifts, st.floats(0.1, 1e3), st.floats(0.1, 1e3)),
)
sizes = st.tuples(st.integers(1, 500), st.integers(1, 500))
# Coordinates reach 1e3 * 20 * 20; double precision leaves about ten digits of that after three maps.
CLOSE = {"rtol": 1e-9, "atol": 1e-6}


@given(transforms, places)
def test_inverting_undoes(transform, points):
    np.testing.assert_allclose(transform.inverse(transform(points)), points, **CLOSE)


@given(transforms, transforms, places)
def test_composing_applies_the_inner_one_first(outer, inner, points):
    np.testing.assert_allclose((outer @ inner)(points), outer(inner(points)), **CLOSE)


@given(transforms, transforms, transforms, places)
def test_composing_is_associative(a, b, c, points):
    np.testing.assert_allclose((a @ b @ c)(points), (a @ (b @ c))(points), **CLOSE)


@given(transforms, transforms)
def test_the_inverse_of_a_composition_is_the_reverse_composition(outer, inner):
    for one, other in zip((outer @ inner).inverse, inner.inverse @ outer.inverse, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-4)


@given(boxes, sizes)
def test_a_box_fills_the_size_edge_to_edge(box, size):
    corners = np.array([[box.x0, box.y0], [box.x1, box.y1]])
    whole = coords.whole_image(size)
    np.testing.assert_allclose(
        coords.box_to_size(box, size)(corners), [[whole.x0, whole.y0], [whole.x1, whole.y1]], **CLOSE
    )


@given(sizes, sizes, sizes)
def test_resizing_twice_is_resizing_once(first, second, third):
    twice = coords.resize(second, third) @ coords.resize(first, second)
    for one, other in zip(twice, coords.resize(first, third), strict=True):
        np.testing.assert_allclose(one, other, **CLOSE)


def test_resizing_keeps_the_middle_and_is_about_pixel_centers():
    # The middle of five pixels is 2; of ten, 4.5. The first centre of ten lies at -0.25 of the five.
    doubled = coords.resize((5, 5), (10, 10))(np.array([[2.0, 2.0], [0.0, 4.0]]))
    np.testing.assert_allclose(doubled, [[4.5, 4.5], [0.5, 8.5]])


def test_a_crop_counts_from_the_edge_of_its_box():
    # A box whose edges are those of pixels (columns 3 and on, rows 2 and on) has pixel (3, 2) as its first.
    crop = coords.crop(coords.Box(2.5, 1.5, 9.5, 9.5))
    np.testing.assert_array_equal(crop(np.array([[3.0, 2.0]])), [[0.0, 0.0]])


@given(boxes, st.floats(0.0, 2.0))
def test_growing_keeps_the_middle_and_scales_the_sides(box, margin):
    grown = coords.grow(box, margin)
    assert grown.x0 + grown.x1 == pytest.approx(box.x0 + box.x1, abs=1e-6)
    assert grown.y0 + grown.y1 == pytest.approx(box.y0 + box.y1, abs=1e-6)
    assert grown.width == pytest.approx((1 + 2 * margin) * box.width)
    assert grown.height == pytest.approx((1 + 2 * margin) * box.height)


def test_grid_cells_lie_a_stride_apart():
    cells = coords.grid((16, 8), (17, 9))(coords.cell_grid((2, 3)))
    assert (cells[0, 0].tolist(), cells[1, 2].tolist()) == ([17, 9], [17 + 2 * 16, 9 + 8])


def test_absent_points_stay_absent():
    moved = coords.resize((4, 4), (8, 8))(np.array([[np.nan, np.nan], [1.0, 1.0]]))
    assert np.isnan(moved[0]).all()
    assert not np.isnan(moved[1]).any()


def test_it_works_under_jit_and_vmap_as_on_the_host(rng):
    transform = coords.Transform(np.array([2.0, 3.0], np.float32), np.array([1.0, -1.0], np.float32))
    points = rng.standard_normal((4, 5, 2)).astype(np.float32)
    expected = transform(points)
    on_device = jax.tree.map(jnp.asarray, transform)
    np.testing.assert_allclose(
        jax.jit(coords.Transform.__call__)(on_device, jnp.asarray(points)), expected, rtol=1e-6
    )
    np.testing.assert_allclose(jax.vmap(on_device)(jnp.asarray(points)), expected, rtol=1e-6)
    identity = jax.jit(lambda transform: transform.inverse @ transform)(on_device)
    np.testing.assert_allclose(identity.scale, np.ones(2), rtol=1e-6)
    np.testing.assert_allclose(identity.shift, np.zeros(2), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float16])
def test_points_of_any_real_type_are_mapped_in_double_precision(dtype):
    moved = coords.resize((4, 4), (2, 2))(np.array([[0, 3]], dtype))
    assert moved.dtype == np.float64
    np.testing.assert_array_equal(moved, [[-0.25, 1.25]])


@pytest.mark.parametrize("shape", [(), (1,), (3, 1), (2, 3), (0,)])
def test_points_of_another_shape_are_refused(shape):
    with pytest.raises(InputError, match="of x and y is expected"):
        coords.resize((4, 4), (8, 8))(np.zeros(shape))


def test_only_transforms_are_composed():
    transform = coords.resize((4, 4), (8, 8))
    with pytest.raises(TypeError, match="does not support ufuncs"):
        transform @ np.eye(2)
    with pytest.raises(TypeError, match="unsupported operand"):
        np.eye(2) @ transform


def test_the_tight_box_ignores_absent_points():
    points = np.array([[4.0, 7.0], [np.nan, np.nan], [1.0, 9.0]])
    assert coords.tight_box(points) == coords.Box(1.0, 7.0, 4.0, 9.0)


@pytest.mark.parametrize("kind", [np.float64, np.float32, jnp.float32])
def test_points_on_the_edges_are_inside(kind):
    whole = coords.whole_image((40, 56))
    inside = [(-0.5, 3.0), (55.5, 3.0), (3.0, -0.5), (3.0, 39.5)]
    beyond = [(-0.6, 3.0), (55.6, 3.0), (3.0, -0.6), (3.0, 39.6)]
    beyond += [(np.nan, np.nan), (np.nan, 3.0), (3.0, np.inf)]
    points = (jnp.asarray if kind is jnp.float32 else np.asarray)(inside + beyond, dtype=kind)
    expected = [True] * len(inside) + [False] * len(beyond)
    assert coords.inside(points, whole).tolist() == expected
    assert jax.jit(coords.inside)(jnp.asarray(points, jnp.float32), whole).tolist() == expected


@given(places, boxes)
def test_inside_is_between_the_edges(points, box):
    expected = [box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1 for x, y in points]
    assert coords.inside(points, box).tolist() == expected
    corners = np.array([box[:2], box[2:], (box.x0, box.y1), (box.x1, box.y0), box.center])
    assert coords.inside(corners, box).all()


@given(places, st.integers(1, 500))
def test_mirroring_twice_is_nothing(points, width):
    pairs = ((0, len(points) - 1),) if len(points) > 1 else ()
    once = coords.flip_points(points, width=width, left_right_pairs=pairs)
    np.testing.assert_allclose(coords.flip_points(once, width=width, left_right_pairs=pairs), points, atol=1e-9)


def test_mirroring_moves_a_bright_pixel_with_its_point_and_swaps_left_and_right(rng):
    image = np.zeros((6, 9, 3), np.uint8)
    points = np.array([[2.0, 1.0], [7.0, 4.0], [4.0, 3.0]])
    for value, (x, y) in enumerate(points.astype(int), 1):
        image[y, x] = value
    flipped = coords.flip_points(points, width=9, left_right_pairs=((0, 1),))
    values = images.flip(image)[flipped[:, 1].astype(int), flipped[:, 0].astype(int), 0]
    assert values.tolist() == [2, 1, 3]


@pytest.mark.parametrize("asarray", [np.asarray, jnp.asarray])
def test_linear_weights_interpolate_and_are_constant_beyond_the_samples(rng, asarray):
    values = rng.normal(size=6).astype(np.float32)
    positions = np.concatenate([rng.uniform(-2, 8, 30), np.arange(6)]).astype(np.float32)
    weights = coords.linear_weights(asarray(positions), 6)
    assert isinstance(weights, type(asarray(positions)))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(weights @ values, np.interp(positions, range(6), values), atol=1e-5)
    assert np.isnan(coords.linear_weights(np.array([np.nan]), 3)).all()
