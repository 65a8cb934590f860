"""Predicted poses in anybody's file, brought into one layout: people x joints x (x, y), with names.

Which array of the file it is, which of its axes is which and what its joints are is told where it can be: by
the ground truth's number of people, by names in the file, by the order of the ground truth. Where two readings
are left the file is refused; the caller then says which.
"""

from collections.abc import Collection, Iterator
from itertools import permutations
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets.formats import joint_arrays
from convcorr_jax.datasets.joint_orders import ORDERS, Order, joint_name
from convcorr_jax.errors import InputError

Axes = Literal[
    "people-joints-xy",
    "people-xy-joints",
    "joints-people-xy",
    "joints-xy-people",
    "xy-people-joints",
    "xy-joints-people",
]
"""What the axes of an array are, from the first."""

# Names under which predictions are published, likeliest first; others of a file may be the truth.
_KEYS = (
    *("preds", "pred", "predictions", "prediction", "prediction_all", "predAll", "pred_coords"),
    *("pred_keypoints", "keypointsAll", "pos_pred_src", "joints", "keypoints", "points"),
)
# The only arrays of their name and number of joints that were published.
_PUBLISHED: dict[tuple[str, int], Order] = {("prediction_all", 9): "flic-9"}


class Predictions(NamedTuple):
    """Predicted joints, in the file's own pixels."""

    points: Float[np.ndarray, "people joints 2"]
    joints: tuple[str, ...]
    """Their common names, see `joint_orders.common`."""
    source: str
    """Which array was read and how, in words."""


def read(
    path: Path,
    *,
    people: Collection[int],
    own_order: Order,
    order: Order | None = None,
    key: str | None = None,
    axes: Axes | None = None,
) -> Predictions:
    """The predictions of a file.

    Args:
        path: ``.npz``, ``.h5`` or ``.mat``.
        people: the numbers of people that it may have.
        own_order: the order of joints of the ground truth, which an array of as many is taken to be in.
        order: the order of the joints, where the file does not say.
        key: the name of the array, where several may be meant.
        axes: what its axes are, where sizes do not tell.

    Raises:
        InputError: the file cannot be read, has no fitting array, or can be read in two ways.
    """
    found = joint_arrays.read(path)
    named = None if order else _named(found.words)
    sizes = [ORDERS[order]] if order else [named] if named else ORDERS.values()
    counts = {len(names) for names in sizes}
    name, array, layout = _chosen(path, found.arrays, people, counts, key, axes)
    arranged = array.transpose(layout)[..., :2].astype(np.float64)
    where = f"{path}, {name} {array.shape}"
    if order or named is None:
        order = order or _order(where, name, arranged.shape[1], own_order)
        return Predictions(arranged, ORDERS[order], f"{name}, joints in the order {order}")
    return Predictions(arranged, named, f"{name}, joints as the file names them")


def _named(words: Collection[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The one list of a file that names joints, all of them different."""
    lists = []
    for labels in words:
        names = tuple(filter(None, map(joint_name, labels)))
        if len(set(names)) == len(labels) > 1:
            lists.append(names)
    return lists[0] if len(lists) == 1 else None


def _chosen(
    path: Path,
    arrays: dict[str, np.ndarray],
    people: Collection[int],
    counts: Collection[int],
    key: str | None,
    axes: Axes | None,
) -> tuple[str, np.ndarray, tuple[int, ...]]:
    """The name of the array, the array, and its axes of people, joints and coordinates."""
    if key is not None and key not in arrays:
        raise InputError(f"{path} has no array of joints {key!r}; it has {', '.join(arrays)}")
    names = [key] if key else sorted(arrays, key=_rank)
    fits = {name: list(_layouts(arrays[name].shape, people, counts, axes)) for name in names}
    fitting = [name for name in names if fits[name]]
    if not fitting:
        raise InputError(f"{path}: {names[0]} {_mismatch(arrays[names[0]].shape, people, counts)}")
    if len(fitting) > 1 and _rank(fitting[0]) == _rank(fitting[1]):
        raise InputError(
            f"{path} has several arrays that may be predictions: {', '.join(fitting)}; "
            "say which with --key"
        )
    name = fitting[0]
    if len(fits[name]) > 1:
        raise InputError(
            f"{path}: the axes of {name} {arrays[name].shape} can be taken in "
            f"{len(fits[name])} ways; say which with --axes, such as --axes {get_args(Axes)[0]}"
        )
    return name, arrays[name], fits[name][0]


def _rank(name: str) -> int:
    return _KEYS.index(name) if name in _KEYS else len(_KEYS)


def _layouts(
    shape: tuple[int, ...],
    people: Collection[int] | None,
    counts: Collection[int] | None,
    axes: Axes | None = None,
) -> Iterator[tuple[int, ...]]:
    """All ways in which a shape is that of people, joints and coordinates; None allows any number."""
    for layout in permutations(range(3)):
        of_people, of_joints, of_values = (shape[axis] for axis in layout)
        said = [""] * 3
        for axis, word in zip(layout, ("people", "joints", "xy"), strict=True):
            said[axis] = word
        if (
            of_values in (2, 3)
            and (people is None or of_people in people)
            and (counts is None or of_joints in counts)
            and axes in (None, "-".join(said))
        ):
            yield layout


def _mismatch(shape: tuple[int, ...], people: Collection[int], counts: Collection[int]) -> str:
    """What is wrong with an array, as far as its shape tells."""
    wanted = " or ".join(map(str, sorted(people)))
    if layouts := list(_layouts(shape, None, counts)):
        # A few people are sooner as many as some order's joints than the other way round.
        found = shape[max(layouts, key=lambda layout: shape[layout[1]])[0]]
        return f"{shape} is of {found} people; the ground truth is of {wanted}"
    if layout := next(_layouts(shape, people, None), None):
        joints = " or ".join(map(str, sorted(counts)))
        return f"{shape} is of {shape[layout[1]]} joints; {joints} are expected"
    return f"{shape} is not of people x joints x 2, in any order of axes, with {wanted} people"


def _order(where: str, name: str, count: int, own_order: Order) -> Order:
    if count == len(ORDERS[own_order]):
        return own_order
    if published := _PUBLISHED.get((name, count)):
        return published
    known = [order for order, names in ORDERS.items() if len(names) == count]
    if len(known) > 1:
        options = " or ".join(f"--order {order}" for order in known)
        raise InputError(f"{where}: {count} joints come in several orders; say {options}")
    return known[0]
