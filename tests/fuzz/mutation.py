"""Random changes of small files, and of the members of archives, whose checksums are made right again."""

import functools
import io
import random
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# Numbers at the edges of integer types, as text and as bytes.
_TOKENS = [
    *(b"nan", b"-inf", b"1e308", b"1e400", b"9" * 400, b"null", b"true", b"[]", b"{}", b'""', b"-1"),
    *(struct.pack(kind, value) for kind in ("<I", ">I") for value in (0, 2**31 - 1, 2**31, 2**32 - 1)),
    *(struct.pack(kind, value) for kind in ("<Q", ">Q") for value in (2**40, 2**63 - 1, 2**64 - 1)),
]
_MOST_BYTES = 1 << 16
Mutate = Callable[[random.Random, bytes], bytes]


class Target(NamedTuple):
    """A parser and small files that it reads."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    """Creates the files."""
    read: Callable[..., object]
    """Parses a file by its path; it returns a value or raises the project's error."""
    mutate: Mutate
    """Changes a file."""
    ending: str = ".bin"


def mutated(rng: random.Random, content: bytes) -> bytes:
    """Return the content with one to four changes: bytes replaced, removed, repeated or moved."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        start = rng.randrange(len(changed) + 1)
        stop = min(len(changed), start + rng.choice((1, 1, 2, 4, 8, 64)))
        match rng.randrange(6):
            case 0:
                changed[start:stop] = rng.randbytes(stop - start)
            case 1:
                del changed[start:stop]
            case 2:
                changed[start:stop] = changed[start:stop] * rng.choice((2, 3, 50))
            case 3:
                token = rng.choice(_TOKENS)
                changed[start : start + len(token)] = token
            case 4:
                changed[start:start] = rng.choice(_TOKENS)
            case 5:
                at = rng.randrange(len(changed) + 1)
                changed[at:at] = changed[start:stop]
    if rng.random() < 0.05:
        del changed[rng.randrange(len(changed) + 1) :]
    return bytes(changed[:_MOST_BYTES])


def mutated_archive(rng: random.Random, content: bytes) -> bytes:
    """Return a zip archive of which one member is changed, or, once in four times, the archive itself."""
    if rng.random() < 0.25:
        return mutated(rng, content)
    members = unzipped(content)
    # Most of a member is numbers; its head decides how they are read.
    name = rng.choice(sorted(members))
    head, rest = members[name][:256], members[name][256:]
    return zipped(members | {name: mutated(rng, head) + rest})


def unzipped(content: bytes) -> dict[str, bytes]:
    """Return the members of an archive by name."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(members: Mapping[str, bytes]) -> bytes:
    """Return an archive of members."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def folder_target(
    name: str, write: Callable[[Path], object], read: Callable[[Path], object], mutate: Mutate
) -> Target:
    """Return the target of a folder that can be written and read, as an archive of its files."""

    @functools.cache
    def seeds() -> list[bytes]:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder))
            paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
            return [zipped({path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})]

    def read_archive(path: Path) -> object:
        folder = path.parent / "folder"
        shutil.rmtree(folder, ignore_errors=True)
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        return read(folder)

    return Target(name, seeds, read_archive, mutate)
