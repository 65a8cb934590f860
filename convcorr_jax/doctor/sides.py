"""Left and right exchanged, told by symmetry: figures and pairs that differ from the others of their split.

Which side a data set calls left is its own affair; only what differs from the rest is told.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Complex, Float

from convcorr_jax.datasets.records import Record
from convcorr_jax.doctor.breadths import breadths, median
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, counted

# Fewer figures say too little about what is usual.
_LEAST_FIGURES = 30
# Expected in a whole split, were all deviations normal.
_FALSE_ALARMS = 0.01
# A split has a convention where so many figures agree. People seen from before and from behind do not.
_AGREEING = 0.9
# Faces in profile are narrow, not the wrong way round.
_WRONG_WAY = -0.5
# Of the trace: pairs that say the same leave the weights undetermined.
_RIDGE = 1e-9
# A standard deviation in median absolute deviations, of a normal distribution.
_MAD = 1.4826


def swaps(records: Sequence[Record]) -> Iterator[Finding]:
    """Splits with opposite conventions, figures with all sides exchanged, and exchanged single pairs.

    Figures of a category that have the same keypoints are compared within each split, by their `breadths`.

    A figure: ``t``, the mean of its breadths along the median ones, is 1 for the median figure and -1 for its
    exchange. Told if ``t < -1/2`` and a normal deviate of t's robust spread gets there in one split of a
    hundred; only of splits with a convention.

    A pair: its breadth across is predicted from the other pairs' by least squares. Told if the sign is wrong,
    exchanging brings it within three robust standard deviations, and a normal deviate gets as far off in
    one split of a hundred. A body may be twisted, so this is worth a look only.
    """
    figures, pairs = [], []
    for members in _alike(records):
        across = breadths(members)
        usual = {}
        for split, rows in _rows_of_splits(members).items():
            if len(rows) < _LEAST_FIGURES:
                continue
            here = across[rows]
            usual[split] = median(here)
            t = _agreement(here, usual[split])
            exchanged = _exchanged_figures(t)
            figures += [
                Case((members[rows[row]].source_id,), f"t {t[row]:.2f}")
                for row in np.flatnonzero(exchanged).tolist()
            ]
            if not _has_convention(t):
                del usual[split]
            others = [row for row, wrong in zip(rows, exchanged, strict=True) if not wrong]
            pairs += _exchanged_pairs([members[row] for row in others], across[others].real)
        yield from _opposite_conventions(usual, members[0].category)
    if figures:
        sentence = f"Left and right are exchanged in {counted(len(figures), 'record')}."
        yield Finding("left/right swaps", CHANGES_SCORES, sentence, tuple(figures))
    if pairs:
        sentence = f"By the other pairs, one pair is exchanged in {counted(len(pairs), 'record')}."
        ranked = sorted(pairs, key=lambda pair: -pair[0])
        yield Finding("left/right swaps", WORTH_A_LOOK, sentence, tuple(case for _, case in ranked))


def _alike(records: Sequence[Record]) -> list[list[Record]]:
    """Records of one category with the same keypoints."""
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
    across: Complex[np.ndarray, "rows pairs"], usual: Complex[np.ndarray, " pairs"]
) -> Float[np.ndarray, " rows"]:
    """The ``t`` of `swaps`; NaN for a figure without pairs."""
    present = ~np.isnan(across)
    along = (np.where(present, across, 0) * usual.conj()).real.sum(axis=1)
    power = (present * np.abs(usual) ** 2).sum(axis=1)
    return along / np.where(power > 0, power, np.nan)


def _has_convention(t: Float[np.ndarray, " rows"]) -> bool:
    return bool((t > 0).mean() >= _AGREEING)


def _exchanged_figures(t: Float[np.ndarray, " rows"]) -> Bool[np.ndarray, " rows"]:
    if not _has_convention(t):
        return np.zeros(len(t), bool)
    middle = float(np.nanmedian(t))
    spread = _MAD * float(np.nanmedian(np.abs(t - middle)))
    return t < min(_WRONG_WAY, middle - _deviations(len(t)) * spread)


def _deviations(count: int) -> float:
    """How far from the mean, in standard deviations, ``count`` normal deviates hardly ever get."""
    return NormalDist().inv_cdf(1 - _FALSE_ALARMS / count)


def _exchanged_pairs(
    records: Sequence[Record], across: Float[np.ndarray, "rows pairs"]
) -> list[tuple[float, Case]]:
    """One case a record, and how far its pair is off: the one farthest from what the others say."""
    worst = np.zeros(len(across))
    pair_of = np.zeros(len(across), int)
    for pair in range(across.shape[1]):
        off = _deviation_of_pair(across, pair, _deviations(across.size))
        pair_of[off > worst] = pair
        worst = np.maximum(worst, off)
    cases = []
    for row in np.flatnonzero(worst).tolist():
        record = records[row]
        first, second = (record.names[i] for i in record.left_right_pairs[pair_of[row]])
        note = f"{first} and {second}, {worst[row]:.1f} standard deviations off"
        cases.append((float(worst[row]), Case((record.source_id,), note)))
    return cases


def _deviation_of_pair(
    across: Float[np.ndarray, "rows pairs"], pair: int, least: float
) -> Float[np.ndarray, " rows"]:
    """Standard deviations from what the other pairs predict where the pair is exchanged; 0 elsewhere."""
    own = across[:, pair]
    others = np.delete(across, pair, axis=1)
    usual = median(others.astype(complex)).real
    design = np.concatenate(
        [np.where(np.isnan(others), usual, others), np.ones((len(own), 1))], axis=1
    )
    fitted = ~np.isnan(own)
    if fitted.sum() < _LEAST_FIGURES:
        return np.zeros(len(own))
    # Fitted again without the worst, among which the exchanged ones are.
    for _ in range(3):
        gram = design[fitted].T @ design[fitted]
        ridge = _RIDGE * np.trace(gram) * np.eye(len(gram))
        weights = np.linalg.solve(gram + ridge, design[fitted].T @ own[fitted])
        predicted = design @ weights
        residual = own - predicted
        spread = max(_MAD * float(np.nanmedian(np.abs(residual))), np.finfo(float).tiny)
        fitted = np.abs(residual) <= 3 * spread
    wrong = (own * predicted < 0) & (np.abs(residual) > least * spread)
    explained = np.abs(-own - predicted) <= 3 * spread
    return np.where(wrong & explained, np.abs(residual) / spread, 0)


def _opposite_conventions(
    usual: Mapping[str, Complex[np.ndarray, " pairs"]], category: str
) -> Iterator[Finding]:
    for (one, a), (other, b) in combinations(usual.items(), 2):
        if (a * b.conj()).real.sum() < 0:
            sentence = f"Splits {one!r} and {other!r} of {category!r} call opposite sides left."
            yield Finding("left/right swaps", CHANGES_SCORES, sentence)
