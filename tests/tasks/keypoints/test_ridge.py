"""Features of boxes, and ridge regressions that see no label of the objects that they are tested on."""

import dataclasses

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.backbone import NETWORKS
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.tasks.keypoints import (
    RGB,
    RGB_SIDE_PX,
    Category,
    RidgeOptions,
    box_features,
    predict_by_ridge,
)
from tests.builders.records import record_of

WEIGHTS = Weights({}, NETWORKS["alexnet"], "none", ())
OPTIONS = RidgeOptions("pool5", False, 0.0)


def category_of(records, folds):
    points, visible = (np.stack([getattr(one, field) for one in records]) for field in ("points", "visible"))
    return Category(records[0].category, records[0].names, tuple(records), points, visible, np.array(folds))


def bright_pixel(x, y):
    """A dark photograph with a bright pixel, which is the left of two keypoints."""
    image = np.zeros((64, 128, 3), np.uint8)
    image[y, x] = 255
    points, box = np.array([[x, y], [np.nan, np.nan]], float), coords.Box(31.5, 7.5, 95.5, 39.5)
    sides = {"names": ("l_dot", "r_dot"), "left_right_pairs": ((0, 1),)}
    return record_of(image, source_id=f"{x} {y}", points=points, box=box, **sides)


def test_a_bright_pixel_lies_where_its_point_says_mirrored_too(tmp_path):
    records = (bright_pixel(40, 17), bright_pixel(77, 30))
    seen = box_features(category_of(records, [-1, 0]), WEIGHTS, layer=RGB, margin=0.5, folder=tmp_path)
    assert seen.objects.tolist() == [0, 0, 1, 1]
    assert seen.mirrored.tolist() == [False, True, False, True]
    pictures = seen.features.reshape(4, RGB_SIDE_PX, RGB_SIDE_PX, 3)
    for picture, points, mirrored in zip(pictures, seen.points, seen.mirrored, strict=True):
        # In a mirror the left one is the right one.
        assert np.isnan(points[:, 0]).tolist() == [mirrored, not mirrored]
        place = (points[int(mirrored)] + 0.5) * RGB_SIDE_PX - 0.5
        row, column = np.unravel_index(picture[..., 0].argmax(), picture.shape[:2])
        assert abs(place - [column, row]).max() <= 0.5
    for number in range(2):
        back = seen.to_photograph_px[number](seen.points[2 * number])
        np.testing.assert_allclose(back[0], records[number].points[0])


@pytest.fixture
def category(rng):
    """Eight training and four tested squares of noise, whose keypoints are anywhere."""
    images, points = rng.integers(0, 256, (12, 40, 40, 3), np.uint8), rng.uniform(0, 39, (12, 2, 2))
    fields = {"names": ("a", "b"), "box": coords.whole_image((40, 40))}
    records = [
        record_of(images[i], source_id=str(i), split=split, points=points[i], **fields)
        for i, split in enumerate(["train"] * 8 + ["test"] * 4)
    ]
    return category_of(records, np.repeat([-1, 0], [8, 4]))


@pytest.mark.parametrize("method", ["rgb", "mean"])
def test_the_points_of_tested_objects_choose_nothing(category, method, tmp_path):
    moved = category.points.copy()
    moved[category.tested] = moved[category.tested][:, ::-1] + 3
    found, again = (
        predict_by_ridge(each, WEIGHTS, OPTIONS, method=method, folder=tmp_path / str(number))
        for number, each in enumerate((category, dataclasses.replace(category, points=moved)))
    )
    np.testing.assert_array_equal(found, again)
    moved = category.points.copy()
    moved[0] += 3
    trained = dataclasses.replace(category, points=moved)
    different = predict_by_ridge(trained, WEIGHTS, OPTIONS, method=method, folder=tmp_path / "trained")
    assert (different != found).any()
