"""Sections of the results of Tompson et al. 2015, the pose cascade, beside its published figures.

A published row is in a table of our rows only where both have the same data set, protocol and setting.
Otherwise it is in a table of its own, whose title states the setting: the level of PCK depends on it more than
on the method.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from convcorr_jax.metrics import FLIC_PCK, MPII_PCKH
from convcorr_jax.report.page import TOMPSON, PageFigure, Section, Table, Widget
from convcorr_jax.report.plots import estimate

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
    """
    return (
        result["protocol"]["name"] == FLIC_PCK.name
        and result["part"] == "test"
        and result["sides"] == "observer-centric"
        and result["torso"] == "annotated"
    )


def is_flic_at_half_size(result: Mapping[str, Any]) -> bool:
    """Return whether a result is in the setting of Table 1: that of Table 3, in pixels of 360 x 240."""
    return is_flic(result) and math.isclose(result["input_px_per_px"], _FLIC_SCALE, rel_tol=1e-3)


def mpii_rows(result: Mapping[str, Any]) -> Rows:
    """Return the row of Table 4 whose setting is that of a result; no row if there is none.

    The setting is MPII with the annotated position, and whether training and test people are scaled to the same
    height. The paper's people are the test set, whose annotations are not public; the row states it.
    """
    setting = (result["training"].get("scale"), result["scale"])
    same = result["protocol"]["name"] == MPII_PCKH.name and result["torso"] == "annotated"
    if not same or setting not in MPII:
        return {}
    return {f"{_MPII_ROWS[setting]} at 0.5, paper, 11,701 test people": _mpii_row(setting)}


def all_mpii_rows() -> Rows:
    """Return all rows of our method in Table 4."""
    return {row: _mpii_row(setting) for setting, row in _MPII_ROWS.items()}


def compare_with_published(
    title: str, ours: Rows, published: Rows, *, same_setting: bool, setting: str, note: str = ""
) -> tuple[Table, ...]:
    """Build one table of our rows and the published rows, or two where their settings differ.

    The setting of the published rows is in the title of the second table; the note is below ours.
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
    """Build a table with one row a method and one column a joint; missing joints have empty cells."""
    columns = tuple(dict.fromkeys(column for cells in rows.values() for column in cells))
    of_rows = tuple((row, *(cells.get(column) for column in columns)) for row, cells in rows.items())
    return Table(title, ("", *columns), of_rows, note=note)


def fractions(percent: Mapping[str, float]) -> dict[str, float]:
    """Convert percentages to fractions with three decimals."""
    return {column: round(value / 100, 3) for column, value in percent.items()}


def _mpii_row(setting: tuple[bool, bool]) -> dict[str, float]:
    return fractions(dict(zip(_COLUMNS, MPII[setting], strict=True)))


_JOINTS = (
    "Test people from the smallest to the greatest error of the cascade. The fine network moves each joint of "
    "the coarse network within a small window."
)
_NETS = (
    "coarse_alone is the coarse network before the spatial model, coarse the coarse network after it, cascade "
    "the fine network's refinement of these."
)
_INTERVALS = "In brackets: the 95 % bootstrap interval over people."
_FLIC = "PCK at 0.05 on FLIC's test set, observer-centric (Table 3)"
_SPREADS = "pixels of FLIC's frames at 360 x 240 (Table 1)"


def cascade(name: str, result: dict[str, Any]) -> Section:
    """Show Tables 1 to 3 and Figures 9 and 14 for the variants that were trained."""
    title = "PCK over all joints, as in Tompson et al. 2015, Figures 9, 12 and 14"
    correct = _nets_table(title, "variant", result["pck"], result["interval"], note=f"{_NETS} {_INTERVALS}")
    precise = {
        variant: {column: shares["0.05"] for column, shares in per_joint["cascade"].items()}
        for variant, per_joint in result["per_joint"].items()
    }
    joints = compare_with_published(
        "PCK of the cascade at 0.05, as in Tompson et al. 2015, Table 3",
        precise,
        {row: fractions(cells) for row, cells in FLIC.items()},
        same_setting=is_flic(result),
        setting=_FLIC,
    )
    training = next(iter(result["training"].values()))
    plan = training["plan"]
    text = (
        f"The preset {result['preset']}, trained on {training['people']} people of {result['dataset']} for "
        f"{sum(plan['steps'])} steps of {plan['batch']}. The fine network refines each joint of the coarse "
        f"network in a window at higher resolution. {_setting(result)}"
    )
    figures = (
        PageFigure(f"{name}/curves.png", "Fraction of joints whose error is at most alpha times the torso."),
        *(
            PageFigure(f"{name}/{variant}/test/people.jpg", f"Annotated and predicted joints, {variant}.")
            for variant in result["pck"]
        ),
    )
    of_cascade = {variant: spread["cascade"] for variant, spread in result["spread_px"].items()}
    tables = (correct, *joints, *_spread_tables(of_cascade, result), *_times_tables(result))
    widgets = (Widget("joints", f"{name}/{next(iter(result['pck']))}/test/joints.json", _JOINTS),)
    items = ("Table 1", "Table 2", "Table 3", "Figure 9", "Figure 12", "Figure 14")
    title = "Variants of the pose cascade"
    return Section(title, text, tables, figures, widgets, group=TOMPSON, items=items)


def person(name: str, result: dict[str, Any]) -> Section:
    """Show Tables 1 and 4 and Figures 11, 12 and 15 for one model on the test people of a data set."""
    alphas = tuple(result["pck"]["cascade"])
    torsos = _nets_table(
        f"PCK over all joints of {result['dataset']}, by what is known of the torso",
        "torso",
        result["pck_by_torso"],
        result["interval_by_torso"],
        note=f"{_NETS} The paper gives the annotated torso; none is what `convcorr pose` knows without a box. "
        f"{_INTERVALS}",
    )
    ours = {
        f"{net} at {alpha}": {column: shares[alpha] for column, shares in per_joint.items()}
        for net, per_joint in result["per_joint"].items()
        for alpha in alphas
    }
    same = mpii_rows(result)
    of_joints = f"PCK of the joints of {result['dataset']}, as in Tompson et al. 2015, Table 4"
    joints = compare_with_published(
        of_joints,
        ours | dict(same),
        {} if same else all_mpii_rows(),
        same_setting=bool(same),
        setting="PCKh at 0.5 on MPII's test set (Table 4)",
        note=f"{result['protocol']['name']}. {_setting(result)}",
    )
    training = result["training"]
    text = (
        f"{result['model']['name']}, trained on {training['people']} people of {training['dataset']}, "
        f"tested on {result['people']} others of {result['dataset']}. {_setting(result)}"
    )
    figures = (
        PageFigure(f"{name}/pck.png", "Figures 12 and 15: PCK over the threshold."),
        PageFigure(f"{name}/errors.png", "Figure 11: errors in x after each part of the cascade."),
        PageFigure(f"{name}/people.jpg", "Annotated and predicted joints."),
    )
    tables = (torsos, *_peer_tables(result), *joints, *_spread_tables(result["spread_px"], result))
    widgets = (Widget("joints", f"{name}/joints.json", _JOINTS),)
    items = ("Table 4", "Table 1", "Figure 11", "Figure 12", "Figure 15")
    return Section("The person cascade", text, tables, figures, widgets, group=TOMPSON, items=items)


def _nets_table(
    title: str, kind: str, pck: dict[str, Any], intervals: Mapping[str, Any], *, note: str
) -> Table:
    """Build a table of the PCK of every network by the variants or torsos of a result."""
    alphas = next(iter(pck.values()))["cascade"]
    rows = tuple(
        (key, net, *_estimates(shares, intervals[key][net]))
        for key, nets in pck.items()
        for net, shares in nets.items()
    )
    return Table(title, (kind, "network", *alphas), rows, note=note)


def _peer_tables(result: Mapping[str, Any]) -> list[Table]:
    """Build a table for each other method that was scored on the same people."""
    alphas = tuple(result["pck"]["cascade"])
    return [
        Table(
            f"PCK of the cascade and of {name} over {len(peer['joints'])} joints",
            ("people", "method", *alphas),
            tuple(
                (f"{group}, {scores['people']}", words, *_estimates(values["pck"], values["interval"]))
                for group, scores in peer["groups"].items()
                for words, values in _methods(name, scores)
            ),
            note="The joints that both methods predict; the cascade with the copies of its options, the other "
            "method as its file has it. Upright people's shoulders are above their hips by at least 0.7 of the "
            "torso's length; in shared scenes the photograph has the colours of a training photograph. "
            f"{_INTERVALS} That of a difference is paired.",
        )
        for name, peer in result["peers"].items()
    ]


def _methods(peer: str, scores: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the rows of a group of people: the peer, the cascade by torso, and the differences."""
    rows = [(peer, scores["peer"])]
    for torso, difference in scores["minus_peer"].items():
        rows += [(f"cascade, torso {torso}", scores[torso]), ("difference", difference)]
    return rows


def _estimates(shares: Mapping[str, float], intervals: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the share at each threshold with its interval."""
    return [estimate(share, intervals[alpha]) for alpha, share in shares.items()]


def _setting(result: Mapping[str, Any]) -> str:
    return f"Left is {result['sides']}; the torso is {result['torso']}."


def _times_tables(result: dict[str, Any]) -> tuple[Table, ...]:
    """Build Table 2; the paper's times are of its networks of full size."""
    return compare_with_published(
        "Milliseconds of a forward pass of one image, as in Tompson et al. 2015, Table 2",
        result["forward_ms"],
        MS,
        # The paper's device is another one.
        same_setting=False,
        setting="milliseconds of its FLIC networks on an Nvidia K40 (Table 2)",
        note=f"The preset {result['preset']} on {result['device']}.",
    )


def _spread_tables(
    spreads: Mapping[str, Mapping[str, Mapping[str, float | None]]], result: Mapping[str, Any]
) -> tuple[Table, ...]:
    """Build Table 1; errors are along x."""
    return compare_with_published(
        "Spread of the errors in pixels of the network's input, as in Tompson et al. 2015, Table 1",
        {variant: {column: one["x_px"] for column, one in of.items()} for variant, of in spreads.items()},
        SPREADS_PX,
        same_setting=is_flic_at_half_size(result),
        setting=_SPREADS,
        note="Standard deviation along x, without joints that are off by more than 20 pixels.",
    )
