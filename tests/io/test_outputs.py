"""Files that cannot be read, and files that would be overwritten, are refused before work is done."""

import os

import pytest

from convcorr_jax.errors import InputError
from convcorr_jax.io import check_outputs, json_file, load_arrays, read_image, read_points


def read_json(path):
    with json_file(path, "list of cats"):
        pass


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (load_arrays, r"a NumPy \.npz"),
        (read_image, "an image"),
        (read_json, "a list of cats"),
        (read_points, "a points"),
    ],
)
def test_paths_that_are_no_files_are_refused_by_every_reader(tmp_path, read, kind):
    (tmp_path / "empty").touch()
    for name, sentence in (
        ("missing", f"missing does not exist; {kind} file is expected"),
        ("empty", "empty is empty"),
        (".", "is not a file"),
        ("a" * 300, "may not be read: File name too long"),
    ):
        with pytest.raises(InputError, match=sentence):
            read(tmp_path / name)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a photograph")
    (tmp_path / "link.png").symlink_to("a.png")
    os.link(tmp_path / "a.png", tmp_path / "hard.png")
    (tmp_path / "data/images").mkdir(parents=True)
    (tmp_path / "data/images/b.png").write_bytes(b"another photograph")
    return tmp_path


REFUSED = {
    "an input": (["a.png"], ["a.png"], "output .*a.png would overwrite .*a.png, which is read"),
    "an input by another path": (["data/../a.png"], ["a.png"], "a.png, which is read"),
    "an input by a link": (["link.png"], ["a.png"], "overwrite .*a.png, which is read"),
    "what an input links to": (["hard.png"], ["a.png"], "overwrite .*a.png, which is read"),
    "what will be read later": (["new.png"], ["a.png", "x/../new.png"], "new.png, which is read"),
    "an output": (["new.png", "x/../new.png"], ["a.png"], "new.png, another output"),
    "a file of a folder": (["data/images/b.png"], ["data"], "a file of .*data, which is read"),
    "a folder": (["data"], [], "is a folder"),
    "a folder that is not there": (["x/new.png"], [], "new.png cannot be written: there is no folder .*x$"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_that_would_be_lost_are_refused(folder, name):
    written, read, sentence = REFUSED[name]
    with pytest.raises(InputError, match=sentence):
        check_outputs([folder / each for each in written], read=[folder / each for each in read])


def test_other_files_are_allowed_and_nothing_is_created(folder):
    before = sorted(folder.rglob("*"))
    written = [folder / "new.png", folder / "data/new.png", None, folder / "x" / "new.png"]
    check_outputs(written, folder=folder / "x", read=[folder / "a.png", folder / "data", None, folder / "none"])
    # A file of an earlier run may be written anew.
    check_outputs([folder / "hard.png"], read=[folder / "data"])
    assert sorted(folder.rglob("*")) == before
