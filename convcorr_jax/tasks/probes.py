"""Ridge probes of whole pictures: colours, classes of pixels, attributes of faces, keypoints of objects."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from convcorr_jax import synthetic
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import opening
from convcorr_jax.datasets.records import Record
from convcorr_jax.descriptors.views import BOX_MARGIN
from convcorr_jax.errors import InputError
from convcorr_jax.linear.folds import grouped_folds
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.probes import segmentation
from convcorr_jax.probes.directions import read_out
from convcorr_jax.probes.grids import fit_grid
from convcorr_jax.probes.keypoints import FOLDS, fit_keypoints
from convcorr_jax.probes.rgb import SIDE_PX, rgb_targets
from convcorr_jax.tasks.attributes import FEWEST, mirrored, read_faces
from convcorr_jax.tasks.box_features import box_features
from convcorr_jax.tasks.keypoints.categories import RENDERED, read_categories
from convcorr_jax.tasks.scenes import read_scenes
from convcorr_jax.tasks.variation_features import features, squares, variations_of

Kind = Literal["keypoints", "colors", "classes", "attributes"]


class Fitted(NamedTuple):
    """A probe as `convcorr_jax.probes.saved.save_probe` takes it."""

    ridges: dict[str, Ridge]
    told: dict[str, Any]


class Source(NamedTuple):
    """What a probe learns from."""

    dataset: str
    data_root: Path | None
    rendered: int
    """Training instances of every rendered category."""
    weights: Weights
    layer: str
    mirrored: bool
    """Whether every picture learns with its mirror image."""
    folder: Path
    """Where features are kept."""


def fit_picture_probe(kind: Kind, source: Source) -> Fitted:
    """Fit a probe to the training split of a data set.

    Raises:
        InputError: the data set has no such annotation, or as the functions of `convcorr_jax.probes`.
    """
    fits = {
        "keypoints": _keypoints,
        "colors": _colors,
        "classes": _classes,
        "attributes": _attributes,
    }
    return fits[kind](source)


def _colors(source: Source) -> Fitted:
    if source.dataset == RENDERED:
        records: Sequence[Record] = synthetic.every_category(train=source.rendered, test=0)
    else:
        records = opening.read_records(source.dataset, source.data_root)
    records = [one for one in records if one.split in ("train", "val")] or records
    x, folds, copies = _described(records, source)
    seen = variations_of(records, copies=copies)
    colors = rgb_targets(squares(records, seen, side_px=SIDE_PX))
    probe, _ = fit_grid(x, colors, side=SIDE_PX, folds=folds, k=FOLDS)
    return Fitted({"colors": probe}, {"side_px": SIDE_PX, "pictures": len(records)})


def _classes(source: Source) -> Fitted:
    scenes = read_scenes(source.dataset, source.data_root, rendered_train=source.rendered)
    x, folds, copies = _described(scenes.train, source)
    shares = np.stack(
        [
            segmentation.class_shares(scenes.class_map(record), one, classes=len(scenes.classes))
            for record, some in zip(
                scenes.train, variations_of(scenes.train, copies=copies), strict=True
            )
            for one in some
        ]
    )
    targets = segmentation.targets(shares)
    probe, _ = fit_grid(x, targets, side=segmentation.SIDE, folds=folds, k=FOLDS)
    mixing = segmentation.fit_mixing(segmentation.responses(probe, x), shares, folds=folds, k=FOLDS)
    told = {
        "classes": list(scenes.classes),
        "side": segmentation.SIDE,
        "pictures": len(scenes.train),
    }
    return Fitted({"responses": probe, "mixing": mixing}, told)


def _attributes(source: Source) -> Fitted:
    names, train, _ = read_faces(
        source.dataset, source.data_root, rendered_train=source.rendered, rendered_test=FEWEST
    )
    x, folds, copies = _described(train.records, source)
    values = np.stack([train.values, mirrored(names, train.values)], axis=1)[:, :copies]
    found = read_out(x, values.reshape(len(x), -1), names=names, folds=folds, k=FOLDS)
    thresholds = [None if np.isnan(one) else float(one) for one in found.thresholds]
    told = {"names": list(names), "thresholds": thresholds, "pictures": len(train.records)}
    return Fitted({"attributes": found.probe}, told)


def _keypoints(source: Source) -> Fitted:
    ridges, names = {}, {}
    for category in read_categories(
        source.dataset, source.data_root, rendered_train=source.rendered
    ):
        seen = box_features(
            category,
            source.weights,
            layer=source.layer,
            margin=BOX_MARGIN,
            folder=source.folder,
        )
        # Without an official split nothing is kept back.
        train = np.flatnonzero(category.folds < 0)
        train = train if len(train) else np.arange(len(category.folds))
        rows = np.isin(seen.objects, train) & (source.mirrored | ~seen.mirrored)
        found = fit_keypoints(
            seen.features[rows], seen.points[rows], seen.objects[rows], names=category.names
        )
        ridges[category.name] = found.probe
        names[category.name] = list(category.names)
    return Fitted(ridges, {"names": names, "margin": BOX_MARGIN})


def _described(records: Sequence[Record], source: Source):
    """Features of all pictures, each with its mirror image if wanted, their folds, and copies of each."""
    if len(records) < FOLDS:
        raise InputError(
            f"{source.dataset} has {len(records)} pictures to learn from; at least {FOLDS} are expected"
        )
    copies = 2 if source.mirrored else 1
    x = features(records, source.weights, layer=source.layer, copies=copies, folder=source.folder)
    return x, grouped_folds(np.repeat(np.arange(len(records)), copies), k=FOLDS), copies
