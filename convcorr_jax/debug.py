"""Find where a computation stops being a number: checks of any function, for debugging.

Under `jax.jit` nothing can raise: NaN in an argument, a division by zero and an index out of bounds give an
array that looks like any other. `checked` wraps a function so that they raise instead, with the name of the
function, the argument, or the operation and the line of the source. A function that is not wrapped costs
nothing.

    from convcorr_jax import debug, flow

    alignment = debug.checked(flow.align)(source, target)
    batch = debug.checked(jax.jit(jax.vmap(my_function)))(images)

The wrapped function runs twice: once as it is, for its own refusals and its result, and once operation by
operation; each kind of operation is compiled by itself when it is first met, which takes seconds to a minute.
`jax.experimental.checkify` puts checks into the compiled program instead. It also reports NaN that an operation
passes on, such as absent points, and the message-passing loop of `flow.align` with its checks had not compiled
after six minutes.
"""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

import jax
import numpy as np

from convcorr_jax.errors import InputError, NumericalError
from convcorr_jax.evaluation import Fault, evaluate

Function = TypeVar("Function", bound=Callable[..., Any])

ABSENT: Mapping[str, Collection[str]] = MappingProxyType(
    {
        "flow.distance_transform": ("costs",),
        "flow.soft_distance_transform": ("costs",),
        "flow.parabola_vertex": ("before", "center", "after"),
        "flow.sample": ("points",),
        "flow.sample_flow": ("points",),
        "descriptors.columns_at": ("points",),
        "descriptors.sift_at": ("centers",),
        "descriptors.sift_at_points": ("points",),
        "keypoints.carry_points": ("points_px",),
        "keypoints.combine_with_prior": ("neighbor_points",),
        "keypoints.log_gaussian": ("means",),
        "keypoints.neighbor_points": ("points",),
        "keypoints.vote": ("candidates",),
        "metrics.correct": ("predicted", "truth", "normalizer"),
        "metrics.cumulative_error_curve": ("errors",),
        "metrics.error_spreads": ("errors",),
        "metrics.head_sizes": ("boxes",),
        "metrics.joint_errors": ("predicted", "truth", "normalizer"),
        "metrics.joint_table": ("errors",),
        "metrics.label_spreads": ("annotations",),
        "metrics.landmark_errors": ("truth",),
        "metrics.landmark_summary": ("errors",),
        "metrics.match_sides": ("points", "reference"),
        "metrics.mean_error_per_image": ("errors",),
        "metrics.pck": ("predicted", "truth"),
        "metrics.pckh": ("predicted", "truth", "sizes"),
        "metrics.total_sums": ("errors",),
        "metrics.x_error_histogram": ("errors",),
        "pose.gaussians": ("points",),
        "pose.heatmap_error": ("targets",),
        "probes.class_targets": ("shares",),
        "probes.fit_keypoints": ("points",),
        "probes.fit_mixing": ("shares",),
        "probes.mean_keypoints": ("points",),
    }
)
"""Arguments in which NaN, or an infinite cost, means that a value is absent; they are not checked."""


def checked(function: Function, *, absent: Collection[str] = ()) -> Function:
    """Wrap a function so that numbers that go wrong raise an error instead of reaching the result.

    >>> import jax.numpy as jnp
    >>> checked(jnp.sqrt)(jnp.array([1.0, 4.0])).tolist()
    [1.0, 2.0]

    Args:
        function: any function of arrays, or of trees of arrays, with any result. It may be jitted and vmapped.
            What it computes with NumPy or on the host is not checked, only its arguments are. Inside
            `jax.jit`, the wrapped function is the function itself: wrap the outermost function.
        absent: names of arguments that may hold NaN and infinity, besides those of `ABSENT`.

    Returns:
        A function of the same arguments with the same result, bit for bit.

    Raises:
        InputError: an argument is NaN or infinite; the message has its name and the first index.
        NumericalError: an operation makes NaN of numbers, divides by zero, or reads or writes out of bounds;
            the message has the operation and its line.
    """
    name = _name(function)
    exempt = {*absent, *ABSENT.get(name, ())}

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((args, kwargs))):
            return function(*args, **kwargs)
        for argument, value in _arguments(function, args, kwargs).items():
            if argument not in exempt:
                _check_finite(name, argument, value)
        result = function(*args, **kwargs)
        fault = _first_fault(function, args, kwargs)
        if fault is not None:
            raise NumericalError(f"{name}: {fault.what} ({fault.operation}, {fault.place})")
        return result

    return wrapped  # pyrefly: ignore[bad-return]


def _name(function: Callable[..., Any]) -> str:
    """Return the room and the name of a function of this package, or the name of another function."""
    function = inspect.unwrap(function)
    name = getattr(function, "__name__", type(function).__name__)
    module = getattr(function, "__module__", None) or ""
    package = __name__.partition(".")[0]
    return f"{module.split('.')[1]}.{name}" if module.startswith(f"{package}.") else name


def _arguments(function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a call by name; positions where a function has no signature."""
    try:
        return dict(inspect.signature(function).bind(*args, **kwargs).arguments)
    except (TypeError, ValueError):
        return {**{f"argument {i}": value for i, value in enumerate(args)}, **kwargs}


def _check_finite(name: str, argument: str, value: Any) -> None:
    for path, leaf in jax.tree_util.tree_leaves_with_path(value):
        if not isinstance(leaf, float | np.ndarray | np.generic | jax.Array):
            continue
        if not jax.numpy.issubdtype(leaf.dtype if hasattr(leaf, "dtype") else float, np.inexact):
            continue
        array = np.asarray(leaf)
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            at = f" at index {tuple(bad[0].tolist())}" if array.ndim else ""
            raise InputError(
                f"{name}: {argument}{jax.tree_util.keystr(path)} is {array[tuple(bad[0])]}{at}; "
                "finite numbers are expected"
            )


def _first_fault(function: Callable[..., Any], args: Any, kwargs: Any) -> Fault | None:
    """Run a function operation by operation; None if nothing goes wrong, or if it cannot be traced."""
    leaves, tree = jax.tree.flatten((args, kwargs))
    traced = [i for i, leaf in enumerate(leaves) if isinstance(leaf, np.ndarray | jax.Array)]

    def of_arrays(*arrays: Any) -> Any:
        merged = list(leaves)
        for i, array in zip(traced, arrays, strict=True):
            merged[i] = array
        args, kwargs = jax.tree.unflatten(tree, merged)
        result = jax.tree.leaves(function(*args, **kwargs))
        return [leaf for leaf in result if isinstance(leaf, jax.Array)]

    arrays = [leaves[i] for i in traced]
    try:
        program = jax.make_jaxpr(of_arrays)(*arrays)
    except Exception:
        # It has just run without being traced: it computes with NumPy, or decides by values.
        return None
    return evaluate(program, arrays).fault
