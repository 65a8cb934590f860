"""A check for images and label maps that cannot be read."""

from collections.abc import Iterator, Sequence

from convcorr_jax.datasets.records import Record
from convcorr_jax.doctor.findings import CHANGES_SCORES, Case, Finding, counted
from convcorr_jax.doctor.thumbnails import Thumbnails


def unreadable_images(records: Sequence[Record], thumbnails: Thumbnails) -> Iterator[Finding]:
    """Find records whose image or label map cannot be read, or has another size than the record states."""
    cases = [
        Case((record.source_id,), thumbnails.errors[image])
        for record, image in zip(records, thumbnails.image_of.tolist(), strict=True)
        if thumbnails.errors[image]
    ]
    if cases:
        sentence = f"The image or label map of {counted(len(cases), 'record')} cannot be read."
        yield Finding("unreadable images", CHANGES_SCORES, sentence, tuple(cases))
