import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convcorr_jax.coords import Size
from convcorr_jax.datasets import IGNORED_LABEL, load_label_map
from convcorr_jax.datasets.compact import scenes
from convcorr_jax.errors import InputError
from tests.builders.compact_folders import CAMVID_MASK, CAMVID_META, write_camvid
from tests.builders.fuzzing import FUZZ
from tests.builders.genuine import genuine


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_camvid(tmp_path)


def test_frames_come_with_their_labels(folder: Path):
    records = list(scenes.read_camvid(folder))
    assert [(record.source_id, record.split) for record in records] == [
        ("b", "train"),
        ("a", "train"),
        ("c", "test"),
    ]
    assert records[0].size == Size(16, 20)
    assert records[0].label_names == ("sky", "road")
    labels = load_label_map(records[0])
    assert labels is not None
    expected = np.select([CAMVID_MASK == 0, CAMVID_MASK == 1], [1, 2], IGNORED_LABEL)
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "meta.json").unlink(), "does not exist; a CamVid meta data"),
        (lambda folder: (folder / "meta.json").write_text("[1"), "is damaged, or is no CamVid meta data"),
        (lambda folder: (folder / "masks/a.png").unlink(), r"a\.png does not exist"),
        (lambda folder: shutil.copy(folder / "images/a.jpg", folder / "masks/a.png"), "a RGB image"),
    ],
)
def test_what_is_damaged_is_named(folder: Path, damage, sentence: str):
    damage(folder)
    with pytest.raises(InputError, match=sentence):
        list(scenes.read_camvid(folder))


def test_stems_that_leave_the_folder_are_refused(folder: Path):
    (folder / "meta.json").write_text(json.dumps(CAMVID_META | {"splits": {"train": ["../images/a"]}}))
    with pytest.raises(InputError, match="must be a path inside the folder"):
        list(scenes.read_camvid(folder))


@FUZZ
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["classes", "ignore_index", "splits", "train"]), inner)
        ),
        max_leaves=8,
    )
)
def test_any_meta_data_is_read_or_refused(folder: Path, meta):
    (folder / "meta.json").write_text(json.dumps(meta))
    try:
        records = list(scenes.read_camvid(folder))
    except InputError:
        return
    assert all(record.category == "street" for record in records)


def test_the_compact_copy_is_whole():
    splits = [record.split for record in scenes.read_camvid(genuine("camvid"))]
    assert {split: splits.count(split) for split in set(splits)} == {"train": 367, "val": 101, "test": 233}


@pytest.mark.parametrize(
    ("meta", "sentence"),
    [
        ({"ignore_index": 2}, "pixels of none of 2 classes"),
        ({"classes": ["sky"]}, "pixels of none of 1 classes"),
        ({"classes": [str(number) for number in range(255)]}, "below 255 are expected"),
    ],
)
def test_pixels_of_no_class_never_become_background(folder: Path, meta: dict, sentence: str):
    """Counted from 1 in 8 bits, the mask's 255 would be 0."""
    (folder / "meta.json").write_text(json.dumps(CAMVID_META | meta))
    with pytest.raises(InputError, match=sentence):
        list(scenes.read_camvid(folder))
