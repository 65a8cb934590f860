"""Small drawings of the explanations, and of recorded figures, drawn when the documentation is built."""

import json
from pathlib import Path

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from convcorr_jax import coords
from convcorr_jax.flow import distance_transform
from convcorr_jax.linear import ridge
from convcorr_jax.report import shares_over_costs
from docs.figures import RESULTS

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#777777"

MS_PER_IMAGE = {"alexnet": 9, "mobilenet_v2": 21, "vit_s14": 245, "vgg16": 314}
"""What ``docs/results.md`` states of the run ``leaderboard_flow``."""


def write_drawings(folder: Path) -> None:
    """Write all drawings as SVG files.

    Args:
        folder: is created if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for draw in (_distance_transform, _penalties, _cascade, _coordinates, leaderboard):
        figure = draw()
        name = draw.__name__.removeprefix("_")
        figure.savefig(folder / f"{name}.svg", facecolor="white", metadata={"Date": None})
        plt.close(figure)


def _distance_transform() -> Figure:
    samples = np.array([2.6, 0.8, 2.2, 3.4, 1.6, 2.9, 0.4, 1.9, 3.0], np.float32)
    weight = 0.35
    envelope = distance_transform(jnp.asarray(samples), weight=weight)
    figure, axes = plt.subplots(figsize=(7.5, 2.9), layout="constrained")
    q = np.linspace(-0.4, len(samples) - 0.6, 400)
    for p, value in enumerate(samples):
        axes.plot(q, value + weight * (q - p) ** 2, color=GREY, linewidth=0.7)
    axes.plot(q, (samples + weight * (q[:, None] - np.arange(9)) ** 2).min(axis=1), color=BLUE, lw=2.2)
    axes.plot(samples, "o", color=ORANGE, label="samples f(p)")
    axes.plot(envelope.values, "s", color=BLUE, markersize=5, label="lower envelope D(q)")
    axes.set_ylim(0, 4)
    axes.set_xlabel("position")
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    return figure


def _penalties() -> Figure:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 50)).astype(np.float32)
    targets = (rows[:, :1] + 1.5 * rng.normal(size=(60, 1))).astype(np.float32)
    penalties = np.logspace(-1, 4, 26)
    held_out = ridge.leave_one_out(rows, targets, penalties=penalties).errors[:, 0]
    fitted = [float(ridge.fit(rows, targets, penalty=each).residual[0]) for each in penalties]
    figure, axes = plt.subplots(figsize=(7.5, 2.9), layout="constrained")
    axes.loglog(penalties, held_out, color=BLUE, label="rows left out, one at a time")
    axes.loglog(penalties, fitted, color=GREY, label="rows of the fit")
    best = int(held_out.argmin())
    axes.plot(penalties[best], held_out[best], "o", color=ORANGE, label="selected penalty")
    axes.set_xlabel("penalty")
    axes.set_ylabel("mean squared error")
    axes.legend(frameon=False)
    return figure


def _cascade() -> Figure:
    figure, axes = plt.subplots(figsize=(7.5, 2.3), layout="constrained")
    axes.set_xlim(0, 10)
    axes.set_ylim(0, 3)
    axes.set_axis_off()
    boxes = {
        "image\npyramid": (0.1, 1.7),
        "coarse net": (2.15, 1.7),
        "spatial\nmodel": (4.2, 1.7),
        "windows": (6.25, 0.2),
        "fine net": (8.3, 0.2),
    }
    for text, (x, y) in boxes.items():
        style = "round,pad=0.02,rounding_size=0.1"
        axes.add_patch(FancyBboxPatch((x, y), 1.5, 1.0, boxstyle=style, fc="#e8f1f8", ec=BLUE))
        axes.text(x + 0.75, y + 0.5, text, ha="center", va="center", fontsize=9)
    _arrow(axes, (1.62, 2.2), (2.13, 2.2), "")
    _arrow(axes, (3.67, 2.2), (4.18, 2.2), "heat-maps", above=0.62)
    _arrow(axes, (5.72, 2.2), (7.0, 1.23), "peaks", above=0.25, right=0.3)
    _arrow(axes, (2.9, 1.68), (6.23, 0.6), "features of the coarse net", above=-0.62, right=-0.6)
    _arrow(axes, (7.77, 0.7), (8.28, 0.7), "")
    _arrow(axes, (9.05, 1.23), (9.05, 1.9), "")
    axes.text(9.05, 2.1, "joints", ha="center", fontsize=9)
    return figure


def _arrow(axes: Axes, start, end, text: str, *, above: float = 0.0, right: float = 0.0) -> None:
    axes.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": GREY})
    middle = (np.array(start) + end) / 2 + (right, above)
    axes.text(*middle, text, ha="center", fontsize=8, color=GREY)


def _coordinates() -> Figure:
    figure, axes = plt.subplots(figsize=(7.5, 1.9), layout="constrained")
    to_small = coords.resize((1, 8), (1, 4))
    centers = np.stack([np.arange(8.0), np.zeros(8)], axis=-1)
    small = to_small(centers)[:, 0]
    for x in range(8):
        axes.add_patch(Rectangle((x - 0.5, 1.2), 1, 0.6, fc="#e8f1f8", ec=GREY))
        axes.text(x, 1.95, f"{x}", ha="center", fontsize=8)
        axes.plot(x, 1.5, "o", color=BLUE, markersize=4)
        axes.text(x, 0.95, f"{small[x]:g}", ha="center", fontsize=7, color=BLUE)
    for x in range(4):
        low = 2 * x - 0.5
        axes.add_patch(Rectangle((low, 0.1), 2, 0.6, fc="#fbe9dd", ec=GREY))
        axes.plot(low + 1, 0.4, "o", color=ORANGE, markersize=5)
        axes.text(low + 1, -0.2, f"{x}", ha="center", fontsize=8)
    axes.text(-0.75, 1.5, "8 pixels", ha="right", va="center", fontsize=9)
    axes.text(-0.75, 0.4, "4 pixels", ha="right", va="center", fontsize=9)
    axes.text(-0.75, 1.0, "in the small image", ha="right", va="center", fontsize=7, color=BLUE)
    axes.set_xlim(-2.7, 8)
    axes.set_ylim(-0.35, 2.2)
    axes.set_axis_off()
    return figure


def leaderboard() -> Figure:
    """Draw the PCK of networks by flow over the time of an image, as ``eval.leaderboard`` does."""
    recorded = json.loads(RESULTS.read_text(encoding="utf-8"))["leaderboard_flow"]["figures"]
    found = {name: recorded[f"flow/{name}/pck/0.1"] for name in MS_PER_IMAGE}
    places = {name: (MS_PER_IMAGE[name], pck) for name, (pck, *_) in found.items()}
    intervals = {name: interval for name, (_, *interval) in found.items()}
    return shares_over_costs(places, intervals, x_label="ms an image", y_label="PCK at 0.1")
