"""The choice of the records of a data set that train, that are tested, and that are shown as examples."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from convcorr_jax.errors import InputError


class Splits(NamedTuple):
    """The splits of an experiment."""

    training: tuple[str, ...]
    """The splits whose records train."""
    tested: str
    """The split whose records are tested."""


def choose_splits(present: Iterable[str], *, tested: str | None = None, source: object) -> Splits:
    """Choose which splits of a data set train and which one is tested.

    By default the official evaluation split is tested: "test", or "val" where the data set has no annotated
    test split, as PASCAL VOC. The split "train" trains, and so does "val" beside a split "test" that is tested.

    >>> choose_splits(["train", "val"], source="voc2012_segmentation")
    Splits(training=('train',), tested='val')
    >>> choose_splits(["train", "val", "test"], source="camvid")
    Splits(training=('train', 'val'), tested='test')
    >>> choose_splits(["train", "val", "test"], tested="val", source="camvid")
    Splits(training=('train',), tested='val')

    Args:
        present: the split of every record, or each split once.
        tested: the split to test; by default as above.
        source: the name of the data set, for errors.

    Raises:
        InputError: no record is in the tested split or in a split that trains; the tested split trains; or it
            is not named although the data set has other splits than "train", "val" and "test".
    """
    names = dict.fromkeys(present)
    unusual = [name for name in names if name not in ("train", "val", "test")]
    if tested is None and unusual:
        raise InputError(
            f"{source} has the splits {', '.join(names)}; name the one to test, since {unusual[0]!r} may be it"
        )
    if tested is None:
        tested = "test" if "test" in names else "val"
    training = tuple(
        name
        for name in ("train", *(("val",) if tested == "test" else ()))
        if name in names and name != tested
    )
    if tested not in names or not training:
        raise InputError(
            f"{source} has the splits {', '.join(names) or 'none'}; to test {tested!r}, records of "
            f"{tested!r} and of 'train' are expected"
        )
    return Splits(training, tested)


def evenly_spread(count: int, limit: int) -> Int[np.ndarray, " chosen"]:
    """Return at most ``limit`` of the numbers from 0 to ``count - 1``, evenly spread.

    >>> evenly_spread(5, 3).tolist()
    [0, 2, 4]

    Args:
        count: the number of numbers to choose from.
        limit: the number of numbers to choose, at most.
    """
    return np.linspace(0, count - 1, min(count, limit)).astype(int)
