"""Another method's predictions for the same people, compared on the joints that both methods predict.

Methods are compared on all people, on *upright* people, whose shoulders are above their hips by at least
`UPRIGHT` of the length by which errors are divided, and on the others. Bootstrap draws are the same for both
methods, so that the interval of their difference is paired.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from convcorr_jax.datasets import Record, predictions
from convcorr_jax.datasets.joint_orders import ORDERS, common
from convcorr_jax.errors import InputError
from convcorr_jax.metrics import Protocol, bootstrap, mean_ratios, named_intervals, total_sums
from convcorr_jax.tasks.pose.evaluation import Evaluation, reported_alphas
from convcorr_jax.tasks.pose.people import AROUND, People, Torso, annotated_middle
from convcorr_jax.tasks.pose.validation import prediction_errors

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
    return {path.stem: _read(path, records, joints) for path in paths}


def _read(path: Path, records: Sequence[Record], joints: Sequence[str]) -> Peer:
    names = common(records[0].names)
    own_order = next(order for order, of_order in ORDERS.items() if of_order == names)
    found = predictions.read(path, people={len(records)}, own_order=own_order)
    columns = {
        name: found.points[:, found.joints.index(shared)]
        for name, shared in zip(joints, common(joints), strict=True)
        if shared in found.joints
    }
    known = {name: points for name, points in columns.items() if not np.isnan(points).all()}
    if not known:
        raise InputError(f"{path} ({found.source}) predicts none of {', '.join(joints)}")
    return Peer(tuple(records), np.stack([*known.values()], axis=1), tuple(known))


def compare_peers(
    peers: Mapping[str, Peer],
    evaluations: Mapping[Torso, Evaluation],
    joints: Sequence[str],
    *,
    protocol: Protocol,
) -> dict[str, dict[str, Any]]:
    """Score each peer and a cascade on the joints that both predict.

    By peer and group of people (``all``, ``upright``, ``others``; absent without people) it returns the number
    of ``people`` and of joints ``counted``, and the ``pck`` of the ``peer`` and of the cascade for each torso
    with its 95 % bootstrap ``interval`` over people. ``minus_peer`` has the differences, with paired intervals.
    """
    people = next(iter(evaluations.values())).people
    upright = np.array([is_upright(record) for record in people.records])
    groups = {"all": np.ones(len(upright), np.bool_), "upright": upright, "others": ~upright}
    compared = {}
    for name, peer in peers.items():
        columns = [joints.index(joint) for joint in peer.joints]
        errors = {"peer": prediction_errors(peer.of_people(people), people, peer.joints)} | {
            torso: each.errors["cascade"][:, columns] for torso, each in evaluations.items()
        }
        compared[name] = {
            "joints": peer.joints,
            "groups": {
                group: _compared(errors, members, peer.joints, protocol)
                for group, members in groups.items()
                if members.any()
            },
        }
    return compared


def is_upright(record: Record) -> bool:
    """Return whether a person's shoulders are above the hips by at least `UPRIGHT` of the torso's length.

    The annotated shoulders and hips decide, one of a pair if the other is not annotated.
    """
    shoulders, hips = (annotated_middle(record, pair)[1] for pair in AROUND)
    return bool(hips - shoulders >= UPRIGHT * (record.normalizer_px or np.nan))


def _compared(
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
        "counted": int(sums["peer"].denominators.sum()),
        **{name: by_threshold(means[name], draws[name]) for name in errors},
        "minus_peer": {
            name: by_threshold(means[name] - means["peer"], draws[name] - draws["peer"])
            for name in errors
            if name != "peer"
        },
    }
