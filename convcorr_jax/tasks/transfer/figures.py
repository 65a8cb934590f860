"""Figures of keypoint transfer: Figure 3 of Long et al. 2014, and examples of single pairs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from convcorr_jax import coords
from convcorr_jax.backbone.weights import Weights
from convcorr_jax.datasets import Record, load_image
from convcorr_jax.descriptors import descriptor_grid
from convcorr_jax.flow import upsample_flow, warp
from convcorr_jax.io import write_image
from convcorr_jax.keypoints.transfer import VOTERS
from convcorr_jax.report import image_grid, name_colors, pixels, points_overlay
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.transfer.methods import Method, align_pairs, describe, record_view
from convcorr_jax.tasks.transfer.task import Outcome, Task

_PANEL_PX = 170
# The methods of the paper's figure.
_WARPED_METHODS = ("paper_conv4", "paper_sift")


class Voters(NamedTuple):
    """One target and the neighbours that voted for it, by one method."""

    target: int
    """The index of the target's record."""
    neighbors: Int[np.ndarray, " voters"]
    """Indices of the neighbours' records."""
    points: Float[np.ndarray, "voters n 2"]
    """Each neighbour's keypoints (x, y), carried to the target's photograph, in pixels."""


def write_figures(
    folder: Path,
    task: Task,
    methods: Sequence[Method],
    outcomes: Mapping[str, Outcome],
    predictions: Mapping[str, Float[np.ndarray, "targets n 2"]],
    weights: Weights,
) -> None:
    """Write ``examples.jpg`` of fixed pairs, or ``figure_3.jpg`` where neighbours vote.

    Each shows the first target of every category.

    Args:
        folder: the folder of the results.
        task: the pairs.
        methods: the methods that were compared.
        outcomes: the outcomes by the name of the method.
        predictions: the predictions to draw, by name.
        weights: a network's weights.

    Raises:
        InputError: an image cannot be read, or the folder cannot be written.
    """
    categories = task.categories
    rows = [categories.index(name) for name in dict.fromkeys(categories)]
    if task.neighborhoods is None:
        write_image(folder / "examples.jpg", examples(task, predictions, rows))
        return
    voters = {
        method: _voters(task, outcomes[method.name], rows)
        for method in methods
        if method.name in _WARPED_METHODS
    }
    write_image(folder / "figure_3.jpg", warped_neighbors(task.records, voters, weights))


def _voters(task: Task, outcome: Outcome, rows: Sequence[int]) -> list[Voters]:
    if outcome.voters is None or outcome.voters_points is None:
        return []
    return [
        Voters(int(task.targets[row]), outcome.voters[row], outcome.voters_points[row])
        for row in rows
    ]


def examples(
    task: Task,
    predictions: Mapping[str, Float[np.ndarray, "pairs n 2"]],
    rows: Sequence[int],
) -> Image:
    """Draw pairs in rows: the source, the target's true keypoints, and every method's prediction.

    Args:
        task: the pairs.
        predictions: keypoints (x, y) in pixels of the target's photograph, by name.
        rows: the numbers of the pairs to draw.
    """
    drawn = []
    for row in rows:
        source, target = (task.records[index] for index in task.pairs[row])
        count = len(target.names)
        panels = [(source, source.points), (target, target.points)]
        panels += [(target, predicted[row][:count]) for predicted in predictions.values()]
        drawn.append([_overlay(record, points) for record, points in panels])
    labels = ("source", "target, true", *predictions)
    return pixels(image_grid(drawn, column_labels=labels, cell_px=_PANEL_PX))


def _overlay(record: Record, points) -> Image:
    colors = name_colors(len(points))
    return points_overlay(load_image(record), points, colors=colors, longest_px=_PANEL_PX)


def warped_neighbors(
    records: Sequence[Record],
    voters: Mapping[Method, Sequence[Voters]],
    weights: Weights,
) -> Image:
    """Draw Figure 3: targets at the left; beside each, by every method, its voters warped onto it.

    Args:
        records: all records.
        voters: for each method, the voters of the same targets.
        weights: a network's weights.
    """
    rows, labels = [], []
    for row in range(len(next(iter(voters.values())))):
        for number, (method, by_target) in enumerate(voters.items()):
            chosen = by_target[row]
            target = records[chosen.target]
            first = _square(target, method, target.points) if number == 0 else None
            rows.append([first, *_warped(records, chosen, method, weights)])
            labels.append(method.name)
    columns = ("target", *(f"neighbour {k + 1}" for k in range(VOTERS)))
    return pixels(image_grid(rows, row_labels=labels, column_labels=columns, cell_px=_PANEL_PX))


def _square(record: Record, method: Method, points) -> Image:
    resampled = record_view(record, method.recipe, margin=method.margin)
    square = resampled.pyramid[int(np.argmax(method.recipe.sizes_px))]
    inside = coords.apply(coords.invert(resampled.to_photograph_px), points)
    return points_overlay(square, inside, colors=name_colors(len(points)), longest_px=_PANEL_PX)


def _warped(records, voters: Voters, method: Method, weights: Weights) -> list[Image]:
    """Pull the neighbours' squares back onto the target's, and draw the points that they vote for."""
    family = [records[voters.target], *(records[index] for index in voters.neighbors)]
    described = describe(family, method, weights, boxed=True)
    pairs = np.array([(0, 1 + k) for k in range(len(voters.neighbors))])
    flows = align_pairs(described, pairs, method)
    to_input = descriptor_grid(weights.network, method.recipe).to_input_px
    largest = int(np.argmax(method.recipe.sizes_px))
    target_view = record_view(family[0], method.recipe, margin=method.margin)
    images = []
    for flow, neighbor, points in zip(flows.flow, family[1:], voters.points, strict=True):
        square = record_view(neighbor, method.recipe, margin=method.margin).pyramid[largest]
        dense = upsample_flow(jnp.asarray(flow), to_input, to_input, square.shape[:2])
        pulled = warp(jnp.asarray(square, jnp.float32), dense)
        inside = coords.apply(coords.invert(target_view.to_photograph_px), points)
        inside = inside[: len(neighbor.names)]
        images.append(
            points_overlay(
                np.asarray(jnp.clip(jnp.round(pulled), 0, 255), np.uint8),
                inside,
                colors=name_colors(len(inside)),
                longest_px=_PANEL_PX,
            )
        )
    return images
