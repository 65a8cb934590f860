"""Download of official weights to a temporary file, which is renamed after its checksum is verified."""

import contextlib
import http.client
import urllib.request
from collections.abc import Callable
from pathlib import Path

from convcorr_jax.backbone.networks import find_network
from convcorr_jax.backbone.weights.catalogue import OFFICIAL, OfficialFile, verify
from convcorr_jax.backbone.weights.loading import folder
from convcorr_jax.errors import InputError, WriteError
from convcorr_jax.io import writing_to, written_whole

Progress = Callable[[int, int | None], None]
"""A function of the number of received bytes, and of the total number if the server states it."""

# A server that does not answer for this long counts as unreachable.
_TIMEOUT_SECONDS = 30.0
_BLOCK_BYTES = 1 << 20


def fetch(network_name: str, *, progress: Progress | None = None) -> Path:
    """Download a network's official weights into `folder`, unless it contains them already.

    A wrong copy is replaced. An interrupted download leaves no file, and a second call starts from the
    beginning.

    Args:
        network_name: the name of the network, a key of `OFFICIAL`.
        progress: called after every block that is received.

    Returns:
        The path of the file.

    Raises:
        InputError: there is no such network, the download failed or was cut short, the file is not the
            published one, or the folder cannot be written.
    """
    find_network(network_name)
    official = OFFICIAL[network_name]
    path = folder() / official.file_name
    if path.is_file():
        with contextlib.suppress(InputError):
            _verify(path, official, source=str(path))
            return path
    download(official, path, progress=progress)
    return path


def download(official: OfficialFile, path: Path, *, progress: Progress | None = None) -> None:
    """Download one file and verify its checksum; an error leaves no file.

    Args:
        official: the address and the checksum.
        path: the file to write.
        progress: called after every block that is received.

    Raises:
        InputError: the download failed, was cut short or is too long, the file is not the published one, or the
            path cannot be written.
    """
    with written_whole(path) as temporary:
        try:
            _receive(official, temporary, progress)
        except WriteError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise InputError(f"{official.url} cannot be downloaded: {error}") from error
        _verify(temporary, official, source=official.url)


def _verify(path: Path, official: OfficialFile, *, source: str) -> None:
    verify(path, algorithm=official.algorithm, checksum=official.checksum, source=source)


def _receive(official: OfficialFile, path: Path, progress: Progress | None) -> None:
    url, most = official.url, (official.megabytes + 1) * 10**6
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response, path.open("wb") as file:
        length = response.headers.get("Content-Length")
        if length is not None and not (length.isascii() and length.isdigit()):
            raise InputError(
                f"{url} states the length {length[:20]!r}; a number of bytes is expected"
            )
        total = int(length[:20]) if length else None
        received = 0
        while block := response.read(_BLOCK_BYTES):
            with writing_to(path):
                file.write(block)
                file.flush()
            received += len(block)
            if received > most:
                raise InputError(
                    f"{url} sends more than the {official.megabytes} MB of the published file"
                )
            if progress is not None:
                progress(received, total)
    if total is not None and received < total:
        raise InputError(f"{url} was cut short: {received} of {total} bytes came")
