"""Each data set is tested on its own evaluation split, or on the one that is asked for."""

import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.tasks.reading import choose_splits


@pytest.mark.parametrize(
    ("present", "tested", "expected"),
    [
        (("train", "test"), None, (("train",), "test")),
        (("train", "val"), None, (("train",), "val")),
        (("val", "test", "train"), None, (("train", "val"), "test")),
        # What is tested never trains, and neither does a test split that is not tested.
        (("train", "val", "test"), "val", (("train",), "val")),
        (("train", "common", "challenging"), "challenging", (("train",), "challenging")),
    ],
)
def test_the_evaluation_split_is_tested(present, tested, expected):
    found = choose_splits(present, tested=tested, source="it")
    assert (found.training, found.tested) == expected


def test_an_unusual_split_must_be_named():
    with pytest.raises(InputError, match="train, test, extra; name the one to test, since 'extra'"):
        choose_splits(("train", "test", "extra"), source="it")


@pytest.mark.parametrize(
    ("present", "tested"),
    [
        (("train",), None),
        (("test",), None),
        (("train", "val"), "test"),
        (("train", "test"), "train"),
        (("val", "test"), "val"),
        ((), None),
    ],
)
def test_what_cannot_be_tested_is_refused(present, tested):
    with pytest.raises(InputError, match=r"it has the splits .*; to test .* are expected"):
        choose_splits(present, tested=tested, source="it")
