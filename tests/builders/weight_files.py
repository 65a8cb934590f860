"""Files of the weights of tiny networks, in every format."""

import functools
import io

import numpy as np

from convcorr_jax.backbone import NETWORKS, Conv, Network
from tests.reference import caffe_model

# The first module of every layer in torchvision's lists, from its published models.
TORCH_MODULES = {
    "alexnet": [*(f"features.{i}" for i in (0, 3, 6, 8, 10)), "classifier.1", "classifier.4"],
    "vgg16": [
        *(f"features.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)),
        "classifier.0",
        "classifier.3",
    ],
}


@functools.cache
def tiny(name: str, *, layers: int | None = None) -> Network:
    """Return a network, or its first layers, with two channels in every layer: files of a few kilobytes."""
    network = NETWORKS[name]
    first = network.layers[:layers]
    return network._replace(layers=tuple(x._replace(channels=2) if isinstance(x, Conv) else x for x in first))


@functools.cache
def weights_of(network: Network) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the kernels and biases that the files of a network hold."""
    return caffe_model.random_weights(network, np.random.default_rng(1))


def torch_bytes(network: Network, *, new_format: bool) -> bytes:
    """Write torchvision's checkpoint."""
    import torch

    state = {}
    for module, (name, (kernel, bias)) in zip(
        TORCH_MODULES[network.name], weights_of(network).items(), strict=False
    ):
        flat = kernel.reshape(len(kernel), -1) if name.startswith("fc") else kernel
        state[f"{module}.weight"] = torch.from_numpy(flat)
        state[f"{module}.bias"] = torch.from_numpy(bias)
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=new_format)
    return stream.getvalue()


def native_bytes(network: Network) -> bytes:
    """Write our own format."""
    kernels = {f"{name}_w": kernel for name, (kernel, _) in weights_of(network).items()}
    biases = {f"{name}_b": bias for name, (_, bias) in weights_of(network).items()}
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **kernels, **biases)
    return stream.getvalue()


def caffe_bytes(network: Network, **options: bool) -> bytes:
    """Write Caffe's format."""
    return caffe_model.caffemodel(network, weights_of(network), **options)


FILES = {
    "caffe": ("caffenet", caffe_bytes),
    "caffe, unpacked": ("caffenet", functools.partial(caffe_bytes, packed=False)),
    "caffe, old": ("caffenet", functools.partial(caffe_bytes, old_messages=True)),
    "caffe, old, unpacked": ("caffenet", functools.partial(caffe_bytes, old_messages=True, packed=False)),
    "caffe, alexnet": ("bvlc_alexnet", caffe_bytes),
    "torch": ("alexnet", functools.partial(torch_bytes, new_format=True)),
    "torch, old": ("vgg16", functools.partial(torch_bytes, new_format=False)),
    "native": ("vgg16", native_bytes),
}
"""The network and the writer of each kind of file."""


@functools.cache
def file_of(kind: str, *, layers: int | None = None) -> tuple[Network, bytes]:
    """Return a network, or its first layers, and a file of its weights."""
    name, write = FILES[kind]
    network = tiny(name, layers=layers)
    return network, write(network)
