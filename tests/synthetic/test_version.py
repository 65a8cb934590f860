"""Rendered pixels and annotations change only together with `GENERATOR_VERSION`."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from convcorr_jax.datasets import Record, load_image
from convcorr_jax.synthetic import CATEGORIES, GENERATOR_VERSION, render, warped_pair

_BLOCK_PX = 32
# The version of the values below. New values need a new version.
_STORED_VERSION = 1
_TABLE = """
person a07f8962c2 30.65 68.5 55.92 196.64 92.74 40.06 8.02 24.65 16.46 130.48 94.17 51.96 7.33 7.74
face 85753f71c9 138.98 100.78 93.17 114.36 71.88 56.35 96.27 58.32 52.82 105.11 67.22 58.82 11.27 11.72
quadruped 03e5bd0374 118.11 111.22 110.21 112.79 105.22 104.95 108.37 104.92 103.82 103.34 97.84 97.15 4.45 7.66
car e75e91d4a8 110.59 104.63 113.67 76.44 73.8 79.48 109.69 102.48 109.05 38.79 38.42 42.55 10.08 9.99
warped 6b8ffc9d7e 107.88 99.0 85.73 135.94 123.63 111.28 151.28 82.45 62.61 111.82 72.86 60.96 10.62 11.26
warped 7ce490d200 136.02 107.14 96.09 165.35 148.4 134.11 178.72 77.84 58.05 69.8 47.2 39.45 12.6 16.27
"""
_STORED: dict[str, list[tuple[str, np.ndarray]]] = {}
"""By name: the checksum of the annotation and the statistics of the image, of every record."""
for _name, _checksum, *_numbers in map(str.split, _TABLE.strip().splitlines()):
    _STORED.setdefault(_name, []).append((_checksum, np.array(_numbers, float)))


def annotation_checksum(record: Record) -> str:
    """Hash the annotation, with positions rounded to a thousandth of a pixel.

    Rounding makes the checksum independent of the last bits of exponentials, which differ between processors.
    """

    def rounded(values: object) -> list:
        return np.round(np.asarray(values, float), 3).tolist()

    annotation = {
        **{"id": record.source_id, "split": record.split, "names": record.names, "labels": record.label_names},
        **{"points": rounded(record.points), "visible": record.visible.tolist()},
        **{"pairs": record.left_right_pairs, "parts": dict(record.part_sets)},
        **{"box": rounded(record.box), "normalizer": rounded(record.normalizer_px)},
        "attributes": {name: rounded(value) for name, value in record.attributes.items()},
        "label map": hashlib.sha256(record.label_map.tobytes()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(annotation, sort_keys=True).encode()).hexdigest()[:10]


def image_statistics(record: Record) -> list[float]:
    """Compute the mean colour of every block, and the mean difference between neighbouring pixels.

    The means depend on light, colour and content, the differences on texture, blur and noise. Neither depends
    much on single pixels, whose values may differ by one between processors.
    """
    pixels = load_image(record).astype(float)
    height, width = record.size
    blocks = pixels.reshape(height // _BLOCK_PX, _BLOCK_PX, width // _BLOCK_PX, _BLOCK_PX, 3)
    differences = [np.abs(np.diff(pixels, axis=axis)).mean() for axis in (0, 1)]
    return [*blocks.mean(axis=(1, 3)).ravel().tolist(), *differences]


def generated(name: str) -> tuple[Record, ...]:
    """Return a small rendered instance, or both records of a pair of warped photographs."""
    if name == "warped":
        pair = warped_pair(0, seed=6, longest_px=64)
        return pair.source, pair.target
    return (render(name, seed=6, index=0, size=(64, 64)),)


def test_the_stored_values_belong_to_the_version():
    assert GENERATOR_VERSION == _STORED_VERSION
    assert set(_STORED) == {*CATEGORIES, "warped"}


@pytest.mark.parametrize("name", _STORED)
def test_pixels_and_annotations_change_only_with_the_version(name: str):
    for record, (checksum, statistics) in zip(generated(name), _STORED[name], strict=True):
        advice = f"{record.source_id} changed: increase GENERATOR_VERSION and store new values"
        assert annotation_checksum(record) == checksum, advice
        # The stored values have two decimals; a pixel that differs by one level changes a mean by 0.001.
        np.testing.assert_allclose(image_statistics(record), statistics, atol=0.1, err_msg=advice)


def test_a_changed_point_label_or_light_is_noticed():
    (record,) = generated("face")
    ((checksum, statistics),) = _STORED["face"]
    for change in (
        {"points": record.points + 0.01},
        {"label_map": np.where(record.label_map == 2, 1, record.label_map)},
    ):
        assert annotation_checksum(replace(record, **change)) != checksum
    brighter = replace(record, image=load_image(record) + np.uint8(1))
    assert np.abs(np.subtract(image_statistics(brighter), statistics)).max() > 0.5
