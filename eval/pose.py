"""Evaluate a pose cascade: Tables 1, 3, 4 and Figures 11, 12, 15, 16 of Tompson et al. 2015.

    python -m eval.pose --dataset lspet                               (the person cascade of the package)
    python -m eval.pose --checkpoint runs/pose_cascade/model.npz                         (rendered people)
    python -m eval.pose --dataset mpii --part validation --no-scale --checkpoint runs/mpii/model.npz

``result.json`` has the share of people's joints that are correct, ``pck``, over all joints at 0.05, 0.1 and
0.2 (of MPII also at 0.5) of the length by which the data set divides errors, after each part of the cascade:
``coarse_alone`` is the coarse net before the spatial model, ``coarse`` the coarse net after it, ``cascade`` all
of it. ``pck_by_torso`` has the same for each torso: the paper gives the annotated torso to the cascade, which
is not known of a photograph. ``per_joint`` is left and right together; ``curves`` has all thresholds.
``spread_px`` is the spread of errors in pixels of the network's input, of which ``input_px_per_px`` make one
pixel of the photographs. ``sides`` states whose left is left: that of `eval.score_predictions`. ``peers``
compares the cascade with other methods' ``--peers`` on the joints that both predict, ``groups`` have the
figures of upright and other people (see `convcorr_jax.tasks.pose.compare_people`).

Beside it: ``predictions.npz``, the joints of the cascade for `eval.score_predictions` (``--first-pixel 0``);
curves (``pck.png``), histograms of errors (``errors.png``), and people from the smallest to the greatest error
(``people.jpg``; ``joints.json`` for the page of `eval.reproduce`).
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convcorr_jax.datasets import load_image
from convcorr_jax.io import load_fitted, make_folder, write_arrays, write_image, write_json
from convcorr_jax.pose import PERSON, TrainedCascade
from convcorr_jax.report import joint_curves, joint_error_histograms, joints_data, people_figure
from convcorr_jax.runtime import plain, run, write_results
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.pose import (
    Evaluation,
    Part,
    PoseData,
    PredictionOptions,
    Torso,
    best_to_worst,
    compare_people,
    curve_alphas,
    evaluate_records,
    protocol_of,
    read_part,
    read_peers,
    read_training,
    reported,
    sides_of,
)

# People in the picture.
_SHOWN = 8


@dataclass(frozen=True)
class Config:
    """Which model to evaluate, and on which people."""

    checkpoint: Path | None = None
    """The model: the .npz that train.pose_cascade wrote, with its .json beside it; by default the person
    cascade that comes with the package."""
    data: PoseData = PoseData()
    part: Part = "test"
    """Part of the data set; MPII's test part has no public annotations."""
    torso: Torso = "annotated"
    """The torso that the spatial model gets: the annotated one; the middle of the person's box; the middle of
    the photograph; or none, as in ``convcorr pose`` without a box."""
    other_torsos: tuple[Torso, ...] = ("none",)
    """Further torsos, for ``pck_by_torso``."""
    peers: tuple[Path, ...] = ()
    """Files of other methods' predictions for the same people in the same order, in pixels of the photographs
    counted from 0: .npz, .h5 or .mat."""
    trained_on: tuple[str, ...] = ()
    """Data sets that the model was trained on; ``groups`` then has test people of other events."""
    prediction: PredictionOptions = PredictionOptions()
    output: Output = Output(Path("runs/pose"))


def main(config: Config) -> Path:
    """Predict, score, and write ``result.json`` and pictures; return its path."""
    started = time.perf_counter()
    config.prediction.check()
    out, data = make_folder(config.output.out), config.data
    model = load_fitted(config.checkpoint or PERSON, TrainedCascade)
    joints = model.architecture.joints
    training = read_training(config.trained_on, data_root=data.data_root)
    records = read_part(data, config.part)
    names = records[0].names
    protocol = protocol_of(names)
    peers = read_peers(config.peers, records, joints)
    by_torso = {
        torso: evaluate_records(model, records, data=data, torso=torso, options=config.prediction)
        for torso in (config.torso, *config.other_torsos)
    }
    evaluation = by_torso[config.torso]
    tested = evaluation.people
    reports = {name: reported(each, joints, protocol=protocol) for name, each in by_torso.items()}
    result = {
        "dataset": data.name,
        "part": config.part,
        "model": plain(model.architecture),
        "training": model.training,
        "protocol": plain(protocol),
        "sides": sides_of(names, sides=data.sides),
        "torso": config.torso,
        "scale": data.scale,
        "prediction": plain(config.prediction),
        "input_px_per_px": tested.scale,
        "people": len(tested.records),
        "left_out": {absent.source_id: absent.reason for absent in tested.left_out},
        "pck_by_torso": {torso: each["pck"] for torso, each in reports.items()},
        "interval_by_torso": {torso: each["interval"] for torso, each in reports.items()},
        **compare_people(peers, by_torso, joints, protocol=protocol, training=training),
        **reports[config.torso],
    }
    curves = {net: reports[config.torso]["curves"][net] for net in evaluation.tables}
    write_image(out / "pck.png", joint_curves(curves, alphas=curve_alphas(protocol)))
    write_image(out / "errors.png", joint_error_histograms(evaluation.offsets_px, joints))
    write_arrays(
        out / "predictions.npz",
        preds=evaluation.predicted.cascade,
        joint_names=np.array(joints),
        people=np.array([record.source_id for record in tested.records]),
    )
    _write_people(out, evaluation, joints)
    return write_results(out, result, config, started=started)


def _write_people(out: Path, evaluation: Evaluation, joints: tuple[str, ...]) -> None:
    """Draw people from the smallest to the greatest error of the cascade, and write their joints."""
    rows = best_to_worst(evaluation.errors["cascade"], count=_SHOWN)
    records = [evaluation.people.records[row] for row in rows]
    columns = [records[0].names.index(joint) for joint in joints]
    photographs = [load_image(record) for record in records]
    truth = np.stack([record.points[columns] for record in records])
    means = {net: np.nanmean(each[rows], axis=1).tolist() for net, each in evaluation.errors.items()}
    found = {net: points[rows] for net, points in evaluation.predicted._asdict().items()}
    drawn = photographs, truth, found["cascade"], joints
    write_image(out / "people.jpg", people_figure(*drawn, mean_errors=means["cascade"]))
    found["annotated"] = truth
    texts = [
        "mean error: " + ", ".join(f"{net} {of_net[k]:.2f}" for net, of_net in means.items())
        for k in range(len(rows))
    ]
    write_json(out / "joints.json", joints_data(photographs, found, joints, texts=texts))


if __name__ == "__main__":
    run(Config, main, __doc__)
