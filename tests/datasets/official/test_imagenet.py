"""The three layouts of ImageNet's validation set."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from convcorr_jax.datasets import DATASETS, Absent, Record, load_image
from convcorr_jax.datasets.official import imagenet
from convcorr_jax.errors import InputError
from tests.builders.fuzzing import FUZZ, mistyped

FIRST, SECOND, THIRD = (f"ILSVRC2012_val_{number:08d}.JPEG" for number in (1, 2, 3))


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.new("RGB", (24, 20), "red").save(path, format="JPEG")


def write_kit(folder: Path, ground_truth: str = "2\n1\n2\n") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / imagenet.GROUND_TRUTH).write_text(ground_truth)
    # The kit's order is not that of the WordNet ids.
    kinds = np.dtype([("ILSVRC2012_ID", object), ("WNID", object), ("words", object)])
    synsets = np.array(
        [(1.0, "n02119789", "kit fox"), (2.0, "n01440764", "tench"), (1001.0, "n00004475", "all")], kinds
    )
    scipy.io.savemat(folder / "meta.mat", {"synsets": synsets.reshape(-1, 1)})


def summary(source: Path) -> list[tuple[str, str]]:
    records = list(imagenet.read(source))
    assert all(isinstance(record, Record) for record in records)
    assert {record.split for record in records} == {"val"}
    return [(record.source_id, record.category) for record in records]


@pytest.mark.parametrize("under", [".", "val"])
def test_class_folders(under: str, tmp_path: Path):
    folder = tmp_path / under
    write_image(folder / "n02119789" / SECOND)
    write_image(folder / "n01440764" / THIRD)
    write_image(folder / "n01440764" / FIRST)
    (folder / "n01440764" / "notes.txt").write_text("no photograph")
    (folder / "other").mkdir()
    assert summary(tmp_path) == [
        ("ILSVRC2012_val_00000001", "n01440764"),
        ("ILSVRC2012_val_00000003", "n01440764"),
        ("ILSVRC2012_val_00000002", "n02119789"),
    ]
    assert DATASETS["imagenet_validation"].is_release(tmp_path)


@pytest.mark.parametrize("kit", [".", "data", "ILSVRC2012_devkit_t12/data"])
@pytest.mark.parametrize("under", [".", "val", "ILSVRC2012_img_val"])
def test_a_flat_folder_with_the_development_kit(kit: str, under: str, tmp_path: Path):
    for name in (FIRST, SECOND, THIRD):
        write_image(tmp_path / under / name)
    write_kit(tmp_path / kit)
    assert summary(tmp_path) == [
        ("ILSVRC2012_val_00000001", "n01440764"),
        ("ILSVRC2012_val_00000002", "n02119789"),
        ("ILSVRC2012_val_00000003", "n01440764"),
    ]
    record = next(iter(imagenet.read(tmp_path)))
    assert isinstance(record, Record)
    assert record.size == (20, 24)
    assert load_image(record).shape == (20, 24, 3)
    assert DATASETS["imagenet_validation"].is_release(tmp_path)


@pytest.mark.parametrize("name", imagenet.LISTS)
def test_a_flat_folder_with_a_list(name: str, tmp_path: Path):
    for image in (FIRST, SECOND):
        write_image(tmp_path / "val" / image)
    (tmp_path / name).write_text(f"{SECOND} 970\r\nval/{FIRST}\t65\r\n")
    assert summary(tmp_path) == [("ILSVRC2012_val_00000002", "970"), ("ILSVRC2012_val_00000001", "65")]
    assert DATASETS["imagenet_validation"].is_release(tmp_path)


def test_photographs_that_are_not_there_are_named(tmp_path: Path):
    write_image(tmp_path / SECOND)
    (tmp_path / THIRD).write_bytes(b"no photograph")
    write_kit(tmp_path)
    absent, record, damaged = imagenet.read(tmp_path)
    assert absent == Absent("ILSVRC2012_val_00000001", f"{FIRST} is in none of the folders")
    assert isinstance(record, Record)
    assert isinstance(damaged, Absent)
    assert f"{THIRD} is not an image" in damaged.reason


def test_the_same_photograph_in_two_classes_is_refused(tmp_path: Path):
    write_image(tmp_path / "n01440764" / FIRST)
    write_image(tmp_path / "n02119789" / FIRST)
    with pytest.raises(InputError, match="there is another photograph ILSVRC2012_val_00000001"):
        list(imagenet.read(tmp_path))


def test_what_is_no_validation_set_is_refused(tmp_path: Path):
    for source in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"no ImageNet validation set.*meta\.mat"):
            imagenet.read(source)


@pytest.mark.parametrize(
    ("ground_truth", "sentence"),
    [("2\n3\n", "'3' is not the number"), ("x\n", "'x' is not the number"), ("", "is empty")],
)
def test_other_ground_truth_is_refused(ground_truth: str, sentence: str, tmp_path: Path):
    write_kit(tmp_path, ground_truth)
    with pytest.raises(InputError, match=f"{imagenet.GROUND_TRUTH}.*{sentence}"):
        imagenet.read(tmp_path)


def test_ground_truth_without_the_names_of_its_classes_is_refused(tmp_path: Path):
    write_kit(tmp_path)
    (tmp_path / "meta.mat").unlink()
    with pytest.raises(InputError, match=r"meta\.mat does not exist"):
        imagenet.read(tmp_path)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/etc/passwd 1", "plain name"),
        ("../a.JPEG 1", "plain name"),
        ("val/../a.JPEG 1", "plain name"),
        ("a.JPEG", "name and a label"),
        ("a.JPEG 1 2", "name and a label"),
        ("a.JPEG 1\na.JPEG 2", "lists a.JPEG twice"),
    ],
)
def test_other_lists_are_refused(line: str, sentence: str, tmp_path: Path):
    path = tmp_path / "val.txt"
    path.write_text(line)
    with pytest.raises(InputError, match=rf"val\.txt.*{sentence}"):
        imagenet.read_list(path)


@FUZZ
@given(data=st.data(), file=st.sampled_from([imagenet.GROUND_TRUTH, "val.txt", "meta.mat"]))
def test_damage_gives_records_or_the_projects_error(tmp_path: Path, data: st.DataObject, file: str):
    write_image(tmp_path / FIRST)
    write_kit(tmp_path)
    (tmp_path / "val.txt").write_text(f"{FIRST} 65\n{SECOND} 970\n")
    if file == "val.txt":
        (tmp_path / imagenet.GROUND_TRUTH).unlink()
    (tmp_path / file).write_bytes(mistyped(data, (tmp_path / file).read_bytes()))
    with contextlib.suppress(InputError):
        list(imagenet.read(tmp_path))
