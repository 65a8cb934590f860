"""Writing files completely or not at all, and telling wrong paths from failed writing."""

import errno
import fcntl
import json
import os
import signal
import stat
from pathlib import Path

import pytest

from convcorr_jax.errors import InputError, WriteError
from convcorr_jax.io import (
    check_writable,
    file_lock,
    make_folder,
    remove_abandoned,
    temporary_folder,
    write_at,
    write_json,
    written_whole,
)
from tests.builders.processes import end, full_disk, start


def test_a_file_gets_its_name_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "folder" / "a.txt"
    with written_whole(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.suffix == ".txt"
    assert path.read_text() == "half"
    assert list(path.parent.iterdir()) == [path]


def system_error(code):
    return OSError(getattr(errno, code), os.strerror(getattr(errno, code)))


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (RuntimeError("lost"), RuntimeError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        *((system_error(code), WriteError) for code in ("ENOSPC", "EIO", "EFBIG", "EDQUOT")),
        *((system_error(code), InputError) for code in ("ENOENT", "ENOTDIR", "EISDIR", "EACCES")),
        *((system_error(code), InputError) for code in ("EROFS", "ENAMETOOLONG")),
    ],
    ids=repr,
)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, failure, raised):
    """A wrong path is bad input; failed writing is not."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail_halfway():
        with written_whole(path) as temporary:
            temporary.write_text("half of the n")
            raise failure

    with pytest.raises(raised) as error:
        fail_halfway()
    if isinstance(failure, OSError):
        assert str(error.value) == f"{path} cannot be written: {failure.strerror}"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_are_as_readable_as_the_umask_lets_them_be(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("check", [check_writable, lambda path: write_json(path, {})])
def test_places_where_nothing_can_be_written_are_refused(tmp_path, check):
    """The folders of /proc refuse even the superuser."""
    (tmp_path / "file").write_text("")
    deep = [tmp_path / "file/a.json", tmp_path / "file/deeper/a.json", tmp_path / ("a" * 300) / "a.json"]
    if os.path.isdir("/proc/self"):
        deep += [Path("/proc/a.json"), Path("/proc/new/a.json")]
    for path in deep:
        with pytest.raises(InputError, match=r"cannot be (written|created)"):
            check(path)
    with pytest.raises(InputError, match="is a folder; a file name is expected"):
        check(tmp_path)
    check_writable(tmp_path / "new" / "folder" / "a.json")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def make_device(path):
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only the superuser makes devices")


@pytest.mark.parametrize("make", [make_device, os.mkfifo], ids=["device", "pipe"])
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_neither_file_nor_folder_is_not_replaced(tmp_path, make, linked):
    path = node = tmp_path / "out.png"
    make(node)
    if linked:
        path = tmp_path / "link.png"
        path.symlink_to(node)
    before = node.stat()
    writers = (check_writable, lambda path: write_json(path, {}), lambda path: write_at(path, 0, b"bytes"))
    for write in writers:
        with pytest.raises(InputError, match=r"png is a device, a pipe or a socket; a file name"):
            write(path)
    assert node.stat() == before
    assert path.is_symlink() == linked


def test_a_link_stays_and_its_file_is_written(tmp_path):
    """One to itself has no file, and is refused."""
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    for write in (check_writable, lambda path: write_json(path, {})):
        with pytest.raises(InputError, match=r"loop\.json (is a link that leads back|cannot be wr)"):
            write(loop)
    assert loop.is_symlink()
    loop.unlink()
    (tmp_path / "folder").mkdir()
    file, link = tmp_path / "folder" / "file.json", tmp_path / "link.json"
    link.symlink_to(file)
    for value in (1, 2):
        write_json(link, {"a": value})
        assert link.is_symlink()
        assert json.loads(file.read_text()) == {"a": value}
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file.json", "folder", "link.json"]


def test_the_sentence_of_the_innermost_file_stays(tmp_path):
    with (
        pytest.raises(WriteError, match=r"^.*inner cannot be written: File too large$"),
        written_whole(tmp_path / "outer"),
        written_whole(tmp_path / "inner"),
    ):
        raise OSError(errno.EFBIG, "File too large")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with full_disk():
        with pytest.raises(WriteError, match=r"a\.json cannot be written: File too large"):
            write_json(path, {"a": "b" * 100})
        with pytest.raises(WriteError, match="bytes cannot be written: File too large"):
            write_at(tmp_path / "bytes", 60, b"c" * 100)
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json", "bytes"]


def test_a_folder_is_created_with_its_parents_once(tmp_path):
    folder = tmp_path / "new" / "folder"
    assert make_folder(folder) == folder == make_folder(str(folder))
    assert folder.is_dir()
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(InputError, match=f"folder {path} cannot be created"):
            make_folder(path)


def test_bytes_are_written_at_a_position_and_end_the_file(tmp_path):
    path = tmp_path / "bytes"
    write_at(path, 0, b"0123456789")
    write_at(path, 4, b"ab")
    assert path.read_bytes() == b"0123ab"
    write_at(path, 6, b"")
    assert path.read_bytes() == b"0123ab"
    with pytest.raises(InputError, match="none/bytes cannot be written: No such file"):
        write_at(tmp_path / "none" / "bytes", 0, b"")


HALF_WRITTEN = """
import contextlib, sys, time
from pathlib import Path
from convcorr_jax.io import temporary_folder, written_whole
out = Path(sys.argv[1])
with temporary_folder(out) as folder, written_whole(out / "a.txt") as temporary:
    (folder / "inside").write_text("half")
    temporary.write_text("half")
    print("begun", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        time.sleep(60)
"""


@pytest.mark.parametrize("another", [lambda out: write_json(out / "b.json", {}), remove_abandoned])
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path, another):
    process = start("-c", HALF_WRITTEN, tmp_path)
    assert process.stdout.readline() == "begun\n"
    end(process, signal.SIGKILL)
    assert len(os.listdir(tmp_path)) == 2
    another(tmp_path)
    assert set(os.listdir(tmp_path)) <= {"b.json"}


def test_what_another_process_is_writing_stays(tmp_path):
    process = start("-c", HALF_WRITTEN, tmp_path)
    assert process.stdout.readline() == "begun\n"
    # A name of the same kind that is no temporary file of anybody: a link is not followed, and stays.
    (tmp_path / ".convcorr-link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").mkdir()
    before = set(os.listdir(tmp_path))
    remove_abandoned(tmp_path)
    with temporary_folder(tmp_path):
        pass
    assert set(os.listdir(tmp_path)) == before
    end(process, signal.SIGINT)
    assert set(os.listdir(tmp_path)) == {"a.txt", "kept", ".convcorr-link"}
    assert (tmp_path / "a.txt").read_text() == "half"


def test_without_locks_nothing_is_removed_and_everything_is_written(tmp_path, monkeypatch):
    left = tmp_path / ".convcorr-left.txt"
    left.write_text("half")

    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    remove_abandoned(tmp_path)
    write_json(tmp_path / "a.json", {})
    with temporary_folder(tmp_path) as folder:
        assert folder.is_dir()
    with file_lock(tmp_path / ".lock"):
        assert (tmp_path / ".lock").exists()
    assert {path.name for path in tmp_path.iterdir()} == {left.name, "a.json"}


def test_a_temporary_file_that_another_process_takes_for_abandoned_is_made_again(tmp_path, monkeypatch):
    taken = []

    def taken_once(descriptor, operation):
        # Between its creation and its lock, the file may be removed.
        if not taken:
            (path,) = tmp_path.glob(".convcorr-*")
            taken.append(path)
            path.rmdir() if path.is_dir() else path.unlink()

    monkeypatch.setattr(fcntl, "flock", taken_once)
    write_json(tmp_path / "a.json", {"a": 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
    taken.clear()
    with temporary_folder(tmp_path) as folder:
        assert folder.is_dir()
        assert folder != taken[0]
