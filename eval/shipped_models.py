"""The package's own models of faces on two photographs that other packages install, and the faces aligned.

    python -m eval.shipped_models

The figures are those of ``convcorr landmarks`` and ``convcorr keypoints``, which find the faces by themselves.
``explorer.json`` has the alignment of the faces for the page of `eval.reproduce`. True positions are not known.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from convcorr_jax import coords
from convcorr_jax.cli import main as convcorr
from convcorr_jax.datasets.selection import photographs
from convcorr_jax.descriptors import recipe_for
from convcorr_jax.errors import InputError
from convcorr_jax.flow import SMOOTHNESS
from convcorr_jax.io import make_folder, read_image, write_image, written_whole
from convcorr_jax.matching import DOUBTFUL_POINT, align_photographs
from convcorr_jax.report import image_grid, matched_pair, matches_data, pixels, verdict_sentence
from convcorr_jax.runtime import run, write_results
from convcorr_jax.shapes import Image
from convcorr_jax.tasks import Backbone, Output

# The rows and columns of head and shoulders, and the face there as `convcorr landmarks` finds it.
_HEADS = {
    "astronaut": ((0, 300), (76, 376), coords.Box(104, 89, 196, 182)),
    "grace_hopper": ((60, 460), (70, 470), coords.Box(104, 96, 292, 285)),
}
_COMMANDS = ("landmarks", "keypoints")
# The page shows the matches for these multiples of the smoothness.
_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Config:
    """With which network to align the faces."""

    backbone: Backbone = Backbone()
    output: Output = Output(Path("runs/shipped_models"))


def main(config: Config) -> Path:
    """Draw the figures of every command, align the faces, and return the path of ``result.json``."""
    started = time.perf_counter()
    out = make_folder(config.output.out)
    by_name = {photograph.name: photograph for photograph in photographs()}
    heads = {
        name: by_name[name].image[slice(*rows), slice(*columns)] for name, (rows, columns, _) in _HEADS.items()
    }
    found = [[_found(command, name, head, out) for command in _COMMANDS] for name, head in heads.items()]
    commands = [f"convcorr {command}" for command in _COMMANDS]
    write_image(out / "models.jpg", pixels(image_grid(found, column_labels=commands, cell_px=520)))
    weights = config.backbone.load()
    a, b = heads.values()
    alignments = {
        round(factor * SMOOTHNESS["box"], 6): align_photographs(
            a,
            b,
            weights.params,
            network=weights.network,
            box_a=_HEADS["astronaut"][-1],
            box_b=_HEADS["grace_hopper"][-1],
            smoothness=factor * SMOOTHNESS["box"],
        )
        for factor in _FACTORS
    }
    names = ("astronaut.png", "grace_hopper.png")
    pair = matched_pair(
        "Eileen Collins and Grace Hopper",
        a,
        b,
        alignments,
        method=" + ".join(recipe_for(weights.network).layers),
        verdict=verdict_sentence(alignments[SMOOTHNESS["box"]]),
        reliable=DOUBTFUL_POINT,
        file_names=names,
    )
    with written_whole(out / "explorer.json") as temporary:
        temporary.write_text(json.dumps(matches_data([pair])), encoding="utf-8")
    result = {
        "network": weights.network.name,
        "weights": weights.source,
        "credits": [by_name[name].credit for name in heads],
        "figure": "models.jpg",
    }
    return write_results(out, result, config, started=started)


def _found(command: str, name: str, photograph: Image, out: Path) -> Image:
    """Run a command on a photograph, and return its figure."""
    path, figure = out / f"{name}.png", out / f"{name}_{command}.png"
    write_image(path, photograph)
    if convcorr(argv=[command, str(path), "--out", str(figure), "--quiet"]):
        raise InputError(f"convcorr {command} failed on {path}")
    return read_image(figure)


if __name__ == "__main__":
    run(Config, main, __doc__)
