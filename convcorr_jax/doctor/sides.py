"""A check for exchanged left and right: objects and pairs that differ from the others of their split.

Each data set chooses which side it calls left; only deviations from its own choice are reported. Vectors from
left to right keypoints are compared in a frame that does not change when left and right are exchanged: the
midpoints of left/right pairs and the keypoints without a side stay where they are then. By these points alone,
each object is aligned with the median object: shifted, rotated and scaled in the image plane. Points are
complex numbers in this module, so that a rotation with a scale is one factor.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Complex, Float

from convcorr_jax.datasets import Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, report_cases
from convcorr_jax.doctor.keypoints import robust_spread

# The median object changes no more after a few rounds.
_ROUNDS = 5
# The least correlation of an object's symmetric points with the median object's; below it the orientation is
# uncertain, as for a body that is bent over.
_LEAST_CORRELATION = 0.5
# A keypoint that a smaller fraction of the objects has does not take part in the alignment.
_LEAST_FRACTION = 0.25


def left_right_vectors(records: Sequence[Record]) -> Complex[np.ndarray, "records pairs"]:
    """Compute the vector from the first to the second keypoint of each pair, in the median object's frame.

    The frame has the orientation and size of the median object, so it is upright if most objects are. All
    records have the same keypoints and left/right pairs. Vectors ``x + iy`` are NaN where one of the two
    keypoints is absent, or where the object cannot be aligned.
    """
    points = np.stack([record.points for record in records]) @ np.array([1, 1j])
    pairs = np.array(records[0].left_right_pairs)
    first, second = points[:, pairs[:, 0]], points[:, pairs[:, 1]]
    without_side = np.setdiff1d(np.arange(points.shape[1]), pairs)
    symmetric = np.concatenate([(first + second) / 2, points[:, without_side]], axis=1)
    # A factor of NaN marks an object that cannot be aligned, and its vectors become NaN.
    with np.errstate(invalid="ignore"):
        return (second - first) / _alignment_factors(symmetric)[:, None]


def componentwise_median(values: Complex[np.ndarray, "rows columns"]) -> Complex[np.ndarray, " columns"]:
    """Compute each column's median of real and of imaginary parts without NaN; 0 for an empty column."""
    filled = np.where(np.isnan(values).all(axis=0), 0, values)
    return np.nanmedian(filled.real, axis=0) + 1j * np.nanmedian(filled.imag, axis=0)


def _alignment_factors(points: Complex[np.ndarray, "records n"]) -> Complex[np.ndarray, " records"]:
    """Compute the factor that rotates and scales the median object onto each object, by least squares."""
    present = ~np.isnan(points)
    points, present = (a[:, present.mean(axis=0) >= _LEAST_FRACTION] for a in (points, present))
    factors = np.full(len(points), np.nan + 0j)
    enough = present.sum(axis=1) >= 2
    points, present = points[enough], present[enough]
    if not len(points):
        return factors
    centred = _centred(points, present)
    energy = (np.abs(centred) ** 2).sum(axis=1)
    factor = np.sqrt(energy / present.sum(axis=1)).astype(complex)
    for _ in range(_ROUNDS):
        aligned = centred / np.where(energy > 0, factor, np.nan)[:, None]
        reference = componentwise_median(np.where(present, aligned, np.nan))
        reference /= max(float(np.linalg.norm(reference)), np.finfo(float).tiny)
        references = _centred(np.broadcast_to(reference, points.shape), present)
        power = (np.abs(references) ** 2).sum(axis=1)
        product = (references.conj() * centred).sum(axis=1)
        similar = np.abs(product) > _LEAST_CORRELATION * np.sqrt(power * energy)
        factor = product / np.where(similar, power, np.nan)
    factors[enough] = factor
    return factors


def _centred(
    points: Complex[np.ndarray, "records n"], present: Bool[np.ndarray, "records n"]
) -> Complex[np.ndarray, "records n"]:
    """Subtract the mean of each object's present points; absent points become 0."""
    points = np.where(present, points, 0)
    means = points.sum(axis=1, keepdims=True) / present.sum(axis=1, keepdims=True)
    return np.where(present, points - means, 0)


# Fewer objects do not determine what is usual.
_LEAST_OBJECTS = 30
# The expected number in a whole split, if all deviations are normally distributed.
_FALSE_ALARMS = 0.01
# A split has a convention if this fraction of its objects agree. People seen from the front and from behind
# do not.
_AGREEING = 0.9
# Faces in profile have short left-right vectors, not reversed ones.
_REVERSED = -0.5
# In units of the trace; without it, weights are undetermined if two pairs are proportional.
_RIDGE = 1e-9


def swapped_sides(records: Sequence[Record]) -> Iterator[Finding]:
    """Find splits with opposite conventions, objects with all sides exchanged, and single exchanged pairs.

    Objects of a category with the same keypoints are compared within each split, by their `left_right_vectors`
    ``v_p`` and the median ``m_p`` of each pair p.

    An object has ``t = sum_p Re(v_p conj(m_p)) / sum_p |m_p|^2``, which is 1 for the median object and -1 if
    its sides are exchanged. It is reported if ``t < -1/2`` and t is so far below the split's median that, if t
    were normal with its robust standard deviation, only 0.01 objects of the split would be expected there.
    This check needs a convention: nine tenths of the split's objects with ``t > 0``.

    The horizontal component of a pair is predicted from the other pairs by least squares. A pair is reported
    if its sign is opposite to the prediction, if swapping its names brings it within three robust standard
    deviations of the prediction, and if its residual is so large that, were residuals normal, only 0.01 pairs
    of the split would be expected to exceed it. Of each object, at most the pair farthest from its prediction
    is reported. A body may be twisted, so an exchanged pair is only worth a look.
    """
    objects: list[Case] = []
    pairs: list[tuple[float, Case]] = []
    for group in _groups(records):
        vectors = left_right_vectors(group)
        usual = {}
        for split, rows in _rows_of_splits(group).items():
            if len(rows) < _LEAST_OBJECTS:
                continue
            in_split = vectors[rows]
            usual[split] = componentwise_median(in_split)
            t = _agreement(in_split, usual[split])
            exchanged = _exchanged_objects(t)
            objects += [
                Case(
                    (group[rows[row]].source_id,),
                    f"agreement with the median object {t[row]:.2f} (1: as usual, -1: exchanged)",
                )
                for row in np.flatnonzero(exchanged).tolist()
            ]
            if not _has_convention(t):
                del usual[split]
            others = [row for row, is_exchanged in zip(rows, exchanged, strict=True) if not is_exchanged]
            pairs += _exchanged_pairs([group[row] for row in others], vectors[others].real)
        yield from _opposite_conventions(usual, group[0].category)
    sentence = "Left and right are exchanged in {}."
    yield from report_cases("left/right swaps", CHANGES_SCORES, sentence, objects)
    ranked = [case for _, case in sorted(pairs, key=lambda pair: -pair[0])]
    sentence = "One left/right pair contradicts the object's other pairs in {}."
    yield from report_cases("left/right swaps", WORTH_A_LOOK, sentence, ranked)


def _groups(records: Sequence[Record]) -> list[list[Record]]:
    """Group records by category, keypoints and left/right pairs; records without pairs are left out."""
    groups = defaultdict(list)
    for record in records:
        if record.left_right_pairs:
            groups[record.category, record.names, record.left_right_pairs].append(record)
    return list(groups.values())


def _rows_of_splits(records: Sequence[Record]) -> dict[str, list[int]]:
    rows = defaultdict(list)
    for row, record in enumerate(records):
        rows[record.split].append(row)
    return rows


def _agreement(
    vectors: Complex[np.ndarray, "rows pairs"], usual: Complex[np.ndarray, " pairs"]
) -> Float[np.ndarray, " rows"]:
    """Compute the ``t`` of `swapped_sides`; NaN for an object without pairs."""
    present = ~np.isnan(vectors)
    along = (np.where(present, vectors, 0) * usual.conj()).real.sum(axis=1)
    power = (present * np.abs(usual) ** 2).sum(axis=1)
    return along / np.where(power > 0, power, np.nan)


def _has_convention(t: Float[np.ndarray, " rows"]) -> bool:
    return bool((t > 0).mean() >= _AGREEING)


def _exchanged_objects(t: Float[np.ndarray, " rows"]) -> Bool[np.ndarray, " rows"]:
    if not _has_convention(t):
        return np.zeros(len(t), bool)
    middle = float(np.nanmedian(t))
    return t < min(_REVERSED, middle - _normal_quantile(len(t)) * robust_spread(t - middle))


def _normal_quantile(count: int) -> float:
    """Return the standard normal quantile that ``count`` deviates exceed `_FALSE_ALARMS` times on average."""
    return NormalDist().inv_cdf(1 - _FALSE_ALARMS / count)


def _exchanged_pairs(
    records: Sequence[Record], across: Float[np.ndarray, "rows pairs"]
) -> list[tuple[float, Case]]:
    """Find each record's pair that deviates most, if it is exchanged, and its deviation."""
    worst = np.zeros(len(across))
    pair_of = np.zeros(len(across), int)
    for pair in range(across.shape[1]):
        deviation = _pair_deviation(across, pair, _normal_quantile(across.size))
        pair_of[deviation > worst] = pair
        worst = np.maximum(worst, deviation)
    cases = []
    for row in np.flatnonzero(worst).tolist():
        record = records[row]
        first, second = (record.names[i] for i in record.left_right_pairs[pair_of[row]])
        note = f"{first} and {second}, {worst[row]:.1f} standard deviations off"
        cases.append((float(worst[row]), Case((record.source_id,), note)))
    return cases


def _pair_deviation(
    across: Float[np.ndarray, "rows pairs"], pair: int, least: float
) -> Float[np.ndarray, " rows"]:
    """Return each object's deviation in robust standard deviations if its pair is exchanged, otherwise 0."""
    own = across[:, pair]
    others = np.delete(across, pair, axis=1)
    usual = componentwise_median(others.astype(complex)).real
    design = np.concatenate([np.where(np.isnan(others), usual, others), np.ones((len(own), 1))], axis=1)
    fitted = ~np.isnan(own)
    if fitted.sum() < _LEAST_OBJECTS:
        return np.zeros(len(own))
    # Each round leaves out the largest residuals, among which exchanged pairs are.
    for _ in range(3):
        gram = design[fitted].T @ design[fitted]
        ridge = _RIDGE * np.trace(gram) * np.eye(len(gram))
        weights = np.linalg.solve(gram + ridge, design[fitted].T @ own[fitted])
        predicted = design @ weights
        residual = own - predicted
        spread = max(robust_spread(residual), np.finfo(float).tiny)
        fitted = np.abs(residual) <= 3 * spread
    opposite = (own * predicted < 0) & (np.abs(residual) > least * spread)
    explained = np.abs(-own - predicted) <= 3 * spread
    return np.where(opposite & explained, np.abs(residual) / spread, 0)


def _opposite_conventions(
    usual: Mapping[str, Complex[np.ndarray, " pairs"]], category: str
) -> Iterator[Finding]:
    """Find pairs of splits whose median vectors point in opposite directions."""
    for (first, a), (second, b) in combinations(usual.items(), 2):
        if (a * b.conj()).real.sum() < 0:
            sentence = f"Splits {first!r} and {second!r} of {category!r} call opposite sides left."
            yield Finding("left/right swaps", CHANGES_SCORES, sentence)
