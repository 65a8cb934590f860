import numpy as np
import pytest
import skimage.data

from convcorr_jax import coords
from convcorr_jax.backbone import NETWORKS
from convcorr_jax.errors import InputError
from convcorr_jax.keypoints import ConvCells, SiftCells, Square
from tests.builders.fitted_models import random_weights

SMALL = Square(box_px=160)


def test_the_receptive_field_of_a_caffenet_candidate_is_the_papers():
    cells = ConvCells(NETWORKS["caffenet"])
    assert cells.field_px == 195
    assert np.ptp(cells.centers[0, :, 0]) // (cells.centers.shape[1] - 1) == 16


@pytest.mark.parametrize(
    "cells", [ConvCells(NETWORKS["alexnet"], ("pool2",), SMALL), SiftCells(SMALL), SiftCells(Square(150, 0))]
)
def test_candidates_lie_in_the_box_and_reach_its_edges(cells):
    centers, box = cells.centers, cells.square.box
    stride = (centers[1, 1] - centers[0, 0])[0]
    assert (centers == centers[..., ::-1].swapaxes(0, 1)).all()
    assert box.x0 <= centers.min() < box.x0 + stride
    assert box.x1 - stride < centers.max() <= box.x1
    every = [SiftCells(Square(box_px, 0.05)) for box_px in range(8, 900, 4)]
    assert max(one.square.box.x0 - one.centers.min() for one in every) <= 0.25


def test_the_square_has_the_box_where_its_transform_puts_it():
    photograph = np.zeros((120, 160, 3), np.uint8)
    photograph[60:63, 80:83] = 255
    box = coords.Box(30.5, 20.5, 110.5, 100.5)
    warped = SMALL.warp(photograph, box)
    image = warped.pyramid[0]
    assert image.shape == (SMALL.side_px, SMALL.side_px, 3)
    expected = SMALL.from_photograph_px(box)(np.array([[81.0, 61.0]]))
    weight = image[..., 0].astype(float)
    middle = np.array([(weight * axis).sum() for axis in np.indices(weight.shape)[::-1]])
    np.testing.assert_allclose(middle / weight.sum(), expected[0], atol=0.05)
    np.testing.assert_allclose(warped.to_photograph_px(expected), [[81.0, 61.0]])
    np.testing.assert_allclose(SMALL.from_photograph_px(box)(np.reshape(box, (2, 2))).ravel(), SMALL.box)


def test_columns_are_those_of_the_cells_at_the_centers():
    """A bright dot changes most the columns of the candidate on which it lies."""
    cells = ConvCells(NETWORKS["alexnet"], ("conv2",), SMALL)
    row, column = 3, 11
    x, y = cells.centers[row, column].astype(int)
    squares = np.full((2, SMALL.side_px, SMALL.side_px, 3), 90, np.uint8)
    squares[1, y - 1 : y + 2, x - 1 : x + 2] = 255
    plain, dotted = np.asarray(cells.describe(squares, random_weights().params))
    rim = cells.window // 2
    assert plain.shape[0] == len(cells.centers) + 2 * rim
    change = np.linalg.norm(dotted - plain, axis=-1)[rim:-rim, rim:-rim]
    rows, columns = np.indices(change.shape)
    assert abs((change * rows).sum() / change.sum() - row) < 0.5
    assert abs((change * columns).sum() / change.sum() - column) < 0.5


def test_sift_is_described_at_the_centers():
    cells = SiftCells(SMALL)
    row, column = 4, 9
    x, y = np.round(cells.centers[row, column]).astype(int)
    squares = np.full((2, SMALL.side_px, SMALL.side_px, 3), 90, np.uint8)
    squares[0, y - 2 : y + 3, x - 2 : x + 3] = 255
    squares[1] = SMALL.warp(skimage.data.chelsea(), coords.Box(10, 10, 60, 70)).pyramid[0]
    both = np.asarray(cells.describe(squares, {}))
    alone = [np.asarray(cells.describe(one[None], {}))[0] for one in squares]
    np.testing.assert_allclose(alone, both, atol=1e-6)
    found = both[0]
    assert found.shape == (*cells.centers.shape[:2], 128)
    # Far from its middle bins a descriptor of the dot is lopsided.
    middle = found.reshape(*found.shape[:2], 4, 4, 8)[:, :, 1:3, 1:3].sum(axis=(2, 3, 4))
    assert np.unravel_index(middle.argmax(), middle.shape) == (row, column)


def test_conv_labels_match_loops(rng):
    cells = ConvCells(NETWORKS["alexnet"], ("conv3",), Square(box_px=300))
    box = cells.square.box
    points = np.array(
        [rng.uniform(box.x0, box.x1, 2), [box.x0, box.y1], [np.nan, np.nan], [-400, 10], [box.x0 - 30, 200]]
    )
    labels = cells.labels(points)
    flat = cells.centers.reshape(-1, 2)
    for k, point in enumerate(points):
        expected = np.zeros(len(flat), int)
        if not np.isnan(point).any():
            nearest = sorted(range(len(flat)), key=lambda i: np.hypot(*(flat[i] - point)))[:10]
            for i in range(len(flat)):
                covers = np.abs(flat[i] - point).max() <= cells.field_px / 2
                expected[i] = (1 if i in nearest else 0) if covers else -1
        assert labels[..., k].ravel().tolist() == expected.tolist()
    assert (labels[..., 0] == 1).sum() == 10
    assert not (labels[..., 3] == 1).any()


def test_sift_labels_match_distances(rng):
    cells = SiftCells(Square(box_px=300))
    points = np.array([rng.uniform(100, 250, 2), [np.nan, np.nan]])
    labels = cells.labels(points)
    distance = np.hypot(*np.moveaxis(cells.centers - points[0], -1, 0))
    assert ((labels[..., 0] == 1) == (distance <= 16)).all()
    assert ((labels[..., 0] == -1) == (distance >= 32)).all()
    assert not labels[..., 1].any()


def test_a_box_without_cells_is_refused():
    with pytest.raises(InputError, match="no cell of conv5"):
        ConvCells(NETWORKS["alexnet"], square=Square(box_px=8, margin=6.0)).centers  # noqa: B018
