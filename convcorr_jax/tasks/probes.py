"""Training of ridge probes that are saved: keypoints, colours, classes of pixels, attributes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.records import Record
from convcorr_jax.descriptors.views import BOX_MARGIN
from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.probes import (
    RidgeProbe,
    class_responses,
    class_targets,
    fit_attributes,
    fit_grid,
    fit_keypoints,
    fit_mixing,
    rgb_targets,
)
from convcorr_jax.probes.keypoints import FOLDS
from convcorr_jax.probes.rgb import SIDE_PX
from convcorr_jax.probes.segmentation import SIDE
from convcorr_jax.tasks import attributes
from convcorr_jax.tasks.keypoints import box_features, read_categories
from convcorr_jax.tasks.options import CategoryData
from convcorr_jax.tasks.reading import read
from convcorr_jax.tasks.scenes import read_scenes, variation_shares
from convcorr_jax.tasks.variation_features import (
    variation_features,
    variation_images,
    variations_of,
)

Kind = Literal["keypoints", "colors", "classes", "attributes"]
"""What a probe predicts from the features of a whole image, or of an object's box."""


class ProbeSource(NamedTuple):
    """The data and the features on which a probe is trained."""

    dataset: str
    """``rendered``, or the name or path of a folder."""
    data_root: Path | None
    """The folder of data sets; None for $CONVCORR_DATA, or else the user's data folder."""
    rendered: int
    """Number of training instances of every rendered category."""
    weights: Weights
    """Weights of the network."""
    layer: str
    """Name of the layer."""
    mirrored: bool
    """Train with every image and its mirror image."""
    folder: Path
    """Where features are cached."""


class _TrainingSet(NamedTuple):
    features: Float[np.ndarray, "n d"]
    """One row for every image and mirror image."""
    folds: Int[np.ndarray, " n"]
    """The fold that holds each row out."""
    copies: int
    """Rows of each image."""


class _Probe(NamedTuple):
    ridges: dict[str, Ridge]
    facts: dict[str, Any]


def train_probe(kind: Kind, source: ProbeSource) -> RidgeProbe:
    """Train a probe on the training split of a data set.

    Args:
        kind: what the probe predicts.
        source: data and features.

    Raises:
        InputError: the data set cannot be read, lacks the annotation, or has too few training images.
    """
    train = {
        "keypoints": _train_keypoints,
        "colors": _train_colors,
        "classes": _train_classes,
        "attributes": _train_attributes,
    }
    probe = train[kind](source)
    facts = {
        "datasets": [source.dataset],
        "network": source.weights.network.name,
        "fingerprint": source.weights.fingerprint,
        "layer": source.layer,
        **probe.facts,
    }
    return RidgeProbe(probe.ridges, facts)


def _train_colors(source: ProbeSource) -> _Probe:
    records = read(source.dataset, data_root=source.data_root, train=source.rendered, test=0)
    records = [record for record in records if record.split in ("train", "val")] or records
    train = _training_set(records, source)
    squares = variation_images(
        records, variations_of(records, copies=train.copies), side_px=SIDE_PX
    )
    colors = rgb_targets(squares)
    probe, _ = fit_grid(train.features, colors, side=SIDE_PX, folds=train.folds, k=FOLDS)
    return _Probe({"colors": probe}, {"side_px": SIDE_PX, "pictures": len(records)})


def _train_classes(source: ProbeSource) -> _Probe:
    scenes = read_scenes(source.dataset, data_root=source.data_root, rendered_train=source.rendered)
    train = _training_set(scenes.train, source)
    shares = variation_shares(scenes, copies=train.copies)
    targets = class_targets(shares)
    probe, _ = fit_grid(train.features, targets, side=SIDE, folds=train.folds, k=FOLDS)
    responses = class_responses(probe, train.features)
    mixing = fit_mixing(responses, shares, folds=train.folds, k=FOLDS)
    facts = {"classes": list(scenes.classes), "side": SIDE, "pictures": len(scenes.train)}
    return _Probe({"responses": probe, "mixing": mixing}, facts)


def _train_attributes(source: ProbeSource) -> _Probe:
    data = attributes.read_faces(
        source.dataset,
        data_root=source.data_root,
        rendered_train=source.rendered,
        rendered_test=attributes.MIN_FACES,
    )
    train = _training_set(data.train.records, source)
    values = attributes.training_values(data, mirrored=source.mirrored)
    fitted = fit_attributes(train.features, values, names=data.names, folds=train.folds, k=FOLDS)
    # JSON has no NaN.
    thresholds = [None if np.isnan(value) else float(value) for value in fitted.thresholds]
    facts = {
        "names": list(data.names),
        "thresholds": thresholds,
        "pictures": len(data.train.records),
    }
    return _Probe({"attributes": fitted.probe}, facts)


def _train_keypoints(source: ProbeSource) -> _Probe:
    ridges, names = {}, {}
    for category in read_categories(
        CategoryData(source.dataset, source.data_root, rendered_train=source.rendered)
    ):
        boxes = box_features(
            category,
            source.weights,
            layer=source.layer,
            margin=BOX_MARGIN,
            folder=source.folder,
        )
        # Without an official split all objects train.
        train = np.flatnonzero(category.folds < 0)
        train = train if len(train) else np.arange(len(category.folds))
        rows = np.isin(boxes.objects, train) & (source.mirrored | ~boxes.mirrored)
        fitted = fit_keypoints(
            boxes.features[rows], boxes.points[rows], boxes.objects[rows], names=category.names
        )
        ridges[category.name] = fitted.probe
        names[category.name] = list(category.names)
    return _Probe(ridges, {"names": names, "margin": BOX_MARGIN})


def _training_set(records: Sequence[Record], source: ProbeSource) -> _TrainingSet:
    if len(records) < FOLDS:
        raise InputError(
            f"{source.dataset} has {len(records)} images to learn from; at least {FOLDS} are expected"
        )
    copies = 2 if source.mirrored else 1
    features = variation_features(
        records, source.weights, layer=source.layer, copies=copies, folder=source.folder
    )
    folds = grouped_folds(np.repeat(np.arange(len(records)), copies), k=FOLDS)
    return _TrainingSet(features, folds, copies)
