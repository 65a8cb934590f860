"""What the parts of the pose cascade are worth: Table 2, Figures 9 and 14 of Tompson et al. 2015.

    python -m eval.pose_ablations                                           (rendered people)
    python -m eval.pose_ablations --dataset lspet --out runs/pose_ablations_lspet

Trains the same preset by the same plan with pooling 4, 8 and 16; and, with pooling 8, with the standard
cascade, whose fine net looks at the image, and without SpatialDropout. ``result.json`` has of each variant what
`eval.pose` says of the test people, ``pck``, ``per_joint`` and ``spread_px``, and the milliseconds of a forward
pass of one image, the median of some, ``forward_ms``. What was trained under the same options is not trained
again.
"""

import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from convcorr_jax.errors import InputError
from convcorr_jax.io import load_fitted, make_folder, write_image, write_json
from convcorr_jax.pose import cascade
from convcorr_jax.pose.heatmaps import peaks
from convcorr_jax.pose.trained import TrainedCascade
from convcorr_jax.report.figures import pixels
from convcorr_jax.report.pck_curves import pck_curves
from convcorr_jax.runtime.runlog import finished_config, plain, write_run
from convcorr_jax.runtime.script import run
from convcorr_jax.shapes import Image
from eval import pose
from train import pose_cascade

Variant = Literal["4x", "8x", "16x", "standard", "no_dropout"]
_CHANGES: dict[Variant, dict[str, Any]] = {
    "4x": {"pooling": 4},
    "8x": {"pooling": 8},
    "16x": {"pooling": 16},
    "standard": {"pooling": 8, "cascade": "standard"},
    "no_dropout": {"pooling": 8, "spatial_dropout": 0.0},
}
_BASE = pose_cascade.Config()
# Curves are drawn up to here.
_REACH = 0.2
_TIMED = 20


@dataclass(frozen=True)
class Config(pose_cascade.Config):
    """How to train; pooling, cascade and SpatialDropout are what varies."""

    variants: tuple[Variant, ...] = tuple(_CHANGES)
    out: Path = Path("runs/pose_ablations")


def main(config: Config) -> Path:
    """Train, test, time, and write ``result.json`` and pictures; returns its path."""
    started = time.perf_counter()
    varied = config.pooling, config.cascade, config.spatial_dropout
    if varied != (_BASE.pooling, _BASE.cascade, _BASE.spatial_dropout):
        raise InputError(
            "pooling, cascade and spatial_dropout are what the variants change; --variants says which"
        )
    out = make_folder(config.out)
    tested, times = {}, {}
    for variant in config.variants:
        training = _training(config, variant)
        _train(training)
        model = training.out / "model.npz"
        test = pose.Config(
            model,
            dataset=config.dataset,
            data_root=config.data_root,
            rendered_train=config.rendered_train,
            damaged=config.damaged,
            out=training.out / "test",
        )
        tested[variant] = json.loads(pose.main(test).read_text(encoding="utf-8"))
        times[variant] = forward_ms(load_fitted(model, TrainedCascade))
    result = {
        "dataset": config.dataset,
        "preset": config.preset,
        "device": jax.devices()[0].device_kind,
        "forward_ms": times,
        **{
            part: {variant: one[part] for variant, one in tested.items()}
            for part in ("pck", "per_joint", "spread_px", "training")
        },
    }
    write_image(out / "curves.png", _curves({name: one["curves"] for name, one in tested.items()}))
    write_json(out / "result.json", result)
    write_run(out, config, seconds=time.perf_counter() - started)
    return out / "result.json"


def forward_ms(model: TrainedCascade) -> dict[str, float]:
    """Milliseconds of one image of the model's input size: coarse net, fine net, the whole cascade."""
    params, architecture = model.params, model.architecture
    images = jnp.zeros((1, *architecture.input_size, 3), jnp.uint8)
    torso = jnp.full((1, 2), jnp.nan)
    coarse, maps = _coarse(params, images, torso, architecture)
    return {
        "coarse": _median_ms(lambda: _coarse(params, images, torso, architecture)),
        "fine": _median_ms(lambda: _fine(params, maps, coarse, architecture)),
        "cascade": _median_ms(
            lambda: cascade.predict(params, images, torso, architecture=architecture)
        ),
    }


@partial(jax.jit, static_argnums=3)
def _coarse(params, images, torso, architecture):
    seen = cascade.detect(params, images, torso, architecture=architecture)
    return peaks(seen.selected, architecture.cells).points, seen.maps


@partial(jax.jit, static_argnums=3)
def _fine(params, maps, coarse, architecture):
    starts = cascade.corners(coarse, architecture=architecture)
    heatmaps = cascade.refine(params, maps, starts, architecture=architecture)
    return starts + peaks(heatmaps, cascade.PIXELS).points


def _median_ms(call: Callable[[], Any]) -> float:
    jax.block_until_ready(call())
    seconds = []
    for _ in range(_TIMED):
        began = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - began)
    return round(1000 * statistics.median(seconds), 3)


def _training(config: Config, variant: Variant) -> pose_cascade.Config:
    fields = dataclasses.fields(pose_cascade.Config)
    common = {field.name: getattr(config, field.name) for field in fields}
    return pose_cascade.Config(**common | _CHANGES[variant] | {"out": config.out / variant})


def _train(config: pose_cascade.Config) -> None:
    """Train, unless the folder has what was trained under the same options."""
    if finished_config(config.out) != plain(config):
        pose_cascade.main(config)


def _curves(curves: dict[Variant, dict[str, Any]]) -> Image:
    """Figure 9 over all joints, and both of Figure 14 of the wrist; of the variants that were trained."""
    alphas = next(iter(curves.values()))["alphas"]
    shown = [alpha for alpha in alphas if alpha <= _REACH]

    def lines(joint: str, *chosen: tuple[str, Variant, str]) -> dict[str, Sequence[float]]:
        return {
            label: curves[variant][net][joint][: len(shown)]
            for label, variant, net in chosen
            if joint in curves.get(variant, {}).get(net, {})
        }

    panels = {
        "pooling, coarse, all joints": lines(
            "total", *((one, one, "coarse") for one in ("4x", "8x", "16x"))
        ),
        "cascade, wrist": lines(
            "wrist",
            ("shared", "8x", "cascade"),
            ("standard", "standard", "cascade"),
            ("coarse", "8x", "coarse"),
        ),
        "SpatialDropout, wrist": lines(
            "wrist", ("with", "8x", "cascade"), ("without", "no_dropout", "cascade")
        ),
    }
    panels = {title: lines for title, lines in panels.items() if lines}
    return pixels(pck_curves(panels, alphas=shown, x_label="threshold"))


if __name__ == "__main__":
    run(Config, main, __doc__)
