"""The baseline of annotation: the points of the labelled photograph that looks most like a photograph."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from convcorr_jax import coords, images
from convcorr_jax.backbone import activations, preprocess
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.io import read_image
from convcorr_jax.labels import FoundObject, FoundPhotograph, LabelledPhotograph
from convcorr_jax.retrieval import nearest_neighbors

_LAYER, _SIDE = "conv5_3", 224


def copy_nearest(
    examples: Sequence[LabelledPhotograph], paths: Sequence[Path], weights: Weights
) -> list[FoundPhotograph]:
    """Copy the objects of the example whose flattened conv5_3 of VGG16 has the greatest cosine similarity.

    Photographs are squashed to 224 x 224 pixels; points keep their place relative to the photograph's sides.
    """
    sizes, described = zip(
        *(_described(path, weights) for path in (*(e.path for e in examples), *paths)), strict=True
    )
    count = len(examples)
    database, queries = np.stack(described[:count]), np.stack(described[count:])
    nearest = np.asarray(nearest_neighbors(queries, database, k=1).indices)[:, 0]
    found = []
    for path, size, number in zip(paths, sizes[count:], nearest.tolist(), strict=True):
        move = coords.resize(sizes[number], size)
        objects = []
        for one in examples[number].objects:
            points, absent = move(one.points), np.isnan(one.points[:, 0])
            box = coords.tight_box(points[~absent])
            objects.append(FoundObject(points, None, box, None, absent=absent))
        found.append(FoundPhotograph(path, size, tuple(objects)))
    return found


def _described(path: Path, weights: Weights) -> tuple[tuple[int, int], np.ndarray]:
    image = read_image(path)
    inputs = preprocess(images.resize(image, (_SIDE, _SIDE)).image[None], network=weights.network)
    maps = activations(weights.params, inputs, network=weights.network, layers=[_LAYER])[_LAYER]
    return image.shape[:2], np.asarray(maps).ravel()
