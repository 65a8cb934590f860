"""One valid call of each public function of the numerical rooms, and what NaN in each argument gives.

The outcomes are

- ``refused``: `InputError`, before anything is computed;
- ``nan``: NaN in the result;
- ``absent``: the value counts as missing, as the function's docstring says.
"""

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from convcorr_jax import coords, descriptors, flow, keypoints, metrics, patches, pose, probes, retrieval
from convcorr_jax.linear import ridge, svm

Outcome = Literal["refused", "nan", "absent"]


class Case(NamedTuple):
    """A valid call of a function: ``function(**arrays, **options)``."""

    function: Callable[..., Any]
    arrays: dict[str, Any]
    """Arguments with floating-point values, by name."""
    options: dict[str, Any]
    outcomes: dict[str, Outcome]
    """What one NaN in each argument of ``arrays`` gives."""

    @property
    def name(self) -> str:
        """The room and the name of the function."""
        return f"{self.function.__module__.split('.')[1]}.{self.function.__name__}"

    def call(self, **changed: Any) -> Any:
        """Call the function, with some arguments changed."""
        return self.function(**{**self.arrays, **self.options, **changed})


def with_nan(value: Any) -> Any:
    """Return an argument with NaN in the first entry of its first floating-point array."""
    return with_value(value, np.nan)


def with_value(value: Any, bad: float) -> Any:
    """Return an argument with a number in the first entry of its first floating-point array."""
    leaves, tree = jax.tree.flatten(value)
    for i, leaf in enumerate(leaves):
        array = np.array(leaf)
        if np.issubdtype(array.dtype, np.floating) and array.size:
            array.flat[0] = bad
            kinds = {float: float, np.ndarray: np.asarray}
            leaves[i] = kinds.get(type(leaf), jnp.asarray)(array)
            break
    return jax.tree.unflatten(tree, leaves)


def case(function: Callable[..., Any], arrays: dict[str, Any], **options: Any) -> Case:
    """Return a case; an argument is an array, or a pair of an array and its outcome (``nan`` by default)."""
    outcomes, values = {}, {}
    for name, value in arrays.items():
        is_pair = type(value) is tuple and len(value) == 2 and isinstance(value[1], str)
        values[name], outcomes[name] = value if is_pair else (value, "nan")
    return Case(function, values, options, outcomes)


def cases() -> list[Case]:
    """Return the cases of all rooms."""
    return [*_flow(), *_linear(), *_metrics(), *_images(), *_keypoints(), *_probes(), *_pose()]


_rng = np.random.default_rng(20150607)


def _normal(*shape: int) -> np.ndarray:
    return _rng.normal(size=shape).astype(np.float32)


def _on_device(*shape: int) -> jax.Array:
    return jnp.asarray(_normal(*shape))


def _unit(*shape: int) -> jax.Array:
    values = _normal(*shape)
    return jnp.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True))


def _flow() -> Iterator[Case]:
    costs = jnp.abs(_on_device(3, 4, 4, 3))
    yield case(flow.align, {"source": _unit(3, 4, 8), "target": _unit(4, 3, 8)})
    yield case(flow.align_costs, {"costs": costs})
    yield case(flow.data_cost, {"source": _unit(3, 4, 8), "target": _unit(4, 3, 8)})
    labels = jnp.tile(jnp.array([1, 0]), (3, 4, 1))
    yield case(flow.subcell_offset, {"min_marginals": costs}, labels=labels)
    yield case(flow.min_sum, {"data_cost": costs, "smoothness": jnp.float32(0.1)})
    yield case(
        flow.soft_min_sum,
        {"data_cost": costs, "smoothness": jnp.float32(0.1), "temperature": jnp.float32(0.5)},
        rounds=3,
    )
    yield case(flow.distance_transform, {"costs": (_on_device(9), "absent"), "weight": jnp.float32(1)})
    yield case(
        flow.soft_distance_transform,
        {"costs": (_on_device(9), "absent"), "temperature": jnp.float32(1), "weight": jnp.float32(1)},
    )
    yield case(
        flow.parabola_vertex, {"before": jnp.full(2, 2.0), "center": jnp.zeros(2), "after": jnp.full(2, 1.0)}
    )
    points = jnp.asarray(np.array([[1.0, 1.5], [2.0, 0.5]], np.float32))
    yield case(flow.sample, {"image": _on_device(5, 6, 2), "points": points})
    yield case(flow.warp, {"image": _on_device(5, 6, 2), "flow_px": _on_device(4, 4, 2)})
    yield case(flow.sample_flow, {"flow": _on_device(5, 6, 2), "points": points})
    yield case(
        flow.upsample_flow,
        {"flow": _on_device(3, 4, 2)},
        source_to_px=coords.grid(2, 0),
        target_to_px=coords.grid(2, 0),
        size=(6, 8),
    )


def _linear() -> Iterator[Case]:
    x, y = _on_device(12, 3), _on_device(12, 2)
    folds = np.arange(12) % 3
    penalties = np.array([0.5, 1.0])
    yield case(ridge.fit, {"features": (x, "refused"), "targets": (y, "refused")}, penalty=1.0)
    yield case(
        ridge.fit,
        {"features": (_on_device(4, 9), "refused"), "targets": (_on_device(4, 2), "refused")},
        penalty=1.0,
    )
    yield case(ridge.fit_best, {"features": (x, "refused"), "targets": (y, "refused")}, folds=folds, k=3)
    yield case(
        ridge.cross_validate,
        {"features": (x, "refused"), "targets": (y, "refused")},
        penalties=penalties,
        folds=folds,
        k=3,
    )
    yield case(
        ridge.cross_predict,
        {"features": (x, "refused"), "targets": (y, "refused")},
        penalty=1.0,
        folds=folds,
        k=3,
    )
    yield case(
        ridge.leave_one_out, {"features": (x, "refused"), "targets": (y, "refused")}, penalties=penalties
    )
    yield case(ridge.penalty_grid, {"features": x})
    yield case(ridge.fit_held_out, {"features": (x, "refused"), "targets": (y, "refused")}, folds=folds, k=3)
    yield case(ridge.statistics, {"features": x, "targets": y})
    parts = [ridge.statistics(x[:6], y[:6]), ridge.statistics(x[6:], y[6:])]
    yield case(ridge.add, {"a": parts[0], "b": parts[1]})
    yield case(ridge.subtract, {"whole": ridge.statistics(x, y), "part": parts[0]})
    yield case(ridge.gram, {"rows": x})
    yield case(ridge.solve, {"summed": (ridge.statistics(x, y), "refused")}, penalty=1.0)
    yield case(ridge.cross_validate_statistics, {"parts": (parts, "refused")}, penalties=penalties)
    predictions = np.asarray(_normal(12, 3), np.float64)
    yield case(ridge.prediction_subspace, {"predictions": (predictions, "refused")}, rank=2)
    fitted = ridge.fit(x, _on_device(12, 3), penalty=1.0)
    subspace = ridge.prediction_subspace(predictions, rank=2)
    yield case(ridge.reduce_rank, {"ridge": fitted, "subspace": subspace})
    positive = jnp.asarray(np.arange(12)[:, None] % 2 == np.arange(2))
    weights = jnp.ones((12, 1))
    yield case(
        svm.fit,
        {"features": (x, "refused"), "sample_weights": (weights, "refused")},
        positive=positive,
        cost=1.0,
    )
    yield case(
        svm.cross_validate,
        {"features": (x, "refused"), "costs": (penalties, "refused")},
        positive=positive,
        folds=folds,
        k=3,
    )
    yield case(
        svm.pad,
        {"features": np.asarray(x), "weights": np.asarray(weights)},
        positive=np.asarray(positive),
        least=svm.Least(rows=16, classes=4),
    )


def _metrics() -> Iterator[Case]:
    points, truth = _normal(3, 4, 2).astype(np.float64), _normal(3, 4, 2).astype(np.float64)
    lengths = np.array([5.0, 6.0, 7.0])
    joints = ["l_wrist", "r_wrist", "l_hip", "r_hip"]
    errors = np.abs(_normal(3, 4)).astype(np.float64)
    yield case(
        metrics.correct,
        {
            "predicted": (points[:, 0], "absent"),
            "truth": (truth[:, 0], "absent"),
            "normalizer": (lengths, "absent"),
        },
        alpha=0.1,
    )
    yield case(
        metrics.pck,
        {"predicted": (points, "absent"), "truth": (truth, "refused"), "normalizer": (lengths, "refused")},
        counted=np.ones((3, 4), bool),
        groups=["a", "a", "b"],
        alphas=(0.1,),
        protocol=metrics.PF_WILLOW,
    )
    yield case(
        metrics.pckh,
        {"predicted": (points, "absent"), "truth": (truth, "absent"), "sizes": (lengths, "absent")},
        joints=joints,
    )
    yield case(metrics.head_sizes, {"boxes": np.array([[0.0, 0.0, 3.0, 4.0]])})
    yield case(metrics.joint_errors, {"predicted": (points, "absent"), "truth": truth, "normalizer": lengths})
    rules = {"joints": joints, "alphas": (0.1, 0.2), "protocol": metrics.LSP_PCK}
    yield case(metrics.joint_table, {"errors": (errors, "absent")}, **rules)
    yield case(metrics.total_sums, {"errors": (errors, "absent")}, **rules)
    yield case(metrics.area_under_curve, {"shares": errors}, alphas=(0.1, 0.2, 0.3, 0.4))
    yield case(
        metrics.landmark_errors,
        {"predicted": (points, "refused"), "truth": truth, "normalizer": (lengths, "refused")},
    )
    yield case(metrics.landmark_summary, {"errors": (errors, "absent")})
    yield case(metrics.mean_error_per_image, {"errors": (errors, "absent")})
    yield case(metrics.cumulative_error_curve, {"errors": (errors, "absent")}, thresholds=np.array([0.1, 0.2]))
    yield case(metrics.error_spreads, {"errors": (points, "absent")}, joints=joints)
    yield case(metrics.x_error_histogram, {"errors": (points, "absent")})
    yield case(metrics.label_spreads, {"annotations": (np.stack([points, truth]), "absent")}, joints=joints)
    yield case(metrics.match_sides, {"points": points, "reference": (truth, "absent")}, pairs=((0, 1), (2, 3)))
    values = np.array([1.0, 2.0, 1.0, 2.0])
    predicted = np.array([0.2, 0.4, 0.6, 0.8])
    two = {"values": (1.0, 2.0), "threshold": 0.5}
    yield case(
        metrics.two_valued_scores, {"predicted": (predicted, "refused"), "truth": (values, "refused")}, **two
    )
    yield case(
        metrics.two_valued_sums, {"predicted": (predicted, "refused"), "truth": (values, "refused")}, **two
    )
    yield case(
        metrics.graded_scores, {"predicted": (predicted, "refused"), "truth": (values, "refused")}, middle=1.5
    )
    yield case(metrics.correlation_interval, {"correlation": 0.5}, n=20)
    yield case(metrics.unit_means, {"values": predicted})
    sums = metrics.unit_means(predicted)
    yield case(metrics.group_ratios, {"sums": sums})
    yield case(metrics.mean_ratios, {"sums": sums})
    yield case(metrics.bootstrap, {"sums": sums}, draws=4)
    yield case(metrics.interval, {"samples": predicted})
    yield case(metrics.named_intervals, {"samples": predicted[:, None]}, names=["a"])
    yield case(metrics.mean_interval, {"values": predicted})


def _images() -> Iterator[Case]:
    image = jnp.asarray(_rng.uniform(size=(24, 24)).astype(np.float32))
    photographs = _rng.integers(0, 256, (1, 24, 24, 3), np.uint8)
    centers = jnp.asarray(np.array([[11.0, 12.0], [8.0, 9.0]], np.float32))
    yield case(descriptors.unit_length, {"descriptors": _on_device(2, 5)})
    yield case(descriptors.dense_sift, {"image": image}, radius_px=8.0, stride_px=8.0)
    yield case(descriptors.sift_at, {"image": image, "centers": centers}, radius_px=8.0)
    yield case(descriptors.sift_at_points, {"points": centers[None]}, photographs=photographs, radii_px=(8.0,))
    yield case(
        retrieval.nearest_neighbors,
        {"queries": (_normal(2, 4), "refused"), "database": (_normal(5, 4), "refused")},
        k=2,
    )
    mean = _rng.uniform(0, 255, (6, 6, 3))
    yield case(patches.expand_contrast, {"mean": (mean, "refused")})
    yield case(patches.middle_share, {"mean": mean})
    yield case(patches.from_tiles, {"tiles": _normal(4, 2, 2, 3)}, grid=coords.Size(2, 2))
    yield case(patches.scores, {"rebuilt": mean, "original": mean[::-1].copy()}, side_px=6)


def _keypoints() -> Iterator[Case]:
    scores = _rng.normal(size=(4, 3, 3, 2))
    centers = np.stack(np.meshgrid(np.arange(3.0), np.arange(3.0)), axis=-1)
    points = _rng.uniform(0, 3, (4, 2, 2))
    calibration = keypoints.Calibration(np.ones(2), np.zeros(2))
    labels = np.where(_rng.uniform(size=scores.shape) < 0.5, 1, -1).astype(np.int8)
    detectors = keypoints.Detectors(_normal(2, 2, 2, 3), _normal(2))
    yield case(keypoints.calibrate, {"scores": (scores, "refused")}, labels=labels)
    yield case(keypoints.log_scores, {"scores": scores, "calibration": calibration}, positive="calibrated")
    yield case(
        keypoints.neighbor_points,
        {
            "queries": (_normal(2, 4), "refused"),
            "database": (_normal(4, 4), "refused"),
            "points": (points, "absent"),
        },
    )
    yield case(keypoints.principal_directions, {"features": (_normal(5, 4), "refused")}, count=2)
    yield case(keypoints.log_gaussian, {"centers": centers, "means": (points, "absent")})
    yield case(
        keypoints.combine_with_prior,
        {
            "scores": scores,
            "neighbor_points": (points, "absent"),
            "calibration": calibration,
            "centers": centers,
        },
        eta=0.5,
        positive="calibrated",
    )
    yield case(
        keypoints.carry_points,
        {"points_px": points[0], "flow": _normal(3, 3, 2)},
        source_to_px=coords.grid(1, 0),
        target_to_px=coords.grid(1, 0),
    )
    yield case(keypoints.vote, {"candidates": (points, "absent")}, order=np.arange(4))
    yield case(keypoints.best_candidates, {"scores": scores, "centers": centers}, refine=True)
    yield case(keypoints.score_candidates, {"maps": _normal(1, 4, 4, 3), "detectors": detectors})
    yield case(keypoints.score_images, {"maps": _normal(1, 4, 4, 3), "detectors": detectors})
    responses = _rng.normal(size=(2, 21, 21))
    yield case(keypoints.response_peaks, {"responses": (responses, "refused")})


def _probes() -> Iterator[Case]:
    x = _normal(12, 5)
    folds = np.arange(12) % 3
    values = np.stack([np.arange(12) % 2, np.arange(12.0)], axis=1).astype(np.float32)
    names = ["smiling", "age"]
    shares = _rng.dirichlet(np.ones(3), (12, 3, 3)).astype(np.float32)
    responses = _normal(12, 3, 3, 3)
    points = _rng.uniform(0, 9, (4, 3, 2))
    squares = (coords.Box(0, 0, 9, 9),) * 4
    yield case(
        probes.fit_attributes,
        {"features": (x, "refused"), "values": (values, "refused")},
        names=names,
        folds=folds,
        k=3,
    )
    yield case(probes.fit_directions, {"features": (x, "refused"), "values": (values, "refused")})
    yield case(
        probes.move_along, {"features": x, "unit": np.eye(5, dtype=np.float32)[0], "amounts": _normal(2)}
    )
    yield case(
        probes.fit_grid,
        {"features": (x, "refused"), "targets": (_normal(12, 9), "refused")},
        side=3,
        folds=folds,
        k=3,
    )
    objects = np.arange(12)
    annotated = _rng.uniform(0, 1, (12, 2, 2)).astype(np.float32)
    yield case(
        probes.fit_keypoints,
        {"features": (x, "refused"), "points": (annotated, "absent")},
        objects=objects,
        names=["a", "b"],
    )
    yield case(probes.mean_keypoints, {"points": (annotated, "absent")})
    yield case(
        probes.fit_mixing, {"responses": (responses, "refused"), "shares": (shares, "absent")}, folds=folds, k=3
    )
    mixing = ridge.fit(_on_device(9, 3), _on_device(9, 3), penalty=1.0)
    yield case(probes.apply_mixing, {"responses": responses, "mixing": mixing})
    yield case(probes.class_targets, {"shares": (shares, "absent")})
    yield case(probes.predict_label_map, {"responses": (responses[0], "refused")}, size=(6, 6))
    yield case(probes.resize_responses, {"responses": responses[0]}, size=(6, 6))
    grid = ridge.fit(jnp.asarray(x), _on_device(12, 27), penalty=1.0)
    yield case(probes.class_responses, {"probe": grid, "features": x}, side=3)
    yield case(probes.reconstruct, {"ridge": grid, "features": x})
    yield case(probes.absolute_error, {"predicted": shares, "truth": shares[::-1].copy()})
    yield case(probes.as_squares, {"rows": _normal(2, 12)})
    yield case(probes.squares_around, {"points": points}, members=(0, 1), margin=0.1)
    yield case(
        probes.needed_margin, {"predicted": points, "truth": points[::-1].copy()}, members=(0, 1), share=1.0
    )
    yield case(probes.to_fractions, {"points": points}, squares=squares)
    yield case(probes.to_pixels, {"fractions": _normal(4, 6)}, squares=squares)


def _pose() -> Iterator[Case]:
    heatmaps = _on_device(2, 4, 4, 3)
    cells = coords.grid(8, 0)
    points = _rng.uniform(0, 30, (2, 3, 2)).astype(np.float32)
    yield case(pose.gaussians, {"points": points}, size=coords.Size(4, 4), cells=cells, sigma_px=8.0)
    yield case(pose.peaks, {"heatmaps": heatmaps}, cells=cells, subcell=True)
    yield case(pose.heatmap_error, {"heatmaps": heatmaps, "targets": (heatmaps[::-1], "absent")})
    images = jnp.asarray(_rng.uniform(0, 255, (1, 16, 16, 3)).astype(np.float32))
    yield case(pose.normalize, {"images": images})
    yield case(pose.pyramid, {"images": images}, levels=2)
    yield case(pose.frame_around, {"middle": points[0, 0].astype(np.float64), "side": 20.0})
