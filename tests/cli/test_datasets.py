"""``convcorr datasets`` on a tiny LSP in its official format."""

import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.datasets import DATASETS, read_records
from convcorr_jax.io import read_image
from tests.builders.command_line import Ended, assert_refused, run, run_all
from tests.builders.leeds_tree import write_lsp
from tests.builders.processes import end, start


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_lsp(tmp_path / "lsp")


def prepare(source: Path, out: Path, *options: str) -> Ended:
    return run("datasets", "prepare", "lsp", "--source", source, "--out", out, *options)


def test_list_says_of_every_data_set_where_it_is(release: Path):
    ended, found = run_all("datasets", "list", "--data-root", release.parent)
    assert ended.status == 0
    paths = {one["name"]: one["path"] for one in found["datasets"]}
    assert paths == dict.fromkeys(DATASETS) | {"lsp": str(release)}
    for name, dataset in DATASETS.items():
        assert f"{name}: {dataset.title}\n  from {dataset.homepage}" in ended.out
    assert ended.out.count("  here: no\n") == len(DATASETS) - 1
    assert f"  here: {release}\n" in ended.out


def test_prepared_records_are_those_of_the_release(release: Path, tmp_path: Path):
    (release / "images/im0003.jpg").unlink()
    ended = prepare(release, tmp_path / "out", "--processes", "1")
    assert ended.status == 0, ended.err
    folder = tmp_path / "out/lsp/1.0.0"
    assert ended.out.splitlines() == [
        "train: 3 records (officially 1000)",
        "test: 0 records (officially 1000)",
        "1 annotations make no record:",
        f"  im0003.jpg: {release}/images/im0003.jpg does not exist; an image file is expected",
        str(folder),
    ]
    for name in ("lsp", folder):
        found = read_records(name, data_root=tmp_path / "out")
        expected = read_records(release)
        assert [one.source_id for one in found] == [one.source_id for one in expected]
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one.points, other.points)
            assert isinstance(one.image, bytes)
            assert isinstance(other.image, Path)
            assert one.image == other.image.read_bytes()
    # What is prepared is not prepared again.
    again, listed = run_all("datasets", "prepare", "lsp", "--source", release, "--out", tmp_path / "out")
    assert again == ended
    assert (listed["folder"], listed["counts"]) == (str(folder), {"train": 3})
    assert listed["official_counts"] == {"train": 1000, "test": 1000}
    assert [one["source_id"] for one in listed["absent"]] == ["im0003.jpg"]


@pytest.mark.parametrize(("kind", "folder"), [("zip", "."), ("tar", "."), ("gztar", "lsp")])
def test_an_archive_is_a_source_too_and_prepared_once(release: Path, tmp_path: Path, kind: str, folder: str):
    """With the release at its root, or in a folder."""
    root = release if folder == "." else tmp_path
    archive = shutil.make_archive(str(tmp_path / "packed"), kind, root, folder)
    shutil.rmtree(release)
    first = prepare(Path(archive), tmp_path / "out", "--processes", "1")
    assert first.status == 0, first.err
    assert "train: 4 records" in first.out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["lsp"]
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out/lsp/1.0.0").iterdir()}
    # The archive is unpacked again, and its files count as the same.
    assert prepare(Path(archive), tmp_path / "out") == first
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_two_at_once_from_one_archive_end_as_one(release: Path, tmp_path: Path):
    archive = shutil.make_archive(str(tmp_path / "lsp"), "zip", release)
    command = ["-m", "convcorr_jax", "datasets", "prepare", "lsp", "--source", archive]
    command += ["--out", tmp_path / "out", "--processes", "1", "--quiet"]
    one, other = map(end, [start(*command), start(*command)])
    assert (one.status, other.status) == (0, 0), (one, other)
    assert one.out == other.out
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["lsp"]
    assert [path.name for path in (tmp_path / "out/lsp").iterdir()] == ["1.0.0"]


def test_an_official_archive_with_another_checksum_is_refused(tmp_path: Path):
    with tarfile.open(tmp_path / "FLIC.zip", "w"):
        pass
    source, out = tmp_path / "FLIC.zip", tmp_path / "out"
    ended = run("datasets", "prepare", "flic", "--source", source, "--out", out)
    assert_refused(ended, r"FLIC\.zip has the SHA-256 \w{64}, and officially 778a")
    assert not out.exists()


def test_check_tells_what_would_change_a_score(release: Path, tmp_path: Path):
    shutil.copy(release / "images/im0001.jpg", release / "images/im0002.jpg")
    page = tmp_path / "page.html"
    path = release / "images/im0003.jpg"
    path.write_bytes(path.read_bytes()[:300])
    ended, found = run_all("datasets", "check", release, "--html", page)
    assert (ended.status, found["changes_scores"], found["records"]) == (1, True, 3)
    checks = ["official counts", "official counts", "exact duplicates", "absent annotations"]
    assert [one["check"] for one in found["findings"]] == checks
    assert "im0003.jpg" in str(found["findings"][-1]["cases"])
    assert "changes scores: official counts" in ended.out
    assert "im0001.jpg = im0002.jpg" in ended.out
    assert "im0001.jpg = im0002.jpg" in page.read_text()


def test_check_ends_well_when_nothing_would_change_a_score(release: Path, tmp_path: Path):
    assert prepare(release, tmp_path / "out", "--processes", "1").status == 0
    ended = run("datasets", "check", tmp_path / "out/lsp/1.0.0")
    assert (ended.status, ended.out) == (0, "Nothing was found.\n")


def test_a_folder_whose_own_folder_is_not_there_is_not_made(release: Path, tmp_path: Path):
    ended = prepare(release, tmp_path / "missing" / "out")
    assert_refused(ended, "missing/out cannot be written: there is no folder .*missing$")
    assert not (tmp_path / "missing").exists()


def test_show_draws_the_records(release: Path, tmp_path: Path):
    sheet = tmp_path / "sheet.png"
    ended, found = run_all("datasets", "show", release, "--n", 2, "--out", sheet)
    assert ended == (0, f"{sheet}\n", "")
    assert found == {
        **{"figure": str(sheet), "source_ids": ["im0001.jpg", "im0003.jpg"]},
        "replaced": [str(sheet)],
    }
    assert run("datasets", "show", release, "--out", sheet).out == f"{sheet} (replaced)\n"
    assert read_image(sheet).std() > 10


def test_no_file_of_the_data_set_is_overwritten(release: Path):
    photograph = release / "images/im0001.jpg"
    before = photograph.read_bytes()
    for words in (("show", release, "--out"), ("check", release, "--html")):
        ended = run("datasets", *words, photograph)
        assert_refused(ended, "im0001.jpg would overwrite a file of .*lsp, which is read")
    assert photograph.read_bytes() == before
