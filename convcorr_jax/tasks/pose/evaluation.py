"""The errors of a pose cascade on test people beside other methods, and its time (Tompson et al. 2015, sec. 5).

Other methods' predictions for the same people are compared on the joints that both predict: of all people, of
*upright* people, whose shoulders are above their hips by at least `UPRIGHT` of the length by which errors are
divided, and of the others. Bootstrap draws are the same for both methods, so that the interval of their
difference is paired.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax import coords
from convcorr_jax.datasets import Record, read_records
from convcorr_jax.datasets.official import flic, mpii
from convcorr_jax.datasets.poses import ORDERS, common, read_predictions
from convcorr_jax.doctor import rows_of_shared_scenes
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import (
    FLIC_PCK,
    LSP_PCK,
    MPII_PCKH,
    PCKH_ALPHAS,
    JointTable,
    LabelSpread,
    Protocol,
    Spread,
    bootstrap,
    error_spreads,
    joint_table,
    mean_ratios,
    named_intervals,
    total_sums,
)
from convcorr_jax.pose import TrainedCascade, cascade, peaks, second_frame
from convcorr_jax.tasks.pose.people import AROUND, People, Torso, annotated_middle, prepare, reframed
from convcorr_jax.tasks.pose.prediction import PredictedJoints, predict_joints, prediction_errors
from convcorr_jax.tasks.pose.setup import PoseData, PredictionOptions
from convcorr_jax.tasks.reading import evenly_spread

# By the names of a data set's joints; rendered people have those of LSP.
_PROTOCOLS = {flic.NAMES: FLIC_PCK, mpii.NAMES: MPII_PCKH}


class Evaluation(NamedTuple):
    """Predictions of test people and their errors; keys of the mappings are the fields of `PredictedJoints`."""

    people: People
    predicted: PredictedJoints
    errors: dict[str, Float[np.ndarray, "n j"]]
    """Errors divided by the data set's normalizer; NaN where an annotation is missing."""
    offsets_px: dict[str, Float[np.ndarray, "n j 2"]]
    """Prediction minus truth in pixels of the network's input; NaN where the truth is missing or outside of
    it."""
    tables: dict[str, JointTable]
    """PCK of every column at the thresholds of the curves."""


def protocol_of(joints: tuple[str, ...]) -> Protocol:
    """Return the official protocol of the data set with these joints: FLIC's, MPII's, otherwise LSP's."""
    return _PROTOCOLS.get(joints, LSP_PCK)


def reported_alphas(protocol: Protocol) -> tuple[float, ...]:
    """Return the thresholds at which results are reported: 0.05, 0.1, 0.2, and of MPII also 0.5."""
    return (0.05, 0.1, 0.2, *((0.5,) if protocol is MPII_PCKH else ()))


def curve_alphas(protocol: Protocol) -> tuple[float, ...]:
    """Return the thresholds of the drawn curves: up to 0.5 for MPII, otherwise up to 0.2."""
    return PCKH_ALPHAS if protocol is MPII_PCKH else PCKH_ALPHAS[: PCKH_ALPHAS.index(0.2) + 1]


def evaluate_records(
    model: TrainedCascade,
    records: Sequence[Record],
    *,
    data: PoseData,
    torso: Torso,
    options: PredictionOptions,
) -> Evaluation:
    """Decode people, predict their joints and compute the errors by the data set's protocol."""
    people = prepare(records, model.architecture, damaged=data.damaged, scale=data.scale, torso=torso)
    protocol = protocol_of(records[0].names)
    return evaluate(model, people, protocol=protocol, options=options)


def evaluate(
    model: TrainedCascade, people: People, *, protocol: Protocol, options: PredictionOptions
) -> Evaluation:
    """Predict the joints of people and compute their errors.

    Where the cascade is trained on squares around the torso and the torso of no person is known, prediction has
    two passes (see `convcorr_jax.pose.framing`).
    """
    architecture, joints = model.architecture, model.architecture.joints
    predict = partial(predict_joints, model.params, architecture=architecture, **dataclasses.asdict(options))
    predicted = predict(people)
    if architecture.frame_px is not None and np.isnan(people.torso).all():
        frames = [
            second_frame(points, joints, frame or coords.whole_image(record.size))
            for points, frame, record in zip(predicted.cascade, people.frames, people.records, strict=True)
        ]
        people = reframed(people, frames, architecture=architecture)
        predicted = predict(people)
    nets = predicted._asdict()
    errors = {net: prediction_errors(points, people, joints) for net, points in nets.items()}
    offsets = {net: people.to_frames(points) - people.points for net, points in nets.items()}
    tables = {
        net: joint_table(of_net, joints, alphas=PCKH_ALPHAS, protocol=protocol)
        for net, of_net in errors.items()
    }
    return Evaluation(people, predicted, errors, offsets, tables)


def reported(evaluation: Evaluation, joints: Sequence[str], *, protocol: Protocol) -> dict[str, Any]:
    """Return the part of ``result.json`` that an evaluation decides.

    Each part of the cascade has an entry: ``coarse_alone`` is the coarse net (the paper's coarse model, Figures
    9 and 11), ``coarse`` the coarse net with the spatial model, ``cascade`` all of it. Intervals are 95 %
    bootstrap intervals over people; ``torso_unknown`` is the number of people without a torso.
    """
    alphas, tables = reported_alphas(protocol), evaluation.tables
    sums = {
        net: total_sums(of_net, joints, alphas=alphas, protocol=protocol)
        for net, of_net in evaluation.errors.items()
    }
    unknown = np.isnan(evaluation.people.torso).any(axis=1)
    per_joint = {net: _shares(table, alphas) for net, table in tables.items()}
    return {
        "torso_unknown": int(unknown.sum()),
        "pck": {net: columns["total"] for net, columns in per_joint.items()},
        "interval": {
            net: named_intervals((f"{alpha:g}" for alpha in alphas), bootstrap(of_net))
            for net, of_net in sums.items()
        },
        "per_joint": per_joint,
        "curves": {"alphas": PCKH_ALPHAS, **{net: _curves(table) for net, table in tables.items()}},
        "spread_px": {
            net: plain_spreads(error_spreads(offsets, joints)) for net, offsets in evaluation.offsets_px.items()
        },
    }


def best_to_worst(errors: Float[np.ndarray, "n j"], *, count: int) -> list[int]:
    """Return row numbers of people evenly spread from the smallest to the greatest known mean error."""
    known = np.flatnonzero(~np.isnan(errors).all(axis=1))
    order = known[np.argsort(np.nanmean(errors[known], axis=1))]
    return order[evenly_spread(len(known), count)].tolist()


def _shares(table: JointTable, alphas: Sequence[float]) -> dict[str, dict[str, float | None]]:
    """Return every column's share at some thresholds; None where no joint of it is annotated."""
    at = {f"{alpha:g}": table.at(alpha) for alpha in alphas}
    return {
        column: {alpha: _or_none(shares[column]) for alpha, shares in at.items()} for column in table.columns
    }


def _curves(table: JointTable) -> dict[str, list[float]]:
    """Return the shares at all thresholds of every column with an annotated joint."""
    rows = zip(table.columns, table.shares, strict=True)
    return {column: shares.tolist() for column, shares in rows if not np.isnan(shares).any()}


def plain_spreads(spreads: Mapping[str, Spread | LabelSpread]) -> dict[str, dict[str, float | None]]:
    """Return spreads as JSON stores them: None in place of NaN."""
    return {
        column: {name: _or_none(value) for name, value in spread._asdict().items()}
        for column, spread in spreads.items()
    }


def _or_none(value: float) -> float | None:
    """Return the value as JSON stores it: None in place of NaN."""
    return None if np.isnan(value) else value


UPRIGHT = 0.7
"""The least height of upright people's shoulders above their hips, in parts of the torso's length."""


class Peer(NamedTuple):
    """Predictions of another method."""

    records: tuple[Record, ...]
    points: Float[np.ndarray, "people j 2"]
    """Predicted joints (x, y), in pixels of the photographs; NaN where there is none."""
    joints: tuple[str, ...]
    """The joints that it predicts, of those of the cascade."""

    def of_people(self, people: People) -> Float[np.ndarray, "n j 2"]:
        """Return the predictions for those of its people whose image could be decoded."""
        decoded = set(map(id, people.records))
        return self.points[[id(record) in decoded for record in self.records]]


def read_peers(paths: Sequence[Path], records: Sequence[Record], joints: Sequence[str]) -> dict[str, Peer]:
    """Read predictions of people by other methods, by the name of the file without its ending.

    Files are those that `eval.score_predictions` can read: joints (x, y) of the people in their order, in
    pixels of the photographs, the first pixel being 0. A joint that is NaN for all people is one that the
    method does not predict.
    """
    return {path.stem: _read_peer(path, records, joints) for path in paths}


def _read_peer(path: Path, records: Sequence[Record], joints: Sequence[str]) -> Peer:
    names = common(records[0].names)
    own_order = next(order for order, of_order in ORDERS.items() if of_order == names)
    found = read_predictions(path, people={len(records)}, own_order=own_order)
    columns = {
        name: found.points[:, found.joints.index(shared)]
        for name, shared in zip(joints, common(joints), strict=True)
        if shared in found.joints
    }
    known = {name: points for name, points in columns.items() if not np.isnan(points).all()}
    if not known:
        raise InputError(f"{path} ({found.source}) predicts none of {', '.join(joints)}")
    return Peer(tuple(records), np.stack([*known.values()], axis=1), tuple(known))


def compare_people(
    peers: Mapping[str, Peer],
    evaluations: Mapping[Torso, Evaluation],
    joints: Sequence[str],
    *,
    protocol: Protocol,
    training: Sequence[Record] = (),
) -> dict[str, dict[str, Any]]:
    """Score groups of people, and on them each peer and a cascade by the joints that both predict.

    Groups are ``all``, ``upright`` and ``others``; with the records that the model was trained on, also
    ``shared_scenes``, people whose photograph seems to show an event or a person of a training photograph
    (`convcorr_jax.doctor.rows_of_shared_scenes`), and ``other_scenes``. A group without people is absent.

    ``groups`` has the numbers of ``people`` and of joints ``counted``, and the ``pck`` of the cascade for each
    torso with its 95 % bootstrap ``interval`` over people. ``peers`` has the same by the name of each peer, of
    the joints of both, with that of the ``peer``, and in ``minus_peer`` the differences, with paired intervals.
    """
    people = next(iter(evaluations.values())).people
    groups = _groups(people, training)

    def by_group(errors: Mapping[str, np.ndarray], scored: Sequence[str]) -> dict[str, Any]:
        return {name: _compare(errors, members, scored, protocol) for name, members in groups.items()}

    cascade_errors: dict[str, np.ndarray] = {
        torso: each.errors["cascade"] for torso, each in evaluations.items()
    }
    compared = {}
    for name, peer in peers.items():
        columns = [joints.index(joint) for joint in peer.joints]
        errors = {torso: each[:, columns] for torso, each in cascade_errors.items()}
        errors = {"peer": prediction_errors(peer.of_people(people), people, peer.joints), **errors}
        compared[name] = {"joints": peer.joints, "groups": by_group(errors, peer.joints)}
    return {"groups": by_group(cascade_errors, joints), "peers": compared}


def _groups(people: People, training: Sequence[Record]) -> dict[str, Bool[np.ndarray, " n"]]:
    upright = np.array([is_upright(record) for record in people.records])
    groups = {"all": np.ones(len(upright), np.bool_), "upright": upright, "others": ~upright}
    if training:
        shared = np.isin(np.arange(len(upright)), rows_of_shared_scenes(people.records, training))
        groups |= {"shared_scenes": shared, "other_scenes": ~shared}
    return {name: members for name, members in groups.items() if members.any()}


def read_training(names: Sequence[str], *, data_root: Path | None) -> list[Record]:
    """Read the training records of the data sets that a model was trained on."""
    records = (record for name in names for record in read_records(name, data_root=data_root))
    return [record for record in records if record.split == "train"]


def is_upright(record: Record) -> bool:
    """Return whether a person's shoulders are above the hips by at least `UPRIGHT` of the torso's length.

    The annotated shoulders and hips decide, one of a pair if the other is not annotated.
    """
    shoulders, hips = (annotated_middle(record, pair)[1] for pair in AROUND)
    return bool(hips - shoulders >= UPRIGHT * (record.normalizer_px or np.nan))


def _compare(
    errors: Mapping[str, Float[np.ndarray, "people j"]],
    members: Bool[np.ndarray, " people"],
    joints: Sequence[str],
    protocol: Protocol,
) -> dict[str, Any]:
    """Score the members of a group."""
    alphas = reported_alphas(protocol)
    sums = {
        name: total_sums(each[members], joints, alphas=alphas, protocol=protocol)
        for name, each in errors.items()
    }
    means = {name: mean_ratios(each) for name, each in sums.items()}
    # Equal seeds draw the same people.
    draws = {name: bootstrap(each) for name, each in sums.items()}
    keys = [f"{alpha:g}" for alpha in alphas]

    def by_threshold(values: np.ndarray, samples: np.ndarray) -> dict[str, Any]:
        return {
            "pck": dict(zip(keys, values.tolist(), strict=True)),
            "interval": named_intervals(keys, samples),
        }

    return {
        "people": int(members.sum()),
        "counted": int(next(iter(sums.values())).denominators.sum()),
        **{name: by_threshold(means[name], draws[name]) for name in errors},
        "minus_peer": {
            name: by_threshold(means[name] - means["peer"], draws[name] - draws["peer"])
            for name in errors
            if name != "peer" and "peer" in errors
        },
    }


TIMED_CALLS = 20
"""The number of calls whose median time counts."""


def forward_ms(model: TrainedCascade) -> dict[str, float]:
    """Measure the median milliseconds of the coarse net, the fine net and the cascade for one image."""
    params, architecture = model.params, model.architecture
    images = jnp.zeros((1, *architecture.input_size, 3), jnp.uint8)
    torso = jnp.full((1, 2), jnp.nan)
    coarse, maps = _coarse(params, images, torso, architecture)

    def cascade_points() -> jax.Array:
        coarse, maps = _coarse(params, images, torso, architecture)
        return _fine(params, maps, coarse, architecture)

    return {
        "coarse": _median_ms(lambda: _coarse(params, images, torso, architecture)),
        "fine": _median_ms(lambda: _fine(params, maps, coarse, architecture)),
        "cascade": _median_ms(cascade_points),
    }


@partial(jax.jit, static_argnums=3)
def _coarse(params, images, torso, architecture):
    detection = cascade.detect(params, images, torso, architecture=architecture)
    return peaks(detection.selected, architecture.cells).points, detection.maps


@partial(jax.jit, static_argnums=3)
def _fine(params, maps, coarse, architecture):
    corners = cascade.corners(coarse, architecture=architecture)
    heatmaps = cascade.refine(params, maps, corners, architecture=architecture)
    return corners + peaks(heatmaps, architecture.fine_cells).points


def _median_ms(call: Callable[[], Any]) -> float:
    # The first call compiles.
    jax.block_until_ready(call())
    seconds = []
    for _ in range(TIMED_CALLS):
        started = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - started)
    return round(1000 * statistics.median(seconds), 3)
