"""``convcorr pck``: PCK of predictions under every protocol, and the protocols that give a published figure."""

import io
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

from tyro.conf import arg

from convcorr_jax.cli.arguments import OutputOptions, Result
from convcorr_jax.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from convcorr_jax.datasets.poses import Comparison
    from convcorr_jax.metrics import FigureMatch, GridRow, KeypointTruth, ProtocolChoices

DEFAULT_MARK = "*"
"""Precedes the figures of the data set's own protocol."""

# Papers print PCK to a tenth of a percent.
_DECIMALS = 3
# The table has some 90 columns; a narrow terminal breaks its lines, and a file has no width.
_LEAST_WIDTH, _FILE_WIDTH = 80, 110


def grid_lines(rows: "Sequence[GridRow]", *, default: "ProtocolChoices | None") -> list[str]:
    """Return the table of a grid: a part for each normalizer and frame, a column for each threshold.

    A row with ``<``, or without missing predictions, is shown only if that changes a figure. The ``default``,
    the data set's own protocol, is marked.
    """
    from convcorr_jax.metrics import FRAMES, NORMALIZERS, distinct_rows

    shown = distinct_rows(rows, decimals=_DECIMALS)
    if default is not None:
        shown.sort(key=lambda row: row.choices.normalizer != default.normalizer)
    has_cases = any(_case(row.choices) for row in shown)
    table = _table(["", "keypoints", "average"] + ["rule"] * has_cases)
    for alpha in rows[0].alphas:
        table.add_column(f"@{alpha:g}", justify="right", no_wrap=True)
    for (normalizer, frame), part in groupby(
        shown, key=lambda row: (row.choices.normalizer, row.choices.frame)
    ):
        table.add_section()
        table.add_row("", f"{normalizer}, {frame}")
        for row in part:
            choices = row.choices
            mark = DEFAULT_MARK if choices == default else ""
            cells = [mark, _keypoints(choices), _average(choices)] + [_case(choices)] * has_cases
            table.add_row(*cells, *(f"{100 * float(f'{value:.{_DECIMALS}f}'):.1f}" for value in row.values))
    normalizers = dict.fromkeys(row.choices.normalizer for row in rows)
    frames = dict.fromkeys(row.choices.frame for row in rows)
    legend = [f"{name}: {NORMALIZERS[name]}" for name in normalizers]
    legend += [f"{frame}: {FRAMES[frame]}" for frame in frames]
    if default is not None:
        legend.append(f"{DEFAULT_MARK}: the protocol of the data set's own figure")
    return [*_printed(table), *legend]


def match_lines(found: "Sequence[FigureMatch]", *, default: "ProtocolChoices | None", most: int) -> list[str]:
    """Return a table of figures of the grid with the protocols that give them, at most ``most`` lines.

    Protocols that differ only in how they treat errors at the threshold or missing predictions, and give the
    same figure, share a line. The ``default``, the data set's own protocol, is marked. ``chance`` is how
    often a random figure of as many digits would be explained by protocols as near to the default.
    """
    from convcorr_jax.metrics import without_rare_cases

    lines: dict[tuple[ProtocolChoices, float, float], list[FigureMatch]] = {}
    for match in found:
        key = (without_rare_cases(match.row.choices), match.alpha, match.value)
        lines.setdefault(key, []).append(match)
    table = _table(
        ["", "PCK", "@", "chance", "normalizer", "frame", "keypoints", "average", "error", "missing"]
    )
    for (_, alpha, value), members in list(lines.items())[:most]:
        protocols = [match.row.choices for match in members]
        first = protocols[0]
        table.add_row(
            DEFAULT_MARK if default in protocols else "",
            f"{100 * value:.4f}",
            f"{alpha:g}",
            f"{100 * min(match.chance for match in members):.1f}%",
            first.normalizer,
            first.frame,
            _keypoints(first),
            _average(first),
            _alternatives("<" if each.strict else "<=" for each in protocols),
            _alternatives(each.missing for each in protocols),
        )
    more = [f"and {len(lines) - most} more, which --json lists"] if len(lines) > most else []
    return [*_printed(table), *more]


def _alternatives(values: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(values))


def _keypoints(choices: "ProtocolChoices") -> str:
    from convcorr_jax.metrics import GROUP_LIMIT

    limit = f", first {GROUP_LIMIT} of a group" if choices.limited else ""
    return f"{choices.counted}{', scored' if choices.scored else ''}{limit}"


def _average(choices: "ProtocolChoices") -> str:
    first = "pooled" if choices.average == "pooled" else f"per {choices.average}"
    return f"{first}, then groups" if choices.grouped else first


def _case(choices: "ProtocolChoices") -> str:
    """Return how a row treats errors at the threshold and missing predictions, if in a rarer way."""
    parts = ["<"] * choices.strict + ["missing left out"] * (choices.missing == "left out")
    return ", ".join(parts)


def _table(columns: Sequence[str]) -> "Table":
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, pad_edge=False, collapse_padding=True)
    for name in columns:
        table.add_column(name)
    return table


def _printed(table: "Table") -> Iterator[str]:
    """Yield the lines of a table, in characters that the standard output can encode."""
    from rich.console import Console

    # Rich draws other lines for a file whose encoding lacks its own.
    encoding = sys.stdout.encoding or "utf-8"
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    width = max(_LEAST_WIDTH, shutil.get_terminal_size((_FILE_WIDTH, 0)).columns)
    Console(file=stream, width=width, color_system=None, highlight=False).print(table)
    stream.seek(0)
    yield from (line.rstrip() for line in stream.read().splitlines() if line.strip())


# Protocols that --explain lists, and figures that it lists where none is equal.
_MOST_LISTED, _NEAREST = 20, 5
# Decimals to which equal figures are equal.
_EXACT = 12
# Those of `metrics.GRID_ALPHAS`, which the help must not import.
_ALPHAS = (0.05, 0.1, 0.15, 0.2, 0.5)


@dataclass(frozen=True)
class Pck:
    """Compute PCK of predictions under every protocol in use, and find the protocol of a published figure.

    Protocols differ in the length that normalizes errors, the frame (photograph, or resized to a square), what
    is averaged first, which keypoints count, and whether an error at the threshold or a missing prediction is
    wrong. All combinations that the ground truth allows are computed.
    """

    predictions: Annotated[Path, arg(metavar="FILE")]
    """The predictions: .npz, .h5 or .mat, in the pixels of the ground truth's file; for a plain ground truth
    .npz or .json with points [n, k, 2], NaN (JSON: null) where there is none; for COCO's its results."""
    ground_truth: Annotated[Path, arg(metavar="FILE")]
    """The annotations. Either official: MPII's valid.h5, detections.mat, gt_valid.mat or .json, FLIC's
    examples.mat or flic.npz, joints.mat of LSP, LSPET or PARSE, COCO's .json. Or plain: .npz or .json with
    points [n, k, 2], and any of visible [n, k], boxes [n, 4] (left, top, right, bottom), head_boxes [n, 4],
    image_sizes [n, 2] (height, width), groups [n], names [k]."""
    explain: Annotated[str | None, arg(metavar="FIGURE", help_behavior_hint="(default: list no protocol)")] = (
        None
    )
    """List the protocols that give this figure: a share such as 0.701, or a percentage such as 70.1. The digits
    typed decide the rounding."""
    alphas: Annotated[tuple[float, ...], arg(metavar="ALPHA [ALPHA ...]")] = _ALPHAS
    """The thresholds, as fractions of the normalizer."""
    keypoints: Annotated[
        tuple[str, ...], arg(metavar="NAME [NAME ...]", help_behavior_hint="(default: all)")
    ] = ()
    """Count only these keypoints; the name of a joint without its side, such as wrist, means both."""
    sides: Annotated[Literal["observer", "person"] | None, arg(help_behavior_hint="(default: observer)")] = None
    """Whose left is left, FLIC only."""
    order: Annotated[
        str | None, arg(metavar="ORDER", help_behavior_hint="(default: as the file states it)")
    ] = None
    """The order of the predicted joints, such as mpii, lsp or flic-10; official files only."""
    key: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: the only suitable one)")] = (
        None
    )
    """The array of predictions in its file; official files only."""
    axes: Annotated[str | None, arg(metavar="AXES", help_behavior_hint="(default: as the sizes imply)")] = None
    """The axes of that array, such as people-joints-xy; official files only."""
    first_pixel: Annotated[
        Literal[0, 1] | None, arg(help_behavior_hint="(default: as in the ground truth)")
    ] = None
    """The coordinate of the first pixel in the predictions; official files only."""
    output: OutputOptions = field(default_factory=OutputOptions)

    def run(self) -> Result:
        """Read the files, compute the grid, and return its table and the protocols of the figure."""
        from convcorr_jax.metrics import protocol_grid, published_figure

        figure = None if self.explain is None else published_figure(self.explain)
        if not self.alphas or not all(0 < alpha < float("inf") for alpha in self.alphas):
            raise InputError(f"--alphas {' '.join(map(str, self.alphas))} must be positive numbers")
        comparison = self._read()
        rows = protocol_grid(
            comparison.truth,
            comparison.predicted,
            alphas=tuple(dict.fromkeys(self.alphas)),
            rarities=figure is not None,
            compared=comparison.compared & self._chosen(comparison),
        )
        default = self._default(comparison)
        explanation = None if figure is None else _explained(rows, figure, default)
        head = [
            f"PCK in percent of {self.predictions} against {self.ground_truth}",
            f"read: {comparison.source}",
            *(f"note: {note}" for note in comparison.notes),
            *_left_out(comparison.truth),
        ]
        usual = [row for row in rows if not row.choices.limited and row.choices.frame != "floored"]
        lines = head + grid_lines(usual, default=default)
        if explanation is not None:
            lines += ["", *explanation["lines"]]
        values = {
            "ground_truth": self.ground_truth,
            "predictions": self.predictions,
            "read": comparison.source,
            "notes": comparison.notes,
            "alphas": rows[0].alphas,
            "protocols": [_row_values(row, default) for row in rows],
            "explain": explanation["values"] if explanation else None,
        }
        return Result(lines, values)

    def _read(self) -> "Comparison":
        from convcorr_jax.datasets.poses import Axes, Interpretation, Order, read_comparison

        for option, value, known in (
            ("--order", self.order, get_args(Order)),
            ("--axes", self.axes, get_args(Axes)),
        ):
            if value is not None and value not in known:
                raise InputError(f"{option} is {value}; one of {', '.join(known)} is expected")
        interpretation = Interpretation(
            sides=self.sides,
            order=cast(Any, self.order),
            key=self.key,
            axes=cast(Any, self.axes),
            first_pixel=self.first_pixel,
        )
        return read_comparison(self.ground_truth, self.predictions, interpretation=interpretation)

    def _default(self, comparison: "Comparison") -> "ProtocolChoices | None":
        """Return the protocol of the data set's own figure over the chosen keypoints, if it has one."""
        if not self.keypoints:
            return comparison.default
        return comparison.joint_default if len(self.keypoints) == 1 else None

    def _chosen(self, comparison: "Comparison") -> "np.ndarray":
        """Return which keypoints the option ``--keypoints`` names."""
        import numpy as np

        names = comparison.truth.names
        if not self.keypoints:
            return np.ones(len(comparison.compared), bool)
        if names is None:
            raise InputError(f"--keypoints needs names of keypoints; {self.ground_truth} has no array 'names'")
        present = [name for name, compared in zip(names, comparison.compared, strict=True) if compared]
        plain = [name.removeprefix("l_").removeprefix("r_") for name in present]
        if unknown := [name for name in self.keypoints if name not in {*present, *plain}]:
            raise InputError(f"--keypoints {' '.join(unknown)}: there are {', '.join(present)}")
        chosen = {*self.keypoints}
        return np.array([bool(chosen & {name, name.removeprefix("l_").removeprefix("r_")}) for name in names])


def _explained(rows: "list[GridRow]", figure: Any, default: "ProtocolChoices | None") -> dict[str, Any]:
    """Return the lines and the values of the protocols that give a figure, or of the nearest ones."""
    from convcorr_jax.metrics import distinct_rows, matching_figures, nearest_figures

    found = matching_figures(rows, figure, default=default)
    everything = sum(len(row.values) for row in rows)
    if found:
        near = []
        plural = "figure is" if len(found) == 1 else "figures are"
        lines = [
            f"{len(found)} of the grid's {everything} {plural} {figure.text}, rounded to its last digit:",
            *match_lines(found, default=default, most=_MOST_LISTED),
        ]
    else:
        distinct = distinct_rows(rows, decimals=_EXACT)
        near = nearest_figures(distinct, figure, count=_NEAREST, default=default)
        lines = [
            f"No protocol gives {figure.text}: none of the grid's {everything} figures is rounded to it. "
            "The nearest are:",
            *match_lines(near, default=default, most=_NEAREST),
        ]
    values = {
        "figure": figure.text,
        "value": figure.value,
        "tolerance": figure.tolerance,
        "matches": [_match_values(match, default) for match in found],
        "nearest": [_match_values(match, default) for match in near],
    }
    return {"lines": lines, "values": values}


def _left_out(truth: "KeypointTruth") -> list[str]:
    """Return a sentence for each normalizer that not every image has."""
    from convcorr_jax.metrics.keypoint_truth import unusable_lengths

    images = int(truth.annotated.any(axis=1).sum())
    return [
        f"{name}: {len(without)} of {images} images do not count, since their length is unknown or not "
        f"positive: {', '.join(map(str, without[:_MOST_LISTED]))}"
        f"{', ...' if len(without) > _MOST_LISTED else ''} (counted from 0)"
        for name, without in unusable_lengths(truth).items()
        if without
    ]


def _row_values(row: "GridRow", default: "ProtocolChoices | None") -> dict[str, Any]:
    return {
        **row.choices._asdict(),
        "pck": row.values,
        "images": row.images,
        "keypoints": row.keypoints,
        "default": row.choices == default,
        "protocol": vars(row.protocol),
    }


def _match_values(match: "FigureMatch", default: "ProtocolChoices | None") -> dict[str, Any]:
    return {
        **match.row.choices._asdict(),
        "alpha": match.alpha,
        "value": match.value,
        "difference": match.difference,
        "chance": match.chance,
        "default": match.row.choices == default,
        "name": match.row.protocol.name,
    }
