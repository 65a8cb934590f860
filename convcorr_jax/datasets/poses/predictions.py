"""Predicted poses from files of any layout, as an array people x joints x (x, y) with names of joints.

The array, its axes and its joints are inferred from the ground truth's number of people, from names in the
file, and from the order of joints in the ground truth. A file that can be read in two ways is refused, and the
caller has to state which is right. If one way is far more common, it is assumed, and ``notes`` mention the
other:

- An array with as many joints as the ground truth has them in the ground truth's order, even if other orders
  have the same number.
- A flat row of numbers is x1, y1, x2, y2, …, not all x before all y.
- A list of names whose length is not the number of joints does not name the joints.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets.poses.ground_truth import Sides
from convcorr_jax.datasets.poses.joint_arrays import JointArrays, read_joint_arrays
from convcorr_jax.datasets.poses.joint_orders import ORDERS, Order, joint_name
from convcorr_jax.errors import InputError

Axes = Literal[
    "people-joints-xy",
    "people-xy-joints",
    "joints-people-xy",
    "joints-xy-people",
    "xy-people-joints",
    "xy-joints-people",
]
"""The axes of an array, from the first to the last."""

# Words in the names of predictions, and words in the names of the ground truth beside them.
_PREDICTED = re.compile(r"pred.*|output.*|result.*|estim.*|detect.*|est|det")
_TRUE = re.compile(r"gt|ground|true|truth|target.*|annot.*")
# The name of predictions in the files of Tompson et al. and their followers, which hold the truth too.
_PUBLISHED_NAME = "keypointsAll"
# Published arrays whose name and number of joints identify their order.
_PUBLISHED: dict[tuple[str, int], Order] = {("prediction_all", 9): "flic-9"}


@dataclass(frozen=True, kw_only=True)
class Interpretation:
    """How a file of predictions is to be read, where the file itself does not state it."""

    sides: Sides | None = None
    """Whose left is left in the predictions, FLIC only; by default observer, as published."""
    order: Order | None = None
    """The order of the predicted joints; by default as the file states it."""
    key: str | None = None
    """The name of the array in the file; needed if several arrays could be the predictions."""
    axes: Axes | None = None
    """The meaning of the array's axes; by default as their sizes imply."""
    first_pixel: Literal[0, 1] | None = None
    """The coordinate of the first pixel in the predictions; by default as in the ground truth's file."""

    @property
    def stated(self) -> str:
        """The options that differ from the defaults, in words."""
        names = [name for name, value in vars(self).items() if value is not None]
        return " and ".join(f"--{name.replace('_', '-')}" for name in names)


AS_STATED = Interpretation()


class Predictions(NamedTuple):
    """Predicted joints."""

    points: Float[np.ndarray, "people joints 2"]
    """Joints (x, y) in the pixels of the file, which may count from 0 or from 1."""
    joints: tuple[str, ...]
    """The joints' common names (`joint_orders.common`)."""
    source: str
    notes: tuple[str, ...]
    """What was assumed or skipped, one sentence each."""


def read_predictions(
    path: Path, *, people: Collection[int], own_order: Order, interpretation: Interpretation = AS_STATED
) -> Predictions:
    """Read the predictions of a file ``.npz``, ``.h5`` or ``.mat``, of one of some numbers of people.

    An array with as many joints as ``own_order``, that of the ground truth, is assumed to have it. The sides
    and the first pixel of ``interpretation`` change nothing here.
    """
    order = interpretation.order
    stored = read_joint_arrays(path, flat_joints=len(ORDERS[order or own_order]))
    lists = () if order else tuple(labels for labels in stored.words if any(map(joint_name, labels)))
    sizes = [ORDERS[order]] if order else [*ORDERS.values(), *lists, *map(_joints_of, lists)]
    name, array, layout = _select(path, stored, people, {*map(len, sizes)}, interpretation)
    points = array.transpose(layout)[..., :2].astype(np.float64)
    count = points.shape[1]
    where = f"{path}, {name} {array.shape}"
    notes = [f"{path}: {skipped} is skipped: {why}" for skipped, why in stored.skipped.items()]
    if name in stored.flat:
        notes.append(f"{where}: its flat rows are taken for x1, y1, x2, y2, ...")
    if labels := _labels(where, lists, count):
        indices = {joint: index for index, label in enumerate(labels) if (joint := joint_name(label))}
        if unknown := [label for label in labels if joint_name(label) is None]:
            notes.append(f"{where}: what its labels call {', '.join(unknown)} is no known joint")
        source = f"{name}, joints as the file names them"
        return Predictions(points[:, [*indices.values()]], tuple(indices), source, tuple(notes))
    if lists:
        notes.append(f"{where}: no list of joints' names in the file is as long, so none is used")
    assumed = order or _order(where, name, count, own_order)
    others = [other for other in _orders(count) if other != assumed]
    if others and order is None:
        notes.append(
            f"{where}: its joints are taken to be in the order {assumed}; as many are in "
            f"{' and '.join(others)}, and --order says which it is"
        )
    source = f"{name}, joints in the order {assumed}"
    return Predictions(points, ORDERS[assumed], source, tuple(notes))


def _joints_of(labels: Sequence[str]) -> Sequence[str]:
    """Return labels without the last one if that is not a joint: heat maps may end in a map of background."""
    return labels if joint_name(labels[-1]) else labels[:-1]


def _labels(where: str, lists: Sequence[Sequence[str]], count: int) -> Sequence[str]:
    """Return the file's list of ``count`` labels, or one of that length without its last; () without one."""
    fitting = [labels for labels in lists if len(labels) == count]
    fitting = fitting or [labels for labels in map(_joints_of, lists) if len(labels) == count]
    readings = {tuple(map(joint_name, labels)): labels for labels in fitting}
    if len(readings) > 1:
        raise InputError(
            f"{where}: {len(readings)} lists of the file name its joints, each in another way; state "
            "their order with --order"
        )
    if not readings:
        return ()
    ((joints, labels),) = readings.items()
    if twice := sorted({joint for joint in joints if joint and joints.count(joint) > 1}):
        raise InputError(
            f"{where}: the file's labels name {', '.join(twice)} twice; state the order of its joints "
            "with --order"
        )
    return labels


def _select(
    path: Path,
    stored: JointArrays,
    people: Collection[int],
    counts: Collection[int],
    interpretation: Interpretation,
) -> tuple[str, np.ndarray, tuple[int, ...]]:
    """Return the name of the predictions, their array, and its axes of people, joints and coordinates."""
    arrays, key, axes = stored.arrays, interpretation.key, interpretation.axes
    skipped = "".join(f"; {name} is skipped: {why}" for name, why in stored.skipped.items())
    if key is not None and key not in arrays:
        raise InputError(f"{path} has no array of joints {key!r}; it has {', '.join(arrays)}{skipped}")
    names = [key] if key else sorted(arrays, key=_means_prediction, reverse=True)
    fits = {name: list(_layouts(arrays[name].shape, people, counts, axes)) for name in names}
    fitting = [name for name in names if fits[name]]
    if not fitting:
        mismatch = _mismatch(arrays[names[0]].shape, people, counts)
        raise InputError(f"{path}: {names[0]} {mismatch}{skipped}")
    likely = [name for name in fitting if _means_prediction(name)]
    unfit = [name for name in (*names, *stored.skipped) if _means_prediction(name)]
    if key is None and unfit and not likely:
        raise InputError(
            f"{path}: {', '.join(unfit)} should be predictions by name but cannot be used, and "
            f"{', '.join(fitting)} may be the truth; state which to score with --key"
        )
    name, *others = likely or fitting
    if others:
        raise InputError(
            f"{path} has several arrays that may be predictions: {', '.join((name, *others))}; "
            "state which with --key"
        )
    if len(fits[name]) > 1:
        raise InputError(
            f"{path}: the axes of {name} {arrays[name].shape} can be taken in "
            f"{len(fits[name])} ways; state which with --axes, such as --axes {get_args(Axes)[0]}"
        )
    return name, arrays[name], fits[name][0]


def _means_prediction(name: str) -> bool:
    """Return whether the name of an array means predictions, unlike "joints", which may be the truth.

    >>> [_means_prediction(name) for name in ("predAll", "my_est", "result.gt", "joints", "detail")]
    [True, True, False, False, False]
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    matches = any(map(_PREDICTED.fullmatch, words)) and not any(map(_TRUE.fullmatch, words))
    return matches or name == _PUBLISHED_NAME


def _layouts(
    shape: tuple[int, ...],
    people: Collection[int] | None,
    counts: Collection[int] | None,
    axes: Axes | None = None,
) -> Iterator[tuple[int, ...]]:
    """Yield the axes of people, joints and coordinates, in every way that fits a shape; None allows any."""
    for layout in permutations(range(3)):
        of_people, of_joints, of_values = (shape[axis] for axis in layout)
        words = [("people", "joints", "xy")[layout.index(axis)] for axis in range(3)]
        if (
            of_values in (2, 3)
            and (people is None or of_people in people)
            and (counts is None or of_joints in counts)
            and axes in (None, "-".join(words))
        ):
            yield layout


def _mismatch(shape: tuple[int, ...], people: Collection[int], counts: Collection[int]) -> str:
    """Return why the shape of an array does not fit, as the end of a sentence."""
    expected = " or ".join(map(str, sorted(people)))
    if layouts := list(_layouts(shape, None, counts)):
        # If two axes can be of joints, the shorter one is more likely of people: a few, as many as the joints
        # of some order.
        count = shape[max(layouts, key=lambda layout: shape[layout[1]])[0]]
        return f"{shape} is of {count} people; the ground truth is of {expected}"
    if layout := next(_layouts(shape, people, None), None):
        joints = " or ".join(map(str, sorted(counts)))
        return f"{shape} is of {shape[layout[1]]} joints; {joints} are expected"
    return f"{shape} is not of people x joints x 2, in any order of axes, with {expected} people"


def _order(where: str, name: str, count: int, own_order: Order) -> Order:
    if count == len(ORDERS[own_order]):
        return own_order
    if published := _PUBLISHED.get((name, count)):
        return published
    known = _orders(count)
    if len(known) > 1:
        options = " or ".join(f"--order {order}" for order in known)
        raise InputError(f"{where}: {count} joints come in several orders; state {options}")
    return known[0]


def _orders(count: int) -> list[Order]:
    return [order for order, names in ORDERS.items() if len(names) == count]
