"""PCK of the same predictions under every protocol in use.

`protocol_grid` combines all choices that a `Protocol` states, as far as the ground truth has what they need:
which keypoints count, the length that normalizes errors, the frame in which they are measured, what is averaged
first, and whether an error at the threshold or a missing prediction is wrong. Each figure is computed by `pck`.

Choices that cannot change a figure are not combined: visible and all keypoints where none is hidden, groups
where there is one, missing predictions where there is none. `matching_figures` finds the protocols that give a
published figure to its last digit.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax.errors import InputError
from convcorr_jax.metrics.bootstrap import group_numbers, rows_of_groups
from convcorr_jax.metrics.keypoint_truth import (
    NORMALIZER_SOURCES,
    NORMALIZERS,
    KeypointTruth,
    normalizer_lengths,
    resize_to_squares,
)
from convcorr_jax.metrics.pck import Protocol, pck

GRID_ALPHAS = (0.05, 0.1, 0.15, 0.2, 0.5)
"""The thresholds in use: 0.05 to 0.2 of boxes and torsos, 0.5 of heads."""

GROUP_LIMIT = 200
"""The pairs of a category that evaluations of subsets count, as several of SPair-71k do."""

Frame = Literal["photograph", "square", "floored"]
Average = Literal["pooled", "keypoint", "image"]
Counted = Literal["annotated", "visible"]
Missing = Literal["wrong", "left out"]

FRAMES: Mapping[Frame, str] = MappingProxyType(
    {
        "photograph": "pixels of the photograph as annotated",
        "square": "pixels of the photograph resized to a square",
        "floored": "pixels of the photograph, of which points have only the integer part",
    }
)
"""The frames in words."""


class ProtocolChoices(NamedTuple):
    """What a protocol chooses, in the values that the grid combines."""

    normalizer: str
    """A name of `NORMALIZERS`."""
    frame: Frame = "photograph"
    scored: bool = False
    """Whether only those keypoints count that the data set's own metric counts."""
    counted: Counted = "annotated"
    grouped: bool = False
    """Whether PCK is averaged within each group, and then over groups."""
    average: Average = "pooled"
    strict: bool = False
    """Whether an error at the threshold is wrong; a ``missing`` prediction is wrong or does not count."""
    missing: Missing = "wrong"
    limited: bool = False
    """Whether only the first `GROUP_LIMIT` images, or pairs, of each group count."""


class GridRow(NamedTuple):
    """The figures, from 0 to 1, of one protocol, and the numbers of images and keypoints that count."""

    protocol: Protocol
    choices: ProtocolChoices
    alphas: tuple[float, ...]
    values: tuple[float, ...]
    images: int
    keypoints: int


def protocol_grid(
    truth: KeypointTruth,
    predicted: Float[np.ndarray, "images n 2"],
    *,
    alphas: Sequence[float] = GRID_ALPHAS,
    rarities: bool = False,
    compared: Bool[np.ndarray, " n"] | None = None,
) -> list[GridRow]:
    """Compute PCK under every protocol that the ground truth allows.

    An image whose normalizer is unknown or not positive does not count under protocols with that normalizer.
    Rows are in the order of the fields of `ProtocolChoices`.

    >>> truth = KeypointTruth(points=np.array([[[0.0, 0.0], [10.0, 0.0]]]))
    >>> rows = protocol_grid(truth, truth.points + np.array([1.0, 0.0]), alphas=(0.1,))
    >>> [(row.choices.average, row.choices.strict, row.values) for row in rows][:2]
    [('pooled', False, (1.0,)), ('pooled', True, (0.0,))]

    Args:
        rarities: whether to add positions rounded down and limits of each group, which few evaluations have.
        compared: which keypoints may count. Others, such as joints that a method does not predict, serve for
            normalizers only. By default all may.

    Raises:
        InputError: the predictions are of other images or keypoints than the ground truth or have an infinite
            coordinate; a threshold is not positive, or there is none; there is no normalizer, or no prediction.
    """
    if predicted.shape != truth.points.shape:
        raise InputError(
            f"the predictions are {predicted.shape}; {truth.points.shape} is expected, as in the ground truth"
        )
    if np.isinf(predicted).any():
        raise InputError("the predictions have an infinite coordinate; NaN means no prediction")
    if not alphas or not all(0 < alpha < np.inf for alpha in alphas):
        raise InputError("the thresholds (alphas) must be positive numbers")
    annotated = truth.annotated if compared is None else truth.annotated & compared
    if not (annotated & ~np.isnan(predicted).any(axis=-1)).any():
        raise InputError("no annotated keypoint has a prediction: all of them are NaN")
    rows = []
    measured: dict[Frame, tuple[KeypointTruth, np.ndarray]] = {"photograph": (truth, predicted)}
    if truth.image_sizes is not None:
        measured["square"] = resize_to_squares(truth, predicted)
    floored = np.floor(predicted)
    if rarities and not np.array_equal(floored, predicted, equal_nan=True):
        measured["floored"] = replace(truth, points=np.floor(truth.points)), floored
    for frame, (points, predictions) in measured.items():
        rows += _rows(points, predictions, annotated, frame, tuple(alphas), rarities)
    if not rows:
        raise InputError(
            "the ground truth has no length by which errors can be divided: the tight box of its keypoints "
            f"has no extent in any image; {NORMALIZER_SOURCES} would give one"
        )
    places = {name: place for place, name in enumerate(NORMALIZERS)}
    return sorted(rows, key=lambda row: places[row.choices.normalizer])


def stated_protocol(choices: ProtocolChoices) -> Protocol:
    """Return a protocol in words.

    >>> stated_protocol(ProtocolChoices("box", average="image", grouped=True)).name
    'PCK: box, photograph, annotated, per image, then groups'
    """
    counted = f"{choices.counted} keypoints"
    if choices.scored:
        counted += " that the data set's own metric counts"
    if choices.missing == "wrong":
        counted += "; one without a prediction is wrong"
    else:
        counted += " for which a prediction exists"
    parts = [choices.normalizer, choices.frame, choices.counted]
    parts += ["scored only"] * choices.scored
    parts += ["pooled" if choices.average == "pooled" else f"per {choices.average}"]
    parts += ["then groups"] * choices.grouped
    parts += ["<"] * choices.strict
    parts += ["missing left out"] * (choices.missing == "left out")
    if choices.limited:
        counted += f", of the first {GROUP_LIMIT} images of each group"
        parts += [f"first {GROUP_LIMIT}"]
    return Protocol(
        name=f"PCK: {', '.join(parts)}",
        normalizer=NORMALIZERS[choices.normalizer],
        frame=FRAMES[choices.frame],
        strict=choices.strict,
        average=choices.average,
        counted=counted,
    )


def _rows(
    truth: KeypointTruth,
    predicted: np.ndarray,
    annotated: np.ndarray,
    frame: Frame,
    alphas: tuple[float, ...],
    rarities: bool,
) -> Iterator[GridRow]:
    """Yield the rows of one frame, in which truth and predictions are."""
    normalizers = normalizer_lengths(truth)
    missing = np.asarray(np.isnan(predicted).any(axis=-1))
    options = _options(truth, annotated, missing, tuple(normalizers)).values()
    early = rows_of_groups(group_numbers(truth.groups or [""] * len(missing)))[0] < GROUP_LIMIT
    limits: Sequence[Any] = (False, True) if rarities and not early.all() else (False,)
    for normalizer, *others in product(*options, limits):
        choices = ProtocolChoices(normalizer, frame, *others)
        length = normalizers[normalizer]
        counts = _counted(truth, annotated, missing, choices) & ~np.isnan(length)[:, None]
        # Images, and with them groups, in which nothing counts are in no average.
        kept = np.asarray(counts.any(axis=1)) & (early | (not choices.limited))
        if not kept.any():
            continue
        groups = np.array(truth.groups if choices.grouped else [""] * len(kept))
        protocol = stated_protocol(choices)
        found = pck(
            predicted[kept],
            truth.points[kept],
            counts[kept],
            length[kept],
            groups[kept].tolist(),
            alphas=alphas,
            protocol=protocol,
        )
        figures = tuple(found.mean.tolist())
        yield GridRow(protocol, choices, alphas, figures, int(kept.sum()), int(counts.sum()))


def _options(
    truth: KeypointTruth, annotated: np.ndarray, missing: np.ndarray, normalizers: tuple[str, ...]
) -> dict[str, Sequence[Any]]:
    """Return the values that change a figure, of every choice but the frame, in their order."""
    hidden = truth.visible is not None and (annotated & ~truth.visible).any()
    unscored = truth.scored is not None and annotated[:, ~truth.scored].any()
    return {
        "normalizer": normalizers,
        "scored": (True, False) if unscored else (False,),
        "counted": get_args(Counted) if hidden else ("annotated",),
        "grouped": (True, False) if len(set(truth.groups or ())) > 1 else (False,),
        "average": get_args(Average),
        "strict": (False, True),
        "missing": get_args(Missing) if (annotated & missing).any() else ("wrong",),
    }


def _counted(
    truth: KeypointTruth, annotated: np.ndarray, missing: np.ndarray, choices: ProtocolChoices
) -> Bool[np.ndarray, "images n"]:
    """Return which keypoints count."""
    counts = annotated
    if choices.scored and truth.scored is not None:
        counts = counts & truth.scored
    if choices.counted == "visible" and truth.visible is not None:
        counts = counts & truth.visible
    return counts & ~missing if choices.missing == "left out" else counts


_NUMBER = re.compile(r"\d*\.?\d+|\d+\.")
# Half a unit of the last digit is a decimal fraction, which binary numbers hold only nearly.
_ROUNDING = 1e-9


class PublishedFigure(NamedTuple):
    """A figure as it was typed, and the values, as shares between 0 and 1, that are rounded to it."""

    text: str
    value: float
    tolerance: float
    """Half a unit of its last digit."""


class FigureMatch(NamedTuple):
    """A figure of the grid that is compared with a published one."""

    row: GridRow
    alpha: float
    value: float
    difference: float
    """``value`` minus the published figure."""
    chance: float
    """The share of all figures from 0 to 1 of as many digits that this protocol, or one that differs in as few
    choices from the data set's own, gives: how often a random figure would be explained as well."""


def published_figure(text: str) -> PublishedFigure:
    """Return the value of a printed figure, and how exactly its digits state it.

    A number of at most 1 is a share, a greater one or one with a sign ``%`` is a percentage. The last digit
    decides the rounding: 0.701 means 0.7005 to 0.7015, and 70.1 means 70.05 to 70.15 percent.

    >>> published_figure("70.1")
    PublishedFigure(text='70.1', value=0.701, tolerance=0.0005)

    Raises:
        InputError: the text is not a number, or the number is above 100.
    """
    plain = text.strip()
    digits = plain.removesuffix("%").rstrip()
    if _NUMBER.fullmatch(digits) is None or float(digits) > 100:
        raise InputError(
            f"{text!r} is no figure of PCK; a share such as 0.701 or a percentage such as 70.1 is expected"
        )
    value, tolerance = float(digits), 0.5 * 10.0 ** -len(digits.partition(".")[2])
    scale = 100 if plain.endswith("%") or value > 1 else 1
    return PublishedFigure(text, value / scale, tolerance / scale)


def distinct_rows(rows: Sequence[GridRow], *, decimals: int) -> list[GridRow]:
    """Return a grid's rows without those that the treatment of rare cases does not change to some decimals.

    A row is left out if an earlier one has the same rounded figures and differs only in whether an error at the
    threshold or a missing prediction is wrong.
    """
    found: dict[tuple[ProtocolChoices, tuple[str, ...]], GridRow] = {}
    for row in rows:
        printed = tuple(f"{value:.{decimals}f}" for value in row.values)
        found.setdefault((without_rare_cases(row.choices), printed), row)
    return list(found.values())


def without_rare_cases(choices: ProtocolChoices) -> ProtocolChoices:
    """Return the protocol with ``<=`` and with missing predictions as wrong that is else the same."""
    return choices._replace(strict=False, missing="wrong")


def matching_figures(
    rows: Sequence[GridRow], figure: PublishedFigure, *, default: ProtocolChoices | None = None
) -> list[FigureMatch]:
    """Return the figures of a grid that are rounded to a published one.

    Protocols that share most choices with the default, that of the data set, or with the first of the grid are
    first.
    """
    found = [
        match
        for match in _compared(rows, figure, default)
        if abs(match.difference) <= figure.tolerance + _ROUNDING
    ]
    return sorted(found, key=lambda match: _changes(match.row.choices, default))


def nearest_figures(
    rows: Sequence[GridRow], figure: PublishedFigure, *, count: int, default: ProtocolChoices | None = None
) -> list[FigureMatch]:
    """Return the figures of a grid that are nearest to a published one, nearest first.

    Of equal figures, those of protocols that share most choices with the default are first.
    """

    def key(match: FigureMatch) -> tuple[float, int]:
        return abs(match.difference), _changes(match.row.choices, default)

    return sorted(_compared(rows, figure, default), key=key)[:count]


def _compared(
    rows: Sequence[GridRow], figure: PublishedFigure, default: ProtocolChoices | None
) -> list[FigureMatch]:
    figures = [
        (row, alpha, value, _changes(row.choices, default))
        for row in rows
        for alpha, value in zip(row.alphas, row.values, strict=True)
        if not math.isnan(value)
    ]
    unit = 2 * figure.tolerance
    explained, chances = set[int](), {}
    for changes in sorted({changes for *_, changes in figures}):
        explained |= {round(value / unit) for *_, value, count in figures if count == changes}
        chances[changes] = min(1.0, unit * len(explained))
    return [
        FigureMatch(row, alpha, value, value - figure.value, chances[changes])
        for row, alpha, value, changes in figures
    ]


def _changes(choices: ProtocolChoices, default: ProtocolChoices | None) -> int:
    """Return the number of choices that differ from the default."""
    if default is None:
        return 0
    return sum(one != other for one, other in zip(choices, default, strict=True))
