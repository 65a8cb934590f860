"""Evaluate a pose cascade: Tables 1, 3, 4 and Figures 11, 12, 15, 16 of Tompson et al. 2015.

    python -m eval.pose --dataset lspet                               (the person cascade of the package)
    python -m eval.pose --checkpoint runs/pose_cascade/model.npz                         (rendered people)
    python -m eval.pose --dataset lspet --checkpoint runs/lspet/model.npz --out runs/pose_lspet

``result.json`` has the share of test people's joints that are correct: ``pck.coarse`` and ``pck.cascade``, over
all joints at 0.05, 0.1 and 0.2 (of MPII also at 0.5) of the length by which the data set divides errors, and
``per_joint``, left and right together; ``curves`` has all thresholds. ``spread_px`` is the spread of errors in
pixels of the network's input. Sides are the person's own. Beside it: curves (``pck.png``), histograms of errors
(``errors.png``), and people from the smallest to the greatest error (``people.jpg``; ``joints.json`` for the
page of `eval.reproduce`).
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convcorr_jax.datasets.records import load_image
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted, make_folder, write_image, write_json
from convcorr_jax.pose import PERSON, TrainedCascade
from convcorr_jax.report import (
    joint_curves,
    joint_error_histograms,
    joints_data,
    people_figure,
)
from convcorr_jax.runtime.runlog import plain, write_results
from convcorr_jax.runtime.script import run
from convcorr_jax.tasks.options import Output
from convcorr_jax.tasks.pose import (
    Evaluation,
    People,
    PoseData,
    best_to_worst,
    curve_alphas,
    evaluate,
    prepare,
    protocol_of,
    read_people,
    reported,
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
    batch: int = 32
    """People that are predicted together."""
    output: Output = Output(Path("runs/pose"))


def main(config: Config) -> Path:
    """Predict, score, and write ``result.json`` and pictures; return its path."""
    started = time.perf_counter()
    if config.batch < 1:
        raise InputError(f"batch is {config.batch}; at least 1 is expected")
    out, data = make_folder(config.output.out), config.data
    model = load_fitted(config.checkpoint or PERSON, TrainedCascade)
    joints = model.architecture.joints
    records = read_people(
        data.dataset, part="test", data_root=data.data_root, rendered=data.rendered_train
    )
    people = prepare(records, model.architecture, damaged=data.damaged)
    protocol = protocol_of(records[0].names)
    evaluation = evaluate(model, people, protocol=protocol, batch=config.batch)
    figures = reported(evaluation, joints, protocol=protocol)
    result = {
        "dataset": data.dataset,
        "model": plain(model.architecture),
        "training": model.training,
        "protocol": plain(protocol),
        "sides": "the person's own",
        "people": len(people.records),
        "left_out": {absent.source_id: absent.reason for absent in people.left_out},
        **figures,
    }
    curves = {net: figures["curves"][net] for net in evaluation.tables}
    write_image(out / "pck.png", joint_curves(curves, alphas=curve_alphas(protocol)))
    write_image(out / "errors.png", joint_error_histograms(evaluation.offsets_px, joints))
    _write_people(out, people, evaluation, joints)
    return write_results(out, result, config, started=started)


def _write_people(
    out: Path, people: People, evaluation: Evaluation, joints: tuple[str, ...]
) -> None:
    """Draw people from the smallest to the greatest error of the cascade, and write their joints."""
    errors = evaluation.errors["cascade"]
    rows = best_to_worst(errors, count=_SHOWN)
    records = [people.records[row] for row in rows]
    columns = [records[0].names.index(joint) for joint in joints]
    photographs = [load_image(record) for record in records]
    truth = np.stack([record.points[columns] for record in records])
    means = {
        net: np.nanmean(of_net[rows], axis=1).tolist() for net, of_net in evaluation.errors.items()
    }
    found = evaluation.predicted.cascade[rows]
    figure = people_figure(photographs, truth, found, joints, mean_errors=means["cascade"])
    write_image(out / "people.jpg", figure)
    networks = {
        "coarse": evaluation.predicted.coarse[rows],
        "cascade": found,
        "annotated": truth,
    }
    texts = [
        f"mean error: coarse {coarse:.2f}, cascade {cascade:.2f}"
        for coarse, cascade in zip(means["coarse"], means["cascade"], strict=True)
    ]
    write_json(out / "joints.json", joints_data(photographs, networks, joints, texts=texts))


if __name__ == "__main__":
    run(Config, main, __doc__)
