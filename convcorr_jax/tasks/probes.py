"""Training of saved probes: landmarks (with a finder and a card), keypoints, colours, classes, attributes."""

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import probes
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Selection, fingerprint
from convcorr_jax.descriptors import BOX_MARGIN
from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted, save_fitted
from convcorr_jax.linear import grouped_folds
from convcorr_jax.linear.ridge import Ridge
from convcorr_jax.metrics import landmark_errors, landmark_summary
from convcorr_jax.probes.keypoints import FOLDS
from convcorr_jax.probes.landmarks import Compute
from convcorr_jax.probes.rgb import SIDE_PX
from convcorr_jax.probes.segmentation import SIDE
from convcorr_jax.runtime import CachedParts, stage
from convcorr_jax.tasks import attributes, landmarks
from convcorr_jax.tasks.keypoints import box_features, read_categories
from convcorr_jax.tasks.reading import CategoryData, read, select
from convcorr_jax.tasks.scenes import CONVNET, SceneRows, fit_scene_mixing, fit_scenes, read_scenes, scene_parts
from convcorr_jax.tasks.variation_features import FeatureBlocks, PartContents, sum_parts, variation_parts

TERMS = (
    "Fitted to photographs of LFPW and Helen, of which no licence is stated, with the annotations of 300-W, "
    "which are provided for research purposes only (no commercial products). Backgrounds are photographs of "
    "ImageNet, for non-commercial research. Use this model for non-commercial research only."
)
"""Terms of the data of which cards have figures."""


class LandmarkSource(NamedTuple):
    """The faces and the features on which a landmark probe is trained."""

    datasets: Sequence[str]
    """``rendered``, or names or paths of folders, whose training faces are joined."""
    data_root: Path | None
    rendered: int
    weights: Weights
    layer: str | None
    """Name of the layer; None for `LANDMARK_LAYER`."""
    side_px: int | None
    """Side of the squares that the network describes; None for that for which it was trained."""
    backgrounds: str | None
    """Name or path of a data set most of whose photographs show no face; None to train no finder."""
    folder: Path


def train_landmark_probe(source: LandmarkSource, options: landmarks.LandmarkOptions) -> probes.LandmarkModel:
    """Train a landmark probe on the training faces of data sets, and a finder if there are backgrounds.

    The facts on its training have the mean error on held-out faces, for the whole face and for each round of
    look-back, with the regressions' reduced rank and with their full rank.
    """
    options.check()
    weights, layer = source.weights, source.layer or landmarks.LANDMARK_LAYER
    features = probes.FeatureSettings(
        weights.network.name, weights.fingerprint, layer, options.margin, source.side_px
    )
    extractor = features.extractor(weights)
    train = landmarks.read_faces(
        source.datasets, data_root=source.data_root, test=False, rendered=source.rendered
    )
    # The number of rounds decides which regressions there are, but none of them.
    deciding = {name: value for name, value in dataclasses.asdict(options).items() if name != "rounds"}
    key = {"train": fingerprint(train.records), **features._asdict(), **deciding}

    def cache(name: str, compute: Compute) -> Mapping[str, np.ndarray]:
        return stage(source.folder / f"{name}.npz", key, compute)

    fitted = landmarks.fit_faces(train, extractor, options, cache=cache)
    facts = {
        "datasets": list(source.datasets),
        "faces": len(train.records),
        "left_out": train.left_out,
        "held_out_error": _mean_errors(fitted.held_out, train),
        "held_out_error_full_rank": _mean_errors(fitted.held_out_full_rank, train),
    }
    if source.backgrounds is None:
        return probes.LandmarkModel(fitted.probe, features, facts)
    backgrounds = read(source.backgrounds, data_root=source.data_root)
    key["backgrounds"] = fingerprint(backgrounds)
    finder = landmarks.fit_finder(train, backgrounds, fitted.probe, extractor, options, cache=cache)
    facts |= {
        "backgrounds": [source.backgrounds, len(backgrounds)],
        "presence_of_faces": _quantiles(finder.faces),
        "highest_presence_of_backgrounds": _quantiles(finder.backgrounds),
    }
    return probes.LandmarkModel(fitted.probe, features, facts, finder.finder)


def with_card(
    model: probes.LandmarkModel,
    source: LandmarkSource,
    options: landmarks.LandmarkOptions,
    *,
    tests: Sequence[str],
    command: str,
    path: Path,
) -> probes.LandmarkModel:
    """Return a landmark probe with the figures of its card among the facts on its training.

    The probe is saved at ``path`` before it is tested on the test faces of ``tests``: the figures are those of
    the saved probe. The card has the command that trains it, the terms of its data, the size of its arrays, and
    the figures of `convcorr_jax.tasks.landmarks.figures_of_tests` by the name of the data set.
    """
    save_fitted(path, model)
    saved = load_fitted(path, probes.LandmarkModel)
    key = {
        **model.features._asdict(),
        **dataclasses.asdict(options),
        "backgrounds": source.backgrounds,
        "held_out_error": model.training["held_out_error"],
    }

    def cache(name: str, compute: Compute) -> Mapping[str, np.ndarray]:
        return stage(source.folder / f"{name}.npz", key, compute)

    extractor = saved.extractor(source.weights)
    card = {
        "command": command,
        "terms": TERMS,
        "bytes_of_arrays": sum(array.nbytes for array in model.to_fitted().arrays.values()),
        "tests": {
            name: landmarks.figures_of_tests(saved, extractor, name, data_root=source.data_root, cache=cache)
            for name in tests
        },
    }
    return dataclasses.replace(model, training={**model.training, "card": card})


def _mean_errors(rounds: Sequence[Float[np.ndarray, "faces n 2"]], train: landmarks.FaceSet) -> list[float]:
    lengths = np.array([record.normalizer_px or np.nan for record in train.records])
    errors = [landmark_errors(points, train.points, lengths) for points in rounds]
    return [landmark_summary(values).mean for values in errors]


def _quantiles(values: Float[np.ndarray, " n"]) -> dict[str, float]:
    return {str(share): float(np.quantile(values, share)) for share in (0.01, 0.05, 0.5, 0.95, 1.0)}


Kind = Literal["keypoints", "colors", "classes", "attributes"]
"""What a probe predicts from the features of a whole image, or of an object's box."""


class ProbeSource(NamedTuple):
    """The data and the features on which a probe is trained."""

    dataset: str
    data_root: Path | None
    rendered: int
    weights: Weights
    layer: str
    mirrored: bool
    """Train with every image and its mirror image."""
    folder: Path


_Trained = tuple[dict[str, Ridge], dict[str, Any]]


def train_probe(kind: Kind, source: ProbeSource) -> probes.ProbeModel:
    """Train a probe on the training split of a data set."""
    train = {
        "keypoints": _train_keypoints,
        "colors": _train_colors,
        "classes": _train_classes,
        "attributes": _train_attributes,
    }
    ridges, facts = train[kind](source)
    facts = {
        "datasets": [source.dataset],
        "network": source.weights.network.name,
        "fingerprint": source.weights.fingerprint,
        "layer": source.layer,
        **facts,
    }
    return probes.ProbeModel(ridges, facts)


def _train_colors(source: ProbeSource) -> _Trained:
    records = select(source.dataset, data_root=source.data_root, train=source.rendered, test=0)
    train = np.flatnonzero(np.isin(records.splits(), ["train", "val"]))
    records = records.take(train) if len(train) else records
    parts, folds = _training_parts(records, source)
    sums = sum_parts(
        parts,
        lambda arrays, _: probes.rgb_targets(arrays["squares"]),
        folds,
        path=source.folder / "colors_sums.npz",
        settings={"targets": "colors"},
        k=FOLDS,
    )
    probe, _ = probes.fit_grid_sums(sums, side=SIDE_PX)
    return {"colors": probe}, {"side_px": SIDE_PX, "pictures": len(records)}


def _train_classes(source: ProbeSource) -> _Trained:
    scenes = read_scenes(source.dataset, data_root=source.data_root, rendered_train=source.rendered)
    _check_count(scenes.train, source)
    parts, _ = scene_parts(
        scenes, source.weights, layer=source.layer, copies=1 + source.mirrored, folder=source.folder
    )
    rows = SceneRows(parts, CONVNET, 1, grouped_folds(np.arange(len(scenes.train)), k=FOLDS))
    probe = fit_scenes(rows, path=source.folder / "classes.npz").probe
    mixing = fit_scene_mixing(rows, [probe] * FOLDS)
    facts = {"classes": list(scenes.classes), "side": SIDE, "pictures": len(scenes.train)}
    return {"responses": probe, "mixing": mixing}, facts


def _train_attributes(source: ProbeSource) -> _Trained:
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
    fitted = probes.fit_attributes_sums(sums, FeatureBlocks(parts), values, names=data.names, folds=folds)
    # JSON has no NaN.
    thresholds = [None if np.isnan(value) else float(value) for value in fitted.thresholds]
    facts = {"names": list(data.names), "thresholds": thresholds, "pictures": len(data.train.records)}
    return {"attributes": fitted.probe}, facts


def _train_keypoints(source: ProbeSource) -> _Trained:
    ridges, names = {}, {}
    data = CategoryData(source.dataset, source.data_root, rendered_train=source.rendered)
    for category in read_categories(data):
        boxes = box_features(
            category, source.weights, layer=source.layer, margin=BOX_MARGIN, folder=source.folder
        )
        # Without an official split all objects train.
        train = np.flatnonzero(category.folds < 0)
        train = train if len(train) else np.arange(len(category.folds))
        rows = np.isin(boxes.objects, train) & (source.mirrored | ~boxes.mirrored)
        fitted = probes.fit_keypoints(
            boxes.features[rows], boxes.points[rows], boxes.objects[rows], names=category.names
        )
        ridges[category.name] = fitted.probe
        names[category.name] = list(category.names)
    return ridges, {"names": names, "margin": BOX_MARGIN}


def _training_parts(records: Selection, source: ProbeSource) -> tuple[CachedParts, Int[np.ndarray, " n"]]:
    """Return features and colours of all variations in parts, and the fold of each variation."""
    _check_count(records, source)
    copies, contents = 1 + source.mirrored, PartContents(squares_px=SIDE_PX)
    parts = variation_parts(
        records, source.weights, layer=source.layer, copies=copies, folder=source.folder, contents=contents
    )
    return parts, grouped_folds(np.repeat(np.arange(len(records)), copies), k=FOLDS)


def _check_count(records: Selection, source: ProbeSource) -> None:
    if len(records) < FOLDS:
        raise InputError(
            f"{source.dataset} has {len(records)} images to learn from; at least {FOLDS} are expected"
        )
