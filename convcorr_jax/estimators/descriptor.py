"""One feature vector for each image as a scikit-learn transformer."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from convcorr_jax.backbone import channels, grid_size
from convcorr_jax.backbone.weights import Weights, load
from convcorr_jax.descriptors import default_layer, global_features
from convcorr_jax.errors import InputError
from convcorr_jax.estimators.ridge_probe import check_number
from convcorr_jax.images import resize
from convcorr_jax.io import read_image
from convcorr_jax.shapes import Image


class Descriptor(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The activations of one layer of a network for each image, flattened and scaled to unit length.

    Each image is resized to a square, whatever its shape, and becomes one row of features in the order row,
    column, channel (`convcorr_jax.descriptors.global_features`). Nothing is learned: `fit` checks the options,
    and `transform` works without it. Weights are loaded when they are first needed and shared by all
    descriptors of a process; they are no part of a descriptor, which can therefore be pickled in a few bytes.

    >>> import numpy as np
    >>> images = np.zeros((2, 80, 60, 3), np.uint8)
    >>> Descriptor(layer="conv1", side_px=63).transform(images).shape
    (2, 14400)

    Args:
        network: the name of the network, such as ``"alexnet"`` or ``"vgg16"``.
        layer: the layer; None for fc6, or pool5 if the weights have no fully connected layers.
        side_px: the side in pixels of the squares that images are resized to; None for the size of the
            network's training images.
        weights_path: the file of the weights; None for those that `convcorr_jax.backbone.weights.find` finds.
    """

    # scikit-learn's rule: `fit` checks the options, which may be set to anything before.
    def __init__(
        self, *, network: Any = "alexnet", layer: Any = None, side_px: Any = None, weights_path: Any = None
    ):
        self.network = network
        self.layer = layer
        self.side_px = side_px
        self.weights_path = weights_path

    def fit(self, X: Any, y: Any = None) -> "Descriptor":
        """Check the options; neither images nor targets are used. A `ValueError` says which option is wrong."""
        weights = self._weights()
        layer, side = self._layer(weights), self._side()
        grid_size(weights.network, layer, (side, side))
        # The layers that the weights suffice for are the first ones; the layer may be the name of a block.
        if weights.network.position(layer) >= len(weights.layers):
            raise InputError(
                f"these weights of {self.network} have no {layer}; they have {', '.join(weights.layers)}"
            )
        return self

    def transform(self, X: Any) -> Float[np.ndarray, "n d"]:
        """Compute features of images in single precision, ``[n, d]``.

        X is a sequence of images, each an 8-bit RGB array ``[h, w, 3]`` or the path of a file, or one array
        ``[n, h, w, 3]``. Files are read when their turn comes, so that they need not all fit into memory. Other
        images and wrong options are a `ValueError`.
        """
        weights = self.fit(X)._weights()
        side = self._side()
        squares = (resize(_image(item, number), (side, side)).image for number, item in enumerate(X))
        return global_features(squares, weights=weights, layer=self._layer(weights))

    def __sklearn_tags__(self) -> Any:
        """Describe the transformer to scikit-learn: it takes images and needs no fit."""
        # pyrefly's stubs of scikit-learn are older than tags.
        tags = super().__sklearn_tags__()  # pyrefly: ignore[missing-attribute]
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.requires_fit = False
        return tags

    @property
    def _n_features_out(self) -> int:
        """The number of features, by which scikit-learn names them."""
        weights = self.fit(None)._weights()
        layer, side = self._layer(weights), self._side()
        grid = grid_size(weights.network, layer, (side, side))
        return grid.height * grid.width * channels(weights.network, layer)

    def _weights(self) -> Weights:
        path = self.weights_path
        if not isinstance(self.network, str):
            raise InputError(f"network is {self.network!r}; the name of a network is expected")
        return _loaded(self.network, path=None if path is None else str(path))

    def _layer(self, weights: Weights) -> str:
        return default_layer(weights) if self.layer is None else self.layer

    def _side(self) -> int:
        if self.side_px is None:
            return self._weights().network.image_side
        check_number(self.side_px, "side_px", kinds="iu")
        return self.side_px


# Two networks at most are compared with each other at a time; the weights of one take up to 500 MB.
_loaded = functools.lru_cache(maxsize=2)(load)


def _image(item: Any, number: int) -> Image:
    """Return an image that is an array or the path of a file."""
    if isinstance(item, str | Path):
        return read_image(item)
    if not isinstance(item, np.ndarray) or item.dtype != np.uint8 or item.shape[2:] != (3,):
        found = f"of type {type(item).__name__}"
        if isinstance(item, np.ndarray):
            found = f"an array of {item.dtype} of shape {item.shape}"
        raise InputError(f"image {number} is {found}; an array [h, w, 3] of uint8 or a path is expected")
    return item
