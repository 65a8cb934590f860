"""Folders and files of data sets are found, and batches of records are loaded in order and in advance."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from convcorr_jax.datasets import Record, batches, load_image, loading
from convcorr_jax.errors import InputError
from tests.builders import image_set


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv(loading.ROOT_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_argument_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in ("argument", "variable"):
        (tmp_path / name / "faces").mkdir(parents=True)
    monkeypatch.setenv(loading.ROOT_VARIABLE, str(tmp_path / "variable"))
    assert loading.find_folder("faces") == tmp_path / "variable" / "faces"
    assert loading.find_folder("faces", data_root=tmp_path / "argument") == tmp_path / "argument" / "faces"
    # A path is found as it is.
    assert loading.find_folder(tmp_path / "argument/faces") == tmp_path / "argument/faces"
    assert loading.find_folder("argument/faces") == Path("argument/faces")


@pytest.mark.parametrize(
    ("platform", "variable", "chosen", "expected"),
    [
        ("linux", "XDG_DATA_HOME", "/big/data", "/big/data/convcorr_jax"),
        ("linux", "XDG_DATA_HOME", "relative", "/home/ada/.local/share/convcorr_jax"),
        ("linux", "XDG_DATA_HOME", "", "/home/ada/.local/share/convcorr_jax"),
        ("linux", "LOCALAPPDATA", "/big/data", "/home/ada/.local/share/convcorr_jax"),
        ("darwin", "XDG_DATA_HOME", "/big/data", "/home/ada/Library/Application Support/convcorr_jax"),
        ("win32", "LOCALAPPDATA", "/big/data", "/big/data/convcorr_jax"),
        ("win32", "LOCALAPPDATA", "", "/home/ada/AppData/Local/convcorr_jax"),
    ],
)
def test_without_either_data_are_in_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, platform: str, variable: str, chosen: str, expected: str
):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv(variable, chosen)
    assert loading.root_folder() == Path(expected)


def test_a_user_without_home_is_asked_for_the_variable(monkeypatch: pytest.MonkeyPatch):
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(InputError, match=r"home directory.*set CONVCORR_DATA"):
        loading.root_folder()


def test_a_missing_data_set_says_where_it_was_looked_for(tmp_path: Path):
    (tmp_path / "root").mkdir()
    (tmp_path / "file").touch()
    for name in ("faces", "file"):
        with pytest.raises(InputError, match=rf"{name}.*{tmp_path}/root/{name}.*CONVCORR_DATA"):
            loading.find_folder(name, data_root=tmp_path / "root")
    with pytest.raises(InputError, match=rf"the data root {tmp_path}/file is not a folder"):
        loading.root_folder(data_root=tmp_path / "file")


OUTSIDE = ("/etc/passwd", "../outside.png", "a/../../outside.png", "..\\x", "a\0b", "a" * 5000, "")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [*((name, "folder") for name in OUTSIDE), ("absent.png", r"absent\.png does not exist")],
)
def test_a_file_that_is_not_in_the_folder_is_refused(tmp_path: Path, name: str, sentence: str):
    (tmp_path / "outside.png").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=sentence):
        loading.member_file(tmp_path / "folder", name)


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    return image_set.read_records(image_set.write_images(tmp_path / "images"))


def test_batches_keep_the_order(records: list[Record]):
    loaded = list(batches(records, load_image, size=4))
    assert [len(batch) for batch in loaded] == [4, 4, 4, 2]
    for record, image in zip(records, [image for batch in loaded for image in batch], strict=True):
        np.testing.assert_array_equal(load_image(record), image)


def test_two_batches_are_prefetched(records: list[Record]):
    started = threading.Semaphore(0)

    def load(record: Record) -> str:
        started.release()
        return record.source_id

    stream = batches(records, load, size=3)
    next(stream)
    # The first batch and two prefetched ones.
    for _ in range(9):
        assert started.acquire(timeout=10)
    assert not started.acquire(timeout=0.1)
    stream.close()


def test_errors_of_loading_are_raised_by_the_batches(records: list[Record]):
    def load(record: Record) -> None:
        raise InputError(f"{record.source_id} is not wanted")

    with pytest.raises(InputError, match="image 0 is not wanted"):
        next(batches(records, load, size=3))
    with pytest.raises(InputError, match="at least 1"):
        batches([], load, size=0)
