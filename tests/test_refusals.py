"""Bad arguments of numerical functions, networks and rendered scenes are refused in one clear sentence.

A row changes arguments of the valid calls in `tests.builders.numerical_cases`, or states all arguments of a
function that is not there.
"""

import numpy as np
import pytest

from convcorr_jax import (
    backbone,
    coords,
    descriptors,
    flow,
    images,
    metrics,
    pose,
    probes,
    retrieval,
    synthetic,
)
from convcorr_jax.errors import InputError
from convcorr_jax.linear import grouped_folds, ridge, stratified_folds, svm
from tests.builders.numerical_cases import Case, cases, with_value
from tests.builders.weight_files import tiny
from tests.reference.caffe_model import random_params

CASES = cases()
NAN = np.nan
ROWS = np.arange(36, dtype=np.float32).reshape(12, 3) ** 2
FOLDS = np.arange(12) % 3
PERSON = np.array([[[30.0, 0.0], [0.0, 0.0], [30.0, 40.0], [0.0, 40.0]]])
TWO_IMAGES = metrics.KeypointTruth(points=np.zeros((2, 3, 2)))
NOTHING = metrics.UnitSums(np.zeros((0, 1, 1)), np.zeros((0, 1)), np.zeros(0, np.int64))
ONE_GROUP_COUNTS = metrics.UnitSums(np.zeros((2, 1, 1)), np.array([[1.0], [0.0]]), np.arange(2))
LABELS = np.array([0, 1, 2, 1])
ONE_HOT = np.eye(3, dtype=int)[LABELS]
PHOTOGRAPH = np.zeros((30, 40, 3), np.uint8)
WHOLE = probes.Variation(coords.whole_image((2, 2)))
NO_ROWS = ridge.empty_fold_sums(3, 2, k=3)
NETWORKS = {name: tiny(name) for name in ("alexnet", "caffenet", "vgg16")}
WITHOUT_FC = {
    name: filters
    for name, filters in random_params(NETWORKS["alexnet"], np.random.default_rng(0)).items()
    if not name.startswith("fc")
}


def missing_from(left):
    """Return keypoints of 12 objects of which only some have the second."""
    points = np.full((12, 2, 2), 0.5, np.float32)
    points[left:, 1] = NAN
    return points


LINEAR = {
    stratified_folds: [
        (dict(labels=np.arange(4)[:, None], k=2), r"shape \(4, 1\)"),
        (dict(labels=np.array([0, 1, 1]), k=1), "k is 1; at least 2"),
        (dict(labels=np.array([0, 1, 1]), k=4), "there are 3 samples; at least one for each of 4 folds"),
    ],
    grouped_folds: [
        (dict(groups=np.arange(4)[:, None], k=2), r"shape \(4, 1\)"),
        (dict(groups=np.array([0, 1, 1]), k=3), "there are 2 groups; at least one for each of 3 folds"),
        (dict(groups=np.array([], int), k=2), "there are 0 groups"),
    ],
    ridge.fit: [
        (dict(targets=np.ones((11, 2))), "12 rows of features and 11 of targets"),
        (dict(features=ROWS[:1], targets=ROWS[:1, :2]), "at least 2 rows"),
        (dict(features=ROWS[:, :0]), "at least 2 rows and one column"),
        (dict(features=with_value(ROWS, NAN)), "features hold NaN"),
        (dict(targets=with_value(ROWS, np.inf)), "targets hold NaN, infinity"),
        (dict(features=np.ones((12, 3), np.float32)), "all rows of the features are equal"),
        (dict(penalty=0.0), "penalty is 0.0; a finite number above 0"),
        (dict(penalty=np.array([1.0, NAN])), "a finite number above 0"),
        (dict(penalty=np.ones(3)), "one for each of 2 targets"),
        (
            dict(features=np.repeat(ROWS[:, :1], 20, axis=1), penalty=1e-12),
            "a larger penalty or double precision is needed",
        ),
    ],
    ridge.fit_best: [
        (dict(k=None), "folds are passed and k is None; both or neither"),
        (dict(folds=None), "folds are absent and k is 3; both or neither"),
    ],
    ridge.cross_validate: [
        (dict(folds=np.zeros(11, int)), "one for each of 12 rows"),
        (dict(k=2), "numbers other than 0 to 1"),
        (dict(folds=FOLDS % 2), "each must hold one"),
        (dict(folds=np.r_[0, np.ones(11, int)], k=2), "leave two"),
        (dict(folds=0 * FOLDS, k=1), "k is at least 2"),
        *((dict(penalties=np.array(bad)), "penalt") for bad in ([], [1.0, -1.0])),
    ],
    ridge.leave_one_out: [
        *((dict(penalties=np.array(bad)), "penalt") for bad in ([], [1.0, -1.0])),
        # Without the only row of a feature, its prediction is lost in the rounding of 1 less its leverage.
        (
            dict(features=np.eye(3, dtype=np.float32)[[0, *[1] * 11]] * 100, penalties=np.array([1e-7])),
            "larger penalties or double precision are needed",
        ),
    ],
    ridge.fit_held_out: [(dict(folds=FOLDS[:11]), "11"), (dict(folds=0 * FOLDS), "fold"), (dict(k=2), "fold")],
    ridge.prediction_subspace: [
        (dict(rank=rank), f"rank is {rank}; 1 to 3, the number of targets") for rank in (0, 4)
    ],
    ridge.argmin_error: [(dict(errors=np.array(bad)), "none can be chosen") for bad in ([NAN, NAN], [])],
    ridge.empty_fold_sums: [(dict(features=3, targets=2, k=1), "at least 1, 1 and 2 are expected")],
    NO_ROWS.add: [
        (
            dict(features=ROWS[:, 1:], targets=ROWS[:, :2], folds=FOLDS),
            "as many rows of 3 features and 2 targets",
        ),
        (dict(features=ROWS[1:], targets=ROWS[:, :2], folds=FOLDS), "as many rows of 3 features and 2 targets"),
        (dict(features=ROWS, targets=ROWS[:, :2], folds=FOLDS + 1), "other than 0 to 2"),
    ],
    NO_ROWS.solve: [(dict(penalty=1.0), "there are no rows")],
    NO_ROWS.penalty_grid: [({}, "there are no rows")],
    NO_ROWS.cross_validate: [(dict(penalties=np.ones(1)), "there are no rows")],
    svm.fit: [
        *(
            (dict(features=with_value(ROWS, bad)), "features hold NaN, infinity or numbers too large")
            for bad in (NAN, np.inf, 1e30)
        ),
        (dict(features=ROWS[:0], positive=np.zeros((0, 2), bool), sample_weights=None), r"shape \(0, 3\)"),
        (dict(cost=0.0), "cost is 0.0; a finite number above 0"),
        (dict(cost=NAN), "cost is nan"),
        (dict(bias_scale=-1.0), "bias_scale is -1.0"),
        (dict(tolerance=0.0), "tolerance is 0.0"),
        (dict(max_rounds=0), "max_rounds is 0"),
        (dict(sample_weights=-np.ones((12, 1))), "sample_weights hold negative"),
        (dict(sample_weights=np.full((12, 1), NAN)), "sample_weights hold NaN"),
        (dict(sample_weights=np.ones((12, 3))), r"sample_weights have shape \(12, 3\)"),
    ],
    svm.cross_validate: [
        (dict(folds=FOLDS + 1), "folds has numbers other than 0 to 2"),
        (dict(costs=np.array([1.0, -1.0])), "cost is"),
        (dict(costs=np.zeros(0)), "there are 0 costs"),
    ],
    svm.one_vs_all: [
        (dict(labels=np.array([1, 0]), classes=0), "classes is 0"),
        *(
            (dict(labels=np.array(bad), classes=2), "labels")
            for bad in ([0.0, 1.0], [NAN], [[0], [1]], ["a"], [True, False])
        ),
    ],
}

NOWHERE = coords.Box(5.0, 5.0, 5.0, 9.0)
POSE = {
    pose.heatmap_error: [(dict(limit=limit), "a positive number is expected") for limit in (0.0, -1.0, NAN)],
    pose.second_frame: [
        (
            dict(points=np.zeros((2, 2)), joints=("nose", "r_ankle"), first=NOWHERE),
            "none of the joints nose, r_ankle is a shoulder or a hip",
        )
    ],
    pose.frame_of_box: [(dict(person=NOWHERE, architecture=pose.flic()), "no area")],
    pose.resample_to_frame: [
        (dict(photograph=PHOTOGRAPH, frame=frame, size=coords.Size(96, 128)), sentence)
        for frame, sentence in (
            (NOWHERE, "no area"),
            (coords.Box(500.0, 5.0, 510.0, 9.0), "reaches too far beyond the photograph of 40 x 30"),
            (coords.Box(0.0, 0.0, 1e9, 1e9), "reaches too far beyond the photograph of 40 x 30"),
        )
    ],
}

UNORDERED = [(), (0.2, 0.1), (0.1, 0.1), (NAN, 1), (-1, 1), (0, np.inf)]
NAMELESS = [(dict(joints=joints), "joints") for joints in (["nose"] * 4, ["nose"])]
METRICS = {
    metrics.two_valued_scores: [
        *(
            (dict(truth=np.array(bad)), r"exactly \[1.0, 2.0\] are expected")
            for bad in ([1.0] * 4, [1.0, 2.0, 3.0, 3.0], [2.0, 3.0, 3.0, 3.0])
        ),
        (dict(threshold=NAN), "NaN"),
    ],
    metrics.two_valued_sums: [(dict(values=(1.0, 3.0)), "are expected")],
    metrics.graded_scores: [
        (dict(truth=np.ones(4)), "all equal; a correlation needs different ones"),
        (dict(predicted=np.ones(4)), "all equal; a correlation needs different ones"),
        (dict(predicted=np.array([1.0, 2.0, 3.0, np.inf])), "infinity"),
    ],
    metrics.correlation_interval: [
        (dict(n=3), "3 images has no interval"),
        (dict(correlation=1.5), "from -1 to 1"),
    ],
    metrics.unit_means: [
        *(
            (dict(groups=groups), "group")
            for groups in ([float("nan")] * 2 + [1.0] * 2, [1.0] + [NAN] * 3, ["a", "b"])
        ),
        (dict(values=np.zeros(0)), "at least one value"),
    ],
    metrics.mean_ratios: [(dict(sums=NOTHING), "at least one unit")],
    metrics.bootstrap: [
        (dict(sums=NOTHING), "at least one unit"),
        (dict(draws=0), "draws is 0"),
        (dict(sums=ONE_GROUP_COUNTS), "nothing counts in group 1"),
    ],
    metrics.interval: [
        (dict(level=1), "level is 1"),
        (dict(samples=np.zeros(0)), "at least one draw"),
        (dict(samples=np.array([0.1, np.inf])), "infinity"),
    ],
    metrics.named_intervals: [
        (dict(names=names, samples=np.zeros((3, 2))), "names of statistics")
        for names in (["0.1", "0.1"], ["0.1"])
    ],
    metrics.joint_errors: [
        (dict(normalizer=np.array([5.0, 6.0, bad])), "positive length") for bad in (0.0, -1.0, np.inf)
    ],
    metrics.joint_table: [
        *NAMELESS,
        (dict(errors=np.zeros((1, 1)), joints=("pelvis",)), "none of the joints pelvis"),
        (dict(protocol=metrics.PF_WILLOW), "averages the keypoints of an image first"),
        *((dict(alphas=alphas), "the thresholds are") for alphas in UNORDERED),
    ],
    metrics.total_sums: NAMELESS,
    metrics.error_spreads: NAMELESS,
    metrics.label_spreads: NAMELESS,
    metrics.area_under_curve: [
        (dict(shares=np.ones(len(alphas)), alphas=alphas), "the thresholds are")
        for alphas in (*UNORDERED, (0.1,))
    ],
    metrics.landmark_errors: [
        (dict(normalizer=np.zeros(3)), "positive length"),
        (dict(predicted=np.full((3, 4, 2), NAN)), "no predicted one"),
    ],
    metrics.landmark_summary: [(dict(errors=np.full((1, 2), NAN)), "at least one landmark")],
    metrics.pck: [
        (dict(normalizer=np.zeros(3)), "positive, finite length"),
        (dict(truth=np.full((3, 4, 2), NAN)), "true position is missing"),
        (dict(counted=np.zeros((3, 4), bool)), "no keypoint that counts"),
        *((dict(alphas=bad), "threshold") for bad in ((), (NAN,), (np.inf,), (-0.1,), (0.1, NAN))),
        (
            dict(
                **dict.fromkeys(("predicted", "truth"), np.ones((0, 4, 2))),
                **dict(counted=np.ones((0, 4), bool), normalizer=np.ones(0), groups=[]),
            ),
            "at least one image",
        ),
    ],
    metrics.correct: [
        (dict(normalizer=np.array([50.0, NAN, bad])), "must be a positive length, or NaN where unknown")
        for bad in (np.inf, 0.0, -1.0)
    ],
    metrics.KeypointTruth: [
        (dict(points=PERSON) | fields, sentence)
        for fields, sentence in (
            (dict(names=("a",)), "names has 1 entries; 4 are expected"),
            (dict(names=("a", "b", "a", "c")), "names has a name twice"),
            (dict(groups=("a", "b")), "groups has 2 entries; 1 are expected"),
            (dict(points=PERSON * NAN), "no annotated keypoint"),
            (dict(points=PERSON + np.inf), "infinite"),
            (
                dict(points=np.where(PERSON == 40, NAN, PERSON), visible=np.ones((1, 4), bool)),
                "marked as visible but its position is NaN",
            ),
            (dict(image_sizes=np.array([[0, 9]])), "image_sizes must be positive"),
            (dict(image_sizes=np.array([[32, 50]])), "height, width"),
        )
    ],
    metrics.resize_to_squares: [
        (dict(truth=metrics.KeypointTruth(points=PERSON), predicted=PERSON), "image_sizes is absent")
    ],
    metrics.protocol_grid: [
        (dict(truth=TWO_IMAGES, predicted=TWO_IMAGES.points) | changed, sentence)
        for changed, sentence in (
            ({}, r"has no extent in any image; boxes, head_boxes, image_sizes"),
            (dict(predicted=np.zeros((2, 2, 2))), r"are \(2, 2, 2\); \(2, 3, 2\) is expected"),
            (dict(predicted=np.full((2, 3, 2), np.inf)), "infinite coordinate"),
            (dict(predicted=np.full((2, 3, 2), NAN)), "all of them are NaN"),
            *((dict(alphas=bad), "must be positive numbers") for bad in ((), (0.0,), (np.inf,))),
        )
    ],
    metrics.published_figure: [
        (dict(text=text), "is no figure of PCK")
        for text in ("", "a", "-0.1", "0,7", "100.1", "nan", "1e-1", "%", ".", "7 0")
    ],
    metrics.confusion_counts: [
        (
            dict(truth=LABELS, predicted=LABELS, classes=256),
            "label 255 is no class by definition and one of 256",
        ),
        (dict(truth=LABELS, predicted=LABELS, classes=2), r"true labels \[2\]"),
        (dict(truth=0 * LABELS, predicted=-LABELS, classes=2), r"predicted labels \[-2, -1\]"),
        (dict(truth=ONE_HOT, predicted=ONE_HOT, classes=3), "one-hot"),
        *(
            (dict(truth=LABELS, predicted=LABELS, classes=3) | {name: bad}, sentence)
            for name in ("truth", "predicted")
            for bad, sentence in (
                (np.array([0, 1.5, 2, 1]), "are float64"),
                (np.array([0, 0.9, 2, 1], np.float16), "are float16"),
                (np.array([0, NAN, 2, 1]), "are float64"),
                (np.array(["0", "1", "2", "1"]), "are <U1"),
                (LABELS[:, None], r" \(4, 1\)"),
                (ONE_HOT, r" \(4, 3\)"),
                (LABELS[:3], r" \(3,\)"),
            )
        ),
    ],
    metrics.segmentation_scores: [(dict(counts=np.zeros((2, 2), int)), "no pixel has a label")],
}

PROBES = {
    probes.fit_attributes: [
        (dict(values=np.stack([np.full(12, 2.0), np.arange(12.0)], axis=1)), "'smiling' has the one value 2"),
        (dict(names=["age", "age"]), "attributes holds 'age' twice"),
    ],
    probes.fit_directions: [
        (dict(values=np.stack([np.arange(12.0), np.full(12, 3.0)], axis=1)), "has one value only"),
        (
            dict(features=np.array([[1.0], [-1.0]] * 6), values=np.repeat([1.0, 2.0], 6)[:, None]),
            "no feature varies",
        ),
    ],
    probes.fit_grid: [(dict(side=2), "9 targets are not those of 2 x 2 cells")],
    probes.fit_keypoints: [
        (dict(points=missing_from(left)), f"keypoint 'b' is annotated in {left} training obj")
        for left in (0, 3)
    ],
    probes.look_back_sets: [(dict(part_sets={"eyes": (0, 1)}, left_right_pairs=()), "parts eyes; jaw, chin")],
    probes.rgb_targets: [(dict(photographs=[]), "no image"), (dict(photographs=[], side_px=0), "side_px is 0")],
    probes.as_squares: [(dict(rows=np.zeros((2, 15))), "rows of 15 numbers are not the colours of a square")],
    probes.variations: [(dict(size=coords.Size(90, 120), count=0, seed=0), "0 variations are asked for")],
    probes.class_targets: [(dict(shares=np.full((2, 1, 1, 2), NAN, np.float32)), "nothing to learn")],
    probes.class_shares: [
        (dict(label_map=bad, variation=WHOLE, classes=2), "whole numbers")
        for bad in (np.array([[0.0, 1.5]]), np.zeros((2, 2, 3), int), np.arange(3))
    ],
    probes.predict_label_map: [
        (dict(responses=with_value(np.zeros((2, 2, 3), np.float32), bad)), "NaN, infinity")
        for bad in (NAN, np.inf, -np.inf)
    ],
}

CELLS = np.zeros((3, 4, 4, 3), np.float32)
IMAGES = {
    flow.align: [
        (dict(source=np.zeros((*one, 8)), target=np.zeros((*other, 8))), "at least one cell")
        for one, other in (((0, 4), (3, 3)), ((3, 3), (2, 0)))
    ],
    flow.align_costs: [(dict(window=bad), "at least 3 target cells") for bad in (2, -5)],
    flow.min_sum: [
        *((dict(data_cost=bad), "at least one cell") for bad in (CELLS[:0], CELLS[..., :0])),
        (dict(max_rounds=0), "max_rounds"),
        (dict(coarse_levels=-1), "coarse_levels"),
        (dict(origins=np.zeros((2, 4, 2), int)), "origins"),
        (dict(origins=np.zeros((3, 4, 2), np.float32)), "whole numbers"),
    ],
    flow.soft_min_sum: [
        (dict(data_cost=CELLS[..., :0]), "at least one cell"),
        (dict(rounds=-1), "rounds must be at least 0"),
    ],
    flow.distance_transform: [
        (dict(costs=np.zeros((3, 4)), axes=(1, -1)), "axis twice"),
        (dict(costs=np.zeros((3, 4)), axes=2), "within the 2 axes"),
        (dict(costs=np.zeros((3, 4)), axes=()), "within the 2 axes"),
        (dict(costs=np.zeros((3, 0))), "at least one sample"),
    ],
    flow.soft_distance_transform: [
        (dict(costs=np.zeros((3, 4)), axes=()), "within the 2 axes"),
        (dict(costs=np.zeros((3, 0))), "at least one sample"),
    ],
    flow.sample: [(dict(image=np.zeros((0, 3, 1))), "the image has 0 x 3 pixels; at least one is expected")],
    flow.warp: [(dict(image=np.zeros((3, 0, 1))), "the image has 3 x 0 pixels")],
    flow.sample_flow: [(dict(flow=np.zeros((0, 4, 2))), "an axis has 0 samples")],
    descriptors.dense_sift: [
        (dict(radius_px=0.0), "radius_px is 0.0; a positive number"),
        (dict(radius_px=NAN), "radius_px is nan"),
        (dict(smoothing_sigma_px=-1.0), "smoothing_sigma_px is -1.0"),
        (dict(contrast_threshold=-0.1), "contrast_threshold is -0.1"),
        (dict(stride_px=0.0), "stride_px is 0.0"),
        (dict(stride_px=(4.0, -1.0)), r"stride_px is \(4.0, -1.0\)"),
        (dict(size=(0, 3)), "0 rows and 3 columns"),
        (dict(first_center_px=200.0), "the grid has"),
        (dict(image=np.zeros((1, 30), np.float32)), r"shape \(1, 30\); at least 2 x 2"),
    ],
    descriptors.sift_at: [
        (dict(image=np.zeros((30, 30), np.uint8)), "image is uint8"),
        (dict(image=np.zeros((30, 30, 3), np.float32)), "image is float32"),
    ],
    descriptors.view: [
        (dict(photograph=PHOTOGRAPH, box=coords.Box(0, 0, 9, 9), sizes_px=(8,), margin=-0.1), "not be negative")
    ],
    images.crop_and_resize: [
        (dict(image=PHOTOGRAPH, box=coords.Box(*box), size=(8, 8)), sentence)
        for box, sentence in (
            ((40.0, 0.0, 50.0, 10.0), "lies outside the image of 40 x 30 pixels"),
            ((0.0, -9.0, 10.0, -0.5), "lies outside the image"),
            ((5.0, 5.0, 5.0, 10.0), "has no area"),
            ((NAN, 5.0, 5.0, 10.0), "four finite numbers"),
            # Padding it would take terabytes.
            ((-1e6, -1e6, 1e6, 1e6), "reaches beyond the image of 40 x 30 pixels by more than its size"),
        )
    ],
    images.sample: [
        (dict(field=np.zeros((0, 7, 2)), points=np.zeros((1, 2)), order=order), "at least one sample")
        for order in (1, 2, 3)
    ],
    coords.tight_box: [(dict(points=np.full((1, 2), NAN)), "at least one present point")],
    coords.box_to_size: [
        (dict(box=coords.Box(*box), size=(4, 4)), sentence)
        for box, sentence in (
            ((0.0, 0.0, 0.0, 5.0), "has no area"),
            ((0.0, 5.0, 5.0, 5.0), "has no area"),
            ((9.0, 0.0, 5.0, 5.0), "has no area"),
            ((0.0, NAN, 5.0, 5.0), "four finite numbers"),
            ((0.0, 0.0, np.inf, 5.0), "four finite numbers"),
        )
    ],
    retrieval.nearest_neighbors: [
        (dict(queries=with_value(np.ones((2, 4)), NAN)), "query 0 holds NaN"),
        (dict(queries=np.zeros((0, 4))), "there are no queries"),
        (dict(k=0), "k is 0"),
        (dict(k=6), "k is 6, but the database has only 5 rows"),
        (dict(database=np.zeros((0, 4))), "the database has only 0 rows"),
        (dict(database=np.zeros((5, 3))), "4 numbers each and database rows 3"),
        (dict(block_size=0), "block_size is 0"),
        (dict(exclude_same=(np.arange(2), np.arange(4))), "has 2 and 4 labels"),
        (
            dict(k=3, exclude_same=(np.array([7, 1]), np.array([0, 0, 1, 1, 1]))),
            "query 1 has only 2 database rows of another label; k is 3",
        ),
    ],
}

BACKBONE = {
    backbone.find_network: [(dict(name="resnet"), "no network 'resnet'; there are caffenet, bvlc_alexnet")],
    backbone.activations: [
        (
            dict(params=params, inputs=np.zeros((1, side, side, 3), np.float32), layers=(layer,))
            | dict(network=NETWORKS[name]),
            sentence,
        )
        for name, params, side, layer, sentence in (
            *(
                ("vgg16", {}, 32, layer, r"has no layer '.*'; it has conv1_1, conv1_2, pool1")
                for layer in ("conv9", "", "norm1", "conv")
            ),
            ("alexnet", WITHOUT_FC, 224, "fc7", "end before fc6.*they have conv1, conv2"),
            ("caffenet", {}, 10, "conv1", "10 x 10 pixels is too small for conv1 of caffenet"),
            ("caffenet", {}, 60, "fc6", "60 x 60 pixels is too small for fc6 of caffenet"),
        )
    ],
    backbone.single_pixel_activations: [
        (
            dict(params={}, inputs=np.zeros((1, 98, 99, 3), np.float32), network=NETWORKS["caffenet"])
            | dict(layer="conv3"),
            "99 x 98 pixels; the receptive field of conv3 of caffenet has 99 x 99",
        )
    ],
    backbone.grid_size: [
        (
            dict(network=NETWORKS["alexnet"], layer_name="conv5", image_size=(200, 30)),
            r"30 x 200 pixels is too small for conv5 of alexnet \(at pool2\)",
        )
    ],
    backbone.receptive_field: [
        (dict(network=NETWORKS["alexnet"], layer_name="norm1"), "alexnet has no layer 'norm1'")
    ],
}
SYNTHETIC = {
    synthetic.render: [
        (dict(category="car", seed=0, index=0) | changed, sentence)
        for changed, sentence in (
            (dict(category="dragon"), "'dragon' is not rendered; person, face, quadruped, car are"),
            (dict(seed=-1), "must not be negative"),
            (dict(index=-1), "must not be negative"),
            (dict(size=(31, 100)), "at least 32"),
        )
    ],
    synthetic.warped_pair: [
        (dict(photograph_index=0, seed=0) | changed, sentence)
        for changed, sentence in (
            (dict(photograph_index=-1), "photograph -1 does not exist"),
            (dict(photograph_index=1000), "photograph 1000 does not exist"),
            (dict(seed=-1), "seed"),
            (dict(longest_px=31), "32"),
            (dict(longest_px=64, warp=synthetic.Warp(shift=100.0)), "out of the image"),
        )
    ],
}


def calls():
    """Yield every bad call: the function or its valid call, the changed arguments and the sentence."""
    for function, rows in (LINEAR | POSE | METRICS | PROBES | IMAGES | BACKBONE | SYNTHETIC).items():
        valid = [case for case in CASES if case.function is function]
        for case in valid or [Case(function, {}, {}, {})]:
            for changed, sentence in rows:
                yield pytest.param(case, changed, sentence, id=f"{function.__name__}-{sentence}")


@pytest.mark.parametrize(("case", "changed", "sentence"), [*calls()])
def test_bad_arguments_are_refused_in_a_sentence(case, changed, sentence):
    with pytest.raises(InputError, match=sentence):
        case.call(**changed)
