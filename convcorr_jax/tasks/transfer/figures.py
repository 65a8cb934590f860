"""Pictures of keypoint transfer: Figure 3 of Long et al. 2014, and examples of single pairs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets.records import Record, load_image
from convcorr_jax.descriptors.convolutional import descriptor_grid
from convcorr_jax.flow.warping import upsample_flow, warp
from convcorr_jax.keypoints.transfer import VOTERS
from convcorr_jax.report.colors import name_colors
from convcorr_jax.report.figures import image_grid, pixels, points_overlay
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.transfer.methods import Method, align_pairs, describe, record_view

_PANEL_PX = 170


def examples(
    records: Sequence[Record],
    pairs: Int[np.ndarray, "pairs 2"],
    predictions: Mapping[str, Float[np.ndarray, "pairs n 2"]],
    chosen: Sequence[int],
) -> Image:
    """Chosen pairs in rows: the source, the target's true keypoints, and every method's prediction."""
    rows = []
    for row in chosen:
        source, target = (records[index] for index in pairs[row])
        count = len(target.names)
        shown = [(source, source.points), (target, target.points)]
        shown += [(target, predicted[row][:count]) for predicted in predictions.values()]
        rows.append([_overlay(record, points) for record, points in shown])
    labels = ("source", "target, true", *predictions)
    return pixels(image_grid(rows, column_labels=labels, cell_px=_PANEL_PX))


def _overlay(record: Record, points) -> Image:
    colors = name_colors(len(points))
    return points_overlay(load_image(record), points, colors=colors, longest_px=_PANEL_PX)


class Voters(NamedTuple):
    """One target and the neighbours that voted for it, by one method."""

    target: int
    neighbors: Int[np.ndarray, " voters"]
    points: Float[np.ndarray, "voters n 2"]
    """Each neighbour's keypoints, carried to the target's photograph."""


def warped_neighbors(
    records: Sequence[Record],
    voters: Mapping[Method, Sequence[Voters]],
    weights: Weights,
) -> Image:
    """Figure 3: targets at the left; beside each, by every method, its voters warped onto it."""
    rows, labels = [], []
    for row in range(len(next(iter(voters.values())))):
        for number, (method, found) in enumerate(voters.items()):
            one = found[row]
            target = records[one.target]
            first = _square(target, method, target.points) if number == 0 else None
            rows.append([first, *_warped(records, one, method, weights)])
            labels.append(method.name)
    columns = ("target", *(f"neighbour {k + 1}" for k in range(VOTERS)))
    return pixels(image_grid(rows, row_labels=labels, column_labels=columns, cell_px=_PANEL_PX))


def _square(record: Record, method: Method, points) -> Image:
    shown = record_view(record, method.recipe, boxed=True)
    square = shown.pyramid[int(np.argmax(method.recipe.sizes_px))]
    inside = coords.apply(coords.invert(shown.to_photograph_px), points)
    return points_overlay(square, inside, colors=name_colors(len(points)), longest_px=_PANEL_PX)


def _warped(records, one: Voters, method: Method, weights: Weights) -> list[Image]:
    """The neighbours' squares pulled back onto the target's, with the points they vote for."""
    family = [records[one.target], *(records[index] for index in one.neighbors)]
    described = describe(family, method, weights, boxed=True)
    pairs = np.array([(0, 1 + k) for k in range(len(one.neighbors))])
    flows = align_pairs(described, pairs, method)
    to_input = descriptor_grid(weights.network, method.recipe).to_input_px
    largest = int(np.argmax(method.recipe.sizes_px))
    target_view = record_view(family[0], method.recipe, boxed=True)
    pictures = []
    for flow, neighbor, points in zip(flows.flow, family[1:], one.points, strict=True):
        square = record_view(neighbor, method.recipe, boxed=True).pyramid[largest]
        dense = upsample_flow(jnp.asarray(flow), to_input, to_input, square.shape[:2])
        pulled = warp(jnp.asarray(square, jnp.float32), dense)
        inside = coords.apply(coords.invert(target_view.to_photograph_px), points)
        inside = inside[: len(neighbor.names)]
        pictures.append(
            points_overlay(
                np.asarray(jnp.clip(jnp.round(pulled), 0, 255), np.uint8),
                inside,
                colors=name_colors(len(inside)),
                longest_px=_PANEL_PX,
            )
        )
    return pictures
