"""The four networks as data: their layers in order, and what each expects of its input.

Nothing here computes. `forward` walks a table to evaluate it, `receptive_field` to measure it, and
`weights` to check the shapes of what it reads. The fully connected layers fc6 and fc7 are written as the
convolutions that they are (a window as large as pool5, then 1x1), so that an image of any size gives a
grid of them.

The activation of a convolution is taken after its ReLU, as in Caffe, where ReLU works in place. In VGG16
``conv3`` stands for the last convolution of the third block, ``conv3_3``.

Sources: Krizhevsky et al. 2012 and Caffe's reference models (CaffeNet pools *before* it normalises);
Krizhevsky 2014 as torchvision has it; Simonyan & Zisserman 2015, configuration D.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from jaxtyping import Array, Float

from convcorr_jax.errors import InputError


class Conv(NamedTuple):
    """A convolution with square window and zero padding, its bias, and a ReLU.

    With g groups, each g-th of the outputs sees the corresponding g-th of the inputs.
    """

    name: str
    channels: int
    window: int
    stride: int = 1
    padding: int = 0
    groups: int = 1


class MaxPool(NamedTuple):
    """The maximum over square windows.

    ``ceil`` is Caffe's rule: a last window that reaches beyond the border is kept, and clipped.
    """

    name: str
    window: int
    stride: int
    ceil: bool


class LocalResponseNorm(NamedTuple):
    """``x / (1 + alpha / window * sum x_j²)^(3/4)``, the sum over the nearest ``window`` channels."""

    name: str
    window: int = 5
    alpha: float = 1e-4


Layer = Conv | MaxPool | LocalResponseNorm


class Preprocessing(NamedTuple):
    """Pixels in 0-255 become ``(channels - mean) / deviation``; all numbers in the network's channel order."""

    bgr: bool
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


class Network(NamedTuple):
    """A layer table, the input it expects, and the image side for which it was trained."""

    name: str
    preprocessing: Preprocessing
    image_side: int
    layers: tuple[Layer, ...]

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The names that have an activation, in order; aliases such as VGG16's ``conv3`` not among them."""
        return tuple(layer.name for layer in self.layers)

    def position(self, layer_name: str) -> int:
        """The position of a layer in ``layers``, by its name or by the name of its block.

        >>> NETWORKS["vgg16"].position("conv1") == NETWORKS["vgg16"].position("conv1_2")
        True

        Raises:
            InputError: the network has no such layer.
        """
        names = self.layer_names
        if layer_name in names:
            return names.index(layer_name)
        block = [i for i, name in enumerate(names) if name.rpartition("_")[0] == layer_name]
        if not layer_name or not block:
            raise InputError(f"{self.name} has no layer {layer_name!r}; it has {', '.join(names)}")
        return block[-1]


class Filters(NamedTuple):
    """What training found for one convolution."""

    kernel: Float[Array, "height width inputs_per_group outputs"]
    bias: Float[Array, " outputs"]


Params = Mapping[str, Filters]
"""Filters by the name of their convolution."""


def filter_shapes(network: Network) -> dict[str, tuple[int, int, int, int]]:
    """The shape (height, width, inputs a group, outputs) of every convolution's kernel, in order."""
    shapes, inputs = {}, 3
    for layer in network.layers:
        if isinstance(layer, Conv):
            shapes[layer.name] = (
                layer.window,
                layer.window,
                inputs // layer.groups,
                layer.channels,
            )
            inputs = layer.channels
    return shapes


def find_network(name: str) -> Network:
    """The network of this name.

    Raises:
        InputError: there is none.
    """
    if name not in NETWORKS:
        raise InputError(f"there is no network {name!r}; there are {', '.join(NETWORKS)}")
    return NETWORKS[name]


# Caffe's ImageNet mean, pixel 0-255; torchvision's are given for pixels in 0-1.
_CAFFE = Preprocessing(bgr=True, mean=(104.007, 116.669, 122.679), deviation=(1.0, 1.0, 1.0))
_TORCHVISION = Preprocessing(
    bgr=False,
    mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
    deviation=(0.229 * 255, 0.224 * 255, 0.225 * 255),
)


def _pool(name: str, *, window: int = 3, ceil: bool = False) -> MaxPool:
    return MaxPool(name, window, stride=2, ceil=ceil)


def _caffe_layers(*, pool_first: bool) -> tuple[Layer, ...]:
    def reduce(block: int) -> tuple[Layer, Layer]:
        pool, norm = _pool(f"pool{block}", ceil=True), LocalResponseNorm(f"norm{block}")
        return (pool, norm) if pool_first else (norm, pool)

    return (
        Conv("conv1", 96, window=11, stride=4),
        *reduce(1),
        Conv("conv2", 256, window=5, padding=2, groups=2),
        *reduce(2),
        Conv("conv3", 384, window=3, padding=1),
        Conv("conv4", 384, window=3, padding=1, groups=2),
        Conv("conv5", 256, window=3, padding=1, groups=2),
        _pool("pool5", ceil=True),
        Conv("fc6", 4096, window=6),
        Conv("fc7", 4096, window=1),
    )


_ALEXNET_LAYERS = (
    Conv("conv1", 64, window=11, stride=4, padding=2),
    _pool("pool1"),
    Conv("conv2", 192, window=5, padding=2),
    _pool("pool2"),
    Conv("conv3", 384, window=3, padding=1),
    Conv("conv4", 256, window=3, padding=1),
    Conv("conv5", 256, window=3, padding=1),
    _pool("pool5"),
    Conv("fc6", 4096, window=6),
    Conv("fc7", 4096, window=1),
)


def _vgg_block(block: int, channels: int, convolutions: int) -> tuple[Layer, ...]:
    return (
        *(Conv(f"conv{block}_{i + 1}", channels, window=3, padding=1) for i in range(convolutions)),
        _pool(f"pool{block}", window=2),
    )


_VGG16_LAYERS = (
    *_vgg_block(1, channels=64, convolutions=2),
    *_vgg_block(2, channels=128, convolutions=2),
    *_vgg_block(3, channels=256, convolutions=3),
    *_vgg_block(4, channels=512, convolutions=3),
    *_vgg_block(5, channels=512, convolutions=3),
    Conv("fc6", 4096, window=7),
    Conv("fc7", 4096, window=1),
)

NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        network.name: network
        for network in (
            Network("caffenet", _CAFFE, 227, _caffe_layers(pool_first=True)),
            Network("bvlc_alexnet", _CAFFE, 227, _caffe_layers(pool_first=False)),
            Network("alexnet", _TORCHVISION, 224, _ALEXNET_LAYERS),
            Network("vgg16", _TORCHVISION, 224, _VGG16_LAYERS),
        )
    }
)
"""``caffenet`` and ``bvlc_alexnet`` are Caffe's; ``alexnet`` and ``vgg16`` are torchvision's."""
