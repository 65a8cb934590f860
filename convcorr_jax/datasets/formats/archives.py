"""Unpacking downloaded archives, which may be cut short, or name paths outside the folder."""

import calendar
import os
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from convcorr_jax.errors import InputError, WriteError
from convcorr_jax.io import check_file, make_folder, temporary_folder, writing_to

# The largest official archive, the images of MPII, unpacks to some 13 GB.
MAX_BYTES = 64 * 2**30
"""The default limit of the size of unpacked files."""

# Bytes in memory while a member is written.
_CHUNK_BYTES = 2**20

# The last time that every file system can store.
_LAST_TIME = 2**31 - 1

# The exceptions of the readers for bytes that are cut short, changed, or of an unknown kind.
_DAMAGE = (
    *(EOFError, LZMAError, OSError, RuntimeError, ValueError),
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error),
)


class _Member(NamedTuple):
    """A file of an archive, with its size in bytes; members that are folders are not listed."""

    name: str
    size: int
    changed: int
    """The time of the last change, in seconds since 1970 as the archive states them."""
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path, *, max_bytes: int = MAX_BYTES) -> Path:
    """Unpack a ``.zip``, ``.tar`` or compressed ``.tar`` of at most ``max_bytes`` into a new folder; return it.

    All members are checked before the first byte is written. They are written into a temporary folder beside
    ``folder``, which is renamed when it is complete, so that ``folder`` never holds a part of an archive. The
    bytes of files and the times of their last change are kept, not their owners or permissions.

    Raises:
        InputError: the archive is missing, cut short, damaged, encrypted or neither zip nor tar; the path of a
            member is absolute or leads out of the folder; a member is a link or a device; the files take more
            than ``max_bytes``; ``folder`` exists or its path is wrong.
        WriteError: the files take more than is free on the disk, or ``folder`` cannot be written.
    """
    check_file(archive, "zip or tar")
    if os.path.lexists(folder):
        raise InputError(f"{folder} exists already; an archive is unpacked into a new folder")
    parent = make_folder(folder.parent)
    with ExitStack() as stack:
        members = _check(archive, _members(archive, stack), max_bytes, parent)
        with writing_to(folder), temporary_folder(parent) as temporary:
            unpacked = temporary / folder.name
            unpacked.mkdir()
            for member in members:
                _write(archive, member, unpacked / member.name)
            os.rename(unpacked, folder)
    return folder


def _members(archive: Path, stack: ExitStack) -> Iterator[_Member]:
    """Yield the files of an archive, which the stack closes."""
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
        regular = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
        _check_member(archive, info.filename, regular or info.is_dir())
        if not info.is_dir():
            yield _Member(info.filename, info.file_size, _zip_time(info), lambda info=info: opened.open(info))


def _tar_members(opened: tarfile.TarFile, archive: Path) -> Iterator[_Member]:
    for info in opened:
        _check_member(archive, info.name, info.isreg() or info.isdir())
        if not info.isdir():
            yield _Member(
                info.name,
                info.size,
                int(min(max(info.mtime, 0), _LAST_TIME)),
                lambda info=info: opened.extractfile(info),  # type: ignore
            )
    # An archive that ends between two members is cut short, too, though tarfile accepts it.
    opened.fileobj.seek(opened.offset)  # type: ignore
    if opened.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # type: ignore
        raise InputError(f"{archive} is damaged or cut short: its end is missing")


def _check(archive: Path, members: Iterator[_Member], max_bytes: int, parent: Path) -> list[_Member]:
    """Return all members, which fit on the disk."""
    free = shutil.disk_usage(parent).free
    listed, total = [], 0
    for member in members:
        listed.append(member)
        total += member.size
        # Checked at every member, since listing a compressed tar to its end means unpacking it.
        if total > max_bytes:
            raise InputError(f"{archive} unpacks to more than {max_bytes:,} bytes; it is not unpacked")
        if total > free:
            raise WriteError(f"{archive} unpacks to more than the {free:,} bytes free in {parent}")
    return listed


def _check_member(archive: Path, name: str, plain: bool) -> None:
    parts = PurePosixPath(name).parts
    absolute = name.startswith("/") or re.match(r"[A-Za-z]:[\\/]", name)
    if not name or absolute or ".." in parts or "\\" in name or not name.isprintable():
        raise InputError(
            f"{archive}: member {name!r} would be written outside the folder, or has no plain name; "
            "nothing is unpacked"
        )
    if not plain:
        raise InputError(f"{archive}: member {name!r} is a link or a device; nothing is unpacked")


def _write(archive: Path, member: _Member, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as written:
        for chunk in _chunks(archive, member):
            written.write(chunk)
    # Prepared data sets recognize an unchanged file by this time, also when it is unpacked again.
    os.utime(path, (member.changed, member.changed))


def _zip_time(info: zipfile.ZipInfo) -> int:
    try:
        return min(max(calendar.timegm(info.date_time), 0), _LAST_TIME)
    except ValueError:
        # Months and days of an archive may be 0.
        return 0


def _chunks(archive: Path, member: _Member) -> Iterator[bytes]:
    try:
        with member.open() as stored:
            while chunk := stored.read(_CHUNK_BYTES):
                yield chunk
    except _DAMAGE as error:
        raise InputError(
            f"{archive}: member {member.name!r} is damaged, cut short or encrypted: {error}"
        ) from error
