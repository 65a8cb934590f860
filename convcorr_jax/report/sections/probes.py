"""Sections of the results of Sharif Razavian et al. 2014."""

from pathlib import Path
from typing import Any

from convcorr_jax.report.page import SHARIF, PageFigure, Section, Table, Widget
from convcorr_jax.report.plots import estimate

_PAPER = "Sharif Razavian et al. 2014"
_SLIDERS = (
    "Each slider adds a multiple of a direction to the feature vectors of the faces, from which the probe of "
    "colours reconstructs them. Several directions add up. A slider reaches half the range of the training "
    "faces to each side."
)
_BOXES = {
    "annotated": "box around landmarks",
    "detector": "released box",
    "detector_differs": "released box, where it differs",
}
_FITTED = "fitted to responses to"
_MATRIX_NAMES = {
    "none": "without",
    "same": f"{_FITTED} training images",
    "held_out": f"{_FITTED} held-out images",
}
_OTHER_DATA = "The paper's figures are for other data and fc6: compare the order, not the level."


def landmarks(name: str, result: dict[str, Any]) -> Section:
    """Show Table 1 and Figures 2a and 3: facial landmarks."""
    sets = result["per_set"]
    by_set = Table(
        "Figure 2a: error of every set of landmarks, divided by the distance of the outer eye corners",
        ("method", *sets, "without jaw"),
        tuple(
            (method, *(by_method[method] for by_method in sets.values()), result["inner"][method])
            for method in result["nme_outer"]
        ),
    )
    spread = Table(
        "Faces",
        ("method", "median error", "error above 0.1", "area under the curve to 0.1"),
        tuple(
            (method, errors["median"], errors["failure_rate"], errors["auc"])
            for method, errors in result["outer"].items()
        ),
    )
    text = (
        f"{result['train']['faces']} training faces, {result['test']['faces']} test faces; "
        f"{result['layer']} of {result['network']} with {result['weights']}."
    )
    figures = (
        PageFigure(f"{name}/figure_3.jpg", "Annotated, predicted from the whole face, and after look-back."),
        PageFigure(f"{name}/cumulative_error.png", "Fraction of faces whose error is at most x."),
        PageFigure(f"{name}/jitter.png", "Mean error against the displacement of boxes."),
    )
    datasets = ", ".join(Path(dataset).name for dataset in result["test"]["datasets"])
    title, items = f"Facial landmarks of {datasets}", ("Table 1", "Figure 2a", "Figure 3")
    tables = (_landmark_errors(result), _published_errors(result["published"]), by_set, spread)
    return Section(title, text, tables, figures, group=SHARIF, items=items)


def _landmark_errors(result: dict[str, Any]) -> Table:
    boxes = result["boxes"]
    errors = Table(
        f"Error of facial landmarks, as in {_PAPER}, Table 1",
        ("method", *(_BOXES.get(kind, kind.replace("_", " ")) for kind in boxes)),
        tuple(
            (method, *(estimate(kind["mean"][method], kind["interval"][method]) for kind in boxes.values()))
            for method in result["nme_outer"]
        ),
        note="Mean distance, divided by that of the outer eye corners, with the 95 % bootstrap interval over "
        "faces. A box around the annotated landmarks tells where they are; more than half of the boxes "
        "that the release states as a detector's equal it. Jitter: annotated boxes displaced and scaled at "
        "random.",
    )
    duplicates = result["without_duplicates"]
    if duplicates["left_out"]:
        means = next(iter(duplicates["mean"].values()))
        without = ", ".join(f"{method} {error:.4f}" for method, error in means.items())
        errors = errors._replace(
            note=f"{errors.note} Without {len(duplicates['left_out'])} test photographs that are also "
            f"trained on, in boxes around the landmarks: {without}."
        )
    return errors


def _published_errors(published: dict[str, dict[str, float]]) -> Table:
    methods = tuple(next(iter(published.values())))
    return Table(
        f"The paper's figures: fc6, one description of look-back ({_PAPER}, Table 1)",
        ("method", *published),
        tuple((method, *(by_method[method] for by_method in published.values())) for method in methods),
        note="The paper states neither the boxes of its faces, which decide the level, nor what its dataset "
        "bias predicts. Compare the order of methods, not the level.",
    )


def keypoints(name: str, result: dict[str, Any]) -> Section:
    """Show Table 2 and Figure 2b: keypoints of objects."""
    categories = tuple(result["objects"])
    alpha = result["alpha"]
    published = {"convnet": result["published"]["convnet_ridge"]}
    table = Table(
        f"{_PAPER}, Table 2: keypoints by ridge regression, PCK {alpha}",
        ("method", "mean, ours", "mean, paper", *categories),
        tuple(
            (
                method,
                estimate(value, result["interval"][method]),
                published.get(method),
                *(result["per_category"][method][category] for category in categories),
            )
            for method, value in result["pck"].items()
        ),
        note=_OTHER_DATA,
    )
    figures = (
        PageFigure(f"{name}/figure_2b.png", "PCK against the distance that counts as correct."),
        PageFigure(f"{name}/predictions.jpg", "Annotated and predicted keypoints."),
    )
    text = f"One set of ridges for each category; {_features_of(result)}"
    title = f"Ridge keypoints on {_title(result)}"
    return Section(title, text, (table,), figures, group=SHARIF, items=("Table 2", "Figure 2b"))


def colors(name: str, result: dict[str, Any]) -> Section:
    """Show Figure 4: RGB reconstruction."""
    curve, published = result["curve"], result["published"]
    rows = tuple(
        (str(count), estimate(error, interval), mean_image)
        for count, error, interval, mean_image in zip(
            curve["images"], curve["mean_absolute_error"], curve["interval"], curve["mean_image"], strict=True
        )
    )
    table = Table(
        f"{_PAPER}, Figure 4: mean absolute error of reconstructed colours, between 0 and 1",
        ("training images", "ridge", "mean image"),
        rows,
        note="In brackets: the 95 % bootstrap interval over test images. "
        f"The paper reports {published['mean_absolute_error']} with {published['images']} images and fc6.",
    )
    figures = (
        PageFigure(f"{name}/figure_4.png", "Images, and their reconstructions from feature vectors."),
        PageFigure(f"{name}/curve.png", "Error against the number of training images."),
    )
    text = f"{result['test']} test images; {_features_of(result)}"
    return Section("RGB reconstruction", text, (table,), figures, group=SHARIF, items=("Figure 4",))


def segmentation(name: str, result: dict[str, Any]) -> Section:
    """Show Table 3 and Figure 5: semantic segmentation."""
    rows = tuple(
        (
            features.replace("_", ", "),
            _MATRIX_NAMES[matrix],
            estimate(score["mean_iou"], score["interval"]),
            score["accuracy"],
            score["mean_class_accuracy"],
        )
        for features, by_matrix in result["scores"].items()
        for matrix, score in by_matrix.items()
    )
    table = Table(
        f"{_PAPER}, Table 3: semantic segmentation",
        ("features", "matrix M", "mean IoU", "pixel accuracy", "mean class accuracy"),
        rows,
        note="In brackets: the 95 % bootstrap interval over test images. "
        f"The paper's mean over the classes of VOC 2012 is {result['published']['mean_iou']}. " + _OTHER_DATA,
    )
    figure = PageFigure(f"{name}/figure_5.png", "Images, true classes, predicted classes and responses.")
    text = f"{result['train']} training images; {_features_of(result)}"
    title = f"Segmentation of {_title(result)}"
    return Section(title, text, (table,), (figure,), group=SHARIF, items=("Table 3", "Figure 5"))


def directions(name: str, result: dict[str, Any]) -> Section:
    """Show Figure 6: semantic directions."""
    rows = tuple(
        (
            attribute,
            *(
                estimate(scores[name], scores["interval"][name]) if name in scores else None
                for name in ("accuracy", "balanced_accuracy", "correlation")
            ),
        )
        for attribute, scores in result["attributes"].items()
    )
    table = Table(
        "Attributes predicted from feature vectors of faces",
        ("attribute", "accuracy", "balanced accuracy", "correlation"),
        rows,
        note="Binary attributes have the first two scores, other attributes the third. In brackets: the 95 % "
        "interval over test faces.",
    )
    caption = "Faces moved along each attribute's direction, reconstructed by ridge regression."
    figures = (PageFigure(f"{name}/figure_6.png", caption),)
    text = f"{result['test']} test people; {_features_of(result)}"
    title = f"Semantic directions of {_title(result)}"
    widgets = (Widget("directions", f"{name}/directions.json", _SLIDERS),)
    return Section(title, text, (table,), figures, widgets, group=SHARIF, items=("Figure 6",))


def _features_of(result: dict[str, Any]) -> str:
    return f"{result['layer']} of {result['network']} with {result['weights']}."


def _title(result: dict[str, Any]) -> str:
    return Path(result["dataset"]).name
