"""The section of matches to explore: photographs aligned by several methods, and the keypoints carried."""

from typing import Any

from convcorr_jax.report.estimates import estimate
from convcorr_jax.report.page import Section, Table, Widget

PHOTOGRAPHS = "photographs"
"""The data set of installed photographs and warps of themselves."""
_CAPTION = (
    "Hover, tap, or use the arrow keys on the first photograph. White dots are points whose match is known; a "
    "white cross shows it. In each copy of the second photograph the large mark is the match by its method, "
    "the small ones are those by the others. The heat is the data term of the point before smoothing, from its "
    "highest to its lowest cost."
)
_WARPED = (
    " Both photographs show the very same scene, which favours SIFT; different objects of a category are "
    "aligned in the sections on keypoint transfer."
)


def matches(name: str, result: dict[str, Any]) -> Section:
    """Show matches to explore, and the errors of the keypoints that the same flows carry."""
    text = (
        f"{len(result['pairs'])} pairs, {result['points']} known points; {result['network']} with "
        f"{result['weights']}. No parameters are trained for this task: belief propagation aligns the "
        "photographs by the features of a network that learned to name objects. Layers, sizes, temperature and "
        "smoothness are settings that were tuned on PF-WILLOW."
    )
    if result["dataset"] == PHOTOGRAPHS:
        text += _WARPED
    widget = Widget("matches", f"{name}/explorer.json", _CAPTION)
    return Section("Touch the correspondence", text, (_errors(result),), widgets=(widget,))


def _errors(result: dict[str, Any]) -> Table:
    alphas = tuple(next(iter(result["methods"].values()))["pck"])
    rows = [
        (
            method,
            None if len(scores["smoothness"]) == 1 else f"{smoothness:g}",
            scores["mean_error"][level],
            *(
                estimate(share["mean"], share["interval"])
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
        "pair, then over pairs. In brackets: the 95 % interval, by drawing the points of each pair again.",
    )
