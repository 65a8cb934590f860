"""An image or label map that cannot be read is named with its reason."""

from dataclasses import replace
from pathlib import Path

from convcorr_jax.datasets import Record
from convcorr_jax.doctor import CHANGES_SCORES, duplicates
from convcorr_jax.doctor.duplicates import unreadable_images
from tests.builders.image_checks import found_by, on_disk


def test_clean_data_has_no_unreadable_image(faces: tuple[Record, ...], tmp_path: Path):
    assert found_by(unreadable_images, faces) == []
    assert found_by(unreadable_images, on_disk(faces, tmp_path)) == []
    assert found_by(unreadable_images, []) == []
    of_one_file = [*on_disk(faces[:4], tmp_path)]
    of_one_file.append(replace(of_one_file[0], source_id="second face"))
    assert found_by(unreadable_images, of_one_file) == []


def test_an_image_that_cannot_be_read_is_named_with_its_reason(faces: tuple[Record, ...], tmp_path: Path):
    records = on_disk(faces[:4], tmp_path)
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "2.png").unlink()
    records.append(replace(faces[4], image=b"no image"))
    records.append(replace(faces[5], label_map=b"no label map"))
    (finding,) = found_by(unreadable_images, records)
    assert finding.severity == CHANGES_SCORES
    expected = [faces[index].source_id for index in (1, 2, 4, 5)]
    assert finding.source_ids == tuple(expected)
    notes = [case.note for case in finding.cases]
    assert "cut short" in notes[0]
    assert "does not exist" in notes[1]
    assert "not an image" in notes[2]
    assert "label map" in notes[3]
    # Two images that cannot be read are not equal.
    assert found_by(duplicates.exact_duplicates, records) == []
