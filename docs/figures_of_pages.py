"""Which figures of which results each page prints; see `docs.figures`.

python -m docs.figures_of_pages                                          (rows and sentences that pages lack)
python -m docs.figures_of_pages flow_selection runs/flow_selection       (the same after copying new figures)
"""

import json
import sys
from pathlib import Path

from docs.figures import RESULTS, Sentence, Table, lacking, record

_README, _RESULTS, _PERSON = "README.md", "docs/results.md", "convcorr_jax/pose/person.md"
_MESSAGES = "docs/explanations/belief_propagation.md"
_ALPHAS = ("0.05", "0.1", "0.2")
_TRANSFER = {
    "conv3-5, mutual cost": "conv_flow",
    "conv4, the paper's cost": "paper_conv4",
    "SIFT, the paper's cost": "paper_sift",
    "SIFT, mutual cost": "sift_flow",
    "copying": "copy",
}
_CHOICES = {"conv_flow": ("nested", "elsewhere", "tuned"), "paper_conv4": ("nested", "elsewhere")}
_CHOICES |= {"paper_sift": ("nested", "elsewhere"), "sift_flow": ("nested", "elsewhere", "tuned")}
_FACE_METHODS = ("random_face", "mean", "rgb_ridge", "convnet_ridge", "look_back")
_BOXES = {
    "released box": "detector",
    "released box, where it differs": "detector_differs",
    "box around the landmarks": "annotated",
    "jitter of .05": "jitter_0.05",
    "jitter of .1": "jitter_0.1",
    "jitter of .15": "jitter_0.15",
}
_NETS = {
    "coarse net alone, before the spatial model": "coarse_alone",
    "coarse net and spatial model": "coarse",
    "cascade": "cascade",
}
_NETWORKS = {"VGG16": "vgg16", "MobileNetV2": "mobilenet_v2", "`vit_s14`": "vit_s14", "AlexNet": "alexnet"}
_GROUPS = ("all", "upright", "others", "other_scenes")
_DETECTORS = ("sift", "sift_prior", "conv5", "conv5_prior")
_FEATURES = {"pool5": "convnet", "pool5, tenfold augmentation": "convnet_augmented"}
_FEATURES |= {"RGB": "rgb", "RGB, tenfold augmentation": "rgb_augmented"}


def _selection(framing: str) -> Table:
    rows = {
        f"{label} | {choice}": f"flow_selection/methods/{framing}/{method}/{choice}"
        for label, method in _TRANSFER.items()
        for choice in _CHOICES.get(method, ())
    }
    rows["copying | none"] = f"transfer_{framing}/methods/copy"
    return Table(_RESULTS, "{row}/pck/{column}", _ALPHAS, rows)


def _defaults(framing: str) -> Table:
    return Table(_RESULTS, f"transfer_{framing}/methods/{{row}}/pck/{{column}}", _ALPHAS, _TRANSFER)


def _peers(run: str) -> Table:
    thunder, lightning = (
        f"{run}/peers/lspet_test_movenet_{name}/groups/{{column}}" for name in ("thunder", "lightning")
    )
    rows = {
        "cascade": f"{thunder}/none",
        "MoveNet Thunder": f"{thunder}/peer",
        "MoveNet Lightning": f"{lightning}/peer",
        "cascade minus Thunder": f"{thunder}/minus_peer/none",
        "cascade minus Lightning": f"{lightning}/minus_peer/none",
    }
    return Table(_RESULTS, "{row}/pck/0.2", _GROUPS, rows)


def _person(page: str, torso: str) -> Table:
    return Table(page, f"pose_annotated/pck_by_torso/{torso}/{{row}}/{{column}}", _ALPHAS, _NETS)


_BESIDE = "pose_one_pass/peers/lspet_test_movenet_thunder/groups/{}/{}/pck/0.2"
_MINUS = "transfer_{}/{}_minus/{}/pck/{}+"

PAGES: tuple[Table | Sentence, ...] = (
    Table(
        _README,
        "{row}/pck/0.1",
        ("image", "box"),
        {
            "AlexNet: conv3-5, mutual cost": "flow_selection/methods/{column}/conv_flow/nested",
            "AlexNet: conv4, the paper's cost, no margin": "flow_selection/methods/{column}/paper_conv4/nested",
            "SIFT at conv4's cells, the paper's cost, no margin": (
                "flow_selection/methods/{column}/paper_sift/nested"
            ),
            "copying": "transfer_{column}/methods/copy",
        },
    ),
    Sentence(
        _README,
        "If the settings are tuned on rendered objects and faces instead, the first row is {} and {}.",
        tuple(f"flow_selection/methods/{name}/conv_flow/elsewhere/pck/0.1" for name in ("image", "box")),
    ),
    Sentence(_README, "(`--box-jitter 0.1`), copying finds {}.", ("transfer_jitter/methods/copy/pck/0.1",)),
    Sentence(
        _MESSAGES,
        "has a PCK at 0.1 of {} by box and {} by image, the distance cost of conv4 {} and {}, with the "
        "settings of each category tuned on the other three",
        tuple(
            f"flow_selection/methods/{framing}/{method}/nested/pck/0.1"
            for method in ("conv_flow", "paper_conv4")
            for framing in ("box", "image")
        ),
    ),
    _selection("image"),
    _selection("box"),
    *map(_defaults, ("image", "box", "jitter")),
    *(
        Table(
            _RESULTS,
            f"{run}/{{row}}/pck/{{column}}",
            _ALPHAS,
            {f"{one}, {label}": name for one, name in _NETWORKS.items()},
        )
        for run, label in (
            ("leaderboard/nearest", "nearest"),
            ("leaderboard_flow/flow", "flow"),
            ("leaderboard_probes/probes/lfpw68", "probe"),
        )
    ),
    Table(
        _RESULTS,
        "annotation/over_draws/{row}/{column}",
        ("within", "worst_within", "median", "rmse"),
        {str(count): f"{count} examples" for count in (1, 5, 20)},
    ),
    Sentence(
        _RESULTS,
        "with 20 examples, {} of the points are within their 90 % radius",
        ("annotation/over_draws/20 examples/coverage",),
    ),
    Table(_RESULTS, "transfer_lfpw/methods/{row}/pck/{column}", ("0.025", "0.05", "0.1"), _TRANSFER),
    *(
        Table(_RESULTS, f"landmarks_{name}/boxes/{{row}}/mean/{{column}}", _FACE_METHODS, _BOXES)
        for name in ("lfpw", "helen")
    ),
    Table(
        _RESULTS,
        "{row}/pck/{column}/0.1",
        _DETECTORS,
        {"faces (`lfpw68`), 15 points": "prediction_lfpw", "faces, equal objects": "prediction_lfpw_equal"},
    ),
    *(
        Sentence(
            _RESULTS,
            f"| {label} | {{}}, radius {radius} | {{}}, {layer} |",
            tuple(f"classification_{name}/accuracy/{features}+" for features in (f"sift_{radius}", layer)),
        )
        for name, label, radius, layer in (
            ("lfpw", "faces (`lfpw68`), 15 points", 80, "conv3"),
            ("lspet", "people (`lspet`), 14 joints", 40, "conv4"),
        )
    ),
    *(
        Sentence(
            _RESULTS,
            f"| {label} | {' | '.join(['{}'] * 6)} |",
            (*(f"{name}/curve/mean_absolute_error/{point}" for point in range(5)), f"{name}/mean_image"),
        )
        for name, label in (
            ("rgb", "photographs, pool5 (9216 features)"),
            ("rgb_128", "photographs, pool5 of 128 px (2304 features)"),
        )
    ),
    Table(_RESULTS, "segmentation/scores/{row}/{column}/mean_iou", ("none", "same", "held_out"), _FEATURES),
    Table(
        _RESULTS,
        "verdicts/turns/{row}/{column}",
        ("off", "mirror", "rotate"),
        {"as released": "released", "b mirrored": "mirrored", "b turned by 90 degrees": "turned"},
    ),
    _person(_RESULTS, "annotated"),
    _person(_RESULTS, "none"),
    _peers("pose_one_pass"),
    _peers("pose_none"),
    Sentence(
        _RESULTS,
        "In whole photographs, the defaults of conv3-5 are ahead of the paper's conv4 by {} at 0.1, and conv4 "
        "is ahead of its SIFT by {}. In boxes, conv3-5 is ahead of conv4 by {} and of copying by {}, but at "
        "0.2 of copying by {}; conv4 is ahead of SIFT by {} and of copying by {}.",
        (
            _MINUS.format("image", "conv_flow", "paper_conv4", "0.1"),
            _MINUS.format("image", "paper_conv4", "paper_sift", "0.1"),
            _MINUS.format("box", "conv_flow", "paper_conv4", "0.1"),
            _MINUS.format("box", "conv_flow", "copy", "0.1"),
            _MINUS.format("box", "conv_flow", "copy", "0.2"),
            _MINUS.format("box", "paper_conv4", "paper_sift", "0.1"),
            _MINUS.format("box", "paper_conv4", "copy", "0.1"),
        ),
    ),
    Sentence(
        _RESULTS,
        "In displaced boxes, conv3-5 is ahead of copying by {} and conv4 by {}.",
        tuple(_MINUS.format("jitter", method, "copy", "0.1") for method in ("conv_flow", "paper_conv4")),
    ),
    Sentence(
        _RESULTS,
        "it has {}, {} and {} without a torso.",
        tuple(f"pose_one_pass/pck_by_torso/none/cascade/{alpha}+" for alpha in _ALPHAS),
    ),
    Sentence(
        _RESULTS,
        "the cascade has {} of their joints at 0.2, and {} of the other people's",
        tuple(f"pose_none/groups/{group}/none/pck/0.2+" for group in ("shared_scenes", "other_scenes")),
    ),
    Sentence(
        _PERSON,
        "it finds {}, MoveNet Thunder {} (a difference of {}) and MoveNet Lightning {}; of upright people {}, "
        "and Thunder {}",
        (
            _BESIDE.format("all", "none"),
            _BESIDE.format("all", "peer"),
            _BESIDE.format("all", "minus_peer/none") + "+",
            _BESIDE.format("all", "peer").replace("thunder", "lightning"),
            _BESIDE.format("upright", "none"),
            _BESIDE.format("upright", "peer"),
        ),
    ),
)
"""Every table and sentence that is compared with the results."""

NOT_RECORDED: dict[str, str] = {
    "| all pairs, nested | 0.05 | 0.1 | 0.15 |": "by a trial outside the package",
    "| every seventh pair, by hand | 0.05 | 0.1 | 0.15 |": "trials outside the package",
    "| | SIFT | SIFT + prior | conv5 | conv5 + prior |": "people were run before results were recorded",
    "| n | 1,000 | 3,000 | 10,000 | 20,000 | 49,000 | mean image |": "run before results were recorded",
    "| | coarse net alone | coarse net and spatial model | cascade | cascade, 0.05 |": "fifteen trainings",
    "| | seed 0 | seed 1 | seed 2 |": "fifteen trainings",
}
"""The headers of the tables of ``docs/results.md`` that are not compared, and why."""

if __name__ == "__main__":
    if len(sys.argv) > 2:
        name, folder, *commit = sys.argv[1:]
        record(name, Path(folder), PAGES, commit=commit[0] if commit else None)
    sys.stdout.writelines(
        f"{line}\n" for line in lacking(PAGES, json.loads(RESULTS.read_text(encoding="utf-8")))
    )
