"""Data sets are opened by name or path, and of several layouts in a folder the official one is read."""

import functools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.datasets import DATASETS, load_image, opening, prepared
from convcorr_jax.datasets.official import ibug, imagenet, mpii, pf_willow
from convcorr_jax.errors import InputError
from tests.builders.compact_folders import (
    write_attributes,
    write_camvid,
    write_faces,
    write_imagenet_archive,
    write_imagenet_sample,
    write_lspet,
    write_pf_willow,
)
from tests.builders.genuine import genuine
from tests.builders.leeds_tree import write_lsp
from tests.builders.processes import printed
from tests.builders.releases import RELEASES
from tests.builders.willow_tree import write_pf_willow_release

# Records of each split of the compact copies; of PF-WILLOW its distinct photographs.
COMPACT_COPIES = {
    "camvid": {"train": 367, "val": 101, "test": 233},
    "helen68": {"train": 870, "test": 330},
    "imagenet_sample": {"sample": 1000},
    "lfpw68": {"train": 805, "test": 224},
    "lfw_attributes": {"train": 3340, "test": 811},
    "lspet": {"train": 4000, "test": 800},
    "mini_imagenet": {"train": 2700, "test": 300},
    "pf_willow": {"test": 70},
}
COMPACT_WRITERS = {
    "faces": (write_faces, ["face", "face"]),
    "lspet": (write_lspet, ["person", "person"]),
    "pf_willow": (write_pf_willow, ["winebottle", "winebottle"]),
    "attributes": (write_attributes, ["face", "face"]),
    "camvid": (write_camvid, ["street"] * 3),
    "imagenet sample": (lambda folder: write_imagenet_sample(folder, "n01440764_a.jpg"), ["n01440764"]),
    "imagenet archive": (lambda folder: write_imagenet_archive(folder, "n01440764/a.jpg"), ["n01440764"]),
}


@pytest.mark.parametrize("compact", COMPACT_WRITERS)
def test_the_layouts_of_compact_copies_are_recognised(tmp_path: Path, compact: str):
    (tmp_path / "anything").mkdir()
    write, categories = COMPACT_WRITERS[compact]
    write(tmp_path / "anything")
    for name, root in (("anything", tmp_path), (tmp_path / "anything", None)):
        records = opening.read_records(name, data_root=root)
        assert [record.category for record in records] == categories
        assert load_image(records[0]).shape[:2] == records[0].size


def test_an_official_release_is_read_by_its_name(tmp_path: Path):
    write_lsp(tmp_path / "lsp")
    assert len(opening.read_records("lsp", data_root=tmp_path)) == 4
    (tmp_path / "lsp").rename(tmp_path / "people")
    with pytest.raises(InputError, match=r"people is laid out as no data set.*voc2011_keypoints"):
        opening.read_records("people", data_root=tmp_path)


@pytest.mark.parametrize("compact", COMPACT_WRITERS)
@pytest.mark.parametrize("name", ["lsp", "lspet", "pf_willow", "helen68", "lfpw68"])
def test_an_official_release_goes_before_a_compact_copy_in_its_folder(tmp_path: Path, name: str, compact: str):
    folder = tmp_path / name
    folder.mkdir()
    COMPACT_WRITERS[compact][0](folder)
    # Before the release is unpacked into it, the folder is a compact copy.
    assert not DATASETS[name].is_release(folder)
    copies = [record.source_id for record in opening.read_records(name, data_root=tmp_path)]
    release = RELEASES[name]
    release.write(folder)
    first_id = next(iter(release.splits))
    assert DATASETS[name].is_release(folder)
    assert opening.read_records(name, data_root=tmp_path)[0].source_id == first_id
    assert first_id not in copies
    assert next(iter(opening.read_folder(folder, dataset=DATASETS[name]))).source_id == first_id


@pytest.mark.parametrize("name", ["lsp", "lspet"])
def test_an_empty_or_damaged_release_is_not_passed_over(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=r"joints\.mat does not exist"):
        opening.read_records(name, data_root=tmp_path)
    write_lspet(tmp_path / name)
    (tmp_path / name / "joints.mat").write_bytes(b"MATLAB")
    with pytest.raises(InputError, match=r"joints\.mat is no MATLAB file"):
        opening.read_records(name, data_root=tmp_path)


def test_pairs_of_an_official_release_go_before_those_of_a_compact_copy(tmp_path: Path):
    folder = tmp_path / "pf_willow"
    write_pf_willow(folder)
    found = opening.read_pairs(folder)
    assert len(found.pairs) == 2
    for record, other in zip(found.records, opening.read_records(folder), strict=True):
        np.testing.assert_array_equal(record.points, other.points)
    write_pf_willow_release(folder)
    assert {pair.subset for pair in opening.read_pairs(folder).pairs} == set(pf_willow.SUBSETS)
    write_pf_willow(write_lsp(tmp_path / "lsp"))
    with pytest.raises(
        InputError, match=r"has no fixed pairs; .* pf_willow, pf_pascal, spair71k, ap10k is expected"
    ):
        opening.read_pairs(tmp_path / "lsp")


def prepare_lsp(source: Path, folder: Path) -> None:
    read = functools.partial(opening.read_folder, source, dataset=DATASETS["lsp"])
    prepared.prepare(read, folder, name="lsp", version=folder.name, description="a test", processes=1)


def test_the_latest_prepared_version_goes_before_older_ones_and_the_release(tmp_path: Path):
    source = write_lsp(tmp_path / "lsp")
    for version, count in (("1.0.0", 4), ("1.10.0", 2), ("1.9.0", 3)):
        for number in range(count + 1, 5):
            (source / f"images/im{number:04}.jpg").unlink(missing_ok=True)
        prepare_lsp(source, tmp_path / "out/lsp" / version)
    assert len(opening.read_records("lsp", data_root=tmp_path / "out")) == 2
    prepare_lsp(source, source / "1.0.0")
    (source / "images/im0001.jpg").unlink()
    assert len(opening.read_records("lsp", data_root=tmp_path)) == 2


@pytest.mark.parametrize("name", COMPACT_COPIES)
def test_genuine_compact_copies_are_whole_and_read_by_name(name: str):
    records = opening.read_records(name, data_root=genuine(name).parent)
    assert Counter(record.split for record in records) == COMPACT_COPIES[name]
    for record in records[:: max(1, len(records) // 6)]:
        assert load_image(record).shape[:2] == record.size


NAMED = {
    "three_hundred_w": ibug.SUBSETS,
    "imagenet_validation": (imagenet.GROUND_TRUTH, *imagenet.LISTS),
    "mpii": (mpii.RELEASE_FILE, *(name for names, _ in mpii.FORMS for name in names.values())),
    "pf_willow": pf_willow.SUBSETS,
}


@pytest.mark.parametrize(("name", "entry"), [(name, entry) for name, each in NAMED.items() for entry in each])
def test_each_name_that_a_reader_knows_marks_its_release(tmp_path: Path, name: str, entry: str):
    (tmp_path / entry).mkdir(parents=True)
    assert DATASETS[name].is_release(tmp_path)


def test_a_subset_of_another_name_marks_no_release(tmp_path: Path):
    (tmp_path / "winebottle(other)").mkdir()
    assert not DATASETS["pf_willow"].is_release(tmp_path)


def test_importing_the_room_imports_no_tensorflow_datasets():
    program = (
        "import sys, convcorr_jax.datasets; "
        "print({name.split('.')[0] for name in sys.modules} & {'tensorflow_datasets', 'tensorflow'})"
    )
    assert printed("-c", program) == "set()\n"
