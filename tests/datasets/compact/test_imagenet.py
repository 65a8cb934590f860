from pathlib import Path

import pytest

from convcorr_jax.coords import Size
from convcorr_jax.datasets import load_image
from convcorr_jax.datasets.compact import scenes
from convcorr_jax.errors import InputError
from tests.builders.compact_folders import jpeg, write_imagenet_archive, write_imagenet_sample


def test_a_sample_is_read_in_the_order_of_names(tmp_path: Path):
    write_imagenet_sample(tmp_path, "n01443537_goldfish.jpg", "n01440764_tench.jpg")
    assert scenes.is_sample(tmp_path)
    records = list(scenes.read_sample(tmp_path))
    assert [record.category for record in records] == ["n01440764", "n01443537"]
    assert [record.size for record in records] == [Size(20, 24)] * 2
    assert load_image(records[0]).shape == (20, 24, 3)


def test_an_archive_is_split_within_its_classes(tmp_path: Path):
    members = [f"n0000000{k}/{image:02}.jpg" for k in (2, 1) for image in range(20)]
    write_imagenet_archive(tmp_path, *reversed(members))
    assert scenes.is_archive(tmp_path)
    records = list(scenes.read_archive(tmp_path))
    assert [record.source_id for record in records] == sorted(members)
    tests = [record.source_id for record in records if record.split == "test"]
    assert tests == [f"n0000000{k}/{image}.jpg" for k in (1, 2) for image in (18, 19)]
    assert load_image(records[3]).shape == (20, 24, 3)


def test_other_folders_are_neither(tmp_path: Path):
    write_imagenet_sample(tmp_path, "holiday.jpg")
    assert not scenes.is_sample(tmp_path)
    assert not scenes.is_archive(tmp_path)


def test_names_that_say_no_class_are_refused(tmp_path: Path):
    write_imagenet_sample(tmp_path, "n01440764_tench.jpg", "tench.jpg")
    with pytest.raises(InputError, match=r"tench\.jpg is not named <wnid>_<name>"):
        list(scenes.read_sample(tmp_path))


@pytest.mark.parametrize("member", ["../n01440764/a.jpg", "n01440764/../a.jpg", "a.jpg"])
def test_members_that_say_no_class_are_refused(tmp_path: Path, member: str):
    write_imagenet_archive(tmp_path, member)
    with pytest.raises(InputError, match="is not named <wnid>/<name>"):
        list(scenes.read_archive(tmp_path))


def test_damaged_archives_are_refused(tmp_path: Path):
    path = write_imagenet_archive(tmp_path, "n01440764/a.jpg")
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole.replace(jpeg()[40:60], bytes(20))):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"images\.zip is damaged"):
            list(scenes.read_archive(tmp_path))


def test_a_member_that_is_no_image_is_named(tmp_path: Path):
    write_imagenet_archive(tmp_path, "n01440764/a.jpg", content=b"not an image")
    with pytest.raises(InputError, match=r"images\.zip, member n01440764/a\.jpg is not an image"):
        list(scenes.read_archive(tmp_path))
