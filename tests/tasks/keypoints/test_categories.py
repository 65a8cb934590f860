"""Categories of a data set: fifteen points of faces, folds, and fingerprints."""

import dataclasses

import numpy as np
import pytest

from convcorr_jax.datasets.official import ibug
from convcorr_jax.errors import InputError
from convcorr_jax.tasks import CategoryData, reading
from convcorr_jax.tasks.keypoints import FACE_POINTS, read_categories, with_face_points
from tests.builders.records import record_of

BLACK = np.zeros((8, 8, 3), np.uint8)


def test_faces_exchange_their_sides_in_a_mirror():
    points = np.ones((len(ibug.MARKUP.names), 2))
    named = with_face_points(record_of(BLACK, category="face", names=ibug.MARKUP.names, points=points))
    names = list(FACE_POINTS)
    assert {(names[a], names[b]) for a, b in named.left_right_pairs} == {
        (name, f"r{name[1:]}") for name in names if name.startswith("l_")
    }
    assert len(named.left_right_pairs) == 6


def records_of(splits):
    dot = {"category": "dot", "names": ("dot",)}
    return [
        record_of(BLACK, split=split, source_id=str(number), points=np.array([[number, 2.0]]), **dot)
        for number, split in enumerate(splits)
    ]


@pytest.fixture
def read_as(monkeypatch):
    """Reads categories from records in memory."""

    def read(records):
        monkeypatch.setattr(reading, "read", lambda *arguments, **options: records)
        return read_categories(CategoryData("any"))

    return read


def test_an_object_without_a_box_is_refused(read_as):
    (category,) = read_as([dataclasses.replace(one, box=None) for one in records_of(("train", "test"))])
    with pytest.raises(InputError, match="has no box around its object"):
        _ = category.boxes


@pytest.mark.parametrize(
    ("splits", "folds", "tested"),
    [
        (("train", "test", "train"), [-1, 0, -1], (0,)),
        (("train", "val", "val"), [-1, 0, 0], (0,)),
        (("train", "val", "test"), [-1, -1, 0], (0,)),
        (("all", "all", "all"), [0, 1, 2], (0, 1, 2)),
    ],
)
def test_folds_follow_the_official_split(read_as, splits, folds, tested):
    (category,) = read_as(records_of(splits))
    assert (category.folds.tolist(), category.tested_folds) == (folds, tested)
    assert category.tested.tolist() == [i for i, fold in enumerate(folds) if fold >= 0]


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (("train",), "'dot' has one object; at least two are expected"),
        (("train", "train"), "has the splits train; to test 'val'"),
        (("train", "test", "extra"), "name the one to test, since 'extra' may be it"),
    ],
)
def test_unusable_splits_are_refused(read_as, splits, message):
    with pytest.raises(InputError, match=message):
        read_as(records_of(splits))


def test_different_keypoints_of_one_category_are_refused(read_as):
    first, second = records_of(("train", "test"))
    with pytest.raises(InputError, match="'dot' do not share named keypoints"):
        read_as([first, dataclasses.replace(second, names=("other",))])


def test_a_changed_point_or_image_changes_the_fingerprint(read_as):
    records = records_of(("train", "test"))
    (category,) = read_as(records)
    assert read_as(records)[0].fingerprint == category.fingerprint
    moved = dataclasses.replace(records[1], points=records[1].points + 1)
    for changed in (moved, dataclasses.replace(records[1], image=np.ones((8, 8, 3), np.uint8))):
        assert read_as([records[0], changed])[0].fingerprint != category.fingerprint
