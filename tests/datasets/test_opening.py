import functools
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.datasets import opening, prepared
from convcorr_jax.datasets.catalogue import DATASETS
from convcorr_jax.datasets.records import load_image
from convcorr_jax.errors import InputError
from tests.builders.genuine import genuine
from tests.builders.leeds_tree import write_lsp
from tests.datasets.compact import test_imagenet, test_lfw_attributes
from tests.datasets.compact.test_readers import write_faces, write_people, write_pf_willow

# Records of each compact copy; of PF-WILLOW its distinct photographs.
COMPACT_COPIES = {
    "camvid": 701,
    "helen68": 1200,
    "imagenet_sample": 1000,
    "lfpw68": 1029,
    "lfw_attributes": 4151,
    "lspet": 4800,
    "mini_imagenet": 3000,
    "pf_willow": 70,
}


@pytest.mark.parametrize(
    ("write", "categories"),
    [
        (write_faces, ["face", "face"]),
        (write_people, ["person", "person"]),
        (write_pf_willow, ["winebottle", "winebottle"]),
        (test_lfw_attributes.write, ["face", "face"]),
        (lambda folder: test_imagenet.write_sample(folder, "n01440764_a.jpg"), ["n01440764"]),
        (lambda folder: test_imagenet.write_archive(folder, "n01440764/a.jpg"), ["n01440764"]),
    ],
)
def test_compact_copies_are_told_apart(tmp_path: Path, write, categories: list[str]):
    (tmp_path / "anything").mkdir()
    write(tmp_path / "anything")
    for name, root in (("anything", tmp_path), (tmp_path / "anything", None)):
        records = opening.read_records(name, root)
        assert [one.category for one in records] == categories
        assert load_image(records[0]).shape[:2] == records[0].size


def test_an_official_release_is_known_by_its_name(tmp_path: Path):
    write_lsp(tmp_path / "lsp")
    assert len(opening.read_records("lsp", tmp_path)) == 4
    (tmp_path / "lsp").rename(tmp_path / "people")
    with pytest.raises(InputError, match=r"people is laid out as no data set.*voc2011_keypoints"):
        opening.read_records("people", tmp_path)


def test_the_latest_prepared_version_is_read(tmp_path: Path):
    source = write_lsp(tmp_path / "lsp")
    for version, count in (("1.0.0", 4), ("1.10.0", 2), ("1.9.0", 3)):
        for number in range(count + 1, 5):
            (source / f"images/im{number:04}.jpg").unlink(missing_ok=True)
        prepared.prepare(
            functools.partial(opening.read_folder, source, dataset=DATASETS["lsp"]),
            tmp_path / "out/lsp" / version,
            name="lsp",
            version=version,
            description="a test",
            processes=1,
        )
    assert len(opening.read_records("lsp", tmp_path / "out")) == 2


def test_pairs_are_read_where_a_data_set_has_them(tmp_path: Path):
    write_pf_willow(tmp_path)
    found = opening.read_pairs(tmp_path)
    assert len(found.pairs) == 2
    np.testing.assert_array_equal(
        [one.points for one in found.records],
        [one.points for one in opening.read_records(tmp_path)],
    )


def test_a_folder_without_pairs_says_which_have_them(tmp_path: Path):
    with pytest.raises(InputError, match=r"has no fixed pairs; .* pf_willow, pf_pascal, spair71k"):
        opening.read_pairs(write_lsp(tmp_path / "lsp"))


@pytest.mark.parametrize(("name", "count"), COMPACT_COPIES.items())
def test_compact_copies_at_hand_are_read_by_name(name: str, count: int):
    genuine(name)
    records = opening.read_records(name)
    assert len(records) == count
    assert load_image(records[-1]).shape[:2] == records[-1].size
