"""Figures of keypoint classification and prediction."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from convcorr_jax.datasets.records import load_image
from convcorr_jax.report import image_grid, name_colors, pixels, plots, points_overlay
from convcorr_jax.shapes import Image
from convcorr_jax.tasks.keypoints.categories import Category
from convcorr_jax.tasks.keypoints.classification import BestFeatures, CategoryClassification
from convcorr_jax.tasks.splits import evenly_spread

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

    Args:
        categories: the annotated objects.
        predicted: points (x, y) in pixels of the photographs, by the name of the method, by the name of the
            category.
        only_visible: leave out predictions of keypoints that are not visible in the photograph.
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
    costs: Sequence[float],
    curves: Mapping[str, Float[np.ndarray, " costs"]],
    *,
    dashed: Sequence[str],
) -> Image:
    """Draw the accuracy in cross-validation of every feature over the costs (Figure 5 of Long et al. 2014).

    Args:
        costs: values of the SVM's C.
        curves: the accuracy at every cost, by the name of the feature.
        dashed: names of the features whose curves are dashed.
    """
    figure = plots.curves(
        costs,
        {name: values.tolist() for name, values in curves.items()},
        x_label="C",
        y_label="accuracy in cross-validation",
        dashed=dashed,
    )
    return pixels(figure)


def confusion_figure(classified: CategoryClassification, features: BestFeatures) -> Image:
    """Draw the confusion tables of the best layer and the best SIFT feature, side by side.

    Args:
        classified: a category, and the classification of its keypoints.
        features: the names of the two features.
    """
    tables = {
        f"{name}: {100 * classified.accuracy(name):.1f} %": classified.confusion(name)
        for name in features
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
