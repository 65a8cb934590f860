"""Published figures of Tompson et al. 2015, and which results of ours they may stand beside.

A published row is in a table of our rows only where both have the same data set, protocol and setting.
Otherwise it is in a table of its own, whose title states the setting: the level of PCK depends on it more than
on the method.
"""

import math
from collections.abc import Mapping
from typing import Any

from convcorr_jax.metrics import FLIC_PCK, MPII_PCKH
from convcorr_jax.report.page import Table

Rows = Mapping[str, Mapping[str, float | None]]
"""Cells by row and column."""

# Table 1: standard deviation of errors along x on FLIC in pixels of 360 x 240; one cell of 8x is not legible.
# Label noise is the standard deviation of the annotations of 13 people in 10 images.
SPREADS_PX = {
    "label noise": {"head": 0.65, "shoulder": 2.46, "elbow": 2.14, "wrist": 1.57},
    "4x": {"head": 1.09, "shoulder": 2.43, "elbow": 2.59, "wrist": 2.82},
    "8x": {"head": 1.46, "elbow": 2.49, "wrist": 3.41},
    "16x": {"head": 1.45, "shoulder": 2.78, "elbow": 3.78, "wrist": 4.16},
}
# Table 2: milliseconds of a forward pass on an Nvidia K40.
MS = {
    "4x": {"coarse": 140.0, "fine": 17.2, "cascade": 157.2},
    "8x": {"coarse": 74.9, "fine": 19.3, "cascade": 94.2},
    "16x": {"coarse": 54.7, "fine": 15.9, "cascade": 70.6},
}
# Table 3: PCK at 0.05 on FLIC, in percent.
FLIC = {
    "4x": {"head": 92.6, "shoulder": 73.0, "elbow": 57.1, "wrist": 60.4},
    "8x": {"head": 92.1, "shoulder": 75.8, "elbow": 55.6, "wrist": 56.6},
    "16x": {"head": 91.6, "shoulder": 73.0, "elbow": 47.7, "wrist": 45.5},
}
# Table 4: PCKh at 0.5 on MPII, in percent, by whether the people of the training set and of the test set are
# scaled to the same height.
_COLUMNS = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "ubody", "total")
MPII = {
    (True, True): (96.1, 91.9, 83.9, 77.8, 80.9, 72.3, 64.8, 84.5, 82.0),
    (False, True): (93.5, 87.5, 75.5, 67.8, 68.3, 60.3, 51.7, 77.0, 73.3),
    (False, False): (83.4, 77.5, 67.5, 59.8, 64.6, 55.6, 46.1, 68.3, 66.0),
}
_MPII_ROWS = {
    (True, True): "scale normalized",
    (False, True): "scale normalized (test only)",
    (False, False): "unnormalized",
}
# The paper halves FLIC's frames of 720 x 480.
_FLIC_SCALE = 0.5


def is_flic(result: Mapping[str, Any]) -> bool:
    """Return whether a result of `eval.pose` is in the setting of the paper's Table 3.

    That is FLIC's test set, observer-centric sides, and the annotated torso.

    Args:
        result: has the entries ``protocol``, ``part``, ``sides`` and ``torso``.
    """
    return (
        result["protocol"]["name"] == FLIC_PCK.name
        and result["part"] == "test"
        and result["sides"] == "observer-centric"
        and result["torso"] == "annotated"
    )


def is_flic_at_half_size(result: Mapping[str, Any]) -> bool:
    """Return whether a result is in the setting of Table 1: that of Table 3, in pixels of 360 x 240.

    Args:
        result: has the entries of `is_flic` and ``input_px_per_px``.
    """
    return is_flic(result) and math.isclose(result["input_px_per_px"], _FLIC_SCALE, rel_tol=1e-3)


def mpii_rows(result: Mapping[str, Any]) -> Rows:
    """Return the row of Table 4 whose setting is that of a result; no row if there is none.

    The setting is MPII with the annotated position, and whether training and test people are scaled to the same
    height. The paper's people are the test set, whose annotations are not public; the row states it.

    Args:
        result: has the entries ``protocol``, ``torso``, ``scale`` and ``training``.
    """
    setting = (result["training"].get("scale"), result["scale"])
    same = result["protocol"]["name"] == MPII_PCKH.name and result["torso"] == "annotated"
    if not same or setting not in MPII:
        return {}
    return {f"{_MPII_ROWS[setting]} at 0.5, paper, 11,701 test people": _mpii_row(setting)}


def all_mpii_rows() -> Rows:
    """Return all rows of our method in Table 4."""
    return {row: _mpii_row(setting) for setting, row in _MPII_ROWS.items()}


def beside_or_apart(
    title: str,
    ours: Rows,
    published: Rows,
    *,
    same_setting: bool,
    setting: str,
    note: str = "",
) -> tuple[Table, ...]:
    """Build one table of our rows and the published rows, or two where their settings differ.

    Args:
        title: of our table.
        ours: our rows.
        published: the published rows.
        same_setting: whether both have the same data set, protocol and setting.
        setting: the published rows' table and setting, for the title of the second table.
        note: below our table.
    """
    if same_setting:
        rows = dict(ours) | {f"{row}, paper": cells for row, cells in published.items()}
        return (rows_table(title, rows, note=note),)
    apart = "In another setting than ours: the levels are not comparable."
    return (
        rows_table(title, ours, note=note),
        rows_table(f"The paper's figures: {setting}", published, note=apart),
    )


def rows_table(title: str, rows: Rows, *, note: str = "") -> Table:
    """Build a table with one row a method and one column a joint; missing joints have empty cells.

    Args:
        title: of the table.
        rows: cells by row and column.
        note: below the table.
    """
    columns = tuple(dict.fromkeys(column for cells in rows.values() for column in cells))
    return Table(
        title,
        ("", *columns),
        tuple((row, *(cells.get(column) for column in columns)) for row, cells in rows.items()),
        note=note,
    )


def fractions(percent: Mapping[str, float]) -> dict[str, float]:
    """Convert percentages to fractions with three decimals."""
    return {column: round(value / 100, 3) for column, value in percent.items()}


def _mpii_row(setting: tuple[bool, bool]) -> dict[str, float]:
    return fractions(dict(zip(_COLUMNS, MPII[setting], strict=True)))
