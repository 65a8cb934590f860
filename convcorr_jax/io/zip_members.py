"""Reading members of zip archives in memory that is known before anything is unpacked."""

import os
import zipfile
from typing import BinaryIO

# NumPy and torch write no others, whose decompressors unpack all that they read at once, a thousandfold.
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}

# A member takes some hundred bytes in the directory of an archive, of which zipfile makes objects that take ten
# microseconds and half a kilobyte each.
_MOST_DIRECTORY_BYTES = 2**23
# The record at the end of an archive, and those before it if the archive is larger than 4 GB.
_END, _END_BYTES = b"PK\5\6", 22
_LOCATOR, _LOCATOR_BYTES, _LARGE_END_BYTES = b"PK\6\7", 20, 56
_MOST_COMMENT_BYTES = 2**16 - 1


def open_archive(stream: BinaryIO) -> zipfile.ZipFile:
    """Open an archive of arrays, of which the size of the directory is checked before it is parsed.

    Args:
        stream: an open file, which the archive does not close.

    Raises:
        zipfile.BadZipFile: the directory is larger than 8 MB, about 80,000 members; or the file is no archive.
    """
    size = _directory_size(stream)
    if size > _MOST_DIRECTORY_BYTES:
        raise zipfile.BadZipFile(
            f"its directory has {size} bytes; at most {_MOST_DIRECTORY_BYTES} are expected"
        )
    return zipfile.ZipFile(stream)


def _directory_size(stream: BinaryIO) -> int:
    """Return the greatest size of a directory that the records at the end of a file state."""
    size = stream.seek(0, os.SEEK_END)
    start = max(0, size - _END_BYTES - _MOST_COMMENT_BYTES)
    stream.seek(start)
    tail = stream.read()
    stated, place = [0], tail.find(_END)
    while place >= 0:
        stated.append(int.from_bytes(tail[place + 12 : place + 16], "little"))
        before = start + place - _LOCATOR_BYTES - _LARGE_END_BYTES
        if before >= 0:
            stream.seek(before)
            record = stream.read(_LARGE_END_BYTES + _LOCATOR_BYTES)
            if record[_LARGE_END_BYTES:].startswith(_LOCATOR):
                stated[-1] = int.from_bytes(record[40:48], "little")
        place = tail.find(_END, place + 1)
    return max(stated)


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> zipfile.ZipExtFile:
    """Open a member, of which every read unpacks only as many bytes as it returns.

    Args:
        archive: the archive.
        member: the member.

    Raises:
        zipfile.BadZipFile: the member is compressed in a way other than "deflate".
    """
    if member.compress_type not in _COMPRESSIONS:
        raise zipfile.BadZipFile(
            f"{member.filename} is compressed in a way other than deflate ({member.compress_type})"
        )
    return archive.open(member)  # type: ignore


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, *, most: int) -> bytes:
    """Read a member after its size is checked.

    Args:
        archive: the archive.
        member: the member.
        most: the limit of the member's size in bytes.

    Raises:
        zipfile.BadZipFile: the member is larger, damaged, or compressed in a way other than "deflate".
    """
    if member.file_size > most:
        raise zipfile.BadZipFile(
            f"{member.filename} has {member.file_size} bytes; at most {most} are expected"
        )
    with open_member(archive, member) as stream:
        # Without a number of bytes, zipfile would unpack more than the size that the archive states.
        return stream.read(member.file_size)
