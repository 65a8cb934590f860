"""Sections of the results of Tompson et al. 2015: the pose cascade."""

from collections.abc import Mapping
from typing import Any

from convcorr_jax.report.page import PageFigure, Section, Table, Widget
from convcorr_jax.report.sections.papers import TOMPSON

# Tompson et al. 2015, Table 1: standard deviation of errors on FLIC in pixels of 360 x 240; one cell of 8x is
# not legible. Label noise is the standard deviation of the annotations of 13 people.
PUBLISHED_SPREADS_PX = {
    "label noise": {"head": 0.65, "shoulder": 2.46, "elbow": 2.14, "wrist": 1.57},
    "4x": {"head": 1.09, "shoulder": 2.43, "elbow": 2.59, "wrist": 2.82},
    "8x": {"head": 1.46, "elbow": 2.49, "wrist": 3.41},
    "16x": {"head": 1.45, "shoulder": 2.78, "elbow": 3.78, "wrist": 4.16},
}
# Table 2: milliseconds of a forward pass on an Nvidia K40.
PUBLISHED_MS = {
    "4x": {"coarse": 140.0, "fine": 17.2, "cascade": 157.2},
    "8x": {"coarse": 74.9, "fine": 19.3, "cascade": 94.2},
    "16x": {"coarse": 54.7, "fine": 15.9, "cascade": 70.6},
}
# Table 3: PCK at 0.05 on FLIC, in percent.
PUBLISHED_FLIC = {
    "4x": {"head": 92.6, "shoulder": 73.0, "elbow": 57.1, "wrist": 60.4},
    "8x": {"head": 92.1, "shoulder": 75.8, "elbow": 55.6, "wrist": 56.6},
    "16x": {"head": 91.6, "shoulder": 73.0, "elbow": 47.7, "wrist": 45.5},
}
# Table 4: PCKh at 0.5 on MPII, in percent; people are scaled to the same height in training and test.
PUBLISHED_MPII = {
    **{"head": 96.1, "shoulder": 91.9, "elbow": 83.9, "wrist": 77.8, "hip": 80.9, "knee": 72.3},
    **{"ankle": 64.8, "ubody": 84.5, "total": 82.0},
}
_JOINTS = (
    "Test people from the smallest to the greatest error of the cascade. The fine network moves each joint of "
    "the coarse network within a small window."
)


def cascade(name: str, result: dict[str, Any]) -> Section:
    """Show Tables 1 to 3 and Figures 9 and 14 for the variants that were trained."""
    first = next(iter(result["pck"].values()))
    alphas = tuple(first["cascade"])
    correct = Table(
        "Tompson et al. 2015, Figures 9, 12 and 14: PCK over all joints",
        ("variant", "network", *alphas),
        tuple(
            (variant, net, *(shares[alpha] for alpha in alphas))
            for variant, pck in result["pck"].items()
            for net, shares in pck.items()
        ),
    )
    precise = {
        f"{variant}, ours": {
            column: shares["0.05"] for column, shares in per_joint["cascade"].items()
        }
        for variant, per_joint in result["per_joint"].items()
    }
    published = {
        f"{pooling}, paper": _fractions(shares) for pooling, shares in PUBLISHED_FLIC.items()
    }
    joints = _joint_table(
        "Tompson et al. 2015, Table 3: PCK of the cascade at 0.05",
        precise | published,
        note="The paper uses FLIC and networks of full size: compare the order, not the level.",
    )
    training = next(iter(result["training"].values()))
    plan = training["plan"]
    text = (
        f"The preset {result['preset']}, trained on {training['people']} people of {result['dataset']} for "
        f"{sum(plan['steps'])} steps of {plan['batch']}. The fine network refines "
        "each joint of the coarse network in a window at higher resolution."
    )
    figures = (
        PageFigure(
            f"{name}/curves.png", "Fraction of joints whose error is at most alpha times the torso."
        ),
        *(
            PageFigure(
                f"{name}/{variant}/test/people.jpg", f"Annotated and predicted joints, {variant}."
            )
            for variant in result["pck"]
        ),
    )
    of_cascade = {variant: spread["cascade"] for variant, spread in result["spread_px"].items()}
    spreads = _spread_table(of_cascade)
    return Section(
        "Variants of the pose cascade",
        text,
        (correct, joints, spreads, _times_table(result)),
        figures,
        (Widget("joints", f"{name}/{next(iter(result['pck']))}/test/joints.json", _JOINTS),),
        group=TOMPSON,
        items=("Table 1", "Table 2", "Table 3", "Figure 9", "Figure 12", "Figure 14"),
    )


def person(name: str, result: dict[str, Any]) -> Section:
    """Show Tables 1 and 4 and Figures 11, 12 and 15 for one model on the test people of a data set."""
    alphas = tuple(result["pck"]["cascade"])
    ours = {
        f"{net} at {alpha}, ours": {column: shares[alpha] for column, shares in per_joint.items()}
        for net, per_joint in result["per_joint"].items()
        for alpha in alphas
    }
    joints = _joint_table(
        f"Tompson et al. 2015, Table 4: fraction of correct joints of {result['dataset']}",
        ours | {"paper, MPII, PCKh at 0.5": _fractions(PUBLISHED_MPII)},
        note=f"Ours: {result['protocol']['name']}. Compare the order of the joints, not the level.",
    )
    training = result["training"]
    text = (
        f"{result['model']['name']}, trained on {training['people']} people of {training['dataset']}, "
        f"tested on {result['people']} others of {result['dataset']}."
    )
    figures = (
        PageFigure(f"{name}/pck.png", "Figures 12 and 15: PCK over the threshold."),
        PageFigure(
            f"{name}/errors.png", "Figure 11: errors in x of the coarse network and of the cascade."
        ),
        PageFigure(f"{name}/people.jpg", "Annotated and predicted joints."),
    )
    return Section(
        "The person cascade",
        text,
        (joints, _spread_table(result["spread_px"])),
        figures,
        (Widget("joints", f"{name}/joints.json", _JOINTS),),
        group=TOMPSON,
        items=("Table 4", "Table 1", "Figure 11", "Figure 12", "Figure 15"),
    )


def _times_table(result: dict[str, Any]) -> Table:
    """Build Table 2."""
    return Table(
        "Tompson et al. 2015, Table 2: milliseconds of a forward pass of one image",
        ("variant", "coarse", "fine", "cascade", "paper, cascade (K40)"),
        tuple(
            (variant, *times.values(), PUBLISHED_MS.get(variant, {}).get("cascade"))
            for variant, times in result["forward_ms"].items()
        ),
        note=f"Ours on {result['device']}.",
    )


def _spread_table(spreads: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> Table:
    """Build Table 1; our errors are along x."""
    ours = {
        f"{variant}, ours": {column: spread["x_px"] for column, spread in columns.items()}
        for variant, columns in spreads.items()
    }
    published = {f"{row}, paper": dict(cells) for row, cells in PUBLISHED_SPREADS_PX.items()}
    return _joint_table(
        "Tompson et al. 2015, Table 1: spread of the errors in pixels of the network's input",
        ours | published,
        note="Ours: standard deviation along x, without joints that are off by more than 20 pixels.",
    )


def _fractions(percent: Mapping[str, float]) -> dict[str, float]:
    return {column: round(value / 100, 3) for column, value in percent.items()}


def _joint_table(title: str, rows: Mapping[str, Mapping[str, float | None]], *, note: str) -> Table:
    """Build a table with one row a method and one column a joint; missing joints have empty cells."""
    columns = tuple(dict.fromkeys(column for cells in rows.values() for column in cells))
    return Table(
        title,
        ("", *columns),
        tuple((row, *(cells.get(column) for column in columns)) for row, cells in rows.items()),
        note=note,
    )
