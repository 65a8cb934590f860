"""Training of landmark probes that are saved, with a finder of faces and with a card."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.fingerprint import fingerprint
from convcorr_jax.io import load_fitted, save_fitted
from convcorr_jax.metrics import landmark_errors, landmark_summary
from convcorr_jax.probes import FeatureSettings, LandmarkModel
from convcorr_jax.probes.landmarks import Compute
from convcorr_jax.runtime.stages import stage
from convcorr_jax.tasks.landmarks import (
    LANDMARK_LAYER,
    FaceSet,
    LandmarkOptions,
    figures_of_tests,
    fit_faces,
    fit_finder,
    read_faces,
)
from convcorr_jax.tasks.reading import read

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
    """The folder of data sets; None for $CONVCORR_DATA, or else the user's data folder."""
    rendered: int
    """Number of rendered training faces."""
    weights: Weights
    """Weights of the network."""
    layer: str | None
    """Name of the layer; None for `LANDMARK_LAYER`."""
    side_px: int | None
    """Side of the squares that the network describes; None for that for which it was trained."""
    backgrounds: str | None
    """Name or path of a data set most of whose photographs show no face; None to train no finder."""
    folder: Path
    """Where fitted regressions are cached."""


def train_landmark_probe(source: LandmarkSource, options: LandmarkOptions) -> LandmarkModel:
    """Train a landmark probe on the training faces of data sets, and a finder if there are backgrounds.

    Regressions that an earlier run cached under the same settings are loaded.

    Args:
        source: data and features.
        options: options of fitting.

    Returns:
        The probe. The facts on its training have the mean error on held-out faces, for the whole face and for
        each round of look-back, with the regressions' reduced rank and with their full rank.

    Raises:
        InputError: an option is out of its range, data cannot be read, there are too few faces or backgrounds,
            or a cached file is damaged.
        WriteError: a regression cannot be cached.
    """
    options.check()
    weights, layer = source.weights, source.layer or LANDMARK_LAYER
    features = FeatureSettings(
        weights.network.name, weights.fingerprint, layer, options.margin, source.side_px
    )
    extractor = features.extractor(weights)
    train = read_faces(
        source.datasets, data_root=source.data_root, test=False, rendered=source.rendered
    )
    # The number of rounds decides which regressions there are, but none of them.
    deciding = {
        name: value for name, value in dataclasses.asdict(options).items() if name != "rounds"
    }
    key = {"train": fingerprint(train.records), **features._asdict(), **deciding}

    def cache(name: str, compute: Compute) -> Mapping[str, np.ndarray]:
        return stage(source.folder / f"{name}.npz", key, compute)

    fitted = fit_faces(train, extractor, options, cache=cache)
    facts = {
        "datasets": list(source.datasets),
        "faces": len(train.records),
        "left_out": train.left_out,
        "held_out_error": _mean_errors(fitted.held_out, train),
        "held_out_error_full_rank": _mean_errors(fitted.held_out_full_rank, train),
    }
    if source.backgrounds is None:
        return LandmarkModel(fitted.probe, features, facts)
    backgrounds = read(source.backgrounds, data_root=source.data_root)
    key["backgrounds"] = fingerprint(backgrounds)
    finder = fit_finder(train, backgrounds, fitted.probe, extractor, options, cache=cache)
    facts |= {
        "backgrounds": [source.backgrounds, len(backgrounds)],
        "presence_of_faces": _quantiles(finder.faces),
        "highest_presence_of_backgrounds": _quantiles(finder.backgrounds),
    }
    return LandmarkModel(fitted.probe, features, facts, finder.finder)


def with_card(
    model: LandmarkModel,
    source: LandmarkSource,
    options: LandmarkOptions,
    *,
    tests: Sequence[str],
    command: str,
    path: Path,
) -> LandmarkModel:
    """Return a landmark probe with the figures of its card among the facts on its training.

    Figures that an earlier run cached under the same settings are loaded.

    Args:
        model: the probe, with a finder.
        source: data and features on which it was trained.
        options: options of fitting.
        tests: names or paths of compact folders of faces; their test faces are the card's.
        command: command that trains the probe.
        path: where the probe is saved before it is tested: the figures are those of the saved probe.

    Returns:
        The probe. The card has its command, the terms of its data, the size of its arrays, and the figures of
        `convcorr_jax.tasks.landmarks.figures_of_tests` by the name of the data set.

    Raises:
        InputError: the probe has no finder, a data set cannot be read, or a cached file is damaged.
        WriteError: a file cannot be written.
    """
    save_fitted(path, model)
    saved = load_fitted(path, LandmarkModel)
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
            name: figures_of_tests(saved, extractor, name, data_root=source.data_root, cache=cache)
            for name in tests
        },
    }
    return dataclasses.replace(model, training={**model.training, "card": card})


def _mean_errors(rounds: Sequence[Float[np.ndarray, "faces n 2"]], train: FaceSet) -> list[float]:
    lengths = np.array([record.normalizer_px or np.nan for record in train.records])
    errors = [landmark_errors(points, train.points, lengths) for points in rounds]
    return [landmark_summary(values).mean for values in errors]


def _quantiles(values: Float[np.ndarray, " n"]) -> dict[str, float]:
    return {str(share): float(np.quantile(values, share)) for share in (0.01, 0.05, 0.5, 0.95, 1.0)}
