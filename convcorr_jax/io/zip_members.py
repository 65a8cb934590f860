"""Reading members of zip archives in memory that is known before anything is unpacked."""

import zipfile

# NumPy and torch write no others, whose decompressors unpack all that they read at once, a thousandfold.
_COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


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
