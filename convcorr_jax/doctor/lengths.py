"""The lengths by which metrics divide errors, against the boxes of the objects."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from convcorr_jax.datasets.records import Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, counted

# A metric's length is a part of the object: a head or an eye distance is a tenth of it or more.
_LEAST_MEDIAN, _MOST_MEDIAN = 0.02, 2.0
# Foreshortening makes a torso a few times shorter, not five times.
_TIMES_MEDIAN = 5.0
_SPREADS = 5.0


def normalizers(records: Sequence[Record]) -> Iterator[Finding]:
    """Normalizers that are no part of the object, or far from what is usual in its category.

    With r the normalizer over the box's longer side: the median of r is out of 0.02 ... 2, or an object's r
    is five times more or less than the median, and five standard deviations (robust, of log r) away.
    """
    ratios: dict[str, list[tuple[Record, float]]] = defaultdict(list)
    for record in records:
        if record.box is not None and record.normalizer_px is not None:
            longer = record.box.longer_side
            ratios[record.category].append((record, record.normalizer_px / longer))
    unusual = []
    for category, pairs in ratios.items():
        logs = np.log([ratio for _, ratio in pairs])
        median = float(np.median(logs))
        usual = float(np.exp(median))
        if not _LEAST_MEDIAN <= usual <= _MOST_MEDIAN:
            sentence = (
                f"The normalizer of {category!r} is {usual:.3g} times the longer side of the box, by the "
                "median: it seems to be of another frame."
            )
            yield Finding("normalizers", CHANGES_SCORES, sentence)
        spread = 1.4826 * float(np.median(np.abs(logs - median)))
        least = max(np.log(_TIMES_MEDIAN), _SPREADS * spread)
        for record, ratio in pairs:
            if abs(np.log(ratio) - median) > least:
                note = f"{ratio:.3g} times the box's longer side; {usual:.3g} is usual"
                unusual.append(Case((record.source_id,), note))
    if unusual:
        sentence = f"The normalizer does not fit the box in {counted(len(unusual), 'record')}."
        yield Finding("normalizers", WORTH_A_LOOK, sentence, tuple(unusual))
