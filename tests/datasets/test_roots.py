import sys
from pathlib import Path

import pytest

from convcorr_jax.datasets import loading
from convcorr_jax.errors import InputError


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


def test_a_path_is_found_as_it_is(tmp_path: Path):
    (tmp_path / "my" / "faces").mkdir(parents=True)
    assert loading.find_folder(tmp_path / "my" / "faces") == tmp_path / "my" / "faces"
    assert loading.find_folder("my/faces") == Path("my/faces")


def test_a_missing_data_set_says_where_it_was_looked_for(tmp_path: Path):
    (tmp_path / "file").touch()
    for name in ("faces", "file"):
        with pytest.raises(InputError, match=rf"{name}.*{tmp_path}/root/{name}.*CONVCORR_DATA"):
            loading.find_folder(name, data_root=tmp_path / "root")


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside.png", "a/../../outside.png", "..\\x", "a\0b", "a" * 5000, ""]
)
def test_a_file_outside_the_folder_is_refused(tmp_path: Path, name: str):
    (tmp_path / "outside.png").write_bytes(b"x")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InputError, match="folder"):
        loading.member_file(folder, name)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path):
    with pytest.raises(InputError, match=r"absent\.png does not exist"):
        loading.member_file(tmp_path, "absent.png")
