"""Predicted poses in anybody's file, brought into one layout: people x joints x (x, y), with names.

Which array of the file it is, which of its axes is which and what its joints are is told where it can be: by
the ground truth's number of people, by names in the file, by the order of the ground truth. Where two readings
are left the file is refused; the caller then says which. Where one of them is what nearly everybody means, it
is taken, and ``notes`` tell of the other:

- As many joints as the ground truth has are in its order, though other orders have as many: whoever predicts
  the joints of a release as they come need not say so.
- A flat row of numbers is x1, y1, x2, y2, …, and not first all x.
- Lists of joints' names that are not as long as there are joints are of something else.
"""

import re
from collections.abc import Collection, Iterator, Sequence
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

# Words in the names of predictions, by their beginnings or whole, and words that mean the truth beside them.
_PREDICTED = re.compile(r"pred.*|output.*|result.*|estim.*|detect.*|est|det")
_TRUE = re.compile(r"gt|ground|true|truth|target.*|annot.*")
# What Tompson et al. and their followers call predictions, in files that hold the truth too.
_PUBLISHED_NAME = "keypointsAll"
# The only arrays of their name and number of joints that were published.
_PUBLISHED: dict[tuple[str, int], Order] = {("prediction_all", 9): "flic-9"}


class Predictions(NamedTuple):
    """Predicted joints, in the file's own pixels."""

    points: Float[np.ndarray, "people joints 2"]
    joints: tuple[str, ...]
    """Their common names, see `joint_orders.common`."""
    source: str
    """Which array was read and how, in words."""
    notes: tuple[str, ...]
    """What else might have been meant, a sentence each."""


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
        InputError: the file cannot be read, has no fitting array, or can be read in two ways; or a list of
            as many labels as there are joints names one of them twice.
    """
    found = joint_arrays.read(path, flat_joints=len(ORDERS[order or own_order]))
    lists = () if order else tuple(filter(_name_joints, found.words))
    sizes = [ORDERS[order]] if order else [*ORDERS.values(), *lists, *map(_joints_of, lists)]
    name, array, layout = _chosen(path, found, people, {*map(len, sizes)}, key, axes)
    points = array.transpose(layout)[..., :2].astype(np.float64)
    count = points.shape[1]
    where = f"{path}, {name} {array.shape}"
    notes = [f"{path}: {one} is skipped: {why}" for one, why in found.skipped.items()]
    if name in found.flat:
        notes.append(f"{where}: its flat rows are taken for x1, y1, x2, y2, ...")
    if labels := _labels(where, lists, count):
        places = {
            joint: place for place, label in enumerate(labels) if (joint := joint_name(label))
        }
        if unknown := [label for label in labels if joint_name(label) is None]:
            notes.append(f"{where}: what its labels call {', '.join(unknown)} is no known joint")
        source = f"{name}, joints as the file names them"
        return Predictions(points[:, [*places.values()]], tuple(places), source, tuple(notes))
    if lists:
        notes.append(f"{where}: no list of joints' names in the file is as long, so none is used")
    taken = order or _order(where, name, count, own_order)
    others = [other for other in _orders(count) if other != taken]
    if others and order is None:
        notes.append(
            f"{where}: its joints are taken to be in the order {taken}; as many are in "
            f"{' and '.join(others)}, and --order says which it is"
        )
    source = f"{name}, joints in the order {taken}"
    return Predictions(points, ORDERS[taken], source, tuple(notes))


def _name_joints(labels: Sequence[str]) -> bool:
    return any(map(joint_name, labels))


def _joints_of(labels: Sequence[str]) -> Sequence[str]:
    """Without the last of them if it is no joint: heat maps may end in one of the background."""
    return labels if joint_name(labels[-1]) else labels[:-1]


def _labels(where: str, lists: Sequence[Sequence[str]], count: int) -> Sequence[str]:
    """The file's list of as many labels, else one that is as long without its last; none if there is none."""
    fitting = [labels for labels in lists if len(labels) == count]
    fitting = fitting or [labels for labels in map(_joints_of, lists) if len(labels) == count]
    readings = {tuple(map(joint_name, labels)): labels for labels in fitting}
    if len(readings) > 1:
        raise InputError(
            f"{where}: {len(readings)} lists of the file name its joints, each in another way; say "
            "which it is with --order"
        )
    if not readings:
        return ()
    ((joints, labels),) = readings.items()
    if twice := sorted({joint for joint in joints if joint and joints.count(joint) > 1}):
        raise InputError(
            f"{where}: the file's labels name {', '.join(twice)} twice; say what its joints are with "
            "--order"
        )
    return labels


def _chosen(
    path: Path,
    found: joint_arrays.JointArrays,
    people: Collection[int],
    counts: Collection[int],
    key: str | None,
    axes: Axes | None,
) -> tuple[str, np.ndarray, tuple[int, ...]]:
    """The name of the array, the array, and its axes of people, joints and coordinates."""
    arrays = found.arrays
    skipped = "".join(f"; {one} is skipped: {why}" for one, why in found.skipped.items())
    if key is not None and key not in arrays:
        raise InputError(
            f"{path} has no array of joints {key!r}; it has {', '.join(arrays)}{skipped}"
        )
    names = [key] if key else sorted(arrays, key=_says_prediction, reverse=True)
    fits = {name: list(_layouts(arrays[name].shape, people, counts, axes)) for name in names}
    fitting = [name for name in names if fits[name]]
    if not fitting:
        mismatch = _mismatch(arrays[names[0]].shape, people, counts)
        raise InputError(f"{path}: {names[0]} {mismatch}{skipped}")
    likely = [name for name in fitting if _says_prediction(name)]
    unfit = [name for name in (*names, *found.skipped) if _says_prediction(name)]
    if key is None and unfit and not likely:
        raise InputError(
            f"{path}: {', '.join(unfit)} should be predictions by name but cannot be used, and "
            f"{', '.join(fitting)} may be the truth; say which to score with --key"
        )
    name, *others = likely or fitting
    if others:
        raise InputError(
            f"{path} has several arrays that may be predictions: {', '.join((name, *others))}; "
            "say which with --key"
        )
    if len(fits[name]) > 1:
        raise InputError(
            f"{path}: the axes of {name} {arrays[name].shape} can be taken in "
            f"{len(fits[name])} ways; say which with --axes, such as --axes {get_args(Axes)[0]}"
        )
    return name, arrays[name], fits[name][0]


def _says_prediction(name: str) -> bool:
    """Whether a name tells predictions from the truth, as "joints" does not.

    >>> [_says_prediction(name) for name in ("predAll", "my_est", "result.gt", "joints", "detail")]
    [True, True, False, False, False]
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    said = any(map(_PREDICTED.fullmatch, words)) and not any(map(_TRUE.fullmatch, words))
    return said or name == _PUBLISHED_NAME


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
    known = _orders(count)
    if len(known) > 1:
        options = " or ".join(f"--order {order}" for order in known)
        raise InputError(f"{where}: {count} joints come in several orders; say {options}")
    return known[0]


def _orders(count: int) -> list[Order]:
    """Those of as many joints."""
    return [order for order, names in ORDERS.items() if len(names) == count]
