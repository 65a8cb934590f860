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
Arguments = dict[str, tuple[Any, Outcome]]


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


def with_value(value: Any, bad: float = np.nan) -> Any:
    """Return an argument with NaN, or another number, in the first entry of its first floating-point array."""
    leaves, tree = jax.tree.flatten(value)
    for i, leaf in enumerate(leaves):
        array = np.array(leaf)
        if np.issubdtype(array.dtype, np.floating) and array.size:
            array.flat[0] = bad
            leaves[i] = {float: float, np.ndarray: np.asarray}.get(type(leaf), jnp.asarray)(array)
            break
    return jax.tree.unflatten(tree, leaves)


def nan(**arrays: Any) -> Arguments:
    """Return arguments in which NaN gives NaN."""
    return {name: (value, "nan") for name, value in arrays.items()}


def refused(**arrays: Any) -> Arguments:
    """Return arguments in which NaN is refused."""
    return {name: (value, "refused") for name, value in arrays.items()}


def absent(**arrays: Any) -> Arguments:
    """Return arguments in which NaN counts as missing."""
    return {name: (value, "absent") for name, value in arrays.items()}


def case(function: Callable[..., Any], *arguments: Arguments, **options: Any) -> Case:
    """Return a case of arguments with floating-point values, and of options."""
    pairs = {name: pair for each in arguments for name, pair in each.items()}
    values = {name: value for name, (value, _) in pairs.items()}
    return Case(function, values, options, {name: outcome for name, (_, outcome) in pairs.items()})


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
    yield case(flow.align, nan(source=_unit(3, 4, 8), target=_unit(4, 3, 8)))
    yield case(flow.align_costs, nan(costs=costs))
    yield case(flow.align_costs, nan(costs=costs), both_ways=True, subcell="mean")
    yield case(flow.data_cost, nan(source=_unit(3, 4, 8), target=_unit(4, 3, 8)))
    for offset in (flow.subcell_offset, flow.mean_offset):
        yield case(offset, nan(min_marginals=costs), labels=jnp.tile(jnp.array([1, 0]), (3, 4, 1)))
    yield case(flow.min_sum, nan(data_cost=costs, smoothness=jnp.float32(0.1)))
    yield case(
        flow.soft_min_sum,
        nan(data_cost=costs, smoothness=jnp.float32(0.1), temperature=jnp.float32(0.5)),
        rounds=3,
    )
    yield case(flow.distance_transform, absent(costs=_on_device(9)), nan(weight=jnp.float32(1)))
    yield case(
        flow.soft_distance_transform,
        absent(costs=_on_device(9)),
        nan(temperature=jnp.float32(1), weight=jnp.float32(1)),
    )
    yield case(flow.parabola_vertex, nan(before=jnp.full(2, 2.0), center=jnp.zeros(2), after=jnp.full(2, 1.0)))
    points = jnp.asarray(np.array([[1.0, 1.5], [2.0, 0.5]], np.float32))
    yield case(flow.sample, nan(image=_on_device(5, 6, 2), points=points))
    yield case(flow.warp, nan(image=_on_device(5, 6, 2), flow_px=_on_device(4, 4, 2)))
    yield case(flow.sample_flow, nan(flow=_on_device(5, 6, 2), points=points))
    yield case(
        flow.upsample_flow,
        nan(flow=_on_device(3, 4, 2)),
        source_to_px=coords.grid(2, 0),
        target_to_px=coords.grid(2, 0),
        size=(6, 8),
    )


def _linear() -> Iterator[Case]:
    x, wide, y = _on_device(12, 3), _on_device(12, 15), _on_device(12, 2)
    folds = np.arange(12) % 3
    penalties = np.array([0.5, 1.0])
    for features in (x, wide):
        yield case(ridge.fit, refused(features=features, targets=y), penalty=1.0)
        yield case(ridge.fit_best, refused(features=features, targets=y), folds=folds, k=3)
        rows = refused(features=features, targets=y)
        yield case(ridge.cross_validate, rows, penalties=penalties, folds=folds, k=3)
    yield case(ridge.cross_predict, refused(features=x, targets=y), penalty=1.0, folds=folds, k=3)
    yield case(ridge.leave_one_out, refused(features=x, targets=y), penalties=penalties)
    yield case(ridge.penalty_grid, nan(features=x))
    yield case(ridge.fit_held_out, refused(features=x, targets=y), folds=folds, k=3)
    yield case(ridge.statistics, nan(features=x, targets=y))
    parts = [ridge.statistics(x[:6], y[:6]), ridge.statistics(x[6:], y[6:])]
    yield case(ridge.add, nan(a=parts[0], b=parts[1]))
    yield case(ridge.subtract, nan(whole=ridge.statistics(x, y), part=parts[0]))
    yield case(ridge.gram, nan(rows=x))
    yield case(ridge.solve, refused(summed=ridge.statistics(x, y)), penalty=1.0)
    yield case(ridge.cross_validate_statistics, refused(parts=parts), penalties=penalties)
    predictions = np.asarray(_normal(12, 3), np.float64)
    yield case(ridge.prediction_subspace, refused(predictions=predictions), rank=2)
    fitted = ridge.fit(x, _on_device(12, 3), penalty=1.0)
    subspace = ridge.prediction_subspace(predictions, rank=2)
    yield case(ridge.reduce_rank, nan(ridge=fitted, subspace=subspace))
    positive = jnp.asarray(np.arange(12)[:, None] % 2 == np.arange(2))
    weights = jnp.ones((12, 1))
    yield case(svm.fit, refused(features=x, sample_weights=weights), positive=positive, cost=1.0)
    yield case(svm.cross_validate, refused(features=x, costs=penalties), positive=positive, folds=folds, k=3)
    yield case(
        svm.pad,
        nan(features=np.asarray(x), weights=np.asarray(weights)),
        positive=np.asarray(positive),
        least=svm.Least(rows=16, classes=4),
    )


def _metrics() -> Iterator[Case]:
    points, truth = _normal(3, 4, 2).astype(np.float64), _normal(3, 4, 2).astype(np.float64)
    lengths = np.array([5.0, 6.0, 7.0])
    joints = ["l_wrist", "r_wrist", "l_hip", "r_hip"]
    errors = np.abs(_normal(3, 4)).astype(np.float64)
    yield case(
        metrics.correct, absent(predicted=points[:, 0], truth=truth[:, 0], normalizer=lengths), alpha=0.1
    )
    yield case(
        metrics.pck,
        absent(predicted=points),
        refused(truth=truth, normalizer=lengths),
        counted=np.ones((3, 4), bool),
        groups=["a", "a", "b"],
        alphas=(0.1,),
        protocol=metrics.PF_WILLOW,
    )
    yield case(metrics.pckh, absent(predicted=points, truth=truth, sizes=lengths), joints=joints)
    yield case(metrics.head_sizes, nan(boxes=np.array([[0.0, 0.0, 3.0, 4.0]])))
    yield case(metrics.joint_errors, absent(predicted=points), nan(truth=truth, normalizer=lengths))
    rules = {"joints": joints, "alphas": (0.1, 0.2), "protocol": metrics.LSP_PCK}
    yield case(metrics.joint_table, absent(errors=errors), **rules)
    yield case(metrics.total_sums, absent(errors=errors), **rules)
    yield case(metrics.area_under_curve, nan(shares=errors), alphas=(0.1, 0.2, 0.3, 0.4))
    yield case(metrics.landmark_errors, refused(predicted=points, normalizer=lengths), nan(truth=truth))
    yield case(metrics.landmark_summary, absent(errors=errors))
    yield case(metrics.mean_error_per_image, absent(errors=errors))
    yield case(metrics.cumulative_error_curve, absent(errors=errors), thresholds=np.array([0.1, 0.2]))
    yield case(metrics.error_spreads, absent(errors=points), joints=joints)
    yield case(metrics.x_error_histogram, absent(errors=points))
    yield case(metrics.label_spreads, absent(annotations=np.stack([points, truth])), joints=joints)
    yield case(metrics.match_sides, nan(points=points), absent(reference=truth), pairs=((0, 1), (2, 3)))
    values = np.array([1.0, 2.0, 1.0, 2.0])
    predicted = np.array([0.2, 0.4, 0.6, 0.8])
    two = {"values": (1.0, 2.0), "threshold": 0.5}
    yield case(metrics.two_valued_scores, refused(predicted=predicted, truth=values), **two)
    yield case(metrics.two_valued_sums, refused(predicted=predicted, truth=values), **two)
    yield case(metrics.graded_scores, refused(predicted=predicted, truth=values), middle=1.5)
    yield case(metrics.correlation_interval, nan(correlation=0.5), n=20)
    yield case(metrics.unit_means, nan(values=predicted))
    sums = metrics.unit_means(predicted)
    yield case(metrics.group_ratios, nan(sums=sums))
    yield case(metrics.mean_ratios, nan(sums=sums))
    yield case(metrics.bootstrap, nan(sums=sums), draws=4)
    yield case(metrics.interval, nan(samples=predicted))
    yield case(metrics.named_intervals, nan(samples=predicted[:, None]), names=["a"])
    yield case(metrics.mean_interval, nan(values=predicted))


def _images() -> Iterator[Case]:
    image = jnp.asarray(_rng.uniform(size=(24, 24)).astype(np.float32))
    photographs = _rng.integers(0, 256, (1, 24, 24, 3), np.uint8)
    centers = jnp.asarray(np.array([[11.0, 12.0], [8.0, 9.0]], np.float32))
    yield case(descriptors.unit_length, nan(descriptors=_on_device(2, 5)))
    yield case(descriptors.dense_sift, nan(image=image), radius_px=8.0, stride_px=8.0)
    yield case(descriptors.sift_at, nan(image=image, centers=centers), radius_px=8.0)
    yield case(descriptors.sift_at_points, nan(points=centers[None]), photographs=photographs, radii_px=(8.0,))
    yield case(retrieval.nearest_neighbors, refused(queries=_normal(2, 4), database=_normal(5, 4)), k=2)
    mean = _rng.uniform(0, 255, (6, 6, 3))
    yield case(patches.expand_contrast, refused(mean=mean))
    yield case(patches.middle_share, nan(mean=mean))
    yield case(patches.from_tiles, nan(tiles=_normal(4, 2, 2, 3)), grid=coords.Size(2, 2))
    yield case(patches.scores, nan(rebuilt=mean, original=mean[::-1].copy()), side_px=6)


def _keypoints() -> Iterator[Case]:
    scores = _rng.normal(size=(4, 3, 3, 2))
    centers = np.stack(np.meshgrid(np.arange(3.0), np.arange(3.0)), axis=-1)
    points = _rng.uniform(0, 3, (4, 2, 2))
    calibration = keypoints.Calibration(np.ones(2), np.zeros(2))
    labels = np.where(_rng.uniform(size=scores.shape) < 0.5, 1, -1).astype(np.int8)
    detectors = keypoints.Detectors(_normal(2, 2, 2, 3), _normal(2))
    yield case(keypoints.calibrate, refused(scores=scores), labels=labels)
    yield case(keypoints.log_scores, nan(scores=scores, calibration=calibration), positive="calibrated")
    yield case(
        keypoints.neighbor_points, refused(queries=_normal(2, 4), database=_normal(4, 4)), absent(points=points)
    )
    yield case(keypoints.principal_directions, refused(features=_normal(5, 4)), count=2)
    yield case(keypoints.log_gaussian, nan(centers=centers), absent(means=points))
    yield case(
        keypoints.combine_with_prior,
        nan(scores=scores, calibration=calibration, centers=centers),
        absent(neighbor_points=points),
        eta=0.5,
        positive="calibrated",
    )
    yield case(
        keypoints.carry_points,
        nan(points_px=points[0], flow=_normal(3, 3, 2)),
        source_to_px=coords.grid(1, 0),
        target_to_px=coords.grid(1, 0),
    )
    yield case(keypoints.vote, absent(candidates=points), order=np.arange(4))
    yield case(keypoints.best_candidates, nan(scores=scores, centers=centers), refine=True)
    yield case(keypoints.score_candidates, nan(maps=_normal(1, 4, 4, 3), detectors=detectors))
    yield case(keypoints.score_images, nan(maps=_normal(1, 4, 4, 3), detectors=detectors))
    yield case(keypoints.response_peaks, refused(responses=_rng.normal(size=(2, 21, 21))))


def _probes() -> Iterator[Case]:
    x = _normal(12, 5)
    folds = np.arange(12) % 3
    values = np.stack([np.arange(12) % 2, np.arange(12.0)], axis=1).astype(np.float32)
    names = ["smiling", "age"]
    shares = _rng.dirichlet(np.ones(3), (12, 3, 3)).astype(np.float32)
    responses = _normal(12, 3, 3, 3)
    points = _rng.uniform(0, 9, (4, 3, 2))
    squares = (coords.Box(0, 0, 9, 9),) * 4
    yield case(probes.fit_attributes, refused(features=x, values=values), names=names, folds=folds, k=3)
    yield case(probes.fit_directions, refused(features=x, values=values))
    yield case(probes.move_along, nan(features=x, unit=np.eye(5, dtype=np.float32)[0], amounts=_normal(2)))
    yield case(probes.fit_grid, refused(features=x, targets=_normal(12, 9)), side=3, folds=folds, k=3)
    objects = np.arange(12)
    annotated = _rng.uniform(0, 1, (12, 2, 2)).astype(np.float32)
    yield case(
        probes.fit_keypoints, refused(features=x), absent(points=annotated), objects=objects, names=["a", "b"]
    )
    yield case(probes.mean_keypoints, absent(points=annotated))
    yield case(probes.fit_mixing, refused(responses=responses), absent(shares=shares), folds=folds, k=3)
    mixing = ridge.fit(_on_device(9, 3), _on_device(9, 3), penalty=1.0)
    yield case(probes.apply_mixing, nan(responses=responses, mixing=mixing))
    yield case(probes.class_targets, absent(shares=shares))
    yield case(probes.predict_label_map, refused(responses=responses[0]), size=(6, 6))
    yield case(probes.resize_responses, nan(responses=responses[0]), size=(6, 6))
    grid = ridge.fit(jnp.asarray(x), _on_device(12, 27), penalty=1.0)
    yield case(probes.class_responses, nan(probe=grid, features=x), side=3)
    yield case(probes.reconstruct, nan(ridge=grid, features=x))
    yield case(probes.absolute_error, nan(predicted=shares, truth=shares[::-1].copy()))
    yield case(probes.as_squares, nan(rows=_normal(2, 12)))
    yield case(probes.squares_around, nan(points=points), members=(0, 1), margin=0.1)
    yield case(
        probes.needed_margin, nan(predicted=points, truth=points[::-1].copy()), members=(0, 1), share=1.0
    )
    yield case(probes.to_fractions, nan(points=points), squares=squares)
    yield case(probes.to_pixels, nan(fractions=_normal(4, 6)), squares=squares)


def _pose() -> Iterator[Case]:
    heatmaps = _on_device(2, 4, 4, 3)
    cells = coords.grid(8, 0)
    points = _rng.uniform(0, 30, (2, 3, 2)).astype(np.float32)
    yield case(pose.gaussians, nan(points=points), size=coords.Size(4, 4), cells=cells, sigma_px=8.0)
    yield case(pose.peaks, nan(heatmaps=heatmaps), cells=cells, subcell=True)
    yield case(pose.heatmap_error, nan(heatmaps=heatmaps), absent(targets=heatmaps[::-1]))
    images = jnp.asarray(_rng.uniform(0, 255, (1, 16, 16, 3)).astype(np.float32))
    yield case(pose.normalize, nan(images=images))
    yield case(pose.pyramid, nan(images=images), levels=2)
    yield case(pose.frame_around, nan(middle=points[0, 0].astype(np.float64), side=20.0))
