"""The checks that labels and names pass: whole numbers of known classes in one wide type, and no name twice.

Label maps are stored in small types, in which a product of labels overflows without an error.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Int64, Shaped

from convcorr_jax.errors import InputError

LabelArray: TypeAlias = Shaped[np.ndarray, "..."] | Sequence[Any]
"""Labels that are not checked yet."""


def validate_labels(
    labels: LabelArray, *, classes: int, what: str, absent: int | None = None
) -> Int64[np.ndarray, "..."]:
    """Return labels, 0 to ``classes - 1``, in a type whose products do not overflow.

    Args:
        what: how messages call the labels, such as "true".
        absent: the label of samples of no class; None if each has one.

    Raises:
        InputError: the labels are not whole numbers, a label is of no class, or ``absent`` is also a class.
    """
    array = np.asarray(labels)
    if array.dtype.kind not in "biu":
        raise InputError(f"{what} labels are {array.dtype}; an array of whole numbers is expected")
    if absent is not None and 0 <= absent < classes:
        raise InputError(f"label {absent} is no class by definition and one of {classes} classes")
    wide = array.astype(np.int64)
    unknown = np.unique(wide[((wide < 0) | (wide >= classes)) & (wide != absent)])
    if unknown.size:
        raise InputError(f"{what} labels {unknown[:5].tolist()} are outside 0 to {classes - 1}")
    return wide


def label_pairs(
    truth: LabelArray,
    predicted: LabelArray,
    *,
    classes: int,
    ignored: int | None = None,
    unknown: int | None = None,
) -> tuple[Int64[np.ndarray, " counted"], Int64[np.ndarray, " counted"]]:
    """Return the true and the predicted label of each sample that counts.

    Samples whose true label is ``ignored`` or whose predicted label is ``unknown`` are left out.

    Raises:
        InputError: the shapes differ, both are one-hot rows, or `validate_labels` refuses them.
    """
    true, taken = np.asarray(truth), np.asarray(predicted)
    if true.shape != taken.shape:
        raise InputError(
            f"true labels have shape {true.shape} and predicted labels {taken.shape}; one shape is expected"
        )
    if true.ndim > 1 and true.size and true.shape[-1] == classes:
        both = np.stack([true, taken])
        if (np.sort(both, axis=-1) == np.eye(classes)[-1]).all():
            raise InputError("labels are one-hot rows; the number of each sample's class is expected")
    true = validate_labels(true, classes=classes, what="true", absent=ignored)
    counted = true != ignored
    taken = validate_labels(taken[counted], classes=classes, what="predicted", absent=unknown)
    return true[counted][taken != unknown], taken[taken != unknown]


def check_names(names: Sequence[str], *, count: int, what: str) -> None:
    """Refuse names that are not one of each column, or that repeat: a lookup by name would take only one.

    Raises:
        InputError: their number is another, or a name occurs twice.
    """
    if len(names) != count:
        raise InputError(f"there are {len(names)} {what} for {count} columns; one each is expected")
    if repeated := [name for number, name in enumerate(names) if name in names[:number]]:
        raise InputError(f"{what} holds {repeated[0]!r} twice; different names are expected")
