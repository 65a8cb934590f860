"""Archives of data sets: zip, tar and compressed tar."""

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

from convcorr_jax.datasets.formats import archives
from tests.fuzz.mutation import Target, mutated

# Far above the files of the seeds.
_MOST_BYTES = 1 << 24


def _zip() -> list[bytes]:
    seeds = []
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", compression) as archive:
            archive.writestr("folder/a.txt", b"some text " * 20)
            archive.writestr("b.txt", b"")
        seeds.append(stream.getvalue())
    return seeds


def _tar() -> list[bytes]:
    seeds = []
    for mode in ("w", "w:gz", "w:xz", "w:bz2"):
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode=mode) as archive:
            for name, content in (("folder/a.txt", b"some text " * 20), ("b" * 120, b"b")):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        seeds.append(stream.getvalue())
    return seeds


def _unpack(path: Path) -> None:
    """Unpack an archive; whatever it holds, all of it is in the folder, or nothing anywhere."""
    folder = path.parent / "room" / "unpacked"
    try:
        archives.unpack(path, folder, max_bytes=_MOST_BYTES)
        shutil.rmtree(folder)
    finally:
        left = [*path.parent.glob("room/*"), *path.parent.iterdir()]
        assert {*left} <= {path, folder.parent}, left


TARGETS = [Target("zip", _zip, _unpack, mutated), Target("tar", _tar, _unpack, mutated)]
