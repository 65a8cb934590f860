"""Compare variants of the pose cascade: Table 2 and Figures 9 and 14 of Tompson et al. 2015.

    python -m eval.pose_ablations                                           (rendered people)
    python -m eval.pose_ablations --dataset lspet --out runs/pose_ablations_lspet

Trains the same preset by the same plan with pooling 4, 8 and 16; and, with pooling 8, with the standard
cascade, whose fine net has the image as its input, and without SpatialDropout. ``result.json`` has the results
of `eval.pose` for each variant, ``pck``, ``per_joint`` and ``spread_px``, with their protocol and sides, and
the median milliseconds of a forward pass of one image, ``forward_ms``. A variant that was trained with the
same options is not trained again.
"""

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jax

from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted, make_folder, write_image
from convcorr_jax.pose import TrainedCascade
from convcorr_jax.report import ablation_curves
from convcorr_jax.runtime.runlog import finished_config, plain, write_results
from convcorr_jax.runtime.script import run
from convcorr_jax.tasks.options import Output
from convcorr_jax.tasks.pose import Training, TrainingConfig, forward_ms, plan_of, train
from eval import pose

Variant = Literal["4x", "8x", "16x", "standard", "no_dropout"]
_CHANGES: dict[Variant, dict[str, Any]] = {
    "4x": {"pooling": 4},
    "8x": {"pooling": 8},
    "16x": {"pooling": 16},
    "standard": {"pooling": 8, "cascade": "standard"},
    "no_dropout": {"pooling": 8, "spatial_dropout": 0.0},
}
# The entries of the result of `eval.pose` that all variants have alike.
_SETTING = ("protocol", "part", "sides", "torso", "scale", "input_px_per_px")
# The options that the variants change.
_VARIED = ("pooling", "cascade", "spatial_dropout")
# Curves are drawn up to this threshold.
_GREATEST_ALPHA = 0.2


@dataclass(frozen=True)
class Config(TrainingConfig):
    """Which variants to train, and how."""

    variants: tuple[Variant, ...] = tuple(_CHANGES)
    """The variants, each in a folder of its own."""
    output: Output = Output(Path("runs/pose_ablations"))


def main(config: Config) -> Path:
    """Train, test and time every variant, and write ``result.json`` and pictures; return its path."""
    started = time.perf_counter()
    if any(getattr(config.training, name) != getattr(Training(), name) for name in _VARIED):
        raise InputError(
            "pooling, cascade and spatial_dropout are what the variants change; choose with --variants"
        )
    out = make_folder(config.output.out)
    tested, times = {}, {}
    for variant in config.variants:
        variant_config = _variant_config(config, variant)
        folder = variant_config.output.out
        if finished_config(folder) != plain(variant_config):
            train(variant_config)
        model = folder / "model.npz"
        # Training has compiled the prediction of as many people.
        batch = plan_of(config.training).batch
        test = pose.Config(
            *(model, config.data), other_torsos=(), batch=batch, output=Output(folder / "test")
        )
        tested[variant] = json.loads(pose.main(test).read_text(encoding="utf-8"))
        times[variant] = forward_ms(load_fitted(model, TrainedCascade))
    result = {
        "dataset": config.data.name,
        "preset": config.training.preset,
        "device": jax.devices()[0].device_kind,
        "forward_ms": times,
        **{part: next(iter(tested.values()))[part] for part in _SETTING},
        **{
            part: {variant: of_variant[part] for variant, of_variant in tested.items()}
            for part in ("pck", "interval", "per_joint", "spread_px", "training")
        },
    }
    curves = {variant: of_variant["curves"] for variant, of_variant in tested.items()}
    write_image(out / "curves.png", ablation_curves(curves, greatest_alpha=_GREATEST_ALPHA))
    return write_results(out, result, config, started=started)


def _variant_config(config: Config, variant: Variant) -> TrainingConfig:
    return TrainingConfig(
        config.data,
        dataclasses.replace(config.training, **_CHANGES[variant]),
        config.hosts,
        Output(config.output.out / variant),
    )


if __name__ == "__main__":
    run(Config, main, __doc__)
