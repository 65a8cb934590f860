"""Training of ridge probes that are saved: keypoints, colours, classes of pixels, attributes."""

import zlib
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Int

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.selection import Selection
from convcorr_jax.descriptors.views import BOX_MARGIN
from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.probes import (
    RidgeProbe,
    fit_attributes_sums,
    fit_grid_sums,
    fit_keypoints,
    rgb_targets,
)
from convcorr_jax.probes.keypoints import FOLDS
from convcorr_jax.probes.rgb import SIDE_PX
from convcorr_jax.probes.segmentation import SIDE
from convcorr_jax.runtime.stages import CachedParts
from convcorr_jax.tasks import attributes
from convcorr_jax.tasks.keypoints import box_features, read_categories
from convcorr_jax.tasks.options import CategoryData
from convcorr_jax.tasks.reading import select
from convcorr_jax.tasks.scenes import (
    CONVNET,
    SceneRows,
    fit_scene_mixing,
    fit_scenes,
    read_scenes,
    scene_parts,
)
from convcorr_jax.tasks.variation_features import (
    FeatureBlocks,
    PartContents,
    sum_parts,
    variation_parts,
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
    records = select(source.dataset, data_root=source.data_root, train=source.rendered, test=0)
    train = np.flatnonzero(np.isin(records.splits(), ["train", "val"]))
    records = records.take(train) if len(train) else records
    parts, folds = _training_parts(records, source)
    sums = sum_parts(
        parts,
        lambda arrays, _: rgb_targets(arrays["squares"]),
        folds,
        path=source.folder / "colors_sums.npz",
        settings={"targets": "colors"},
        k=FOLDS,
    )
    probe, _ = fit_grid_sums(sums, side=SIDE_PX)
    return _Probe({"colors": probe}, {"side_px": SIDE_PX, "pictures": len(records)})


def _train_classes(source: ProbeSource) -> _Probe:
    scenes = read_scenes(source.dataset, data_root=source.data_root, rendered_train=source.rendered)
    _check_count(scenes.train, source)
    parts, _ = scene_parts(
        scenes, source.weights, layer=source.layer, copies=_copies(source), folder=source.folder
    )
    folds = grouped_folds(np.arange(len(scenes.train)), k=FOLDS)
    rows = SceneRows(parts, CONVNET, 1, folds)
    probe = fit_scenes(rows, path=source.folder / "classes.npz").probe
    mixing = fit_scene_mixing(rows, [probe] * FOLDS)
    facts = {"classes": list(scenes.classes), "side": SIDE, "pictures": len(scenes.train)}
    return _Probe({"responses": probe, "mixing": mixing}, facts)


def _train_attributes(source: ProbeSource) -> _Probe:
    data = attributes.read_faces(
        source.dataset,
        data_root=source.data_root,
        rendered_train=source.rendered,
        rendered_test=attributes.MIN_FACES,
    )
    parts, folds = _training_parts(data.train.records, source)
    values = attributes.training_values(data, mirrored=source.mirrored).astype(np.float32)
    sums = sum_parts(
        parts,
        lambda _, rows: values[rows],
        folds,
        path=source.folder / "attributes_sums.npz",
        settings={"targets": zlib.crc32(values.tobytes())},
        k=FOLDS,
    )
    fitted = fit_attributes_sums(sums, FeatureBlocks(parts), values, names=data.names, folds=folds)
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


def _training_parts(
    records: Selection, source: ProbeSource
) -> tuple[CachedParts, Int[np.ndarray, " n"]]:
    """Return features and colours of all variations in parts, and the fold of each variation."""
    _check_count(records, source)
    copies = _copies(source)
    parts = variation_parts(
        records,
        source.weights,
        layer=source.layer,
        copies=copies,
        folder=source.folder,
        contents=PartContents(squares_px=SIDE_PX),
    )
    return parts, grouped_folds(np.repeat(np.arange(len(records)), copies), k=FOLDS)


def _check_count(records: Selection, source: ProbeSource) -> None:
    if len(records) < FOLDS:
        raise InputError(
            f"{source.dataset} has {len(records)} images to learn from; at least {FOLDS} are expected"
        )


def _copies(source: ProbeSource) -> int:
    return 2 if source.mirrored else 1
