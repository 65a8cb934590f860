"""PCK of predicted keypoints by the rules of Long et al. 2014, and figures of classification and prediction."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets import box_lengths, load_image
from convcorr_jax.metrics import LONG_2014, Pck, bootstrap, named_intervals, pck
from convcorr_jax.report import image_grid, name_colors, pixels, plots, points_overlay
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import Category
from convcorr_jax.tasks.keypoints.classification import BestFeatures, CategoryClassification
from convcorr_jax.tasks.reading import evenly_spread


def pck_of(
    categories: Sequence[Category],
    predicted: Mapping[str, Float[np.ndarray, "_ _ 2"]],
    *,
    alphas: Sequence[float],
) -> Pck:
    """Compute the PCK over the tested objects of all categories, relative to the longer side of each box.

    Predictions are those of tested objects by category, (x, y) in pixels of their photographs. A keypoint
    without a prediction (NaN), such as one that no training object shows, does not count; an object without a
    box is refused.
    """
    columns = max(len(category.names) for category in categories)
    points, truth, counted, longer_px, groups = [], [], [], [], []
    for category in categories:
        tested = category.tested
        padding = ((0, 0), (0, columns - len(category.names)))
        absent = {"pad_width": (*padding, (0, 0)), "constant_values": np.nan}
        points.append(np.pad(predicted[category.name], **absent))
        truth.append(np.pad(category.points[tested], **absent))
        counted.append(np.pad(category.visible[tested], padding))
        longer_px += box_lengths([category.records[i] for i in tested], LONG_2014).normalizers_px
        groups += [category.name] * len(tested)
    all_points = np.concatenate(points)
    return pck(
        all_points,
        np.concatenate(truth),
        np.concatenate(counted) & ~np.isnan(all_points[..., 0]),
        np.array(longer_px),
        groups,
        alphas=alphas,
        protocol=LONG_2014,
    )


def check_scorable(categories: Sequence[Category]) -> None:
    """Refuse tested objects without a box, by which errors are divided, before anything is computed."""
    for category in categories:
        box_lengths([category.records[i] for i in category.tested], LONG_2014)


def intervals(score: Pck) -> dict[str, list[float]]:
    """Compute the 95 % bootstrap interval of the mean PCK by threshold, drawing each category's objects."""
    return named_intervals(map(str, score.alphas), bootstrap(score.sums))


def by_alpha(score: Pck, values: Float[np.ndarray, " alphas"]) -> dict[str, float]:
    """Name values by their thresholds, as JSON holds them."""
    return dict(zip(map(str, score.alphas), values.tolist(), strict=True))


PANEL_PX = 220
# Objects of every category in a figure.
OBJECTS = 2


def prediction_figure(
    categories: Sequence[Category],
    predicted: Mapping[str, Mapping[str, Float[np.ndarray, "tested n 2"]]],
    *,
    only_visible: bool = False,
) -> Image:
    """Draw tested objects of every category: the true keypoints, and the predictions of every method.

    With ``only_visible``, predictions of keypoints that are not visible in the photograph are left out.
    """
    rows = []
    for category in categories:
        tested = category.tested
        for place in evenly_spread(len(tested), OBJECTS):
            number = int(tested[place])
            visible = category.visible[number, :, None]
            truth = np.where(visible, category.points[number], np.nan)
            predictions = [points[category.name][place] for points in predicted.values()]
            if only_visible:
                predictions = [np.where(visible, points, np.nan) for points in predictions]
            rows.append([_overlay(category, number, points) for points in (truth, *predictions)])
    return pixels(image_grid(rows, column_labels=("true", *predicted), cell_px=PANEL_PX))


def cost_curves_figure(
    costs: Sequence[float], curves: Mapping[str, Float[np.ndarray, " costs"]], *, dashed: Sequence[str]
) -> Image:
    """Draw the accuracy in cross-validation of every feature over the costs (Figure 5 of Long et al. 2014)."""
    figure = plots.curves(
        costs,
        {name: values.tolist() for name, values in curves.items()},
        x_label="C",
        y_label="accuracy in cross-validation",
        dashed=dashed,
    )
    return pixels(figure)


def confusion_figure(classified: CategoryClassification, features: BestFeatures) -> Image:
    """Draw the confusion tables of the best layer and the best SIFT feature, side by side."""
    tables = {
        f"{name}: {100 * classified.accuracy(name):.1f} %": classified.confusion(name) for name in features
    }
    return pixels(plots.confusions(tables, names=classified.category.names))


def _overlay(category: Category, number: int, points: Float[np.ndarray, "n 2"]) -> Image:
    return points_overlay(
        load_image(category.records[number]),
        points,
        colors=name_colors(len(points)),
        boxes=[category.boxes[number]],
        longest_px=PANEL_PX,
    )
