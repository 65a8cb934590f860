"""Semantic directions: section 4 and Figure 6 of Sharif Razavian et al. 2014.

    python -m eval.semantic_directions                            (rendered faces)
    python -m eval.semantic_directions --dataset lfw_attributes
    python -m eval.semantic_directions --dataset path/to/a/folder --layer conv4

Ridge regressions predict attributes from the feature vector of a face. ``result.json`` has their scores for
people of whom no image was used in training: accuracy, and balanced accuracy (the mean over both values of
the share of their faces that is classified correctly), of attributes with two values; correlation, and the
share of faces predicted on the correct side, of others. The threshold between two values is half-way between
the mean predictions for held-out training faces of either value.

``figure_6.png``: faces moved along each direction, over the range of the training faces, as a ridge
regression reconstructs their colours. ``read_back`` passes the images of both ends through the network again:
it is the share of faces whose attribute is then predicted higher at the high end. ``directions.json`` has the
colours from which the page of `eval.reproduce` reconstructs faces moved along several directions.

A data set needs attributes and the splits "train" and "test", and images that show one face in full.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convcorr_jax.descriptors import default_layer
from convcorr_jax.errors import InputError
from convcorr_jax.io import make_folder, write_image, write_json
from convcorr_jax.runtime import run, write_results
from convcorr_jax.tasks import Backbone, Data, Output
from convcorr_jax.tasks.attributes import (
    DirectionOptions,
    attribute_report,
    directions_figure,
    directions_widget,
    probe_attributes,
    read_faces,
)


@dataclass(frozen=True)
class Config:
    """Which attributes to predict of which faces."""

    data: Data = Data(rendered_train=400, rendered_test=100)
    attributes: tuple[str, ...] = ()
    """Names of the attributes; by default all that all faces have."""
    backbone: Backbone = Backbone()
    layer: str | None = None
    """Layer whose activations are features; by default fc6, or pool5 where the weights have no fc6."""
    mirrored: bool = True
    """Train with every face and its mirror image."""
    direction_penalty: float | None = None
    """Penalty of the directions; by default a hundred times the mean eigenvalue, along whose directions images
    change visibly."""
    steps: int = 9
    """Images along a direction."""
    shown: int = 3
    """Test faces in the figure, a row each for every attribute."""
    output: Output = Output(Path("runs/semantic_directions"))


def main(config: Config) -> Path:
    """Fit, predict, move, and write ``result.json`` and a figure; return its path."""
    started = time.perf_counter()
    if config.steps < 2 or config.shown < 1:
        raise InputError(f"steps is {config.steps} and shown {config.shown}; at least 2 and 1 are expected")
    out = make_folder(config.output.out)
    weights = config.backbone.load()
    faces = read_faces(
        config.data.dataset,
        data_root=config.data.data_root,
        attributes=config.attributes,
        rendered_train=config.data.rendered_train,
        rendered_test=config.data.rendered_test,
        split=config.data.split,
    )
    options = DirectionOptions(
        config.layer or default_layer(weights), config.mirrored, config.direction_penalty, config.steps
    )
    probed = probe_attributes(faces, weights, options, out=out)
    figure = directions_figure(faces.names, faces.test, probed, shown=config.shown)
    write_image(out / "figure_6.png", figure)
    write_json(out / "directions.json", directions_widget(faces.names, probed, shown=config.shown))
    result: dict[str, Any] = {
        "dataset": config.data.dataset,
        "network": weights.network.name,
        "weights": weights.source,
        "layer": options.layer,
        "train": len(faces.train.records),
        "test": len(faces.test.records),
        "mirrored": config.mirrored,
        "attributes": attribute_report(faces, probed),
        "rgb": {
            "mean_absolute_error": float(probed.rgb_error.mean()),
            "mean_image": float(probed.mean_image_error.mean()),
        },
    }
    return write_results(out, result, config, started=started)


if __name__ == "__main__":
    run(Config, main, __doc__)
