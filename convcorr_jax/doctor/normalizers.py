"""A check of the normalizer, the length by which a metric divides errors, against the object's box."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from convcorr_jax.datasets.records import Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, WORTH_A_LOOK, Case, Finding, counted
from convcorr_jax.doctor.spread import robust_spread

# A normalizer is the length of a part of the object: a head or the distance between the eyes is a tenth of the
# object or more.
_LEAST_MEDIAN, _MOST_MEDIAN = 0.02, 2.0
# Foreshortening makes a torso a few times shorter, not five times.
_TIMES_MEDIAN = 5.0
_SPREADS = 5.0


def unusual_normalizers(records: Sequence[Record]) -> Iterator[Finding]:
    """Find normalizers that do not fit their object.

    Let r be the normalizer over the longer side of the box. A category is reported if the median of r lies
    outside 0.02 ... 2. An object is reported if its r is more than five times above or below the median of
    its category and log r is more than five robust standard deviations away from the logarithm of the median.

    Args:
        records: records of all splits; those without a box or a normalizer are left out.
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
                "median: it seems to be in other units than the box."
            )
            yield Finding("normalizers", CHANGES_SCORES, sentence)
        least = max(np.log(_TIMES_MEDIAN), _SPREADS * robust_spread(logs - median))
        for record, ratio in pairs:
            if abs(np.log(ratio) - median) > least:
                note = f"{ratio:.3g} times the box's longer side; {usual:.3g} is usual"
                unusual.append(Case((record.source_id,), note))
    if unusual:
        sentence = f"The normalizer does not fit the box in {counted(len(unusual), 'record')}."
        yield Finding("normalizers", WORTH_A_LOOK, sentence, tuple(unusual))
