"""Views, windows and their means against plain loops."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.backbone import (
    NETWORKS,
    Filters,
    ReceptiveField,
    activations,
    filter_shapes,
    grid_size,
    receptive_field,
)
from convcorr_jax.errors import InputError
from convcorr_jax.patches import Origins, all_origins, cells_of, mean_windows, view, view_size, windows

ALEXNET = NETWORKS["alexnet"]


def noise(rng, height, width):
    return rng.integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("size", "longest_px", "expected"),
    [((256, 341), 448, (336, 448)), ((500, 375), 320, (320, 240)), ((20, 900), 448, (64, 448))],
)
def test_sides_are_whole_steps(size, longest_px, expected):
    assert view_size(size, longest_px) == expected


def test_a_view_that_is_too_small_is_refused():
    with pytest.raises(InputError, match="longer side is 63"):
        view_size((100, 100), 63)


def test_a_mirrored_view_is_the_mirror_image(rng):
    photograph = noise(rng, 100, 120)
    plain, mirrored = (view(photograph, longest_px=96, flipped=flipped) for flipped in (False, True))
    assert plain.shape == (80, 96, 3)
    np.testing.assert_array_equal(mirrored, plain[:, ::-1])


@pytest.mark.parametrize("side", [3, 4])
def test_windows_lie_around_their_cells(rng, side):
    image = noise(rng, 30, 40)
    field = ReceptiveField(size_px=11, stride_px=8, first_center_px=5.0)
    cells = np.array([[0, 0], [2, 4], [1, 3]])
    for window, (row, column) in zip(windows(image, cells, field=field, side_px=side), cells, strict=True):
        for i, j in itertools.product(range(side), repeat=2):
            y, x = 5 + 8 * row - side // 2 + i, 5 + 8 * column - side // 2 + j
            np.testing.assert_array_equal(window[i, j], image[np.clip(y, 0, 29), np.clip(x, 0, 39)])


def test_a_window_of_the_field_is_what_the_cell_sees(rng):
    """Pixels outside it do not move the cell's activation; its corners are in it."""
    shapes = list(filter_shapes(ALEXNET).items())[:2]
    params = {name: Filters(jnp.ones(shape), jnp.zeros(shape[-1])) for name, shape in shapes}
    field = receptive_field(ALEXNET, "conv2")
    cell = np.array([[5, 6]])
    ramp = np.arange(128 * 128).reshape(128, 128, 1).repeat(3, -1)

    def response(image):
        inputs = jnp.asarray(image, jnp.float32)[None]
        return float(activations(params, inputs, network=ALEXNET, layers=("conv2",))["conv2"][0, 5, 6, 0])

    places = (ramp % 256).astype(np.uint8), (ramp // 256).astype(np.uint8)
    low, high = (windows(one, cell, field=field, side_px=field.size_px)[0] for one in places)
    inside = np.isin(ramp[..., 0], low[..., 0].astype(int) + 256 * high[..., 0].astype(int))
    assert inside.sum() == field.size_px**2
    everywhere = np.ones((128, 128, 3))
    # Fast convolutions round, in proportion to what other cells answer.
    assert response(np.where(inside[..., None], 0, everywhere)) < 1e-5 * response(everywhere)
    ys, xs = np.nonzero(inside)
    for y, x in itertools.product((ys.min(), ys.max()), (xs.min(), xs.max())):
        dot = np.zeros((128, 128, 3))
        dot[y, x] = 1
        assert response(dot) >= 1


def test_origins_name_every_cell_once():
    sizes = [coords.Size(90, 120), coords.Size(120, 60)]
    found = all_origins(sizes, network=ALEXNET, layer="conv3", longest_px=(128, 96))
    expected = []
    for photograph, size in enumerate(sizes):
        for longest in (128, 96):
            height, width = grid_size(ALEXNET, "conv3", view_size(size, longest))
            every = itertools.product((0, 1), range(height), range(width))
            expected += [(photograph, longest, *one) for one in every]
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


def test_means_equal_a_plain_loop(rng):
    photographs = [noise(rng, 90, 120), noise(rng, 100, 70), noise(rng, 80, 80)]
    sizes = [coords.Size(*one.shape[:2]) for one in photographs]
    field = ReceptiveField(size_px=99, stride_px=16, first_center_px=15.0)
    origins = all_origins(sizes, network=ALEXNET, layer="conv3", longest_px=(128, 96))
    neighbors = rng.integers(0, len(origins.row), (7, 6))
    asked = []

    def photograph(number):
        asked.append(number)
        return photographs[number]

    found = mean_windows(photograph, origins, neighbors, ks=(1, 2, 5), field=field, side_px=21)
    assert found.shape == (3, 7, 21, 21, 3)
    assert sorted(set(asked)) == sorted(asked)
    for k, means in zip((1, 2, 5), found, strict=True):
        for mean, near in zip(means, neighbors, strict=True):
            cut = []
            for patch in near[:k]:
                number, longest, flipped, row, column = (int(part[patch]) for part in origins)
                shown = view(photographs[number], longest_px=longest, flipped=bool(flipped))
                at = np.array([[row, column]])
                cut.append(windows(shown, at, field=field, side_px=21)[0].astype(np.float64))
            # Single precision holds sums of 8-bit numbers exactly; the division rounds.
            np.testing.assert_allclose(mean, np.mean(cut, axis=0), rtol=1e-6)


@pytest.mark.parametrize("ks", [(), (0, 1), (2, 1), (1, 1), (1, 4)])
def test_numbers_of_neighbours_must_rise(ks):
    origins, field = Origins(*[np.zeros(0, np.int32)] * 5), ReceptiveField(99, 16, 15.0)
    black, nearest = np.zeros((20, 20, 3), np.uint8), np.zeros((1, 3), int)
    with pytest.raises(InputError, match="must rise from 1 or more to at most 3"):
        mean_windows(lambda number: black, origins, nearest, ks=ks, field=field, side_px=16)


def test_cells_go_row_by_row():
    assert cells_of(coords.Size(2, 3)).tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
