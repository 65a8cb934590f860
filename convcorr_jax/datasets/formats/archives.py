"""Unpacking downloaded archives, which may be cut short or made to write where they should not."""

import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file, make_folder

# The largest official archive here, the images of MPII, unpacks to some 13 GB.
MAX_BYTES = 64 * 2**30
# Bytes held in memory while a member is written.
_CHUNK = 2**20

# What the readers raise on bytes that are cut short, changed, or of a kind they do not know.
_DAMAGE = (
    EOFError,
    LZMAError,
    OSError,
    RuntimeError,
    ValueError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


class _Member(NamedTuple):
    """A file of an archive; folders are made as files need them."""

    name: str
    size: int
    opened: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path, *, max_bytes: int = MAX_BYTES) -> Path:
    """Unpack a ``.zip``, ``.tar`` or compressed ``.tar`` into a new folder, which is returned.

    All members are looked at before the first byte is written. They are written beside ``folder`` under
    a temporary name, and the folder is renamed when all of them are there: no half of an archive is
    ever left under its name. Only the bytes of files are kept: no owners, permissions or times.

    Raises:
        InputError: the archive is missing, cut short, damaged, encrypted or neither zip nor tar; a
            member is named by an absolute path or one that leads out of the folder, is a link or a
            device; the files take more than ``max_bytes`` or than the disk has free; ``folder`` is
            there already or cannot be written.
    """
    check_file(archive, "zip or tar")
    if os.path.lexists(folder):
        raise InputError(f"{folder} is there already; an archive is unpacked into a new folder")
    parent = make_folder(folder.parent)
    with ExitStack() as stack:
        members = _check(archive, _members(archive, stack), max_bytes, parent)
        try:
            with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=parent) as temporary:
                unpacked = Path(temporary) / folder.name
                unpacked.mkdir()
                for member in members:
                    _write(archive, member, unpacked / member.name)
                os.rename(unpacked, folder)
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error
    return folder


def _members(archive: Path, stack: ExitStack) -> Iterator[_Member]:
    """The files of an archive that the stack closes; a member that is neither file nor folder is refused."""
    try:
        if zipfile.is_zipfile(archive):
            yield from _zip_members(stack.enter_context(zipfile.ZipFile(archive)), archive)
        elif tarfile.is_tarfile(archive):
            yield from _tar_members(stack.enter_context(tarfile.open(archive)), archive)
        else:
            raise InputError(f"{archive} is no zip or tar archive, or only the beginning of one")
    except InputError:
        raise
    except _DAMAGE as error:
        raise InputError(f"{archive} is damaged or cut short: {error}") from error


def _zip_members(opened: zipfile.ZipFile, archive: Path) -> Iterator[_Member]:
    for info in opened.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        _check_name(archive, info.filename)
        if not info.is_dir():
            _check_kind(archive, info.filename, kind in (0, stat.S_IFREG))
            yield _Member(info.filename, info.file_size, lambda info=info: opened.open(info))


def _tar_members(opened: tarfile.TarFile, archive: Path) -> Iterator[_Member]:
    for info in opened:
        _check_name(archive, info.name)
        if not info.isdir():
            _check_kind(archive, info.name, info.isreg())
            yield _Member(info.name, info.size, lambda info=info: opened.extractfile(info))  # type: ignore
    # What ends between two members is cut short as well, though tarfile takes it for the end.
    opened.fileobj.seek(opened.offset)  # type: ignore
    if opened.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # type: ignore
        raise InputError(f"{archive} is damaged or cut short: its end is missing")


def _check(
    archive: Path, members: Iterator[_Member], max_bytes: int, parent: Path
) -> list[_Member]:
    """All members, where they fit on the disk."""
    free = shutil.disk_usage(parent).free
    listed, total = [], 0
    for member in members:
        listed.append(member)
        total += member.size
        # Said as soon as it is known: listing a compressed tar to its end means unpacking it.
        if total > max_bytes:
            raise InputError(
                f"{archive} unpacks to more than {max_bytes:,} bytes; it is not unpacked"
            )
        if total > free:
            raise InputError(f"{archive} unpacks to more than the {free:,} bytes free in {parent}")
    return listed


def _check_name(archive: Path, name: str) -> None:
    parts = PurePosixPath(name).parts
    absolute = name.startswith("/") or re.match(r"[A-Za-z]:[\\/]", name)
    if not name or absolute or ".." in parts or "\\" in name or not name.isprintable():
        raise InputError(
            f"{archive}: member {name!r} would be written outside the folder, or has no plain name; "
            "nothing is unpacked"
        )


def _check_kind(archive: Path, name: str, regular: bool) -> None:
    if not regular:
        raise InputError(f"{archive}: member {name!r} is a link or a device; nothing is unpacked")


def _write(archive: Path, member: _Member, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as written:
        for chunk in _chunks(archive, member):
            written.write(chunk)


def _chunks(archive: Path, member: _Member) -> Iterator[bytes]:
    try:
        with member.opened() as stored:
            while chunk := stored.read(_CHUNK):
                yield chunk
    except _DAMAGE as error:
        raise InputError(
            f"{archive}: member {member.name!r} is damaged, cut short or encrypted: {error}"
        ) from error
