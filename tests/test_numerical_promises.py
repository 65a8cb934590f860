"""What NaN gives in every argument of the numerical rooms' public functions; see docs/explanations."""

import inspect

import jax
import numpy as np
import pytest

from convcorr_jax import descriptors, flow, keypoints, metrics, patches, pose, probes, retrieval
from convcorr_jax.errors import InputError
from convcorr_jax.flow import check_descriptors
from convcorr_jax.linear import ridge, svm
from tests.builders.numerical_cases import cases, with_value

CASES = cases()
ROOMS = (flow, ridge, svm, metrics, descriptors, retrieval, keypoints, patches, probes, pose)
# Public functions that are not in the table of cases, by the reason.
ELSEWHERE = {
    "a network's parameters or a fitted model, whose loader refuses NaN": {
        *("convolutional_descriptors", "columns_at", "columns", "global_features", "patch_features"),
        *("conv_window", "predict", "decode", "predict_landmarks", "find_faces", "fit_landmarks"),
        *("fit_detectors", "mine_violators", "loss", "augment", "predict_photograph"),
        "predict_photographs",
    },
    "sums whose values are checked when they are solved": {
        *("accumulate", "all_reduce", "fold_sums", "fit_attributes_sums", "fit_directions_sums"),
        *("fit_grid_sums", "fit_mixing_sums"),
    },
    "annotations in which NaN is absent, as everywhere in the room": {
        *("resize_to_squares", "normalizer_lengths", "protocol_grid", "add_mirrored", "mixing_rows"),
        *("mean_shares", "jitter_frames", "initial_priors"),
    },
    "a position that must be finite": {"sift_window", "resample_to_frame", "second_frame", "torso_of"},
    "a check itself": {"check_descriptors"},
    "errors, of which NaN is never the least": {"argmin_error"},
    "maxima, which are whole numbers": {"sharpness", "peak_histogram"},
    "labels, which are whole numbers": {"initial_pool"},
}
ARGUMENTS = [(case, name) for case in CASES for name in case.arrays]


def _floats(result):
    """Yield the numbers of a result, but for the energies of rounds, of which some may not have been needed."""
    result = result._replace(trace=None) if isinstance(result, tuple) and hasattr(result, "trace") else result
    for leaf in jax.tree.leaves(result):
        array = np.asarray(leaf)
        if np.issubdtype(array.dtype, np.floating):
            yield array


def _nans(result):
    return sum(int(np.isnan(array).sum()) for array in _floats(result))


@pytest.mark.parametrize(("case", "argument"), ARGUMENTS, ids=lambda value: getattr(value, "name", value))
def test_nan_is_refused_propagated_or_absent(case, argument):
    changed = {argument: with_value(case.arrays[argument])}
    outcome = case.outcomes[argument]
    if outcome == "refused":
        with pytest.raises(InputError):
            case.call(**changed)
        return
    before, after = _nans(case.call()), _nans(case.call(**changed))
    assert (after > before) == (outcome == "nan")


def test_every_public_function_of_numbers_is_in_the_table():
    covered = {case.function.__name__ for case in CASES}.union(*ELSEWHERE.values())
    missing = {
        f"{room.__name__}.{name}"
        for room in ROOMS
        for name, function in vars(room).items()
        if inspect.isroutine(function) or hasattr(function, "lower")
        if not name.startswith("_") and getattr(function, "__module__", "").startswith(room.__name__)
        if _takes_floats(function) and name not in covered
    }
    assert missing == set()


def _takes_floats(function):
    kinds = [str(one.annotation) for one in inspect.signature(function).parameters.values()]
    return any(word in kind for kind in kinds for word in ("Float[", "Float32[", "Num[", "Points"))


@pytest.mark.parametrize("fit", [ridge.fit, svm.fit])
def test_what_is_refused_outside_jit_is_marked_inside(fit):
    case = next(case for case in CASES if case.function is fit)
    fitted = jax.jit(lambda features: case.call(features=features))(with_value(case.arrays["features"]))
    if isinstance(fitted, svm.LinearSVM):
        assert not fitted.converged.any()
    else:
        assert np.isnan(fitted.weights).all()


NOT_FINITE = (np.nan, np.inf, -np.inf)


@pytest.mark.parametrize(
    ("function", "argument", "values"),
    [
        (flow.align, "source", NOT_FINITE),
        (flow.align_costs, "smoothness", (-1.0, np.nan)),
        (flow.data_cost, "temperature", (-1.0, 0.0, np.nan)),
        (flow.min_sum, "data_cost", NOT_FINITE),
        (flow.min_sum, "smoothness", (-1.0, np.nan, np.inf)),
        (flow.min_sum, "damping", (-0.1, 1.0, np.nan)),
        (flow.soft_min_sum, "data_cost", NOT_FINITE),
        (flow.soft_min_sum, "damping", (-0.1, 1.0, np.nan)),
        (flow.distance_transform, "weight", (-1.0, np.nan, np.inf)),
        (flow.distance_transform, "shift", NOT_FINITE),
        (flow.soft_distance_transform, "weight", (-1.0, np.nan, np.inf)),
        (flow.soft_distance_transform, "shift", NOT_FINITE),
        (flow.soft_distance_transform, "temperature", (-1.0, np.nan, np.inf)),
    ],
)
def test_what_means_nothing_makes_every_number_nan_and_no_plausible_flow(function, argument, values):
    case = next(case for case in CASES if case.function is function)
    for bad in values:
        is_array = np.ndim(case.arrays.get(argument, 0)) > 0
        result = case.call(**{argument: with_value(case.arrays[argument], bad) if is_array else bad})
        assert all(np.isnan(array).all() for array in _floats(result))
        assert not getattr(result, "converged", False)
    assert not _nans(case.call())


def test_absent_samples_of_a_distance_transform_change_nothing_else():
    costs = np.array([np.nan, 3.0, np.inf, 0.0], np.float32)
    assert flow.distance_transform(jax.numpy.asarray(costs)).values.tolist() == [4.0, 3.0, 1.0, 0.0]
    assert flow.distance_transform(jax.numpy.asarray(costs[:1])).values.tolist() == [np.inf]


def test_descriptors_are_checked_outside_jit_only():
    source = with_value(next(case for case in CASES if case.function is flow.align).arrays["source"])

    @jax.jit
    def checked(descriptors):
        check_descriptors(descriptors, name="source")
        return descriptors.sum()

    with pytest.raises(InputError, match="the source descriptors hold NaN"):
        check_descriptors(source, name="source")
    assert np.isnan(checked(source))
