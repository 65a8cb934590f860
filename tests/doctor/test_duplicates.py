"""Every planted copy and every unreadable image is found; images that are only a little similar are not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from convcorr_jax.datasets import Record, load_image
from convcorr_jax.doctor import CHANGES_SCORES, WORTH_A_LOOK, duplicates, rows_of_shared_scenes
from convcorr_jax.doctor.duplicates import compute_thumbnails
from tests.builders.image_checks import found_by, on_disk

CHECKS = (
    *(duplicates.unreadable_images, duplicates.shared_by_splits),
    *(duplicates.exact_duplicates, duplicates.near_duplicates),
)


def altered(record: Record) -> Record:
    """The same photograph, cut by a pixel, made brighter and coarser."""
    image = PillowImage.fromarray(load_image(record)).crop((1, 1, 64, 64)).resize((40, 40))
    image = PillowImage.fromarray(np.asarray(image.resize((64, 64))) // 2 + 100)
    return replace(record, image=np.asarray(image), source_id=f"{record.source_id} again")


def test_objects_of_one_file_are_no_duplicates_unless_splits_share_it(
    faces: tuple[Record, ...], tmp_path: Path
):
    records = on_disk(faces[:4], tmp_path)
    records.append(replace(records[0], source_id="second face"))
    assert [found_by(check, records) for check in CHECKS] == [[]] * 4
    records.append(replace(records[1], source_id="third face", split="test"))
    (finding,) = found_by(duplicates.shared_by_splits, records)
    assert finding.severity == CHANGES_SCORES
    assert finding.source_ids == (faces[1].source_id, "third face")
    assert found_by(duplicates.exact_duplicates, records) == []


@pytest.mark.parametrize("kind", ["path", "pixels"])
def test_exact_copies_are_found_within_and_across_splits(kind: str, faces: tuple[Record, ...], tmp_path: Path):
    copies = [replace(faces[0], source_id="copy", split="test"), replace(faces[1], source_id="other")]
    records = [*faces, *copies]
    if kind == "path":
        records = on_disk(records, tmp_path)
    found = found_by(duplicates.exact_duplicates, records)
    assert (found[0].severity, found[0].source_ids) == (CHANGES_SCORES, (faces[0].source_id, "copy"))
    # Equal pixels in memory may be two objects of one image: only file names distinguish the cases.
    within = [(finding.severity, finding.source_ids) for finding in found[1:]]
    expected = [(WORTH_A_LOOK, (faces[1].source_id, "other"))]
    assert within == (expected if kind == "path" else [])
    assert found_by(duplicates.near_duplicates, records) == []


def test_altered_copies_are_found_within_and_across_splits(faces: tuple[Record, ...]):
    train = [index for index, face in enumerate(faces) if face.split == "train"]
    copies = [altered(faces[index]) for index in train[:12]]
    copies[3:] = [replace(copy, split="test") for copy in copies[3:]]
    across, within = found_by(duplicates.near_duplicates, [*faces, *copies])
    assert (across.severity, within.severity) == (CHANGES_SCORES, WORTH_A_LOOK)
    expected = {(faces[index].source_id, f"{faces[index].source_id} again") for index in train[:12]}
    found = [case.source_ids for case in (*across.cases, *within.cases)]
    assert set(found) == expected
    assert (len(across.cases), len(within.cases)) == (9, 3)


def test_near_pairs_follow_their_definition_for_any_block_size(
    monkeypatch: pytest.MonkeyPatch, faces: tuple[Record, ...]
):
    records = [*faces[:20], *map(altered, faces[:20])]
    _, thumbnails = compute_thumbnails(records)
    pixels = thumbnails.pixels.astype(float)
    gradients = [np.diff(pixels, axis=axis).reshape(len(records), -1) for axis in (1, 2)]
    whole, of_gradients = (
        np.corrcoef(each.reshape(len(records), -1)) for each in (pixels, np.hstack(gradients))
    )
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    pairs = duplicates.near_pairs(thumbnails)
    expected = np.argwhere(np.triu((whole > 0.8) & (of_gradients > 0.71), 1))
    assert len(expected) >= 15
    assert sorted(pair[:2] for pair in pairs) == [tuple(row) for row in expected.tolist()]
    for first, second, correlation, gradient_correlation in pairs:
        assert correlation == pytest.approx(whole[first, second], abs=1e-5)
        assert gradient_correlation == pytest.approx(of_gradients[first, second], abs=1e-5)
    assert pairs == sorted(pairs, key=lambda pair: -pair.gradient_correlation)
    monkeypatch.setattr(duplicates, "_BLOCK", 512)
    assert [pair[:2] for pair in duplicates.near_pairs(thumbnails)] == [pair[:2] for pair in pairs]


def test_images_of_a_single_colour_are_no_near_duplicates(faces: tuple[Record, ...]):
    black, grey = (replace(faces[0], image=np.full((64, 64, 3), level, np.uint8)) for level in (0, 90))
    assert found_by(duplicates.near_duplicates, [black, replace(grey, source_id="grey")]) == []


def test_an_image_that_cannot_be_read_is_named_with_its_reason(faces: tuple[Record, ...], tmp_path: Path):
    records = on_disk(faces[:4], tmp_path)
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "2.png").unlink()
    records.append(replace(faces[4], image=b"no image"))
    records.append(replace(faces[5], label_map=b"no label map"))
    (finding,) = found_by(duplicates.unreadable_images, records)
    assert finding.severity == CHANGES_SCORES
    assert finding.source_ids == tuple(faces[index].source_id for index in (1, 2, 4, 5))
    reasons = ("cut short", "does not exist", "not an image", "label map")
    for case, reason in zip(finding.cases, reasons, strict=True):
        assert reason in case.note
    # Two images that cannot be read are not equal.
    assert found_by(duplicates.exact_duplicates, records) == []


def scenes(faces: tuple[Record, ...]) -> list[Record]:
    """Return walls of which the third tested one shows another part of the first trained one."""
    rng = np.random.default_rng(3)
    # Each has a wall of its own colours.
    walls = [np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(9)]
    walls[7] = np.roll(walls[0][::-1], 20, axis=1)
    return [
        replace(face, image=wall, source_id=f"wall {number}", split="train" if number < 5 else "test")
        for number, (face, wall) in enumerate(zip(faces, walls, strict=False))
    ]


def test_images_of_one_scene_are_found_across_splits_by_their_colours(faces: tuple[Record, ...], monkeypatch):
    records = scenes(faces)
    (finding,) = found_by(duplicates.shared_scenes, records)
    assert (finding.severity, finding.source_ids) == (WORTH_A_LOOK, ("wall 7", "wall 0"))
    assert "are in 1 image:" in finding.sentence
    assert found_by(duplicates.near_duplicates, records) == []
    monkeypatch.setattr(duplicates, "_BLOCK", 1)
    assert rows_of_shared_scenes(records[5:], records[:5]) == [2]
    assert rows_of_shared_scenes(records[5:], []) == []
    # Within a split a scene is no fault, and where colours are all alike they tell nothing.
    assert found_by(duplicates.shared_scenes, [replace(one, split="train") for one in records]) == []
    alike = [replace(one, image=records[0].image) for one in records]
    assert found_by(duplicates.shared_scenes, alike) == []


def test_the_similarity_of_colours_is_bhattacharyyas_coefficient(faces: tuple[Record, ...]):
    _, thumbnails = compute_thumbnails(faces[:3])
    for number, face in enumerate(faces[:3]):
        shares: dict[tuple[int, ...], float] = {}
        pixels = np.asarray(PillowImage.fromarray(load_image(face)).convert("YCbCr")).reshape(-1, 3)
        for luma, *chromas in pixels.tolist():
            key = (luma * 8 // 256, *(min(max((one - 64) * 12 // 128, 0), 11) for one in chromas))
            shares[key] = shares.get(key, 0) + 1 / len(pixels)
        found = thumbnails.colors[number].astype(float)
        assert sorted(found[found > 0] ** 2) == pytest.approx(sorted(shares.values()), rel=2e-3)
