from pathlib import Path

import pytest

from convcorr_jax.datasets import roots
from convcorr_jax.errors import InputError


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv(roots.ROOT_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_argument_goes_before_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in ("argument", "variable"):
        (tmp_path / name / "faces").mkdir(parents=True)
    monkeypatch.setenv(roots.ROOT_VARIABLE, str(tmp_path / "variable"))
    assert roots.find("faces") == tmp_path / "variable" / "faces"
    assert roots.find("faces", tmp_path / "argument") == tmp_path / "argument" / "faces"


def test_without_either_data_lie_beside_the_checkout():
    checkout = Path(roots.__file__).parents[2]
    assert roots.root() == checkout.parent / "shared" / "data"


def test_a_path_is_found_as_it_is(tmp_path: Path):
    (tmp_path / "my" / "faces").mkdir(parents=True)
    assert roots.find(tmp_path / "my" / "faces") == tmp_path / "my" / "faces"
    assert roots.find("my/faces") == Path("my/faces")


def test_a_missing_data_set_says_where_it_was_looked_for(tmp_path: Path):
    (tmp_path / "file").touch()
    for name in ("faces", "file"):
        with pytest.raises(InputError, match=rf"{name}.*{tmp_path}/root/{name}.*CONVCORR_DATA"):
            roots.find(name, tmp_path / "root")


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../outside.png", "a/../../outside.png", "..\\x", "a\0b", "a" * 5000, ""],
)
def test_a_file_outside_the_folder_is_refused(tmp_path: Path, name: str):
    (tmp_path / "outside.png").write_bytes(b"x")
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(InputError, match="folder"):
        roots.member(folder, name)


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path):
    with pytest.raises(InputError, match=r"absent\.png does not exist"):
        roots.member(tmp_path, "absent.png")
