"""The fingerprint of records: every field and every pixel changes it, and copying the files does not."""

import dataclasses
import os
import shutil

import numpy as np
import pytest
from PIL import Image as PillowImage

from convcorr_jax import coords
from convcorr_jax.datasets import fingerprint
from convcorr_jax.datasets.selection import HASHED_FILE_BYTES
from convcorr_jax.errors import InputError
from tests.builders.image_set import SIZE, full_record, plain_record, read_entries, write_images

PIXELS = np.random.default_rng(3).integers(0, 256, (*SIZE, 3), np.uint8)
LABELS = np.zeros(SIZE, np.uint8)
RECORD = full_record(PIXELS, LABELS)


def changed_pixels(at):
    pixels = PIXELS.copy()
    pixels[at] ^= 1
    return pixels


def changed_points(at, shift):
    points = RECORD.points.copy()
    points[at] += shift
    return points


CHANGES = {
    "a pixel": {"image": changed_pixels((17, 19, 2))},
    "a label": {"label_map": np.where(np.arange(18 * 20).reshape(SIZE) == 7, 1, LABELS)},
    "no label map": {"label_map": None},
    "a coordinate in its last digit": {"points": changed_points((2, 1), np.spacing(1 / 3))},
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


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_changes_it(name):
    changed = dataclasses.replace(RECORD, **CHANGES[name])
    assert fingerprint([changed]) != fingerprint([RECORD])


def test_different_changes_have_different_fingerprints():
    changed = [dataclasses.replace(RECORD, **change) for change in CHANGES.values()]
    assert len({fingerprint([record]) for record in [RECORD, *changed]}) == len(CHANGES) + 1


def test_equal_records_have_equal_fingerprints():
    again = full_record(PIXELS.copy(), LABELS.copy())
    assert fingerprint([again]) == fingerprint([RECORD])
    assert fingerprint(iter([again])) == fingerprint((RECORD,))
    reordered = dataclasses.replace(RECORD, attributes=dict(reversed(RECORD.attributes.items())))
    assert fingerprint([reordered]) == fingerprint([RECORD])
    assert len(fingerprint([RECORD])) == 32
    int(fingerprint([]), 16)


def test_the_memory_layout_of_arrays_does_not_matter():
    strided = dataclasses.replace(
        RECORD, image=np.repeat(PIXELS, 2, axis=1)[:, ::2], points=np.asfortranarray(RECORD.points)
    )
    assert fingerprint([strided]) == fingerprint([RECORD])


def test_order_and_number_of_records_matter():
    records = [plain_record(PIXELS, f"image {k}", split="train") for k in range(3)]
    fingerprints = {
        fingerprint(chosen) for chosen in (records, records[:2], records[::-1], [*records, records[0]], [])
    }
    assert len(fingerprints) == 5


def records_of(folder):
    return [entry for entry in read_entries(folder) if hasattr(entry, "image")]


def test_copying_a_folder_does_not_change_it(tmp_path):
    original = write_images(tmp_path / "original")
    expected = fingerprint(records_of(original))
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    for number, path in enumerate(sorted(copy.iterdir())):
        os.utime(path, (1e9 + number, 1e9 + number))
    assert fingerprint(records_of(copy)) == expected
    original.rename(tmp_path / "renamed")
    assert fingerprint(records_of(tmp_path / "renamed")) == expected


def test_a_files_content_changes_it_even_at_equal_size_and_time(tmp_path):
    folder = write_images(tmp_path / "images")
    before = fingerprint(records_of(folder))
    path = sorted(folder.iterdir())[5]
    status, content = path.stat(), bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert fingerprint(records_of(folder)) != before


def test_of_large_files_size_and_time_count(tmp_path):
    path = tmp_path / "large.bmp"
    side = int((HASHED_FILE_BYTES / 3) ** 0.5) + 10
    PillowImage.new("RGB", (side, side)).save(path)
    assert path.stat().st_size > HASHED_FILE_BYTES
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


def test_the_bytes_of_a_file_are_the_file(tmp_path):
    path = sorted(write_images(tmp_path / "images").iterdir())[0]
    on_disk = plain_record(path, "image", split="train")
    in_memory = plain_record(path.read_bytes(), "image", split="train")
    assert fingerprint([on_disk]) == fingerprint([in_memory])


def test_a_missing_file_is_one_sentence(tmp_path):
    record = plain_record(tmp_path / "none.png", "image", split="train")
    with pytest.raises(InputError, match=r"none\.png cannot be read: No such file"):
        fingerprint([record])
