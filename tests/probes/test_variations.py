import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.errors import InputError
from convcorr_jax.probes import Variation, class_shares, variation_image, variations
from convcorr_jax.probes.rgb import MIN_CROP_FRACTION

SIZE = coords.Size(90, 120)


def test_the_first_are_the_photograph_and_its_mirror_image(rng):
    photograph = rng.integers(0, 256, (30, 30, 3), np.uint8)
    plain, mirrored = (
        variation_image(photograph, one, side_px=30) for one in variations(coords.Size(30, 30), count=2, seed=0)
    )
    np.testing.assert_array_equal(plain, photograph)
    np.testing.assert_array_equal(mirrored, photograph[:, ::-1])


def test_crops_lie_inside_and_differ():
    found = variations(SIZE, count=60, seed=3)
    boxes = np.array([one.box for one in found])
    whole = np.array(coords.whole_image(SIZE))
    assert (boxes[:, :2] >= whole[:2]).all()
    assert (boxes[:, 2:] <= whole[2:]).all()
    shares = (boxes[:, 2:] - boxes[:, :2]) / (whole[2:] - whole[:2])
    assert (shares >= MIN_CROP_FRACTION).all()
    assert shares[2:].max() < 1
    # Width, height and both edges vary independently.
    assert np.abs(np.corrcoef(shares[2:].T)[0, 1]) < 0.5
    assert len(np.unique(boxes[2:], axis=0)) == 58
    assert [one.mirrored for one in found[:6]] == [False, True] * 3
    assert variations(SIZE, count=4, seed=3) == found[:4]
    assert variations(SIZE, count=4, seed=4) != found[:4]


@pytest.mark.parametrize("seed", range(4))
def test_image_and_labels_move_together(seed):
    """One bright pixel, and its label, are in the same cell of every variation that contains it."""
    row, column = 44, 61
    photograph, labels = np.zeros((*SIZE, 3), np.uint8), np.zeros(SIZE, np.uint8)
    photograph[row, column], labels[row, column] = 255, 1
    side = 15
    for variation in variations(SIZE, count=10, seed=seed):
        to_cells = coords.box_to_size(variation.box, (side, side))
        place = to_cells(np.array([column, row], float))
        if variation.mirrored:
            place[0] = side - 1 - place[0]
        # On the edge of two cells, either may contain more of the pixel.
        if np.abs(place - np.rint(place)).max() > 0.4 or np.abs(place - side / 2).max() > side / 2 - 1:
            continue
        image = variation_image(photograph, variation, side_px=side)[..., 0]
        shares = class_shares(labels, variation, classes=2, side=side)[..., 1]
        expected = tuple(np.rint(place[::-1]).astype(int))
        assert np.unravel_index(image.argmax(), image.shape) == expected
        assert np.unravel_index(shares.argmax(), shares.shape) == expected


def test_every_second_crop_is_mirrored_after_it_is_cut_out(rng):
    photograph = rng.integers(0, 256, (*SIZE, 3), np.uint8)
    box = coords.Box(9.5, -0.5, 39.5, 29.5)
    found = variation_image(photograph, Variation(box, mirrored=True), side_px=30)
    np.testing.assert_array_equal(found, photograph[:30, 10:40][:, ::-1])


def test_no_variation_is_refused():
    with pytest.raises(InputError, match="0 variations are asked for"):
        variations(SIZE, count=0, seed=0)
