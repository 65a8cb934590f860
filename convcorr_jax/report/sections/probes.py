"""How results of ridge probes are shown on the page of `eval.reproduce`: ours beside the published numbers."""

from pathlib import Path
from typing import Any

from convcorr_jax.report.page import Picture, Section, Table

_PAPER = "Sharif Razavian et al. 2014"
_OTHER_DATA = "The paper's figures are for other data and fc6: compare the order, not the level."


def landmarks(name: str, result: dict[str, Any]) -> Section:
    """Table 1, Figures 2a and 3."""
    published = result["published"]
    errors = Table(
        f"{_PAPER}, Table 1: error of facial landmarks",
        ("method", "outer eye corners", "eye centres", *(f"paper, {one}" for one in published)),
        tuple(
            (
                method,
                error,
                result["nme_pupil"][method],
                *(one[method] for one in published.values()),
            )
            for method, error in result["nme_outer"].items()
        ),
        note="Mean distance over that of the outer eye corners, or of the eyes' centres. "
        + _OTHER_DATA,
    )
    sets = result["per_set"]
    by_set = Table(
        "Figure 2a: error of every set of landmarks, over the distance of the outer eye corners",
        ("method", *sets, "without jaw"),
        tuple(
            (method, *(one[method] for one in sets.values()), result["inner"][method])
            for method in result["nme_outer"]
        ),
    )
    spread = Table(
        "Faces",
        ("method", "median error", "error above 0.1", "area under the curve to 0.1"),
        tuple(
            (method, one["median"], one["failure_rate"], one["auc"])
            for method, one in result["outer"].items()
        ),
    )
    text = (
        f"{result['train']['faces']} faces to learn from, {result['test']['faces']} to test; "
        f"{result['layer']} of {result['network']} with {result['weights']}."
    )
    pictures = (
        Picture(
            f"{name}/figure_3.jpg", "Annotated, seen from the whole face, and after look-back."
        ),
        Picture(f"{name}/cumulative_error.png", "Faces whose error is at most so much."),
    )
    title = f"Facial landmarks of {', '.join(Path(one).name for one in result['test']['datasets'])}"
    return Section(title, text, (errors, by_set, spread), pictures)


def keypoints(name: str, result: dict[str, Any]) -> Section:
    """Table 2 and Figure 2b."""
    categories = tuple(result["objects"])
    alpha = result["alpha"]
    published = {"convnet": result["published"]["convnet_ridge"]}
    table = Table(
        f"{_PAPER}, Table 2: keypoints by ridge regression, PCK {alpha}",
        ("method", "mean, ours", "mean, paper", *categories),
        tuple(
            (
                method,
                value,
                published.get(method),
                *(result["per_category"][method][one] for one in categories),
            )
            for method, value in result["pck"].items()
        ),
        note=_OTHER_DATA,
    )
    pictures = (
        Picture(f"{name}/figure_2b.png", "PCK against the distance that counts as right."),
        Picture(f"{name}/predictions.jpg", "The truth, and what is predicted."),
    )
    text = f"One set of regressors a category; {_described(result)}"
    return Section(f"Ridge keypoints on {_title(result)}", text, (table,), pictures)


def colors(name: str, result: dict[str, Any]) -> Section:
    """Figure 4."""
    curve, published = result["curve"], result["published"]
    rows = tuple(
        (str(count), error, mean_image)
        for count, error, mean_image in zip(
            curve["images"], curve["mean_absolute_error"], curve["mean_image"], strict=True
        )
    )
    table = Table(
        f"{_PAPER}, Figure 4: mean absolute error of reconstructed colours, between 0 and 1",
        ("training images", "ridge", "mean image"),
        rows,
        note=f"The paper has {published['mean_absolute_error']} with {published['images']} images and fc6.",
    )
    pictures = (
        Picture(f"{name}/figure_4.png", "Photographs, and what their descriptions tell of them."),
        Picture(f"{name}/curve.png", "Error against the number of training images."),
    )
    text = f"{result['test']} photographs to test; {_described(result)}"
    return Section("RGB reconstruction", text, (table,), pictures)


def segmentation(name: str, result: dict[str, Any]) -> Section:
    """Table 3 and Figure 5."""
    rows = tuple(
        (
            features.replace("_", ", "),
            _MATRIX[matrix],
            score["mean_iou"],
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
        note=f"The paper's mean over the classes of VOC 2012 is {result['published']['mean_iou']}. "
        + _OTHER_DATA,
    )
    picture = Picture(
        f"{name}/figure_5.png", "Photographs, responses, the classes predicted and the truth."
    )
    text = f"{result['train']} photographs to learn from; {_described(result)}"
    return Section(f"Segmentation of {_title(result)}", text, (table,), (picture,))


_MATRIX = {
    "none": "without",
    "same": "fitted to the responses to training photographs",
    "held_out": "fitted to the responses to photographs held out",
}


def directions(name: str, result: dict[str, Any]) -> Section:
    """Figure 6."""
    rows = tuple(
        (
            attribute,
            one.get("accuracy"),
            one.get("balanced_accuracy"),
            one.get("correlation"),
        )
        for attribute, one in result["attributes"].items()
    )
    table = Table(
        "Attributes read off descriptions of faces",
        ("attribute", "accuracy", "balanced accuracy", "correlation"),
        rows,
        note="Of two-valued attributes the first two, of others the third.",
    )
    picture = Picture(
        f"{name}/figure_6.png",
        "Faces moved along each attribute's direction, seen by ridge regression.",
    )
    text = f"{result['test']} people to test; {_described(result)}"
    return Section(f"Semantic directions of {_title(result)}", text, (table,), (picture,))


def _described(result: dict[str, Any]) -> str:
    return f"{result['layer']} of {result['network']} with {result['weights']}."


def _title(result: dict[str, Any]) -> str:
    return Path(result["dataset"]).name
