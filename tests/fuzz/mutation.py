"""Random changes of small files, and of the members of archives, whose checksums are made right again."""

import io
import random
import struct
import zipfile
from collections.abc import Callable, Sequence
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
    """What is parsed."""
    seeds: Callable[[], Sequence[bytes]]
    """Creates the files."""
    read: Callable[..., object]
    """Parses a file by its path; it returns a value or raises the project's error."""
    mutate: Mutate
    """Changes a file."""
    ending: str = ".bin"
    """The ending of the files' names."""


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
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    # Most of a member is numbers; its head decides how they are read.
    name = rng.choice(sorted(members))
    head, rest = members[name][:256], members[name][256:]
    members[name] = mutated(rng, head) + rest
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return stream.getvalue()
