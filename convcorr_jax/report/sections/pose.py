"""Sections of the results of Tompson et al. 2015: the pose cascade."""

from collections.abc import Mapping, Sequence
from typing import Any

from convcorr_jax.report.estimates import estimate
from convcorr_jax.report.page import PageFigure, Section, Table, Widget
from convcorr_jax.report.sections import published_pose as published
from convcorr_jax.report.sections.papers import TOMPSON

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
    first = next(iter(result["pck"].values()))
    alphas = tuple(first["cascade"])
    correct = Table(
        "PCK over all joints, as in Tompson et al. 2015, Figures 9, 12 and 14",
        ("variant", "network", *alphas),
        tuple(
            (variant, net, *_estimates(shares, result["interval"][variant][net]))
            for variant, pck in result["pck"].items()
            for net, shares in pck.items()
        ),
        note=f"{_NETS} {_INTERVALS}",
    )
    precise = {
        variant: {column: shares["0.05"] for column, shares in per_joint["cascade"].items()}
        for variant, per_joint in result["per_joint"].items()
    }
    joints = published.beside_or_apart(
        "PCK of the cascade at 0.05, as in Tompson et al. 2015, Table 3",
        precise,
        {row: published.fractions(cells) for row, cells in published.FLIC.items()},
        same_setting=published.is_flic(result),
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
    return Section(
        "Variants of the pose cascade",
        text,
        (correct, *joints, *_spread_tables(of_cascade, result), *_times_tables(result)),
        figures,
        (Widget("joints", f"{name}/{next(iter(result['pck']))}/test/joints.json", _JOINTS),),
        group=TOMPSON,
        items=("Table 1", "Table 2", "Table 3", "Figure 9", "Figure 12", "Figure 14"),
    )


def person(name: str, result: dict[str, Any]) -> Section:
    """Show Tables 1 and 4 and Figures 11, 12 and 15 for one model on the test people of a data set."""
    alphas = tuple(result["pck"]["cascade"])
    torsos = Table(
        f"PCK over all joints of {result['dataset']}, by what is known of the torso",
        ("torso", "network", *alphas),
        tuple(
            (
                torso,
                net,
                *_estimates(shares, result["interval_by_torso"][torso][net]),
            )
            for torso, nets in result["pck_by_torso"].items()
            for net, shares in nets.items()
        ),
        note=f"{_NETS} The paper gives the annotated torso; none is what `convcorr pose` knows without a box. "
        f"{_INTERVALS}",
    )
    ours = {
        f"{net} at {alpha}": {column: shares[alpha] for column, shares in per_joint.items()}
        for net, per_joint in result["per_joint"].items()
        for alpha in alphas
    }
    same = published.mpii_rows(result)
    of_joints = f"PCK of the joints of {result['dataset']}, as in Tompson et al. 2015, Table 4"
    note = f"{result['protocol']['name']}. {_setting(result)}"
    joints = published.beside_or_apart(
        of_joints,
        ours | dict(same),
        {} if same else published.all_mpii_rows(),
        same_setting=bool(same),
        setting="PCKh at 0.5 on MPII's test set (Table 4)",
        note=note,
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
    return Section(
        "The person cascade",
        text,
        (torsos, *_peer_tables(result), *joints, *_spread_tables(result["spread_px"], result)),
        figures,
        (Widget("joints", f"{name}/joints.json", _JOINTS),),
        group=TOMPSON,
        items=("Table 4", "Table 1", "Figure 11", "Figure 12", "Figure 15"),
    )


def _peer_tables(result: Mapping[str, Any]) -> list[Table]:
    """Build a table for each other method that was scored on the same people."""
    alphas = tuple(result["pck"]["cascade"])
    return [
        Table(
            f"PCK of the cascade and of {name} over {len(peer['joints'])} joints",
            ("people", "method", *alphas),
            tuple(
                (
                    f"{group}, {scores['people']}",
                    words,
                    *_estimates(values["pck"], values["interval"]),
                )
                for group, scores in peer["groups"].items()
                for words, values in _methods(name, scores)
            ),
            note="The joints that both methods predict. Upright people's shoulders are above their hips by at "
            f"least 0.7 of the torso's length. {_INTERVALS} That of a difference is paired.",
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
    return published.beside_or_apart(
        "Milliseconds of a forward pass of one image, as in Tompson et al. 2015, Table 2",
        result["forward_ms"],
        published.MS,
        # The paper's device is another one.
        same_setting=False,
        setting="milliseconds of its FLIC networks on an Nvidia K40 (Table 2)",
        note=f"The preset {result['preset']} on {result['device']}.",
    )


def _spread_tables(
    spreads: Mapping[str, Mapping[str, Mapping[str, float | None]]], result: Mapping[str, Any]
) -> tuple[Table, ...]:
    """Build Table 1; errors are along x."""
    ours = {
        variant: {column: spread["x_px"] for column, spread in columns.items()}
        for variant, columns in spreads.items()
    }
    return published.beside_or_apart(
        "Spread of the errors in pixels of the network's input, as in Tompson et al. 2015, Table 1",
        ours,
        published.SPREADS_PX,
        same_setting=published.is_flic_at_half_size(result),
        setting=_SPREADS,
        note="Standard deviation along x, without joints that are off by more than 20 pixels.",
    )
