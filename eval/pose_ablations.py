"""Compare variants of the pose cascade: Table 2 and Figures 9 and 14 of Tompson et al. 2015.

    python -m eval.pose_ablations                                           (rendered people)
    python -m eval.pose_ablations --dataset lspet --out runs/pose_ablations_lspet
    python -m eval.pose_ablations --dataset lspet --frame-px 200 --sigma-px 6 --more-seeds 1 2

Trains the same preset by the same plan with pooling 4, 8 and 16; and, with pooling 8, with the standard
cascade, whose fine net has the image as its input, and without SpatialDropout. ``result.json`` has the results
of `eval.pose` for each variant, ``pck``, ``per_joint`` and ``spread_px``, with their protocol and sides, and
the median milliseconds of a forward pass of one image, ``forward_ms``. These are of the first seed;
``pck_by_seed`` has the PCK of all of them. A variant that was trained with the same options is not trained
again.
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
from convcorr_jax.runtime import finished_config, plain, run, write_results
from convcorr_jax.tasks import Output
from convcorr_jax.tasks.pose import PredictionOptions, Training, TrainingConfig, forward_ms, plan_of, train
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
    more_seeds: tuple[int, ...] = ()
    """Further seeds with which every variant is trained."""
    output: Output = Output(Path("runs/pose_ablations"))


def main(config: Config) -> Path:
    """Train, test and time every variant, and write ``result.json`` and pictures; return its path."""
    started = time.perf_counter()
    if any(getattr(config.training, name) != getattr(Training(), name) for name in _VARIED):
        raise InputError(
            "pooling, cascade and spatial_dropout are what the variants change; choose with --variants"
        )
    out = make_folder(config.output.out)
    configs = {
        variant: [_variant_config(config, variant, seed) for seed in (None, *config.more_seeds)]
        for variant in config.variants
    }
    tested = {variant: [_train_and_test(one) for one in each] for variant, each in configs.items()}
    first: dict[str, dict[str, Any]] = {variant: each[0] for variant, each in tested.items()}
    times = {
        variant: forward_ms(load_fitted(each[0].output.out / "model.npz", TrainedCascade))
        for variant, each in configs.items()
    }
    result = {
        "dataset": config.data.name,
        "preset": config.training.preset,
        "device": jax.devices()[0].device_kind,
        "forward_ms": times,
        **{part: next(iter(first.values()))[part] for part in _SETTING},
        **{
            part: {variant: of_variant[part] for variant, of_variant in first.items()}
            for part in ("pck", "interval", "per_joint", "spread_px", "training")
        },
        "pck_by_seed": {
            variant: {
                str(one.training.seed): of_seed["pck"]
                for one, of_seed in zip(configs[variant], by_seed, strict=True)
            }
            for variant, by_seed in tested.items()
        },
    }
    curves = {variant: of_variant["curves"] for variant, of_variant in first.items()}
    write_image(out / "curves.png", ablation_curves(curves, greatest_alpha=_GREATEST_ALPHA))
    return write_results(out, result, config, started=started)


def _train_and_test(config: TrainingConfig) -> dict[str, Any]:
    """Train a variant unless it is trained, and return the result of its test."""
    folder = config.output.out
    if finished_config(folder) != plain(config):
        train(config)
    # Training has compiled the prediction of as many people.
    batch = plan_of(config.training).batch
    test = pose.Config(
        folder / "model.npz",
        config.data,
        other_torsos=(),
        prediction=PredictionOptions(batch),
        output=Output(folder / "test"),
    )
    return json.loads(pose.main(test).read_text(encoding="utf-8"))


def _variant_config(config: Config, variant: Variant, seed: int | None) -> TrainingConfig:
    """Return the configuration of a variant; with another seed it has a folder of its own."""
    changes, name = dict(_CHANGES[variant]), str(variant)
    if seed is not None:
        changes["seed"], name = seed, f"{variant}_seed_{seed}"
    return TrainingConfig(
        config.data,
        dataclasses.replace(config.training, **changes),
        config.hosts,
        Output(config.output.out / name),
    )


if __name__ == "__main__":
    run(Config, main, __doc__)
