"""Convolutional features, by the same trained filters in torch modules.

Quality: the largest difference, relative to the largest activation, is below 1e-4.
"""

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from convcorr_jax.backbone import activations, preprocess
from convcorr_jax.backbone.weights import load
from eval.benchmark.comparison import Arrays, Case, Comparison, Quality

TOLERANCE = 1e-4
# Network, last layer, images in a batch, their side in pixels.
SIZES = (("alexnet", "conv5", 64, 227), ("alexnet", "conv5", 1, 227), ("vgg16", "conv5_3", 4, 224))


def check(ours: Arrays, peer: Arrays) -> Quality:
    """Compare the activations."""
    difference = np.abs(ours["features"] - peer["features"]).max() / np.abs(peer["features"]).max()
    return Quality(
        difference < TOLERANCE,
        f"largest difference below {TOLERANCE:g} of the largest activation",
        {"relative difference": float(difference)},
    )


def comparisons() -> Iterator[Comparison]:
    """Yield batches of noise; the time of convolutions does not depend on the values."""
    rng = np.random.default_rng(0)
    for name, layer, batch, side in SIZES:
        weights = load(name)
        network = weights.network
        convolutions = [n for n in network.layer_names if n.startswith("conv")]
        filters = {}
        for i, convolution in enumerate(convolutions):
            kernel = np.asarray(weights.params[convolution].kernel)
            filters[f"kernel{i}"] = kernel.transpose(3, 2, 0, 1)
            filters[f"bias{i}"] = np.asarray(weights.params[convolution].bias)
        pixels = rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
        inputs = preprocess(pixels, network=network)
        yield Comparison(
            name=f"{name} to {layer}, batch {batch}, {side} px",
            unit="image",
            inputs={"network": np.array(name), "images": np.asarray(inputs)} | filters,
            ours=_forward(weights.params, inputs, network, layer),
            check=check,
            required_ratio=1.0,
            our_units=batch,
            peer_units=batch,
        )


def _forward(params, inputs, network, layer):
    def run():
        layers = activations(params, inputs, network=network, layers=(layer,))
        return {"features": jnp.asarray(layers[layer])}

    return run


CASE = Case("torch", "eval.benchmark.workers.torch_features", comparisons)
