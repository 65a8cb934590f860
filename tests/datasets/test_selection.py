"""Records that are read when they are indexed, their fingerprints, and the photographs of installed packages.

Every field and every pixel changes a fingerprint, and copying the files does not.
"""

import dataclasses
import importlib.util
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from convcorr_jax import coords
from convcorr_jax.datasets import GeneratedRecords, Selection, fingerprint, selection
from convcorr_jax.errors import InputError
from tests.builders.image_set import SIZE, full_record, plain_record, read_records, write_images
from tests.builders.records import record_of


def record(name, split="train"):
    return record_of(np.full((2, 3, 3), len(name), np.uint8), category="cat", source_id=name, split=split)


class Computed(GeneratedRecords):
    """Records whose computations are counted."""

    def __init__(self, version=1, count=4):
        self.version = version
        self.count = count
        self.computed = []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        self.computed.append(index)
        return record(f"computed {index}", self.split(index))

    def split(self, position):
        return ("train", "test")[position % 2]

    def identity(self, position):
        return f"{self.version} {position};"


def ids(records):
    return [one.source_id for one in records]


def test_sources_follow_one_another_and_numbers_choose():
    computed, listed = Computed(), [record("a"), record("b", "test")]
    joined = Selection.of(Selection.of(computed), Selection.of(listed, listed[:1]))
    assert len(joined) == 7
    assert ids(joined) == [*(f"computed {i}" for i in range(4)), "a", "b", "a"]
    assert ids(joined[3:6:2]) == ["computed 3", "b"]
    assert joined[-2].source_id == "b"
    chosen = joined.take(np.array([5, 0, 5]))
    assert ids(chosen) == ["b", "computed 0", "b"]
    assert ids(chosen.take(np.array([1]))) == ["computed 0"]
    with pytest.raises(IndexError):
        joined[7]
    assert len(Selection.of()) == len(Selection.of([])) == 0


def test_splits_and_fingerprints_compute_no_record():
    computed = Computed(count=1000)
    chosen = Selection.of(computed, [record("a")])
    assert chosen.splits() == [*(500 * ["train", "test"]), "train"]
    first = fingerprint(chosen)
    # None, but for single records whose type the run-time type checker checks.
    assert len(computed.computed) < 10
    assert fingerprint(Selection.of(Computed(count=1000), [record("a")])) == first
    assert fingerprint(Selection.of(Computed(version=2, count=1000), [record("a")])) != first
    assert fingerprint(chosen.take(np.roll(np.arange(1001), 1))) != first
    # Records that are not computed have the fingerprint of a list.
    listed = [record("a"), record("bc")]
    assert fingerprint(Selection.of(listed)) == fingerprint(listed)


# Fingerprints
PIXELS = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), np.uint8)
LABELS = np.zeros(SIZE, np.uint8)
RECORD = full_record(PIXELS, LABELS)


def changed_pixels(at):
    pixels = PIXELS.copy()
    pixels[at] ^= 1
    return pixels


CHANGES = {
    "a pixel": {"image": changed_pixels((17, 19, 2))},
    "a label": {"label_map": np.where(np.arange(18 * 20).reshape(SIZE) == 7, 1, LABELS)},
    "no label map": {"label_map": None},
    "a last digit of a point": {"points": np.add(RECORD.points, [[0, 0], [0, 0], [0, np.spacing(1 / 3)]])},
    "visibility": {"visible": np.array([True, False, True])},
    "split": {"split": "test"},
    "identifier": {"source_id": "写真/2"},
    "category": {"category": "cat"},
    "a name": {"names": ("links", "rechts", "nose")},
    "box": {"box": coords.Box(-0.5, 0.1, 7 / 3, 17.4)},
    "no box": {"box": None},
    "another box": {"other_boxes": {**RECORD.other_boxes, "head": coords.Box(1.1, 2.2, 3.3, 4.5)}},
    "the name of a box": {"other_boxes": {"hand": RECORD.other_boxes["head"]}},
    "left and right": {"left_right_pairs": ((0, 1),)},
    "a part": {"part_sets": {**RECORD.part_sets, "eyes": (0, 1)}},
    "normalizer": {"normalizer_px": 3.0},
    "no normalizer": {"normalizer_px": None},
    "an attribute": {"attributes": {"scale": 0.1, "smiling": 1.0}},
    "the name of a label": {"label_names": ("cat", "chair")},
}


def test_every_change_has_a_fingerprint_of_its_own():
    changed = [dataclasses.replace(RECORD, **change) for change in CHANGES.values()]
    fingerprints = {fingerprint([one]): name for one, name in zip(changed, CHANGES, strict=True)}
    assert [*fingerprints.values()] == [*CHANGES]
    assert fingerprint([RECORD]) not in fingerprints


def test_equal_records_have_equal_fingerprints():
    again = full_record(PIXELS.copy(), LABELS.copy())
    strided = np.repeat(PIXELS, 2, axis=1)[:, ::2], np.asfortranarray(RECORD.points)
    for same in (
        [again],
        iter([again]),
        (RECORD,),
        [dataclasses.replace(RECORD, attributes=dict(reversed(RECORD.attributes.items())))],
        [dataclasses.replace(RECORD, image=strided[0], points=strided[1])],
    ):
        assert fingerprint(same) == fingerprint([RECORD])
    assert len(fingerprint([RECORD])) == 32
    int(fingerprint([]), 16)


def test_order_and_number_of_records_matter():
    records = [plain_record(PIXELS, f"image {k}", split="train") for k in range(3)]
    sequences = (records, records[:2], records[::-1], [*records, records[0]], [])
    assert len({fingerprint(chosen) for chosen in sequences}) == 5


def test_the_content_of_files_counts_and_not_their_names_and_times(tmp_path):
    original, copy = write_images(tmp_path / "original"), tmp_path / "copy"
    expected = fingerprint(read_records(original))
    shutil.copytree(original, copy)
    for number, path in enumerate(sorted(copy.iterdir())):
        os.utime(path, (1e9 + number, 1e9 + number))
    assert fingerprint(read_records(copy)) == expected
    path = sorted(copy.iterdir())[5]
    in_memory = plain_record(path.read_bytes(), "image", split="train")
    assert fingerprint([in_memory]) == fingerprint([plain_record(path, "image", split="train")])
    # A change at equal size and time.
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert fingerprint(read_records(copy)) != expected
    path.unlink()
    with pytest.raises(InputError, match=r"05\.png cannot be read: No such file"):
        fingerprint([plain_record(path, "image", split="train")])


def test_of_large_files_size_and_time_count(tmp_path):
    path = tmp_path / "large.bmp"
    side = int((selection.HASHED_FILE_BYTES / 3) ** 0.5) + 10
    PillowImage.new("RGB", (side, side)).save(path)
    assert path.stat().st_size > selection.HASHED_FILE_BYTES
    record = dataclasses.replace(plain_record(path, "large", split="train"), size=coords.Size(side, side))
    before = fingerprint([record])
    assert fingerprint([record]) == before
    os.utime(path, (1e9, 1e9))
    touched = fingerprint([record])
    assert touched != before
    with path.open("ab") as stream:
        stream.write(b"\0")
    os.utime(path, (1e9, 1e9))
    assert fingerprint([record]) != touched


# Photographs
def test_photographs_are_colour_images_with_names_and_credits():
    found = [*selection.photographs(), *selection.surfaces()]
    assert len({photograph.name for photograph in found}) == len(found) >= 10
    for photograph in found:
        assert photograph.credit
        assert photograph.image.dtype == np.uint8
        assert min(photograph.image.shape[:2]) >= 250
        # A photograph, not a blank: its grey levels spread.
        assert photograph.image.std() > 15
    # A caller cannot change what others get.
    with pytest.raises(ValueError, match="read-only"):
        selection.photographs()[0].image[0] = 0


def test_photographs_that_are_missing_are_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    elsewhere = importlib.util.spec_from_file_location("skimage", tmp_path / "__init__.py")
    for found, sentence in ((None, "skimage is not installed"), (elsewhere, r"astronaut\.png does not exist")):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, found=found: found)
        with pytest.raises(InputError, match=sentence):
            selection.photographs.__wrapped__()
