"""Label noise of a data set's joints, from two annotations of the same people.

The annotations are two files of joints, or the records of a data set in which photographs occur twice, each
time annotated independently. Such photographs are found by the doctor's comparison of thumbnails
(`convcorr_jax.doctor.duplicates`); the second annotation is carried into the frame of the first photograph.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax import coords, metrics
from convcorr_jax.datasets import Record
from convcorr_jax.datasets.poses import AS_STATED, Interpretation
from convcorr_jax.doctor import duplicates
from convcorr_jax.doctor.duplicates import compute_thumbnails
from convcorr_jax.errors import InputError
from convcorr_jax.tasks.pose.evaluation import plain_spreads, protocol_of, reported_alphas
from convcorr_jax.tasks.scoring import RULES, Metric, percentages, read_aligned

# A copy whose sides were scaled by factors that differ by more than this was cropped.
_SAME_PROPORTIONS = 0.02


class TwoAnnotations(NamedTuple):
    """Two annotations of the same people, in pixels of the first one's photographs."""

    first: Float[np.ndarray, "people joints 2"]
    """Joints (x, y); NaN where not annotated."""
    second: Float[np.ndarray, "people joints 2"]
    normalizer: Float[np.ndarray, " people"]
    """The length in pixels by which the first annotation's data set divides errors; NaN where unknown."""
    joints: tuple[str, ...]
    protocol: metrics.Protocol
    notes: tuple[str, ...]
    """What was read, and what was left out, one sentence each."""


def annotations_of_files(
    first: Path, second: Path, *, metric: Metric, interpretation: Interpretation = AS_STATED
) -> TwoAnnotations:
    """Read an official file of annotations and another file of joints of the same people in the same order."""
    read = read_aligned(first, second, metric=metric, interpretation=interpretation)
    notes = (f"left is {read.sides}", f"read: {read.source}", *read.notes)
    protocol = RULES[metric].protocol
    return TwoAnnotations(read.truth, read.points, read.normalizer, read.joints, protocol, notes)


def annotations_of_duplicates(records: Sequence[Record]) -> TwoAnnotations:
    """Compare the annotations of photographs that occur twice in a data set.

    A photograph counts if it is in two image files, of the same proportions, with one person in each. The
    second annotation is scaled to the size of the first photograph.
    """
    pairs, notes = _pairs(records)
    if not pairs:
        left_out = "".join(f"; {note}" for note in notes)
        raise InputError(
            f"no photograph occurs twice with one person each among {len(records)} people{left_out}; two "
            "files of joints of the same people are expected instead (--first and --second)"
        )
    first, second, lengths = [], [], []
    for one, other in ((records[a], records[b]) for a, b in pairs):
        to_first = coords.resize(other.size, one.size)
        first.append(one.points)
        second.append(to_first(other.points))
        lengths.append(one.normalizer_px or np.nan)
    names, points = records[0].names, (np.stack(first), np.stack(second))
    return TwoAnnotations(*points, np.array(lengths), names, protocol_of(names), notes)


def label_noise(
    two: TwoAnnotations, *, scale: float = 1.0
) -> tuple[dict[str, Any], dict[str, metrics.JointTable]]:
    """Compute the label noise of two annotations, as they are and with sides matched.

    Sides that the annotators name differently are no noise of a position, but are errors of PCK. Both are
    reported: ``as_annotated``, and ``sides_matched`` after `match_sides`, each with the table of PCK of the
    second annotation against the first. A joint counts if both annotations have it. ``scale`` is the number of
    pixels of the network's input for one pixel of the photographs; 0.5 for FLIC in the paper.

    Source: Tompson et al. 2015, section 5, Table 1.
    """
    if not 0 < scale < np.inf:
        raise InputError(f"scale is {scale}; a positive number is expected")
    matched = metrics.match_sides(two.second, two.first, _left_right_pairs(two.joints))
    treatments = {"as_annotated": two.second, "sides_matched": matched.points}
    figures: dict[str, Any] = {
        "pairs_compared": int(matched.compared.sum()),
        "pairs_exchanged": int(matched.exchanged.sum()),
    }
    tables = {}
    for name, second in treatments.items():
        truth = np.where(np.isnan(second), np.nan, two.first)
        errors = metrics.joint_errors(second, truth, two.normalizer)
        if np.isnan(errors).all():
            raise InputError("the two annotations share no joint of a person of known size")
        tables[name] = metrics.joint_table(
            errors, two.joints, alphas=metrics.PCKH_ALPHAS, protocol=two.protocol
        )
        both = np.stack([truth, second])
        in_torsos = both / two.normalizer[:, None, None]
        figures[name] = {
            "sigma_px": plain_spreads(metrics.label_spreads(scale * both, two.joints)),
            "sigma_normalized": plain_spreads(metrics.label_spreads(in_torsos, two.joints)),
            "pck": {
                f"{alpha:g}": percentages(tables[name].at(alpha)) for alpha in reported_alphas(two.protocol)
            },
        }
    return figures, tables


def _left_right_pairs(joints: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Return the indices of joints whose names differ in the side alone."""
    rights = {name.removeprefix("r_"): k for k, name in enumerate(joints) if name[:2] == "r_"}
    lefts = {name.removeprefix("l_"): k for k, name in enumerate(joints) if name[:2] == "l_"}
    return tuple((left, rights[name]) for name, left in lefts.items() if name in rights)


def _pairs(records: Sequence[Record]) -> tuple[list[tuple[int, int]], tuple[str, ...]]:
    """Return the rows of records of the same photograph, each in at most one pair, and what is left out."""
    _, thumbnails = compute_thumbnails(records)
    people = Counter(thumbnails.image_of.tolist())
    row_of = {image: row for row, image in enumerate(thumbnails.image_of.tolist())}
    same = defaultdict(list)
    for image, digest in enumerate(thumbnails.digests):
        if digest:
            same[digest].append(image)
    exact = [(images[0], images[1]) for images in same.values() if len(images) > 1]
    near = [(pair.first, pair.second) for pair in duplicates.near_pairs(thumbnails)]
    used: set[int] = set()
    pairs, notes = [], []
    for images in (*exact, *near):
        rows = row_of[images[0]], row_of[images[1]]
        one, other = (records[row] for row in rows)
        across, down = one.size.width / other.size.width, one.size.height / other.size.height
        named = f"{one.source_id} and {other.source_id} show one photograph"
        if used & set(images):
            notes.append(f"{named}, of which another pair counts")
        elif any(people[image] > 1 for image in images):
            notes.append(f"{named} with several people, who are left out")
        elif abs(across / down - 1) > _SAME_PROPORTIONS:
            notes.append(f"{named}, cropped differently, which is left out")
        else:
            used.update(images)
            pairs.append(rows)
    return pairs, tuple(notes)
