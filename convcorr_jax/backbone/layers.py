"""Layers of networks: data that `convcorr_jax.backbone.forward` evaluates."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

Activation = Literal["relu", "relu6", "gelu", "none"]
"""The maximum of 0 and x, the same up to 6 at most, x times the normal distribution function of x, or x."""


class Conv(NamedTuple):
    """A convolution with square windows, stride and zero padding in cells of its input, bias and activation."""

    name: str
    channels: int
    window: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    """The number g of groups: each g-th of the outputs depends on the corresponding g-th of the inputs."""
    activation: Activation = "relu"
    standardized: bool = False
    """Whether every column of the input is first brought to mean 0 and variance 1 over its channels."""


class MaxPool(NamedTuple):
    """The maximum over square windows; window, stride and padding are in cells of its input."""

    name: str
    window: int
    stride: int
    ceil: bool
    """Caffe's rule: whether a last window that extends beyond the border is kept, and clipped."""
    padding: int = 0
    """Cells by which windows reach over the border, where they are clipped."""


class LocalResponseNorm(NamedTuple):
    """``x / (1 + alpha / window * sum x_j²)^(3/4)``, the sum over the nearest ``window`` channels."""

    name: str
    window: int = 5
    alpha: float = 1e-4


class Block(NamedTuple):
    """A block of a vision transformer: attention among all patches, then a perceptron for each of them."""

    name: str
    channels: int
    patch_px: int
    """Side of the square patches, each of which is a cell."""


class Unit(NamedTuple):
    """A chain of convolutions whose input is added to its output: ``f(chain(x) + shortcut(x))``."""

    name: str
    chain: tuple[Conv, ...]
    shortcut: Conv | Literal["identity", "none"] = "identity"
    """What is added: a convolution of the input, the input itself, or nothing."""
    activation: Activation = "none"

    @property
    def channels(self) -> int:
        """The number of channels of the output."""
        return self.chain[-1].channels


Layer = Conv | MaxPool | LocalResponseNorm | Block | Unit


def convolutions(layer: Layer) -> tuple[Conv, ...]:
    """Return the convolutions of a layer, that of the shortcut last."""
    match layer:
        case Conv():
            return (layer,)
        case Unit():
            return (*layer.chain, layer.shortcut) if isinstance(layer.shortcut, Conv) else layer.chain
    return ()


def windows(layer: Layer) -> Iterator[Conv | MaxPool]:
    """Yield the steps of a layer that look at windows of their input, one after the other.

    A shortcut looks at the middle of what its chain looks at.
    """
    match layer:
        case Conv() | MaxPool():
            yield layer
        case Unit():
            yield from layer.chain
