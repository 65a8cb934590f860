"""Tiny residual networks, and tensors of them by torchvision's names."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from convcorr_jax.backbone import NETWORKS, Conv, Network, Unit
from convcorr_jax.backbone.networks import IMAGENET
from convcorr_jax.backbone.residual import convnext_layers, mobilenet_layers, resnet_layers
from tests.reference import residual_network as oracle

_DIVIDE_BY = 8


def narrow(layers, divide_by: int = _DIVIDE_BY):
    """Return layers with a fraction of the channels."""

    def narrowed(layer):
        if isinstance(layer, Unit):
            shortcut = narrowed(layer.shortcut) if isinstance(layer.shortcut, Conv) else layer.shortcut
            return layer._replace(chain=tuple(narrowed(conv) for conv in layer.chain), shortcut=shortcut)
        if not isinstance(layer, Conv):
            return layer
        groups = layer.groups // divide_by if layer.groups > 1 else 1
        return layer._replace(channels=layer.channels // divide_by, groups=groups)

    return tuple(narrowed(layer) for layer in layers)


class Tiny(NamedTuple):
    """A network, and the formulas of its layers by its tensors."""

    network: Network
    maps: Callable[[np.ndarray, oracle.Tensors], oracle.Maps]

    def tensors(self, rng: np.random.Generator) -> oracle.Tensors:
        """Draw all tensors."""
        tensors = oracle.Tensors(rng)
        self.maps(np.zeros((32, 32, 3)), tensors)
        return tensors


def _network(name: str, layers) -> Network:
    return Network(name, IMAGENET, 32, narrow(layers), winograd=False)


TINY = {
    "basic": Tiny(
        _network("basic", resnet_layers([2, 1, 1, 1], bottleneck=False)),
        lambda x, t: oracle.resnet(x, t, units=[2, 1, 1, 1], width=8, bottleneck=False),
    ),
    "bottleneck": Tiny(
        _network("bottleneck", resnet_layers([1, 2, 1, 1], bottleneck=True)),
        lambda x, t: oracle.resnet(x, t, units=[1, 2, 1, 1], width=8, bottleneck=True),
    ),
    "convnext": Tiny(
        _network("convnext", convnext_layers([1, 2, 1, 1], 64)),
        lambda x, t: oracle.convnext(x, t, units=[1, 2, 1, 1], width=8),
    ),
    "mobilenet": Tiny(
        _network("mobilenet", mobilenet_layers()), lambda x, t: oracle.mobilenet(x, t, divide_by=_DIVIDE_BY)
    ),
}
RESIDUAL = [name for name, network in NETWORKS.items() if any(isinstance(x, Unit) for x in network.layers)]
