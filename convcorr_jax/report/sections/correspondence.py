"""Sections of the results of Long et al. 2014, and of matches to explore by several methods."""

from pathlib import Path
from typing import Any

from convcorr_jax.report.page import LONG, PageFigure, Section, Table, Widget
from convcorr_jax.report.plots import estimate

# Long et al. 2014, Table 2: PASCAL VOC 2011, CaffeNet conv4, mean over 20 categories.
PUBLISHED_TRANSFER = {
    "paper_conv4": {"0.1": 0.249, "0.05": 0.118, "0.025": 0.0408},
    "paper_sift": {"0.1": 0.247, "0.05": 0.109, "0.025": 0.0355},
    "copy": {"0.1": 0.199, "0.05": 0.078, "0.025": 0.0235},
}
# Tables 3 (accuracy) and 4 (PCK at 0.1), on the same data.
PUBLISHED_CLASSIFICATION = {
    **{"sift_10": 0.45, "sift_20": 0.50, "sift_40": 0.51, "sift_80": 0.48, "sift_160": 0.44},
    **{"conv1": 0.20, "conv2": 0.47, "conv3": 0.54, "conv4": 0.56, "conv5": 0.54},
}
PUBLISHED_PREDICTION = {"sift": 0.157, "sift_prior": 0.284, "conv5": 0.333, "conv5_prior": 0.425}
OTHER_DATA = "The paper's figures are for PASCAL VOC 2011: compare the order, not the level."
_RESPONSES = (
    "Decision values of a keypoint's classifier at each cell of a layer, from the lowest of the photograph to "
    "its highest. The classifier did not train on these photographs; the white cross is the annotated keypoint."
)
_INTERVALS = (
    "In brackets: the 95 % bootstrap interval over test images, or over the photographs of fixed pairs."
)
METHOD_NAMES = {
    "conv_flow": "our recipe and mutual cost",
    "paper_conv4": "flow with the paper's cost",
    "paper_sift": "SIFT flow with the paper's cost",
    "sift_flow": "SIFT at our cells, mutual cost",
    "copy": "copying, no flow",
}


def receptive_fields(name: str, result: dict[str, Any]) -> Section:
    """Show Table 1: receptive fields."""
    rows = tuple(
        (layer, *(float(of[axis]) for axis in ("size_px", "stride_px") for of in (field, field["published"])))
        for layer, field in result["layers"].items()
    )
    columns = ("layer", "size, ours", "size, paper", "stride, ours", "stride, paper")
    table = Table("Long et al. 2014, Table 1: receptive fields of CaffeNet, in pixels", columns, rows)
    text = "Computed from the layer table alone."
    return Section("Receptive fields", text, (table,), group=LONG, items=("Table 1",))


def accuracy(name: str, result: dict[str, Any]) -> Section:
    """Show the accuracy of flow between photographs and warps of them."""
    alphas = tuple(result["methods"]["copy"]["pck"])
    rows = tuple(
        (
            METHOD_NAMES[method],
            estimate(score["endpoint_error_px"], score["endpoint_error_interval"]),
            *_estimates(score),
        )
        for method, score in result["methods"].items()
    )
    table = Table(
        "Flow with exact ground truth",
        ("method", "endpoint error, px", *(f"PCK {alpha}" for alpha in alphas)),
        rows,
        note=f"{_rules(result['protocol'])} {_INTERVALS}",
    )
    text = (
        f"{result['pairs']} pairs of real photographs and thin-plate warps of them, under other light and "
        f"before other backgrounds; {result['network']} with {result['weights']}."
    )
    return Section("Warped photographs", text, (table,))


def transfer(name: str, result: dict[str, Any]) -> Section:
    """Show Table 2: keypoint transfer from neighbours, or between fixed pairs."""
    methods = result["methods"]
    alphas = tuple(methods["copy"]["pck"])
    voting = result["protocol"]["transfer"] == "neighbors"
    # The paper's network; published figures stand beside rows of the same layers only.
    comparable = voting and result["network"] in ("alexnet", "caffenet", "bvlc_alexnet")
    published = PUBLISHED_TRANSFER if comparable else {}
    columns = ["method", *(f"PCK {alpha}" for alpha in alphas)]
    if comparable:
        columns += [f"paper, PCK {alpha}" for alpha in alphas]
    rows = []
    for method, score in methods.items():
        row: list[str | float | None] = [METHOD_NAMES[method], *_estimates(score)]
        if comparable:
            row += [published.get(method, {}).get(alpha) for alpha in alphas]
        rows.append(tuple(row))
    note = f"{_rules(result['protocol'])} {_INTERVALS}"
    if comparable:
        note += f" {OTHER_DATA}"
    mean = Table("Keypoint transfer, mean", tuple(columns), tuple(rows), note=note)
    categories = tuple(methods["copy"]["per_category"])
    middle = alphas[0] if voting else alphas[1]
    by_category = Table(
        f"PCK {middle} of every category",
        ("method", *categories),
        tuple(
            (METHOD_NAMES[method], *(score["per_category"][category][middle] for category in categories))
            for method, score in methods.items()
        ),
    )
    text = (
        f"{result['pairs']} alignments of the split {result['split']}; {result['network']} with "
        f"{result['weights']}"
    )
    if voting:
        text += f"; neighbours by cosine of {result['retrieval_layer']}, in the paper of fc7"
        caption = "Five neighbours warped onto each target, with their keypoints."
        figure, items = PageFigure(f"{name}/figure_3.jpg", caption), ("Table 2", "Figure 3")
    else:
        if result["protocol"]["transfer"] == "box":
            text += ". Both boxes, the target's too, are annotated: they tell much of where the keypoints are"
        figure = PageFigure(f"{name}/examples.jpg", "One pair of every category, by every method.")
        items = ("Section 3",)
    title = f"Keypoint transfer on {_title(result)} ({result['protocol']['transfer']})"
    tables = (mean, _differences(result, alphas), by_category, *_further_protocols(result, alphas))
    return Section(title, f"{text}.", tables, (figure,), group=LONG, items=items)


def _estimates(score: dict[str, Any]) -> list[str]:
    """Return PCK at every threshold with its interval."""
    return [estimate(value, score["interval"][alpha]) for alpha, value in score["pck"].items()]


def _differences(result: dict[str, Any], alphas: tuple[str, ...]) -> Table:
    return Table(
        "Differences of methods",
        ("method", "minus", *(f"PCK {alpha}" for alpha in alphas)),
        tuple(
            (METHOD_NAMES[method], METHOD_NAMES[other], *_estimates(difference))
            for method in ("conv_flow", "paper_conv4")
            for other, difference in result[f"{method}_minus"].items()
        ),
        note="Paired: both methods are scored on the same drawn images.",
    )


def _further_protocols(result: dict[str, Any], alphas: tuple[str, ...]) -> list[Table]:
    return [
        Table(
            f"The same predictions by another protocol: {other['protocol']['name']}",
            ("method", *(f"PCK {alpha}" for alpha in alphas)),
            tuple((METHOD_NAMES[method], *_estimates(score)) for method, score in other["methods"].items()),
            note=_rules(other["protocol"]),
        )
        for other in result["other_protocols"]
    ]


def classification(name: str, result: dict[str, Any]) -> Section:
    """Show Table 3 and Figures 4 and 5: keypoint classification."""
    categories = tuple(result["per_category"])
    rows = tuple(
        (
            feature,
            estimate(value, result["interval"][feature]),
            PUBLISHED_CLASSIFICATION.get(feature),
            *(scores["accuracy"][feature] for scores in result["per_category"].values()),
        )
        for feature, value in result["accuracy"].items()
    )
    table = Table(
        "Long et al. 2014, Table 3: accuracy of keypoint classification",
        ("feature", "mean, ours", "mean, paper", *categories),
        rows,
        note="One support vector machine a keypoint, its cost chosen by cross-validation. In brackets: the "
        f"95 % bootstrap interval over photographs. {OTHER_DATA}",
    )
    text = f"Features at keypoints: {result['network']} with {result['weights']}, and SIFT by radius."
    figures = (
        PageFigure(f"{name}/figure_5.png", "Accuracy in cross-validation against the cost."),
        PageFigure(f"{name}/figure_4.png", "Positions of the strongest response near a keypoint."),
        *(
            PageFigure(f"{name}/confusion_{category}.png", "True types in rows, predicted in columns.")
            for category in categories
        ),
    )
    title = f"Keypoint classification on {_title(result)}"
    widgets = (Widget("layers", f"{name}/responses.json", _RESPONSES),)
    items = ("Table 3", "Figure 4", "Figure 5")
    return Section(title, text, (table,), figures, widgets, group=LONG, items=items)


def prediction(name: str, result: dict[str, Any]) -> Section:
    """Show Table 4 and Figure 6: keypoint prediction."""
    alphas = tuple(next(iter(result["pck"].values())))
    categories = tuple(result["objects"])
    mean = Table(
        "Long et al. 2014, Table 4: keypoint prediction, mean",
        ("method", *(f"PCK {alpha}" for alpha in alphas), "paper, PCK 0.1"),
        tuple(
            (
                method,
                *(estimate(value, result["interval"][method][alpha]) for alpha, value in values.items()),
                PUBLISHED_PREDICTION.get(method),
            )
            for method, values in result["pck"].items()
        ),
        note=f"{_rules(result['protocol'])} {_INTERVALS} {OTHER_DATA}",
    )
    by_category = Table(
        "PCK 0.1 of every category",
        ("method", *categories),
        tuple(
            (method, *(values[category]["0.1"] for category in categories))
            for method, values in result["per_category"].items()
        ),
    )
    positive = Table(
        "PCK 0.1 by the mapping of scores to positive values",
        ("method", *next(iter(result["positive_scores"].values()))),
        tuple(
            (method, *(values["0.1"] for values in by_mapping.values()))
            for method, by_mapping in result["positive_scores"].items()
        ),
    )
    caption = "Annotated keypoints, and those predicted by detectors with the prior."
    figures = (PageFigure(f"{name}/figure_6.jpg", caption),)
    text = f"Detectors on {result['network']} with {result['weights']}, and on dense SIFT."
    tables, items = (mean, by_category, positive), ("Table 4", "Figure 6")
    title = f"Keypoint prediction on {_title(result)}"
    return Section(title, text, tables, figures, group=LONG, items=items)


def reconstruction(name: str, result: dict[str, Any]) -> Section:
    """Show Figure 1: images reconstructed from patches."""
    scores = result["scores"]
    rows = tuple((each, f"{k}", *scores[each][k].values()) for each in scores for k in scores[each])
    first = next(iter(next(iter(scores.values())).values()))
    table = Table(
        "Images reconstructed from the patches of nearest neighbours",
        ("features", "neighbours", *(score.replace("_", " ") for score in first)),
        rows,
        note="uniform: patches of the image itself, anywhere in the first layer's receptive field.",
    )
    figure = PageFigure(f"{name}/figure_1.jpg", "Images, and their reconstructions from each layer.")
    return Section(
        "Patch reconstruction", _patches(result), (table,), (figure,), group=LONG, items=("Figure 1",)
    )


def receptive_field_average(name: str, result: dict[str, Any]) -> Section:
    """Show Figure 2: mean receptive fields."""
    counts = tuple(next(iter(result["middle_share"].values())))
    rows = tuple(
        (layer, *values.values(), *result["random"][layer].values())
        for layer, values in result["middle_share"].items()
    )
    table = Table(
        "Fraction of the detail of mean receptive fields in their central ninth",
        ("layer", *(f"{k} neighbours" for k in counts), *(f"{k} at random" for k in counts)),
        rows,
        note="Evenly distributed detail has 0.111.",
    )
    figure = PageFigure(f"{name}/figure_2.jpg", "Means of the receptive fields of nearest neighbours.")
    return Section(
        "Average receptive fields", _patches(result), (table,), (figure,), group=LONG, items=("Figure 2",)
    )


def _patches(result: dict[str, Any]) -> str:
    counts = ", ".join(f"{count} of {layer}" for layer, count in result["patches"].items())
    return (
        f"Patches of {result['photographs']} photographs: {counts}; {result['network']} with "
        f"{result['weights']}."
    )


def _title(result: dict[str, Any]) -> str:
    return Path(result["dataset"]).name


def _rules(protocol: dict[str, Any]) -> str:
    sign = "<" if protocol["strict"] else "<="
    return (
        f"Protocol: {protocol['name']}; error {sign} alpha x {protocol['normalizer']}, in "
        f"{protocol['frame']}; averaged by {protocol['average']} first; counted: {protocol['counted']}."
    )


PHOTOGRAPHS = "photographs"
"""The data set of installed photographs and warps of themselves."""
_CAPTION = (
    "White dots are points whose match is known; a white cross shows it. In each copy of photograph b the "
    "large mark is the match by its method, the small ones are those by the others."
)
_WARPED = " Both photographs show the very same scene, which favours SIFT."


def matches(name: str, result: dict[str, Any]) -> Section:
    """Show matches to explore, and the errors of the keypoints that the same flows carry."""
    text = (
        "No parameters are trained for this task: belief propagation aligns the photographs by the features of "
        "a network that learned to name objects. Layers, sizes, temperature and smoothness are settings that "
        f"were tuned on PF-WILLOW. Here are {len(result['pairs'])} pairs with {result['points']} known points, "
        f"aligned by {result['network']} with {result['weights']}."
    )
    if result["dataset"] == PHOTOGRAPHS:
        text += _WARPED
    widget = Widget("matches", f"{name}/explorer.json", _CAPTION)
    return Section("Touch the correspondence", text, (_errors(result),), widgets=(widget,))


def shipped(name: str, result: dict[str, Any]) -> Section:
    """Show the package's own models on photographs of faces, and the two faces aligned, to explore."""
    text = (
        f"Two people ({'; '.join(result['credits'])}), cropped to head and shoulders. Landmarks and keypoints "
        "are those of the models that the package contains, which search for the face by themselves; the flow "
        "between the two faces is not trained for faces at all. Nobody has marked true positions in these "
        "photographs, so that there is no score. The package's model of whole people is not shown: no "
        "photograph that its installation brings has a person from head to feet."
    )
    figure = PageFigure(f"{name}/{result['figure']}", "Points that the package's own models find.")
    widget = Widget("matches", f"{name}/explorer.json", "")
    return Section("Two faces, point by point", text, (), (figure,), (widget,))


def _errors(result: dict[str, Any]) -> Table:
    alphas = tuple(next(iter(result["methods"].values()))["pck"])
    rows = [
        (
            method,
            None if len(scores["smoothness"]) == 1 else f"{smoothness:g}",
            scores["mean_error"][level],
            *(
                share["mean"] if share["interval"] is None else estimate(share["mean"], share["interval"])
                for share in (scores["pck"][alpha][level] for alpha in alphas)
            ),
        )
        for method, scores in result["methods"].items()
        for level, smoothness in enumerate(scores["smoothness"])
    ]
    return Table(
        "Known points carried to the second photograph",
        ("method", "smoothness", "mean error", *(f"PCK {alpha}" for alpha in alphas)),
        tuple(rows),
        note="Errors are relative to the longer side of the second photograph, averaged over the points of a "
        "pair, then over pairs. In brackets: the 95 % interval, by drawing pairs again.",
    )
