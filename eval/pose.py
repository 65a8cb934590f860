"""How well a pose cascade finds joints: Tables 1, 3, 4, Figures 11, 12, 15, 16 of Tompson et al. 2015.

    python -m eval.pose --dataset lspet                               (the person cascade of the package)
    python -m eval.pose --checkpoint runs/pose_cascade/model.npz                         (rendered people)
    python -m eval.pose --dataset lspet --checkpoint runs/lspet/model.npz --out runs/pose_lspet

``result.json`` has the share of test people's joints that are correct: ``pck.coarse`` and ``pck.cascade``, over
all joints at 0.05, 0.1 and 0.2 (of MPII also at 0.5) of the length by which the data set divides errors, and
``per_joint``, left and right together, at all thresholds ``curves``. ``spread_px`` is how far they scatter in
pixels of the network's input. Sides are the person's own. Beside it: curves (``pck.png``), histograms of errors
(``errors.png``), and people from the best found on (``people.jpg``).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords
from convcorr_jax.datasets.official import flic, mpii_people
from convcorr_jax.datasets.records import load_image
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted, make_folder, write_image, write_json
from convcorr_jax.metrics.error_spread import error_spreads, x_error_histogram
from convcorr_jax.metrics.joint_table import JointTable, column_of, joint_table
from convcorr_jax.metrics.pck import FLIC_PCK, LSP_PCK, Protocol
from convcorr_jax.metrics.pckh import MPII_PCKH, PCKH_ALPHAS
from convcorr_jax.pose.trained import PERSON, TrainedCascade
from convcorr_jax.report.error_histograms import error_histograms
from convcorr_jax.report.figures import image_grid, pixels
from convcorr_jax.report.pck_curves import pck_curves
from convcorr_jax.report.skeleton import skeleton
from convcorr_jax.runtime.runlog import plain, write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import RENDERED
from convcorr_jax.tasks.pose.examples import Damaged, People, prepare, read_people
from convcorr_jax.tasks.pose.validation import Found, errors, find_joints

# By the joints that the data set names; rendered people have those of LSP.
_PROTOCOLS = {flic.NAMES: FLIC_PCK, mpii_people.NAMES: MPII_PCKH}
# Columns whose curves are drawn, several by their mean; the others are in the result.
_PANELS: dict[str, tuple[str, ...]] = {
    "head": ("head",),
    "elbow": ("elbow",),
    "wrist": ("wrist",),
    "elbow and wrist": ("elbow", "wrist"),
    "ankle": ("ankle",),
    "total": ("total",),
}
_SHOWN = 8
_CELL_PX = 200


@dataclass(frozen=True)
class Config:
    """What to test on what."""

    checkpoint: Path | None = None
    """The model: the .npz that train.pose_cascade wrote, with its .json beside it; by default the person
    cascade that comes with the package."""
    dataset: str = RENDERED
    """``rendered``, or the name or path of a data set's folder."""
    data_root: Path | None = None
    """Folder of prepared data sets; by default the environment's CONVCORR_DATA."""
    rendered_train: int = 1000
    """With how many rendered people the model was trained; a quarter as many, others, are tested."""
    damaged: Damaged = "skip"
    """Whether people whose image cannot be read are left out and counted, or refused."""
    batch: int = 32
    """People that are looked at together."""
    out: Path = Path("runs/pose")


def main(config: Config) -> Path:
    """Find, score, and write ``result.json`` and pictures; returns its path."""
    started = time.perf_counter()
    if config.batch < 1:
        raise InputError(f"batch is {config.batch}; at least 1 is expected")
    out = make_folder(config.out)
    model = load_fitted(config.checkpoint or PERSON, TrainedCascade)
    architecture = model.architecture
    records = read_people(
        config.dataset, config.data_root, part="test", rendered=config.rendered_train
    )
    people = prepare(records, architecture, damaged=config.damaged)
    found = find_joints(model.params, people, architecture=architecture, batch=config.batch)
    joints = architecture.joints
    protocol = _PROTOCOLS.get(records[0].names, LSP_PCK)
    told = (0.05, 0.1, 0.2, *((0.5,) if protocol is MPII_PCKH else ()))
    apart = {name: errors(points, people, joints) for name, points in found._asdict().items()}
    offsets = {name: _offsets_px(points, people) for name, points in found._asdict().items()}
    tables = {
        name: joint_table(one, joints, alphas=PCKH_ALPHAS, protocol=protocol)
        for name, one in apart.items()
    }
    per_joint = {name: _shares(table, told) for name, table in tables.items()}
    result = {
        "dataset": config.dataset,
        "model": plain(architecture),
        "training": model.training,
        "protocol": plain(protocol),
        "sides": "the person's own",
        "people": len(people.records),
        "left_out": {one.source_id: one.reason for one in people.left_out},
        "pck": {name: columns["total"] for name, columns in per_joint.items()},
        "per_joint": per_joint,
        "curves": {
            "alphas": PCKH_ALPHAS,
            **{name: _curves(table) for name, table in tables.items()},
        },
        "spread_px": {name: _spreads(offset, joints) for name, offset in offsets.items()},
    }
    write_image(out / "pck.png", _drawn(result["curves"], protocol))
    write_image(out / "errors.png", _histograms(offsets, joints))
    write_image(out / "people.jpg", _people(people, found, apart["cascade"], joints))
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def _offsets_px(points: Float[np.ndarray, "n j 2"], people: People) -> Float[np.ndarray, "n j 2"]:
    """Prediction minus truth in pixels of the network's input, NaN where the truth lies outside of it."""
    rows = zip(people.to_frame, points, strict=True)
    return np.stack([coords.apply(one, those) for one, those in rows]) - people.points


def _shares(table: JointTable, told: Sequence[float]) -> dict[str, dict[str, float | None]]:
    """Of every column, at every threshold that is told; nothing where no joint of it is annotated."""
    return {
        column: {
            f"{alpha:g}": None if np.isnan(share := table.at(alpha)[column]) else share
            for alpha in told
        }
        for column in table.columns
    }


def _spreads(
    offsets: Float[np.ndarray, "n j 2"], joints: Sequence[str]
) -> dict[str, dict[str, float | None]]:
    return {
        column: {
            name: None if np.isnan(value) else value for name, value in spread._asdict().items()
        }
        for column, spread in error_spreads(offsets, joints).items()
    }


def _curves(table: JointTable) -> dict[str, list[float]]:
    """The shares of every column of which a joint is annotated."""
    rows = zip(table.columns, table.shares, strict=True)
    return {column: shares.tolist() for column, shares in rows if not np.isnan(shares).any()}


def _drawn(curves: Mapping[str, Any], protocol: Protocol) -> Image:
    """A panel a column, a line a net."""
    reach = PCKH_ALPHAS if protocol is MPII_PCKH else PCKH_ALPHAS[: PCKH_ALPHAS.index(0.2) + 1]
    panels = {
        title: {
            net: np.mean([curves[net][one][: len(reach)] for one in columns], axis=0).tolist()
            for net in Found._fields
        }
        for title, columns in _PANELS.items()
        if set(columns) <= set(curves["cascade"])
    }
    return pixels(pck_curves(panels, alphas=reach, x_label="threshold"))


def _histograms(offsets: Mapping[str, Float[np.ndarray, "n j 2"]], joints: Sequence[str]) -> Image:
    """Errors along x of the columns of Figure 11, a panel a method."""
    panels, bins = {}, np.zeros(0, int)
    for name, offset in offsets.items():
        panels[name] = {}
        for column in ("head", "shoulder"):
            members = [i for i, joint in enumerate(joints) if column_of(joint) == column]
            if members:
                bins, panels[name][column] = x_error_histogram(offset[:, members])
    return pixels(error_histograms(panels, errors_px=bins, x_label="error in x (input pixels)"))


def _people(
    people: People, found: Found, apart: Float[np.ndarray, "n j"], joints: Sequence[str]
) -> Image:
    """Annotated and found skeletons of people from the best to the worst."""
    columns = [people.records[0].names.index(joint) for joint in joints]
    known = np.flatnonzero(~np.isnan(apart).all(axis=1))
    mean = np.nanmean(apart[known], axis=1)
    places = np.linspace(0, len(known) - 1, min(_SHOWN, len(known))).astype(int)
    shown = np.argsort(mean)[places]
    truth = np.stack([one.points[columns] for one in people.records])
    rows = [
        [
            skeleton(load_image(people.records[i]), points[i], joints, longest_px=_CELL_PX)
            for i in known[shown].tolist()
        ]
        for points in (truth, found.cascade)
    ]
    captions = [[()] * len(shown), [(f"mean error {one:.2f}",) for one in mean[shown].tolist()]]
    return pixels(
        image_grid(rows, row_labels=("annotated", "found"), captions=captions, cell_px=_CELL_PX)
    )


if __name__ == "__main__":
    run(Config, main, __doc__)
