import dataclasses
import re
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from PIL import Image as PillowImage

from convcorr_jax import coords
from convcorr_jax.datasets import (
    IGNORED_LABEL,
    Pair,
    PairSet,
    Record,
    Scoring,
    box_lengths,
    box_of,
    load_image,
    load_label_map,
)
from convcorr_jax.datasets.records import own_lengths
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import PF_WILLOW
from tests.builders.bad_images import encoded

SIZE = coords.Size(20, 30)
SCORINGS = (Scoring(PF_WILLOW, (10.0, 20.0)),)


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)


@pytest.fixture
def record(image: np.ndarray) -> Record:
    points = np.array([[1.0, 2.0], [5.0, 2.0], [np.nan, np.nan]])
    fields = {"names": ("left ear", "right ear", "tail"), "points": points, "left_right_pairs": ((0, 1),)}
    fields |= {"visible": np.array([True, False, False]), "box": coords.Box(0.0, 0.0, 10.0, 10.0)}
    fields |= {"label_map": np.full(SIZE, IGNORED_LABEL, np.uint8), "label_names": ("head",)}
    return Record(image=image, size=SIZE, category="cat", source_id="cat 1", split="train", **fields)


def png(image: np.ndarray) -> bytes:
    return encoded(PillowImage.fromarray(image), "PNG")


@pytest.mark.parametrize(("field", "load"), [("image", load_image), ("label_map", load_label_map)])
def test_pixels_are_the_same_from_memory_bytes_and_file(field: str, load, record: Record, tmp_path: Path):
    pixels, path = getattr(record, field), tmp_path / "image.png"
    path.write_bytes(png(pixels))
    for source in (pixels, png(pixels), path):
        np.testing.assert_array_equal(load(dataclasses.replace(record, **{field: source})), pixels)
    assert load_label_map(dataclasses.replace(record, label_map=None)) is None


@pytest.mark.parametrize(
    ("labels", "sentence"), [(np.full((21, 30), 1), "(21, 30)"), (np.full(SIZE, 2), "have no name")]
)
def test_a_label_map_that_does_not_fit_is_refused_when_loaded(record, labels, sentence):
    wrong = dataclasses.replace(record, label_map=png(labels.astype(np.uint8)))
    with pytest.raises(InputError, match=re.escape(sentence)):
        load_label_map(wrong)


def test_an_image_of_another_size_or_damaged_is_refused_by_the_records_name(record: Record, image: np.ndarray):
    for content, sentence in (
        (png(image[:-1]), r"cat 1.*\(19, 30, 3\).*\(20, 30, 3\) is expected"),
        (b"nothing of the kind", "'cat 1' is not an image"),
        (png(image)[:-100], "'cat 1' is damaged"),
    ):
        with pytest.raises(InputError, match=sentence):
            load_image(dataclasses.replace(record, image=content))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"size": coords.Size(0, 30)}, "size"),
        ({"size": coords.Size(30, 20)}, "shape"),
        ({"image": np.zeros((20, 30), np.uint8)}, "8-bit RGB"),
        ({"image": np.zeros((20, 30, 3), np.float32)}, "8-bit RGB"),
        ({"points": np.zeros((2, 2))}, "one row for each of the 3 names"),
        ({"points": np.zeros((3, 2), np.float32)}, "float64"),
        ({"points": np.array([[0, 0], [0, 0], [np.nan, 0]])}, "NaN in both"),
        ({"points": np.array([[0, 0], [0, 0], [np.inf, 0]])}, "finite"),
        ({"visible": np.array([True, False, True])}, "no position"),
        ({"visible": np.array([1, 0, 0])}, "bool"),
        ({"names": ("ear", "ear", "tail")}, "same name"),
        ({"left_right_pairs": ((0, 3),)}, "distinct indices"),
        ({"left_right_pairs": ((0, 1), (1, 2))}, "distinct indices"),
        ({"box": coords.Box(0.0, 0.0, 0.0, 10.0)}, "area"),
        ({"normalizer_px": 0.0}, "positive"),
        ({"normalizer_px": float("nan")}, "positive"),
        ({"part_sets": {"ears": (0, 3)}}, "part 'ears' names keypoints beyond"),
        ({"other_boxes": {"torso": coords.Box(1.0, 1.0, 1.0, 4.0)}}, "box"),
        ({"attributes": {"scale": float("inf")}}, "attribute 'scale'"),
        ({"label_map": np.zeros((5, 5), np.uint8)}, "label map"),
        ({"label_map": np.full(SIZE, 2, np.uint8)}, "no name"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    record: Record, change: dict, sentence: str, monkeypatch: pytest.MonkeyPatch
):
    # The tests' type checker would speak first; users run without it.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(InputError, match=f"record 'cat 1': .*{sentence}"):
        dataclasses.replace(record, **change)


def test_pairs_must_point_at_records_with_the_same_keypoints_and_lengths(record: Record):
    other = dataclasses.replace(record, names=("left ear", "right ear", "nose"))
    assert PairSet((record, record), (Pair("s", 0, 1),), SCORINGS).pairs[0].target == 1
    for second, pairs, scorings, sentence in (
        (record, (Pair("s", 0, 2),), SCORINGS, "outside the 2 records"),
        (other, (Pair("s", 0, 1),), SCORINGS, "different names"),
        (record, (), (), "a length for each of the 2 records"),
        (record, (), (Scoring(PF_WILLOW, (10.0,)),), "a length for each of the 2 records"),
    ):
        with pytest.raises(InputError, match=sentence):
            PairSet((record, second), pairs, scorings)


def test_lengths_are_those_of_boxes_or_of_the_data_set(record: Record):
    box = coords.Box(0.0, 0.0, 4.0, 7.0)
    known = dataclasses.replace(record, box=box, normalizer_px=3.5)
    assert box_lengths([known], PF_WILLOW) == (PF_WILLOW, (7.0,))
    assert own_lengths([known], PF_WILLOW) == (PF_WILLOW, (3.5,))
    unknown = dataclasses.replace(record, box=None, normalizer_px=None)
    with pytest.raises(InputError, match="'cat 1' has no box, whose longer side normalizes"):
        box_lengths([known, unknown], PF_WILLOW)
    with pytest.raises(InputError, match="'cat 1' has no length that normalizes"):
        own_lengths([known, unknown], PF_WILLOW)
    assert box_of(known) == box
    with pytest.raises(InputError, match="'cat 1' has no box around its object"):
        box_of(unknown)
