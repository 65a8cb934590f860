"""Archives come out whole or not at all, and nothing of them lands outside the folder."""

import io
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from convcorr_jax.datasets.formats import archives
from convcorr_jax.errors import InputError, WriteError

FILES = {"set/a.txt": b"first", "set/deep/b.bin": bytes(range(256)) * 40, "set/Zoé.txt": b"x"}


def write_tar(path: Path, contents: dict[str, bytes], *, compression: str = "") -> Path:
    with tarfile.open(path, f"w:{compression}") as archive:
        folder = tarfile.TarInfo("set/empty")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_zip(path: Path, contents: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("set/empty/", b"")
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


WRITERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "zip": write_zip,
    "tar": write_tar,
    "tar.gz": lambda path, contents: write_tar(path, contents, compression="gz"),
    "tar.xz": lambda path, contents: write_tar(path, contents, compression="xz"),
}
OUTSIDE = ("/etc/passwd", "../outside.txt", "set/../../outside.txt", "C:\\outside.txt", "set\\x.txt")
written_as = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def left_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@written_as
def test_every_file_comes_out(write: Callable, tmp_path: Path):
    archive = write(tmp_path / "archive", FILES)
    unpacked = archives.unpack(archive, tmp_path / "new" / "unpacked")
    assert unpacked == tmp_path / "new" / "unpacked"
    assert {name: (unpacked / name).read_bytes() for name in left_in(unpacked)} == FILES
    assert left_in(tmp_path / "new") == {f"unpacked/{name}" for name in FILES}
    # What is there is not touched.
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for there in (unpacked, tmp_path / "link"):
        with pytest.raises(InputError, match="exists already"):
            archives.unpack(archive, there)


def write_link(path: Path, kind: bytes) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("set/link")
        info.type, info.linkname = kind, "/etc"
        archive.addfile(info)


def write_zip_link(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("set/link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc")


def write_nameless(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", b"x")
        archive.filelist[0].filename = ""


def write_changed(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("set/a.txt", b"first")
    path.write_bytes(path.read_bytes().replace(b"first", b"worst"))


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        *(
            (partial(write_link, kind=kind), "'set/link' is a link or a device")
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
        ),
        (write_zip_link, "'set/link' is a link or a device"),
        (write_nameless, "member '' would be written outside"),
        (write_changed, r"'set/a\.txt' is damaged"),
        # The first block is the empty folder's, the next two are the first file's.
        (
            lambda path: path.write_bytes(write_tar(path, FILES).read_bytes()[: 3 * tarfile.BLOCKSIZE]),
            "its end is missing",
        ),
        *(
            (partial(write, contents=FILES | {name: b"out"}), "archive: member .* nothing is unpacked")
            for write in WRITERS.values()
            for name in OUTSIDE
        ),
        (partial(Path.write_bytes, data=b"text"), r"^\S+archive is no zip or tar archive"),
        # A file in the place of a folder.
        (lambda path: write_zip(path, {"a": b"x", "a/b": b"y"}), "cannot be written"),
        *(
            (partial(Path.write_bytes, data=content), r"^\S+archive is (no zip|damaged|empty)")
            for content in (b"", b"PK\x03\x04 and no more", b"\x1f\x8b\x08")
        ),
    ],
    ids=range(33),
)
def test_other_archives_are_refused_and_leave_nothing(
    write: Callable[[Path], object], sentence: str, tmp_path: Path
):
    write(tmp_path / "archive")
    with pytest.raises(InputError, match=sentence):
        archives.unpack(tmp_path / "archive", tmp_path / "set")
    assert left_in(tmp_path) == {"archive"}


@written_as
def test_too_large_in_total_is_refused(write: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    archive = write(tmp_path / "archive", FILES)
    total = sum(map(len, FILES.values()))
    with pytest.raises(InputError, match="unpacks to more than 10,245 bytes; it is not unpacked"):
        archives.unpack(archive, tmp_path / "set", max_bytes=total - 1)
    assert left_in(tmp_path) == {"archive"}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=total - 1))
    with pytest.raises(WriteError, match="more than the 10,245 bytes free"):
        archives.unpack(archive, tmp_path / "set")
    assert left_in(tmp_path) == {"archive"}
    monkeypatch.undo()
    archives.unpack(archive, tmp_path / "set", max_bytes=total)


@written_as
def test_an_archive_that_is_cut_short_is_refused(write: Callable, tmp_path: Path):
    content = write(tmp_path / "archive", FILES).read_bytes()
    # The end of a compressed or padded tar holds nothing of its files; without it they are still whole.
    essential = len(content.rstrip(b"\0")) - 50
    for length in range(1, essential, essential // 12):
        (tmp_path / "archive").write_bytes(content[:length])
        with pytest.raises(InputError, match=r"archive.*(cut short|only the beginning)"):
            archives.unpack(tmp_path / "archive", tmp_path / "set")
    assert left_in(tmp_path) == {"archive"}


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    archive = write_zip(tmp_path / "archive", FILES)
    monkeypatch.setattr(archives, "_write", full)
    with pytest.raises(WriteError, match="set cannot be written: No space left"):
        archives.unpack(archive, tmp_path / "set")
    assert left_in(tmp_path) == {"archive"}
