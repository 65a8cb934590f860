"""Records of several sources that are read when they are indexed."""

import numpy as np
import pytest

from convcorr_jax import coords
from convcorr_jax.datasets import GeneratedRecords, Record, Selection, fingerprint


def record(name, split="train"):
    size = coords.Size(2, 3)
    image = np.full((*size, 3), len(name), np.uint8)
    return Record(image=image, size=size, category="cat", source_id=name, split=split)


class Computed(GeneratedRecords):
    """Records whose computations are counted."""

    def __init__(self, version=1, count=4):
        self.version = version
        self.count = count
        self.computed = []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.computed.append(index)
        return record(f"computed {index}", self.split(index))

    def split(self, position):
        return ("train", "test")[position % 2]

    def identity(self, position):
        return f"{self.version} {position};"


def ids(records):
    return [one.source_id for one in records]


def test_sources_follow_one_another_and_numbers_choose():
    computed, listed = Computed(), [record("a"), record("b", "test")]
    joined = Selection.of(Selection.of(computed), Selection.of(listed, listed[:1]))
    assert len(joined) == 7
    assert ids(joined) == [*(f"computed {i}" for i in range(4)), "a", "b", "a"]
    assert ids(joined[3:6:2]) == ["computed 3", "b"]
    assert joined[-2].source_id == "b"
    chosen = joined.take(np.array([5, 0, 5]))
    assert ids(chosen) == ["b", "computed 0", "b"]
    assert ids(chosen.take(np.array([1]))) == ["computed 0"]
    with pytest.raises(IndexError):
        joined[7]
    assert len(Selection.of()) == len(Selection.of([])) == 0


def test_splits_and_fingerprints_compute_no_record():
    computed = Computed(count=1000)
    selection = Selection.of(computed, [record("a")])
    assert selection.splits() == [*(500 * ["train", "test"]), "train"]
    first = fingerprint(selection)
    # None, but for single records whose type the run-time type checker checks.
    assert len(computed.computed) < 10
    assert fingerprint(Selection.of(Computed(count=1000), [record("a")])) == first
    assert fingerprint(Selection.of(Computed(version=2, count=1000), [record("a")])) != first
    assert fingerprint(selection.take(np.roll(np.arange(1001), 1))) != first


def test_records_that_are_not_computed_have_the_fingerprint_of_a_list():
    listed = [record("a"), record("bc")]
    assert fingerprint(Selection.of(listed)) == fingerprint(listed)
